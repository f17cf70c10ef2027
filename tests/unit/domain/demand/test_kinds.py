"""Kinds of loads, phases and proposals of the planner, case by case."""

from dataclasses import replace

import pytest

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    Allowed,
    Load,
    LoadKind,
    LoadState,
    Node,
    Observation,
    Proposal,
    Reason,
    Recover,
)
from balans.domain.demand.reflex import Guidance, decide, decide_tree
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import make_tree

INFINITE = float("inf")
LIMIT = Allowed(4000.0, "contract")
HEATER = Load("heater", LoadClass.YELLOW, 2000.0)
BATTERY = Load(
    "battery", LoadClass.GREEN, 3000.0, kind=LoadKind.MODULATING, min_w=-3000.0, max_w=3000.0,
    recover=Recover.LOSE,
)  # fmt: skip
WASHER = Load("washer", LoadClass.GREEN, 2000.0, kind=LoadKind.CYCLE, deadline_s=7 * 3600)
CAR = Load("car", LoadClass.GREEN, 3680.0, kind=LoadKind.MODULATING, min_w=1380.0, max_w=3680.0)
PV = Load("pv", LoadClass.GREEN, 0.0, kind=LoadKind.MODULATING, min_w=-5000.0)
FREE = LoadState()


def seen(
    site_w: float | None,
    *load_w: float | None,
    time_s: float = 3600.0,
    unrest_w: float | None = None,
) -> Observation:
    return Observation(time_s, 60.0, time_s % 86_400, site_w, load_w, unrest_w=unrest_w)


def test_a_battery_discharges_before_anyone_is_shed_and_is_never_stopped() -> None:
    pair = (HEATER, BATTERY)
    states, decision = decide(pair, (FREE, FREE), seen(6000.0, 2000.0, 500.0), LIMIT)
    assert states[0].on
    assert states[1].setpoint_w == pytest.approx(-1500.0)
    assert decision.headroom_w == pytest.approx(0.0)
    held = (FREE, replace(FREE, setpoint_w=-3000.0, demand_w=0.0))
    states, _ = decide(pair, held, seen(9000.0, 2000.0, -3000.0), LIMIT)
    assert (states[0].on, states[1].on) == (False, True)


def test_a_battery_is_let_free_once_what_it_did_before_fits() -> None:
    state = replace(FREE, setpoint_w=-1500.0, demand_w=500.0, fits_since_s=0.0)
    states, _ = decide((BATTERY,), (state,), seen(1000.0, -1500.0), LIMIT)
    assert states[0].setpoint_w is None
    tight = replace(LIMIT, power_w=1500.0)
    states, _ = decide((BATTERY,), (state,), seen(1000.0, -1500.0), tight)
    assert states[0].setpoint_w == pytest.approx(-1000.0)


def test_production_is_no_battery() -> None:
    states, decision = decide((PV,), (FREE,), seen(6000.0, -1000.0), LIMIT)
    assert states == (FREE,)
    assert not decision.actions


def test_a_cycle_is_delayed_but_never_cut() -> None:
    running, soaking, idle = (seen(6000.0, power_w) for power_w in (1500.0, 60.0, 3.0))
    assert decide((WASHER,), (FREE,), running, LIMIT)[0][0].on
    assert decide((WASHER,), (FREE,), soaking, LIMIT)[0][0].on
    states, decision = decide((WASHER,), (FREE,), idle, LIMIT)
    assert not states[0].on
    assert decision.actions[0].effect_w == pytest.approx(-3.0)


def test_a_cycle_may_start_by_its_latest_start_whatever_the_limit() -> None:
    off = replace(FREE, on=False, since_s=4 * 3600.0)
    early, late = 7 * 3600.0 - 180, 7 * 3600.0 - 60
    assert not decide((WASHER,), (off,), seen(9000.0, 0.0, time_s=early), LIMIT)[0][0].on
    states, decision = decide((WASHER,), (off,), seen(9000.0, 0.0, time_s=late), LIMIT)
    assert states[0].on
    assert decision.actions[0].reason is Reason.DEADLINE
    # Nor is it held off again in that step.
    assert decide((WASHER,), (FREE,), seen(9000.0, 0.0, time_s=late), LIMIT)[0][0].on


def test_a_car_is_held_to_its_least_current_before_it_is_stopped() -> None:
    states, _ = decide((CAR,), (FREE,), seen(6000.0, 3680.0), LIMIT)
    assert states[0].setpoint_w == pytest.approx(1680.0)
    states, _ = decide((CAR,), states, seen(9000.0, 1680.0, time_s=3660.0), LIMIT)
    assert not states[0].on


