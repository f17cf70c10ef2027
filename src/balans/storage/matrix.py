"""Registers of many channels and hours as arrays, wherever they are stored. Call inside a scope.

A register stands in a day row, in a sealed month, or, while its day lasts in a big installation,
in a block of recent hours. Day rows come first; the other two fill what is missing in them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH_DATE, day_of
from balans.domain.metering import MISSING
from balans.domain.metering.sealed import unpack_marks, unseal
from balans.storage.copying import (
    Int4s,
    arrays,
    fixed_rows,
    int_of,
    literal,
    row_type,
    rows_of_bytes,
)
from balans.storage.dayrows import HOURS
from balans.storage.partitions import month_of, next_month

BLOCK = 256
"""Channels in a block of recent hours."""

_DAY = row_type(
    ("channel", ">i4"),
    ("day", ">i4"),
    ("tenant", ">i4"),
    ("estimated", ">i4"),
    ("suspect", ">i4"),
    last=("registers", ">i4", 24),
)
_DAYS = f"""
select channel_id, day, tenant_id, coalesce(est, 0), coalesce(suspect, 0),
  {", ".join(f"coalesce({hour}, {MISSING})" for hour in HOURS)}
from reading_day where day between %s and %s and
"""
_MONTHS = """
select channel_id, month, base, v, est, suspect from reading_month
where channel_id = any(%s::int[]) and month between %s and %s
"""
_RECENT = """
select block, hour, v, est, suspect from reading_recent
where block = any(%s) and hour >= %s and hour < %s
"""
_RECENT_AT = """
select array_agg(k.n), array_agg(k.register) from (
  select w.n, get_byte(r.v, w.at) | (get_byte(r.v, w.at + 1) << 8)
    | (get_byte(r.v, w.at + 2) << 16) | (get_byte(r.v, w.at + 3) << 24) as register
  from (select block, hour, place * 4 as at, n
        from unnest(%b::int[], %b::int[], %b::int[]) with ordinality as k (block, hour, place, n)) w
  join reading_recent r on r.block = w.block and r.hour = w.hour) k
where k.register >= 0
"""
_DAYS_AT = f"""
select array_agg(k.n), array_agg(k.register) from (
  select w.n, (array[{", ".join(f"r.{hour}" for hour in HOURS)}])[w.hour + 1] as register
  from unnest(%b::int[], %b::int[], %b::int[]) with ordinality as w (channel, day, hour, n)
  join reading_day r on r.channel_id = w.channel and r.day = date '2000-01-01' + w.day
  where r.channel_id = any(%b) and r.day between %b::date and %b::date) k
where k.register is not null
"""
_ANY_SEALED = """
select m from unnest(%s::date[]) as m where exists (select from reading_month where month = m)
order by m
"""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Registers of `channels`, which ascend, at whole UTC days from `first_day` on.

    `values`, `estimated` and `suspect` are (channels, hours); a day is its number since
    2000-01-01.
    """

    channels: NDArray[np.int32]
    first_day: int
    values: NDArray[np.int32]
    estimated: NDArray[np.bool_]
    suspect: NDArray[np.bool_]

    @classmethod
    def empty(cls, channels: NDArray[np.int32], first_day: int, days: int) -> "Matrix":
        """Return a matrix in which every register is missing."""
        shape = (len(channels), days * 24)
        marks = np.zeros((2, *shape), np.bool_)
        return cls(channels, first_day, np.full(shape, MISSING, np.int32), marks[0], marks[1])


def read(channel_ids: Sequence[int] | NDArray[np.integer], first_day: int, days: int) -> Matrix:
    """Return the registers of `days` UTC days; each channel once, in ascending order.

    Every statement sees the tables as they are when it begins, and meanwhile registers move: from
    recent hours to day rows, from there to sealed months, and back when something late comes. So
    they are looked for in that order, and what is nowhere, once more where it may have come back.
    """
    channels = np.unique(np.asarray(channel_ids, np.int32))
    found = Matrix.empty(channels, first_day, days)
    if found.values.size:
        recent = _recent_rows(found)
        _add_days(found, channels)
        _add_months(found, literal(channels.tolist()))
        _add_recent(found, recent)
        if len(nowhere := _without_any(found)):
            back = Matrix.empty(nowhere, first_day, days)
            _add_days(back, nowhere)
            _fill(found, back)  # a day row has gaps where a sealed month has none
    return found


