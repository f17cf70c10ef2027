"""One file of the journal: its bytes, and what can be found in them after any damage.

Layout, little-endian. The header of the file is 32 bytes, that of an entry 16:

======  =====  ====================================================
offset  type   header of the file
======  =====  ====================================================
0       8 s    ``BALJRNL1``
8       u64    identity of the journal when this segment began
16      u64    offset of the first entry (also in the file's name)
24      u32    reserved, 0
28      u32    CRC-32 of the 28 bytes before
======  =====  ====================================================

======  =====  ====================================================
offset  type   entry
======  =====  ====================================================
0       u16    marker 0xB5A7, where a reader finds its way again
2       u8     kind of the entry
3       u8     reserved, 0
4       u32    number of the entry in this segment, from 0
8       u32    length of the data
12      u32    salted CRC-32 of the 12 bytes before and of the data
16      …      data
======  =====  ====================================================

The number makes damage countable: after it, the next sound entry tells how many are lost.
The CRC of an entry starts from the salt of the journal, which stands in the file's name, so that
bytes inside some entry's data cannot pass for an entry.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from balans.protocols.hub import Entry

FILE_HEADER = struct.Struct("<8sQQII")
ENTRY_HEADER = struct.Struct("<HBxIII")
MAGIC = b"BALJRNL1"
MARKER = 0xB5A7
MARKER_BYTES = struct.pack("<H", MARKER)
MAX_DATA_BYTES = 500_000


def encode_file_header(identity: int, base: int) -> bytes:
    """Return the header of a segment that begins with offset `base`."""
    head = FILE_HEADER.pack(MAGIC, identity, base, 0, 0)[:28]
    return head + struct.pack("<I", zlib.crc32(head))


def decode_file_header(data: bytes, base: int) -> int | None:
    """Return the identity in the header of the segment for `base`; None if it is damaged."""
    if len(data) < FILE_HEADER.size:
        return None
    magic, identity, found_base, _, crc = FILE_HEADER.unpack_from(data)
    sound = magic == MAGIC and found_base == base and crc == zlib.crc32(data[:28]) and identity > 0
    return int(identity) if sound else None


def encode_entry(number: int, entry: Entry, salt: int) -> bytes:
    """Return `entry` as entry `number` of its segment."""
    head = ENTRY_HEADER.pack(MARKER, entry.kind, number, len(entry.data), 0)[:12]
    crc = zlib.crc32(entry.data, zlib.crc32(head, salt))
    return head + struct.pack("<I", crc) + entry.data


def decode_entry(data: bytes, at: int, salt: int) -> tuple[int, Entry] | None:
    """Return (number, entry) of the sound entry that begins at byte `at`; None if there is none."""
    start = at + ENTRY_HEADER.size
    if start > len(data):
        return None
    marker, kind, number, length, crc = ENTRY_HEADER.unpack_from(data, at)
    if marker != MARKER or length > MAX_DATA_BYTES or start + length > len(data):
        return None
    payload = data[start : start + length]
    if crc != zlib.crc32(payload, zlib.crc32(data[at : at + 12], salt)):
        return None
    return number, Entry(kind, payload)


@dataclass(slots=True)
class Scan:
    """What a segment holds: byte positions by number, 0 where lost, and the end of the last."""

    positions: list[int] = field(default_factory=list)
    end: int = FILE_HEADER.size


def scan(data: bytes, salt: int) -> Scan:
    """Return where the sound entries of a segment lie. Entries in damaged parts are passed over."""
    found = Scan()
    for at, number, size in _sound_entries(data, salt):
        found.positions += [0] * (number - len(found.positions))
        found.positions.append(at)
        found.end = at + size
    return found


def _sound_entries(data: bytes, salt: int) -> Iterator[tuple[int, int, int]]:
    """Yield (byte position, number, size) of each sound entry, in rising order of numbers."""
    at, expected, sound_end = FILE_HEADER.size, 0, FILE_HEADER.size
    while at >= 0:
        decoded = decode_entry(data, at, salt)
        if decoded is None or not 0 <= decoded[0] - expected <= _room(at - sound_end):
            at = data.find(MARKER_BYTES, at + 1)
            continue
        number, entry = decoded
        size = ENTRY_HEADER.size + len(entry.data)
        yield at, number, size
        at = sound_end = at + size
        expected = number + 1


def _room(damaged_bytes: int) -> int:
    """Return how many entries at most can lie in so many damaged bytes."""
    return damaged_bytes // ENTRY_HEADER.size
