"""Random planning problems, small enough to be solved in milliseconds."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from balans.domain.demand.devices import Battery, Cycle, Pump, Thermostat, Vehicle
from balans.domain.demand.plan import Block, Month, Problem, Tariff

HOUR_S = 3600.0


def problem(rest_w: Any, **fields: Any) -> Problem:
    """Return a problem of hours with plain prices; `fields` replace any of its own."""
    rest = np.atleast_2d(np.asarray(rest_w, dtype=np.float64))
    scenarios, count = rest.shape
    given: dict[str, Any] = {
        "start_s": 0.0,
        "hours": np.ones(count),
        "rest_w": rest,
        "weight": np.full(scenarios, 1 / scenarios),
        "buy": np.full(count, 0.3),
        "sell": np.full(count, 0.08),
        "limit_w": np.full(count, np.inf),
        "month": np.zeros(count, dtype=np.int64),
        "months": (Month(),),
        "interval": np.arange(count),
    }
    return Problem(**(given | fields))


@st.composite
def problems(draw: st.DrawFn, *, limited: bool = False) -> Problem:
    """Sites with any of the devices, prices by hour, tiers and a peak."""
    count = draw(st.integers(3, 8))
    scenarios = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rest_w = rng.uniform(-2000, 3000, (scenarios, count)).round()
    devices: dict[str, Any] = {}
    if draw(st.booleans()):
        devices["battery"] = Battery(
            5000, 2000, 2500, draw(st.sampled_from([0.9, 1.0])), rng.uniform(500, 5000), 500
        )
    if draw(st.booleans()):
        leaves = draw(st.integers(1, count))
        devices["car"] = Vehicle(
            0.0, leaves * HOUR_S, draw(st.sampled_from([0.0, 1000.0, 9000.0])), phases=(1,)
        )
    if draw(st.booleans()):
        devices["heat"] = Thermostat(3000, 1500, 1000, rng.uniform(-1000, 1500))
    if draw(st.booleans()):
        devices["wash"] = Cycle((2000.0, 500.0), HOUR_S, 0.0, draw(st.integers(0, 5)) * HOUR_S)
    if draw(st.booleans()):
        devices["pump"] = Pump(800, 1200, 0.0, draw(st.integers(1, count)) * HOUR_S)
    wanted = {"heat": rng.uniform(0, 2000, (scenarios, count)).round()}
    peak = draw(st.sampled_from([0.0, 4.0]))
    return problem(
        rest_w,
        buy=rng.choice([0.2, 0.3, 0.4], count),
        tariff=Tariff((Block(3.0, 0.05),), peak, 3600),
        months=(Month(1000.0, 500.0, draw(st.sampled_from([0.0, 1500.0])), 0.0),),
        limit_w=rng.choice([500.0, 3000.0, np.inf], count) if limited else np.full(count, np.inf),
        devices=devices,
        demand_w={"heat": wanted["heat"]} if "heat" in devices else {},
        now_known=draw(st.booleans()),
    )
