"""What stands in the batches of the inbox: readings, reports of commands, and what is neither."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

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


_Packed: TypeAlias = tuple[StoredBatch, Sequence[bytes]]
"""A batch and its entries of readings."""


@dataclass(slots=True)
class Contents:
    """What was found in a number of batches; `notes` tell by batch what could not be used.

    `received` is when each of `readings` came [s since 2000-01-01 UTC].
    """

    readings: list[NDArray[np.void]] = field(default_factory=list)
    received: list[NDArray[np.int64]] = field(default_factory=list)
    reports: list[tuple[StoredBatch, CommandReport]] = field(default_factory=list)
    news: list[tuple[StoredBatch, News]] = field(default_factory=list)
    supplies: list[tuple[StoredBatch, SupplyReport]] = field(default_factory=list)
    calls: list[tuple[StoredBatch, CallReport]] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)

    def all_readings(self) -> NDArray[np.void]:
        """Return all readings (n,) of type `READING`, in the order they came, channel still 0."""
        if len(self.readings) == 1:
            return self.readings[0]
        return np.concatenate(self.readings) if self.readings else np.zeros(0, READING)

    def received_s(self) -> NDArray[np.int64]:
        """Return when each of these came (n,) [s since 2000-01-01 UTC]."""
        return np.concatenate(self.received) if self.received else np.zeros(0, np.int64)


def unpack(batches: Iterable[StoredBatch]) -> Contents:
    """Return what stands in `batches`; entries that make no sense become notes."""
    contents = Contents()
    packed_up: list[_Packed] = []
    others = {stored.id: _unpack_one(stored, contents, packed_up) for stored in batches}
    notes: dict[int, list[str]] = defaultdict(list)
    for batch_id, note in _unpack_readings(packed_up, contents):
        notes[batch_id].append(note)
    for batch_id, more in others.items():
        if found := notes[batch_id] + more:
            contents.notes[batch_id] = printable("; ".join(dict.fromkeys(found)))[:NOTE_LENGTH]
    return contents


def _unpack_one(stored: StoredBatch, contents: Contents, packed_up: list[_Packed]) -> list[str]:
    """Unpack all but the readings of a batch, which are put aside."""
    try:
        batch = decode(stored.payload)
    except HubFrameError as error:
        return [str(error)]
    if not isinstance(batch, Batch):
        return ["no batch"]
    of_kind: dict[int, list[Entry]] = {}
    for entry in batch.entries:
        of_kind.setdefault(entry.kind, []).append(entry)
    if of_readings := of_kind.pop(EntryKind.READINGS, []):
        packed_up.append((stored, [entry.data for entry in of_readings]))
    if not of_kind:
        return []
    notes = _unpack_reports(stored, of_kind.pop(EntryKind.COMMAND, []), contents)
    notes += _unpack_calls(stored, of_kind.pop(EntryKind.CALL, []), contents)
    notes += _unpack_supplies(stored, of_kind.pop(EntryKind.SUPPLY, []), contents)
    for kind in sorted(set(KIND_OF.values())):
        notes += _unpack_news(stored, of_kind.pop(kind, []), contents)
    return notes + [f"entries of unknown kind {kind}" for kind in sorted(of_kind)]


def _unpack_readings(packed_up: Sequence[_Packed], contents: Contents) -> Iterator[tuple[int, str]]:
    """Unpack the readings of all batches at once; only when that fails look for what is malformed.

    Yields batches, each with a note about it.
    """
    if not packed_up:
        return
    data = [one for _, entries in packed_up for one in entries]
    records = None
    if len(data) == 1 or not any(size % RECORD_BYTES for size in set(map(len, data))):
        try:
            records = packed.unpack(b"".join(data))
        except PackedReadingsError as error:
            if len(data) == 1:
                yield packed_up[0][0].id, f"readings: {error}"
                return
    if records is not None:
        counts = [sum(map(len, entries)) // RECORD_BYTES for _, entries in packed_up]
        _add(records, [stored for stored, _ in packed_up], counts, contents)
        return
    for stored, entries in packed_up:
        for part in [entries] if len(packed_up) > 1 else [[one] for one in entries]:
            yield from _unpack_readings([(stored, part)], contents)


def _add(
    records: NDArray[np.void], batches: Sequence[StoredBatch], counts: Sequence[int], to: Contents
) -> None:
    """Add packed records (n,), of each of `batches` so many as `counts` says, as `READING`."""
    found = np.zeros(len(records), READING)
    owner = np.repeat(np.arange(len(batches)), counts)
    found["tenant"] = np.array([stored.tenant_id for stored in batches])[owner]
    found["hub"] = np.array([stored.hub_id for stored in batches])[owner]
    for name in ("module", "input", "hour", "register"):
        found[name] = records[name]
    found["flags"] = records["flags"] | records["grade"] << GRADE_BITS
    by_people = [stored.hub_code == import_hub_code(stored.tenant_id) for stored in batches]
    if any(by_people):
        found["flags"] |= np.where(np.array(by_people)[owner], HANDED_OVER, 0).astype(np.int16)
    times = [int((stored.received - EPOCH).total_seconds()) for stored in batches]
    to.readings.append(found)
    to.received.append(np.array(times, np.int64)[owner])


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
