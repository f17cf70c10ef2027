"""The planner as a process: it plans, and whatever becomes of it costs a plan and nothing more."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from balans.core.words import LoadClass
from balans.domain.demand.devices import Thermostat
from balans.domain.demand.model import Limit, Load, Window, Zone
from balans.domain.demand.plan import Plan, PlanState
from balans.domain.demand.plan.settings import PlannerSettings
from balans.gateway.foresight import Foresight, NoPlanMade
from balans.gateway.metrics import Metrics
from balans.gateway.planner import PlannerError, PlannerLateError, PlannerProcess
from balans.usecases.plan_site import History
from balans.usecases.run_load_control import NoPlan, PlanRequest
from balans.usecases.site_file import Site

NOW_S = 1_768_215_600.0  # Monday 2026-01-12 12:00 in Paris
SETTINGS = PlannerSettings(horizon_h=24.0, scenarios=2)
LIMIT_S = 60.0


def request() -> PlanRequest:
    """Return a house with a washer that may wait for the night."""
    washer = Load("washer", LoadClass.GREEN, 1000.0)
    zones = (
        Zone("night", Decimal("0.1"), Window(23 * 3600, 7 * 3600)),
        Zone("day", Decimal("0.4")),
    )
    limits = (Limit("fuse", 3000.0),)
    site = Site("house", "", ZoneInfo("Europe/Paris"), zones, limits, (washer,))
    slots = 192
    history = History(
        NOW_S - slots * 900.0,
        900.0,
        np.full(slots, 800.0),
        np.zeros(slots),
        np.full(slots, 1300.0),
        {"washer": np.full(slots, 500.0)},
        800.0,
    )
    device = Thermostat(1000.0, 0.0, 8000.0)
    return PlanRequest(site, SETTINGS, {"washer": device}, history, NOW_S)


@pytest.fixture
async def planner() -> AsyncIterator[PlannerProcess]:
    found = PlannerProcess(deadline_s=30.0)
    yield found
    await found.close()


def program(source: str) -> tuple[str, ...]:
    return (sys.executable, "-c", source)


async def test_it_plans_one_request_after_another(planner: PlannerProcess) -> None:
    first = await planner.plan(request())
    assert first.state is PlanState.OPTIMAL
    assert first.cost < first.cost_unplanned
    pid = planner._child and planner._child.pid
    second = await planner.plan(replace(request(), now_s=NOW_S + 60.0))
    assert second.made_s == NOW_S + 60.0
    assert planner._child is not None
    assert planner._child.pid == pid


async def test_what_it_cannot_plan_is_told_and_it_goes_on(planner: PlannerProcess) -> None:
    with pytest.raises(PlannerError, match="history ends at"):
        await planner.plan(replace(request(), now_s=NOW_S + 86_400.0))
    with pytest.raises(PlannerError, match="AttributeError"):
        await planner.plan(replace(request(), history="nonsense"))  # type: ignore[arg-type]
    assert (await planner.plan(request())).state is PlanState.OPTIMAL


async def test_one_that_was_killed_is_started_again(planner: PlannerProcess) -> None:
    await planner.plan(request())
    assert planner._child is not None
    os.kill(planner._child.pid, signal.SIGKILL)
    with contextlib.suppress(PlannerError):  # unless its end was noticed before it was asked
        await planner.plan(request())
    assert (await planner.plan(request())).state is PlanState.OPTIMAL


async def test_one_that_is_late_is_given_up() -> None:
    slow = program("import time; time.sleep(1000)")
    planner = PlannerProcess(deadline_s=0.2, program=slow)
    planner._child = await asyncio.create_subprocess_exec(
        *slow, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    pid = planner._child.pid
    with pytest.raises(PlannerLateError):
        await planner.plan(request())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


ANSWERS = "import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write({!r}); sys.stdout.flush()"


@pytest.mark.parametrize(
    "source", ["", ANSWERS.format(b"nonsense"), ANSWERS.format(b"\x04\0\0\0junk")]
)
async def test_one_that_talks_nonsense_or_ends_is_an_error(source: str) -> None:
    planner = PlannerProcess(deadline_s=10.0, program=program(source))
    with pytest.raises(PlannerError):
        await planner.plan(request())
    await planner.close()


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    planner = PlannerProcess(program=(str(tmp_path / "nothing"),))
    with pytest.raises(PlannerError, match="gone"):
        await planner.plan(request())


async def test_it_ends_with_the_gateway(planner: PlannerProcess) -> None:
    await planner.plan(request())
    child = planner._child
    assert child is not None
    assert child.stdin is not None
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), LIMIT_S) == 0


# --- at the right time ---


class FakePlanner:
    """Answers as told."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: PlannerError | None = None
        self.closed = False

    async def plan(self, asked: PlanRequest) -> Plan:
        self.asked += 1
        if self.error:
            raise self.error
        return Plan(asked.now_s, asked.now_s, 900.0, PlanState.OPTIMAL)

    async def close(self) -> None:
        self.closed = True


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_plans_come_every_few_minutes_of_the_site_and_failures_are_told() -> None:
    planner, taken = FakePlanner(), list[Plan | NoPlanMade]()
    clock = [NOW_S]
    metrics = Metrics()
    foresight = Foresight(planner, 300.0, request, taken.append, lambda: clock[0], metrics)
    task = asyncio.create_task(foresight.run())
    await until(lambda: len(taken) == 1)
    clock[0] += 299.0
    await asyncio.sleep(1.2)  # it looks twice a second
    assert planner.asked == 1
    clock[0] += 1.0
    await until(lambda: len(taken) == 2)
    planner.error = PlannerLateError("late")
    clock[0] += 300.0
    await until(lambda: len(taken) == 3)
    planner.error = PlannerError("gone")
    clock[0] -= 4000.0  # a clock that is set back must not stop it for an hour
    await until(lambda: planner.asked == 3)
    await asyncio.sleep(0.6)
    clock[0] += 300.0
    await until(lambda: len(taken) == 4)
    assert taken[2:] == [NoPlanMade(NoPlan.LATE), NoPlanMade(NoPlan.FAILED)]
    assert metrics.plans.labels("failed")._value.get() == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert planner.closed
