"""What nobody may switch: stand-by, light, electronics, kettle, oven, hob, microwave.

These are the red part of a household: events with a mean power, made for a whole day.
"""

from typing import NamedTuple

import numpy as np

from balans.simulator.arrays import Floats, Int32s, Watts
from balans.simulator.plants.base import HOUR_S, WATER_WH_L_K
from balans.simulator.plants.people import Day, awake
from balans.simulator.plants.weather import DAY_MIN, Weather

KETTLE_W, KETTLE_EFFICIENCY = 1_800.0, 0.85
"""Typical values: 1.8 to 2.2 kW; a sixth of the heat stays in the vessel or leaves as steam."""

KETTLE_L = (0.4, 1.0)
"""Typical filling: one to four cups."""

KETTLE_RISE_K = 85.0


def kettle_s(litres: float | Floats) -> float | Floats:
    """Return how long a kettle boils `litres` from 15 °C [s]."""
    return WATER_WH_L_K * litres * KETTLE_RISE_K / KETTLE_EFFICIENCY / KETTLE_W * HOUR_S


class Event(NamedTuple):
    """Something that is switched on: power [W], least and most length [min], times a day, when.

    `people` is how the rate grows: with a household's members (1) or not at all (0). `when` is
    ``meals``, the hours of meals, or ``awake``, whenever somebody is.
    """

    power_w: float
    length_min: tuple[int, int]
    a_day: float
    people: float
    when: str


EVENTS = (
    Event(2_400.0, (8, 12), 0.35, 0.3, "meals"),  # oven heating up: 2.4 kW until 180 °C
    Event(800.0, (20, 45), 0.35, 0.3, "meals"),  # oven holding 180 °C by thermostat, a third on
    Event(1_400.0, (10, 30), 0.9, 0.4, "meals"),  # one or two hob rings, by energy regulator
    Event(1_200.0, (2, 5), 0.8, 0.5, "awake"),  # microwave
    Event(1_600.0, (5, 12), 0.25, 0.8, "awake"),  # hair dryer, iron, vacuum cleaner
    Event(110.0, (60, 200), 1.4, 0.3, "awake"),  # television, computer
)
"""Typical powers and habits: about 1.5 kWh a day of cooking and electronics for 2.3 people."""

MEAL_HOURS = ((7, 9), (12, 14), (18, 21))
STANDBY_W = (35.0, 90.0)
"""Typical range: router, clocks, chargers, circulation pump."""

LIGHT_W_PERSON = 45.0
"""Typical value: lamps on at a time for each person awake in the dark."""

DARK_W_M2 = 60.0
"""Typical value: irradiance below which lamps are lit."""


def base_w(day: Day, weather: Weather) -> Floats:
    """Return the red power of each house at each minute of a day [W], array (houses, 1440)."""
    households = day.households
    houses = len(households)
    standby = np.random.default_rng([households.seed, 60]).uniform(*STANDBY_W, houses)
    power = np.repeat(standby[:, None], DAY_MIN, axis=1)
    power += _light_w(day, weather)
    _kettles(day, power)
    random = day.random(62)
    for event in EVENTS:
        rate = event.a_day * (1 - event.people + event.people * households.people / 2.3)
        house = np.repeat(np.arange(houses), random.poisson(rate)).astype(np.int32)
        minute = day.shifted(house, day.minutes(random, len(house)))
        if event.when == "meals":
            minute = _at_meals(random, len(house))
        length = random.integers(event.length_min[0], event.length_min[1] + 1, len(house))
        watts = event.power_w * random.uniform(0.8, 1.2, len(house))
        _add(power, house, minute, length, watts)
    return power


def _light_w(day: Day, weather: Weather) -> Floats:
    dark = np.clip(1 - weather.horizontal_w_m2 / DARK_W_M2, 0.0, 1.0)
    lit = dark * awake(day.number)
    light: Floats = LIGHT_W_PERSON * np.sqrt(day.households.people)[:, None] * lit
    return light


def _kettles(day: Day, power: Floats) -> None:
    """Add kettles by their energy: the last minute is boiled only in part."""
    random, households = day.random(61), day.households
    house = np.repeat(np.arange(len(households)), random.poisson(1.2 * households.people))
    minute = day.shifted(house.astype(np.int32), day.minutes(random, len(house)))
    seconds = np.asarray(kettle_s(random.uniform(*KETTLE_L, len(house))))
    for offset in range(int(seconds.max(initial=0.0) // 60) + 1):
        share = np.clip(seconds / 60 - offset, 0.0, 1.0)
        np.add.at(power, (house, (minute + offset) % DAY_MIN), KETTLE_W * share)


def _at_meals(random: np.random.Generator, count: int) -> Int32s:
    spans = np.array(MEAL_HOURS)[random.choice(len(MEAL_HOURS), count, p=(0.2, 0.3, 0.5))]
    return random.uniform(spans[:, 0] * 60, spans[:, 1] * 60).astype(np.int32)


def _add(power: Floats, house: Int32s, minute: Int32s, length_min: Watts, watts: Floats) -> None:
    for offset in range(int(length_min.max(initial=0))):
        on = length_min > offset
        at = (minute[on] + offset) % DAY_MIN
        np.add.at(power, (house[on], at), watts[on])
