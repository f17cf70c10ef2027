"""Recent hours of a big installation: 256 channels of one hour are one row, until the day is over.

A city reports hour by hour. To widen a day row by every hour would write it 24 times; written
here once, and once again as a whole day row, each register costs a tenth of that. Whoever reads
registers sees no difference, since `balans.storage.matrix` looks here, too.

Which days go here is decided for the whole installation, and a day that has begun here is ended
here, so the first register of an hour stays the one that counts. Call inside a system scope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import time_of
from balans.domain.metering import MISSING
from balans.domain.metering.sealed import pack_marks, unpack_marks
from balans.storage.copying import Blobs, Int4s, binary_cursor
from balans.storage.dayrows import DayRows, distinct
from balans.storage.matrix import BLOCK
from balans.storage.partitions import is_big

GRACE = timedelta(hours=3)
"""So long after its end a day is kept here for what is late."""
BLOCKS_AT_ONCE = 1_000
DENSE = 12
"""Rows with so many registers on average are day rows at once."""

_BLOCK_BITS = 20  # hour numbers have fewer


@dataclass(frozen=True, slots=True)
class Clash:
    """A register that came for an hour that has another one already."""

    tenant_id: int
    channel_id: int
    hour: int
    held: int
    sent: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What `keep` did: new registers, blocks written, what was there already, and clashes.

    `again` is, by channel, how many were there already, and how many of them clash.
    """

    readings: int
    blocks: int
    same: int
    clashes: Sequence[Clash]
    again: Sequence[tuple[int, int, int]] = ()


@dataclass(slots=True)
class _Blocks:
    """Hours of blocks of one tenant, sorted by `key`; registers and marks are (n, BLOCK).

    `marks` are what is estimated and what is suspect.
    """

    tenant_id: int
    key: NDArray[np.int64]
    values: NDArray[np.int32]
    marks: NDArray[np.bool_]

    @property
    def named(self) -> list[Int4s]:
        """Blocks and hours, as parameters."""
        block, hour = np.divmod(self.key, 1 << _BLOCK_BITS)
        return [Int4s(block), Int4s(hour)]


def takes(rows: DayRows, days: NDArray[np.int32], now: datetime) -> NDArray[np.bool_]:
    """Return which of `days` (n,), those of `rows`, are kept here at `now`.

    Rows that are half full or more, as after an outage, need not wait: day rows come first for
    whoever reads. But a day that has begun here is ended here.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BEGUN, [days.tolist()])
        begun = np.array(cursor.fetchone()[0], np.int32)
    waits = rows.count < DENSE * len(rows.day) and is_big()
    open_days = days > _last_over(now) if waits else np.zeros(len(days), np.bool_)
    return open_days | np.isin(days, begun)


def _last_over(now: datetime) -> int:
    """Return the last day that is over, grace included."""
    return int((now - GRACE - time_of(0)) // timedelta(days=1)) - 1


def keep(rows: DayRows) -> Kept:
    """Add the registers of `rows`; what is held stays."""
    row, hour_of_day = np.nonzero(rows.registers != MISSING)
    total = Kept(0, 0, 0, ())
    for tenant in distinct(rows.tenant):
        own = rows.tenant[row] == tenant
        one = _keep(_blocks_of(tenant, rows, row[own], hour_of_day[own]))
        total = Kept(
            total.readings + one.readings,
            total.blocks + one.blocks,
            total.same + one.same,
            (*total.clashes, *one.clashes),
            (*total.again, *one.again),
        )
    return total


def _blocks_of(
    tenant: int, rows: DayRows, row: NDArray[np.intp], hour_of_day: NDArray[np.intp]
) -> _Blocks:
    channel = rows.channel[row]
    hour = rows.day[row].astype(np.int64) * 24 + hour_of_day
    key, at = _grouped((channel.astype(np.int64) // BLOCK) << _BLOCK_BITS | hour)
    values = np.full((len(key), BLOCK), MISSING, np.int32)
    values[at, channel % BLOCK] = rows.registers[row, hour_of_day]
    marks = np.zeros((2, len(key), BLOCK), np.bool_)
    for kind, masks in enumerate((rows.estimated, rows.suspect)):
        if masks.any():
            marks[kind, at, channel % BLOCK] = masks[row] >> hour_of_day & 1
    return _Blocks(tenant, key, values, marks)


def _grouped(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the different `keys`, ascending, and which of them each one is.

    Those of one hour ascend already, as the rows do.
    """
    step = np.diff(keys)
    if (step < 0).any():
        return np.unique(keys, return_inverse=True)
    new = np.concatenate([[True], step != 0])
    return keys[new], np.cumsum(new) - 1


def _keep(new: _Blocks) -> Kept:
    held = _held(new)
    at = np.searchsorted(new.key, held.key)
    sent = new.values[at]
    both = (held.values != MISSING) & (sent != MISSING)
    other = both & (held.values != sent)
    gains = ((held.values == MISSING) & (sent != MISSING)).any(axis=1)
    clashes = _clashes(held, sent, other)
    there = held.values != MISSING
    new.values[at] = np.where(there, held.values, sent)
    new.marks[:, at] = np.where(there, held.marks, new.marks[:, at])
    changed = np.ones(len(new.key), np.bool_)
    changed[at] = gains
    _write(new, changed)
    count = int((sent != MISSING).sum() - both.sum())
    fresh = np.ones(len(new.key), np.bool_)
    fresh[at] = False
    return Kept(
        count + int((new.values[fresh] != MISSING).sum()),
        int(changed.sum()),
        int(both.sum() - other.sum()),
        clashes,
        _again(held, both, other),
    )


