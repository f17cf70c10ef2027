"""Memory and reports are written beside control, whatever the disk does."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from balans.core.errors import UnavailableError
from balans.gateway import scribe as scribe_module
from balans.gateway.keep import Files
from balans.gateway.metrics import Metrics
from balans.gateway.scribe import UNWRITTEN_MAX, Scribe
from balans.protocols.hub import Entry, EntryKind, Limits
from balans.usecases.run_load_control import Memory

LIMIT_S = 10.0


def reports(*numbers: int) -> list[Entry]:
    return [Entry(EntryKind.COMMAND, b"%d" % number) for number in numbers]


class FakeRecorder:
    """A disk that can be stalled, or made to refuse."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.refuses = False
        self.flows = asyncio.Event()
        self.flows.set()

    async def record(self, entries: list[Entry]) -> None:
        await self.flows.wait()
        if self.refuses:
            raise UnavailableError("disk full")
        self.held += [entry.data for entry in entries]


class Desk:
    def __init__(self, folder: Path) -> None:
        self.recorder = FakeRecorder()
        self.metrics = Metrics()
        self.files = Files.within(folder)
        self.scribe = Scribe(self.recorder, self.files, self.metrics)  # type: ignore[arg-type]

    async def until(self, held: list[bytes]) -> None:
        await until(lambda: self.recorder.held == held)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.scribe.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_quick_disk_has_everything_before_the_switching_goes_out(
    desk: Desk, tmp_path: Path
) -> None:
    async with working(desk):
        desk.scribe.remember(Memory(), reports(1, 2))
        desk.scribe.keep_limits(Limits(1, ()))
        await desk.scribe.settle(LIMIT_S)
        assert desk.recorder.held == [b"1", b"2"]
        assert (tmp_path / "memory").exists()
        assert (tmp_path / "limits").exists()


async def test_a_stalled_disk_holds_up_the_first_switching_for_a_moment_and_no_other(
    desk: Desk,
) -> None:
    desk.recorder.flows.clear()
    loop = asyncio.get_running_loop()
    async with working(desk):
        desk.scribe.remember(Memory(), reports(1))
        began_s = loop.time()
        await desk.scribe.settle(0.05)
        assert 0.04 < loop.time() - began_s < LIMIT_S
        for number in range(2, 50):
            desk.scribe.remember(Memory(), reports(number))
            await asyncio.wait_for(desk.scribe.settle(LIMIT_S), LIMIT_S / 2)
        desk.recorder.flows.set()
        await asyncio.wait_for(desk.scribe._settled.wait(), LIMIT_S)
        assert desk.recorder.held == [b"%d" % number for number in range(1, 50)]
        desk.scribe.remember(Memory(), reports(50))
        await desk.scribe.settle(LIMIT_S)
        assert desk.recorder.held[-1] == b"50"


async def test_a_stalled_memory_file_holds_up_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(desk.files.memory, "write", lambda _: go_on.wait(LIMIT_S))
    async with working(desk):
        desk.scribe.remember(Memory(), reports(1))
        await desk.scribe.settle(0.05)
        await desk.until([b"1"])
        go_on.set()


async def test_what_a_full_disk_refused_is_written_in_order_when_there_is_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribe_module, "RETRY_S", 0.02)
    desk.recorder.refuses = True
    async with working(desk):
        for number in range(4):
            desk.scribe.remember(Memory(), reports(number))
            await desk.scribe.settle(LIMIT_S)
        assert desk.recorder.held == []
        desk.recorder.refuses = False
        await desk.until([b"0", b"1", b"2", b"3"])


async def test_too_many_reports_are_dropped_from_the_oldest_and_counted(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.scribe.remember(Memory(), reports(*range(UNWRITTEN_MAX + 3)))
    dropped = desk.metrics.registry.get_sample_value("gateway_dropped_reports_total")
    assert dropped == 3
    assert "3 reports of commands dropped" in caplog.text
    await desk.scribe.close()
    assert desk.recorder.held[0] == b"3"
    assert len(desk.recorder.held) == UNWRITTEN_MAX


async def test_the_rest_is_written_at_the_end(desk: Desk, tmp_path: Path) -> None:
    desk.recorder.flows.clear()
    async with working(desk):
        desk.scribe.remember(Memory(), reports(1))
        await desk.scribe.settle(0.01)
    desk.scribe.remember(Memory(), reports(2))
    desk.recorder.flows.set()
    await asyncio.wait_for(desk.scribe.close(), LIMIT_S)
    assert desk.recorder.held == [b"1", b"2"]
    assert (tmp_path / "memory").exists()
