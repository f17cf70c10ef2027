"""A plan that is made in the middle of a slot keeps to the slots of the clock."""

import numpy as np
import pytest
from tests.unit.domain.demand.plan.problems import problem

from balans.core.words import LoadClass
from balans.domain.demand.devices import Pump
from balans.domain.demand.model import Load
from balans.domain.demand.plan import solve
from balans.domain.demand.plan.solve import proposals

SLOT_S = 900.0


@pytest.mark.parametrize("made_s", [0.0, 600.0, 899.0])
def test_the_first_slot_began_where_the_clock_says(made_s: float) -> None:
    """The pump waits for the cheap second slot, which begins at 900 s whenever it is planned."""
    hours = np.full(4, 0.25)
    hours[0] = (SLOT_S - made_s) / 3600
    planned = problem(
        np.zeros(4),
        start_s=made_s,
        hours=hours,
        buy=np.array([0.3, 0.1, 0.3, 0.3]),
        devices={"pump": Pump(800.0, 200.0, 0.0, 4 * SLOT_S)},
    )
    plan = solve(planned, made_s, SLOT_S)
    assert plan.start_s == pytest.approx(0.0)
    loads = [Load("pump", LoadClass.GREEN, 800.0)]
    held = {
        at_s: [one.power_w for one in proposals(plan, loads, at_s)]
        for at_s in (made_s, 899.9, 900.0, 1799.0, 1800.0)
    }
    assert held[899.9] == [0.0]
    assert held[900.0] == held[1799.0] == []
    assert held[1800.0] == [0.0]
