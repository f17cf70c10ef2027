"""Group commit: whatever waits is made durable together, in a thread beside the loop."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from balans.core.errors import BalansError, UnavailableError
from balans.gateway.journal import Journal
from balans.gateway.metrics import Metrics
from balans.gateway.segment import MAX_DATA_BYTES
from balans.protocols.hub import Entry


class EntryError(BalansError):
    """What the journal cannot hold, whatever the disk."""

    code = "entry"


class Recorder:
    """The one writer of the journal.

    Parameters
    ----------
    journal
        Where entries go.
    on_durable
        Called after each commit with the offset of its first entry, and its entries.
    """

    def __init__(
        self,
        journal: Journal,
        metrics: Metrics,
        on_durable: Callable[[int, Sequence[Entry]], None],
    ) -> None:
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
        EntryError
            If one of them is too large for the journal; then none of them is in it.
        """
        check_size(entries)
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
        """Append everything that waits, with one flush of the disk; tell everyone who waits.

        What fails for another reason than the disk is tried part by part, so that it fails for
        whom it concerns only.
        """
        group, self._waiting = self._waiting, []
        failure = await self._try([entry for part, _ in group for entry in part])
        if failure is None or isinstance(failure, UnavailableError) or len(group) == 1:
            _tell([done for _, done in group], failure)
        else:
            for part, done in group:
                failure = await self._try(part)
                _tell([done], failure)
        self.refusing = str(failure or "")

    async def _try(self, entries: Sequence[Entry]) -> Exception | None:
        """Append `entries`; return why that failed."""
        began_s = time.perf_counter()
        try:
            first = await asyncio.to_thread(self.journal.append, entries)
        except Exception as error:  # noqa: BLE001  (raised where the entries come from)
            self._metrics.refused_appends.inc()
            return error
        self._metrics.append_s.observe(time.perf_counter() - began_s)
        self._on_durable(first, entries)
        return None


def _tell(waiting: Iterable[asyncio.Future[None]], failure: Exception | None) -> None:
    for done in waiting:
        if not done.done():
            done.set_exception(failure) if failure else done.set_result(None)


def check_size(entries: Sequence[Entry]) -> None:
    """Refuse what the journal cannot hold, before it could spoil a commit with others' entries.

    Raises
    ------
    EntryError
        Naming the size.
    """
    for entry in entries:
        if len(entry.data) > MAX_DATA_BYTES:
            raise EntryError(f"an entry of {len(entry.data)} bytes; at most {MAX_DATA_BYTES} fit")
