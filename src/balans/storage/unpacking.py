"""What stands in the batches of the inbox: readings, reports of commands, and what is neither."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from balans.core.hours import EPOCH
from balans.core.text import printable
from balans.protocols import readings as packed
from balans.protocols.hub import (
    KIND_OF,
    Batch,
    CallReport,
    CommandReport,
    Entry,
    EntryKind,
    HubFrameError,
    News,
    SupplyReport,
    decode,
    decode_call_report,
    decode_command_report,
    decode_news,
    decode_supply_report,
)
from balans.protocols.readings import RECORD_BYTES, PackedReadingsError
from balans.storage.dayrows import GRADE_BITS, HANDED_OVER, READING
from balans.storage.import_hub import import_hub_code

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
    received: datetime


@dataclass(slots=True)
class Contents:
    """What was found in a number of batches; `notes` tell by batch what could not be used.

    `received` are when each of the arrays in `readings` came.
    """

    readings: list[NDArray[np.void]] = field(default_factory=list)
    received: list[datetime] = field(default_factory=list)
    reports: list[tuple[StoredBatch, CommandReport]] = field(default_factory=list)
    news: list[tuple[StoredBatch, News]] = field(default_factory=list)
    supplies: list[tuple[StoredBatch, SupplyReport]] = field(default_factory=list)
    calls: list[tuple[StoredBatch, CallReport]] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)

    def all_readings(self) -> NDArray[np.void]:
        """Return all readings (n,) of type `READING`, in the order they came, channel still 0."""
        return np.concatenate(self.readings) if self.readings else np.zeros(0, READING)

    def received_s(self) -> NDArray[np.int64]:
        """Return when each of these came (n,) [s since 2000-01-01 UTC]."""
        times = [int((time - EPOCH).total_seconds()) for time in self.received]
        return np.repeat(np.array(times, np.int64), [len(part) for part in self.readings])


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
    for name in ("module", "input", "hour", "register"):
        found[name] = records[name]
    found["flags"] = records["flags"] | records["grade"] << GRADE_BITS
    return found


def _unpack_one(stored: StoredBatch, contents: Contents) -> list[str]:
    try:
        batch = decode(stored.payload)
    except HubFrameError as error:
        return [str(error)]
    if not isinstance(batch, Batch):
        return ["no batch"]
    if {entry.kind for entry in batch.entries} == {EntryKind.READINGS}:
        return _unpack_readings(stored, batch.entries, contents)
    of_kind: dict[int, list[Entry]] = {}
    for entry in batch.entries:
        of_kind.setdefault(entry.kind, []).append(entry)
    notes = _unpack_readings(stored, of_kind.pop(EntryKind.READINGS, []), contents)
    notes += _unpack_reports(stored, of_kind.pop(EntryKind.COMMAND, []), contents)
    notes += _unpack_calls(stored, of_kind.pop(EntryKind.CALL, []), contents)
    notes += _unpack_supplies(stored, of_kind.pop(EntryKind.SUPPLY, []), contents)
    for kind in sorted(set(KIND_OF.values())):
        notes += _unpack_news(stored, of_kind.pop(kind, []), contents)
    return notes + [f"entries of unknown kind {kind}" for kind in sorted(of_kind)]


def _unpack_readings(
    stored: StoredBatch, entries: Sequence[Entry], contents: Contents
) -> list[str]:
    """Unpack all entries at once; only when that fails look for the one that is malformed."""
    if not entries:
        return []
    data = [entry.data for entry in entries]
    if len(entries) > 1 and any(size % RECORD_BYTES for size in set(map(len, data))):
        return _one_by_one(stored, entries, contents)
    try:
        records = packed.unpack(b"".join(data))
    except PackedReadingsError as error:
        if len(entries) > 1:
            return _one_by_one(stored, entries, contents)
        return [f"readings: {error}"]
    contents.received.append(stored.received)
    found = readings_of(stored.tenant_id, stored.hub_id, records)
    if stored.hub_code == import_hub_code(stored.tenant_id):
        found["flags"] |= HANDED_OVER
    contents.readings.append(found)
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


def _unpack_calls(stored: StoredBatch, entries: Sequence[Entry], contents: Contents) -> list[str]:
    notes = []
    for entry in entries:
        try:
            contents.calls.append((stored, decode_call_report(entry.data)))
        except HubFrameError as error:
            notes.append(f"report of a call: {error}")
    return notes


def _unpack_supplies(
    stored: StoredBatch, entries: Sequence[Entry], contents: Contents
) -> list[str]:
    notes = []
    for entry in entries:
        try:
            contents.supplies.append((stored, decode_supply_report(entry.data)))
        except HubFrameError as error:
            notes.append(f"report of a supply: {error}")
    return notes


def _unpack_news(stored: StoredBatch, entries: Sequence[Entry], contents: Contents) -> list[str]:
    notes = []
    for entry in entries:
        try:
            contents.news.append((stored, decode_news(entry.kind, entry.data)))
        except HubFrameError as error:
            notes.append(f"news of a module: {error}")
    return notes
