"""How much of a load curve lay above its limits, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.demand.model import Limit
from balans.domain.demand.timetable import Timetable

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """The uniform steps of a replay: when each begins, steady and local, shape (n,) [s]."""

    start_s: Floats
    local_s: Floats
    step_s: float

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True, slots=True)
class LimitsByStep:
    """The limits laid on an axis.

    `instant_w` is the strictest limit that holds at every step, infinite where none does, (n,).
    `segment` is the index of the timetable's segment, (n,).
    """

    table: Timetable
    axis: Axis
    segment: NDArray[np.intp]
    instant_w: Floats


def limits_by_step(table: Timetable, axis: Axis) -> LimitsByStep:
    """Lay the timetable of a site on the steps of `axis`."""
    segment = np.searchsorted(np.array(table.edges_s), axis.local_s, side="right") - 1
    powers = np.array([part.instant.power_w for part in table.segments])
    return LimitsByStep(table, axis, segment, powers[segment])


def excess_w(power_w: Floats, limits: LimitsByStep) -> Floats:
    """Return the power above the limits at each step, shape (n,) [W].

    Notes
    -----
    For limits that hold at every step, ``max(0, power - limit)``. For a limit on the mean of a
    clock-aligned interval the excess energy of the interval, ``max(0, sum(power - limit))`` over
    its steps, is laid on the steps above the limit in proportion to what they are above it. Where
    several limits hold, the largest excess counts. A step with an excess is a step over.
    """
    worst = np.maximum(power_w - limits.instant_w, 0.0)
    for limit in limits.table.interval_limits:
        worst = np.maximum(worst, _interval_excess_w(power_w, limits, limit))
    return worst


def _interval_excess_w(power_w: Floats, limits: LimitsByStep, limit: Limit) -> Floats:
    names = [{item.name for item in part.interval_limits} for part in limits.table.segments]
    holds = np.array([limit.name in found for found in names])[limits.segment]
    axis = limits.axis
    begin_s = axis.start_s - axis.local_s % limit.interval_s
    _, interval = np.unique(begin_s, return_inverse=True)
    above = np.where(holds, power_w - limit.limit_w, 0.0)
    upper = np.maximum(above, 0.0)
    excess = np.maximum(np.bincount(interval, above), 0.0)
    total = np.bincount(interval, upper)
    share = np.divide(excess, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(upper * share[interval], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Overload:
    """Energy above the limits [kWh], time above them [min], and the highest power [kW]."""

    energy_kwh: float
    minutes: float
    peak_kw: float


def measure(power_w: Floats, limits: LimitsByStep) -> Overload:
    """Return the overload of a curve of mean powers per step.

    >>> from balans.domain.demand.timetable import make_timetable
    >>> axis = Axis(np.array([0.0, 60.0]), np.array([0.0, 60.0]), 60.0)
    >>> limits = limits_by_step(make_timetable([Limit("fuse", 4000.0)], []), axis)
    >>> measure(np.array([5500.0, 3000.0]), limits)
    Overload(energy_kwh=0.025, minutes=1.0, peak_kw=5.5)
    """
    over = excess_w(power_w, limits)
    step_h = limits.axis.step_s / 3600
    return Overload(
        float(over.sum()) * step_h / 1000,
        float(np.count_nonzero(over > 1e-9)) * step_h * 60,
        float(power_w.max()) / 1000,
    )


def zones_by_step(limits: LimitsByStep) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return each tariff zone that occurs, with the steps in it."""
    zones = [part.zone for part in limits.table.segments]
    return [
        (zone, np.array([name == zone for name in zones])[limits.segment])
        for zone in _distinct(zones)
    ]


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
