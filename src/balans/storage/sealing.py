"""Months that are over: a channel's day rows become one row of a few bytes a reading, and back.

A reading that comes for a sealed month opens the month of its channel again, inside the
transaction that brings it; the next pass seals it anew. Nothing distinguishes the two for
whoever reads, see `balans.storage.matrix`.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import day_of
from balans.domain.metering import MISSING
from balans.domain.metering.sealed import pack_marks, seal
from balans.storage import flush_sql
from balans.storage.copying import binary_cursor, write
from balans.storage.dayrows import STAGE_COLUMNS, DayRows, copy_data, distinct
from balans.storage.matrix import (
    DayTable,
    Matrix,
    day_number,
    day_rows,
    days_of,
    put_days,
    sealed_of,
    unsealed,
)
from balans.storage.partitions import (
    drop_empty,
    make_partitions,
    make_years,
    month_of,
    months_before,
    months_there,
)
from balans.storage.scope import system_scope
from balans.storage.writer import wait_to_write

ACTOR = "sealing"
KEEP_OPEN = 2
CHANNELS_AT_ONCE = 5_000
"""Channels of a month sealed in one transaction; the flush waits for it, about a second."""
LIMIT = 1_000_000


def seal_due(now: datetime, keep_open_months: int = KEEP_OPEN, limit: int = LIMIT) -> int:
    """Seal months that are over, the oldest first, each part committed; return how many rows.

    Empty partitions are dropped afterwards. Opens its own scopes.

    Parameters
    ----------
    now
        The time by the clock that the readings go by.
    keep_open_months
        So many whole months before the present one are left as day rows, at least 1.
    limit
        Stop after so many channels' months; call again while so many were sealed.
    """
    before = months_before(now.date(), max(keep_open_months, 1))
    count = 0
    with system_scope(ACTOR):
        months = [month for month in months_there() if month < before]
    for month in months:
        while count < limit and (sealed := _seal_part(day_number(month))):
            count += sealed
    with system_scope(ACTOR):
        wait_to_write()
        drop_empty(before)
    return count


def _seal_part(month: int) -> int:
    """Seal the channels of a month that come first; return how many."""
    days = days_of(day_of(month * 24))
    span = {"first": day_of(month * 24), "last": day_of((month + days - 1) * 24)}
    with system_scope(ACTOR, durable=True):
        wait_to_write()
        with connection.cursor() as cursor:
            cursor.execute(_LAST_CHANNEL, span | {"limit": CHANNELS_AT_ONCE})
            (last,) = cursor.fetchone()
            if last is None:
                return 0
            cursor.execute(_TENANTS, span | {"to": last})
            tenants = dict(cursor.fetchall())
            channels = np.array(sorted(tenants), np.int32)
            make_years([span["first"].year])
            _open(channels, np.full(len(channels), month))
            rows = day_rows(month, month + days - 1, "channel_id <= %b", last)
            _insert(Matrix.empty(channels, month, days), rows, tenants)
            cursor.execute("delete" + _PART, span | {"to": last})
    return len(channels)


def _insert(matrix: Matrix, rows: DayTable, tenants: Mapping[int, int]) -> None:
    put_days(matrix, rows)
    some = (matrix.values != MISSING).any(axis=1)
    sealed = seal(matrix.values[some])
    channels = matrix.channels[some].tolist()
    columns = [
        channels,
        [tenants[channel] for channel in channels],
        [one.base for one in sealed],
        [one.steps for one in sealed],
        pack_marks(matrix.estimated[some]),
        pack_marks(matrix.suspect[some]),
    ]
    with binary_cursor() as cursor:
        cursor.execute(_INSERT, [day_of(matrix.first_day * 24), *columns])


def reopen(channels: NDArray[np.integer], days: NDArray[np.integer]) -> int:
    """Turn the sealed months of `channels` at `days` into day rows again; return how many.

    Parameters
    ----------
    channels, days
        The same length; days since 2000-01-01. Called by the one process that writes.
    """
    found = distinct(days)
    firsts = {day: day_number(month_of(day_of(day * 24))) for day in found}
    sealed = {day_number(month) for month in sealed_of(day_of(day * 24) for day in firsts)}
    if not sealed:
        return 0
    month = np.array([firsts[day] for day in found])[np.searchsorted(found, days)]
    there = np.isin(month, list(sealed))
    return _open(channels[there], month[there])


def _open(channels: NDArray[np.integer], months: NDArray[np.integer]) -> int:
    keys = np.unique(channels.astype(np.int64) << 32 | months)
    wanted = [(keys >> 32).tolist(), [day_of(int(key & 0xFFFFFFFF) * 24) for key in keys]]
    with binary_cursor() as cursor:
        cursor.execute(_TAKE, wanted)
        rows = cursor.fetchall()
    for month in sorted({row[1] for row in rows}):
        make_partitions([month])
        _write_days(day_number(month), [row for row in rows if row[1] == month])
    return len(rows)


def _write_days(month: int, rows: list[tuple[int, object, int, int, bytes, bytes, bytes]]) -> None:
    packed = [(row[3].to_bytes(4, "big", signed=True), *row[4:]) for row in rows]
    matrix = unsealed(month, np.array([row[0] for row in rows], np.int32), packed)
    write("reading_stage", STAGE_COLUMNS, copy_data(_as_rows(matrix, [row[2] for row in rows])))
    with connection.cursor() as cursor:
        cursor.execute(flush_sql.MERGE)
        cursor.execute("truncate reading_stage")


def _as_rows(matrix: Matrix, tenants: list[int]) -> DayRows:
    n, hours = matrix.values.shape
    shape = (n * hours // 24, 24)
    registers = matrix.values.reshape(shape)
    there = (registers != MISSING).any(axis=1)
    bits = np.int32(1) << np.arange(24, dtype=np.int32)
    masks = [
        (marks.reshape(shape) * bits).sum(axis=1, dtype=np.int32)
        for marks in (matrix.estimated, matrix.suspect)
    ]
    days = np.tile(np.arange(hours // 24, dtype=np.int32) + matrix.first_day, n)
    rows = DayRows(
        np.repeat(matrix.channels, hours // 24),
        days,
        np.repeat(np.array(tenants, np.int32), hours // 24),
        masks[0],
        masks[1],
        registers,
        0,
        np.zeros(0, np.intp),
    )
    return rows.where(there)


_PART = " from reading_day where day between %(first)s and %(last)s and channel_id <= %(to)s"
_TENANTS = f"select channel_id, min(tenant_id) {_PART} group by channel_id"
_LAST_CHANNEL = """
select max(channel_id) from (
  select distinct channel_id from reading_day where day between %(first)s and %(last)s
  order by channel_id limit %(limit)s) first
"""
_INSERT = """
insert into reading_month (month, channel_id, tenant_id, base, v, est, suspect)
select %b::date, * from
  unnest(%b::int[], %b::int[], %b::int[], %b::bytea[], %b::bytea[], %b::bytea[])
"""
_TAKE = """
delete from reading_month r using unnest(%b::int[], %b::date[]) as w (channel_id, month)
where r.channel_id = w.channel_id and r.month = w.month
returning r.channel_id, r.month, r.tenant_id, r.base, r.v, r.est, r.suspect
"""
