"""A street of flats made by a seed from recorded weeks, vehicles and heat pumps.

Every random number of a flat is drawn from a stream of its own, whatever the shares are, so a
larger share of vehicles holds every vehicle of a smaller one, and changes nothing else.

================  ==================================================================  ============
what              distribution                                                        from
================  ==================================================================  ============
recorded week     each of the weeks in turn, in an order drawn anew every time        recording
habits            the week shifted by a normal time of 30 min, at most 90             own
lighting, plugs   times a log-normal factor, sigma 0.3, mean 1                        own
vehicle at home   0.7 of the evenings                                                 own
  arrival         18:00, sigma 1.5 h; departure 07:15, sigma 45 min, own of the car   own
  energy          log-normal, median 8 kWh, sigma 0.6, 2 to 40 kWh                    own
  charger         half 3.7 kW on one phase, half 11 kW on three, at least 6 A         IEC 61851-1
heat pump         16 to 26 kWh a day, 1.5 to 3 kW, in runs of a 40-min cycle          own
================  ==================================================================  ============

Own means round numbers of a cold week, not measured. 8 kWh on 0.7 of the days are some 13,000 km a
year at 0.18 kWh/km. The heat pump's day is about that of a recorded one (Open Power System Data,
household DE_KN_residential4, CC BY 4.0): 21 kWh a day in January, and its vehicle drew 4.9 kWh on
half of the days.
"""

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand import Load
from balans.domain.demand.devices import LEAST_CHARGE_A, VOLT
from balans.domain.demand.model import DAY_S, LoadKind
from balans.usecases.profile import utc_offsets

UNITS_PER_W = 100
"""Powers are whole numbers of 1 / UNITS_PER_W watt, so that every sum is exact."""
MINUTE_S = 60
DAY_MIN = 1440
FLATS_MAX, DAYS_MAX = 1000, 7
PHASES = 3

SHIFT_MIN, SHIFT_MOST_MIN = 30.0, 90
REST_SIGMA = 0.3
PLUGGED_SHARE = 0.7
ARRIVAL_H, ARRIVAL_SIGMA_H = 18.0, 1.5
DEPARTURE_H, DEPARTURE_SIGMA_H = 7.25, 0.75
CHARGE_KWH, CHARGE_SIGMA, CHARGE_LEAST_KWH, CHARGE_MOST_KWH = 8.0, 0.6, 2.0, 40.0
CHARGER_A = 16.0
PUMP_KWH, PUMP_W, PUMP_CYCLE_MIN = (16.0, 26.0), (1500.0, 3000.0), 40
MORNING_BOOST, BOOST_H = 1.6, (5.5, 8.0)
NIGHT_DUTY, NIGHT_FROM_H = 0.8, 22
LAUNDRY_DEADLINE_S = 7 * 3600

