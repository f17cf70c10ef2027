"""The reflex as tables of steps: what is measured, what must be on, and why."""

from dataclasses import replace
from typing import NamedTuple

import pytest

from balans.core.words import LoadClass
from balans.domain.demand import (
    Allowed,
    Decision,
    Hold,
    Load,
    LoadKind,
    LoadState,
    Observation,
    Reason,
    Recover,
    decide,
)

STEP_S = 60.0
HEATER = Load("heater", LoadClass.YELLOW, 2000.0, max_off_s=420, min_on_s=180)
WASHER = Load("washer", LoadClass.GREEN, 2000.0, min_on_s=60)
OVEN = Load("oven", LoadClass.RED, 3000.0)
EV = Load("ev", LoadClass.GREEN, 7000.0, kind=LoadKind.MODULATING, min_w=1400, max_w=7000)


class Step(NamedTuple):
    """Rest of the site and what each load wants, then what must follow for the next step."""

    rest_w: float
    wants_w: tuple[float, ...]
    on: tuple[bool, ...]
    reasons: tuple[Reason, ...] = ()


def run(loads: tuple[Load, ...], allowed: Allowed, steps: list[Step]) -> list[Decision]:
    """Feed the table to the reflex; a load that is off draws nothing."""
    states = tuple(LoadState() for _ in loads)
    decisions = []
    for number, step in enumerate(steps, start=1):
        drawn = tuple(w if s.on else 0.0 for w, s in zip(step.wants_w, states, strict=True))
        seen = Observation(
            number * STEP_S, STEP_S, number * STEP_S, step.rest_w + sum(drawn), drawn
        )
        states, decision = decide(loads, states, seen, allowed)
        found = tuple(state.on for state in states), tuple(a.reason for a in decision.actions)
        assert found == (step.on, step.reasons), f"step {number}"
        decisions.append(decision)
    return decisions


OVER, USED_UP, BACK = Reason.OVER_LIMIT, Reason.OFF_TIME_USED_UP, Reason.HEADROOM_BACK
LIMIT = Allowed(4000.0, "contract")


def test_inside_the_limit_nothing_is_switched() -> None:
    run((HEATER,), LIMIT, [Step(1900, (2000,), (True,))] * 5)


def test_yellow_is_off_for_its_time_and_on_for_its_minimum() -> None:
    over = Step(3500, (2000,), (False,))
    run(
        (HEATER,),
        LIMIT,
        [
            Step(3500, (2000,), (False,), (OVER,)),
            *[over] * 6,  # seven steps of a minute: 420 s
            Step(3500, (2000,), (True,), (USED_UP,)),
            *[Step(3500, (2000,), (True,))] * 2,  # still over, but on for less than 180 s
            Step(3500, (2000,), (False,), (OVER,)),
        ],
    )


def test_back_only_when_full_power_has_fitted_as_long_as_the_minimum_on_time() -> None:
    run(
        (HEATER,),
        LIMIT,
        [
            Step(3500, (2000,), (False,), (OVER,)),
            Step(1500, (2000,), (False,)),
            Step(1500, (2000,), (False,)),
            Step(2500, (2000,), (False,)),  # a break: the time counts anew
            Step(1500, (2000,), (False,)),
            Step(1500, (2000,), (False,)),
            Step(1500, (2000,), (True,), (BACK,)),
        ],
    )


def test_red_is_never_touched() -> None:
    run((OVEN,), Allowed(0.0, "zero"), [Step(5000, (3000,), (True,))] * 30)


def test_red_that_is_told_to_be_off_is_not_switched_on() -> None:
    for state in (LoadState(on=False, since_s=0.0), LoadState(setpoint_w=100.0)):
        seen = Observation(7200.0, STEP_S, 7200.0, 100.0, (0.0,))
        states, decision = decide((OVEN,), (state,), seen, LIMIT)
        assert decision.actions == ()
        assert (states[0].on, states[0].setpoint_w) == (state.on, state.setpoint_w)


