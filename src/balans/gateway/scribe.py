"""What load control leaves on disk, written beside it: a switching waits for no disk.

Memory and reports of a decision are given here before its switchings go out. As long as the disk
is quick they are durable by then; a disk that stalls or refuses is waited for a moment and no
longer. What could not be written waits here, and is written when it can be.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from balans.core.errors import UnavailableError
from balans.gateway.keep import Files, KeptFile
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.protocols.hub import Consents, Entry, Limits
from balans.usecases.run_load_control import Memory, OwnSettings, Past

RETRY_S = 5.0
UNWRITTEN_MAX = 1_000
log = logging.getLogger(__name__)


class Scribe:
    """Writes memory, settings and reports, one round at a time.

    Parameters
    ----------
    recorder
        Takes the reports.
    files
        Memory, and what server and consumer have set.
    """

    def __init__(self, recorder: Recorder, files: Files, metrics: Metrics) -> None:
        self._recorder = recorder
        self._files = files
        self._metrics = metrics
        self._content: dict[KeptFile[Any], bytes] = {}
        self._reports: list[Entry] = []
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._late = False
        self._round: asyncio.Future[None] | None = None

    def remember(self, memory: Memory, reports: Sequence[Entry] = ()) -> None:
        """Let memory as it is now, and the reports that belong to it, be written."""
        self._content[self._files.memory] = self._files.memory.encode(memory)
        self._reports += reports
        self._drop_beyond_bound()
        self._wake()

    def keep_limits(self, limits: Limits) -> None:
        """Let the server's limits be written."""
        self._keep(self._files.limits, self._files.limits.encode(limits))

    def keep_consents(self, consents: Consents) -> None:
        """Let consent and pauses by the server be written."""
        self._keep(self._files.consents, self._files.consents.encode(consents))

    def keep_own(self, own: OwnSettings) -> None:
        """Let what was set at the gateway be written."""
        self._keep(self._files.own, self._files.own.encode(own))

    async def settle(self, limit_s: float) -> None:
        """Return when all of it was written or refused, or after `limit_s` seconds.

        A disk that let this pass once is not waited for again before it has answered.
        """
        if self._late:
            return
        try:
            async with asyncio.timeout(limit_s):
                await self._settled.wait()
        except TimeoutError:
            self._late = True
            log.warning("the disk is slow: switching goes on, reports follow")

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._reports else None):
                    await self._news.wait()
            self._news.clear()
            self._round = asyncio.ensure_future(self._write())
            await asyncio.shield(self._round)  # a thread cannot be stopped: `close` waits for it
            if not self._news.is_set():
                self._settled.set()
                self._late = False

    async def close(self) -> None:
        """Write the rest, once."""
        if self._round is not None:
            await asyncio.wait([self._round])
        await self._write()

    def keep_past(self, past: Past) -> None:
        """Let what the planner remembers be written."""
        self._keep(self._files.past, self._files.past.encode(past))

    def _keep(self, file: KeptFile[Any], data: bytes) -> None:
        self._content[file] = data
        self._wake()

    def _wake(self) -> None:
        self._settled.clear()
        self._news.set()

    async def _write(self) -> None:
        content, self._content = self._content, {}
        jobs = [self._write_reports()]
        jobs += [asyncio.to_thread(file.write, data) for file, data in content.items()]
        await asyncio.gather(*jobs)

    async def _write_reports(self) -> None:
        reports, self._reports = self._reports, []
        if not reports:
            return
        try:
            await self._recorder.record(reports)
        except UnavailableError as error:
            self._reports = [*reports, *self._reports]
            self._drop_beyond_bound()
            log.warning("%d reports wait: %s", len(self._reports), error)

    def _drop_beyond_bound(self) -> None:
        excess = len(self._reports) - UNWRITTEN_MAX
        if excess > 0:
            del self._reports[:excess]
            self._metrics.dropped_reports.inc(excess)
            log.error("%d reports of commands dropped: the disk has taken none for long", excess)