Ints = NDArray[np.int32]
Watts = NDArray[np.int64]
Floats = NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Weeks:
    """Recorded weeks: mean power by week and minute from Monday 00:00 local, (weeks, 10080) [W]."""

    rest_w: Watts
    kitchen_w: Watts
    laundry_w: Watts
    heat_w: Watts


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a street is made of. `start_min` is its first minute after Monday 00:00 local."""

    flats: int
    days: int
    seed: int
    ev_share: float = 0.0
    heat_pump_share: float = 0.0
    start_min: int = 12 * 60

    def __post_init__(self) -> None:
        if not 1 <= self.flats <= FLATS_MAX:
            raise InputError(f"flats = {self.flats}: expected 1 to {FLATS_MAX}")
        if not 1 <= self.days <= DAYS_MAX:
            raise InputError(f"days = {self.days}: expected 1 to {DAYS_MAX}")
        if self.seed < 0:
            raise InputError(f"seed = {self.seed}: expected 0 or more")
        for name, share in (("ev-share", self.ev_share), ("heat-pump-share", self.heat_pump_share)):
            if not 0 <= share <= 1:
                raise InputError(f"{name} = {share}: expected 0 to 1")

    @property
    def steps(self) -> int:
        """How many minutes the street lasts."""
        return self.days * DAY_MIN


@dataclass(frozen=True)
class Street:
    """Flats behind one transformer, minute by minute from `start_s` (Unix seconds).

    base
        What each flat draws beside its loads, (flats, steps) [0.01 W].
    phase
        The phase (1..3) of each flat, (flats,).
    flat_of
        The flat of each load, (loads,).
    wanted
        What each load wants, (steps, loads) [0.01 W].
    leaves
        Steps at whose beginning a load is gone with what it still lacks: (step, load), sorted.
    """

    timezone: ZoneInfo
    start_s: float
    base: Ints
    phase: NDArray[np.int64]
    loads: tuple[Load, ...]
    flat_of: NDArray[np.int64]
    wanted: Ints
    leaves: tuple[tuple[int, int], ...]
    order: NDArray[np.int64]
    """The flats in the order in which they begin to take part."""

    @property
    def flats(self) -> int:
        """How many flats there are."""
        return len(self.phase)

    @property
    def steps(self) -> int:
        """How many minutes it lasts."""
        return int(self.base.shape[1])

    @cached_property
    def step_s(self) -> Floats:
        """When each step begins, (steps,) [Unix s]."""
        return self.start_s + np.arange(self.steps, dtype=np.float64) * MINUTE_S

    @cached_property
    def local_s(self) -> Floats:
        """The second of the local day at which each step begins, (steps,)."""
        return (self.step_s + utc_offsets(self.step_s, self.timezone)) % DAY_S

    @cached_property
    def phase_share(self) -> Floats:
        """Which part of each load is on which phase, (3, loads)."""
        share = np.zeros((PHASES, len(self.loads)))
        for index, load in enumerate(self.loads):
            share[[phase - 1 for phase in load.phases], index] = 1 / len(load.phases)
        return share

    def only(self, flat: int) -> "Street":
        """Return the street of this flat alone."""
        rows = np.flatnonzero(self.flat_of == flat)
        place = {row: index for index, row in enumerate(rows.tolist())}
        return Street(
            self.timezone,
            self.start_s,
            self.base[flat : flat + 1],
            self.phase[flat : flat + 1],
            tuple(self.loads[row] for row in rows.tolist()),
            np.zeros(len(rows), dtype=np.int64),
            np.ascontiguousarray(self.wanted[:, rows]),
            tuple((step, place[row]) for step, row in self.leaves if row in place),
            np.zeros(1, dtype=np.int64),
        )

    def taking_part(self, share: float) -> NDArray[np.bool_]:
        """Return which flats take part at `share`; more of them hold the fewer."""
        chosen = np.zeros(self.flats, dtype=np.bool_)
        chosen[self.order[: round(share * self.flats)]] = True
        return chosen


def make_street(weeks: Weeks, recipe: Recipe, timezone: ZoneInfo, monday_s: float) -> Street:
    """Return the street of `recipe`; `monday_s` is Monday 00:00 local [Unix s]."""
    week = _weeks_of_flats(recipe, len(weeks.rest_w))
    minute = _minutes(recipe)
    rest = weeks.rest_w[week[:, None], minute] * _size(recipe)[:, None]
    base_w = rest + weeks.kitchen_w[week[:, None], minute]
    phase = np.arange(recipe.flats, dtype=np.int64) % PHASES + 1
    made = _Made(recipe, phase)
    for kind, recorded in (("heat", weeks.heat_w), ("wash", weeks.laundry_w)):
        made.add_recorded(kind, recorded[week[:, None], minute], recorded.max(axis=1)[week])
    made.add_pumps()
    made.add_vehicles()
    by_flat = np.argsort(np.array(made.flat_of), kind="stable")
    place = {int(row): index for index, row in enumerate(by_flat)}
    return Street(
        timezone=timezone,
        start_s=monday_s + recipe.start_min * MINUTE_S,
        base=np.rint(base_w * UNITS_PER_W).astype(np.int32),
        phase=phase,
        loads=tuple(made.loads[row] for row in by_flat.tolist()),
        flat_of=np.array(made.flat_of, dtype=np.int64)[by_flat],
        wanted=np.ascontiguousarray(np.array(made.wanted, dtype=np.int32)[by_flat].T),
        leaves=tuple(sorted((step, place[row]) for step, row in made.leaves)),
        order=_stream(recipe, "order").permutation(recipe.flats),
    )


def flat_name(index: int) -> str:
    """Return the name of a flat.

    >>> flat_name(0)
    'flat-0001'
    """
    return f"flat-{index + 1:04d}"


_STREAMS = ("week", "shift", "size", "order", "ev", "pump", "ev_order", "pump_order")


def _stream(recipe: Recipe, name: str) -> Random:
    return np.random.default_rng([recipe.seed, _STREAMS.index(name)])


def _weeks_of_flats(recipe: Recipe, weeks: int) -> NDArray[np.int64]:
    """Return the recorded week of each flat: all of them before one comes twice."""
    random = _stream(recipe, "week")
    rounds = [random.permutation(weeks) for _ in range(-(-recipe.flats // weeks))]
    return np.concatenate(rounds)[: recipe.flats]


def _minutes(recipe: Recipe) -> NDArray[np.int64]:
    """Return the minute of the recorded week at each step of each flat."""
    drawn = _stream(recipe, "shift").normal(0.0, SHIFT_MIN, recipe.flats)
    shift = np.rint(np.clip(drawn, -SHIFT_MOST_MIN, SHIFT_MOST_MIN)).astype(np.int64)
    steps = recipe.start_min + np.arange(recipe.steps)
    return (steps[None, :] - shift[:, None]) % (7 * DAY_MIN)


def _size(recipe: Recipe) -> Floats:
    random = _stream(recipe, "size")
    return random.lognormal(-(REST_SIGMA**2) / 2, REST_SIGMA, recipe.flats)


class _Made:
    """The loads of a street while it is made."""

    def __init__(self, recipe: Recipe, phase: NDArray[np.int64]) -> None:
        self.recipe, self.phase = recipe, phase
        self.loads: list[Load] = []
        self.flat_of: list[int] = []
        self.wanted: list[Ints] = []
        self.leaves: list[tuple[int, int]] = []

    def _add(self, flat: int, load: Load, wanted_w: Floats) -> None:
        self.loads.append(load)
        self.flat_of.append(flat)
        self.wanted.append(np.rint(wanted_w * UNITS_PER_W).astype(np.int32))

    def add_recorded(self, kind: str, power_w: Watts, rated_w: Watts) -> None:
        """Add a recorded load of every flat: heat is yellow, laundry green."""
        green = kind == "wash"
        for flat in range(self.recipe.flats):
            load = Load(
                f"{flat_name(flat)}-{kind}",
                LoadClass.GREEN if green else LoadClass.YELLOW,
                float(rated_w[flat]),
                deadline_s=LAUNDRY_DEADLINE_S if green else None,
                node=flat_name(flat),
                phases=(int(self.phase[flat]),),
            )
            self._add(flat, load, power_w[flat].astype(np.float64))

    def add_pumps(self) -> None:
        """Add the heat pumps: runs whose part of each cycle is the duty of the hour."""
        random = _stream(self.recipe, "pump")
        flats = self.recipe.flats
        kwh, rated_w = random.uniform(*PUMP_KWH, flats), random.uniform(*PUMP_W, flats)
        offset = random.random(flats)
        minute = self.recipe.start_min + np.arange(self.recipe.steps)
        shape = _day_shape(minute)
        for flat in _chosen(self.recipe, "pump_order", self.recipe.heat_pump_share):
            duty = np.minimum(1.0, kwh[flat] * 1000 / 24 / rated_w[flat] * shape)
            is_on = (minute / PUMP_CYCLE_MIN + offset[flat]) % 1 < duty
            load = Load(
                f"{flat_name(flat)}-pump",
                LoadClass.YELLOW,
                float(rated_w[flat]),
                node=flat_name(flat),
                phases=(int(self.phase[flat]),),
            )
            self._add(flat, load, np.where(is_on, rated_w[flat], 0.0))

    def add_vehicles(self) -> None:
        """Add the vehicles, each with its evenings; what it lacks when it leaves is lost to it."""
        random = _stream(self.recipe, "ev")
        shape = (self.recipe.flats, self.recipe.days + 1)
        plugged = random.random(shape) < PLUGGED_SHARE
        arrival_h = random.normal(ARRIVAL_H, ARRIVAL_SIGMA_H, shape)
        kwh = np.clip(
            random.lognormal(np.log(CHARGE_KWH), CHARGE_SIGMA, shape),
            CHARGE_LEAST_KWH,
            CHARGE_MOST_KWH,
        )
        leave_h = np.clip(
            random.normal(DEPARTURE_H, DEPARTURE_SIGMA_H, self.recipe.flats),
            DEPARTURE_H - 2,
            DEPARTURE_H + 2,
        )
        is_big = random.random(self.recipe.flats) < 0.5
        for flat in _chosen(self.recipe, "ev_order", self.recipe.ev_share):
            phases = (1, 2, 3) if is_big[flat] else (int(self.phase[flat]),)
            leave_min = round(float(leave_h[flat]) * 60)
            load = _charger(flat_name(flat), phases)
            wanted_w = np.zeros(self.recipe.steps)
            for evening in np.flatnonzero(plugged[flat]).tolist():
                # The first evening is that before the street begins: its end may reach into it.
                first_min = (evening - 1) * DAY_MIN + round(arrival_h[flat, evening] * 60)
                last_min = evening * DAY_MIN + leave_min
                self._charge(wanted_w, (first_min, last_min), kwh[flat, evening], load.rated_w)
                leaving = last_min - self.recipe.start_min
                if 0 < leaving < self.recipe.steps:
                    self.leaves.append((leaving, len(self.loads)))
            self._add(flat, load, wanted_w)

    def _charge(
        self, wanted_w: Floats, stay_min: tuple[int, int], kwh: float, rated_w: float
    ) -> None:
        """Want full power from arrival on until full, or until the car leaves."""
        first, last = (minute - self.recipe.start_min for minute in stay_min)
        minutes = min(kwh * 1000 / rated_w * 60, last - first)
        whole = int(minutes)
        span = slice(max(0, first), max(0, first + whole))
        wanted_w[span] = rated_w
        if 0 <= first + whole < len(wanted_w):
            wanted_w[first + whole] = (minutes - whole) * rated_w


def _charger(flat: str, phases: tuple[int, ...]) -> Load:
    rated_w = CHARGER_A * VOLT * len(phases)
    return Load(
        f"{flat}-ev",
        LoadClass.GREEN,
        rated_w,
        kind=LoadKind.MODULATING,
        min_w=LEAST_CHARGE_A * VOLT * len(phases),
        max_w=rated_w,
        node=flat,
        phases=phases,
    )


def _chosen(recipe: Recipe, order: str, share: float) -> list[int]:
    """Return the flats that have one, in the order of the flats."""
    drawn = _stream(recipe, order).permutation(recipe.flats)
    return sorted(drawn[: round(share * recipe.flats)].tolist())


def _day_shape(minute: NDArray[np.int64]) -> Floats:
    """Return the duty of a heat pump over its mean: warm-up in the morning, less in the night."""
    hour = np.arange(DAY_MIN) / 60
    is_night = (hour >= NIGHT_FROM_H) | (hour < BOOST_H[0])
    is_boost = (BOOST_H[0] <= hour) & (hour < BOOST_H[1])
    day = np.where(is_boost, MORNING_BOOST, np.where(is_night, NIGHT_DUTY, 1.0))
    return np.asarray(day[minute % DAY_MIN] / day.mean(), dtype=np.float64)
