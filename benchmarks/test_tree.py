"""Speed of the reflex on a tree: 10,000 loads in the middle of an overload at several levels."""

from collections import Counter

import numpy as np
import pytest
from benchmarks.tree_town import make_town, observe, run_up
from pytest_benchmark.fixture import BenchmarkFixture

from balans.domain.demand.model import Decision
from balans.domain.demand.reflex import decide_table
from balans.domain.demand.table import StateTable

STEPS = 12
ROUNDS = 60


@pytest.mark.parametrize("with_phases", [False, True], ids=["power", "power_and_phases"])
def test_a_town_in_an_overload(benchmark: BenchmarkFixture, *, with_phases: bool) -> None:
    """The same pass again and again, from arrays to arrays and actions."""
    town = make_town(with_phases=with_phases)
    states, seen = run_up(town, STEPS)
    _, decision = benchmark.pedantic(  # type: ignore[no-untyped-call]
        decide_table, (town.fleet, states, seen, town.limits), rounds=ROUNDS, warmup_rounds=3
    )
    _tell(decision)
    levels = {action.node.count("r") + action.node.count("f") for action in decision.actions}
    assert len(levels) >= 3  # the overload is one at several levels


def test_a_town_through_an_evening(benchmark: BenchmarkFixture) -> None:
    """An hour in which demand rises and falls: every pass another, each measured."""
    town = make_town()
    shares = iter(np.r_[np.linspace(0.05, 0.16, 40), np.linspace(0.16, 0.05, 40)].tolist())
    kept = [StateTable.fresh(len(town.fleet))]
    number = iter(range(1, 100))

    def next_pass() -> tuple[tuple[object, ...], dict[str, object]]:
        seen = observe(town, kept[0], next(number), next(shares))
        return (town.fleet, kept[0], seen, town.limits), {}

    def run(*args: object) -> Decision:
        kept[0], decision = decide_table(*args)  # type: ignore[arg-type]
        return decision

    decision = benchmark.pedantic(run, setup=next_pass, rounds=80)  # type: ignore[no-untyped-call]
    assert len(decision.nodes) == len(town.fleet.tree)


def _tell(decision: Decision) -> None:
    count = Counter(f"{action.reason} by {action.limit}" for action in decision.actions)
    print(f"\n{len(decision.actions)} actions: {dict(count)}")
