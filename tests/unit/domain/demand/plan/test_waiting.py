"""A load that waits: it is served in time, and nothing is gained by putting it off for good."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.demand.plan.problems import HOUR_S, problem

from balans.domain.demand.devices import Battery, Thermostat
from balans.domain.demand.plan import Block, Month, PlanState, Problem, Tariff, solve

NEAR_WH = 1.0
WANTED_W = 500.0


def waiting(owed_wh: float = 0.0, **fields: object) -> Thermostat:
    return Thermostat(2000.0, 0.0, 48_000.0, -owed_wh, **fields)  # type: ignore[arg-type]


def behind_wh(case: Problem) -> np.ndarray:
    """Return how far the load called ``wash`` is behind at the end of each slot."""
    plan = solve(case, 0.0, HOUR_S, 20.0)
    assert plan.state is PlanState.OPTIMAL
    planned = plan.load("wash")
    device = case.devices["wash"]
    assert planned is not None
    assert isinstance(device, Thermostat)
    wanted_w = case.weight @ case.demand_w["wash"]
    found: np.ndarray = -device.level_wh + np.cumsum(wanted_w - np.array(planned.power_w))
    return found


def case_of(wash: Thermostat, buy: list[float], wanted_w: float = WANTED_W) -> Problem:
    count = len(buy)
    return problem(
        np.full(count, 300.0),
        buy=np.array(buy),
        devices={"wash": wash},
        demand_w={"wash": np.full((1, count), wanted_w)},
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 6))
def test_what_is_wanted_is_drawn_within_the_delay(seed: int, delay_h: int, until_h: int) -> None:
    rng = np.random.default_rng(seed)
    count, owed_wh = 10, float(rng.uniform(0, 1500))
    wash = waiting(owed_wh, delay_s=delay_h * HOUR_S, owed_until_s=until_h * HOUR_S)
    case = problem(
        rng.uniform(-500, 500, (2, count)),
        buy=rng.choice([0.1, 0.2, 0.4], count),
        devices={"wash": wash},
        demand_w={"wash": rng.uniform(0, 900, (2, count))},
    )
    wanted_wh = np.cumsum(case.weight @ case.demand_w["wash"])
    before_wh = np.concatenate((np.zeros(delay_h), wanted_wh))[:count]
    still_owed = owed_wh * (np.arange(1, count + 1) <= until_h)
    late = behind_wh_or_told(case) - (wanted_wh - before_wh + still_owed)
    assert late.max() <= NEAR_WH


def behind_wh_or_told(case: Problem) -> np.ndarray:
    """Return `behind_wh`, less what the plan tells that it cannot serve in time."""
    plan = solve(case, 0.0, HOUR_S, 20.0)
    planned, device = plan.load("wash"), case.devices["wash"]
    assert planned is not None
    assert isinstance(device, Thermostat)
    wanted_w = case.weight @ case.demand_w["wash"]
    told_wh = sum(item.energy_wh for item in plan.unmet)
    found: np.ndarray = -device.level_wh + np.cumsum(wanted_w - np.array(planned.power_w)) - told_wh
    return found


@pytest.mark.parametrize("due_h", [2, 5, 8])
def test_nothing_is_owed_at_the_deadline_though_it_is_cheaper_afterwards(due_h: int) -> None:
    buy = [0.4] * due_h + [0.1] * (8 - due_h) + [0.1] * 2
    behind = behind_wh(case_of(waiting(700.0, due_s=(due_h * HOUR_S,)), buy))
    assert behind[due_h - 1] == pytest.approx(0.0, abs=NEAR_WH)


def test_it_waits_for_the_cheap_hours_before_its_deadline() -> None:
    buy = [0.4] * 3 + [0.1] * 3 + [0.4] * 2
    behind = behind_wh(case_of(waiting(due_s=(6 * HOUR_S,)), buy))
    assert behind[2] == pytest.approx(3 * WANTED_W, abs=NEAR_WH)
    assert behind[5] == pytest.approx(0.0, abs=NEAR_WH)


def test_where_every_hour_costs_the_same_putting_off_saves_nothing() -> None:
    case = problem(
        np.full(6, 300.0),
        tariff=Tariff((Block(2.0, 0.1),)),
        devices={"wash": waiting(delay_s=HOUR_S)},
        demand_w={"wash": np.full((1, 6), WANTED_W)},
    )
    plan = solve(case, 0.0, HOUR_S, 20.0)
    assert plan.cost == pytest.approx(plan.cost_unplanned, abs=1e-3)
    assert behind_wh(case)[-1] == pytest.approx(0.0, abs=NEAR_WH)


def test_dear_hours_at_the_end_are_not_put_off_beyond_it() -> None:
    """Cheap hours would come, but the plan does not see them: it does not count on them."""
    case = case_of(waiting(), [0.1] * 4 + [0.4] * 4)
    plan = solve(case, 0.0, HOUR_S, 20.0)
    assert behind_wh(case)[-1] == pytest.approx(0.0, abs=NEAR_WH)
    assert plan.cost == pytest.approx(plan.cost_unplanned, abs=1e-3)


def test_what_is_owed_would_be_given_back_at_once_without_a_plan() -> None:
    case = case_of(waiting(1800.0), [0.4, 0.4, 0.1, 0.1])
    plan = solve(case, 0.0, HOUR_S, 20.0)
    planned = plan.load("wash")
    assert planned is not None
    assert planned.unplanned_w == pytest.approx([2000.0, 800.0, 500.0, 500.0])
    energy_kwh = (1.8 + 4 * WANTED_W / 1000, 4 * 0.3)
    assert plan.cost == pytest.approx(0.1 * energy_kwh[0] + 0.3 * 2 * 0.5, abs=1e-3)
    assert plan.cost_unplanned == pytest.approx(0.4 * 2.8 + 0.1 * 1.0 + 0.3 * 2 * 0.5, abs=1e-3)


def test_a_reserve_is_kept_where_peaks_are_priced_and_only_there() -> None:
    """What is left is worth a little less than now, so the battery would give what it has."""
    levels = {}
    for peak_price in (0.0, 4.0):
        case = problem(
            np.full(6, 700.0),
            tariff=Tariff((), peak_price),
            months=(Month(peak_w=2000.0),),
            devices={"battery": Battery(5000, 2000, 2000, 1.0, 3000.0, 500.0, value_per_kwh=0.298)},
            reserve_wh=1500.0,
        )
        plan = solve(case, 0.0, HOUR_S, 20.0)
        levels[peak_price] = min(dict(plan.soc_wh)["battery"][:-1])
    # A flat course is worth something too, so a little of the reserve may be given.
    assert levels[4.0] > 1500.0 + NEAR_WH
    assert levels[0.0] < 1500.0 - NEAR_WH
