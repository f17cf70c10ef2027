"""What the server signs, on its way into the gateway: verified, remembered, and listened for."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from balans.adapters.clock import SystemClock
from balans.adapters.mqtt import Link
from balans.adapters.signing import verify
from balans.core.clock import Clock
from balans.gateway.config import GatewayConfig
from balans.gateway.keep import CalledFile
from balans.gateway.metrics import Metrics
from balans.protocols import hub
from balans.usecases.run_load_control import (
    CalledMemory,
    Calls,
    Gate,
    Moment,
    RefusedError,
    ServerClock,
    Why,
)

LOOK_S, BEATS_S = 5.0, 600.0
"""What has changed is written within this; if only the count of beats has, within ten minutes."""
log = logging.getLogger(__name__)


def moments(clock: Clock) -> Callable[[float], Moment]:
    """Return what tells all clocks, given that of the site; that of a replay is a steady one."""
    is_real = isinstance(clock, SystemClock)

    def moment(now_s: float) -> Moment:
        link_s = time.monotonic()
        return Moment(now_s, link_s if is_real else now_s, link_s)

    return moment


class CalledDesk:
    """The gate to the server, with the file of what it remembers and the topics it needs.

    Parameters
    ----------
    config
        Of this gateway.
    clock
        The site's clock.

    Attributes
    ----------
    calls
        What load control is to hold; None without keys.
    """

    def __init__(
        self,
        config: GatewayConfig,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        topics, keys = hub.Topics(config.hub), config.server_keys
        self._topics = topics
        self._clock, self._moment, self._metrics = clock, moments(clock), metrics
        self._file = CalledFile(config.data_dir / "called")
        self._memory = self._file.read().of(keys) if keys else CalledMemory()
        server = ServerClock()
        self._gate = Gate(topics, keys, verify, self._memory, server)
        self.calls = Calls(config.site, self._memory, server, self._moment) if keys else None
        self._news = asyncio.Event()
        self._is_new_place = self._is_new_key = False
        self._written, self._written_s = self._content(), time.monotonic()
        self._told_keyless = False

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """The topics to listen on, as far as they are known."""
        topics, groups = self._topics, self._memory.groups
        found = [(f"{topics.root}/down/+", 1), (hub.Topics.POLL, 1)]
        if self.calls is None:
            return found
        found.append((topics.keys("+"), 1))
        if groups:
            found.append((hub.beat_topic(groups.tenant), 0))
            found += [(hub.calls_filter(group), 1) for group in groups.groups]
        return found

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def open(self, topic: str, data: bytes) -> hub.Message | None:
        """Return what the server says on `topic`; None where that is for the gate alone.

        Raises
        ------
        RefusedError, HubFrameError
            As `Gate.open`. What is refused is counted.
        """
        if not data and not topic.startswith(f"{self._topics.root}/down/"):
            return None  # a call that is over is taken from the broker
        known = (self._memory.groups, self._memory.keys)
        try:
            message = self._gate.open(topic, data, self._moment(self._now_s()))
        except RefusedError as error:
            self._metrics.refused.labels(error.why).inc()
            if error.why is not Why.NO_KEYS:
                raise
            self._tell_keyless(error)
            return None
        return self._sorted(message, known)

    def _sorted(self, message: hub.Message, known: tuple[object, ...]) -> hub.Message | None:
        """Keep what is for the gate alone; return what is not."""
        match message:
            case hub.Beat():
                if self.calls:
                    self.calls.beat(self._now_s())
                return None
            case hub.Groups() | hub.Keys():
                if message not in known:  # else retained: it comes with every connection
                    self._take_place(message)
                return None
            case hub.Call() | hub.Limits() | hub.Consents():
                self._news.set()
            case _:
                pass
        return message

    def _take_place(self, message: hub.Groups | hub.Keys) -> None:
        log.info("the server says: %s", message)
        # What was refused before the key was known is kept by the broker.
        self._is_new_key |= isinstance(message, hub.Keys)
        self._is_new_place = True
        self._news.set()

    async def run(self, server: Link) -> None:
        """Listen where the server says, and write what is to outlive the process."""
        told = self.subscriptions
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            self._news.clear()
            await self._write(is_end=False)
            if self._is_new_place:
                self._is_new_place = False
                log.info("listening to %d topics, %d before", len(self.subscriptions), len(told))
                told = self.subscriptions
                again, self._is_new_key = self._is_new_key, False
                await server.listen(told, again=again)
            self._show()

    async def close(self) -> None:
        """Write the rest."""
        await self._write(is_end=True)

    def _show(self) -> None:
        if self.calls:
            self._metrics.called.set(len(self.calls.targets))
            self._metrics.fallback.set(self.calls.fallback_holds)

    def _content(self) -> tuple[bytes, int]:
        """Return what is to be kept, and apart from it the count of beats, which always grows."""
        return self._file.encode(replace(self._memory, beat=0, ahead_s=0.0)), self._memory.beat

    async def _write(self, *, is_end: bool) -> None:
        if self.calls is None:
            return
        content, now_s = self._content(), time.monotonic()
        with_beat = is_end or now_s - self._written_s > BEATS_S
        if content[0] != self._written[0] or (with_beat and content != self._written):
            self._written, self._written_s = content, now_s
            await asyncio.to_thread(self._file.write, self._file.encode(self._memory))

    def _tell_keyless(self, error: RefusedError) -> None:
        if not self._told_keyless:
            self._told_keyless = True
            log.warning("calls of the server are not obeyed: %s", error)
