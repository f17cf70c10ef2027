"""Speed of load control: one decision with 2, 50 and 200 loads, and a year of minutes."""

from pathlib import Path

import numpy as np
import pytest
from benchmarks.house_year import write_year
from pytest_benchmark.fixture import BenchmarkFixture

from balans.core.words import LoadClass
from balans.domain.demand import Allowed, Load, LoadState, Observation, decide

Case = tuple[tuple[Load, ...], tuple[LoadState, ...], Observation, Allowed]
STEP_S = 60.0


def busy_case(count: int, seed: int = 1) -> Case:
    """Return loads in the middle of an overload: some off, some catching up, many turns to take."""
    rng = np.random.default_rng(seed)
    loads = tuple(
        Load(f"load{i}", (LoadClass.YELLOW, LoadClass.GREEN)[i % 3 == 0], float(rated))
        for i, rated in enumerate(rng.uniform(300, 3000, count))
    )
    states: tuple[LoadState, ...] = tuple(LoadState() for _ in loads)
    allowed = Allowed(0.4 * sum(load.rated_w for load in loads), "transformer")
    seen = observe(loads, states, rng, 1)
    for step in range(2, 40):
        states, _ = decide(loads, states, seen, allowed)
        seen = observe(loads, states, rng, step)
    return loads, states, seen, allowed


def observe(
    loads: tuple[Load, ...], states: tuple[LoadState, ...], rng: np.random.Generator, step: int
) -> Observation:
    wants = rng.random(len(loads)) < 0.6
    drawn = tuple(
        load.rated_w if state.on and (state.owed_wh > 0 or want) else 0.0
        for load, state, want in zip(loads, states, wants, strict=True)
    )
    rest_w = rng.uniform(0.0, 0.2) * sum(load.rated_w for load in loads)
    time_s = step * STEP_S
    return Observation(time_s, STEP_S, time_s, rest_w + sum(drawn), drawn, low_w=0.0)


@pytest.mark.parametrize("count", [2, 50, 200])
def test_decision_in_an_overload(benchmark: BenchmarkFixture, count: int) -> None:
    loads, states, seen, allowed = busy_case(count)
    _, decision = benchmark(decide, loads, states, seen, allowed)
    assert decision.allowed_w == allowed.power_w


@pytest.mark.parametrize("count", [2, 50, 200])
def test_decision_when_quiet(benchmark: BenchmarkFixture, count: int) -> None:
    loads, _, _, allowed = busy_case(count)
    quiet = tuple(LoadState() for _ in loads)
    seen = Observation(60.0, STEP_S, 60.0, 0.0, (0.0,) * count)
    states, decision = benchmark(decide, loads, quiet, seen, allowed)
    assert not decision.actions
    assert states == quiet


def test_year_of_minutes(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """From reading the files to writing trace, summary and plots: 527,040 steps, two loads."""
    from balans.cli.simulate import site

    file = write_year(tmp_path, kw=4.0)
    benchmark.pedantic(  # type: ignore[no-untyped-call]  # the library has no types
        site, kwargs={"file": file, "out": tmp_path / "out"}, rounds=2, warmup_rounds=0
    )
    assert (tmp_path / "out" / "plot.png").exists()
