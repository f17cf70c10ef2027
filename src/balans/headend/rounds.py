"""What the head-end does again and again: live pictures, plans, inbox into tables, findings."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from balans.core.clock import Clock
from balans.core.errors import UnavailableError
from balans.headend.database import Database, RejectedError
from balans.headend.metrics import Metrics
from balans.protocols.hub import PlanReport, SiteStatus
from balans.storage import findings, plans
from balans.storage.findings import Noticed
from balans.storage.flush import FlushResult, flush_inbox
from balans.storage.inbox import take_again
from balans.storage.live import save_statuses
from balans.storage.scope import system_scope

STATUS_S = 0.2
STATUSES_MAX = 5_000
PLANS_MAX = 5_000
FLUSH_S = 1.0
REVISIT_S = 10.0
"""A module that is registered later frees its readings from quarantine within this time."""
BATCHES = 500
NOTICED_MAX = 100
CLOCK_SET_S = 3600.0
"""A clock that has moved so much more or less than time passed was set."""
log = logging.getLogger(__name__)


class LivePictures:
    """Keeps statuses, several at a time; while the database is away they are lost."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._waiting: list[tuple[str, SiteStatus]] = []

    def take(self, hub: str, status: SiteStatus) -> None:
        """Let a status of `hub` wait for the next round."""
        if len(self._waiting) < STATUSES_MAX:
            self._waiting.append((hub, status))

    async def run(self) -> None:
        """Keep statuses until cancelled."""
        while True:
            await asyncio.sleep(STATUS_S)
            await self.save()

    async def save(self) -> None:
        """Keep what waits."""
        statuses, self._waiting = self._waiting, []
        if not statuses:
            return
        try:
            await self._save(statuses)
        except UnavailableError:
            return
        except RejectedError:
            for one in statuses:
                await self._save_one(one)

    async def _save(self, statuses: list[tuple[str, SiteStatus]]) -> None:
        kept = await self._database.call(save_statuses, statuses, datetime.now(UTC))
        self._metrics.statuses.inc(kept)

    async def _save_one(self, status: tuple[str, SiteStatus]) -> None:
        """Keep one status, so that one that is rejected costs no other."""
        try:
            await self._save([status])
        except UnavailableError:
            return
        except RejectedError as error:
            log.error("status of hub %s: %s", status[0], error)  # noqa: TRY400  (its message says all)


class Plans:
    """Keeps the newest plan of each hub; one that cannot be kept now waits."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._waiting: dict[str, PlanReport] = {}

    def take(self, hub: str, plan: PlanReport) -> None:
        """Let a plan of `hub` wait for the next round; it replaces one that waits."""
        if hub in self._waiting or len(self._waiting) < PLANS_MAX:
            self._waiting[hub] = plan

    async def run(self) -> None:
        """Keep plans until cancelled."""
        while True:
            await asyncio.sleep(STATUS_S)
            await self.save()

    async def save(self) -> None:
        """Keep what waits."""
        waiting, self._waiting = self._waiting, {}
        for hub, plan in waiting.items():
            try:
                kept = await self._database.call(plans.store, hub, plan, datetime.now(UTC))
            except UnavailableError:
                self._waiting.setdefault(hub, plan)
            except RejectedError as error:
                log.error("plan of hub %s: %s", hub, error)  # noqa: TRY400  (its message says all)
            else:
                self._metrics.plans.inc(kept)


class Flusher:
    """Brings the inbox into the tables: every second, and at once when much has come.

    Parameters
    ----------
    clock
        Time of the sites, which readings go by.
    stored
        Set when a batch was stored.
    """

    def __init__(
        self, database: Database, clock: Clock, metrics: Metrics, stored: asyncio.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._stored = stored
        self._offset_s: float | None = None
        self._clock_set = False
        self._begins = True

    async def run(self) -> None:
        """Flush until cancelled. What an earlier process left is flushed first."""
        self._stored.set()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REVISIT_S):
                    await self._stored.wait()
            self._stored.clear()
            await self.flush()
            await asyncio.sleep(FLUSH_S)

    async def flush(self) -> None:
        """Flush until the inbox is empty or the database is away; what it refused, once more."""
        result = FlushResult(batches=1)
        while result.batches:
            now = self._clock.now()
            self._watch_clock(now)
            try:
                if self._begins:
                    await self._database.call(take_again)
                    self._begins = False
                with self._metrics.flush_s.time():
                    result = await self._database.call(
                        flush_inbox, now, BATCHES, clock_set=self._clock_set
                    )
            except UnavailableError:
                self._stored.set()
                return
            except RejectedError as error:
                log.error("inbox: %s", error)  # noqa: TRY400  (its message says all)
                return
            self._clock_set = False
            self._metrics.readings.inc(result.readings)
            self._metrics.refused.inc(result.refused)

    def _watch_clock(self, now: datetime) -> None:
        """Notice that the clock was set: impossible hours may have been its fault."""
        offset_s = now.timestamp() - asyncio.get_running_loop().time()
        if self._offset_s is not None and abs(offset_s - self._offset_s) > CLOCK_SET_S:
            self._clock_set = True
        self._offset_s = offset_s


class Findings:
    """Keeps what is wrong with messages from outside, for the operator to see."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noticed: list[Noticed] = []

    def add(self, place: str, what: str, detail: str) -> None:
        """Let something wrong wait for the next round; of a flood, the rest is left out."""
        if len(self._noticed) < NOTICED_MAX:
            self._noticed.append(Noticed(None, place[:200], what, detail[:500]))

    async def save(self) -> None:
        """Keep what waits."""
        waiting, self._noticed = self._noticed, []
        if not waiting:
            return
        try:
            await self._database.call(_record, waiting)
        except UnavailableError:
            self._put_back(waiting)
        except RejectedError:
            for one in waiting:
                await self._save_one(one)

    async def _save_one(self, noticed: Noticed) -> None:
        """Keep one finding, so that one that is rejected costs no other."""
        try:
            await self._database.call(_record, [noticed])
        except UnavailableError:
            self._put_back([noticed])
        except RejectedError as error:
            log.error("finding at %s: %s", noticed.place, error)  # noqa: TRY400  (its message says all)

    def _put_back(self, noticed: list[Noticed]) -> None:
        self._noticed = [*noticed, *self._noticed][:NOTICED_MAX]


def _record(noticed: Sequence[Noticed]) -> None:
    with system_scope("headend"):
        findings.record(noticed, datetime.now(UTC))
