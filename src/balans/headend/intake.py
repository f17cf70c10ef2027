"""From a hub's message to a committed row, and only then to an acknowledgement.

A message that cannot be stored now waits; when too many wait, new ones are dropped, since hubs
send again whatever is not acknowledged. Two messages are stored at a time; those of one journal
wait for each other in the database, and acknowledgements may overtake each other harmlessly.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import Ack, Batch, Hello
from balans.storage.inbox import HubUnknownError, store_batch, take_hello

WAITING_MAX = 200
WORKERS = 2
log = logging.getLogger(__name__)

Acknowledge = Callable[[str, Ack], Awaitable[None]]


class Intake:
    """Stores what hubs send.

    Parameters
    ----------
    acknowledge
        Called with the hub and what is held, after COMMIT.
    complain
        Called with the place and what is wrong.
    on_hello
        Called with each registered hub that introduced itself.
    """

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        acknowledge: Acknowledge,
        complain: Callable[[str, str], None],
        on_hello: Callable[[str], None],
    ) -> None:
        self.stored = asyncio.Event()
        self._database = database
        self._metrics = metrics
        self._acknowledge = acknowledge
        self._complain = complain
        self._on_hello = on_hello
        self._messages: asyncio.Queue[tuple[str, Hello | Batch]] = asyncio.Queue(WAITING_MAX)

    def take(self, hub: str, message: Hello | Batch) -> None:
        """Let a message of `hub` wait for its turn."""
        if self._messages.full():
            self._metrics.overflow.inc()
        else:
            self._messages.put_nowait((hub, message))
        self._metrics.waiting.set(self._messages.qsize())

    async def run(self) -> None:
        """Store until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            hub, message = await self._messages.get()
            with self._metrics.store_s.time():
                ack = await self._store(hub, message)
            if ack is not None:
                await self._acknowledge(hub, ack)

    async def _store(self, hub: str, message: Hello | Batch) -> Ack | None:
        """Return what is held after COMMIT; None for what cannot be stored."""
        now = datetime.now(UTC)
        try:
            if isinstance(message, Hello):
                ack = await self._database.insist(take_hello, hub, message, now)
                self._metrics.hellos.inc()
                self._on_hello(hub)
            else:
                ack = await self._database.insist(store_batch, hub, message, now)
                self._metrics.batches.inc()
                self._metrics.entries.inc(len(message.entries))
                self.stored.set()
        except (HubUnknownError, RejectedError) as error:
            self._complain(f"hub {hub}", str(error))
            return None
        except Exception as error:  # the next message is another hub's, and must not wait for this
            log.exception("hub %s: a %s not stored", hub, type(message).__name__)
            self._complain(f"hub {hub}", repr(error))
            return None
        return ack
