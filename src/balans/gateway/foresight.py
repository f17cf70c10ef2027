"""Plans at the right time: asks the planner again and again, beside load control."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from balans.domain.demand.plan import Plan
from balans.gateway.metrics import Metrics
from balans.gateway.planner import PlannerError, PlannerLateError
from balans.usecases.run_load_control import NoPlan, PlanRequest

POLL_S = 0.5
log = logging.getLogger(__name__)


class Planner(Protocol):
    """Plans, or says why not."""

    async def plan(self, request: PlanRequest) -> Plan:
        """Return the plan for `request`, or raise `PlannerError`."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class NoPlanMade:
    """The planner brought nothing, and why."""

    why: str


class Foresight:
    """Asks for a plan every `every_s` seconds of the site, and gives it to load control.

    Parameters
    ----------
    request
        Returns what is to be asked now, None when there is nothing to ask.
    take
        Takes the plan, or that there is none.
    now_s
        Time of the site [Unix s].
    """

    def __init__(
        self,
        planner: Planner,
        every_s: float,
        request: Callable[[], PlanRequest | None],
        take: Callable[[Plan | NoPlanMade], None],
        now_s: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._planner = planner
        self._every_s = every_s
        self._request = request
        self._take = take
        self._now_s = now_s
        self._metrics = metrics
        self._asked_s = float("-inf")

    async def run(self) -> None:
        """Plan until cancelled."""
        try:
            while True:
                await asyncio.sleep(POLL_S)
                now_s = self._now_s()
                self._asked_s = min(self._asked_s, now_s)  # the clock was set back
                if now_s - self._asked_s >= self._every_s:
                    await self._plan(now_s)
        finally:
            await self._planner.close()

    async def _plan(self, now_s: float) -> None:
        request = self._request()
        if request is None:
            return
        self._asked_s = now_s
        try:
            with self._metrics.plan_s.time():
                plan = await self._planner.plan(request)
        except PlannerError as error:
            log.warning("%s", error)
            self._metrics.plans.labels("failed").inc()
            late = isinstance(error, PlannerLateError)
            self._take(NoPlanMade(NoPlan.LATE if late else NoPlan.FAILED))
        else:
            self._metrics.plans.labels(plan.state.value).inc()
            self._take(plan)