def test_green_goes_before_yellow() -> None:
    run(
        (HEATER, WASHER),
        LIMIT,
        [
            Step(1500, (2000, 1500), (True, False), (OVER,)),
            Step(2500, (2000, 1500), (False, False), (OVER,)),
        ],
    )


def test_one_load_is_shed_where_one_suffices() -> None:
    many = tuple(replace(HEATER, name=f"heater{n}", rated_w=500.0 + n) for n in range(20))
    wants = tuple(load.rated_w for load in many)
    total = sum(wants)
    seen = Observation(60.0, STEP_S, 60.0, total, wants)
    states, decision = decide(many, (LoadState(),) * 20, seen, Allowed(total - 400.0, "fuse"))
    assert sum(not state.on for state in states) == 1
    assert decision.headroom_w >= 0


def test_the_same_load_is_not_always_the_victim() -> None:
    pair = (HEATER, replace(HEATER, name="boiler"))
    states: tuple[LoadState, ...] = (LoadState(), LoadState())
    shed = []
    for number in range(1, 200):
        wants = tuple(2000.0 if state.on else 0.0 for state in states)
        seen = Observation(number * 60.0, 60.0, number * 60.0, 500 + sum(wants), wants)
        states, decision = decide(pair, states, seen, LIMIT)
        shed += [action.load for action in decision.actions if not action.on]
    assert abs(shed.count("heater") - shed.count("boiler")) <= 1


def test_a_load_that_stands_by_is_not_shed() -> None:
    run((HEATER,), LIMIT, [Step(5000, (40,), (True,))] * 3)


def test_zero_watts_is_a_limit_of_zero() -> None:
    run((HEATER,), Allowed(0.0, "zero"), [Step(0, (2000,), (False,), (OVER,))])


def test_a_lost_sensor_counts_as_overload_and_yellow_stays_bounded() -> None:
    states: tuple[LoadState, ...] = (LoadState(), LoadState())
    off_runs, run_length = [], 0
    for number in range(1, 60):
        seen = Observation(number * 60.0, 60.0, number * 60.0, None, (None, None))
        states, decision = decide((HEATER, WASHER), states, seen, LIMIT)
        if number == 1:
            assert {a.reason for a in decision.actions} == {Reason.SENSOR_LOST}
        run_length = 0 if states[0].on else run_length + 1
        off_runs.append(run_length)
        assert not states[1].on
    assert max(off_runs) == 7


def test_a_load_whose_time_is_shorter_than_a_step_is_never_shed() -> None:
    seen = Observation(900.0, 900.0, 900.0, 6000.0, (2000.0,))
    states, decision = decide((HEATER,), (LoadState(),), seen, LIMIT)
    assert states[0].on
    assert not decision.actions


def test_green_starts_in_time_for_its_deadline_whatever_the_limit() -> None:
    washer = replace(WASHER, deadline_s=7 * 3600)
    owed = LoadState(on=False, since_s=0.0, owed_wh=1000.0, demand_w=0.0)  # half an hour at 2 kW
    early, late = 6.4 * 3600, 6.5 * 3600 - 60
    for local_s, is_on in ((early, False), (late, True)):
        seen = Observation(local_s, STEP_S, local_s, 9000.0, (0.0,))
        states, decision = decide((washer,), (owed,), seen, LIMIT)
        assert states[0].on is is_on
        assert [a.reason for a in decision.actions] == ([Reason.DEADLINE] if is_on else [])


def test_catching_up_leaves_room_for_what_the_load_goes_on_wanting() -> None:
    washer = replace(WASHER, deadline_s=7 * 3600)
    owed = LoadState(on=False, since_s=0.0, owed_wh=1000.0, demand_w=1000.0)
    for local_s, is_on in ((5.9 * 3600, False), (6.0 * 3600 - 60, True)):  # 1 kWh at 2 - 1 kW
        seen = Observation(local_s, STEP_S, local_s, 9000.0, (0.0,))
        states, _ = decide((washer,), (owed,), seen, LIMIT)
        assert states[0].on is is_on


