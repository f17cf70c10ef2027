"""Packed readings: the 16-byte record that modules, hubs, journal and inbox share.

========  =====  =======================================================
offset    type   meaning
========  =====  =======================================================
0         u32    serial number of the module
4         u8     input of the module, 1..3
5         u8     flags, see `Flag`
6         u16    how the register is known, see `Grade`; a module sends 0
8         i32    hour number, hours since 2000-01-01 00:00 UTC
12        i32    cumulative register at that instant, in pulses
========  =====  =======================================================

All fields are little-endian. A register never shrinks; NULL does not exist on the wire:
a missing reading is simply absent.
"""

from collections.abc import Iterable
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import BalansError

RECORD = np.dtype(
    [
        ("module", "<u4"),
        ("input", "u1"),
        ("flags", "u1"),
        ("grade", "<u2"),
        ("hour", "<i4"),
        ("register", "<i4"),
    ]
)
RECORD_BYTES = RECORD.itemsize
HOUR_MIN, HOUR_MAX = 0, 876_600  # years 2000 to 2099
INPUT_MAX = 3


class PackedReadingsError(BalansError):
    """The bytes are not a whole number of valid records."""

    code = "packed_readings"


class Flag(IntFlag):
    """What the module says about the line at that input."""

    NONE = 0
    LINE_BREAK = 1
    SHORT_CIRCUIT = 2
    MAGNETIC_FIELD = 4
    CONTACT_BOUNCE = 8
    LOW_BATTERY = 16
    CLOCK_STEP = 32
    REVERSE_RUN = 64


class Grade(IntEnum):
    """How a register is known. What counts pulses itself knows of `MEASURED` only."""

    MEASURED = 0
    ESTIMATED = 1  # computed from registers before and after
    SUSPECT = 2  # whoever handed it over doubts it


class Reading(NamedTuple):
    """A register at an instant, as its module names it."""

    module: int
    input: int
    hour: int
    register: int
    flags: int = 0
    grade: int = 0


def pack(readings: Iterable[Reading]) -> bytes:
    """Pack `readings` into 16-byte records.

    >>> len(pack([Reading(7, 1, 240_000, 12_345)]))
    16
    """
    rows = [(r.module, r.input, r.flags, r.grade, r.hour, r.register) for r in readings]
    return np.array(rows, dtype=RECORD).tobytes()


def unpack(data: bytes) -> NDArray[np.void]:
    """Return the records in `data` as a structured array (n,) of type `RECORD`.

    Raises
    ------
    PackedReadingsError
        If the length is no multiple of 16, or a record lies outside its range.
    """
    if len(data) % RECORD_BYTES:
        msg = f"{len(data)} bytes are no whole number of {RECORD_BYTES}-byte records"
        raise PackedReadingsError(msg)
    rows = np.frombuffer(data, dtype=RECORD)
    wrong = (
        (rows["input"] < 1)
        | (rows["input"] > INPUT_MAX)
        | (rows["grade"] > max(Grade))
        | (rows["hour"] < HOUR_MIN)
        | (rows["hour"] > HOUR_MAX)
        | (rows["register"] < 0)
    )
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise PackedReadingsError(f"record {index} is out of range: {rows[index].tolist()}")
    return rows


def readings_of(data: bytes) -> list[Reading]:
    """Return the records in `data` as a list; errors as `unpack`."""
    return [
        Reading(module, input_, hour, register, flags, grade)
        for module, input_, flags, grade, hour, register in unpack(data).tolist()
    ]
