"""Reading now: what the head-end asks is asked of the module at once, beside all reports."""

import asyncio

from balans.adapters.mqtt import Link
from balans.gateway.metrics import Metrics
from balans.protocols import hub, module

ROUND_S = 0.25


class Reader:
    """Brings questions to modules and results to the head-end.

    Results travel on a way of their own, not in the journal: an archive that is being uploaded
    does not hold them up, nor does a full disk.

    Parameters
    ----------
    site_topics, hub_topics
        Topics of the site, and of the hub.
    """

    def __init__(
        self, site_topics: module.Topics, hub_topics: hub.Topics, metrics: Metrics
    ) -> None:
        self._ask_topic = site_topics.ask(hub_topics.hub)
        self._answer_topic = hub_topics.answer
        self._metrics = metrics
        self._asking = hub.Asking()
        self._news = asyncio.Event()
        self._sending: set[asyncio.Future[bool]] = set()

    def take(self, request: hub.ReadNow) -> None:
        """Take a request of the head-end."""
        self._asking.take(request, _now_s())
        self._news.set()

    def take_answer(self, answer: module.Answer) -> None:
        """Take the answer of a module."""
        if answer.register is None:
            result = hub.ReadResult(
                answer.id,
                answer.serial,
                answer.input,
                hub.ReadState.FAILED,
                detail=hub.NO_INPUT,
            )
        else:
            result = hub.ReadResult(
                answer.id,
                answer.serial,
                answer.input,
                hub.ReadState.DONE,
                answer.time,
                answer.register,
                answer.flags,
            )
        if self._asking.answered(result, _now_s()):
            self._news.set()

    def take_noted(self, noted: hub.ReadNoted) -> None:
        """Note that the head-end has a result."""
        self._asking.noted(noted.id)

    async def run(self, site: Link, server: Link) -> None:
        """Ask and tell until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ROUND_S if self._asking.waits else None):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            questions, results = self._asking.due(_now_s())
            for one in questions:
                self._metrics.asked.labels("now").inc()
                ask = module.Ask(one.id, one.module, one.input, one.ttl_s)
                self._send(site, self._ask_topic, module.encode(ask))
            for result in results:
                self._send(server, self._answer_topic, hub.encode(result))

    def _send(self, link: Link, topic: str, payload: bytes) -> None:
        """Publish beside everything else: a slow line to one side holds up no other."""
        sending = asyncio.ensure_future(link.publish(topic, payload, qos=1))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
