"""Yellow that can be held to a power: that is a shed, and no longer than it may be off."""

from dataclasses import replace

import pytest

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    Allowed,
    Load,
    LoadKind,
    LoadState,
    Observation,
    Proposal,
    Reason,
    Recover,
)
from balans.domain.demand.reflex import NO_GUIDANCE, Guidance, decide, decide_table
from balans.domain.demand.rooms import site_only
from balans.domain.demand.table import Fleet, StateTable
from balans.domain.demand.tree import make_tree

STEP_S = 60.0
COOLER = Load(
    "cooler", LoadClass.YELLOW, 2000.0, max_off_s=900.0, min_on_s=300.0,
    kind=LoadKind.MODULATING, min_w=0.0, max_w=2000.0,
)  # fmt: skip
LIMIT = Allowed(3000.0, "contract")
ALL = float("inf")


def powers(load: Load, rest_w: float, steps: int, guidance: Guidance = NO_GUIDANCE) -> list[float]:
    """Return what a load is let draw in each step that wants its whole rating."""
    state, table, found = LoadState(), StateTable.fresh(1), []
    fleet, drawn_w = Fleet((load,), make_tree([])), load.rated_w
    for number in range(1, steps + 1):
        time_s = number * STEP_S
        seen = Observation(time_s, STEP_S, time_s % 86_400, rest_w + drawn_w, (drawn_w,))
        (state,), _ = decide((load,), (state,), seen, LIMIT, guidance)
        table, _ = decide_table(fleet, table, seen, site_only(LIMIT), guidance)
        assert table.states() == (state,)
        ceiling_w = ALL if state.setpoint_w is None else state.setpoint_w
        drawn_w = min(load.rated_w, ceiling_w) if state.on else 0.0
        found.append(drawn_w)
    return found


def spells(powers_w: list[float], *, low: bool) -> list[int]:
    """Return for how many steps in a row the power was below 2 kW, or was 2 kW."""
    found, count = [], 0
    for power_w in powers_w:
        if (power_w < 2000.0) is low:
            count += 1
        elif count:
            found.append(count)
            count = 0
    return found


@pytest.mark.parametrize("min_w", [0.0, 1.0, 600.0])
@pytest.mark.parametrize("rest_w", [1200.0, 1800.0, 3500.0])
def test_yellow_is_held_low_for_its_off_time_and_then_free_for_its_time_on(
    min_w: float, rest_w: float
) -> None:
    found = powers(replace(COOLER, min_w=min_w), rest_w, 200)
    low, high = spells(found, low=True), spells(found, low=False)
    assert low
    assert max(low) <= 15
    assert min(high[1:]) >= 5


def test_off_after_low_is_one_time_off() -> None:
    """Held to 600 W for five minutes, then off: back after fifteen minutes in all."""
    load, state, drawn_w = replace(COOLER, min_w=600.0), LoadState(), 2000.0
    told = []
    for number in range(1, 18):
        time_s = number * STEP_S
        rest_w = 2000.0 if number <= 5 else 4000.0
        seen = Observation(time_s, STEP_S, time_s, rest_w + drawn_w, (drawn_w,))
        (state,), decision = decide((load,), (state,), seen, LIMIT)
        told += [(number, a.on, a.setpoint_w, a.reason) for a in decision.actions]
        drawn_w = (state.setpoint_w or 2000.0) if state.on else 0.0
    assert told == [
        (1, True, 1000.0, Reason.OVER_LIMIT),
        (6, False, None, Reason.OVER_LIMIT),
        (16, True, None, Reason.OFF_TIME_USED_UP),
    ]


def test_back_low_is_still_held_back() -> None:
    """Off, let back at its least power: the timer that began with the shed goes on."""
    load = replace(COOLER, min_w=600.0)
    off = LoadState(on=False, since_s=0.0, demand_w=2000.0, owed_wh=100.0, fits_since_s=0.0)
    seen = Observation(600.0, STEP_S, 600.0, 2000.0, (0.0,))
    (low,), _ = decide((load,), (off,), seen, LIMIT)
    assert (low.on, low.setpoint_w, low.low_since_s) == (True, 600.0, 0.0)
    at_end = Observation(900.0, STEP_S, 900.0, 3600.0, (600.0,))
    (free,), decision = decide((load,), (low,), at_end, LIMIT)
    assert (free.setpoint_w, free.freed_s) == (None, 900.0)
    assert decision.actions[0].reason is Reason.OFF_TIME_USED_UP


def test_a_plan_holds_yellow_low_no_longer_either() -> None:
    plan = Guidance((Proposal("cooler", 500.0, 1e9),))
    found = powers(COOLER, 0.0, 100, plan)
    assert max(spells(found, low=True)) <= 15
    assert min(spells(found, low=False)[1:]) >= 5


def test_green_and_batteries_are_held_low_for_as_long_as_it_takes() -> None:
    green = replace(COOLER, load_class=LoadClass.GREEN)
    assert powers(green, 2000.0, 60)[-40:] == [1000.0] * 40
    battery = replace(COOLER, min_w=-2000.0, recover=Recover.LOSE)
    assert powers(battery, 2000.0, 60)[-40:] == [1000.0] * 40


def test_room_for_yellow_that_is_held_low_is_kept_from_green() -> None:
    """In a minute the cooler goes back to 2 kW: the washer's 1.5 kW do not fit beside that."""
    washer = Load("washer", LoadClass.GREEN, 1500.0, min_on_s=60.0)
    low = LoadState(setpoint_w=500.0, low_since_s=3600.0, demand_w=2000.0)
    off = LoadState(on=False, since_s=0.0, demand_w=1500.0, owed_wh=500.0, fits_since_s=0.0)
    seen = Observation(4000.0, STEP_S, 4000.0, 1300.0, (500.0, 0.0))
    states, _ = decide((COOLER, washer), (low, off), seen, LIMIT)
    assert not states[1].on


@pytest.mark.parametrize("load_class", [LoadClass.YELLOW, LoadClass.GREEN])
def test_a_load_without_minimum_on_time_is_on_for_a_step_at_least(load_class: LoadClass) -> None:
    load = Load("heater", load_class, 2000.0, min_on_s=0.0)
    seen = Observation(600.0, STEP_S, 600.0, 5000.0, (1000.0,))
    back = LoadState(since_s=570.0, demand_w=2000.0)
    assert decide((load,), (back,), seen, LIMIT)[0][0].on
    assert not decide((load,), (replace(back, since_s=540.0),), seen, LIMIT)[0][0].on
