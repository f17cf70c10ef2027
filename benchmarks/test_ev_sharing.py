"""Speed of sharing current among vehicles: a pod tree with single and three phases."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from balans.domain.demand.ev_rows import Rows, Station, tree_rows
from balans.domain.demand.ev_sharing import Charging, share_current
from balans.domain.demand.model import Limit, Node

STEP_S = 300.0
PODS = 6


def garage(count: int, seed: int = 1) -> tuple[Charging, Rows]:
    """Return vehicles that want more than there is, a third of them on one phase."""
    rng = np.random.default_rng(seed)
    stations = [
        Station(f"s{i}", f"pod-{i % PODS}", (1, 2, 3) if i % 3 else (1 + i % 2,))
        for i in range(count)
    ]
    nodes = [Node("garage"), *(Node(f"pod-{pod}", "garage") for pod in range(PODS))]
    limits = [Limit("garage", count * 1500.0, node="garage", phase_a=count * 3.0)]
    limits += [
        Limit(f"pod-{pod}", float("inf"), node=f"pod-{pod}", phase_a=count * 0.9)
        for pod in range(PODS)
    ]
    asked_wh = rng.uniform(4_000, 30_000, count)
    cars = Charging(
        left_s=rng.uniform(1, 10, count) * 3600,
        energy_wh=asked_wh * rng.uniform(0.2, 1, count),
        asked_wh=asked_wh,
        watt_per_a=np.array([station.watt_per_a for station in stations]),
        max_a=np.full(count, 32.0),
        min_a=np.full(count, 6.0),
        step_a=np.ones(count),
    )
    return cars, tree_rows(stations, nodes, limits)


@pytest.mark.parametrize("count", [30, 300])
def test_share_current(benchmark: BenchmarkFixture, count: int) -> None:
    cars, rows = garage(count)
    current = benchmark(share_current, cars, rows, STEP_S)
    assert np.all(rows.load(current) <= rows.limit * (1 + 1e-9))
    assert current.sum() > 0
