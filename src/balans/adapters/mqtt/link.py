"""A connection to a broker that is made again whenever it is lost."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiomqtt

from balans.protocols.address import parse_broker_address

log = logging.getLogger(__name__)
driver_log = logging.getLogger(f"{__name__}.driver")
driver_log.setLevel(logging.ERROR)

BACKOFF_LEAST_S, BACKOFF_MOST_S = 0.1, 2.0
STEADY_S = 2.0
CONNECT_LIMIT_S = 3.0
CALL_LIMIT_S = 10.0
KEEPALIVE_S = 30
INFLIGHT = 500
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Messages are small and somebody waits for each: gathering them costs 40 ms a time."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for a client whose connection ends without goodbye."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class Link:
    """One client of a broker, over MQTT 3.1.1 with a clean session.

    Parameters
    ----------
    url
        ``mqtt://[user[:password]@]host[:port]``.
    client_id
        Unique at the broker: a second client of the same name pushes out the first.
    subscriptions
        Topic filters with their QoS, restored at every connection.
    on_message
        Called with topic and payload, one message after the other, in the order of arrival.
        An exception in it is logged and counted in `handler_errors`; the next message follows.
    on_connect
        Awaited at every connection when the subscriptions hold, before the first message.
    will
        Published by the broker when the connection is lost.

    Attributes
    ----------
    on_kept
        Called instead of `on_message` with what the broker had kept from before and hands out at a
        subscription; it is `on_message` unless it is set.

    Raises
    ------
    InputError
        `url` is no address of a broker.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[str, bytes], Awaitable[None] | None],
        on_connect: Callable[[], Awaitable[None]] | None = None,
        will: Will | None = None,
    ) -> None:
        self.address = parse_broker_address(url)
        self.client_id = client_id
        self.handler_errors = 0
        self._subscriptions = list(subscriptions)
        self._on_message = on_message
        self.on_kept = on_message
        self._on_connect = on_connect
        self._will = will
        self._client: aiomqtt.Client | None = None
        self._up = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether there is a connection with all subscriptions in force."""
        return self._client is not None

    async def wait_connected(self) -> None:
        """Return when there is a connection."""
        await self._up.wait()

    async def run(self) -> None:
        """Connect, deliver messages, and connect again after a loss, until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s, told = BACKOFF_LEAST_S, False
        while True:
            began = loop.time()
            try:
                async with self._session() as client:
                    told = False
                    log.info("%s: connected to %s", self.client_id, self.address)
                    await self._deliver(client)
            except aiomqtt.MqttError as error:
                level = logging.DEBUG if told else logging.WARNING
                log.log(level, "%s: no connection to %s: %s", self.client_id, self.address, error)
                told = True
            _heed_cancellation()
            if loop.time() - began > STEADY_S:
                pause_s = BACKOFF_LEAST_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, BACKOFF_MOST_S)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,  # noqa: FBT001, FBT002  (MQTT's own word)
    ) -> bool:
        """Hand a message to the broker.

        Returns
        -------
        False when there is no connection, or it was lost before the broker had taken the
        message (for QoS 0: before the system had). Nothing is kept for later: what must
        arrive is the business of the protocols above.
        """
        client = self._client
        if client is None:
            return False
        sending = client.publish(topic, payload, qos=qos, retain=retain)
        try:
            if qos == 0:
                await sending
                taken = True
            else:
                taken = await _unless_lost(client, sending)
        except aiomqtt.MqttError:
            taken = False
        _heed_cancellation()
        return taken

    async def listen(
        self, subscriptions: Sequence[tuple[str, int]], *, again: bool = False
    ) -> None:
        """Subscribe to `subscriptions` instead of those before.

        What the broker has kept for those that are new is delivered, with `again` for all of them;
        then what is published meanwhile may be missed.
        """
        wanted = set() if again else {topic for topic, _ in subscriptions}
        gone = [topic for topic, _ in self._subscriptions if topic not in wanted]
        self._subscriptions = list(subscriptions)
        client = self._client
        if client is None:
            return
        with contextlib.suppress(aiomqtt.MqttError):  # a new connection subscribes anyway
            if gone:
                await client.unsubscribe(gone)
            await client.subscribe(self._subscriptions)
        _heed_cancellation()

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiomqtt.Client]:
        client = self._new_client()
        await _connect(client)
        try:
            client.timeout = CALL_LIMIT_S
            if self._subscriptions:
                await client.subscribe(self._subscriptions)
                _heed_cancellation()
            self._client = client
            self._up.set()
            yield client
        finally:
            self._client = None
            self._up.clear()
            await _disconnect(client)

    def _new_client(self) -> aiomqtt.Client:
        will = self._will
        last_words = aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None
        client = aiomqtt.Client(
            self.address.host,
            self.address.port,
            username=self.address.username,
            password=self.address.password,
            identifier=self.client_id,
            clean_session=True,
            keepalive=KEEPALIVE_S,
            timeout=CONNECT_LIMIT_S,
            max_inflight_messages=INFLIGHT,
            socket_options=[NO_DELAY],
            logger=driver_log,
            will=last_words,
        )
        client.pending_calls_threshold = 100 * INFLIGHT
        return client

    async def _deliver(self, client: aiomqtt.Client) -> None:
        if self._on_connect is not None:
            await self._guarded(self._on_connect, "on_connect")
        async for message in client.messages:
            topic, payload = message.topic.value, bytes(message.payload)
            handler = self.on_kept if message.retain else self._on_message
            await self._guarded(partial(handler, topic, payload), topic)

    async def _guarded(self, handler: Callable[[], Awaitable[None] | None], what: str) -> None:
        """Run a handler; a mistake in it about one message must not stop all others."""
        try:
            waiting = handler()
            if waiting is not None:
                await waiting
        except Exception:
            self.handler_errors += 1
            log.exception("%s: %s not handled", self.client_id, what)


async def _unless_lost(client: aiomqtt.Client, call: Coroutine[Any, Any, None]) -> bool:
    """Wait for `call`, but not longer than the connection lasts; tell whether it succeeded.

    Raises
    ------
    MqttError
        From the call itself.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task, _lost(client)}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        done = task.done()
        task.cancel()
    if done:
        task.result()
    return done


async def _connect(client: aiomqtt.Client) -> None:
    """Connect, and leave nothing open when that fails or is cancelled.

    The driver connects in a thread that cannot be cancelled, so its end is waited for.
    """
    task = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(aiomqtt.MqttError):
            await task
            await _disconnect(client)
        raise
    except aiomqtt.MqttError as error:
        opened = client._client.socket()  # noqa: SLF001  (the driver forgets what it opened)
        client._client.disconnect()  # noqa: SLF001
        if opened is None and str(error) == "Operation timed out":
            raise aiomqtt.MqttError("the broker hung up: wrong user or password?") from error
        raise


async def _disconnect(client: aiomqtt.Client) -> None:
    with contextlib.suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)
    if _lost(client).done():
        _lost(client).exception()  # taken note of, or asyncio complains that nobody did


def _lost(client: aiomqtt.Client) -> asyncio.Future[None]:
    """Return what is done when the connection is gone; the driver shows it in no other way."""
    return client._disconnected  # noqa: SLF001


def _heed_cancellation() -> None:
    """Raise a cancellation that `asyncio.wait_for`, used by the driver, may have swallowed.

    Python 3.11 returns the result when the awaited future is done at that very moment.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
