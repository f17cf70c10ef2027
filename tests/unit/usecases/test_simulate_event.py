"""Small versions of the trials of events: what comes back, class guarantees, fairness."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.domain.response.release import Feeder, judge
from balans.domain.response.rotation import Turn
from balans.usecases.simulate_event import (
    STEP_S,
    Spread,
    house_name,
    off_times,
    prepare_day,
    release_case,
    simulate_event,
    turns_of_groups,
)
from balans.usecases.simulate_event_fleet import make_fleet

HOUSES, EVENT_S, LENGTH_S = 300, 1800.0, 9000.0
END = round(EVENT_S / STEP_S)


def rise_w(turn_s: float, spread_s: float, seed: int) -> float:
    """Return by how much the highest power after a release exceeds that without the event."""
    day = prepare_day(make_fleet(HOUSES, seed), seed, LENGTH_S)
    turns = turns_of_groups(HOUSES, 1, EVENT_S, turn_s)
    run = simulate_event(day, off_times(HOUSES, turns, Spread(seed, 0.0, spread_s), day.steps))
    assert run.longest_off_s <= 900.0
    return float(run.yellow_w[END:].max() - simulate_event(day).yellow_w[END:].max())


def test_what_the_loads_draw_is_what_the_operator_expects_of_them() -> None:
    fleet = make_fleet(1000, 3)
    drawn_w = [simulate_event(prepare_day(fleet, seed, 3600.0)).yellow_w.mean() for seed in (1, 2)]
    assert np.mean(drawn_w) == pytest.approx(fleet.expected_w.sum(), rel=0.05)
    assert ((fleet.duty > 0) & (fleet.duty < 1)).all()


def test_what_was_held_back_comes_back() -> None:
    day = prepare_day(make_fleet(HOUSES, 5), 5, 6 * 3600.0)
    twin = simulate_event(day)
    turns = turns_of_groups(HOUSES, 1, EVENT_S, 900.0)
    run = simulate_event(day, off_times(HOUSES, turns, Spread(), day.steps))
    first = END - round(900 / STEP_S)
    assert not run.yellow_w[first:END].any()
    held_kwh = float(twin.yellow_w[:END].sum() - run.yellow_w[:END].sum())
    back_kwh = float(run.yellow_w[END:].sum() - twin.yellow_w[END:].sum())
    assert back_kwh == pytest.approx(held_kwh, rel=0.25)
    assert np.array_equal(run.yellow_w[:first], twin.yellow_w[:first])


def test_a_release_with_a_spread_has_a_lower_peak_than_one_without() -> None:
    seeds = range(8)
    together = np.array([rise_w(900.0, 0.0, seed) for seed in seeds])
    as_long = np.array([rise_w(660.0, 0.0, seed) for seed in seeds])
    spread = np.array([rise_w(420.0, 480.0, seed) for seed in seeds])
    assert spread.mean() < as_long.mean()
    assert spread.mean() < 0.8 * together.mean()


def test_the_planned_peak_is_close_to_the_simulated_one() -> None:
    """The model of a release knows duty and cycle only; the houses are bodies with thermostats."""
    fleet = make_fleet(1000, 1)
    turns = turns_of_groups(1000, 1, EVENT_S, 900.0)
    steps = round((LENGTH_S - EVENT_S) / 60)
    nothing = Feeder(np.zeros(steps), np.zeros(steps), np.inf)
    told = judge(*release_case(fleet, turns, nothing, EVENT_S), 0.0)
    peaks = []
    for seed in range(5):
        day = prepare_day(fleet, seed, LENGTH_S)
        run = simulate_event(day, off_times(1000, turns, Spread(), day.steps))
        peaks.append(run.yellow_w[END:].max())
    assert np.mean(peaks) == pytest.approx(told.expected_peak_w, rel=0.12)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 3000), st.floats(420, 900)), max_size=8),
    st.integers(0, 2**63),
    st.floats(0, 900),
    st.floats(0, 1800),
)
def test_no_spread_keeps_a_house_off_for_longer_than_its_timer(
    drawn: list[tuple[int, float, float]], seed: int, start_s: float, release_s: float
) -> None:
    turns = [Turn(house_name(house), at, at + length) for house, at, length in drawn]
    rests = all(
        two.start_s >= one.end_s + start_s + release_s
        for one, two in pairwise(sorted(turns, key=lambda turn: turn.start_s))
    )
    off = off_times(5, turns, Spread(seed, start_s, release_s), 300)
    if rests:
        run = simulate_event(prepare_day(make_fleet(5, 1), 1, 300 * STEP_S), off)
        assert run.longest_off_s <= 900.0 + STEP_S


def test_the_same_seed_is_the_same_day_and_another_is_another() -> None:
    days = [prepare_day(make_fleet(20, seed), seed, 3600.0) for seed in (1, 1, 2)]
    first, again, other = (simulate_event(day).house_w for day in days)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="houses = 0"):
        make_fleet(0, 1)
    with pytest.raises(InputError, match="heater share = 2"):
        make_fleet(1, 1, heater_share=2.0)
    with pytest.raises(InputError, match="turn of shop: expected house-0001"):
        off_times(2, [Turn("shop", 0, 600)], Spread(), 10)
