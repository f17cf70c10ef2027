"""Watches that no acknowledgement runs ahead of the database, while everything is being killed.

Each `Ack` seen at the broker is compared with what is *committed*, read over a connection of its
own: everything that it calls stored must be there. While the database is away an ack waits its
turn; it is then held against a database that has come back from a crash, the harder question.
"""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg

from balans.adapters.mqtt.link import Link
from balans.protocols.hub import Ack, HubFrameError, decode

ALL_ACKS = "balans/1/hub/+/down/ack"
RETRY_S = 0.2
_COMMITTED = """
select (j.received + j.lost)
       @> (int8multirange(int8range(0, %(end)s)) - %(holes)s::text::int8multirange)
from hub_journal j join hub h on h.id = j.hub_id
where h.code = %(hub)s and j.journal_id = %(journal)s
"""


@dataclass(slots=True)
class AckWatch:
    """Checks acks in a thread of its own while it is entered.

    `checked` acks were compared; those in `ahead` promised more than was committed.
    """

    mqtt_url: str
    database_url: str
    checked: int = 0
    ahead: list[str] = field(default_factory=list)
    _waiting: asyncio.Queue[tuple[str, Ack]] = field(default_factory=asyncio.Queue)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._run, name="acks", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop once what was seen is checked; without a database that is given up."""
        done = asyncio.run_coroutine_threadsafe(self._waiting.join(), self._loop)
        with contextlib.suppress(TimeoutError):
            done.result(30)
        self._loop.call_soon_threadsafe(self._cancel_all)
        if self._thread:
            self._thread.join(10)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._watch())

    async def _watch(self) -> None:
        link = Link(self.mqtt_url, "balans-chaos-acks", [(ALL_ACKS, 1)], self._note)
        async with asyncio.TaskGroup() as group:
            group.create_task(link.run())
            group.create_task(self._check())

    def _note(self, topic: str, payload: bytes) -> None:
        with contextlib.suppress(HubFrameError):
            message = decode(payload)
            if isinstance(message, Ack):
                self._waiting.put_nowait((topic.split("/")[3], message))

    async def _check(self) -> None:
        while True:
            hub, ack = await self._waiting.get()
            is_committed = await self._is_committed(hub, ack)
            self.checked += 1
            if not is_committed:
                self.ahead.append(f"hub {hub}: {ack}")
            self._waiting.task_done()

    async def _is_committed(self, hub: str, ack: Ack) -> bool:
        """Ask until the database answers; a journal that is no longer remembered is settled."""
        holes = "{" + ",".join(f"[{start},{end})" for start, end in ack.holes) + "}"
        asked = {"hub": hub, "journal": ack.journal, "end": ack.end, "holes": holes}
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
                    await connection.execute("select set_config('balans.tenant', 'all', true)")
                    found = await (await connection.execute(_COMMITTED, asked)).fetchone()
                    return found is None or bool(found[0])
            except psycopg.OperationalError:
                await asyncio.sleep(RETRY_S)
