"""What stands in the batches of the inbox: readings, reports of commands, and what is neither."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from balans.core.text import printable
from balans.protocols import readings as packed
from balans.protocols.hub import (
    Batch,
    CommandReport,
    Entry,
    EntryKind,
    HubFrameError,
    decode,
    decode_command_report,
)
from balans.protocols.readings import RECORD_BYTES, PackedReadingsError
from balans.storage.dayrows import READING

NOTE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A row of the inbox."""

    id: int
    tenant_id: int
    hub_id: int
    hub_code: str
    site_id: int
    payload: bytes


@dataclass(slots=True)
class Contents:
    """What was found in a number of batches; `notes` tell by batch what could not be used."""

    readings: list[NDArray[np.void]] = field(default_factory=list)
    reports: list[tuple[StoredBatch, CommandReport]] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)

    def all_readings(self) -> NDArray[np.void]:
        """Return all readings (n,) of type `READING`, in the order they came, channel still 0."""
        return np.concatenate(self.readings) if self.readings else np.zeros(0, READING)


def unpack(batches: Iterable[StoredBatch]) -> Contents:
    """Return what stands in `batches`; entries that make no sense become notes."""
    contents = Contents()
    for stored in batches:
        notes = _unpack_one(stored, contents)
        if notes:
            contents.notes[stored.id] = printable("; ".join(dict.fromkeys(notes)))[:NOTE_LENGTH]
    return contents


def readings_of(tenant_id: int, hub_id: int, records: NDArray[np.void]) -> NDArray[np.void]:
    """Return packed records (n,) of a hub as `READING`."""
    found = np.zeros(len(records), READING)
    found["tenant"] = tenant_id
    found["hub"] = hub_id
    for name in ("module", "input", "flags", "hour", "register"):
        found[name] = records[name]
    return found


def _unpack_one(stored: StoredBatch, contents: Contents) -> list[str]:
    try:
        batch = decode(stored.payload)
    except HubFrameError as error:
        return [str(error)]
    if not isinstance(batch, Batch):
        return ["no batch"]
    of_kind: dict[int, list[Entry]] = {}
    for entry in batch.entries:
        of_kind.setdefault(entry.kind, []).append(entry)
    notes = _unpack_readings(stored, of_kind.pop(EntryKind.READINGS, []), contents)
    notes += _unpack_reports(stored, of_kind.pop(EntryKind.COMMAND, []), contents)
    return notes + [f"entries of unknown kind {kind}" for kind in sorted(of_kind)]


def _unpack_readings(
    stored: StoredBatch, entries: Sequence[Entry], contents: Contents
) -> list[str]:
    """Unpack all entries at once; only when that fails look for the one that is malformed."""
    if not entries:
        return []
    if len(entries) > 1 and any(len(entry.data) % RECORD_BYTES for entry in entries):
        return _one_by_one(stored, entries, contents)
    try:
        records = packed.unpack(b"".join(entry.data for entry in entries))
    except PackedReadingsError as error:
        if len(entries) > 1:
            return _one_by_one(stored, entries, contents)
        return [f"readings: {error}"]
    contents.readings.append(readings_of(stored.tenant_id, stored.hub_id, records))
    return []


def _one_by_one(stored: StoredBatch, entries: Sequence[Entry], contents: Contents) -> list[str]:
    return [note for one in entries for note in _unpack_readings(stored, [one], contents)]


def _unpack_reports(stored: StoredBatch, entries: Sequence[Entry], contents: Contents) -> list[str]:
    notes = []
    for entry in entries:
        try:
            contents.reports.append((stored, decode_command_report(entry.data)))
        except HubFrameError as error:
            notes.append(f"report of a command: {error}")
    return notes