def test_a_restless_rest_sheds_before_the_overload() -> None:
    assert decide((HEATER,), (FREE,), seen(3900.0, 2000.0), LIMIT)[0][0].on
    states, decision = decide((HEATER,), (FREE,), seen(3900.0, 2000.0, unrest_w=1000.0), LIMIT)
    assert not states[0].on
    assert decision.over_w == 0.0
    assert decision.actions[0].reason is Reason.NEAR_LIMIT
    assert decision.headroom_w == pytest.approx(2100.0)


def test_while_the_rest_is_calm_an_excess_within_the_meter_s_error_is_let_pass() -> None:
    assert decide((HEATER,), (FREE,), seen(4039.0, 2000.0, unrest_w=100.0), LIMIT)[0][0].on
    assert not decide((HEATER,), (FREE,), seen(4041.0, 2000.0, unrest_w=100.0), LIMIT)[0][0].on
    assert not decide((HEATER,), (FREE,), seen(4039.0, 2000.0), LIMIT)[0][0].on


# --- proposals ---


def plan(load: Load, power_w: float, until_s: float = 1e9) -> Guidance:
    return Guidance((Proposal(load.name, power_w, until_s),))


PUMP = Load("pump", LoadClass.GREEN, 1500.0)


def test_green_is_held_off_by_the_plan_until_it_ends() -> None:
    now = seen(1500.0, 1500.0)
    states, decision = decide((PUMP,), (FREE,), now, LIMIT, plan(PUMP, 0.0))
    assert not states[0].on
    assert decision.actions[0].reason is Reason.PLAN
    assert decide((PUMP,), (FREE,), now, LIMIT, plan(PUMP, 0.0, until_s=3600.0))[0][0].on
    held = (replace(states[0], fits_since_s=0.0),)
    later = seen(0.0, 0.0, time_s=3600.0 + 1800)
    assert not decide((PUMP,), held, later, LIMIT, plan(PUMP, 0.0))[0][0].on
    assert decide((PUMP,), held, later, LIMIT)[0][0].on
    assert decide((PUMP,), held, later, LIMIT, plan(PUMP, 1500.0))[0][0].on


def test_yellow_and_red_are_never_planned_off_nor_is_what_must_run() -> None:
    oven = Load("oven", LoadClass.RED, 2000.0)
    for load in (HEATER, oven):
        assert decide((load,), (FREE,), seen(2000.0, 2000.0), LIMIT, plan(load, 0.0))[0][0].on
    due = replace(PUMP, deadline_s=2 * 3600)
    owing = replace(FREE, owed_wh=1490.0, demand_w=0.0, since_s=0.0)
    now = seen(1500.0, 1500.0)
    assert decide((due,), (owing,), now, LIMIT, plan(due, 0.0))[0][0].on


def test_a_modulating_load_gets_its_setpoint_inside_the_limit() -> None:
    states, decision = decide((CAR,), (FREE,), seen(3680.0, 3680.0), LIMIT, plan(CAR, 2000.0))
    assert states[0].setpoint_w == pytest.approx(2000.0)
    assert decision.actions[0].reason is Reason.PLAN
    low = replace(states[0], fits_since_s=0.0)
    later = seen(3000.0, 2000.0, time_s=7200.0)
    states, _ = decide((CAR,), (low,), later, LIMIT, plan(CAR, 3500.0))
    assert states[0].setpoint_w == pytest.approx(3000.0)  # 1000 W of head-room, no more
    states, _ = decide((CAR,), (low,), seen(0.0, 2000.0, time_s=7200.0), LIMIT, plan(CAR, 2500.0))
    assert states[0].setpoint_w == pytest.approx(2500.0)  # what the plan says, though more fits
    states, _ = decide((CAR,), (FREE,), seen(3000.0, 3000.0), LIMIT, plan(CAR, 0.0))
    assert not states[0].on


