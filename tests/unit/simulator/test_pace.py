"""The town's clock: steps with the boundaries, or runs between them, and never runs away."""

import asyncio

import pytest

from balans.simulator.pace import Pace


class Told:
    """Remembers what the clock was set to."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def __call__(self, now_s: float, speed: float) -> None:
        self.times.append((now_s, speed))


@pytest.fixture
def told() -> Told:
    return Told()


class Wall:
    """A wall clock that the test moves."""

    now_s = 50.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    clock = Wall()
    monkeypatch.setattr("balans.simulator.pace._wall_s", lambda: clock.now_s)
    return clock


def test_at_full_speed_the_clock_stands_between_boundaries(told: Told, wall: Wall) -> None:
    pace = Pace(None, told)
    pace.begin(600.0)
    wall.now_s += 7
    assert pace.clock_s(600.0) == 600.0
    pace.boundary(660.0)
    pace.end(660.0)
    assert told.times == [(600.0, 0.0), (660.0, 0.0), (660.0, 0.0)]


def test_a_slow_clock_runs_by_itself(told: Told, wall: Wall) -> None:
    pace = Pace(60.0, told)
    pace.begin(600.0)
    wall.now_s += 0.5
    assert pace.clock_s(600.0) == 630.0
    wall.now_s += 0.6
    pace.boundary(660.0)
    assert pace.clock_s(660.0) == pytest.approx(666.0)
    assert told.times == [(600.0, 60.0)]


def test_a_fast_clock_steps(told: Told, wall: Wall) -> None:
    pace = Pace(600.0, told)
    pace.begin(600.0)
    wall.now_s += 0.05
    assert pace.clock_s(600.0) == 600.0
    pace.boundary(660.0)
    assert told.times == [(600.0, 0.0), (660.0, 0.0)]


def test_it_changes_between_steps_and_a_running_clock(told: Told, wall: Wall) -> None:
    pace = Pace(None, told)
    pace.begin(600.0)
    pace.change(None, 600.0)
    pace.change(60.0, 660.0)
    wall.now_s += 0.5
    assert pace.clock_s(660.0) == 690.0
    pace.change(None, 720.0)
    assert pace.clock_s(720.0) == 720.0
    assert told.times == [(600.0, 0.0), (660.0, 60.0), (720.0, 0.0)]


def test_after_the_computer_slept_it_goes_on_from_where_it_was(told: Told, wall: Wall) -> None:
    pace = Pace(60.0, told)
    pace.begin(600.0)
    wall.now_s += 3_600
    pace.boundary(660.0)
    assert told.times[-1] == (660.0, 60.0)
    assert pace.clock_s(660.0) == 660.0


async def test_rest_lasts_until_the_boundary_is_due(told: Told) -> None:
    loop = asyncio.get_running_loop()
    pace, stop = Pace(600.0, told), asyncio.Event()
    pace.begin(0.0)
    began_s = loop.time()
    await pace.rest(0.0, stop)
    assert 0.09 < loop.time() - began_s < 5


async def test_rest_ends_when_stopped(told: Told) -> None:
    pace, stop = Pace(1.0, told), asyncio.Event()
    pace.begin(0.0)
    stop.set()
    async with asyncio.timeout(5):
        await pace.rest(0.0, stop)


async def test_at_full_speed_there_is_no_rest(told: Told) -> None:
    pace = Pace(None, told)
    pace.begin(0.0)
    async with asyncio.timeout(1):
        for _ in range(1000):
            await pace.rest(0.0, asyncio.Event())
