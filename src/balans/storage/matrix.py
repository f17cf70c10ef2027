"""Registers of many channels and hours as arrays, wherever they are stored. Call inside a scope.

A register stands in a day row, in a sealed month, or, while its day lasts in a big installation,
in a block of recent hours. Day rows come first; the other two fill what is missing in them.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    any_of,
    arrays,
    int_of,
    rows_of_bytes,
    tables,
)
from balans.storage.dayrows import HOURS
from balans.storage.partitions import month_of, next_month

BLOCK = 256
"""Channels in a block of recent hours."""

WHOLE = slice(0, 24)
"""All hours of a day."""
ROWS_AT_ONCE = 200_000
"""So many day rows in one answer of the database, 46 MB."""
MANY_ROWS = 1_000
"""From so many on it pays to ask separately for a day of which some hours are wanted."""

_KEY = "channel_id, day - date '2000-01-01'"
_REGISTERS = tuple(f"coalesce({hour}, {MISSING})" for hour in HOURS)
_DAYS = f"""
select array_agg(array[{_KEY}, %s]),
  array_agg(array[{_KEY}, coalesce(est, 0), coalesce(suspect, 0)])
    filter (where est is not null or suspect is not null)
from reading_day where day between %%b and %%b and %s
"""
_MONTHS = """
select channel_id, month, base, v, est, suspect from reading_month
where month between %b and %b and
"""
_RECENT = """
select block, hour, v, est, suspect from reading_recent
where block = any(%b) and hour >= %b and hour < %b
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


@dataclass(frozen=True, slots=True)
class DayTable:
    """Day rows, n of them: of `registers` (n, hours) those at `hours` of the day.

    `marks` (k, 4) are channel, day, bits of what is estimated and of what is suspect, where
    there are any.
    """

    channel: NDArray[np.int32]
    day: NDArray[np.int32]
    registers: NDArray[np.int32]
    marks: NDArray[np.int32]
    hours: slice


def read(
    channel_ids: Sequence[int] | NDArray[np.integer],
    first_day: int,
    days: int,
    wanted: slice | None = None,
) -> Matrix:
    """Return the registers of `days` UTC days; each channel once, in ascending order.

    With `wanted`, columns of the matrix, the registers of other hours may be left out.

    Every statement sees the tables as they are when it begins, and meanwhile registers move: from
    recent hours to day rows, from there to sealed months, and back when something late comes. So
    they are looked for in that order, and what is nowhere, once more where it may have come back.
    """
    channels = np.asarray(channel_ids, np.int32)
    if (channels[1:] <= channels[:-1]).any():
        channels = np.unique(channels)
    found = Matrix.empty(channels, first_day, days)
    if found.values.size:
        recent = _recent_rows(found)
        _add_days(found, wanted)
        _add_months(found)
        _add_recent(found, recent)
        if len(nowhere := _without_any(found)):
            back = Matrix.empty(nowhere, first_day, days)
            _add_days(back, wanted)
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
        _add_months(part)
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


def _add_days(matrix: Matrix, wanted: slice | None) -> None:
    days = matrix.values.shape[1] // 24
    size = max(1, ROWS_AT_ONCE // days)
    for at in range(0, len(matrix.channels), size):
        some = matrix.channels[at : at + size]
        condition = any_of("channel_id", len(some))
        for first, last, hours in _spans(days, wanted, len(some)):
            span = matrix.first_day + first, matrix.first_day + last
            put_days(matrix, day_rows(*span, condition, Int4s(some), hours))


def _spans(days: int, wanted: slice | None, channels: int) -> Iterator[tuple[int, int, slice]]:
    """Yield first and last of days that are asked for in one go, and their hours.

    >>> list(_spans(3, slice(23, 49), MANY_ROWS))
    [(0, 0, slice(23, 24, None)), (2, 2, slice(0, 1, None)), (1, 1, slice(0, 24, None))]
    """
    first, last = 0, days - 1
    if wanted is not None and days > 1 and channels >= MANY_ROWS:
        start, stop, _ = wanted.indices(days * 24)
        if start > 12:
            yield first, first, slice(start, 24)
            first += 1
        if stop <= last * 24 + 12:
            yield last, last, slice(0, stop - last * 24)
            last -= 1
    if first <= last:
        yield first, last, WHOLE


def day_rows(first: int, last: int, condition: str, value: Any, hours: slice = WHOLE) -> DayTable:
    """Return the day rows of the days `first` to `last` that meet `condition` for `value`."""
    chosen = _REGISTERS[hours]
    query = _DAYS % (", ".join(chosen), condition)
    params = [day_of(first * 24), day_of(last * 24), value]
    rows, marks = tables(query, params, 2 + len(chosen), 4)
    return DayTable(rows[:, 0], rows[:, 1], rows[:, 2:], marks, hours)


def put_days(matrix: Matrix, rows: DayTable) -> None:
    """Put day rows of channels and days of `matrix` into it."""
    shape = len(matrix.channels), matrix.values.shape[1] // 24, 24
    row = np.searchsorted(matrix.channels, rows.channel)
    day = rows.day - matrix.first_day
    matrix.values.reshape(shape)[:, :, rows.hours][row, day] = rows.registers
    if len(rows.marks):
        channel, day, *found = rows.marks.T
        row, day = np.searchsorted(matrix.channels, channel), day - matrix.first_day
        places = np.arange(24)[rows.hours]
        for bits, marks in zip(found, (matrix.estimated, matrix.suspect), strict=True):
            there = (bits[:, np.newaxis] >> places) & 1
            marks.reshape(shape)[:, :, rows.hours][row, day] = there


def _add_months(matrix: Matrix) -> None:
    first, last = (month_of(day_of(day * 24)) for day in (matrix.first_day, _last_day(matrix)))
    by_month: dict[int, list[list[bytes]]] = {}
    condition = any_of("channel_id", len(matrix.channels))
    for row in rows_of_bytes(_MONTHS + condition, [first, last, Int4s(matrix.channels)]):
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
    return rows_of_bytes(_RECENT, [Int4s(blocks), start, start + matrix.values.shape[1]])


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
