"""The hours of modules: asks for what is missing, tells what is gone and who is silent."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import numpy as np

from balans.adapters.mqtt import Link
from balans.core.errors import UnavailableError
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.protocols import readings
from balans.protocols.hub import (
    KIND_OF,
    Entry,
    EntryKind,
    HourBook,
    HoursGone,
    ModuleNews,
    News,
    Question,
    Wanted,
    encode_news,
)
from balans.protocols.module import HoursAbsent, HoursWanted, Topics, encode
from balans.protocols.readings import PackedReadingsError

ROUND_S = 1.0
SILENCES_S = 30.0
UNTOLD_MAX = 1_000
log = logging.getLogger(__name__)


class Hours:
    """The hub's care for holes.

    Parameters
    ----------
    topics, hub
        Topics of the site, and the hub's name in them.
    now_s, hour
        Time of the site, as Unix seconds and as the present hour.
    """

    def __init__(
        self,
        topics: Topics,
        hub: str,
        recorder: Recorder,
        metrics: Metrics,
        now_s: Callable[[], float],
        hour: Callable[[], int],
    ) -> None:
        self._topic = topics.ask(hub)
        self._recorder = recorder
        self._metrics = metrics
        self._now_s = now_s
        self._hour = hour
        self._book = HourBook()
        self._untold: list[News] = []

    def add(self, entries: Sequence[Entry]) -> None:
        """Take over entries that are durable in the journal."""
        data = [entry.data for entry in entries if entry.kind == EntryKind.READINGS]
        if data:
            self._book.note(_rows(data), _monotonic_s())

    def heard(self, serial: int) -> None:
        """Note that a module speaks."""
        self._book.heard(serial, _monotonic_s())

    def take_wanted(self, wanted: Wanted) -> None:
        """Take over what the head-end misses."""
        for one in wanted.hours:
            self._book.want(one.module, one.input, one.spans)

    def take_absent(self, absent: HoursAbsent) -> None:
        """Take a module at its word that it does not hold hours that it was asked for."""
        gone = self._book.absent(absent.serial, absent.input, absent.spans, absent.newest)
        if gone:
            self._tell(HoursGone(absent.serial, absent.input, self._now_s(), gone, absent.oldest))

    async def run(self, link: Link) -> None:
        """Ask and tell until cancelled."""
        silences_s = 0.0
        while True:
            await asyncio.sleep(ROUND_S)
            now_s = _monotonic_s()
            if link.connected:
                for question in self._book.due(now_s):
                    await self._ask(link, question)
                if now_s >= silences_s:
                    silences_s = now_s + SILENCES_S
                    self._look_for_silence()
            await self._record()

    async def _ask(self, link: Link, question: Question) -> None:
        self._metrics.asked.labels("hours").inc()
        wanted = HoursWanted(question.serial, question.input, question.spans)
        await link.publish(self._topic, encode(wanted), qos=1)

    def _look_for_silence(self) -> None:
        room = UNTOLD_MAX - len(self._untold)
        for serial, silent, last_hour in self._book.silences(self._hour(), room):
            self._tell(ModuleNews(serial, self._now_s(), silent, last_hour))
            log.log(
                logging.INFO if silent else logging.DEBUG,
                "module %d %s",
                serial,
                "is silent" if silent else "is heard",
            )

    def _tell(self, news: News) -> None:
        if len(self._untold) < UNTOLD_MAX:
            self._untold.append(news)

    async def _record(self) -> None:
        untold, self._untold = self._untold, []
        if not untold:
            return
        entries = [Entry(KIND_OF[type(news)], encode_news(news)) for news in untold]
        try:
            await self._recorder.record(entries)
        except UnavailableError:
            self._untold = [*untold, *self._untold][:UNTOLD_MAX]


def _rows(data: Sequence[bytes]) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    try:
        return readings.unpack(b"".join(data))
    except PackedReadingsError:
        log.warning("the journal holds readings that make no sense")
        return np.zeros(0, readings.RECORD)


def _monotonic_s() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0
