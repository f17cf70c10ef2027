"""Takes the reports of modules into the journal, and tells the modules when they are safe."""

import asyncio

import numpy as np

from balans.adapters.mqtt import Link
from balans.core.errors import UnavailableError
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.protocols import readings
from balans.protocols.hub import Entry, EntryKind
from balans.protocols.module import ModuleFrameError, ModuleReport, ReportReceived, Topics, encode

WAITING_MAX = 5_000
ENTRY_BYTES = 4_000 * readings.RECORD_BYTES
"""A longer report becomes several entries, so that batches stay small."""
GROUP_BYTES = 1_000_000
"""So much is made durable at a time: modules wait for all of it."""


class Concentrator:
    """The hub's ear for its modules.

    Parameters
    ----------
    topics, hub
        Topics of the site, and the hub's name in them.
    """

    def __init__(self, topics: Topics, hub: str, recorder: Recorder, metrics: Metrics) -> None:
        self._topic = topics.received(hub)
        self._recorder = recorder
        self._metrics = metrics
        self._reports: asyncio.Queue[ModuleReport] = asyncio.Queue(WAITING_MAX)

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
        if self._reports.full():
            self._metrics.overflow.labels("report").inc()
        else:
            self._reports.put_nowait(report)

    async def run(self, link: Link) -> None:
        """Journal reports and confirm them, until cancelled. Modules repeat what is not."""
        while True:
            reports = [await self._reports.get()]
            size = len(reports[0].readings)
            while not self._reports.empty() and size < GROUP_BYTES:
                reports.append(self._reports.get_nowait())
                size += len(reports[-1].readings)
            try:
                await self._recorder.record(
                    [entry for report in reports for entry in entries_of(report)]
                )
            except UnavailableError:
                continue
            self._count(reports)
            await asyncio.gather(*(self._confirm(link, report) for report in reports))

    async def _confirm(self, link: Link, report: ModuleReport) -> None:
        received = ReportReceived(report.serial, report.readings)
        await link.publish(self._topic, encode(received), qos=1)

    def _count(self, reports: list[ModuleReport]) -> None:
        self._metrics.reports.inc(len(reports))
        octets = sum(len(report.readings) for report in reports)
        self._metrics.readings.inc(octets // readings.RECORD_BYTES)


def entries_of(report: ModuleReport) -> list[Entry]:
    """Return `report` as journal entries of at most `ENTRY_BYTES`, no reading cut in two."""
    data = report.readings
    return [
        Entry(EntryKind.READINGS, data[at : at + ENTRY_BYTES])
        for at in range(0, len(data), ENTRY_BYTES)
    ]
