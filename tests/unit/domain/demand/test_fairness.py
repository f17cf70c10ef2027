"""The ledger, turns by deficit, and Jain's index."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand.fairness import (
    as_mapping,
    credits_wh,
    empty_ledger,
    enter,
    from_mapping,
    jain,
    jain_of_loads,
    jain_of_nodes,
    node_given_kwmin,
)
from balans.domain.demand.model import Allowed, Load, LoadState, Node, Observation, Recover
from balans.domain.demand.reflex import Guidance, decide_tree
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import make_tree


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_jain_lies_between_one_of_all_and_one(values: list[float]) -> None:
    assert 1 / len(values) - 1e-9 <= jain(values) <= 1 + 1e-9


def test_what_is_held_back_is_entered_and_lasts() -> None:
    load = Load("heater", LoadClass.YELLOW, 2000.0)
    off = replace(LoadState(), on=False, demand_w=1500.0)
    ledger = empty_ledger([load])
    for number in range(10):
        ledger = enter(ledger, [off], Observation(number * 60.0, 60.0, 0.0, 0.0, (0.0,)))
    assert ledger.given_kwmin == {"heater": pytest.approx(15.0)}
    kept = from_mapping(as_mapping(ledger))
    assert as_mapping(kept) == as_mapping(ledger)
    again = empty_ledger([replace(load, name="new"), load], kept)
    assert again.given_kwmin == {"new": 0.0, "heater": pytest.approx(15.0)}


def test_a_held_low_load_gives_what_it_would_have_drawn_beyond() -> None:
    low = replace(LoadState(), setpoint_w=1400.0, demand_w=3000.0)
    free = LoadState(demand_w=500.0)
    loads = [Load("car", LoadClass.GREEN, 3700.0), Load("tv", LoadClass.RED, 100.0)]
    ledger = enter(
        empty_ledger(loads), [low, free], Observation(60.0, 60.0, 0.0, 0.0, (1400.0, None))
    )
    assert ledger.given_kwmin == {"car": pytest.approx(1.6), "tv": 0.0}
    assert ledger.drawn.tolist() == [84_000.0, 30_000.0]


def run(with_ledger: bool, days: int = 2) -> tuple[float, float, dict[str, float]]:  # noqa: FBT001
    """Run flats that want much and little in a shortage; return indices and what was given."""
    rng = np.random.default_rng(3)
    nodes = [Node(f"f{n}") for n in range(8)]
    loads = tuple(
        Load(f"f{n}.{k}", LoadClass.YELLOW, 1000.0, 900.0, 120.0, Recover.LOSE, node=f"f{n}")
        for n in range(8)
        for k in range(3)
    )
    fleet = Fleet(loads, make_tree(nodes))
    free = Allowed(float("inf"))
    total_w = sum(load.rated_w for load in loads)
    limits = NodeLimits(fleet.tree, (Allowed(0.35 * total_w, "transformer"), *[free] * 8))
    wanting = np.repeat(np.linspace(0.1, 0.8, 8), 3)
    states, ledger = (LoadState(),) * len(loads), empty_ledger(loads)
    for number in range(1, days * 1440, 5):
        drawn = tuple(
            load.rated_w if state.on and (state.owed_wh > 0 or rng.random() < share) else 0.0
            for load, state, share in zip(loads, states, wanting, strict=True)
        )
        seen = Observation(number * 60.0, 60.0, 0.0, sum(drawn), drawn)
        ledger = enter(ledger, states, seen)
        guidance = Guidance(credit_wh=credits_wh(ledger, fleet) if with_ledger else {})
        states, _ = decide_tree(fleet, states, seen, limits, guidance)
    nodes_index = jain_of_nodes(ledger, fleet)
    assert nodes_index is not None
    return jain_of_loads(ledger, loads), nodes_index, node_given_kwmin(ledger, fleet)


def test_turns_by_deficit_are_fairer_to_small_flats_than_turns_by_energy() -> None:
    loads, flats, given = run(with_ledger=True)
    _, other_flats, _ = run(with_ledger=False)
    assert flats > 0.9
    assert loads > 0.8
    assert flats > other_flats + 0.02
    assert given[""] == pytest.approx(sum(given[f"f{n}"] for n in range(8)))


def test_a_single_flat_has_no_index() -> None:
    fleet = Fleet((Load("a", LoadClass.GREEN, 1.0),), make_tree([]))
    assert jain_of_nodes(empty_ledger(fleet.loads), fleet) is None
