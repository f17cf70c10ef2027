"""The way to the server for what is only worth its newest state: nobody waits for it."""

import asyncio
import logging

from balans.adapters.mqtt import Link

log = logging.getLogger(__name__)


class Outlet:
    """Publishes under one topic in a task of its own; what still waits is replaced by what comes.

    A server that takes a message late, or never, delays the messages behind it and nothing else.

    Parameters
    ----------
    topic
        Where to.
    qos
        Of MQTT.
    """

    def __init__(self, topic: str, qos: int = 0) -> None:
        self._topic = topic
        self._qos = qos
        self._newest: bytes | None = None
        self._sending: asyncio.Task[None] | None = None

    def put(self, link: Link, payload: bytes) -> None:
        """Let `payload` be published as soon as the one before it is through."""
        self._newest = payload
        if self._sending is None or self._sending.done():
            self._sending = asyncio.ensure_future(self._send(link))

    async def close(self) -> None:
        """End it; what waits is dropped."""
        self._newest = None
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])

    async def _send(self, link: Link) -> None:
        while self._newest is not None:
            payload, self._newest = self._newest, None
            try:
                await link.publish(self._topic, payload, qos=self._qos)
            except Exception:
                log.exception("%s: not published", self._topic)