@pytest.mark.parametrize(
    ("draws_w", "minutes_left", "is_shed"),
    [
        (1000.0, 5, True),
        (1000.0, 2, False),  # off for one minute, a minute of catching up, and late by rounding
        (1000.0, 1, False),
        (2000.0, 0, True),  # the deadline is over: it is for the next one
        (2000.0, 20, True),  # the whole rating: a tenth of it counts as spare
        (2000.0, 11, False),
    ],
)
def test_green_is_not_shed_when_it_could_not_catch_up_in_time(
    draws_w: float, minutes_left: int, *, is_shed: bool
) -> None:
    washer = replace(WASHER, deadline_s=7 * 3600)
    local_s = 7 * 3600 - minutes_left * 60.0
    seen = Observation(local_s, STEP_S, local_s, 9000.0, (draws_w,))
    states, _ = decide((washer,), (LoadState(),), seen, LIMIT)
    assert states[0].on is not is_shed


def test_a_load_that_must_meet_its_deadline_is_not_shed() -> None:
    washer = replace(WASHER, deadline_s=7 * 3600)
    state = LoadState(on=True, since_s=0.0, owed_wh=1000.0, demand_w=0.0)
    seen = Observation(6.8 * 3600, STEP_S, 6.8 * 3600, 9000.0, (2000.0,))
    states, _ = decide((washer,), (state,), seen, LIMIT)
    assert states[0].on


def test_green_comes_back_sooner_when_energy_is_cheapest() -> None:
    since = LoadState(on=False, since_s=0.0, owed_wh=100.0, demand_w=0.0, fits_since_s=36_000.0)
    seen = Observation(36_120.0, STEP_S, 36_120.0, 500.0, (0.0,))
    dear, _ = decide((WASHER,), (since,), seen, LIMIT)
    cheap, decision = decide((WASHER,), (since,), seen, Allowed(4000.0, "contract", cheapest=True))
    assert not dear[0].on
    assert cheap[0].on
    assert decision.actions[0].reason is Reason.NIGHT_ZONE


def test_green_leaves_room_for_yellow_that_will_soon_be_back() -> None:
    states = (
        LoadState(on=False, since_s=940.0, owed_wh=10.0, demand_w=2000.0),
        LoadState(on=False, since_s=0.0, owed_wh=10.0, demand_w=2000.0, fits_since_s=0.0),
    )
    seen = Observation(1000.0, STEP_S, 1000.0, 1500.0, (0.0, 0.0))
    after, _ = decide((HEATER, WASHER), states, seen, LIMIT)
    assert not after[1].on
    assert after[1].fits_since_s == float("inf")


def test_modulating_is_reduced_before_it_is_stopped() -> None:
    seen = Observation(600.0, STEP_S, 600.0, 5000.0, (4000.0,))
    states, decision = decide((EV,), (LoadState(),), seen, LIMIT)
    assert states[0].on
    assert states[0].setpoint_w == pytest.approx(3000.0)
    assert decision.headroom_w == pytest.approx(0.0)
    seen = Observation(660.0, STEP_S, 660.0, 9000.0, (3000.0,))
    states, decision = decide((EV,), states, seen, LIMIT)
    assert [(a.on, a.setpoint_w, a.effect_w) for a in decision.actions] == [(False, None, -3000.0)]


def test_modulating_comes_back_at_its_least_power_and_is_raised_by_headroom() -> None:
    off = LoadState(on=False, since_s=0.0, demand_w=4000.0, owed_wh=500.0, fits_since_s=0.0)
    seen = Observation(3600.0, STEP_S, 3600.0, 500.0, (0.0,))
    states, _ = decide((EV,), (off,), seen, LIMIT)
    assert states[0].setpoint_w == 1400.0
    for number in range(1, 17):
        time_s = 3600.0 + number * 60
        seen = Observation(time_s, STEP_S, time_s, 1900.0, (states[0].setpoint_w,))
        states, _ = decide((EV,), states, seen, LIMIT)
    assert states[0].setpoint_w == pytest.approx(3500.0)


