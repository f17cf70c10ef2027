"""A month of a channel as a few bytes an hour, from which its registers come back exactly.

Written are the first register that is there, and for each hour the step from the last register
before it that is there. Steps are little-endian integers of 1, 2 or 4 bytes, as the largest of
the month needs; the least number of that width stands for a missing register. A step may be
negative: a counter that rolled over, or was exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import BalansError
from balans.domain.metering.differences import MISSING

_TYPES: dict[int, np.dtype[np.signedinteger]] = {
    1: np.dtype("<i1"),
    2: np.dtype("<i2"),
    4: np.dtype("<i4"),
}


class SealedError(BalansError):
    """The bytes are no sealed registers of that many hours."""

    code = "sealed"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Registers of one channel: `base` is the first one that is there [pulses]."""

    base: int
    steps: bytes


def seal(registers: NDArray[np.int32]) -> list[Sealed]:
    r"""Return the rows of `registers` (n, hours) [pulses] sealed; `MISSING` where there is none.

    >>> seal(np.array([[MISSING, 7, 9, MISSING, 12]], np.int32))
    [Sealed(base=7, steps=b'\x80\x00\x02\x80\x03')]
    """
    n, hours = registers.shape
    there = registers != MISSING
    if not hours:
        return [Sealed(0, b"")] * n
    first = there.argmax(axis=1)
    base = np.where(there.any(axis=1), registers[np.arange(n), first], 0).astype(np.int64)
    last = np.maximum.accumulate(np.where(there, np.arange(hours), -1), axis=1)
    held = np.take_along_axis(registers.astype(np.int64), np.maximum(last, 0), axis=1)
    held = np.where(last < 0, base[:, np.newaxis], held)
    steps = np.diff(held, axis=1, prepend=base[:, np.newaxis])
    largest = np.abs(steps).max(axis=1)
    found = [Sealed(0, b"")] * n
    for width, rows in _by_width(largest):
        kind = _TYPES[width]
        written = np.where(there[rows], steps[rows], np.iinfo(kind).min).astype(kind)
        for row, data in zip(rows.tolist(), written, strict=True):
            found[row] = Sealed(int(base[row]), data.tobytes())
    return found


def _by_width(largest: NDArray[np.int64]) -> list[tuple[int, NDArray[np.intp]]]:
    width = np.where(largest <= 127, 1, np.where(largest <= 32_767, 2, 4))
    return [(int(one), np.flatnonzero(width == one)) for one in np.unique(width)]


def unseal(base: NDArray[np.int64], steps: Sequence[bytes], hours: int) -> NDArray[np.int32]:
    r"""Return the registers (n, hours) [pulses] of n sealed rows.

    Raises
    ------
    SealedError
        If the length of a row fits no width, or its registers leave the range of 0 to 2^31 - 1.

    >>> unseal(np.array([7]), [b"\x80\x00\x02\x80\x03"], 5).tolist()
    [[-1, 7, 9, -1, 12]]
    """
    registers = np.full((len(steps), hours), MISSING, np.int32)
    lengths = np.array([len(one) for one in steps], np.int64)
    for length in sorted({len(one) for one in steps}):
        rows = np.flatnonzero(lengths == length)
        width = length // hours if hours else 0
        kind = _TYPES.get(width)
        if kind is None or width * hours != length:
            raise SealedError(f"{length} bytes: expected 1, 2 or 4 for each of {hours} hours")
        data = b"".join([steps[row] for row in rows.tolist()])
        registers[rows] = _add_up(base[rows], np.frombuffer(data, kind).reshape(-1, hours))
    return registers


def _add_up(base: NDArray[np.int64], steps: NDArray[np.signedinteger]) -> NDArray[np.int64]:
    missing = steps == np.iinfo(steps.dtype).min
    found = np.cumsum(np.where(missing, 0, steps), axis=1, dtype=np.int64)
    found += base[:, np.newaxis]
    if found.size and not (found.min() >= 0 and found.max() <= np.iinfo(np.int32).max):
        raise SealedError("registers outside 0 to 2147483647")
    found[missing] = MISSING
    return found


def pack_marks(marks: NDArray[np.bool_]) -> list[bytes | None]:
    r"""Return one bit for each column of `marks` (n, hours), None for a row without any.

    >>> pack_marks(np.array([[False, True], [False, False]]))
    [b'\x02', None]
    """
    if not marks.any():
        return [None] * len(marks)
    packed = np.packbits(marks, axis=1, bitorder="little")
    return [row.tobytes() if row.any() else None for row in packed]


def unpack_marks(data: bytes, hours: int) -> NDArray[np.bool_]:
    """Return the marks of `hours` columns; none of them for no bytes.

    Raises
    ------
    SealedError
        If the length is another one.
    """
    if not data:
        return np.zeros(hours, np.bool_)
    if len(data) != (hours + 7) // 8:
        raise SealedError(f"{len(data)} bytes are no marks of {hours} hours")
    bits = np.frombuffer(data, np.uint8)
    return np.unpackbits(bits, count=hours, bitorder="little").astype(np.bool_)
