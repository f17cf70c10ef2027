"""Numbers of beats: larger than all before them, whatever clocks and databases do."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.adapters.response_events import NOW

from balans.core.errors import UnavailableError
from balans.headend import beats
from balans.headend.beats import BeatNumbers
from balans.storage.registry import apply_plan
from balans.storage.response_beats import take_numbers
from balans.usecases.registry_plan import RegistryPlan

WALL_MS = int(NOW.timestamp() * 1000)
HOUR_MS = 3_600_000


@dataclass
class Shared:
    """A database for several head-ends: what it gives out only grows."""

    counts: dict[int, int] = field(default_factory=dict)
    away: bool = False
    hangs: bool = False

    async def call(self, _function: Any, least: Mapping[int, int]) -> dict[int, int]:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.away:
            raise UnavailableError("database: away")
        for tenant, number in least.items():
            self.counts[tenant] = max(self.counts.get(tenant, -1) + 1, number)
        return {tenant: self.counts[tenant] for tenant in least}


@dataclass
class Clocks:
    """The clock of a head-end [ms], and one that only goes on [s]."""

    ms: int = WALL_MS
    steady_s: float = 0.0

    def go_on(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)
        self.steady_s += seconds

    def numbers(self, shared: Shared) -> BeatNumbers:
        return BeatNumbers(shared, lambda: self.ms, lambda: self.steady_s)  # type: ignore[arg-type]


async def test_a_restart_with_a_clock_that_was_set_back_counts_on() -> None:
    shared, clocks = Shared(), Clocks()
    before = (await clocks.numbers(shared).next([1]))[1]
    assert before == WALL_MS
    clocks.ms -= HOUR_MS
    restarted = clocks.numbers(shared)
    told = [(await restarted.next([1]))[1] for _ in range(3)]
    assert told == sorted(told)
    assert told[0] > before


async def test_a_clock_that_jumps_forward_and_back_does_no_harm() -> None:
    shared, clocks = Shared(), Clocks(WALL_MS + 10 * 365 * 24 * HOUR_MS)
    numbers = clocks.numbers(shared)
    ahead = (await numbers.next([1]))[1]
    clocks.ms = WALL_MS
    assert (await numbers.next([1]))[1] > ahead
    assert (await clocks.numbers(shared).next([1]))[1] > ahead


async def test_head_ends_beside_each_other_are_all_heard() -> None:
    """One whose clock is an hour behind is not taken for a replay, also once it is alone."""
    shared, ahead, behind = Shared(), Clocks(), Clocks(WALL_MS - HOUR_MS)
    one, other = ahead.numbers(shared), behind.numbers(shared)
    told = []
    for who in (one, other, one, other, other, other):
        for clock in (ahead, behind):
            clock.go_on(30.0)
        told.append((await who.next([1]))[1])
    assert told == sorted(set(told))


async def test_beats_go_on_while_the_database_is_away() -> None:
    """The one that counted by the clock of the other goes on at its pace, and falls not behind."""
    shared, ahead, behind = Shared(), Clocks(), Clocks(WALL_MS - HOUR_MS)
    one, other = ahead.numbers(shared), behind.numbers(shared)
    last = (await one.next([1]))[1]
    last = max(last, (await other.next([1]))[1])
    shared.away = True
    for _ in range(5):
        for clock in (ahead, behind):
            clock.go_on(30.0)
        number = (await other.next([1]))[1]  # the other one has died
        assert number > last
        last = number
    shared.away = False
    assert (await other.next([1]))[1] > last
    assert (await behind.numbers(shared).next([1]))[1] > last


async def test_a_database_that_hangs_holds_up_no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "PATIENCE_S", 0.01)
    shared, clocks = Shared(hangs=True), Clocks()
    numbers = clocks.numbers(shared)
    told = []
    for _ in range(3):
        async with asyncio.timeout(1):
            told.append((await numbers.next([1]))[1])
        clocks.go_on(30.0)
    assert told == sorted(set(told))
    shared.hangs = False
    assert await numbers.next([]) == {}


def test_the_database_gives_each_tenant_numbers_that_only_grow(
    store: None,  # noqa: ARG001  (a fixture)
    plan: RegistryPlan,
) -> None:
    tenant = apply_plan(plan).tenant_id
    assert take_numbers({tenant: 100}) == {tenant: 100}
    assert take_numbers({tenant: 100}) == {tenant: 101}
    assert take_numbers({tenant: 5}) == {tenant: 102}
    assert take_numbers({tenant: 2**53}) == {tenant: 2**53}
    assert take_numbers({}) == {}
