"""Takes what modules tell into the journal, and tells the modules when it is safe."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from balans.adapters.mqtt import Link
from balans.core.errors import UnavailableError
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.protocols import readings
from balans.protocols.hub import Entry, EntryKind, Found, encode_news
from balans.protocols.module import (
    Announce,
    Known,
    ModuleFrameError,
    ModuleReport,
    ReportReceived,
    Topics,
    encode,
)

WAITING_MAX = 5_000
ENTRY_BYTES = 2_000 * readings.RECORD_BYTES
"""A longer report becomes several entries, so that batches stay small."""
GROUP_BYTES = 1_000_000
"""So much is made durable at a time: modules wait for all of it."""
ANNOUNCED_MAX = 2_000
ANNOUNCE_AGAIN_S = 6 * 3600.0
"""The same announcement is journalled again after this time only."""


@dataclass(frozen=True, slots=True)
class _Safe:
    """What is to be durable, and what is then said to whom."""

    entries: Sequence[Entry]
    topic: str
    answer: bytes
    readings: int = 0


class Concentrator:
    """The hub's ear for its modules.

    Parameters
    ----------
    topics, hub
        Topics of the site, and the hub's name in them.
    now_s
        Time of the site, as Unix seconds.
    """

    def __init__(
        self,
        topics: Topics,
        hub: str,
        recorder: Recorder,
        metrics: Metrics,
        now_s: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._hub = hub
        self._recorder = recorder
        self._metrics = metrics
        self._now_s = now_s
        self._waiting: asyncio.Queue[_Safe] = asyncio.Queue(WAITING_MAX)
        self._announced: OrderedDict[int, tuple[Announce, float]] = OrderedDict()

    def take(self, report: ModuleReport) -> None:
        """Check `report` and let it wait for its turn. When too many wait it is dropped.

        Raises
        ------
        PackedReadingsError
            If the readings are malformed.
        ModuleFrameError
            If there are none, or one of another module.
        """
        rows = readings.unpack(report.readings)
        if not len(rows) or bool(np.any(rows["module"] != report.serial)):
            raise ModuleFrameError(
                f"report of module {report.serial} holds none or foreign readings"
            )
        received = encode(ReportReceived(report.serial, report.readings))
        topic = self._topics.received(self._hub)
        self._put(_Safe(entries_of(report), topic, received, len(rows)), "report")

    def take_announcement(self, announce: Announce) -> None:
        """Let a module that announces itself be known to the server, and know its hub."""
        known = encode(Known(announce.serial, self._hub))
        entries = []
        if not self._is_known(announce):
            found = Found(
                announce.serial,
                self._now_s(),
                announce.inputs,
                announce.has_adapter,
                announce.kind,
                announce.software,
                announce.claim,
            )
            entries.append(Entry(EntryKind.FOUND, encode_news(found)))
        self._put(_Safe(entries, self._topics.known, known), "announce")

    async def run(self, link: Link) -> None:
        """Journal and confirm, until cancelled. Modules repeat what is not confirmed."""
        while True:
            group = [await self._waiting.get()]
            size = _size(group[0])
            while not self._waiting.empty() and size < GROUP_BYTES:
                group.append(self._waiting.get_nowait())
                size += _size(group[-1])
            entries = [entry for one in group for entry in one.entries]
            try:
                if entries:
                    await self._recorder.record(entries)
            except UnavailableError:
                self._announced.clear()
                continue
            self._count(group)
            await asyncio.gather(*(link.publish(one.topic, one.answer, qos=1) for one in group))

    def _put(self, what: _Safe, kind: str) -> None:
        if self._waiting.full():
            self._metrics.overflow.labels(kind).inc()
        else:
            self._waiting.put_nowait(what)

    def _is_known(self, announce: Announce) -> bool:
        """Return whether the same was journalled lately, and remember it."""
        now_s = asyncio.get_running_loop().time()
        last = self._announced.get(announce.serial)
        if last and last[0] == announce and now_s - last[1] < ANNOUNCE_AGAIN_S:
            return True
        self._announced[announce.serial] = announce, now_s
        self._announced.move_to_end(announce.serial)
        if len(self._announced) > ANNOUNCED_MAX:
            self._announced.popitem(last=False)
        return False

    def _count(self, group: Sequence[_Safe]) -> None:
        self._metrics.reports.inc(sum(one.readings > 0 for one in group))
        self._metrics.readings.inc(sum(one.readings for one in group))
        self._metrics.announcements.inc(
            sum(bool(one.entries) > bool(one.readings) for one in group)
        )


def _size(one: _Safe) -> int:
    return sum(len(entry.data) for entry in one.entries)


def entries_of(report: ModuleReport) -> list[Entry]:
    """Return `report` as journal entries of at most `ENTRY_BYTES`, no reading cut in two."""
    data = report.readings
    return [
        Entry(EntryKind.READINGS, data[at : at + ENTRY_BYTES])
        for at in range(0, len(data), ENTRY_BYTES)
    ]
