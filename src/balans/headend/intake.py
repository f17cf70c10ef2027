"""From a hub's message to a committed row, and only then to an acknowledgement.

Messages wait by rank: what is urgent is stored first, however many hubs upload their archives. One
that cannot be stored now waits; when too many wait, new ones are dropped, since hubs send again
whatever is not acknowledged. Two messages are stored at a time; those of one journal wait for each
other in the database, and acknowledgements may overtake each other harmlessly.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from balans.core.clock import Clock
from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import Ack, Batch, Hello, Rank
from balans.storage.inbox import HubUnknownError, store_batch, take_hello

WAITING_MAX = 200
"""Of each rank."""
WORKERS = 2
BUSY_S = 15.0
log = logging.getLogger(__name__)

Acknowledge = Callable[[str, Ack], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Message:
    """What a hub sent, and when it came."""

    hub: str
    content: Hello | Batch
    received: datetime

    @property
    def rank(self) -> Rank:
        """How urgent it is."""
        if isinstance(self.content, Hello):
            return Rank.COMMAND  # nothing of the hub moves before it is answered
        return Rank(min(self.content.rank, Rank.ARCHIVE))


@dataclass(slots=True)
class Queue:
    """Messages by rank, those of a rank in the order of their coming; each rank has its bound."""

    bound: int = WAITING_MAX
    _waiting: dict[Rank, deque[Message]] = field(
        default_factory=lambda: {rank: deque() for rank in Rank}
    )
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    def put(self, message: Message) -> bool:
        """Let `message` wait; return whether there was room."""
        queue = self._waiting[message.rank]
        if len(queue) >= self.bound:
            return False
        queue.append(message)
        self._filled.set()
        return True

    async def get(self) -> Message:
        """Take the most urgent message."""
        while not len(self):
            self._filled.clear()
            await self._filled.wait()
        return next(queue for queue in self._waiting.values() if queue).popleft()


class Intake:
    """Stores what hubs send.

    Parameters
    ----------
    clock
        Time of the sites, by which messages are stamped.
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
        clock: Clock,
        metrics: Metrics,
        acknowledge: Acknowledge,
        complain: Callable[[str, str], None],
        on_hello: Callable[[str], None],
    ) -> None:
        self.stored = asyncio.Event()
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._acknowledge = acknowledge
        self._complain = complain
        self._on_hello = on_hello
        self._messages = Queue()
        self._archived_s: dict[str, float] = {}

    def take(self, hub: str, content: Hello | Batch) -> None:
        """Let a message of `hub` wait for its turn."""
        if isinstance(content, Batch) and content.rank >= Rank.ARCHIVE:
            self._archived_s[hub] = asyncio.get_running_loop().time()
        if not self._messages.put(Message(hub, content, self._clock.now())):
            self._metrics.overflow.inc()
        self._metrics.waiting.set(len(self._messages))

    def busy(self) -> list[str]:
        """Return the hubs that upload an archive."""
        since_s = asyncio.get_running_loop().time() - BUSY_S
        self._archived_s = {hub: at for hub, at in self._archived_s.items() if at >= since_s}
        return list(self._archived_s)

    async def run(self) -> None:
        """Store until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            message = await self._messages.get()
            with self._metrics.store_s.time():
                ack = await self._store(message)
            if ack is not None:
                await self._acknowledge(message.hub, ack)

    async def _store(self, message: Message) -> Ack | None:
        """Return what is held after COMMIT; None for what cannot be stored."""
        hub, content = message.hub, message.content
        try:
            if isinstance(content, Hello):
                ack = await self._database.insist(take_hello, hub, content, message.received)
                self._metrics.hellos.inc()
                self._on_hello(hub)
            else:
                ack = await self._database.insist(store_batch, hub, content, message.received)
                self._metrics.batches.inc()
                self._metrics.entries.inc(len(content.entries))
                self.stored.set()
        except (HubUnknownError, RejectedError) as error:
            self._complain(f"hub {hub}", str(error))
            return None
        except Exception as error:  # the next message is another hub's, and must not wait for this
            log.exception("hub %s: a %s not stored", hub, type(content).__name__)
            self._complain(f"hub {hub}", repr(error))
            return None
        return ack
