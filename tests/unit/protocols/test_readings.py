"""Packed readings: round trip, and nothing but the own error for any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.protocols.readings import (
    HOUR_MAX,
    RECORD_BYTES,
    Flag,
    Grade,
    PackedReadingsError,
    Reading,
    pack,
    readings_of,
    unpack,
)

readings = st.builds(
    Reading,
    module=st.integers(0, 2**32 - 1),
    input=st.integers(1, 3),
    hour=st.integers(0, HOUR_MAX),
    register=st.integers(0, 2**31 - 1),
    flags=st.integers(0, 255),
    grade=st.sampled_from(Grade),
)


@given(st.lists(readings, max_size=30))
def test_round_trip(rows: list[Reading]) -> None:
    data = pack(rows)
    assert len(data) == RECORD_BYTES * len(rows)
    assert readings_of(data) == rows


@given(st.binary(max_size=100))
def test_random_bytes_raise_only_the_own_error(data: bytes) -> None:
    try:
        rows = unpack(data)
    except PackedReadingsError:
        return
    assert rows.tobytes() == data


def test_the_layout_on_the_wire_never_changes() -> None:
    row = Reading(module=0x01020304, input=2, hour=240_000, register=12_345, flags=Flag.LOW_BATTERY)
    assert pack([row]).hex() == "0403020102100000" + "80a90300" + "39300000"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (slice(4, 5), "record 1 is out of range"),  # input 0xff
        (slice(6, 7), "record 1 is out of range"),  # no grade
        (slice(11, 12), "record 1 is out of range"),  # hour negative
        (slice(15, 16), "record 1 is out of range"),  # register negative
    ],
)
def test_a_record_out_of_range_is_named(damage: slice, says: str) -> None:
    data = bytearray(pack([Reading(1, 1, 1, 1), Reading(2, 1, 1, 1)]))
    data[RECORD_BYTES + damage.start] = 0xFF
    with pytest.raises(PackedReadingsError, match=says):
        unpack(bytes(data))


def test_a_cut_record_is_refused() -> None:
    with pytest.raises(PackedReadingsError, match="15 bytes"):
        unpack(pack([Reading(1, 1, 1, 1)])[:-1])