def test_a_battery_charges_and_discharges_by_the_plan() -> None:
    now = seen(1000.0, 0.0)
    states, _ = decide((BATTERY,), (FREE,), now, LIMIT, plan(BATTERY, -2000.0))
    assert states[0].setpoint_w == pytest.approx(-2000.0)
    charged = replace(FREE, setpoint_w=0.0, fits_since_s=0.0)
    states, _ = decide((BATTERY,), (charged,), now, LIMIT, plan(BATTERY, 2000.0))
    assert states[0].setpoint_w == pytest.approx(2000.0)
    tight = Allowed(1500.0, "fuse")
    states, _ = decide((BATTERY,), (charged,), now, tight, plan(BATTERY, 2000.0))
    assert states[0].setpoint_w == pytest.approx(500.0)


# --- tree and phases ---


def on_tree(loads: tuple[Load, ...], observation: Observation, limits: NodeLimits) -> set[str]:
    fleet = Fleet(loads, limits.tree)
    states, _ = decide_tree(fleet, (FREE,) * len(loads), observation, limits)
    return {load.name for load, state in zip(loads, states, strict=True) if not state.on}


def test_a_single_phase_load_relieves_only_its_phase() -> None:
    loads = tuple(replace(HEATER, name=f"L{phase}", phases=(phase,)) for phase in (1, 2, 3))
    limits = NodeLimits(make_tree([]), (Allowed(INFINITE),), (16.0,), ("main",))
    told = replace(seen(9000.0, 2000.0, 2000.0, 2000.0), phase_a={"": (12.0, 10.0, 17.5)})
    assert on_tree(loads, told, limits) == {"L3"}


def test_currents_are_estimated_from_loads_where_they_are_not_measured() -> None:
    loads = (replace(HEATER, phases=(1,)), replace(HEATER, name="other", phases=(2,)))
    limits = NodeLimits(make_tree([]), (Allowed(INFINITE),), (12.0,), ("main",))
    # 3 kW are of nobody: 1 kW on each phase, which is 13 A with 2 kW of one's own.
    assert on_tree(loads, seen(7000.0, 2000.0, 2000.0), limits) == {"heater", "other"}
    assert on_tree(loads, seen(6000.0, 2000.0, 2000.0), limits) == set()


def test_a_flat_is_relieved_by_its_own_loads_and_the_riser_by_any() -> None:
    tree = make_tree([Node("riser"), Node("f1", "riser"), Node("f2", "riser")])
    loads = (
        replace(HEATER, name="a", node="f1"),
        replace(HEATER, name="b", node="f2"),
        replace(HEATER, name="c", node="riser", rated_w=1900.0),
    )
    observation = replace(
        seen(8000.0, 2000.0, 2000.0, 1900.0),
        node_w={"riser": 7000.0, "f1": 3500.0, "f2": 1000.0},
    )
    free = Allowed(INFINITE)
    own = NodeLimits(tree, (free, free, Allowed(3000.0, "fuse"), free))
    assert on_tree(loads, observation, own) == {"a"}
    both = NodeLimits(tree, (free, Allowed(6500.0, "riser"), Allowed(3000.0, "fuse"), free))
    assert on_tree(loads, observation, both) == {"a"}  # what helps the flat is enough for both
    silent = replace(observation, node_w={"riser": 7000.0, "f1": None, "f2": 1000.0})
    assert on_tree(loads, silent, own) == {"a"}  # a silent meter counts as overload, there only


def test_a_node_without_a_meter_counts_what_hangs_from_it() -> None:
    tree = make_tree([Node("circuit")])
    loads = tuple(replace(HEATER, name=name, node="circuit") for name in ("a", "b"))
    limits = NodeLimits(tree, (Allowed(INFINITE), Allowed(3000.0, "wire")))
    assert len(on_tree(loads, seen(9000.0, 2000.0, 2000.0), limits)) == 1
    assert on_tree(loads, seen(9000.0, 2000.0, 900.0), limits) == set()


def test_a_load_comes_back_only_where_every_node_has_room() -> None:
    tree = make_tree([Node("flat")])
    load = replace(HEATER, node="flat")
    off = replace(FREE, on=False, since_s=3300.0, owed_wh=100.0, demand_w=2000.0, fits_since_s=0.0)
    observation = replace(seen(1000.0, 0.0), node_w={"flat": 900.0})
    for flat_w, is_on in ((3000.0, True), (2500.0, False)):
        limits = NodeLimits(tree, (Allowed(9000.0, "site"), Allowed(flat_w, "fuse")))
        states, decision = decide_tree(Fleet((load,), tree), (off,), observation, limits)
        assert states[0].on is is_on
        left_w = flat_w - 900.0 - (2000.0 if is_on else 0.0)
        assert decision.nodes[1].headroom_w == pytest.approx(left_w)
