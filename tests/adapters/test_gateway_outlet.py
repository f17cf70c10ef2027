"""Control goes on whatever the way to the server does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.unit.usecases.control_bench import HEATER, KITCHEN, Actuators, site_of
from typing_extensions import override

from balans.adapters.clock import SystemClock
from balans.gateway.keep import Files
from balans.gateway.metrics import Metrics
from balans.gateway.outlet import Outlet
from balans.gateway.scribe import Scribe
from balans.gateway.site_control import SiteControl
from balans.protocols import hub, module
from balans.protocols.hub import PlanReport, PlanState
from balans.protocols.module import PowerSample, Query, Switch
from balans.usecases.run_load_control import LoadControl

LIMIT_S = 10.0
REFLEX_S = 1.5


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


class WallClock(SystemClock):
    speed = 1.0


def now_s() -> float:
    return SystemClock().now().timestamp()


class FakeLink:
    """A broker that takes messages, those under `stuck` only when it is let."""

    def __init__(self, *stuck: str) -> None:
        self.connected = True
        self.stuck = stuck
        self.flows = asyncio.Event()
        self.begun: list[tuple[str, bytes]] = []
        self.taken: list[tuple[str, bytes]] = []

    async def publish(self, topic: str, payload: bytes, qos: int = 0) -> bool:  # noqa: ARG002
        self.begun.append((topic, payload))
        if topic in self.stuck:
            await self.flows.wait()
        self.taken.append((topic, payload))
        return True

    def to(self, topic: str) -> list[bytes]:
        return [payload for at, payload in self.taken if at == topic]


class FakeRecorder:
    async def record(self, entries: object) -> None:
        pass


class House(FakeLink):
    """The site bus with actuators that obey."""

    def __init__(self) -> None:
        super().__init__()
        self.actuators = Actuators()
        self.switches: list[Switch] = []
        self.control: SiteControl | None = None

    @override
    async def publish(self, topic: str, payload: bytes, qos: int = 0) -> bool:
        assert self.control is not None
        message = module.decode(payload)
        if isinstance(message, Switch):
            self.switches.append(message)
            self.control.take(self.actuators.obey(message, now_s()))
        if isinstance(message, Query):
            self.control.take(self.actuators.state("heater", now_s()))
        return await super().publish(topic, payload, qos)


TOPICS = module.Topics("house"), hub.Topics("hub")


@contextlib.asynccontextmanager
async def at_work(tmp_path: Path, server: FakeLink) -> AsyncIterator[House]:
    house, metrics = House(), Metrics()
    control = LoadControl(site_of(HEATER, KITCHEN), lambda: f"id{time.time_ns()}", now_s())
    scribe = Scribe(FakeRecorder(), Files.within(tmp_path), metrics)  # type: ignore[arg-type]
    house.control = SiteControl(control, WallClock(), TOPICS, scribe, metrics)
    jobs = [
        asyncio.ensure_future(scribe.run()),
        asyncio.ensure_future(house.control.run(house, server)),  # type: ignore[arg-type]
    ]
    try:
        yield house
        assert not any(job.done() for job in jobs)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await house.control.close()


def measure(house: House, seq: int, site_w: float) -> None:
    assert house.control is not None
    drawn = {"heater": 2000.0, "kitchen": site_w - 2000.0}
    house.control.take(PowerSample(seq, now_s(), 1.0, site_w, drawn))


@pytest.mark.parametrize("stuck", ["plan", "status"])
async def test_an_overload_is_shed_while_the_server_takes_nothing(
    tmp_path: Path, stuck: str
) -> None:
    topic = {"plan": TOPICS[1].plan, "status": TOPICS[1].status}[stuck]
    server = FakeLink(topic)
    async with at_work(tmp_path, server) as house:
        assert house.control is not None
        house.control.board.show_plan(PlanReport(now_s(), state=PlanState.NONE))
        house.control.tell_plan_again()
        measure(house, 1, 2500.0)
        await until(lambda: any(at == topic for at, _ in server.begun))
        began_s = time.monotonic()
        measure(house, 2, 4500.0)
        await until(lambda: house.switches)
        assert time.monotonic() - began_s < REFLEX_S
        assert (house.switches[0].load, house.switches[0].on) == ("heater", False)


async def test_of_what_waits_only_the_newest_is_sent() -> None:
    link, outlet = FakeLink("t"), Outlet("t", qos=1)
    for number in range(5):
        outlet.put(link, b"%d" % number)  # type: ignore[arg-type]
        await asyncio.sleep(0)
    assert [payload for _, payload in link.begun] == [b"0"]
    link.flows.set()
    await until(lambda: len(link.taken) == 2)
    assert link.to("t") == [b"0", b"4"]
    await outlet.close()


async def test_one_that_fails_does_not_stop_the_next() -> None:
    class Broken(FakeLink):
        @override
        async def publish(self, topic: str, payload: bytes, qos: int = 0) -> bool:
            if payload == b"bad":
                raise ValueError("too large")
            return await super().publish(topic, payload, qos)

    link, outlet = Broken(), Outlet("t")
    outlet.put(link, b"bad")  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    outlet.put(link, b"good")  # type: ignore[arg-type]
    await until(lambda: link.to("t") == [b"good"])
    await outlet.close()


async def test_what_is_stuck_ends_with_the_gateway() -> None:
    link, outlet = FakeLink("t"), Outlet("t")
    outlet.put(link, b"0")  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(LIMIT_S):
        await outlet.close()
    assert link.taken == []
