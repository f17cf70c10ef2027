"""What modules reported about their inputs, as events with start and end. Call inside a scope.

A flag comes with a register; the event lasts from the hour of the first register with the flag
to the hour after the last. Kept is the union of all hours that were ever told with a flag, so
late, repeated and unordered readings leave the same events.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING, EventKind
from balans.protocols.readings import Flag
from balans.storage.readings import registers
from balans.storage.records import NodeInfo, PointInfo

KINDS: Final = {flag: EventKind(str(flag.name).lower()) for flag in Flag if flag}


RECENT: Final = timedelta(hours=26)
"""Whose last register with a flag is older has ended, or is silent, which others tell."""


@dataclass(frozen=True, slots=True)
class EventInfo:
    """A stretch of time over which an input reported something.

    `end` is the hour after the last register with the flag; `lasts` while no later register has
    come, within the last day. The metering point is the one the input served at `start`, if any;
    the node is its own, else that of the module.
    """

    channel_id: int
    module: int
    input: int
    kind: EventKind
    start: datetime
    end: datetime
    point_code: str
    point_name: str
    node_code: str
    node_name: str
    lasts: bool = False

    @property
    def cursor(self) -> tuple[int, int, str]:
        """Where the next page goes on, for `EventQuery.after`."""
        return hour_of(self.start), self.channel_id, self.kind.value


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events: those that overlap [start, end), of some `kinds`, `limit` from `after` on."""

    start: datetime
    end: datetime
    kinds: Collection[EventKind] = tuple(EventKind)
    limit: int = 100
    after: tuple[int, int, str] | None = None


def events_below(node: NodeInfo, query: EventQuery, now: datetime) -> list[EventInfo]:
    """Return the events at `node` and below it, the latest start first."""
    return _events("n.path <@ %s::ltree", [node.path], query, now)


def events_of(point: PointInfo, query: EventQuery, now: datetime) -> list[EventInfo]:
    """Return the events of the inputs that served `point` then, the latest start first."""
    return _events("p.id = %s", [point.id], query, now)


def note_flags(readings: NDArray[np.void]) -> None:
    """Add the flags of `readings` (n,) of type `dayrows.READING` to the events, in any order.

    Readings without a channel are left out. Repeating it changes nothing.
    """
    flagged = readings[(readings["flags"] != 0) & (readings["channel"] > 0)]
    runs = [_runs(flagged, flag, kind) for flag, kind in KINDS.items()]
    rows = np.concatenate(runs)
    if not len(rows):
        return
    rows.sort(order=["channel", "kind", "year"])
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, [rows[name].tolist() for name in _RUN.names or ()])


def _runs(flagged: NDArray[np.void], flag: Flag, kind: EventKind) -> NDArray[np.void]:
    """Return the stretches of hours with a flag, channel by channel and year by year."""
    having = flagged[(flagged["flags"] & flag) != 0]
    order = np.lexsort((having["hour"], having["channel"]))
    channel, hour = having["channel"][order], having["hour"][order].astype(np.int64)
    year = _years(hour)
    new = np.ones(len(hour), np.bool_)
    new[1:] = (channel[1:] != channel[:-1]) | (year[1:] != year[:-1]) | (hour[1:] > hour[:-1] + 1)
    first = np.flatnonzero(new)
    rows = np.zeros(len(first), _RUN)
    rows["channel"], rows["kind"], rows["year"] = channel[first], kind.value, year[first]
    rows["tenant"] = having["tenant"][order][first]
    rows["start"] = hour[first]
    rows["stop"] = hour[np.append(first[1:], len(hour)) - 1] + 1 if len(first) else 0
    return rows


def _years(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the UTC years of hour numbers."""
    moments = np.datetime64("2000-01-01T00", "h") + hours
    years: NDArray[np.int64] = moments.astype("datetime64[Y]").astype(np.int64) + 1970
    return years


_RUN = np.dtype(
    [
        ("channel", "i4"),
        ("kind", "U16"),
        ("year", "i2"),
        ("tenant", "i4"),
        ("start", "i4"),
        ("stop", "i4"),
    ]
)
_MERGE = """
insert into channel_event as e (channel_id, kind, year, tenant_id, hours)
select n.channel_id, n.kind, n.year, n.tenant_id, range_agg(int4range(n.start, n.stop))
from unnest(%s::int[], %s::text[], %s::smallint[], %s::int[], %s::int[], %s::int[])
  as n (channel_id, kind, year, tenant_id, start, stop)
group by n.channel_id, n.kind, n.year, n.tenant_id order by n.channel_id, n.kind, n.year
on conflict (channel_id, kind, year) do update set hours = e.hours + excluded.hours
where not e.hours @> excluded.hours
"""


def _events(where: str, values: Sequence[Any], query: EventQuery, now: datetime) -> list[EventInfo]:
    start, end = hour_of(query.start), -(-(query.end - time_of(0)) // timedelta(hours=1))
    years = query.start.year - 1, query.end.year + 1  # local years begin in another UTC year
    kinds = [kind.value for kind in query.kinds]
    page = "" if query.after is None else "and (f.start, f.channel_id, f.kind) < (%s, %s, %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            _LIST.format(where=where, page=page),
            [*years, kinds, start, end, *values, *(query.after or ()), query.limit],
        )
        rows = cursor.fetchall()
    found = [
        EventInfo(channel, module, number, EventKind(kind), time_of(first), time_of(stop), *names)
        for channel, module, number, kind, first, stop, *names in rows
    ]
    return _with_lasting(found, now)


def _with_lasting(found: list[EventInfo], now: datetime) -> list[EventInfo]:
    recent = sorted({one.channel_id for one in found if one.end > now - RECENT})
    if not recent:
        return found
    first = hour_of(now - RECENT)
    there = registers(recent, first, hour_of(now) + 1).values != MISSING
    row_of = {channel: row for row, channel in enumerate(recent)}
    return [
        replace(one, lasts=not there[row_of[one.channel_id], hour_of(one.end) - first :].any())
        if one.end > now - RECENT
        else one
        for one in found
    ]


_LIST = """
with joined as (
  select e.channel_id, e.kind, range_agg(e.hours) as hours from channel_event e
  where e.year between %s and %s and e.kind = any(%s) group by e.channel_id, e.kind),
found as (
  select j.channel_id, j.kind, lower(r) as start, upper(r) as stop
  from joined j cross join lateral unnest(j.hours) r
  where upper(r) > %s and lower(r) < %s)
select f.channel_id, m.serial, c.input, f.kind, f.start, f.stop,
  coalesce(p.code, ''), coalesce(p.name, ''), n.code, n.name
from found f
join channel c on c.id = f.channel_id
join module m on m.id = c.module_id
left join lateral (
  select p.id, p.code, p.name, p.node_id from meter_mounting mm
  join metering_point p on p.id = mm.point_id
  where mm.channel_id = f.channel_id
    and mm.valid_from <= timestamptz '2000-01-01 00:00+00' + make_interval(hours => f.start)
    and (mm.valid_to is null
         or mm.valid_to > timestamptz '2000-01-01 00:00+00' + make_interval(hours => f.start))
  limit 1) p on true
join node n on n.id = coalesce(p.node_id, m.node_id)
where {where} {page}
order by f.start desc, f.channel_id desc, f.kind desc limit %s
"""
