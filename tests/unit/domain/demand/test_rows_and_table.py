"""Single rows and the table of arrays decide the same, whatever the tree, the loads and the day."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.demand.trees import Plant, random_fleet, random_limits

from balans.domain.demand.model import Decision, Hold, LoadState, Proposal
from balans.domain.demand.reflex import Guidance, decide_table, decide_tree
from balans.domain.demand.table import StateTable


def told(decision: Decision) -> dict[str, tuple[object, ...]]:
    return {
        a.load: (a.on, a.reason, a.limit, a.node, round(a.effect_w, 3)) for a in decision.actions
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), with_phases=st.booleans())
def test_both_decide_the_same(seed: int, *, with_phases: bool) -> None:
    rng = np.random.default_rng(seed)
    fleet = random_fleet(rng)
    limits = random_limits(fleet, rng, with_phases=with_phases)
    plant = Plant(fleet, rng)
    states: tuple[LoadState, ...] = (LoadState(),) * len(fleet)
    table = StateTable.of(states)
    for number in range(1, 30):
        plant.draw(states)
        seen = plant.observe(number * 60.0)
        guidance = Guidance()
        if rng.random() < 0.3:
            load = fleet.loads[int(rng.integers(len(fleet)))]
            power_w = float(rng.choice([0.0, 0.5, 1.0])) * load.rated_w
            guidance = Guidance((Proposal(load.name, power_w, seen.time_s + 90),))
        if rng.random() < 0.1:
            place = int(rng.integers(len(fleet)))
            hold = Hold(bool(rng.random() < 0.5), seen.time_s + 300)
            table.holds[place] = hold
            kept = list(states)
            kept[place] = replace(kept[place], hold=hold)
            states = tuple(kept)
        states, one = decide_tree(fleet, states, seen, limits, guidance)
        table, other = decide_table(fleet, table, seen, limits, guidance)
        assert told(one) == told(other)
        for mine, theirs in zip(states, table.states(), strict=True):
            assert (mine.on, mine.since_s, mine.hold) == (theirs.on, theirs.since_s, theirs.hold)
            assert mine.setpoint_w == pytest.approx(theirs.setpoint_w, abs=1e-3)
            assert mine.owed_wh == pytest.approx(theirs.owed_wh, abs=1e-3)
            assert mine.fits_since_s == theirs.fits_since_s
        for view, same in zip(one.nodes, other.nodes, strict=True):
            assert view.headroom_w == pytest.approx(same.headroom_w, abs=1e-3)
