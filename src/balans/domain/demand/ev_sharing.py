"""Sharing of charging current among vehicles: smoothed least laxity first, under a tree of limits.

Theory of operation
-------------------
The *laxity* of a vehicle is how long it could still wait: time to its departure less the time it
needs at its largest rate. A step of `h` seconds at the rate ``r`` (largest: ``R``) leaves

    laxity after = laxity if it waits + h * r / R,    laxity if it waits = laxity - h

Smoothed least laxity first (Chen, Kurniawan, Nakahira, Chen, Low, arXiv 2102.08610, section III)
takes the rates after which the least laxity is largest: all vehicles are raised to one common
level, each between 0 and the most it can take, until a limit binds::

    r(level) = clip(R / h * (level - laxity if it waits), 0, most)

With a tree of limits those below the limit that binds stay where they are, and the others rise on
(progressive filling: the least is raised, then the next to least, and so on). Between two
breakpoints of the clips every rate is a straight line, so the level at which a limit binds is
found exactly, without iterating.

Where energy cannot all be delivered in time, laxity is divided by the charging time asked for at
first (*least laxity ratio*; Zeballos, Ferragut, Paganini, "Achieving fairness for EV charging in
overload"): everyone then leaves with the same share unserved instead of the same energy.

A vehicle charges with nothing or at least with its minimum (6 A, IEC 61851-1). Rates that would
fall below are given, by laxity, to as many as they suffice for.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.ev_rows import TOLERANCE, Floats, Rows, Weights

Flags = NDArray[np.bool_]


class Order(StrEnum):
    """What is levelled out: time to spare, or time to spare per time asked for."""

    LAXITY = "laxity"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Charging:
    """The vehicles that charge, one place of each array for each, shape (n,).

    Parameters
    ----------
    left_s
        Time to the departure [s].
    energy_wh, asked_wh
        Energy still missing, and energy asked for on arrival [Wh].
    watt_per_a
        Power per ampere of each phase: 230 for one phase, 690 for three [W/A].
    max_a, min_a
        Largest and smallest current of a phase [A].
    step_a
        Currents are whole multiples of this [A]; 0: any.
    """

    left_s: Floats
    energy_wh: Floats
    asked_wh: Floats
    watt_per_a: Floats
    max_a: Floats
    min_a: Floats
    step_a: Floats

    def __post_init__(self) -> None:
        fields = (self.energy_wh, self.asked_wh, self.watt_per_a, self.max_a, self.min_a)
        if any(len(field) != len(self.left_s) for field in (*fields, self.step_a)):
            raise InputError("charging: arrays differ in length, expected one place per vehicle")
        if not (np.all(self.watt_per_a > 0) and np.all(self.max_a > 0)):
            raise InputError("charging: watt_per_a and max_a, expected more than 0")
        if not np.all((self.min_a >= 0) & (self.min_a <= self.max_a)):
            raise InputError("charging: min_a, expected 0 to max_a")

    def laxity_s(self) -> Floats:
        """Return how long each could still wait; negative: it cannot be done in time [s]."""
        return self.left_s - self.energy_wh / (self.watt_per_a * self.max_a) * 3600


def share_current(
    charging: Charging, rows: Rows, step_s: float, order: Order | None = None
) -> Floats:
    """Return the current of each vehicle for the coming step [A per phase].

    Parameters
    ----------
    rows
        Limits on the stations of the vehicles, in the same order.
    order
        What is levelled out; None: laxity, or its ratio where energy cannot all be delivered.

    Notes
    -----
    No row is ever exceeded, and each current is 0 or from `min_a` to `max_a`. A vehicle that
    needs less than its minimum to be full gets its minimum, and stops by itself.
    """
    if not len(charging.left_s):
        return np.zeros(0)
    if order is None:
        order = Order.RATIO if is_overloaded(charging, rows) else Order.LAXITY
    line = _line(charging, step_s, order)
    current = _fill(line, rows)
    if charging.min_a.any():
        current = _with_minimum(charging.min_a, line, rows, current)
    if charging.step_a.any():
        current = _in_steps(charging, line, rows, current)
    return current


@dataclass(frozen=True, slots=True)
class _Line:
    """Currents over the level: ``clip(start + slope * level, low, high)``."""

    start: Floats
    slope: Floats
    low: Floats
    high: Floats

    def at(self, level: float, low: Floats, high: Floats) -> Floats:
        """Return the currents at a level, between `low` and `high`."""
        return np.minimum(np.maximum(self.start + self.slope * level, low), high)

    @property
    def urgency(self) -> Floats:
        """The level at which each begins to rise: the smaller, the sooner it is served."""
        return -self.start / self.slope


def _line(charging: Charging, step_s: float, order: Order) -> _Line:
    waits_s = charging.laxity_s() - step_s
    slope = charging.max_a / step_s
    start = -waits_s * slope
    if order is Order.RATIO:
        asked_s = charging.asked_wh / (charging.watt_per_a * charging.max_a) * 3600
        slope = slope * np.maximum(asked_s, step_s)
    full_a = charging.energy_wh / charging.watt_per_a * 3600 / step_s
    high = np.minimum(charging.max_a, np.maximum(full_a, charging.min_a))
    high = np.where((charging.energy_wh > 0) & (charging.left_s > 0), high, 0.0)
    return _Line(start, slope, np.zeros_like(start), high)


def _fill(line: _Line, rows: Rows) -> Floats:
    """Raise all to one level until a row binds, then the others on, until none can rise.

    Currents at `line.low` must be inside all rows.
    """
    low, high = line.low.copy(), line.high.copy()
    weights, limit = rows.weights, rows.limit
    over = limit * (1 + TOLERANCE) + TOLERANCE
    current, level = low, -np.inf
    for _ in range(len(low)):
        moves = np.flatnonzero(high > low)
        if not len(moves):
            break
        path = _Path.of(line, moves, low, high, level)
        if not len(path.levels):
            break
        carried = path.carried(weights, weights @ current)
        beyond = np.flatnonzero((np.abs(carried) > over).any(axis=1))
        end = int(beyond[0]) if len(beyond) else len(path.levels) - 1
        before = current if end == 0 else line.at(path.levels[end - 1], low, high)
        after = line.at(path.levels[end], low, high)
        if not len(beyond):
            return after
        at_before, change = weights @ before, after - before
        at_change = weights @ change
        share = _first_crossing(at_before, at_change, limit)
        current = before + share * change
        if end:
            level = path.levels[end - 1]
        level = level + share * (path.levels[end] - level) if np.isfinite(level) else level
        stays = _binds(rows, at_before + share * at_change, at_change) | (current >= high)
        low[stays] = high[stays] = current[stays]
    return current


class _Path(NamedTuple):
    """The level on its way up: where straight pieces end, and which vehicle bends there, how."""

    levels: Floats
    bends: NDArray[np.intp]
    slopes: Floats
    first: Floats
    level: float

    @classmethod
    def of(
        cls, line: _Line, moves: NDArray[np.intp], low: Floats, high: Floats, level: float
    ) -> "_Path":
        """Return the path of the vehicles `moves` from `level` on."""
        start, slope = line.start[moves], line.slope[moves]
        rises, ends = (low[moves] - start) / slope, (high[moves] - start) / slope
        first = np.zeros(len(line.start))
        first[moves] = np.where((rises <= level) & (ends > level), slope, 0.0)
        levels = np.concatenate([rises, ends])
        order = np.argsort(levels)
        order = order[np.searchsorted(levels, level, side="right", sorter=order) :]
        slopes = np.concatenate([slope, -slope])[order]
        return cls(levels[order], np.concatenate([moves, moves])[order], slopes, first, level)

    def carried(self, weights: Weights, now: Weights) -> Weights:
        """Return what each row carries at each of the levels, from `now` on, (levels, rows)."""
        changes = weights.T[self.bends] * self.slopes[:, np.newaxis]
        slopes = np.concatenate([[weights @ self.first], changes[:-1]]).cumsum(axis=0)
        begin = self.level if self.level > -np.inf else self.levels[0]
        widths = self.levels - np.concatenate([[begin], self.levels[:-1]])
        return np.asarray(now + (slopes * widths[:, np.newaxis]).cumsum(axis=0))


def _first_crossing(before: Weights, change: Weights, limit: Floats) -> float:
    """Return the share of a straight piece after which the first row reaches its limit (0..1).

    Notes
    -----
    ``|before + t * change| = limit`` is a quadratic equation in t; its larger root is where the
    row leaves its limit for good.
    """
    crosses = np.flatnonzero((np.abs(before + change) > limit) & (change != 0))
    if not len(crosses):
        return 1.0
    before, change, limit = before[crosses], change[crosses], limit[crosses]
    if not np.iscomplexobj(change):
        shares = (limit - before) / change
    else:
        a = np.abs(change) ** 2
        b = np.real(np.conj(before) * change)
        c = np.abs(before) ** 2 - limit**2
        shares = (np.sqrt(np.maximum(b * b - a * c, 0.0)) - b) / a
    return min(1.0, max(0.0, float(shares.min())))


def _binds(rows: Rows, carried: Weights, change: Weights) -> Flags:
    """Return which currents cannot rise further without exceeding a row.

    `carried` is what the rows carry, `change` where the path would lead on: of the rows near their
    limit those count that it would load further; at least the nearest does.
    """
    size, limit = np.abs(carried), rows.limit
    grows = (np.real(np.conj(carried) * change) > 0) | (size <= TOLERANCE)
    gap = np.where(grows, (limit - size) / np.maximum(limit, TOLERANCE), np.inf)
    binding = gap <= max(1e-7, float(gap.min()))
    inside, weights = carried[binding], rows.weights[binding]
    if not np.iscomplexobj(weights):
        return np.asarray((weights > 0).any(axis=0), dtype=np.bool_)
    loads = np.real(np.conj(inside)[:, np.newaxis] * weights) > 0
    loads |= (np.abs(inside) <= TOLERANCE)[:, np.newaxis] & (np.abs(weights) > 0)
    return np.asarray(loads.any(axis=0), dtype=np.bool_)


def _with_minimum(min_a: Floats, line: _Line, rows: Rows, current: Floats) -> Floats:
    """Let no current stand between 0 and its minimum: the most urgent ones get theirs."""
    short = (current < min_a) & (line.high > 0)
    if not short.any():
        return current
    kept = (current >= min_a) & (line.high > 0)
    for turn in range(2):
        # Once beside the currents that were large enough, once in what is left after all.
        floor = np.where(kept, np.maximum(current, min_a), 0.0)
        admitted = _admit(np.flatnonzero(short), min_a, line.urgency, rows, floor)
        if turn and not admitted.any():
            break
        kept = kept | admitted
        low = np.where(kept, min_a, 0.0)
        if np.any(rows.load(low) > rows.limit * (1 + TOLERANCE)):
            # Only a phasor sum grows when a current falls: begin anew from nothing.
            kept = _admit(np.flatnonzero(kept), min_a, line.urgency, rows, np.zeros_like(low))
            low = np.where(kept, min_a, 0.0)
        high = np.where(kept, line.high, 0.0)
        current = _fill(replace(line, low=low, high=high), rows)
        short = (line.high > 0) & ~kept
        if not short.any():
            break
    return current


def _admit(
    places: NDArray[np.intp], extra_a: Floats, urgency: Floats, rows: Rows, current: Floats
) -> Flags:
    """Return which of `places` may have `extra_a` more, the most urgent first."""
    admitted = np.zeros(len(current), dtype=np.bool_)
    order = places[np.argsort(urgency[places], kind="stable")]
    limit, carried = rows.limit * (1 + TOLERANCE), rows.weights @ current
    need = rows.weights[:, order] * extra_a[order]
    if np.iscomplexobj(need):
        for place, own in zip(order.tolist(), need.T, strict=True):
            if (np.abs(carried + own) <= limit).all():
                carried = carried + own
                admitted[place] = True
        return admitted
    while len(order):
        # Leave out who does not fit even alone, then take as many as fit together.
        room = (limit - carried)[:, np.newaxis]
        fits = (need <= room).all(axis=0)
        order, need = order[fits], need[:, fits]
        total = need.cumsum(axis=1)
        count = int((total <= room).all(axis=0).sum())
        if not count:
            break
        admitted[order[:count]] = True
        carried = carried + total[:, count - 1]
        order, need = order[count:], need[:, count:]
    return admitted


def _in_steps(charging: Charging, line: _Line, rows: Rows, current: Floats) -> Floats:
    """Round down to whole steps, then give the most urgent ones a step more where it fits."""
    step_a, min_a = charging.step_a, charging.min_a
    whole = np.where(step_a > 0, step_a, 1.0)
    down = np.where(step_a > 0, np.floor(current / whole + 1e-6) * whole, current)
    down = np.where(down >= min_a, down, 0.0)
    if np.iscomplexobj(rows.weights):
        down = _shrunk_to_fit(down, charging, line.urgency, rows)
    is_raisable = (down > 0) & (down + step_a <= charging.max_a) & (down < line.high) & (step_a > 0)
    raised = _admit(np.flatnonzero(is_raisable), step_a, line.urgency, rows, down)
    return np.where(raised, down + step_a, down)


def _shrunk_to_fit(current: Floats, charging: Charging, urgency: Floats, rows: Rows) -> Floats:
    """Lower the least urgent until phasor sums fit: less current elsewhere can unbalance them."""
    current = current.copy()
    for place in np.argsort(-urgency, kind="stable"):
        while current[place] > 0 and np.any(rows.load(current) > rows.limit):
            less = current[place] - charging.step_a[place]
            has_less = charging.step_a[place] > 0 and less >= charging.min_a[place]
            current[place] = less if has_less else 0.0
    return current


def is_overloaded(charging: Charging, rows: Rows) -> bool:
    """Tell whether it is certain that energy cannot all be delivered in time."""
    return shortage(charging, rows) > 1 + 1e-9


def shortage(charging: Charging, rows: Rows) -> float:
    """Return what must pass through a limit in time, as a share of what can: above 1, too much.

    Notes
    -----
    For every row and every departure d: of each vehicle at least the energy that it could not
    draw after d has to be drawn before it. More than 1 proves that nobody can deliver all; less
    proves nothing, since several limits may conspire.
    """
    is_here = (charging.energy_wh > 0) & (charging.left_s > 0)
    if not is_here.any():
        return 0.0
    watt = charging.watt_per_a * charging.max_a
    left_s, need_ws = charging.left_s[is_here], charging.energy_wh[is_here] * 3600
    watt, per_a = watt[is_here], charging.watt_per_a[is_here]
    worst = float(np.max(need_ws / (watt * left_s)))
    after_s = np.maximum(left_s - left_s[:, np.newaxis], 0.0)
    must_as = np.maximum(need_ws - watt * after_s, 0.0) / per_a
    weights = rows.weights[:, is_here]
    if np.iscomplexobj(weights):
        # Seen along one direction a phasor sum is no larger than it is; what relieves, relieves.
        turn = np.exp(-1j * np.angle(weights @ (need_ws / per_a)))
        seen = np.real(weights * turn[:, np.newaxis])
        most_as = np.minimum(need_ws, watt * np.minimum(left_s, left_s[:, np.newaxis])) / per_a
        through = must_as @ np.maximum(seen, 0).T + most_as @ np.minimum(seen, 0).T
    else:
        through = must_as @ weights.T
    can = np.multiply.outer(left_s, rows.limit)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(through > 0, through / can, 0.0)
    return max(worst, float(ratio.max(initial=0.0)))
