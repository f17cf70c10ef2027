"""Which limits and which tariff zone hold at a second of the day, and the power they allow.

The day is cut once at every edge of a window; between two edges nothing changes, so asking costs
one bisection. Limits at every step are compared there and then; limits on the mean of an interval
need the energy drawn so far, which an `IntervalMeter` keeps.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from balans.domain.demand.model import DAY_S, DAY_ZONE, Allowed, Limit, Zone


class Segment(NamedTuple):
    """What holds between two edges of the day."""

    zone: str
    instant: Allowed
    interval_limits: tuple[Limit, ...]


class IntervalMeter(NamedTuple):
    """Energy [W s] and seconds counted since the interval began at `start_s`."""

    start_s: float = float("-inf")
    seconds: float = 0.0
    energy_ws: float = 0.0


Meters = dict[str, IntervalMeter]
"""The meters of the interval limits, by name of the limit."""


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


def make_timetable(limits: Sequence[Limit], zones: Sequence[Zone]) -> Timetable:
    """Cut the day at every edge of `limits` and `zones`.

    Of zones that overlap the first listed holds.

    >>> table = make_timetable([Limit("fuse", 6000.0), Limit("own", 4000.0)], [])
    >>> table.at(0).instant.power_w, table.at(0).instant.limit
    (4000.0, 'own')
    """
    windows = [limit.window for limit in limits if limit.window]
    windows += [zone.window for zone in zones if zone.window]
    edges = sorted({0, *(w.from_s for w in windows), *(w.to_s % DAY_S for w in windows)})
    return Timetable(tuple(edges), tuple(_segment(edge, limits, zones) for edge in edges))


def _segment(local_s: int, limits: Sequence[Limit], zones: Sequence[Zone]) -> Segment:
    zone = zone_at(local_s, zones)
    held = [limit for limit in limits if _holds(limit, zone, local_s)]
    instant = [limit for limit in held if not limit.interval_s]
    strictest = min(instant, key=lambda limit: limit.limit_w, default=None)
    return Segment(
        zone,
        Allowed(
            strictest.limit_w if strictest else float("inf"),
            strictest.name if strictest else "",
            _is_cheapest(zone, zones),
        ),
        tuple(limit for limit in held if limit.interval_s),
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


def allowed_power(table: Timetable, meters: Meters, time_s: float, local_s: float) -> Allowed:
    """Return the power allowed from `time_s` on: the strictest of all limits that hold.

    Notes
    -----
    A limit on the mean of an interval allows what would exactly use it up::

        (limit x (seconds counted + seconds left) - energy so far) / seconds left

    which falls below 0 W when the interval can no longer be kept.
    """
    segment = table.at(local_s)
    best = segment.instant
    for limit in segment.interval_limits:
        power_w = _projected_w(limit, meters.get(limit.name), time_s, local_s)
        if power_w < best.power_w:
            best = Allowed(power_w, limit.name, best.cheapest)
    return best


def _projected_w(limit: Limit, meter: IntervalMeter | None, time_s: float, local_s: float) -> float:
    gone_s = local_s % limit.interval_s
    left_s = limit.interval_s - gone_s
    if meter is None or meter.start_s != time_s - gone_s:
        return limit.limit_w
    return (limit.limit_w * (meter.seconds + left_s) - meter.energy_ws) / left_s


def count_step(
    table: Timetable,
    meters: Meters,
    start_s: float,
    local_s: float,
    step_s: float,
    power_w: float | None,
) -> Meters:
    """Return `meters` after a step of `power_w` that began at `start_s`.

    Unknown power (None) counts as drawn at the limit: it neither helps nor hurts.
    """
    counted = dict(meters)
    for limit in table.at(local_s).interval_limits:
        begin_s = start_s - local_s % limit.interval_s
        old = meters.get(limit.name)
        if old is None or old.start_s != begin_s:
            old = IntervalMeter(begin_s)
        energy_ws = (limit.limit_w if power_w is None else power_w) * step_s
        counted[limit.name] = IntervalMeter(
            begin_s, old.seconds + step_s, old.energy_ws + energy_ws
        )
    return counted
