"""From readings in any order to rows of a channel and UTC day, and to PostgreSQL's binary COPY."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.metering import MISSING
from balans.protocols.readings import Flag

HOURS = tuple(f"h{hour:02d}" for hour in range(24))
STAGE_COLUMNS = ("channel_id", "day", "tenant_id", "suspect", *HOURS)
DOUBTS = int(~Flag.LOW_BATTERY & 0xFF)
"""Flags that put the register itself in doubt; a low battery does not."""

READING = np.dtype(
    [
        ("tenant", "i4"),
        ("hub", "i8"),
        ("module", "i8"),
        ("input", "i2"),
        ("flags", "i2"),
        ("channel", "i4"),
        ("hour", "i4"),
        ("register", "i4"),
    ]
)
"""A reading on its way from the inbox to the table; channel 0 = not registered."""

_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_CHUNK_ROWS = 20_000
_HOUR_BITS = 20


@dataclass(frozen=True, slots=True)
class DayRows:
    """Rows sorted by channel and day, n of them.

    `registers` is (n, 24) with `MISSING` for NULL, the rest (n,). `suspect` has bit k where the
    register at hour k was in doubt. `repeated` readings came more than once; those in
    `contradicting` (indices into what was pivoted) with another register than the first, which
    is the one that counts.
    """

    channel: NDArray[np.int32]
    day: NDArray[np.int32]
    tenant: NDArray[np.int32]
    suspect: NDArray[np.int32]
    registers: NDArray[np.int32]
    repeated: int
    contradicting: NDArray[np.intp]

    @property
    def count(self) -> int:
        """Readings held."""
        return int((self.registers != MISSING).sum())


def pivot(readings: NDArray[np.void]) -> DayRows:
    """Return `readings` (n,) of type `READING`, in the order they came, as rows.

    >>> one = np.zeros(2, READING)
    >>> one["channel"], one["hour"], one["register"] = 7, [25, 24], [11, 10]
    >>> pivot(one).registers[0, :3].tolist()
    [10, 11, -1]
    """
    channel, hour, register = (readings[name] for name in ("channel", "hour", "register"))
    key = (channel.astype(np.int64) << _HOUR_BITS) | hour
    order = np.argsort(key, kind="stable")
    first = _starts(key[order])
    kept = order[first]  # column by column: copying whole records is many times slower
    contradicting = order[register[order] != register[kept][np.cumsum(first) - 1]]
    day, hour_of_day = np.divmod(hour[kept], 24)
    begins = _starts((channel[kept].astype(np.int64) << _HOUR_BITS) | day)
    row = np.cumsum(begins) - 1
    registers = np.full((int(begins.sum()), 24), MISSING, np.int32)
    registers[row, hour_of_day] = register[kept]
    suspect = np.zeros(len(registers), np.int32)
    doubted = np.flatnonzero(readings["flags"][kept] & DOUBTS)
    np.bitwise_or.at(suspect, row[doubted], np.int32(1) << hour_of_day[doubted])
    return DayRows(
        channel[kept][begins],
        day[begins],
        readings["tenant"][kept][begins],
        suspect,
        registers,
        len(readings) - len(kept),
        contradicting,
    )


def by_input(readings: NDArray[np.void]) -> list[tuple[np.void, int]]:
    """Return the last of `readings` of each input, and how many it has."""
    newest_first = readings[::-1]
    _, last, counts = np.unique(
        newest_first[["tenant", "hub", "module", "input"]], return_index=True, return_counts=True
    )
    return list(zip(newest_first[last], counts.tolist(), strict=True))


def _starts(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return True where a sorted value differs from the one before."""
    found = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def copy_data(rows: DayRows) -> Iterator[bytes]:
    """Yield `rows` as binary COPY of `STAGE_COLUMNS`, in buffers of a few megabytes.

    References
    ----------
    PostgreSQL documentation, COPY, "Binary Format": a field is its length and its bytes, NULL is
    length -1 and no bytes. A date counts days from 2000-01-01, as `balans.core.hours` does.
    """
    yield _COPY_HEADER
    for start in range(0, len(rows.channel), _CHUNK_ROWS):
        yield _encode(rows, slice(start, start + _CHUNK_ROWS))
    yield _COPY_TRAILER


def _encode(rows: DayRows, part: slice) -> bytes:
    values = np.column_stack(
        (rows.channel[part], rows.day[part], rows.tenant[part], rows.suspect[part])
    )
    values = np.concatenate((values, rows.registers[part]), axis=1)
    null = np.zeros(values.shape, np.bool_)
    null[:, 3] = values[:, 3] == 0
    null[:, 4:] = values[:, 4:] == MISSING
    n, width = values.shape
    fields = np.empty((n, width), np.dtype([("length", ">i4"), ("value", ">i4")]))
    fields["length"] = np.where(null, -1, 4)
    fields["value"] = values
    raw = np.empty((n, 2 + 8 * width), np.uint8)
    raw[:, :2] = np.frombuffer(np.array(width, ">i2").tobytes(), np.uint8)
    raw[:, 2:] = fields.view(np.uint8).reshape(n, 8 * width)
    if not null.any():
        return raw.tobytes()
    there = np.ones(raw.shape, np.bool_)
    there[:, 2:].reshape(n, width, 8)[:, :, 4:] = ~null[:, :, np.newaxis]
    return raw[there].tobytes()
