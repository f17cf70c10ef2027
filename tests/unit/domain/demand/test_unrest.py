"""Unrest of the rest, and the margin that is worth keeping for it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.demand.unrest import (
    APPLIANCE_W,
    KEPT_SHARE,
    MEMORY_STEPS,
    METER_SHARE,
    WORTH,
    Unrest,
    kept_w,
    margin_w,
    unrests_w,
)

powers = st.lists(st.floats(0, 1e5), min_size=0, max_size=120)


@given(powers)
def test_step_by_step_and_all_at_once_agree(rest_w: list[float]) -> None:
    state, found = Unrest(), []
    for power_w in rest_w:
        found.append(math.nan if state.unrest_w is None else state.unrest_w)
        state = state.add(power_w)
    assert unrests_w(np.array(rest_w)) == pytest.approx(np.array(found), nan_ok=True)


def test_a_regular_swing_is_its_own_spread_once_enough_was_seen() -> None:
    state = Unrest()
    for number in range(MEMORY_STEPS):
        assert state.unrest_w is None
        state = state.add(1000.0 + 250.0 * (number % 2))
    assert state.add(1000.0).unrest_w == pytest.approx(250.0)


def test_a_gap_is_no_change() -> None:
    state = Unrest()
    for _ in range(2 * MEMORY_STEPS):
        state = state.add(500.0)
    after = state.add(None).add(9000.0)
    assert after.unrest_w == 0.0


def calm(steps: int) -> Unrest:
    """Return what is known after `steps` minutes of 500 W with a swing of 20 W."""
    state = Unrest()
    for number in range(steps):
        state = state.see(60.0 * number, 60.0, 500.0 + 10.0 * (-1) ** number)
    return state


def test_one_wild_reading_counts_as_an_appliance_at_most() -> None:
    state = calm(4 * MEMORY_STEPS)
    wild = state.add(2_000_000.0).add(500.0)
    known_w = wild.unrest_w
    assert known_w is not None
    assert 20.0 < known_w < 0.4 * APPLIANCE_W


def test_a_missed_step_is_no_change_and_a_late_one_is_the_next() -> None:
    state = calm(2 * MEMORY_STEPS)
    assert state.see(state.end_s + 60.0, 60.0, 9000.0).unrest_w == state.unrest_w
    assert state.see(state.end_s - 600.0, 60.0, 9000.0).unrest_w == state.unrest_w
    assert state.see(state.end_s + 10.0, 60.0, 2000.0).unrest_w != state.unrest_w


@pytest.mark.parametrize("is_silent", [True, False])
def test_what_is_old_is_forgotten_when_nothing_new_is_seen_for_as_long(*, is_silent: bool) -> None:
    state = calm(2 * MEMORY_STEPS)
    if is_silent:
        for _ in range(MEMORY_STEPS):
            assert state.unrest_w is not None
            state = state.see(state.end_s, 60.0, None)
    else:
        state = state.see(state.end_s + 60.0 * MEMORY_STEPS, 60.0, 500.0)
    assert state.unrest_w is None


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.floats(-1e4, 1e6))
def test_what_is_kept_free_is_a_share_of_the_limit(
    unrest_w: float, relief_w: float, allowed_w: float
) -> None:
    kept = float(kept_w(unrest_w, relief_w, allowed_w))
    limit_w = max(allowed_w, 0.0)
    assert -METER_SHARE * limit_w <= kept <= KEPT_SHARE * limit_w


@pytest.mark.parametrize("relief_w", [200.0, 1800.0, 6000.0])
@pytest.mark.parametrize("unrest_w", [100.0, 500.0, 3000.0, 20_000.0])
def test_at_the_margin_a_tenth_of_the_relief_is_overload_avoided(
    unrest_w: float, relief_w: float
) -> None:
    """Drawn at random rather than by the formula: the mean of what is above the margin."""
    margin = float(margin_w(unrest_w, relief_w))
    changes = np.random.default_rng(7).normal(0.0, unrest_w, 400_000)
    avoided_w = float(np.maximum(changes - margin, 0.0).mean())
    if margin < 2.9 * unrest_w:
        assert avoided_w == pytest.approx(WORTH * relief_w, rel=0.05)
    else:
        assert avoided_w <= 0.001 * unrest_w


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e4))
def test_more_unrest_and_smaller_loads_make_a_wider_margin(
    unrest_w: float, relief_w: float, more_w: float
) -> None:
    margin = float(margin_w(unrest_w, relief_w))
    assert float(margin_w(unrest_w, relief_w + more_w)) <= margin + 1e-6
    assert margin >= -WORTH * relief_w - 1e-6
    assert float(margin_w(unrest_w + more_w, relief_w)) >= margin - 1e-3 * (1 + relief_w)
