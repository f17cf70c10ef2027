"""Collection files: readings carried by hand from modules or a hub without a connection.

=========  ===========  ======================================================
offset     type         meaning
=========  ===========  ======================================================
0          8 bytes      ``BALANSRD``
8          u16          version of the format, 1
10         u16          length h of the header
12         h bytes      header, MessagePack: `Header`
12 + h     n x 16       packed readings, see `balans.protocols.readings`
end - 32   32 bytes     SHA-256 of all before it
=========  ===========  ======================================================

Integers are little-endian. A file that was cut, altered or mixed up is refused as a whole; a
reading that was carried twice changes nothing where it arrives.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from balans.core.errors import BalansError
from balans.protocols.fields import Text, Unix
from balans.protocols.readings import RECORD_BYTES, PackedReadingsError, unpack

MAGIC = b"BALANSRD"
VERSION = 1
_FIXED = struct.Struct("<8sHH")
_SHA = hashlib.sha256().digest_size


class CollectionError(BalansError):
    """The bytes are no collection file of this version, or not all of it."""

    code = "collection"


class Header(msgspec.Struct, frozen=True):
    """Who collected the readings (a hub's code, a collector's name), when, and how many."""

    collector: Text
    made: Unix
    readings: Annotated[int, Meta(ge=0, le=2**40)]
    note: Text = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection: its header, and packed readings (n,) of type `RECORD`."""

    header: Header
    records: NDArray[np.void]


_decoder = msgspec.msgpack.Decoder(Header)


def is_collection(data: bytes) -> bool:
    """Return whether `data` begins as a collection file does."""
    return data[: len(MAGIC)] == MAGIC


def encode(collector: str, made: float, records: bytes, note: str = "") -> bytes:
    """Return the collection file of packed readings.

    Raises
    ------
    CollectionError
        If `records` are no packed readings, or the names do not fit.
    """
    try:
        count = len(unpack(records))
        header = msgspec.msgpack.encode(
            msgspec.convert(
                {"collector": collector, "made": made, "readings": count, "note": note}, Header
            )
        )
    except (PackedReadingsError, msgspec.ValidationError) as error:
        raise CollectionError(f"cannot be written: {error}") from error
    body = _FIXED.pack(MAGIC, VERSION, len(header)) + header + records
    return body + hashlib.sha256(body).digest()


def decode(data: bytes) -> Collection:
    """Return the collection in `data`.

    Raises
    ------
    CollectionError
        For anything that is none of this version, with what is wrong.
    """
    if len(data) < _FIXED.size + _SHA or not is_collection(data):
        raise CollectionError("no collection file")
    _, version, length = _FIXED.unpack_from(data)
    if version != VERSION:
        raise CollectionError(f"version {version} of the format: {VERSION} is known here")
    body, checksum = data[:-_SHA], data[-_SHA:]
    if hashlib.sha256(body).digest() != checksum:
        raise CollectionError("wrong checksum: the file is not whole, or was altered")
    end = _FIXED.size + length
    try:
        header = _decoder.decode(body[_FIXED.size : end])
        records = unpack(body[end:])
    except (msgspec.DecodeError, UnicodeDecodeError, PackedReadingsError) as error:
        raise CollectionError(f"malformed: {error}") from error
    if len(records) != header.readings or len(body) != end + len(records) * RECORD_BYTES:
        raise CollectionError(f"{len(records)} readings: the header tells of {header.readings}")
    return Collection(header, records)
