"""What a controller that knew the whole year could reach at best: the bar for ours.

One switched yellow load is solved exactly by dynamic programming over the time since its last
switching and its backlog. For several loads a bound follows: overload is convex in power, so what
each load adds alone can only grow when others draw too::

    overload >= red part + sum over the yellow loads of what each adds to the red part alone

Green, modulating and forgiving loads are counted as adding nothing: they might wait for a better
hour, or shrink, so the bound stays a bound.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from balans.core.words import LoadClass
from balans.domain.demand.model import Load, LoadKind, Recover

Floats = NDArray[np.float64]
MOST_BACKLOG_STEPS = 240
"""Backlog is followed up to this many steps of rated power; what exceeds it is forgiven."""
FINEST_SHARE = 240
COARSE_SHARE = 30


@dataclass(frozen=True, slots=True)
class Bound:
    """The least overload possible [W summed over steps], and whether it is exact."""

    overload_w: float
    is_exact: bool


def foresight_bound(
    loads: list[Load],
    demand: NDArray[np.int64],
    red_w: Floats,
    limit_w: Floats,
    step_s: float,
    units_per_w: int,
) -> Bound:
    """Return the least overload of any controller that obeys the rules of the classes.

    Parameters
    ----------
    loads, demand
        The loads and what each wants, shape (loads, n) [1 / units_per_w W].
    red_w, limit_w
        The part that may not be switched and the limit at every step, shape (n,) [W].
    """
    red = float(np.maximum(red_w - limit_w, 0).sum())
    total, is_exact = red, True
    movable = [row for row, load in enumerate(loads) if load.load_class is not LoadClass.RED]
    for row in movable:
        load = loads[row]
        if is_bounded(load):
            extra, all_counted = _least_extra(
                load, demand[row], red_w, limit_w, step_s, units_per_w
            )
            total, is_exact = total + extra, is_exact and all_counted
        else:
            is_exact = False
    return Bound(total, is_exact and len(movable) <= 1)


def is_bounded(load: Load) -> bool:
    """Tell whether what `load` adds is computed rather than left out."""
    return (
        load.load_class is LoadClass.YELLOW
        and load.kind is LoadKind.SWITCH
        and load.recover is Recover.DEFER
    )


def _least_extra(
    load: Load,
    demand: NDArray[np.int64],
    red_w: Floats,
    limit_w: Floats,
    step_s: float,
    units_per_w: int,
) -> tuple[float, bool]:
    """Return the least overload that one load adds to the red part, and whether it is exact.

    Forgiving the backlog beyond the most followed can only lower the result, forbidding it can
    only raise it: where both agree, the result is exact.
    """
    rated = round(load.rated_w * units_per_w)
    unit = grid_unit(rated, demand)
    wanted = np.rint(demand / unit).astype(np.int64)
    off_steps, on_steps = int(load.max_off_s // step_s), max(1, -int(-load.min_on_s // step_s))
    size = _Size(off_steps, on_steps, round(rated / unit), unit / units_per_w)
    lenient = _Search(size, forgives=True)
    _search(lenient, wanted, limit_w - red_w)
    is_exact = bool((wanted * unit == demand).all())
    if lenient.has_overflown:
        strict = _Search(size, forgives=False)
        _search(strict, wanted, limit_w - red_w)
        is_exact = is_exact and strict.least <= lenient.least * (1 + 1e-9)
    return lenient.least, is_exact


def _search(search: "_Search", wanted: NDArray[np.int64], room_w: Floats) -> None:
    """Take all steps, going on to the next one that does not fit where nothing is held back."""
    alarms = np.flatnonzero(wanted * search.size.unit_w > np.maximum(room_w, 0))
    step = 0
    while step < len(wanted):
        if search.is_free:
            place = np.searchsorted(alarms, step)
            if place == len(alarms):
                break
            step = int(alarms[place])
        search.advance(int(wanted[step]), float(room_w[step]))
        step += 1


def grid_unit(rated: int, demand: NDArray[np.int64]) -> int:
    """Return the power that backlog is counted in: exact where powers have a common measure.

    >>> grid_unit(1800, np.array([0, 60, 1080]))
    60
    """
    common = int(np.gcd.reduce(np.append(demand, rated)))
    return common if common * FINEST_SHARE >= rated else max(1, round(rated / COARSE_SHARE))


class _Size(NamedTuple):
    """Longest off and shortest on time in steps, rated power in units, and the unit [W]."""

    off: int
    on: int
    rated: int
    unit_w: float


class _Search:
    """Least cost of every state: rows are time on (1..on, at least) and time off (1..off)."""

    def __init__(self, size: _Size, *, forgives: bool) -> None:
        self.size, self.forgives = size, forgives
        self.off, self.on = size.off, size.on
        self.most = MOST_BACKLOG_STEPS * size.rated
        self.base = 0.0
        self.has_overflown = False
        self._reset()

    def _reset(self) -> None:
        """Keep one state: on for long enough, nothing owed. Whatever comes, none is better."""
        self.cost = np.full((self.on + self.off, 1), np.inf)
        self.cost[self.on - 1, 0] = 0.0
        self.is_free = True

    @property
    def least(self) -> float:
        """The least cost so far."""
        return self.base + float(self.cost.min())

    def advance(self, wanted: int, room_w: float) -> None:
        """Take one step in which the load wants `wanted` units and `room_w` is free (or less)."""
        width = self.cost.shape[1]
        new = np.full((self.on + self.off, min(width + wanted, self.most + 1)), np.inf)
        self._stay_or_go_off(new, wanted)
        self._stay_or_go_on(new, wanted, room_w)
        lowest = float(new.min())
        self.base += lowest
        new -= lowest
        if new[self.on - 1, 0] <= 0.0:
            self._reset()
            return
        used = np.flatnonzero(np.isfinite(new).any(axis=0))
        self.cost = new[:, : int(used[-1]) + 1]
        self.is_free = False

    def _stay_or_go_off(self, new: Floats, wanted: int) -> None:
        if not self.off:
            return
        before = np.concatenate([self.cost[self.on - 1 : self.on], self.cost[self.on : -1]])
        grown = min(wanted, new.shape[1])
        width = new.shape[1] - grown
        new[self.on :, grown:] = before[:, :width]
        if width < before.shape[1]:
            beyond = before[:, width:].min(axis=1)
            self.has_overflown = self.has_overflown or bool(np.isfinite(beyond).any())
            if self.forgives:
                new[self.on :, -1] = np.minimum(new[self.on :, -1], beyond)

    def _stay_or_go_on(self, new: Floats, wanted: int, room_w: float) -> None:
        backlog = np.arange(self.cost.shape[1])
        power = np.maximum(wanted, np.minimum(self.size.rated, wanted + backlog))
        extra = np.maximum(power * self.size.unit_w - room_w, 0.0) - max(-room_w, 0.0)
        paid = self.cost + extra
        # Backlog up to `spare` is caught up within the step; the rest moves down by it.
        spare = max(self.size.rated - wanted, 0)
        left = np.empty((paid.shape[0], max(paid.shape[1] - spare, 1)))
        left[:, 0] = paid[:, : spare + 1].min(axis=1)
        left[:, 1:] = paid[:, spare + 1 :]
        width = left.shape[1]
        if self.off:
            came_back = left[self.on :].min(axis=0)
            np.minimum(new[0, :width], came_back, out=new[0, :width])
        for time_on in range(self.on):
            row = min(time_on + 1, self.on - 1)
            np.minimum(new[row, :width], left[time_on], out=new[row, :width])
