"""The rules of others, re-implemented for comparison, on cases worked by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from benchmarks.peers.evcc import Circuit, EvccCircuits
from benchmarks.peers.ilc import PAIRS, LoadControl, smoothed, weights_of
from benchmarks.peers.plb import PowerLoadBalancer
from benchmarks.peers.timers import WithTimers
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand import Action, Allowed, Load, LoadKind, LoadState, Observation
from balans.usecases.simulate_site import Rule

STEP_S = 60.0
HEATER = Load("heater", LoadClass.YELLOW, 2000.0)
FRIDGE = Load("fridge", LoadClass.YELLOW, 150.0)
WASHER = Load("washer", LoadClass.GREEN, 2200.0)
DRYER = Load("dryer", LoadClass.GREEN, 1500.0)
LAMP = Load("lamp", LoadClass.RED, 60.0)


class Bench:
    """Asks a rule step by step, keeping the states it gives back."""

    def __init__(self, rule: Rule, loads: Sequence[Load], limit_w: float) -> None:
        self.rule, self.loads = rule, tuple(loads)
        self.allowed = Allowed(limit_w, "contract")
        self.states: tuple[LoadState, ...] = tuple(LoadState() for _ in loads)
        self.step = 0

    def see(self, site_w: float | None, *load_w: float) -> list[tuple[str, bool]]:
        """Show the powers of the step before; return what is switched, as (name, on)."""
        return [(action.load, action.on) for action in self.actions(site_w, *load_w)]

    def actions(self, site_w: float | None, *load_w: float) -> tuple[Action, ...]:
        self.step += 1
        time_s = self.step * STEP_S
        seen = Observation(time_s, STEP_S, time_s, site_w, load_w)
        self.states, decision = self.rule(self.loads, self.states, seen, self.allowed)
        return decision.actions


# --- evcc ---


def test_a_circuit_caps_a_rise_at_what_is_left() -> None:
    circuit = Circuit(4000)
    circuit.power_w = 3000
    assert circuit.validate(500, 1200) == 1200
    assert circuit.validate(500, 2000) == 1500
    circuit.power_w = 5000
    assert circuit.validate(500, 500) == 0
    assert circuit.validate(1500, 1500) == 500


def test_the_parent_has_the_last_word_and_zero_is_no_limit() -> None:
    root = Circuit(10_000)
    flat = Circuit(4000, root)
    root.power_w, flat.power_w = 9000, 1000
    assert flat.validate(0, 2500) == 1000
    root.most_w = 0
    assert flat.validate(0, 2500) == 2500
    flat.add(700)
    assert (flat.power_w, root.power_w) == (1700, 9700)


def test_evcc_cuts_in_order_and_lets_back_as_soon_as_it_fits() -> None:
    bench = Bench(EvccCircuits(), [HEATER, FRIDGE, LAMP], 4000)
    assert bench.see(3900, 2000, 100, 60) == []
    assert bench.see(4100, 2000, 100, 60) == [("heater", False)]
    assert bench.see(2500, 0, 100, 60) == []  # 2,000 W do not fit into 1,500 W
    assert bench.see(2000, 0, 100, 60) == [("heater", True)]


def test_evcc_gives_a_modulating_load_what_is_left() -> None:
    car = Load(
        "car", LoadClass.YELLOW, 7000.0, kind=LoadKind.MODULATING, min_w=1380.0, max_w=7000.0
    )
    bench = Bench(EvccCircuits(), [car], 8000)
    (action,) = bench.actions(9000, 5000)
    assert (action.on, action.setpoint_w) == (True, 4000)
    (action,) = bench.actions(12_000, 4000)
    assert (action.on, action.setpoint_w) == (False, None)
    assert bench.actions(7000, 0) == ()  # 1,000 W are less than its minimum
    assert bench.actions(6000, 0)[-1].setpoint_w == 2000


def test_evcc_dims_all_green_together_without_asking_whether_it_fits() -> None:
    bench = Bench(EvccCircuits(dims_green=True), [WASHER, DRYER], 4000)
    assert bench.see(4100, 2000, 0) == [("washer", False), ("dryer", False)]
    assert bench.see(3900, 0, 0) == [("washer", True), ("dryer", True)]


def test_evcc_limits_of_a_flat() -> None:
    heater = Load("heater", LoadClass.YELLOW, 2000.0, node="flat")
    other = Load("other", LoadClass.YELLOW, 1000.0, node="flat")
    bench = Bench(EvccCircuits({"flat": 2500.0}), [heater, other], 50_000)
    assert bench.see(10_000, 2000, 1000) == [("heater", False)]


def test_evcc_takes_no_limit_for_no_limit() -> None:
    bench = Bench(EvccCircuits(), [HEATER, WASHER], float("inf"))
    assert bench.see(99_000, 2000, 2000) == []


def test_evcc_counts_a_lost_meter_as_overload() -> None:
    bench = Bench(EvccCircuits(), [HEATER, WASHER], 4000)
    assert bench.see(None, 2000, 2000) == [("heater", False), ("washer", False)]


def test_evcc_green_as_load_points_ask_like_the_others() -> None:
    bench = Bench(EvccCircuits(), [WASHER, DRYER], 4000)
    assert bench.see(4100, 2000, 0) == [("washer", False)]
    assert bench.see(3900, 0, 0) == []


# --- Power-Load-Balancer ---


def test_plb_turns_off_one_by_importance_whatever_it_draws() -> None:
    bench = Bench(PowerLoadBalancer(), [HEATER, WASHER, LAMP], 4000)
    assert bench.see(6000, 2000, 0, 60) == [("washer", False)]
    assert bench.see(6000, 2000, 0, 60) == [("heater", False)]
    assert bench.see(6000, 0, 0, 60) == []  # red is its last resort


def test_plb_turns_on_one_whose_power_then_fits() -> None:
    bench = Bench(PowerLoadBalancer(cool_down_s=1e9), [HEATER, FRIDGE], 4000)
    assert bench.see(4500, 1800, 100) == [("heater", False)]
    assert bench.see(4100, 0, 100) == [("fridge", False)]
    assert bench.see(2300, 0, 0) == [("fridge", True)]  # 1,700 W left: not 1,800, but 100
    assert bench.see(2000, 0, 100) == [("heater", True)]


def test_plb_task_tries_once_and_never_again() -> None:
    rule = PowerLoadBalancer(cool_down_s=60, balances_up=False)
    bench = Bench(rule, [HEATER], 4000)
    assert bench.see(4500, 1800) == [("heater", False)]
    assert bench.see(2500, 0) == []  # 1,500 W left: the task ends
    assert bench.see(500, 0) == []
    assert not bench.states[0].on


def test_plb_task_turns_on_what_fits_after_the_cool_down() -> None:
    bench = Bench(PowerLoadBalancer(cool_down_s=120, balances_up=False), [HEATER], 4000)
    assert bench.see(4500, 1800) == [("heater", False)]
    assert bench.see(1000, 0) == []
    assert bench.see(1000, 0) == [("heater", True)]


def test_plb_leaves_off_for_good_what_drew_nothing_and_missed_its_task() -> None:
    bench = Bench(PowerLoadBalancer(), [WASHER, HEATER], 4000)
    assert bench.see(4500, 0, 1800) == [("washer", False)]
    assert bench.see(4500, 0, 1800) == [("heater", False)]  # the washer's task failed: over budget
    assert bench.see(1000, 0, 0) == [("heater", True)]
    assert bench.see(1000, 0, 1800) == []
    assert not bench.states[0].on


# --- ILC ---


def test_ahp_weights_of_a_consistent_matrix() -> None:
    assert weights_of([[1, 2, 4], [1 / 2, 1, 2], [1 / 4, 1 / 2, 1]]) == pytest.approx(
        [4 / 7, 2 / 7, 1 / 7]
    )
    assert weights_of(PAIRS) == pytest.approx([0.6479, 0.2299, 0.1222], abs=1e-4)


def test_ahp_refuses_contradictions() -> None:
    with pytest.raises(InputError, match="consistency ratio"):
        weights_of([[1, 9, 1 / 9], [1 / 9, 1, 9], [9, 1 / 9, 1]])


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=20))
def test_the_average_lies_between_the_samples(samples: list[float]) -> None:
    average = smoothed(samples)
    assert min(samples) - 1e-6 <= average <= max(samples) + 1e-6
    share = min(1.0, 4 / (len(samples) + 1))
    powers = (1 - share) ** np.arange(len(samples))
    written_out = share * float(powers @ np.array(samples[::-1]))
    written_out += samples[0] * (1 - share) ** len(samples)
    assert average == pytest.approx(written_out)


def test_ilc_waits_for_the_average_then_curtails_holds_and_releases() -> None:
    bench = Bench(LoadControl(), [HEATER, WASHER, LAMP], 4000)
    quiet = [bench.see(3000, 1000, 1000, 60) for _ in range(15)]
    assert quiet == [[]] * 15
    # A quarter of the newest: 3,000 -> 3,750 -> 4,312 W, above 4,200 W.
    assert bench.see(6000, 2000, 2000, 60) == []
    assert bench.see(6000, 2000, 2000, 60) == [("washer", False)]
    assert bench.rule.state == "holding"  # type: ignore[attr-defined]
    held = [bench.see(3500, 1500, 0, 60) for _ in range(14)]
    assert held == [[]] * 14
    assert bench.see(3500, 1500, 0, 60) == [("washer", True)]
    assert bench.rule.state == "inactive"  # type: ignore[attr-defined]


def test_ilc_curtails_more_when_confirmed() -> None:
    bench = Bench(LoadControl(), [HEATER, WASHER], 4000)
    seen = [bench.see(6000, 2000, 2000) for _ in range(5)]
    assert seen == [[], [], [], [], [("washer", False)]]  # 2,200 W nominal cover 2,000 W
    seen = [bench.see(5900, 2000, 0) for _ in range(5)]
    assert seen == [[], [], [], [], [("heater", False)]]


def test_ilc_releases_in_groups_in_reverse_order_of_score() -> None:
    loads = [Load(f"h{i}", LoadClass.YELLOW, 1000.0) for i in range(6)]
    bench = Bench(LoadControl(), loads, 4000)
    drawn = [900.0, 800, 700, 600, 500, 400]
    for _ in range(4):
        bench.see(9000, *drawn)
    first = bench.see(9000, *drawn)
    assert [name for name, _ in first] == ["h0", "h1", "h2", "h3", "h4"]  # 5 x 1,000 W
    released = [bench.see(2000, *([0.0] * 5), 400) for _ in range(30)]
    groups = [[name for name, _ in group] for group in released if group]
    assert groups == [["h4", "h3"], ["h2", "h1"], ["h0"]]
    assert [i for i, group in enumerate(released) if group] == [14, 19, 24]


def test_ilc_turns_go_round() -> None:
    loads = [Load("a", LoadClass.YELLOW, 1000.0), Load("b", LoadClass.YELLOW, 1000.0)]
    bench = Bench(LoadControl(threshold_share=0.0), loads, 4000)
    switched = []
    for _ in range(45):
        off = sum(not state.on for state in bench.states)
        drawn = [1000.0 * state.on for state in bench.states]
        switched += [name for name, on in bench.see(4500 - 1000 * off, *drawn) if not on]
    assert switched[:3] == ["a", "b", "a"]


@pytest.mark.parametrize("rule", [EvccCircuits(), PowerLoadBalancer(), LoadControl()])
def test_no_rule_touches_red_or_what_was_not_released(rule: Rule) -> None:
    own = Load("own", LoadClass.YELLOW, 2000.0, released=False)
    bench = Bench(rule, [LAMP, own], 1000)
    for _ in range(30):
        assert bench.see(5000, 60, 2000) == []
    assert all(state.on for state in bench.states)


# --- the promise to yellow around any rule ---


def test_timers_close_yellow_in_time_and_keep_it_on() -> None:
    heater = Load("heater", LoadClass.YELLOW, 2000.0, max_off_s=420, min_on_s=180)
    bench = Bench(WithTimers(PowerLoadBalancer(balances_up=False)), [heater, LAMP], 1000)
    on = []
    for _ in range(14):
        bench.see(5000, 2000.0 * bench.states[0].on, 60)
        on.append(bench.states[0].on)
    assert on == [False] * 7 + [True] * 3 + [False] * 4


def test_timers_leave_green_alone() -> None:
    bench = Bench(WithTimers(PowerLoadBalancer(balances_up=False)), [WASHER], 1000)
    for _ in range(60):
        bench.see(5000, 0)
    assert not bench.states[0].on
