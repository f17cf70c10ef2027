"""What people do: when they are awake at home, draw hot water, start machines, cook, drive.

Everything of a day depends on the seed, the day and the households only. Rates by hour are
typical shapes (two peaks on working days, one broad one at weekends); amounts have sources.
"""

from dataclasses import dataclass

import numpy as np

from balans.simulator.arrays import Flags, Floats, Int32s
from balans.simulator.plants.weather import DAY_MIN

WEEK_DAYS = 7
FIRST_WEEKDAY = 3
"""Weekday of day 0, 1 January 2026: a Thursday, Monday being 0."""

MEAN_PEOPLE = 2.3
PEOPLE_SHARES = (0.34, 0.31, 0.15, 0.14, 0.06)
"""Households of one to five people, typical of the European Union; the mean is 2.27."""

AWAKE_WORKDAY = (
    0.10, 0.06, 0.05, 0.05, 0.08, 0.20, 0.50, 0.65, 0.50, 0.40, 0.36, 0.36,
    0.42, 0.42, 0.38, 0.40, 0.48, 0.62, 0.76, 0.84, 0.88, 0.85, 0.65, 0.30,
)  # fmt: skip
AWAKE_WEEKEND = (
    0.16, 0.10, 0.06, 0.05, 0.05, 0.08, 0.16, 0.34, 0.56, 0.68, 0.70, 0.68,
    0.68, 0.64, 0.58, 0.56, 0.60, 0.66, 0.74, 0.80, 0.84, 0.82, 0.68, 0.40,
)  # fmt: skip
"""Share of people awake at home by hour, typical shapes of time-use surveys."""

WATER_L_PERSON = 50.0
"""Mixed water of 40 °C a person and day. Typical value; profiles in use with DHWcalc have 30 to
50 l a person."""

DRAWS = ((1.0, 1, 0.14), (6.0, 1, 0.36), (14.0, 10, 0.10), (8.0, 5, 0.40))
"""Flow [l/min], length [min] and share of the volume of short draws, medium draws, baths and
showers: U. Jordan, K. Vajen, "Realistic Domestic Hot-Water Profiles in Different Time Scales"
(2001), the default categories of DHWcalc."""

WASHES_YEAR, DISHES_YEAR, DRIES_YEAR = 220.0, 280.0, 155.0
"""Programmes a year of a mean household: washing and dishes as the energy labels of Regulations
(EU) 1061/2010 and 1059/2010 take them, drying as appliance-energy-costs.eu."""

DRIVE_WH_KM = 180.0
"""Typical value of a compact electric car."""

DRIVE_KM, DRIVE_SPREAD = 30.0, 0.7
"""Median of a day's drive and standard deviation of its logarithm (typical; mean 38 km)."""

DRIVES_WORKDAY, DRIVES_WEEKEND = 0.8, 0.6
ARRIVAL_MIN = (17.7 * 60, 110.0)
"""Minute of coming home: mean and standard deviation (typical: end of the working day)."""

DEPARTURE_MIN = (7.5 * 60, 70.0)


def weekday(day: int) -> int:
    """Return the weekday of `day`, 0 is Monday."""
    return (day + FIRST_WEEKDAY) % WEEK_DAYS


def awake(day: int) -> Floats:
    """Return the share of people awake at home by minute of `day`."""
    hours = AWAKE_WEEKEND if weekday(day) >= 5 else AWAKE_WORKDAY
    at = (np.arange(24) + 0.5) * 60
    wrapped = np.concatenate(([at[-1] - DAY_MIN], at, [at[0] + DAY_MIN]))
    shares = np.concatenate(([hours[-1]], hours, [hours[0]]))
    share: Floats = np.interp(np.arange(DAY_MIN) + 0.5, wrapped, shares)
    return share


@dataclass(frozen=True, slots=True)
class Households:
    """Who lives where: number of people, and shift of the day's rhythm [min], by house."""

    people: Int32s
    shift_min: Int32s
    seed: int

    @classmethod
    def draw(cls, count: int, seed: int) -> "Households":
        """Return `count` households from `seed`."""
        random = np.random.default_rng([seed, 50])
        people = random.choice(5, count, p=PEOPLE_SHARES) + 1
        shift = np.rint(random.normal(0.0, 45.0, count))
        return cls(people.astype(np.int32), shift.astype(np.int32), seed)

    def __len__(self) -> int:
        return len(self.people)

    def day(self, day: int) -> "Day":
        """Return what these households do on `day`."""
        return Day(self, day)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of households; each part draws from a random stream of its own."""

    households: Households
    number: int

    def random(self, part: int) -> np.random.Generator:
        """Return the random stream of a part of the day."""
        return np.random.default_rng([self.households.seed, part, self.number % 2**32])

    def minutes(self, random: np.random.Generator, count: int) -> Int32s:
        """Return `count` minutes at which people are awake at home."""
        at = random.choice(DAY_MIN, count, p=awake(self.number) / awake(self.number).sum())
        return at.astype(np.int32)

    def shifted(self, house: Int32s, minute: Int32s) -> Int32s:
        """Return minutes moved by the rhythm of their house."""
        return ((minute + self.households.shift_min[house]) % DAY_MIN).astype(np.int32)

    def water_l(self) -> Floats:
        """Return the mixed water drawn by house and minute [l]."""
        random, houses = self.random(51), len(self.households)
        drawn = np.zeros((houses, DAY_MIN))
        for flow, length, share in DRAWS:
            rate = WATER_L_PERSON * self.households.people * share / (flow * length)
            house = np.repeat(np.arange(houses), random.poisson(rate)).astype(np.int32)
            start = self.shifted(house, self.minutes(random, len(house)))
            litres = flow * np.clip(random.normal(1.0, 0.25, len(house)), 0.3, 2.0)
            for offset in range(length):
                np.add.at(drawn, (house, (start + offset) % DAY_MIN), litres)
        return drawn

    def programs(self, part: int, per_year: float, spread: Flags) -> Int32s:
        """Return how many programmes begin to wait by house and minute, in houses of `spread`."""
        random, houses = self.random(part), len(self.households)
        rate = per_year / 365 * self.households.people / MEAN_PEOPLE
        house = np.repeat(np.arange(houses), random.poisson(rate * spread)).astype(np.int32)
        start = self.shifted(house, self.minutes(random, len(house)))
        wanted = np.zeros((houses, DAY_MIN), dtype=np.int32)
        np.add.at(wanted, (house, start), 1)
        return wanted

    def drives(self) -> tuple[Int32s, Int32s, Floats]:
        """Return by house: departure and arrival [min of the day], energy of the drive [Wh].

        A house whose car stays at home has departure and arrival −1.
        """
        random, houses = self.random(52), len(self.households)
        share = DRIVES_WEEKEND if weekday(self.number) >= 5 else DRIVES_WORKDAY
        goes = random.random(houses) < share
        leaves = np.clip(random.normal(*DEPARTURE_MIN, houses), 240, 840)
        comes = np.clip(random.normal(*ARRIVAL_MIN, houses), leaves + 30, DAY_MIN - 1)
        km = np.minimum(DRIVE_KM * np.exp(random.normal(0.0, DRIVE_SPREAD, houses)), 250.0)
        minutes = (np.where(goes, at, -1).astype(np.int32) for at in (leaves, comes))
        leaves_min, comes_min = minutes
        return leaves_min, comes_min, km * DRIVE_WH_KM
