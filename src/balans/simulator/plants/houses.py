"""Many houses as one plant: loads in a row, minute by minute, with what people do in them.

`make_houses` draws them from a seed. A load is a row; loads of a kind follow each other, so every
plant works on whole arrays. `Houses.run_day` gives plain arrays for those who want a profile,
`Houses.step` closes a control loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.simulator.arrays import Flags, Floats, Int32s, Snapshot
from balans.simulator.plants.groups import BatteryGroup, Group
from balans.simulator.plants.kinds import KINDS, MIN_ON_S, SHARES, Place
from balans.simulator.plants.people import Households
from balans.simulator.plants.red import base_w
from balans.simulator.plants.weather import CLIMATES, DAY_MIN, TEMPERATE, Climate, Weather

HOUSES_MAX = 100_000


class HouseError(InputError):
    """Houses that cannot be made."""

    code = "houses"


@dataclass(frozen=True, slots=True)
class LoadTable:
    """All loads, one array element each.

    Attributes
    ----------
    name
        ``h0001-fridge``: unique.
    house
        Index of the house.
    kind, load_class
        Words, see `KINDS`.
    rated_w, min_w
        See `Group`.
    phases, first_phase
        1 or 3 phases; the phase (0 to 2) of those with one.
    max_off_s, min_on_s
        Bounds of control [s]; 0: none.
    modulating
        A limit in watts can be set.
    """

    name: tuple[str, ...]
    house: Int32s
    kind: tuple[str, ...]
    load_class: tuple[LoadClass, ...]
    rated_w: Floats
    min_w: Floats
    phases: Int32s
    first_phase: Int32s
    max_off_s: Floats
    min_on_s: Floats
    modulating: Flags

    def __len__(self) -> int:
        return len(self.name)

    def of_kind(self, kind: str) -> Flags:
        """Return which loads are of `kind`."""
        return np.array([word == kind for word in self.kind], dtype=np.bool_)


class Minute(NamedTuple):
    """Mean powers of a minute [W]: by house in all and its red part, and by load."""

    house_w: Floats
    base_w: Floats
    load_w: Floats


class HouseDay(NamedTuple):
    """A day as plain arrays [W]: red part (houses, 1440), loads (loads, 1440); and the loads."""

    base_w: Floats
    load_w: Floats
    loads: LoadTable


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What surrounds houses: climate, seed, and the number of the first day."""

    climate: Climate
    seed: int
    first_day: int

    def weather(self, day: int) -> Weather:
        """Return the weather of a day."""
        return Weather(self.climate, self.seed, day)