def test_loads_shed_together_do_not_come_back_together() -> None:
    many = tuple(replace(HEATER, name=f"heater{n}") for n in range(10))
    states: tuple[LoadState, ...] = (LoadState(),) * 10
    back_per_step = []
    for number in range(1, 9):
        drawn = tuple(2000.0 if number == 1 else 0.0 for _ in many)
        # Head-room for one load at a time: the rest is low, yet never lasts as `may` would need.
        seen = Observation(number * 60.0, 60.0, number * 60.0, 1000.0 + sum(drawn), drawn)
        states, decision = decide(many, states, seen, Allowed(1500.0, "fuse"))
        back_per_step.append(sum(action.on for action in decision.actions))
    assert sum(back_per_step) == 10
    assert max(back_per_step) <= 5


def test_a_person_may_keep_a_load_on_or_want_it_off() -> None:
    seen = Observation(600.0, STEP_S, 600.0, 9000.0, (2000.0, 2000.0))
    wishes = (LoadState(hold=Hold(on=True, until_s=1e9)), LoadState(hold=Hold(on=True, until_s=1)))
    states, _ = decide((HEATER, HEATER), wishes, seen, LIMIT)
    assert [state.on for state in states] == [True, False]
    quiet = Observation(600.0, STEP_S, 600.0, 100.0, (50.0, 0.0))
    unwanted = (LoadState(hold=Hold(on=False, until_s=1e9)), LoadState())
    states, decision = decide((HEATER, WASHER), unwanted, quiet, LIMIT)
    assert [state.on for state in states] == [False, True]
    assert decision.actions[0].reason is Reason.OPERATOR


def test_a_wish_for_off_does_not_outlast_the_timer_of_yellow() -> None:
    states: tuple[LoadState, ...] = (LoadState(hold=Hold(on=False, until_s=1e9)),)
    longest = run_length = 0
    for number in range(1, 40):
        seen = Observation(number * 60.0, 60.0, number * 60.0, 100.0, (0.0,))
        states, _ = decide((HEATER,), states, seen, LIMIT)
        run_length = 0 if states[0].on else run_length + 1
        longest = max(longest, run_length)
    assert longest == 7


def test_a_load_bigger_than_the_limit_is_not_shed_for_little() -> None:
    big = replace(WASHER, rated_w=4500.0)
    for rest_w, is_shed in ((2500.0, False), (3900.0, True)):
        seen = Observation(600.0, STEP_S, 600.0, rest_w + 2000.0, (2000.0,), low_w=300.0)
        states, _ = decide((big,), (LoadState(),), seen, LIMIT)
        assert states[0].on is not is_shed


def test_a_load_that_forgives_owes_nothing() -> None:
    lamp = replace(HEATER, name="lamp", recover=Recover.LOSE, rated_w=300.0)
    states: tuple[LoadState, ...] = (LoadState(),)
    for number in range(1, 4):
        drawn = 200.0 if states[0].on else 0.0
        seen = Observation(number * 60.0, 60.0, number * 60.0, 4000 + drawn, (drawn,))
        states, _ = decide((lamp,), states, seen, LIMIT)
    assert not states[0].on
    assert states[0].owed_wh == 0.0


def test_a_load_just_switched_on_is_expected_at_full_power() -> None:
    """Feedback came in the middle of the step, so the measured mean says too little."""
    state = LoadState(on=True, since_s=590.0, owed_wh=50.0, demand_w=2000.0)
    seen = Observation(600.0, STEP_S, 600.0, 3000.0, (300.0,))
    _, decision = decide((HEATER,), (state,), seen, LIMIT)
    assert decision.headroom_w == pytest.approx(4000.0 - (3000.0 - 300.0 + 2000.0))
