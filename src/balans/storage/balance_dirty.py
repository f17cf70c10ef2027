"""Tells which balances must be computed again. Call inside a scope, in the transaction that writes.

Marks are cheap: from the channels and days that changed follow distinct groups and days, one row
each. `balans.storage.balances.refresh` takes them up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.storage.copying import fixed_rows, literal, row_type

FEW: Final = 2_000
"""Up to so many readings' days are joined by the database; more by the copy in memory."""

READERS: Final = 0x62616C616E63
"""Advisory lock, shared by who marks by channel, exclusive for who changes what channels mean."""

_DAY_BITS: Final = 20

Version: TypeAlias = tuple[str, int, int, int, int, int]


@dataclass(slots=True)
class _Copy:
    """Which groups a channel counts for, as it was at `version`; sorted by channel, (n,) each."""

    version: Version
    channel: NDArray[np.int64]
    group: NDArray[np.int64]


_copies: dict[str, _Copy] = {}


def mark_channels(channel_ids: NDArray[np.integer], days: NDArray[np.integer]) -> int:
    """Note that registers of channels changed on UTC days; return how many groups' days that is.

    Parameters
    ----------
    channel_ids, days
        The same length, in any order, with repetitions; days since 2000-01-01.
    """
    if not len(channel_ids):
        return 0
    keys = (channel_ids.astype(np.int64) << _DAY_BITS) | days
    if (np.diff(keys) <= 0).any():  # those of the flush ascend
        keys = np.unique(keys)
    channels, on = keys >> _DAY_BITS, keys & ((1 << _DAY_BITS) - 1)
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock_shared(%s)", [READERS])
    if len(keys) <= FEW:
        return _mark_few(channels, on)
    copy = _copy()
    first = np.searchsorted(copy.channel, channels, "left")
    count = np.searchsorted(copy.channel, channels, "right") - first
    at = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
    found = _distinct((copy.group[at] << _DAY_BITS) | np.repeat(on, count))
    if not len(found):
        return 0
    groups, on = found >> _DAY_BITS, found & ((1 << _DAY_BITS) - 1)
    with connection.cursor() as cursor:
        cursor.execute(_MARK_GROUPS, [literal(groups.tolist()), literal(on.tolist())])
    return len(found)


def _distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different keys, ascending; day rows come so already."""
    ascending = bool((keys[1:] > keys[:-1]).all())
    return keys if ascending else np.unique(keys)


def mark_points(
    point_ids: Iterable[int], start: datetime | None = None, end: datetime | None = None
) -> None:
    """Note that the energy of points in [start, end) is another than before; None: open."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK_POINTS, [start, end, sorted(set(point_ids))])


def mark_groups(group_ids: Sequence[int]) -> None:
    """Note that nothing that is kept of groups holds any more."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK_ALL, [list(group_ids)])


def _mark_few(channels: NDArray[np.int64], days: NDArray[np.int64]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_MARK_CHANNELS, [literal(channels.tolist()), literal(days.tolist())])
        return int(cursor.rowcount)


def registry_version() -> Version:
    """Return what tells whether a copy of the registry, made in this scope, is still true."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        found: Version = cursor.fetchone()
        return found


def _copy() -> _Copy:
    version = registry_version()
    scope = version[0]
    held = _copies.get(scope)
    if held is not None and held.version == version:
        return held
    rows = fixed_rows(_MAP, [], _ROW)
    channel, group = rows["channel"].astype(np.int64), rows["group"].astype(np.int64)
    order = np.argsort(channel, kind="stable")
    made = _Copy(version, channel[order], group[order])
    _copies.clear()  # one scope at a time: daemons have one, and others mark few
    _copies[scope] = made
    return made


_ROW: Final = row_type(("channel", ">i4"), ("group", ">i4"))

_MAP: Final = """
select distinct m.channel_id, p.group_id
from balance_point p join meter_mounting m on m.point_id = p.point_id
where m.channel_id is not null
"""

_VERSION: Final = """
select coalesce(current_setting('balans.tenant', true), ''), v.*, n.* from
  (select coalesce(sum(version), 0)::bigint, coalesce(sum(xmin::text::bigint), 0)::bigint
   from balance_version) v,
  (select count(*), coalesce(sum(id), 0)::bigint, coalesce(sum(xmin::text::bigint), 0)::bigint
   from balance_news) n
"""
"""Between two changes of a version news only grow, so equal sums mean equal news. The numbers of
transactions tell a database from one that was emptied or put back."""

_UPSERT: Final = """
on conflict (group_id, day) do update set n = d.n + 1
"""
"""An update and not nothing: it waits for who computes this very row, and makes it be seen anew."""

_MARK_GROUPS: Final = f"""
insert into balance_dirty as d (group_id, day, tenant_id)
select g.id, date '2000-01-01' + x.day, g.tenant_id
from unnest(%s::int[], %s::int[]) as x (group_id, day) join balance_group g on g.id = x.group_id
order by 1, 2 {_UPSERT}
"""

_MARK_CHANNELS: Final = f"""
insert into balance_dirty as d (group_id, day, tenant_id)
select distinct p.group_id, date '2000-01-01' + x.day, p.tenant_id
from unnest(%s::int[], %s::int[]) as x (channel_id, day)
join meter_mounting m on m.channel_id = x.channel_id
join balance_point p on p.point_id = m.point_id
order by 1, 2 {_UPSERT}
"""

_MARK_POINTS: Final = """
insert into balance_news (tenant_id, point_id, first, last)
select tenant_id, id, %s, %s from metering_point where id = any(%s)
"""

_MARK_ALL: Final = f"""
insert into balance_dirty as d (group_id, day, tenant_id)
select distinct group_id, day, tenant_id from balance_hour where group_id = any(%s)
order by 1, 2 {_UPSERT}
"""