class Houses:
    """Houses with their loads.

    Parameters
    ----------
    households
        Who lives in them.
    owners
        By kind: indices of the houses that have one.
    around
        Climate, seed and first day.

    Attributes
    ----------
    minute
        Minutes since the beginning of the first day.
    """

    def __init__(
        self, households: Households, owners: Mapping[str, Sequence[int]], around: Surroundings
    ) -> None:
        unknown = sorted(set(owners) - set(KINDS))
        if unknown:
            raise HouseError(f"kinds: {unknown[0]!r}; known are {', '.join(KINDS)}")
        self.households, self.around, self.minute = households, around, 0
        self._groups: dict[str, tuple[slice, Group]] = {}
        begin = 0
        for number, (name, kind) in enumerate(KINDS.items()):
            house = np.array(owners.get(name, ()), dtype=np.int32)
            random = np.random.default_rng([around.seed, 30, number])
            if len(house):
                rows = slice(begin, begin + len(house))
                self._groups[name] = rows, kind.build(Place(house, households, random))
                begin = rows.stop
        self.loads = self._table()
        self._begun = -1
        self._begin_day()

    @property
    def wants_w(self) -> Floats:
        """Power that each load would draw in the coming minute with supply and no limit [W]."""
        self._begin_day()
        at = self.minute % DAY_MIN
        wants_w = np.zeros(len(self.loads))
        for rows, group in self._groups.values():
            self._tell_net(group, wants_w)
            wants_w[rows] = group.wants_w(at)
        return wants_w

    def step(self, on: Flags | None = None, limit_w: Floats | None = None) -> Minute:
        """Let a minute pass.

        Parameters
        ----------
        on
            Supply by load; None: all have it. Without supply a battery rests, and
            producers feed nothing in.
        limit_w
            By load, NaN where there is none: most power of a car, least (negative) power of
            producers, set-point of a battery. Other loads know no limits.
        """
        self._begin_day()
        at, count = self.minute % DAY_MIN, len(self.loads)
        on = np.ones(count, dtype=np.bool_) if on is None else on
        limit_w = np.full(count, np.nan) if limit_w is None else limit_w
        load_w = np.zeros(count)
        for rows, group in self._groups.values():
            self._tell_net(group, load_w)
            load_w[rows] = group.step(at, on[rows], limit_w[rows])
        self.minute += 1
        base = self._base_w[at]
        return Minute(base + self._by_house(load_w), base, load_w)

    def run_day(self) -> HouseDay:
        """Let the rest of the day pass without control, and return it as plain arrays."""
        self._begin_day()
        minutes = DAY_MIN - self.minute % DAY_MIN
        load_w = np.empty((minutes, len(self.loads)))
        base = self._base_w[-minutes:].T.copy()
        for row in load_w:
            row[:] = self.step().load_w
        return HouseDay(base, np.ascontiguousarray(load_w.T), self.loads)

    def plant(self, kind: str) -> Group:
        """Return the plants of a kind, to be looked at.

        Raises
        ------
        HouseError
            If no house has one.
        """
        if kind not in self._groups:
            raise HouseError(f"kind {kind!r}: no house has one")
        return self._groups[kind][1]

    def snapshot(self) -> Snapshot:
        """Return the state as arrays."""
        state: Snapshot = {"minute": np.array(self.minute)}
        for name, (_, group) in self._groups.items():
            state |= {f"{name}:{key}": value for key, value in group.snapshot().items()}
        return state

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot` of the same houses."""
        self.minute = int(state["minute"])
        # Between two days the state still belongs to the day that ended.
        self._begin_day(max(self.minute - 1, 0) // DAY_MIN)
        for name, (_, group) in self._groups.items():
            own = {key.split(":")[1]: state[key] for key in state if key.startswith(f"{name}:")}
            group.restore(own)

    def _begin_day(self, number: int | None = None) -> None:
        number = self.minute // DAY_MIN if number is None else number
        if number == self._begun:
            return
        self._begun = number
        day = self.households.day(self.around.first_day + number)
        weather = self.around.weather(day.number)
        self._base_w = np.ascontiguousarray(base_w(day, weather).T)
        for _, group in self._groups.values():
            group.begin_day(day, weather)

    def _by_house(self, load_w: Floats) -> Floats:
        return np.bincount(self.loads.house, load_w, len(self.households)).astype(np.float64)

    def _tell_net(self, group: Group, load_w: Floats) -> None:
        if isinstance(group, BatteryGroup):
            net_w = self._base_w[self.minute % DAY_MIN] + self._by_house(load_w)
            group.net_w = net_w[group.house]

    def _table(self) -> LoadTable:
        groups = [group for _, group in self._groups.values()]
        kinds = [KINDS[name] for name, (_, group) in self._groups.items() for _ in group.house]
        house = _join([group.house for group in groups]).astype(np.int32)
        yellow = [kind.load_class is LoadClass.YELLOW for kind in kinds]
        return LoadTable(
            name=tuple(f"h{at + 1:04d}-{kind.name}" for at, kind in zip(house, kinds, strict=True)),
            house=house,
            kind=tuple(kind.name for kind in kinds),
            load_class=tuple(kind.load_class for kind in kinds),
            rated_w=_join([group.rated_w for group in groups]),
            min_w=_join([group.min_w for group in groups]),
            phases=_join([group.phases for group in groups]).astype(np.int32),
            first_phase=(house % 3).astype(np.int32),
            max_off_s=np.array([kind.max_off_s for kind in kinds], dtype=np.float64),
            min_on_s=np.where(yellow, MIN_ON_S, 0.0),
            modulating=np.array([kind.modulating for kind in kinds], dtype=np.bool_),
        )


def make_houses(
    count: int,
    seed: int = 1,
    day_of_year: int = 15,
    shares: Mapping[str, float] | None = None,
    climate: Climate | str = TEMPERATE,
    *,
    warm_up: bool = True,
) -> Houses:
    """Return `count` houses drawn from `seed`, at the beginning of a day.

    Parameters
    ----------
    count
        1 to 100,000.
    seed
        The same seed gives the same houses, weather and habits.
    day_of_year
        1 to 366, of the year 2026; 1 January is a Thursday, so 17 is a Saturday.
    shares
        By kind, the share of houses that have one; what is not named stays at `SHARES`. Exactly
        round(share · count) houses, drawn at random, get one. A larger share holds the houses of a
        smaller one, each with the very same plant.
    climate
        Climate or its name, see `CLIMATES`.
    warm_up
        Let the day before pass first, so that temperatures, cars and machines are as people left
        them; otherwise cars are full and machines idle.

    Raises
    ------
    HouseError
        If a number, share, kind or climate is out of range.
    """
    if not 1 <= count <= HOUSES_MAX:
        raise HouseError(f"count: {count}; 1 to {HOUSES_MAX} houses are possible")
    if not 1 <= day_of_year <= 366:
        raise HouseError(f"day_of_year: {day_of_year}; 1 to 366 are possible")
    if seed < 0:
        raise HouseError(f"seed: {seed}; 0 or more is possible")
    first = day_of_year - 1 - warm_up
    around = Surroundings(_climate(climate), seed, first)
    owners = _owners(count, seed, {**SHARES, **(shares or {})})
    houses = Houses(Households.draw(count, seed), owners, around)
    if warm_up:
        for _ in range(DAY_MIN):
            houses.step()
    return houses


def _climate(climate: Climate | str) -> Climate:
    if isinstance(climate, Climate):
        return climate
    if climate not in CLIMATES:
        raise HouseError(f"climate: {climate!r}; known are {', '.join(CLIMATES)}")
    return CLIMATES[climate]


def _owners(count: int, seed: int, shares: Mapping[str, float]) -> dict[str, list[int]]:
    owners = {}
    for number, (kind, share) in enumerate(shares.items()):
        if kind not in KINDS:
            raise HouseError(f"shares: {kind!r}; known are {', '.join(KINDS)}")
        if not 0 <= share <= 1:
            raise HouseError(f"shares: {kind} {share}; 0 to 1 are possible")
        order = np.random.default_rng([seed, 31, number]).permutation(count)
        owners[kind] = sorted(order[: round(share * count)].tolist())
    return owners


def _join(parts: Sequence[Floats] | Sequence[Int32s]) -> Floats:
    if not parts:
        return np.zeros(0)
    joined: Floats = np.concatenate(parts).astype(np.float64)
    return joined
