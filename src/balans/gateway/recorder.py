"""Group commit: whatever waits is made durable together, in a thread beside the loop."""

import asyncio
import time
from collections.abc import Callable, Sequence

from balans.core.errors import UnavailableError
from balans.gateway.journal import Journal
from balans.gateway.metrics import Metrics
from balans.protocols.hub import Entry


class Recorder:
    """The one writer of the journal.

    Parameters
    ----------
    journal
        Where entries go.
    on_durable
        Called after each commit: there is something to deliver.
    """

    def __init__(self, journal: Journal, metrics: Metrics, on_durable: Callable[[], None]) -> None:
        self.journal = journal
        self.refusing = ""
        self._metrics = metrics
        self._on_durable = on_durable
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[None]]] = []
        self._turn = asyncio.Lock()
        self._commits: set[asyncio.Task[None]] = set()

    async def record(self, entries: Sequence[Entry]) -> None:
        """Return when `entries` are durable.

        Raises
        ------
        UnavailableError
            If the disk refuses; then none of them is in the journal.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        commit = asyncio.ensure_future(self._commit())  # goes on when the caller is cancelled
        self._commits.add(commit)
        commit.add_done_callback(self._commits.discard)
        await done

    async def renew(self) -> None:
        """Give the journal a new identity."""
        async with self._turn:
            await asyncio.to_thread(self.journal.renew)

    async def close(self) -> None:
        """Finish what waits, and close the journal."""
        if self._commits:
            await asyncio.wait(self._commits)
        self.journal.close()

    async def _commit(self) -> None:
        async with self._turn:
            if self._waiting:
                await self._append()

    async def _append(self) -> None:
        """Append everything that waits, with one flush of the disk."""
        group, self._waiting = self._waiting, []
        began_s = time.perf_counter()
        failure: UnavailableError | None = None
        try:
            entries = [entry for part, _ in group for entry in part]
            await asyncio.to_thread(self.journal.append, entries)
            self._metrics.append_s.observe(time.perf_counter() - began_s)
        except UnavailableError as error:
            failure = error
            self._metrics.refused_appends.inc()
        self.refusing = str(failure or "")
        for _, done in group:
            if not done.done():
                done.set_exception(failure) if failure else done.set_result(None)
        if failure is None:
            self._on_durable()
