"""When readings came, for the proof of completeness. Call inside a system scope.

A time for every reading would cost more than the reading. The hours of all modules of a hub come
together, so the hub's arrival of an hour is kept once; only a reading that came `LATE` after it
has a row of its own. What is imported is measured by the hub of its module. Repetitions are
counted by channel.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH
from balans.domain.metering import MISSING
from balans.storage.copying import Int4s, Int8s, binary_cursor
from balans.storage.dayrows import HANDED_OVER
from balans.storage.matrix import at_hours

LATE: Final = timedelta(hours=2)
KEPT: Final = timedelta(days=400)
"""So long the times are kept; after that it is known that a reading came, not when."""

NEVER: Final = np.iinfo(np.int64).max

_HOUR_BITS: Final = 20


def note(readings: NDArray[np.void], received_s: NDArray[np.int64]) -> None:
    """Keep when readings came. Call before they are stored.

    Parameters
    ----------
    readings
        (n,) of type `READING`, of channels that are known.
    received_s
        (n,) when each came [s since 2000-01-01 UTC].
    """
    came = received_s
    keys = (readings["hub"] << _HOUR_BITS) | readings["hour"]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))  # a batch brings runs of one hour
    hours, at_run = np.unique(keys[begins], return_inverse=True)
    first = np.full(len(hours), NEVER)
    last = np.zeros(len(hours), np.int64)
    np.minimum.at(first, at_run, np.minimum.reduceat(came, begins))
    np.maximum.at(last, at_run, np.maximum.reduceat(came, begins))
    tenant = np.zeros(len(hours), np.int64)
    tenant[at_run] = readings["tenant"][begins]
    at = np.repeat(at_run, np.diff(begins, append=len(keys)))
    before = _arrive(hours, tenant, first, last)
    came_first = np.minimum(before, first)[at]
    handed = np.flatnonzero(readings["flags"] & HANDED_OVER)
    if len(handed):
        came_first[handed] = _of_own_hubs(readings[handed])
    late = came - came_first >= LATE.total_seconds()
    if late.any():
        _keep_late(readings[late], came[late])


def _of_own_hubs(readings: NDArray[np.void]) -> NDArray[np.int64]:
    """Return when the hours (n,) came from the hubs of the readings' modules [s], or for ever."""
    keys = (readings["channel"].astype(np.int64) << _HOUR_BITS) | readings["hour"]
    different, at = np.unique(keys, return_inverse=True)
    with binary_cursor() as cursor:
        hour = different & ((1 << _HOUR_BITS) - 1)
        cursor.execute(_BEFORE_OWN, [Int4s(different >> _HOUR_BITS), Int4s(hour)])
        return _times(cursor.fetchall())[at]


def count_inside(readings: NDArray[np.void], contradicting: NDArray[np.intp]) -> None:
    """Count those of `readings` that are there more than once among themselves, by channel.

    `contradicting` are indices of those with another register than the first.
    """
    keys = (readings["channel"].astype(np.int64) << _HOUR_BITS) | readings["hour"]
    _, first = np.unique(keys, return_index=True)
    repeated = np.ones(len(readings), np.bool_)
    repeated[first] = False
    channels, at = np.unique(readings["channel"][repeated], return_inverse=True)
    again = np.bincount(at, minlength=len(channels))
    other = np.zeros(len(channels), np.int64)
    np.add.at(other, np.searchsorted(channels, readings["channel"][contradicting]), 1)
    add(list(zip(channels.tolist(), again.tolist(), other.tolist(), strict=True)))


def add(rows: Sequence[tuple[int, int, int]]) -> None:
    """Count (channel, readings that came again, of them with another register)."""
    if rows:
        channels, again, other = np.array(rows, np.int64).T
        with binary_cursor() as cursor:
            cursor.execute(_AGAIN, [Int4s(channels), Int8s(again), Int8s(other)])


