"""Orders to switch whole supplies on their way to hubs.

An order is marked as sent and committed, then sent, and sent again until the hub's outcome is in
the tables or its time is over. The outcome comes by the hub's journal.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from balans.core.clock import Clock
from balans.core.errors import UnavailableError
from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import Topics, encode
from balans.storage import supply_sending

ROUND_S: Final = 1.0
REPEAT_S: Final = 5.0
ASK_S: Final = 60.0
"""Contacts that never told anything are asked for as often as this."""
log = logging.getLogger(__name__)

Publish = Callable[[str, bytes, bool], Awaitable[bool]]
"""Takes topic, payload and whether it is retained; tells whether the broker has taken it."""


class Supplies:
    """Brings orders to hubs.

    Parameters
    ----------
    clock
        Time of the sites: it decides what is due and what has expired.
    publish
        Signs, where the tenant has keys.
    """

    def __init__(
        self, database: Database, clock: Clock, metrics: Metrics, publish: Publish
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._publish = publish
        self._news = asyncio.Event()
        self._sent_s: dict[str, float] = {}
        self._asked_s = -ASK_S

    def wake(self) -> None:
        """There may be a new order."""
        self._news.set()

    def forget(self) -> None:
        """Send all of them again: hubs or broker may have lost what they were sent."""
        self._sent_s.clear()
        self._asked_s = -ASK_S
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ROUND_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self._round()
            except UnavailableError:
                continue
            except RejectedError as error:
                log.error("orders to supplies: %s", error)  # noqa: TRY400  (its message says all)

    async def _round(self) -> None:
        now = self._clock.now()
        await self._database.call(supply_sending.expire_due, now)
        self._metrics.supplies.inc(await self._database.call(supply_sending.release_due, now))
        now_s = asyncio.get_running_loop().time()
        await self._send(now_s)
        if now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            for one in await self._database.call(supply_sending.unknown_contacts):
                await self._publish(Topics(one.hub_code).supply, encode(one.ask), False)  # noqa: FBT003

    async def _send(self, now_s: float) -> None:
        waiting = await self._database.call(supply_sending.sent_orders, self._clock.now())
        sent_s = {one.order.id: self._sent_s.get(one.order.id, -REPEAT_S) for one in waiting}
        for one in waiting:
            if now_s - sent_s[one.order.id] < REPEAT_S:
                continue
            if await self._publish(Topics(one.hub_code).supply, encode(one.order), False):  # noqa: FBT003
                sent_s[one.order.id] = now_s
        self._sent_s = sent_s
