"""From a hub's message to a committed row, and only then to an acknowledgement.

Messages wait by rank: what is urgent is stored first, however many hubs upload their archives. One
that cannot be stored now waits; when too many wait, new ones are dropped, since hubs send again
whatever is not acknowledged. What waits is committed together, by two workers; batches of one
journal wait for each other in the database, and acknowledgements may overtake each other
harmlessly.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from balans.core.clock import Clock
from balans.core.errors import BalansError
from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import Ack, Batch, Hello, Rank
from balans.storage.hub_state import note_doubled
from balans.storage.inbox import JOURNALS_KEPT, HubUnknownError, store_batches, take_hello

WAITING_MAX, WAITING_BYTES = 5_000, 64_000_000
"""Of each rank: the word of every hub of a town that comes at once, and no archive of them all."""
WORKERS = 2
GROUP_MAX, GROUP_BYTES = 50, 2_000_000
"""So many batches of any hubs are committed together, when they wait."""
BUSY_S = 15.0
DOUBLED_S = 2.0
HUBS_MAX = 50_000
"""Whoever invents codes of hubs fills no memory."""
log = logging.getLogger(__name__)

Acknowledge = Callable[[str, Ack], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Message:
    """What a hub sent, and when it came."""

    hub: str
    content: Hello | Batch
    received: datetime

    @property
    def size(self) -> int:
        """Bytes of the entries."""
        if isinstance(self.content, Hello):
            return 0
        return sum(len(entry.data) for entry in self.content.entries)

    @property
    def rank(self) -> Rank:
        """How urgent it is."""
        if isinstance(self.content, Hello):
            return Rank.COMMAND  # nothing of the hub moves before it is answered
        return Rank(min(self.content.rank, Rank.ARCHIVE))


@dataclass(slots=True)
class Queue:
    """Messages by rank, those of a rank in the order of their coming; each rank has its bounds."""

    bound: int = WAITING_MAX
    bound_bytes: int = WAITING_BYTES
    _bytes: dict[Rank, int] = field(default_factory=lambda: dict.fromkeys(Rank, 0))
    _waiting: dict[Rank, deque[Message]] = field(
        default_factory=lambda: {rank: deque() for rank in Rank}
    )
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    def put(self, message: Message) -> bool:
        """Let `message` wait; return whether there was room."""
        queue, rank = self._waiting[message.rank], message.rank
        if len(queue) >= self.bound or self._bytes[rank] >= self.bound_bytes:
            return False
        queue.append(message)
        self._bytes[rank] += message.size
        self._filled.set()
        return True

    async def get(self) -> list[Message]:
        """Take the most urgent message; if it is a batch, with others of its rank behind it."""
        while not len(self):
            self._filled.clear()
            await self._filled.wait()
        rank, queue = next((rank, queue) for rank, queue in self._waiting.items() if queue)
        taken, size = [queue.popleft()], 0
        while queue and len(taken) < GROUP_MAX and size < GROUP_BYTES:
            if isinstance(taken[-1].content, Hello) or isinstance(queue[0].content, Hello):
                break
            taken.append(queue.popleft())
            size += taken[-1].size
        self._bytes[rank] -= sum(one.size for one in taken)
        return taken


@dataclass(slots=True)
class Identities:
    """Which journals of each hub were heard, in the order of their messages.

    A hub that starts anew goes on under another identity and never takes up the one before. So the
    order journal A, journal B, journal A proves two hubs of one code, whatever any clock says.
    """

    _now: dict[str, int] = field(default_factory=dict)
    _before: dict[str, deque[int]] = field(default_factory=dict)
    _doubled: dict[str, tuple[int, int]] = field(default_factory=dict)

    def hear(self, hub: str, journal: int) -> None:
        """Take note of a message."""
        now = self._now.get(hub)
        if journal == now or (now is None and len(self._now) >= HUBS_MAX):
            return
        before = self._before.setdefault(hub, deque(maxlen=JOURNALS_KEPT))
        if now is not None:
            if journal in before:
                self._doubled[hub] = (journal, now)
                before.remove(journal)
            before.append(now)
        self._now[hub] = journal

    def take_doubled(self) -> dict[str, tuple[int, int]]:
        """Return the hubs that were found doubled since the last call, with two journals each."""
        found, self._doubled = self._doubled, {}
        return found


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
        self._identities = Identities()

    def take(self, hub: str, content: Hello | Batch) -> None:
        """Let a message of `hub` wait for its turn."""
        self._identities.hear(hub, content.journal)
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
            workers.create_task(self._tell_doubled())

    async def _tell_doubled(self) -> None:
        """Keep, now and then, which codes are borne by two hubs."""
        while True:
            await asyncio.sleep(DOUBLED_S)
            for hub, journals in self._identities.take_doubled().items():
                try:
                    await self._database.insist(note_doubled, hub, journals, self._clock.now())
                except RejectedError as error:
                    log.error("hub %s: %s", hub, error)  # noqa: TRY400  (its message says all)

    async def _work(self) -> None:
        while True:
            messages = await self._messages.get()
            with self._metrics.store_s.time():
                acks = await self._store(messages)
            for message, ack in zip(messages, acks, strict=True):
                if ack is not None:
                    await self._acknowledge(message.hub, ack)

    async def _store(self, messages: Sequence[Message]) -> list[Ack | None]:
        """Return what is held after COMMIT; None for what cannot be stored."""
        try:
            return await self._try(messages)
        except (HubUnknownError, RejectedError) as error:
            problem: Exception = error
        except Exception as error:  # the next message is another hub's, and must not wait for this
            log.exception("hub %s: not stored", messages[0].hub)
            problem = error
        if len(messages) > 1:  # one of them is to blame, and the others are not
            return [ack for one in messages for ack in await self._store([one])]
        known = isinstance(problem, BalansError)
        self._complain(f"hub {messages[0].hub}", str(problem) if known else repr(problem))
        return [None]

    async def _try(self, messages: Sequence[Message]) -> list[Ack | None]:
        first = messages[0]
        if isinstance(first.content, Hello):
            held = await self._database.insist(take_hello, first.hub, first.content, first.received)
            self._metrics.hellos.inc()
            self._on_hello(first.hub)
            return [held]
        batches = [(one.hub, one.content) for one in messages if isinstance(one.content, Batch)]
        received = min(one.received for one in messages)
        acks = await self._database.insist(store_batches, batches, received)
        for (hub, batch), ack in zip(batches, acks, strict=True):
            if ack is None:
                self._complain(f"hub {hub}", "not registered")
            else:
                self._metrics.batches.inc()
                self._metrics.entries.inc(len(batch.entries))
        self.stored.set()
        return acks
