"""Collection files: whole or refused, and nothing but the own error for any bytes."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.protocols.collection import CollectionError, decode, encode, is_collection
from balans.protocols.readings import Flag, Reading, pack

READINGS = pack([Reading(7, 1, 230_000, 12), Reading(7, 2, 230_001, 5, Flag.LINE_BREAK)])
FILE = encode("walker-3", 1_795_521_600.5, READINGS, "stairs 2")


def test_round_trip() -> None:
    assert is_collection(FILE)
    found = decode(FILE)
    assert (found.header.collector, found.header.made) == ("walker-3", 1_795_521_600.5)
    assert (found.header.readings, found.header.note) == (2, "stairs 2")
    assert found.records.tobytes() == READINGS


def test_the_layout_never_changes() -> None:
    assert FILE[:10].hex() == b"BALANSRD".hex() + "0100"
    assert FILE[-32:] == hashlib.sha256(FILE[:-32]).digest()


def test_an_empty_collection_is_one() -> None:
    assert len(decode(encode("w", 0, b"")).records) == 0


@pytest.mark.parametrize("place", range(0, len(FILE), 7))
def test_an_altered_file_is_refused(place: int) -> None:
    altered = bytearray(FILE)
    altered[place] ^= 1
    with pytest.raises(CollectionError):
        decode(bytes(altered))


@pytest.mark.parametrize("cut", [0, 5, 11, 40, len(FILE) - 33, len(FILE) - 1])
def test_a_file_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(CollectionError):
        decode(FILE[:cut])


@settings(deadline=None)
@given(data=st.binary(max_size=200), sealed=st.booleans())
def test_any_bytes_raise_only_the_own_error(data: bytes, *, sealed: bool) -> None:
    body = b"BALANSRD" + data
    try:
        found = decode(body + hashlib.sha256(body).digest() if sealed else data)
    except CollectionError:
        return
    assert len(found.records) == found.header.readings


def test_what_cannot_be_written_is_told() -> None:
    with pytest.raises(CollectionError, match="cannot be written"):
        encode("w", 0, b"12345")
    with pytest.raises(CollectionError, match="cannot be written"):
        encode("w" * 501, 0, b"")
