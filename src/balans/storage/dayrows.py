"""From readings in any order to rows of a channel and UTC day, and to PostgreSQL's binary COPY."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.metering import MISSING
from balans.protocols.readings import Flag, Grade
from balans.storage.copying import HEADER, TRAILER

HOURS = tuple(f"h{hour:02d}" for hour in range(24))
STAGE_COLUMNS = ("channel_id", "day", "tenant_id", "est", "suspect", *HOURS)
GRADE_BITS = 8
"""The grade of a reading stands above the flags of its module."""
HANDED_OVER = 1 << 12
"""Marks readings of an import: people know how old they are, no clock of a module is to blame."""
ESTIMATED = Grade.ESTIMATED << GRADE_BITS
DOUBTS = int(~Flag.LOW_BATTERY & 0xFF) | Grade.SUSPECT << GRADE_BITS
"""What puts the register itself in doubt; a low battery does not."""

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

_WHOLE = np.dtype(
    [
        ("fields", ">i2"),
        *(
            (field, ">i4")
            for name in ("channel", "day", "tenant")
            for field in (f"{name}_length", name)
        ),
        ("marks", ">i4", (2,)),
        ("registers", [("length", ">i4"), ("value", ">i4")], (24,)),
    ]
)
"""A row of `STAGE_COLUMNS` in binary COPY whose marks are NULL."""
_CHUNK_ROWS = 20_000
_NEAR = 100_000
_HOUR_BITS = 20


@dataclass(frozen=True, slots=True)
class DayRows:
    """Rows sorted by channel and day, n of them.

    `registers` is (n, 24) with `MISSING` for NULL, the rest (n,). `estimated` and `suspect` have
    bit k where the register at hour k was estimated or in doubt. `repeated` readings came more
    than once; those in `contradicting` (indices into what was pivoted) with another register than
    the first, which is the one that counts.
    """

    channel: NDArray[np.int32]
    day: NDArray[np.int32]
    tenant: NDArray[np.int32]
    estimated: NDArray[np.int32]
    suspect: NDArray[np.int32]
    registers: NDArray[np.int32]
    repeated: int
    contradicting: NDArray[np.intp]

    @property
    def count(self) -> int:
        """Readings held."""
        return int((self.registers != MISSING).sum())

    def where(self, which: NDArray[np.bool_]) -> "DayRows":
        """Return the rows for which `which` (n,) is true, without what came more than once."""
        return DayRows(
            self.channel[which],
            self.day[which],
            self.tenant[which],
            self.estimated[which],
            self.suspect[which],
            self.registers[which],
            0,
            np.zeros(0, np.intp),
        )


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
    masks = np.zeros((2, len(registers)), np.int32)
    for mask, bits in zip(masks, (ESTIMATED, DOUBTS), strict=True):
        marked = np.flatnonzero(readings["flags"][kept] & bits)
        np.bitwise_or.at(mask, row[marked], np.int32(1) << hour_of_day[marked])
    return DayRows(
        channel[kept][begins],
        day[begins],
        readings["tenant"][kept][begins],
        masks[0],
        masks[1],
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


def distinct(values: NDArray[np.integer]) -> list[int]:
    """Return the different `values` (n,), ascending; quick where they are near each other.

    >>> distinct(np.array([2, 1, 2]))
    [1, 2]
    """
    if not len(values):
        return []
    low = int(values.min())
    span = int(values.max()) - low
    found = np.flatnonzero(np.bincount(values - low)) + low if span < _NEAR else np.unique(values)
    different: list[int] = found.tolist()
    return different


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
    yield HEADER
    whole = (rows.registers != MISSING).all(axis=1) & (rows.estimated == 0) & (rows.suspect == 0)
    for start in range(0, len(rows.channel), _CHUNK_ROWS):
        part = np.arange(start, min(start + _CHUNK_ROWS, len(rows.channel)))
        yield _encode_whole(rows, part[whole[part]])
        yield _encode(rows, part[~whole[part]])
    yield TRAILER


def _encode_whole(rows: DayRows, part: NDArray[np.intp]) -> bytes:
    """Encode rows in which nothing is missing or marked: they are all of one length."""
    found = np.empty(len(part), _WHOLE)
    found["fields"] = len(STAGE_COLUMNS)
    for name, column in (("channel", rows.channel), ("day", rows.day), ("tenant", rows.tenant)):
        found[f"{name}_length"] = 4
        found[name] = column[part]
    found["marks"] = -1
    found["registers"]["length"] = 4
    found["registers"]["value"] = rows.registers[part]
    return found.tobytes()


def _encode(rows: DayRows, part: NDArray[np.intp]) -> bytes:
    named = (rows.channel, rows.day, rows.tenant, rows.estimated, rows.suspect)
    values = np.column_stack([column[part] for column in named])
    values = np.concatenate((values, rows.registers[part]), axis=1)
    null = np.zeros(values.shape, np.bool_)
    null[:, 3:5] = values[:, 3:5] == 0
    null[:, 5:] = values[:, 5:] == MISSING
    n, width = values.shape
    fields = np.empty((n, width), np.dtype([("length", ">i4"), ("value", ">i4")]))
    fields["length"] = np.where(null, -1, 4)
    fields["value"] = values
    raw = np.empty((n, 2 + 8 * width), np.uint8)
    raw[:, :2] = np.frombuffer(np.array(width, ">i2").tobytes(), np.uint8)
    raw[:, 2:] = fields.view(np.uint8).reshape(n, 8 * width)
    there = np.ones(raw.shape, np.bool_)
    there[:, 2:].reshape(n, width, 8)[:, :, 4:] = ~null[:, :, np.newaxis]
    return raw[there].tobytes()
