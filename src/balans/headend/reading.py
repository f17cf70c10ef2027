"""Reading now, and hours that are missing: what the head-end asks of hubs.

A request goes out at once (the database tells of it), and again every few seconds, for a hub may
come only now. What hubs answer is stored on a way of its own, never behind batches.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from balans.core.clock import Clock
from balans.core.errors import UnavailableError
from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import ReadNoted, ReadResult, Topics, Wanted, encode
from balans.storage import holes, read_requests

ROUND_S = 1.0
REPEAT_S = 4.0
ANSWERS_MAX = 1_000
HOLES_S = 2.0
HOLES_SHARE = 20
"""A look for holes is followed by a pause of so many times its length."""
log = logging.getLogger(__name__)

Publish = Callable[[str, bytes, bool], Awaitable[bool]]


class Reading:
    """Brings requests to hubs, and their answers into the database."""

    def __init__(self, database: Database, metrics: Metrics, publish: Publish) -> None:
        self._database = database
        self._metrics = metrics
        self._publish = publish
        self._news = asyncio.Event()
        self._asked_s: dict[int, float] = {}
        self._answers: asyncio.Queue[tuple[str, ReadResult]] = asyncio.Queue(ANSWERS_MAX)

    def wake(self) -> None:
        """There may be a new request, or a hub that has come."""
        self._news.set()

    def forget(self) -> None:
        """Ask all of them again: hubs or broker may have lost what they were asked."""
        self._asked_s.clear()
        self._news.set()

    def take(self, hub: str, result: ReadResult) -> None:
        """Let an answer of `hub` wait for its turn; the hub repeats what is dropped."""
        if self._answers.full():
            self._metrics.overflow.inc()
        else:
            self._answers.put_nowait((hub, result))

    async def ask(self) -> None:
        """Send requests until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ROUND_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self._ask_all()
            except UnavailableError:
                continue
            except RejectedError as error:
                log.error("requests to read: %s", error)  # noqa: TRY400  (its message says all)

    async def store(self) -> None:
        """Store answers until cancelled."""
        while True:
            hub, result = await self._answers.get()
            try:
                waited_for = await self._database.insist(read_requests.take_result, hub, result)
            except RejectedError as error:
                log.error("answer of hub %s: %s", hub, error)  # noqa: TRY400  (its message says all)
                continue
            self._metrics.answers.labels("taken" if waited_for else "too_late").inc()
            await self._publish(Topics(hub).read, encode(ReadNoted(result.id)), False)  # noqa: FBT003

    async def _ask_all(self) -> None:
        now_s = asyncio.get_running_loop().time()
        await self._database.call(read_requests.expire_due)
        waiting = await self._database.call(read_requests.open_requests)
        due = [one for one in waiting if now_s - self._asked_s.get(one.id, -REPEAT_S) >= REPEAT_S]
        self._asked_s = {one.id: at for one in waiting if (at := self._asked_s.get(one.id))}
        sent = []
        for one in due:
            if await self._publish(Topics(one.hub_code).read, encode(one.request), False):  # noqa: FBT003
                self._asked_s[one.id] = now_s
                sent.append(one.id)
        if sent:
            await self._database.call(read_requests.mark_sent, sent)


class Holes:
    """Asks hubs for hours that are missing in the database.

    Parameters
    ----------
    clock
        Time of the sites.
    busy
        Returns the hubs that upload an archive: what is missing may be on its way.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        publish: Publish,
        busy: Callable[[], list[str]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._publish = publish
        self._busy = busy

    async def run(self) -> None:
        """Look at one hub after the other, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                found = await self._database.call(
                    holes.next_wanted, self._clock.now(), self._busy()
                )
                if found is not None and found.hours:
                    self._metrics.wanted.inc(len(found.hours))
                    wanted = encode(Wanted(found.hours))
                    await self._publish(Topics(found.hub_code).wanted, wanted, False)  # noqa: FBT003
            except UnavailableError:
                pass
            except RejectedError as error:
                log.error("looking for holes: %s", error)  # noqa: TRY400  (its message says all)
            await asyncio.sleep(max(HOLES_S, HOLES_SHARE * (loop.time() - began_s)))
