"""Brings the journal to the head-end, what is urgent first, and trims what is settled."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from balans.adapters.mqtt import Link
from balans.core.errors import UnavailableError
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.protocols.hub import (
    Ack,
    Batch,
    BatchSender,
    Entry,
    Introduction,
    JournalBehindError,
    Topics,
    encode,
    rank_of,
)
from balans.wiring.service import Complaints

COALESCE_S = 0.05
IDLE_S = 1.0
RESEND_S = 5.0
BATCH_BYTES = 50_000
"""On a line of 10 kB/s two batches of the archive hold up what is urgent for ten seconds."""
log = logging.getLogger(__name__)


class Delivery:
    """The hub's side of delivery, on a connection.

    Parameters
    ----------
    topics
        Topics of the hub.
    introduction
        What the hub says of itself.
    hour
        Tells the present hour by the clock of the site: it decides what is current.
    """

    def __init__(
        self,
        topics: Topics,
        recorder: Recorder,
        metrics: Metrics,
        introduction: Introduction,
        hour: Callable[[], int],
    ) -> None:
        self._topics = topics
        self._recorder = recorder
        self._metrics = metrics
        self._hour = hour
        self._sender = BatchSender(
            recorder.journal,
            max_bytes=BATCH_BYTES,
            resend_s=RESEND_S,
            introduction=introduction,
        )
        self._wake = asyncio.Event()
        self._complaints = Complaints(log)

    @property
    def idle(self) -> bool:
        """Whether the head-end has settled everything."""
        return self._sender.idle

    def add(self, first: int, entries: Sequence[Entry]) -> None:
        """Note entries of the journal, those from offset `first` on: they are to be sent."""
        hour = self._hour()
        self._sender.ranked(first, [rank_of(entry, hour) for entry in entries])
        self._wake.set()

    def introduce(self) -> None:
        """Begin with `Hello`: after a connection, or when the head-end asks."""
        self._sender.connected()
        self._wake.set()

    async def take_ack(self, ack: Ack) -> None:
        """Trim what is settled, and send what has room now."""
        for refused in ack.refused:
            log.error(
                "head-end put entries %d to %d aside: %s",
                refused.start,
                refused.end - 1,
                refused.reason,
            )
        if ack.journal != self._recorder.journal.id:
            self._metrics.foreign_acks.inc()
        try:
            below = self._sender.acknowledged(ack)
        except JournalBehindError as error:
            log.error("the journal begins anew: %s", error)  # noqa: TRY400  (its message says all)
            await self._recorder.renew()
            self._sender.connected()
            below = None
        if below is not None:
            self._recorder.journal.trim(below)
        self._wake.set()

    async def run(self, link: Link) -> None:
        """Send what is due, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._wake.wait()
                    await asyncio.sleep(COALESCE_S)
            except TimeoutError:
                pass
            self._wake.clear()
            self._sender.trouble(self._recorder.refusing)
            if link.connected:
                await self._try_to_send(link)
            self._measure()

    async def _try_to_send(self, link: Link) -> None:
        """Send what is due; what cannot be read now is read again in the next round."""
        try:
            await self._send(link)
        except UnavailableError as error:
            self._complaints.add("delivery", error)

    async def _send(self, link: Link) -> None:
        now_s = asyncio.get_running_loop().time()
        for message in self._sender.due(now_s):
            topic = self._topics.batch if isinstance(message, Batch) else self._topics.hello
            if not await link.publish(topic, encode(message), qos=1):
                return

    def _measure(self) -> None:
        journal = self._recorder.journal
        self._metrics.waiting.set(self._sender.unsettled)
        self._metrics.journal_bytes.set(journal.size_bytes)
