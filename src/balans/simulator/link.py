"""The simulator's own connection to a broker: comes back whenever the broker does."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import aiomqtt

from balans.protocols.address import parse_broker_address

log = logging.getLogger(__name__)
driver_log = logging.getLogger(f"{__name__}.driver")
driver_log.setLevel(logging.CRITICAL)
BACKOFF_S = (0.1, 0.2, 0.5, 1.0)
TIMEOUT_S = 5.0
KEEPALIVE_S = 10
UNSENT_MAX = 10_000
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Without it an answer waits behind the confirmation of what it answers, 40 ms each time."""


class Outgoing(NamedTuple):
    """A message on its way out."""

    topic: str
    payload: bytes
    qos: int


class Link:
    """One MQTT connection that is restored for as long as `run` runs.

    Parameters
    ----------
    url
        ``mqtt://[user:password@]host:port``.
    client_id
        Name of the client at the broker.
    subscriptions
        Topic filters with their quality of service.
    on_message
        Called with topic and payload of each message.
    on_connect
        Called on every connection, after the subscriptions stand.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[str, bytes], None],
        on_connect: Callable[[], None],
    ) -> None:
        self.connected = asyncio.Event()
        self.connections = 0
        self._address = parse_broker_address(url)
        self._client_id = client_id
        self._subscriptions = list(subscriptions)
        self._on_message = on_message
        self._on_connect = on_connect
        self._outgoing: asyncio.Queue[Outgoing] = asyncio.Queue(UNSENT_MAX)

    def send(self, topic: str, payload: bytes, qos: int) -> bool:
        """Publish soon, in the order of the calls; without a connection drop it, return False."""
        if not self.connected.is_set() or self._outgoing.full():
            return False
        self._outgoing.put_nowait(Outgoing(topic, payload, qos))
        return True

    async def sent(self) -> None:
        """Wait until everything given to `send` is published, or dropped with the connection."""
        await self._outgoing.join()

    async def run(self) -> None:
        """Hold the connection until cancelled."""
        failures = 0
        while True:
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError) as group:
                failures = 0 if self.connected.is_set() else failures + 1
                log.info("%s: %s: %s", self._client_id, self._address, group.exceptions[0])
            finally:
                self.connected.clear()
                self._drop_unsent()
            _heed_cancellation()
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])

    async def _session(self) -> None:
        async with self._connection() as client, asyncio.TaskGroup() as tasks:
            await client.subscribe(self._subscriptions)
            _heed_cancellation()
            self.connected.set()
            self.connections += 1
            self._on_connect()
            tasks.create_task(self._publish(client))
            async for message in client.messages:
                self._on_message(message.topic.value, bytes(message.payload))

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiomqtt.Client]:
        """Connect, and close whatever way it ends.

        The driver connects in a thread that cannot be stopped, so that is waited for even when
        the town is being stopped; and it leaves its socket open when the connection fails.
        """
        client = self._client()
        connecting = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(connecting)
            yield client
        finally:
            await _close(client, connecting)

    def _client(self) -> aiomqtt.Client:
        address = self._address
        client = aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=self._client_id,
            timeout=TIMEOUT_S,
            keepalive=KEEPALIVE_S,
            logger=driver_log,
            socket_options=[NO_DELAY],
        )
        client.pending_calls_threshold = UNSENT_MAX
        return client

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            message = await self._outgoing.get()
            try:
                await client.publish(message.topic, message.payload, message.qos)
            finally:
                self._outgoing.task_done()
            _heed_cancellation()

    def _drop_unsent(self) -> None:
        while not self._outgoing.empty():
            self._outgoing.get_nowait()
            self._outgoing.task_done()


async def _close(client: aiomqtt.Client, connecting: asyncio.Future[aiomqtt.Client]) -> None:
    try:
        await connecting
        await client.__aexit__(None, None, None)
    except aiomqtt.MqttError:
        if connecting.exception() is not None:
            client._client.disconnect()  # noqa: SLF001  (the driver has no other way)
    lost = client._disconnected  # noqa: SLF001  (asyncio complains if nobody looks)
    if lost.done() and not lost.cancelled():
        lost.exception()


def _heed_cancellation() -> None:
    """Raise a cancellation that `asyncio.wait_for`, used by the driver, may have swallowed.

    Python 3.11 returns the result when the awaited future is done at that very moment.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