def _again(
    held: _Blocks, both: NDArray[np.bool_], other: NDArray[np.bool_]
) -> list[tuple[int, int, int]]:
    row, place = np.nonzero(both)
    channel = (held.key[row] >> _BLOCK_BITS) * BLOCK + place
    found, at = np.unique(channel, return_inverse=True)
    counts = np.bincount(at, minlength=len(found))
    clashing = np.bincount(at, weights=other[row, place], minlength=len(found)).astype(np.int64)
    return list(zip(found.tolist(), counts.tolist(), clashing.tolist(), strict=True))


def _held(wanted: _Blocks) -> _Blocks:
    with binary_cursor() as cursor:
        cursor.execute(_HELD, [*wanted.named, wanted.tenant_id])
        rows = cursor.fetchall()
    key = np.array([block << _BLOCK_BITS | hour for block, hour, *_ in rows], np.int64)
    return _Blocks(wanted.tenant_id, key, *_arrays([row[2:] for row in rows]))


def _arrays(rows: Sequence[Sequence[bytes | None]]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return registers (n, BLOCK) and marks (2, n, BLOCK) of stored rows."""
    data = b"".join([row[0] or b"" for row in rows])
    marks = np.zeros((2, len(rows), BLOCK), np.bool_)
    for at, row in enumerate(rows):
        for kind in (0, 1):
            bits = row[1 + kind]
            if bits:
                marks[kind, at] = unpack_marks(bits, BLOCK)
    return np.frombuffer(data, "<i4").reshape(-1, BLOCK).astype(np.int32), marks


def _clashes(held: _Blocks, sent: NDArray[np.int32], other: NDArray[np.bool_]) -> list[Clash]:
    found = []
    for row, place in np.argwhere(other).tolist():
        block, hour = divmod(int(held.key[row]), 1 << _BLOCK_BITS)
        values = int(held.values[row, place]), int(sent[row, place])
        found.append(Clash(held.tenant_id, block * BLOCK + place, hour, *values))
    return found


def _write(blocks: _Blocks, which: NDArray[np.bool_]) -> None:
    if not which.any():
        return
    values = np.ascontiguousarray(blocks.values[which].astype("<i4")).view(np.uint8)
    marks = [pack_marks(one[which]) for one in blocks.marks]
    named = _Blocks(blocks.tenant_id, blocks.key[which], blocks.values, blocks.marks).named
    with binary_cursor() as cursor:
        cursor.execute(_WRITE, [blocks.tenant_id, *named, Blobs(values), *marks])


def take_over(now: datetime) -> DayRows | None:
    """Take out a part of the oldest day that is over at `now`, as day rows; None if there is none.

    Call again until there is none.
    """
    with binary_cursor() as cursor:
        cursor.execute("select min(hour) from reading_recent")
        (hour,) = cursor.fetchone() or (None,)
        if hour is None or hour // 24 > _last_over(now):
            return None
        day = hour // 24
        span = {"start": day * 24, "end": day * 24 + 24, "blocks": BLOCKS_AT_ONCE}
        cursor.execute(_TAKE, span)
        rows = cursor.fetchall()
    return _day_rows(day, rows)


def _day_rows(day: int, rows: Sequence[tuple[int, int, int, bytes, bytes, bytes]]) -> DayRows:
    values, marks = _arrays([row[3:] for row in rows])
    owner = np.array([row[:2] for row in rows], np.int64)
    hour_of_day = np.array([row[2] for row in rows]) - day * 24
    block, at = np.unique(owner[:, 0] << 32 | owner[:, 1], return_inverse=True)
    whole = np.full((len(block), BLOCK, 24), MISSING, np.int32)
    whole[at, :, hour_of_day] = values
    bits = np.zeros((2, len(block), BLOCK), np.int32)
    for kind in np.flatnonzero(marks.any(axis=(1, 2))):
        for row in np.flatnonzero(marks[kind].any(axis=1)).tolist():
            bits[kind, at[row]] |= marks[kind, row] * (np.int32(1) << int(hour_of_day[row]))
    registers = whole.reshape(-1, 24)
    channel = ((block >> 32)[:, np.newaxis] * BLOCK + np.arange(BLOCK)).reshape(-1)
    tenant = np.repeat(block & 0xFFFFFFFF, BLOCK)
    there = np.flatnonzero((registers != MISSING).any(axis=1))
    there = there[np.argsort(channel[there], kind="stable")]
    return DayRows(
        channel[there].astype(np.int32),
        np.full(len(there), day, np.int32),
        tenant[there].astype(np.int32),
        bits[0].reshape(-1)[there],
        bits[1].reshape(-1)[there],
        registers[there],
        0,
        np.zeros(0, np.intp),
    )


_BEGUN = """
select coalesce(array_agg(d), '{}') from unnest(%s::int[]) as d
where exists (select from reading_recent where hour >= d * 24 and hour < d * 24 + 24)
"""
_HELD = """
select r.block, r.hour, r.v, r.est, r.suspect
from unnest(%b::int[], %b::int[]) as w (block, hour)
join reading_recent r on r.tenant_id = %b::int and r.block = w.block and r.hour = w.hour
order by r.block, r.hour
"""
_WRITE = """
insert into reading_recent as r (tenant_id, block, hour, v, est, suspect)
select %b::int, * from
  unnest(%b::int[], %b::int[], %b::bytea[], %b::bytea[], %b::bytea[])
on conflict (tenant_id, block, hour) do update set
  v = excluded.v, est = excluded.est, suspect = excluded.suspect
"""
_TAKE = """
delete from reading_recent where hour >= %(start)b and hour < %(end)b and block <= (
  select max(block) from (
    select distinct block from reading_recent where hour >= %(start)b and hour < %(end)b
    order by block limit %(blocks)b) first)
returning block, tenant_id, hour, v, est, suspect
"""