def _without_any(matrix: Matrix) -> NDArray[np.int32]:
    """Return the channels of which nothing is known on some days."""
    n, hours = matrix.values.shape
    by_day = (matrix.values.reshape(n, hours // 24, 24) == MISSING).all(axis=2)
    found: NDArray[np.int32] = matrix.channels[by_day.any(axis=1)]
    return found


def at_hours(channels: NDArray[np.integer], hours: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the stored register (n,) of each channel at its hour, both (n,)."""
    found = np.full(len(channels), MISSING, np.int32)
    day, hour = np.divmod(hours, 24)
    span = [day_of(int(hours.min())), day_of(int(hours.max()))] if len(hours) else [None, None]
    wanted = [Int4s(channels), Int4s(day), Int4s(hour), Int4s(np.unique(channels)), *span]
    for query, params in (
        (_RECENT_AT, [Int4s(channels // BLOCK), Int4s(hours), Int4s(channels % BLOCK)]),
        (_DAYS_AT, wanted),
    ):
        which, registers = arrays(query, params, "int8", "int4")
        found[which - 1] = registers
    left = np.flatnonzero(found == MISSING)
    months = [day_of(int(one) * 24) for one in np.unique(day[left])]
    for month in sealed_of(months):
        first, days = day_number(month), days_of(month)
        mine = left[(day[left] >= first) & (day[left] < first + days)]
        part = Matrix.empty(np.unique(channels[mine]).astype(np.int32), first, days)
        _add_months(part, literal(part.channels.tolist()))
        row = np.searchsorted(part.channels, channels[mine])
        found[mine] = part.values[row, hours[mine] - first * 24]
    return found


def sealed_of(days: Iterable[date]) -> list[date]:
    """Return the months of `days` of which something is sealed."""
    with connection.cursor() as cursor:
        cursor.execute(_ANY_SEALED, [sorted({month_of(day) for day in days})])
        return [month for (month,) in cursor.fetchall()]


def _last_day(matrix: Matrix) -> int:
    days: int = matrix.values.shape[1] // 24
    return matrix.first_day + days - 1


def _add_days(matrix: Matrix, channels: NDArray[np.int32]) -> None:
    ids = literal(channels.tolist())
    rows = day_rows(matrix.first_day, _last_day(matrix), "channel_id = any(%s::int[])", ids)
    put_days(matrix, rows)


def day_rows(first: int, last: int, condition: str, value: Any) -> NDArray[np.void]:
    """Return the day rows of the days `first` to `last` that meet `condition` for `value`.

    They have ``channel``, ``day``, ``tenant``, ``estimated``, ``suspect`` and ``registers``.
    """
    return fixed_rows(_DAYS + condition, [day_of(first * 24), day_of(last * 24), value], _DAY)


def put_days(matrix: Matrix, rows: NDArray[np.void]) -> None:
    """Put day rows of channels and days of `matrix` into it."""
    n, hours = matrix.values.shape
    row = np.searchsorted(matrix.channels, rows["channel"])
    day = rows["day"] - matrix.first_day
    matrix.values.reshape(n, hours // 24, 24)[row, day] = rows["registers"]["value"]
    for name, marks in (("estimated", matrix.estimated), ("suspect", matrix.suspect)):
        some = np.flatnonzero(rows[name])
        if len(some):
            bits = (rows[name][some, np.newaxis] >> np.arange(24)) & 1
            marks.reshape(n, hours // 24, 24)[row[some], day[some]] = bits


def _add_months(matrix: Matrix, ids: str) -> None:
    first, last = (month_of(day_of(day * 24)) for day in (matrix.first_day, _last_day(matrix)))
    by_month: dict[int, list[list[bytes]]] = {}
    for row in rows_of_bytes(_MONTHS, [ids, first, last]):
        by_month.setdefault(int_of(row[1]), []).append(row)
    for month, rows in by_month.items():
        channels = np.array([int_of(row[0]) for row in rows], np.int32)
        part = unsealed(month, channels, [row[2:] for row in rows])
        _fill(matrix, part)


def unsealed(month: int, channels: NDArray[np.int32], rows: Sequence[Sequence[bytes]]) -> Matrix:
    """Return sealed rows of one month as arrays, channels in the order given.

    Parameters
    ----------
    month
        Day number of its first day.
    channels, rows
        Each row is base, steps, marks of what is estimated and of what is suspect.

    Raises
    ------
    SealedError
        If the bytes are no sealed month.
    """
    days = days_of(day_of(month * 24))
    hours = days * 24
    base = np.array([int_of(row[0]) for row in rows], np.int64)
    values = unseal(base, [row[1] for row in rows], hours)
    found = Matrix.empty(channels, month, days)
    found.values[:] = values
    for at, (_, _, estimated, suspect) in enumerate(rows):
        if estimated:
            found.estimated[at] = unpack_marks(estimated, hours)
        if suspect:
            found.suspect[at] = unpack_marks(suspect, hours)
    return found


def days_of(month: date) -> int:
    """Return the number of days of the month that begins at `month`."""
    return (next_month(month) - month).days


def day_number(day: date) -> int:
    """Return the days from 2000-01-01 to `day`."""
    return (day - EPOCH_DATE).days


def _fill(matrix: Matrix, part: Matrix) -> None:
    """Put what is there in `part`, whose channels are some of the matrix's, into gaps."""
    offset = (part.first_day - matrix.first_day) * 24
    n = matrix.values.shape[1]
    here = slice(max(offset, 0), min(offset + part.values.shape[1], n))
    there = slice(here.start - offset, here.stop - offset)
    rows = np.searchsorted(matrix.channels, part.channels)
    gap = (matrix.values[rows, here] == MISSING) & (part.values[:, there] != MISSING)
    row, column = np.nonzero(gap)
    target = (rows[row], column + here.start)
    source = (row, column + there.start)
    matrix.values[target] = part.values[source]
    matrix.estimated[target] = part.estimated[source]
    matrix.suspect[target] = part.suspect[source]


def _recent_rows(matrix: Matrix) -> list[list[bytes]]:
    blocks = np.unique(matrix.channels // BLOCK)
    start = matrix.first_day * 24
    return list(rows_of_bytes(_RECENT, [blocks.tolist(), start, start + matrix.values.shape[1]]))


def _add_recent(matrix: Matrix, found: Iterable[list[bytes]]) -> None:
    start = matrix.first_day * 24
    for row in found:
        block, hour = int_of(row[0]), int_of(row[1])
        rows = slice(
            *np.searchsorted(matrix.channels, [block * BLOCK, (block + 1) * BLOCK]).tolist()
        )
        inside = matrix.channels[rows] - block * BLOCK
        column = hour - start
        values = np.frombuffer(row[2], "<i4")[inside]
        gap = (matrix.values[rows, column] == MISSING) & (values != MISSING)
        matrix.values[rows, column] = np.where(gap, values, matrix.values[rows, column])
        for data, marks in ((row[3], matrix.estimated), (row[4], matrix.suspect)):
            if data:
                marks[rows, column] |= gap & unpack_marks(data, BLOCK)[inside]
