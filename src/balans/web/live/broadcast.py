"""From one LISTEN connection of the process to all its open streams."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql

BACKOFF_S: Final = (0.1, 0.5, 2.0)
log = logging.getLogger(__name__)


class Broadcast:
    """Wakes the streams of a site when the database says that something of it has changed.

    Wake-ups are flags, not queues: a slow stream finds the newest state, never a backlog. After
    a lost connection everybody is woken, since notifications may have been missed.
    """

    def __init__(self, connect_with: dict[str, Any], channel: str) -> None:
        self._connect_with = connect_with
        self._channel = channel
        self._flags: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._versions: dict[str, int] = defaultdict(int)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self.connected = False

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(map(len, self._flags.values()))

    @property
    def stopped(self) -> bool:
        """Whether the process is about to end: streams must end too."""
        return self._stopped

    def version(self, topic: str) -> int:
        """Return a number that rises with every notification of `topic`."""
        return self._versions[topic]

    @contextmanager
    def subscribed(self, topic: str) -> Iterator[asyncio.Event]:
        """Give a flag that is set at every notification of `topic`; the owner clears it."""
        self._listen()
        flag = asyncio.Event()
        self._flags[topic].add(flag)
        try:
            yield flag
        finally:
            self._flags[topic].discard(flag)

    def notify(self, topic: str) -> None:
        """Wake the streams of `topic`."""
        self._versions[topic] += 1
        for flag in self._flags.get(topic, ()):
            flag.set()

    def notify_all(self) -> None:
        """Wake every stream."""
        for topic in list(self._flags):
            self.notify(topic)

    def stop(self) -> None:
        """End the streams and the connection; called in the loop of the server."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        self.notify_all()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._loop is not loop:
            self._loop = loop
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        attempt = 0
        while not self._stopped:
            try:
                async with await psycopg.AsyncConnection.connect(
                    autocommit=True, **self._connect_with
                ) as connection:
                    attempt = 0
                    await self._pass_on(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("live updates wait for the database: %s", str(error).strip())
            finally:
                self.connected = False
            await asyncio.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    async def _pass_on(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        self.connected = True
        self.notify_all()
        async for notification in connection.notifies():
            self.notify(notification.payload)


def connection_values(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what `psycopg` needs to connect, from an entry of ``DATABASES``."""
    names = {
        "dbname": "NAME",
        "user": "USER",
        "password": "PASSWORD",
        "host": "HOST",
        "port": "PORT",
    }
    values = {name: settings[key] for name, key in names.items() if settings.get(key)}
    options = {key: value for key, value in settings["OPTIONS"].items() if key != "pool"}
    return {**options, **values, "application_name": "balans live"}
