"""What goes wrong between a controller and its plants: seeded, composable.

Each fault is a small object of one of two kinds. A *path* fault changes the commands on their way
to the contacts, a *meter* fault changes what the controller reads. Faults of a kind are put in a
row; each sees what the one before it left:

    contacts = Line((LostCommand(...), Welded(...))).contacts(wanted)
    reading = Line((Late(...), DropOut(...))).reading(time_s, power_w)

==============  ======  =========================================================================
fault           kind    effect
==============  ======  =========================================================================
`LostCommand`   path    a change of a contact does not arrive; the contact keeps its side, and a
                        later step may bring the same change through
`Welded`        path    contacts that stay closed (or open) whatever is commanded
`Late`          meter   a reading comes some steps later, with the time at which it was taken
`DropOut`       meter   for a while nothing is read (NaN); missing is never zero
`ClockOffset`   meter   times are those of a wrong clock
`WrongRating`   -       the rated power that the controller is told, see `told_w`
==============  ======  =========================================================================
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from balans.simulator.arrays import Flags, Floats, Int32s


class Reading(NamedTuple):
    """Powers as read: time by meter [Unix s], power [W]; NaN is no reading."""

    time_s: Floats
    power_w: Floats


class PathFault(Protocol):
    """Changes commands on their way."""

    def contacts(self, wanted: Flags) -> Flags:
        """Return the contacts, given the commanded ones of this step."""
        ...


class MeterFault(Protocol):
    """Changes readings on their way."""

    def reading(self, read: Reading) -> Reading:
        """Return what arrives, given what was read in this step."""
        ...


@dataclass(slots=True)
class LostCommand:
    """Each change of a contact is lost with `chance`, anew at each step."""

    chance: float
    seed: int
    _random: np.random.Generator = field(init=False)
    _side: Flags | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng([self.seed, 41])

    def contacts(self, wanted: Flags) -> Flags:
        """Return the contacts after the changes that arrived."""
        arrives = self._random.random(len(wanted)) >= self.chance
        before = np.ones_like(wanted) if self._side is None else self._side
        self._side = np.where(arrives, wanted, before)
        return self._side.copy()


@dataclass(slots=True)
class Welded:
    """A share of contacts, drawn once, that cannot open (or, with `closed` False, close)."""

    share: float
    seed: int
    closed: bool = True
    _stuck: Flags | None = field(init=False, default=None)

    def contacts(self, wanted: Flags) -> Flags:
        """Return the contacts with the stuck ones at their side."""
        return np.where(self.stuck(len(wanted)), self.closed, wanted)

    def stuck(self, count: int) -> Flags:
        """Return which of `count` contacts are stuck."""
        if self._stuck is None:
            random = np.random.default_rng([self.seed, 42, int(self.closed)])
            self._stuck = random.random(count) < self.share
        return self._stuck


@dataclass(slots=True)
class Late:
    """Readings arrive `steps` later; until the first one does, nothing is read."""

    steps: int
    _under_way: deque[Reading] = field(init=False, default_factory=deque)

    def reading(self, read: Reading) -> Reading:
        """Return the reading of `steps` steps ago."""
        self._under_way.append(read)
        if len(self._under_way) <= self.steps:
            return Reading(read.time_s, np.full_like(read.power_w, np.nan))
        return self._under_way.popleft()


@dataclass(slots=True)
class DropOut:
    """A meter falls silent with `chance` a step, for `mean_steps` on average (geometric)."""

    chance: float
    mean_steps: float
    seed: int
    _random: np.random.Generator = field(init=False)
    _left: Int32s | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng([self.seed, 43])

    def reading(self, read: Reading) -> Reading:
        """Return the reading with NaN for silent meters."""
        count = len(read.power_w)
        left = np.zeros(count, dtype=np.int32) if self._left is None else self._left
        begins = (left == 0) & (self._random.random(count) < self.chance)
        lengths = self._random.geometric(1 / max(self.mean_steps, 1.0), count).astype(np.int32)
        left = np.where(begins, lengths, left)
        silent = left > 0
        self._left = np.maximum(left - 1, 0).astype(np.int32)
        return Reading(read.time_s, np.where(silent, np.nan, read.power_w))


@dataclass(slots=True)
class ClockOffset:
    """Clocks of meters are wrong by a constant, normal with `spread_s`."""

    spread_s: float
    seed: int
    _offset_s: Floats | None = field(init=False, default=None)

    def reading(self, read: Reading) -> Reading:
        """Return the reading with the meter's own time."""
        if self._offset_s is None:
            random = np.random.default_rng([self.seed, 44])
            self._offset_s = random.normal(0.0, self.spread_s, len(read.time_s))
        return Reading(read.time_s + self._offset_s, read.power_w)


@dataclass(frozen=True, slots=True)
class WrongRating:
    """Rated powers are told wrong by a factor, log-normal with `spread`; 0.2 is about 20 %."""

    spread: float
    seed: int

    def told_w(self, rated_w: Floats) -> Floats:
        """Return the ratings that the controller is told [W]."""
        random = np.random.default_rng([self.seed, 45])
        told: Floats = rated_w * np.exp(random.normal(0.0, self.spread, len(rated_w)))
        return told


@dataclass(frozen=True, slots=True)
class Line:
    """Path and meter faults in a row, in the order given; none of them is an honest line."""

    path: Sequence[PathFault] = ()
    meter: Sequence[MeterFault] = ()

    def contacts(self, wanted: Flags) -> Flags:
        """Return where the contacts are when `wanted` is commanded."""
        for fault in self.path:
            wanted = fault.contacts(wanted)
        return wanted

    def reading(self, time_s: float, power_w: Floats) -> Reading:
        """Return what is read of `power_w` at `time_s`."""
        read = Reading(np.full(len(power_w), float(time_s)), np.array(power_w, dtype=np.float64))
        for fault in self.meter:
            read = fault.reading(read)
        return read
