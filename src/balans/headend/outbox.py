"""Commands, limits and consents on their way to hubs.

A command is handed to the broker when it is new (the database says so at once), and again when
its hub introduces itself: a hub that was out of reach learns it as long as it holds. The id makes
that harmless. Limits and consents are retained at the broker, and sent again when they have
changed: the database says so at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import psycopg
from psycopg import sql

from balans.core.clock import Clock
from balans.core.errors import UnavailableError
from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import Command, Consents, Limits, Topics, encode
from balans.storage import commands, consents, hub_settings

POLL_S = 1.0
SETTINGS_S = 5.0
"""Limits begin and end with time too, so it is looked as often as this whether any has."""
HUBS_AT_ONCE = 500
CHANNELS = (commands.CHANNEL, consents.CHANNEL)
BACKOFF_S = (0.1, 0.5, 2.0)
log = logging.getLogger(__name__)

Publish = Callable[[str, bytes, bool], Awaitable[bool]]
"""Takes topic, payload and whether it is retained; tells whether the broker has taken it."""


class Outbox:
    """Brings commands, limits and consents to hubs.

    Parameters
    ----------
    clock
        Time of the sites: it decides what has expired.
    """

    def __init__(
        self, database: Database, clock: Clock, metrics: Metrics, publish: Publish
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._publish = publish
        self._news = asyncio.Event()
        self._settings_news = asyncio.Event()
        self._greeted: set[str] = set()
        self._hubs: set[str] = set()
        self._unset: set[str] = set()
        self._settings_due = True
        self._stamp: hub_settings.Stamp | None = None
        self._sent: dict[str, Limits | Consents] = {}
        """What each topic holds."""

    def greet(self, hub: str) -> None:
        """Note that `hub` has introduced itself: it may have missed something."""
        self._greeted.add(hub)
        self._hubs.add(hub)
        self._unset.add(hub)
        for topic in (Topics(hub).limits, Topics(hub).consents):
            self._sent.pop(topic, None)
        self._news.set()
        self._settings_news.set()

    def reconnected(self) -> None:
        """Note that the broker is there again: it may have forgotten what it retained."""
        self._sent.clear()
        self._stamp = None
        self._settings_due = True
        self._news.set()
        self._settings_news.set()

    async def run(self) -> None:
        """Send until cancelled. No command waits for the settings of thousands of hubs."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_commands())
            tasks.create_task(self._run_settings())

    async def _run_commands(self) -> None:
        while True:
            await _until(self._news, POLL_S)
            greeted, self._greeted = self._greeted, set()  # others may come while this one goes
            try:
                await self._send_commands(greeted)
            except UnavailableError:
                self._greeted |= greeted
            except RejectedError as error:
                self._greeted |= greeted
                log.error("commands: %s", error)  # noqa: TRY400  (its message says all)

    async def _run_settings(self) -> None:
        """Send what has changed: to hubs that have just come, and now and then to all."""
        due_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await _until(self._settings_news, POLL_S)
            unset, self._unset = self._unset, set()
            look = self._settings_due or loop.time() >= due_s
            self._settings_due = False
            try:
                await self._send_changed(unset, look=look)
                due_s = loop.time() + SETTINGS_S if look else due_s
            except UnavailableError:
                self._unset |= unset
                self._settings_due |= look
                self._stamp = None
            except RejectedError as error:
                self._unset |= unset
                self._stamp = None
                log.error("settings: %s", error)  # noqa: TRY400  (its message says all)

    async def _send_changed(self, unset: set[str], *, look: bool) -> None:
        """Send to `unset` hubs, and to all if `look` shows that anything has changed."""
        stamp = await self._database.call(hub_settings.stamp, self._clock.now()) if look else None
        if not look or stamp == self._stamp:
            await self._send_settings(unset)
            return
        self._stamp = stamp  # before: a broker that comes back meanwhile takes it away again
        await self._send_settings(self._hubs)

    async def listen(self, database_url: str, others: Mapping[str, Callable[[], None]]) -> None:
        """Hear from the database that there is something new to send, until cancelled.

        Parameters
        ----------
        others
            Whom to wake by the channel on which the database tells of it; all of them after
            every connection, since something may have been missed.
        """
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    database_url, autocommit=True, application_name="balans headend"
                ) as connection:
                    for channel in (*CHANNELS, *others):
                        await connection.execute(
                            sql.SQL("LISTEN {}").format(sql.Identifier(channel))
                        )
                    failures = 0
                    for wake in others.values():
                        wake()
                    async for notice in connection.notifies():
                        self._noticed(notice.channel, others)
            except (psycopg.Error, OSError) as error:
                log.debug("no notifications: %s", error)
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    def _noticed(self, channel: str, others: Mapping[str, Callable[[], None]]) -> None:
        if channel in others:
            others[channel]()
            return
        if channel == consents.CHANNEL:
            self._settings_due = True
            self._settings_news.set()
        self._news.set()

    async def _send_commands(self, greeted: set[str]) -> None:
        now = self._clock.now()
        self._metrics.expired.inc(await self._database.call(commands.expire_due, now))
        fresh = await self._database.call(commands.queued_commands, now)
        sent = [one for one in fresh if await self._send(one.hub_code, one.command)]
        if sent:
            await self._database.call(commands.mark_sent, sent, self._clock.now())
            self._metrics.commands.inc(len(sent))
        if greeted:
            await self._send_again(greeted, {one.id for one in fresh}, now)

    async def _send_again(self, greeted: set[str], fresh: set[int], now: datetime) -> None:
        """Send to hubs that have introduced themselves what they may have missed."""
        unfinished = await self._database.call(commands.queued_commands, now, sent_too=True)
        for one in unfinished:
            if one.hub_code in greeted and one.id not in fresh:
                await self._send(one.hub_code, one.command)

    async def _send(self, hub: str, command: Command) -> bool:
        return await self._publish(Topics(hub).command, encode(command), False)  # noqa: FBT003

    async def _send_settings(self, hubs: set[str]) -> None:
        ordered = sorted(hubs)
        for first in range(0, len(ordered), HUBS_AT_ONCE):
            some = ordered[first : first + HUBS_AT_ONCE]
            found = await self._database.call(hub_settings.settings_of, some, self._clock.now())
            for one in found:
                topics = Topics(one.hub_code)
                sent = [
                    await self._send_setting(topics.limits, one.limits),
                    await self._send_setting(topics.consents, one.consents),
                ]
                if not all(sent):
                    self._unset.add(one.hub_code)

    async def _send_setting(self, topic: str, message: Limits | Consents) -> bool:
        """Let the broker retain `message`, unless it does; return whether it does now."""
        if message != self._sent.get(topic) and await self._publish(topic, encode(message), True):  # noqa: FBT003
            self._sent[topic] = message
        return message == self._sent.get(topic)


async def _until(news: asyncio.Event, limit_s: float) -> None:
    """Wait for news or for `limit_s` seconds, and take note of the news."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await news.wait()
    news.clear()