def forget(now: datetime) -> int:
    """Delete times that are older than `KEPT`; return how many."""
    oldest = _seconds(now - KEPT) // 3600
    with connection.cursor() as cursor:
        cursor.execute("delete from hub_arrival where hour < %s", [oldest])
        count = cursor.rowcount
        cursor.execute("delete from channel_late where hour < %s", [oldest])
        return int(count + cursor.rowcount)


def _seconds(time: datetime) -> int:
    return int((time - EPOCH).total_seconds())


def _arrive(
    hours: NDArray[np.int64],
    tenant: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Keep arrivals of hours of hubs; return when each came first so far [s], or for ever."""
    hub, hour = hours >> _HOUR_BITS, hours & ((1 << _HOUR_BITS) - 1)
    with binary_cursor() as cursor:
        cursor.execute(_BEFORE, [Int8s(hub), Int4s(hour)])
        found = _times(cursor.fetchall())
        cursor.execute(_ARRIVE, [Int8s(hub), Int4s(hour), Int4s(tenant), Int8s(first), Int8s(last)])
    return found


def _times(rows: Sequence[tuple[int | None]]) -> NDArray[np.int64]:
    return np.array([NEVER if time is None else time for (time,) in rows], np.int64)


def _keep_late(readings: NDArray[np.void], came: NDArray[np.int64]) -> None:
    """Keep those of late readings that are not stored already."""
    stored = at_hours(readings["channel"], readings["hour"])
    fresh = np.flatnonzero(stored == MISSING)
    named = [Int4s(readings[name][fresh]) for name in ("channel", "hour", "tenant")]
    with binary_cursor() as cursor:
        cursor.execute(_LATE, [*named, Int8s(came[fresh])])


_TIME = "timestamptz '2000-01-01 00:00+00' + make_interval(secs => {})"
_BEFORE = """
select extract(epoch from a.first - timestamptz '2000-01-01 00:00+00')::bigint
from unnest(%b::bigint[], %b::int[]) with ordinality as k (hub_id, hour, n)
left join hub_arrival a using (hub_id, hour) order by k.n
"""
_BEFORE_OWN = """
select extract(epoch from a.first - timestamptz '2000-01-01 00:00+00')::bigint
from unnest(%b::int[], %b::int[]) with ordinality as k (channel_id, hour, n)
left join channel c on c.id = k.channel_id left join module m on m.id = c.module_id
left join hub_arrival a on a.hub_id = m.hub_id and a.hour = k.hour order by k.n
"""
_ARRIVE = f"""
insert into hub_arrival as a (hub_id, hour, tenant_id, first, last)
select hub_id, hour, tenant_id, {_TIME.format("first")}, {_TIME.format("last")}
from unnest(%b::bigint[], %b::int[], %b::int[], %b::bigint[], %b::bigint[])
  as k (hub_id, hour, tenant_id, first, last)
on conflict (hub_id, hour) do update set
  first = least(a.first, excluded.first), last = greatest(a.last, excluded.last)
where excluded.first < a.first or excluded.last > a.last + interval '1 minute'
"""
_LATE = f"""
insert into channel_late (channel_id, hour, tenant_id, received)
select distinct on (channel_id, hour) channel_id, hour, tenant_id, {_TIME.format("received")}
from unnest(%b::int[], %b::int[], %b::int[], %b::bigint[])
  as k (channel_id, hour, tenant_id, received)
order by channel_id, hour, received
on conflict (channel_id, hour) do nothing
"""
_AGAIN = """
insert into channel_delivery as d (channel_id, tenant_id, duplicates, contradictions)
select c.id, c.tenant_id, n.again, n.other
from unnest(%b::int[], %b::bigint[], %b::bigint[]) as n (id, again, other)
join channel c on c.id = n.id
on conflict (channel_id) do update set
  duplicates = d.duplicates + excluded.duplicates,
  contradictions = d.contradictions + excluded.contradictions
"""
