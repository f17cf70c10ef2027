"""Group commit: everyone who waits is answered, and nobody pays for another's entry."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from balans.core.errors import UnavailableError
from balans.gateway.concentrator import ENTRY_BYTES, Concentrator, entries_of
from balans.gateway.journal import Journal
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import EntryError, Recorder
from balans.gateway.segment import MAX_DATA_BYTES
from balans.protocols.codec import MAX_BYTES
from balans.protocols.hub import Entry, EntryKind
from balans.protocols.module import ModuleReport, Topics, decode, encode
from balans.protocols.readings import Reading, pack

LIMIT_S = 10.0
GOOD = Entry(EntryKind.COMMAND, b"good")


class FakeJournal:
    """Refuses what holds `bad`, in whatever way it was told."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.held: list[bytes] = []

    def append(self, entries: Sequence[Entry]) -> int:
        if any(entry.data == b"bad" for entry in entries):
            raise self.failure
        self.held += [entry.data for entry in entries]
        return 0


def recorder_of(journal: Any) -> Recorder:
    return Recorder(journal, Metrics(), lambda _first, _entries: None)


def concentrator_of(recorder: Recorder, metrics: Metrics | None = None) -> Concentrator:
    return Concentrator(Topics("site"), "hub", recorder, metrics or Metrics(), lambda: 1_000.0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def outcomes(recorder: Recorder, *contents: bytes) -> list[object]:
    """Record each content for itself, all at once; return what each of them got."""
    parts = [recorder.record([Entry(EntryKind.COMMAND, data)]) for data in contents]
    async with asyncio.timeout(LIMIT_S):
        return await asyncio.gather(*parts, return_exceptions=True)


async def test_an_entry_that_fails_by_itself_fails_alone() -> None:
    failure = RuntimeError("a mistake of ours")
    journal = FakeJournal(failure)
    recorder = recorder_of(journal)
    assert await outcomes(recorder, b"a", b"bad", b"b", b"c") == [None, failure, None, None]
    assert journal.held == [b"a", b"b", b"c"]
    assert await outcomes(recorder, b"d") == [None]
    assert recorder.refusing == ""


async def test_a_disk_that_refuses_fails_all_who_wait() -> None:
    recorder = recorder_of(FakeJournal(UnavailableError("disk full")))
    found = await outcomes(recorder, b"a", b"bad", b"b")
    assert [str(one) for one in found] == ["disk full"] * 3
    assert recorder.refusing == "disk full"


async def test_an_entry_too_large_is_refused_at_once_and_spoils_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    recorder = recorder_of(journal)
    found = await outcomes(recorder, b"a", bytes(MAX_DATA_BYTES + 1), b"b")
    assert found[0] is found[2] is None
    assert isinstance(found[1], EntryError)
    assert [entry.data for _, entry in journal.entries()] == [b"a", b"b"]
    await recorder.close()


class FakeLink:
    def __init__(self) -> None:
        self.confirmed: list[int] = []

    async def publish(self, _topic: str, data: bytes, **_: object) -> bool:
        self.confirmed.append(decode(data).serial)  # type: ignore[union-attr]
        return True


async def test_the_largest_report_the_wire_carries_is_journalled_and_confirmed(
    tmp_path: Path,
) -> None:
    count = (MAX_BYTES - 60) // 16
    large = ModuleReport(8, pack([Reading(8, 1, hour, hour) for hour in range(count)]))
    small = ModuleReport(7, pack([Reading(7, 1, 1, 1)]))
    decode(encode(large))
    journal = Journal(tmp_path)
    recorder = recorder_of(journal)
    concentrator = concentrator_of(recorder)
    link = FakeLink()
    running = asyncio.create_task(concentrator.run(link))  # type: ignore[arg-type]
    for report in (small, large, small):
        concentrator.take(report)
    await until(lambda: len(link.confirmed) == 3)
    assert not running.done()
    running.cancel()
    entries = [entry.data for _, entry in journal.entries()]
    assert b"".join(entries) == small.readings + large.readings + small.readings
    assert max(map(len, entries)) == ENTRY_BYTES
    await recorder.close()


def test_a_report_is_cut_between_readings() -> None:
    report = ModuleReport(8, pack([Reading(8, 1, hour, hour) for hour in range(9_000)]))
    parts = entries_of(report)
    assert [len(part.data) // 16 for part in parts] == [2_000] * 4 + [1_000]
    assert all(len(part.data) % 16 == 0 for part in parts)
    assert b"".join(part.data for part in parts) == report.readings
    assert [part.data for part in entries_of(ModuleReport(8, bytes(16)))] == [bytes(16)]


async def test_a_flood_of_reports_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balans.gateway.concentrator.WAITING_MAX", 2)
    metrics = Metrics()
    concentrator = concentrator_of(recorder_of(None), metrics)
    for _ in range(5):
        concentrator.take(ModuleReport(7, pack([Reading(7, 1, 1, 1)])))
    dropped = metrics.registry.get_sample_value("gateway_overflow_total", {"kind": "report"})
    assert dropped == 3
