"""Reads the readings out of a journal's folder, without owning it or writing to it.

For a hub without a connection, or a collector that was carried past modules: its card is read
somewhere else, or its folder copied, and the readings go to the server as a collection file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from balans.core.errors import InputError
from balans.gateway.files import read_all
from balans.gateway.journal import NAME
from balans.gateway.segment import decode_entry, scan
from balans.protocols.hub import EntryKind
from balans.protocols.readings import RECORD, PackedReadingsError, unpack


@dataclass(frozen=True, slots=True)
class Carried:
    """Packed readings of a journal, each once, and how many entries could not be read."""

    records: bytes
    readings: int
    lost: int


def carried_readings(folder: Path) -> Carried:
    """Return the readings in the journal at `folder`: the journal itself, or what contains it.

    Raises
    ------
    InputError
        If there is no journal, or it cannot be read.
    """
    place = folder / "journal" if (folder / "journal").is_dir() else folder
    try:
        segments = sorted(path for path in place.iterdir() if NAME.fullmatch(path.name))
    except OSError as error:
        raise InputError(f"{place}: {error.strerror}") from error
    if not segments:
        raise InputError(f"{place}: no journal of a hub: expected files such as 000…-….seg")
    found: dict[bytes, None] = {}
    lost = 0
    for path in segments:
        for records in _readings_in(path):
            if records is None:
                lost += 1
            else:
                size = RECORD.itemsize
                found.update((records[at : at + size], None) for at in range(0, len(records), size))
    return Carried(b"".join(found), len(found), lost)


def _readings_in(path: Path) -> Iterator[bytes | None]:
    """Yield the packed readings of each entry of a segment, None for one that is damaged."""
    match = NAME.fullmatch(path.name)
    salt = int(match[2], 16) if match else 0
    try:
        data = read_all(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    for position in scan(data, salt).positions:
        decoded = decode_entry(data, position, salt) if position else None
        if decoded is None:
            yield None
            continue
        _, entry = decoded
        if entry.kind == EntryKind.READINGS:
            yield _sound(entry.data)


def _sound(data: bytes) -> bytes | None:
    try:
        unpack(data)
    except PackedReadingsError:
        return None
    return data
