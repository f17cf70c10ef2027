"""Orders to switch a whole supply: journalled, brought to the module, and answered by feedback.

This is a way of its own from the head-end to the contact. Load control has no door to it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from balans.adapters.mqtt import Link
from balans.core.errors import UnavailableError
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.gateway.supply_orders import SupplyOrders
from balans.protocols import hub, module

ROUND_S: Final = 0.25
RETRY_S: Final = 1.0
WAITING_MAX: Final = 5_000


class Supply:
    """Carries orders and feedback.

    Parameters
    ----------
    site_topics, hub_topics
        Topics of the site, and of the hub.
    now_s
        Time of the site, as Unix seconds.
    """

    def __init__(
        self,
        site_topics: module.Topics,
        hub_topics: hub.Topics,
        recorder: Recorder,
        metrics: Metrics,
        now_s: Callable[[], float],
    ) -> None:
        self._topic = site_topics.supply(hub_topics.hub)
        self._recorder = recorder
        self._metrics = metrics
        self._now_s = now_s
        self._orders = SupplyOrders()
        self._news = asyncio.Event()
        self._reports: deque[hub.SupplyReport] = deque()
        self._ask_due = True
        self._sending: set[asyncio.Future[bool]] = set()

    def take(self, message: hub.SupplyOrder | hub.SupplyAsk) -> None:
        """Take an order of the head-end, or ask modules and tell what is as before too."""
        if isinstance(message, hub.SupplyOrder):
            self._add(self._orders.take(message, self._now_s(), _mono_s()))
        else:
            self._orders.unknown(frozenset(message.modules))
            self._ask_modules()

    def take_state(self, state: module.SupplyState) -> None:
        """Take the feedback of a contact."""
        for report in self._orders.told(state, self._now_s(), _mono_s()):
            self._add(report)

    def reconnected(self) -> None:
        """Ask all contacts again: something may have been missed."""
        self._ask_modules()

    async def run(self, site: Link) -> None:
        """Carry until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ROUND_S if self._orders.waits else None):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            await self._record()
            self._say(site)

    async def _record(self) -> None:
        """Bring what waits into the journal; an order that it does not take is forgotten."""
        while self._reports:
            report = self._reports[0]
            entry = hub.Entry(hub.EntryKind.SUPPLY, hub.encode_supply_report(report))
            try:
                await self._recorder.record([entry])
            except UnavailableError:
                if report.outcome != hub.SupplyOutcome.HEARD:
                    self._later()
                    return
                self._orders.dropped(report.id)
            else:
                self._metrics.supplies.labels(report.outcome.value).inc()
                if report.outcome == hub.SupplyOutcome.HEARD:
                    self._orders.durable(report.id, _mono_s())
            self._reports.popleft()

    def _say(self, site: Link) -> None:
        now_s = self._now_s()
        switches, failed = self._orders.due(now_s, _mono_s())
        for report in failed:
            self._add(report)
        messages: list[module.SupplySwitch | module.SupplyQuery] = [*switches]
        if self._ask_due:
            self._ask_due = False
            messages.append(module.SupplyQuery(now_s))
        for message in messages:
            sending = asyncio.ensure_future(
                site.publish(self._topic, module.encode(message), qos=1)
            )
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    def _ask_modules(self) -> None:
        self._ask_due = True
        self._news.set()

    def _add(self, report: hub.SupplyReport | None) -> None:
        if report is None:
            return
        if len(self._reports) >= WAITING_MAX:
            self._metrics.overflow.labels("supply").inc()
            if report.outcome == hub.SupplyOutcome.HEARD:
                self._orders.dropped(report.id)
            return
        self._reports.append(report)
        self._news.set()

    def _later(self) -> None:
        asyncio.get_running_loop().call_later(RETRY_S, self._news.set)


def _mono_s() -> float:
    return asyncio.get_running_loop().time()
