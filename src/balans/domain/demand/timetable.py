"""Which limits and which tariff zone hold at a second of the day, and the power they allow.

The day is cut once at every edge of a window; between two edges nothing changes, so asking costs
one bisection. Limits at every step are compared there and then; limits on the mean of an interval,
or on the energy of a period, need what was drawn so far, which a meter each keeps.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from balans.domain.demand.model import DAY_S, DAY_ZONE, Allowed, Limit, Period, Zone
from balans.domain.demand.tree import SITE


class Segment(NamedTuple):
    """What holds between two edges of the day.

    `interval_limits` are those on the mean of an interval, `energy_limits` those on the energy of
    a period; `began_s` tells since which second of the day each of these holds without a break.
    """

    zone: str
    instant: Allowed
    interval_limits: tuple[Limit, ...]
    energy_limits: tuple[Limit, ...] = ()
    began_s: tuple[int, ...] = ()


class IntervalMeter(NamedTuple):
    """Energy [W s] and seconds counted since the interval, or period, began at `start_s`.

    `peak_w` is the highest mean of a whole interval in `month`, the number of a local month.
    """

    start_s: float = float("-inf")
    seconds: float = 0.0
    energy_ws: float = 0.0
    peak_w: float = 0.0
    month: int = 0


Meters = dict[str, IntervalMeter]
"""The meters of the limits on intervals and periods, by name of the limit."""
EPOCH_DAY = date(1970, 1, 1).toordinal()
NOON_S = DAY_S // 2


@dataclass(frozen=True, slots=True)
class Timetable:
    """The day of a site, cut into segments; `edges_s` holds where each begins."""

    edges_s: tuple[int, ...]
    segments: tuple[Segment, ...]

    def at(self, local_s: float) -> Segment:
        """Return what holds at the second of the day `local_s`."""
        return self.segments[bisect_right(self.edges_s, local_s) - 1]

    @property
    def interval_limits(self) -> tuple[Limit, ...]:
        """Every limit on a mean that holds at some hour."""
        found = {limit.name: limit for part in self.segments for limit in part.interval_limits}
        return tuple(found.values())

    @property
    def has_memory(self) -> bool:
        """Whether what is allowed depends on what was drawn before."""
        return any(part.interval_limits or part.energy_limits for part in self.segments)


def make_timetable(limits: Sequence[Limit], zones: Sequence[Zone], node: str = SITE) -> Timetable:
    """Cut the day at every edge of `zones` and of those `limits` that hold at `node`.

    Of zones that overlap the first listed holds.

    >>> table = make_timetable([Limit("fuse", 6000.0), Limit("own", 4000.0)], [])
    >>> table.at(0).instant.power_w, table.at(0).instant.limit
    (4000.0, 'own')
    """
    limits = [limit for limit in limits if limit.node == node and _says_something(limit)]
    windows = [limit.window for limit in limits if limit.window]
    windows += [zone.window for zone in zones if zone.window]
    edges = sorted({0, *(w.from_s for w in windows), *(w.to_s % DAY_S for w in windows)})
    segments = [_segment(edge, limits, zones) for edge in edges]
    return Timetable(
        tuple(edges),
        tuple(
            part._replace(began_s=tuple(_began_s(limit, n, edges, segments) for limit in part[3]))
            for n, part in enumerate(segments)
        ),
    )


def _says_something(limit: Limit) -> bool:
    """Tell whether `limit` is one of power or energy, not of current alone."""
    return limit.limit_w < float("inf") or limit.energy_wh is not None


def _began_s(limit: Limit, number: int, edges: Sequence[int], segments: Sequence[Segment]) -> int:
    """Return the second of the day since which `limit`, held in a segment, holds without a break.

    It is negative where that was the day before.
    """
    for back in range(1, len(edges) + 1):
        before = segments[(number - back) % len(edges)]
        if limit not in before.energy_limits:
            place = number - back + 1
            return edges[place % len(edges)] - (DAY_S if place < 0 else 0)
    return 0


def _segment(local_s: int, limits: Sequence[Limit], zones: Sequence[Zone]) -> Segment:
    zone = zone_at(local_s, zones)
    held = [limit for limit in limits if _holds(limit, zone, local_s)]
    instant = [limit for limit in held if not limit.interval_s and limit.energy_wh is None]
    strictest = min(instant, key=lambda limit: limit.limit_w, default=None)
    return Segment(
        zone,
        Allowed(
            strictest.limit_w if strictest else float("inf"),
            strictest.name if strictest else "",
            _is_cheapest(zone, zones),
        ),
        tuple(limit for limit in held if limit.interval_s and limit.energy_wh is None),
        tuple(limit for limit in held if limit.energy_wh is not None),
    )


def zone_at(local_s: float, zones: Sequence[Zone]) -> str:
    """Return the name of the zone that holds at the second of the day `local_s`."""
    return next((z.name for z in zones if z.window and z.window.holds(local_s)), DAY_ZONE)


def _holds(limit: Limit, zone: str, local_s: int) -> bool:
    in_zone = limit.zone is None or limit.zone == zone
    return in_zone and (limit.window is None or limit.window.holds(local_s))


def _is_cheapest(zone: str, zones: Sequence[Zone]) -> bool:
    prices = {z.name: z.price for z in zones}
    lowest = min(prices.values(), default=None)
    return len(set(prices.values())) > 1 and prices.get(zone) == lowest


def allowed_power(
    table: Timetable, meters: Meters, time_s: float, local_s: float, step_s: float = 60.0
) -> Allowed:
    """Return the power allowed from `time_s` on: the strictest of all limits that hold.

    Notes
    -----
    A limit on the mean of an interval allows what would exactly use it up::

        (limit x (seconds counted + seconds left) - energy so far) / seconds left

    which falls below 0 W when the interval can no longer be kept. One that follows the month's
    peak takes the higher of its own power and the highest mean of this month so far. A limit on
    the energy of a period allows what would use up the rest within the coming `step_s`, nothing
    when it is used up.
    """
    segment = table.at(local_s)
    best = segment.instant
    for limit in segment.interval_limits:
        power_w = _projected_w(limit, meters.get(limit.name), time_s, local_s)
        if power_w < best.power_w:
            best = Allowed(power_w, limit.name, best.cheapest, has_memory=True)
    for limit, began_s in zip(segment.energy_limits, segment.began_s, strict=True):
        power_w = _rest_w(limit, meters, _period_start(limit, time_s, local_s, began_s), step_s)
        if power_w < best.power_w:
            best = Allowed(power_w, limit.name, best.cheapest, has_memory=True)
    return best


def _projected_w(limit: Limit, meter: IntervalMeter | None, time_s: float, local_s: float) -> float:
    gone_s = local_s % limit.interval_s
    left_s = limit.interval_s - gone_s
    mean_w = limit.limit_w
    if meter and limit.follows_peak:
        mean_w = max(mean_w, _peak_w(meter, limit, time_s - gone_s, local_month(time_s, local_s)))
    if meter is None or meter.start_s != time_s - gone_s:
        return mean_w
    return (mean_w * (meter.seconds + left_s) - meter.energy_ws) / left_s


def _peak_w(meter: IntervalMeter, limit: Limit, begin_s: float, month: int) -> float:
    """Return the highest mean of a whole interval of `month` that ended by `begin_s` [W]."""
    if meter.month != month:
        return 0.0
    if meter.start_s >= begin_s:
        return meter.peak_w
    return max(meter.peak_w, meter.energy_ws / limit.interval_s)


def _rest_w(limit: Limit, meters: Meters, start_s: float, step_s: float) -> float:
    """Return the power that uses up what is left of a limit of energy within `step_s` [W]."""
    meter = meters.get(limit.name)
    used_ws = meter.energy_ws if meter and meter.start_s == start_s else 0.0
    left_ws = (limit.energy_wh or 0.0) * 3600 - used_ws
    return min(limit.limit_w, max(0.0, left_ws / step_s))


def local_day(time_s: float, local_s: float) -> int:
    """Return the number of the local day at `time_s` [Unix s], `local_s` after its midnight.

    Zones up to 12 h east or 11 h west of Greenwich are told apart by this, summer time or not.

    >>> from datetime import date
    >>> local_day(0.0, 3600.0) == date(1970, 1, 1).toordinal()
    True
    """
    return EPOCH_DAY + int((time_s - local_s + NOON_S) // DAY_S)


def local_month(time_s: float, local_s: float) -> int:
    """Return the number of the local month, 12 for each year."""
    day = date.fromordinal(local_day(time_s, local_s))
    return day.year * 12 + day.month


def _period_start(limit: Limit, time_s: float, local_s: float, began_s: int) -> float:
    """Return a number that all seconds of one period share, and no other period has."""
    if limit.period is Period.MONTH:
        return float(local_month(time_s, local_s))
    day_s = float(local_day(time_s, local_s) * DAY_S)
    if limit.period is Period.DAY:
        return day_s
    return day_s + began_s


def count_step(
    table: Timetable,
    meters: Meters,
    start_s: float,
    local_s: float,
    step_s: float,
    power_w: float | None,
) -> Meters:
    """Return `meters` after a step of `power_w` that began at `start_s`.

    Unknown power (None) counts as drawn at the limit: it neither helps nor hurts; for a limit of
    energy it counts as nothing. What is fed back does not add to what may be drawn in a period.
    """
    segment = table.at(local_s)
    if not (segment.interval_limits or segment.energy_limits):
        return meters
    counted = dict(meters)
    for limit in segment.interval_limits:
        begin_s = start_s - local_s % limit.interval_s
        old = _interval_meter(limit, meters.get(limit.name), begin_s, start_s, local_s)
        energy_ws = (limit.limit_w if power_w is None else power_w) * step_s
        counted[limit.name] = old._replace(
            seconds=old.seconds + step_s, energy_ws=old.energy_ws + energy_ws
        )
    for limit, began_s in zip(segment.energy_limits, segment.began_s, strict=True):
        begin_s = _period_start(limit, start_s, local_s, began_s)
        meter = meters.get(limit.name)
        old = meter if meter and meter.start_s == begin_s else IntervalMeter(begin_s)
        counted[limit.name] = old._replace(
            seconds=old.seconds + step_s,
            energy_ws=old.energy_ws + max(0.0, power_w or 0.0) * step_s,
        )
    return counted


def _interval_meter(
    limit: Limit, old: IntervalMeter | None, begin_s: float, start_s: float, local_s: float
) -> IntervalMeter:
    """Return the meter of the interval that began at `begin_s`, with the peak of its month."""
    if old and old.start_s == begin_s:
        return old
    if not limit.follows_peak:
        return IntervalMeter(begin_s)
    month = local_month(start_s, local_s)
    peak_w = _peak_w(old, limit, begin_s, month) if old else 0.0
    return IntervalMeter(begin_s, peak_w=peak_w, month=month)
