"""What comes back after a release, and how widely it must be spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.domain.response.release import (
    Feeder,
    Held,
    comeback,
    judge,
    recovery_s,
    release_spread,
    staggered_ends_s,
    wanting,
)

STEPS = 120


def heaters(count: int = 1000, off_s: float = 600.0, max_off_s: float = 1e6) -> Held:
    return Held.of(np.full(count, 2000.0), 0.2, off_s, max_off_s=max_off_s)


def feeder(limit_w: float, base_w: float = 1e6) -> Feeder:
    return Feeder(np.full(STEPS, base_w), np.zeros(STEPS), limit_w)


@given(st.floats(0.01, 0.9), st.floats(60, 3600), st.floats(0, 7200), st.sampled_from([0.0, 600.0]))
def test_all_the_energy_held_back_is_drawn_again(
    duty: float, off_s: float, cycle_s: float, spread_s: float
) -> None:
    """Beside its duty a load draws d P T more, T being its time off with its delay."""
    held = Held.of(1000.0, duty, off_s, cycle_s=cycle_s)
    steps = int((float(recovery_s(duty, off_s + spread_s, cycle_s)) + spread_s) / 10) + 20
    drawn_w = comeback(held, spread_s, steps, 10.0).expected_w
    extra_wh = float((drawn_w - 1000.0 * duty).sum()) * 10 / 3600
    assert extra_wh == pytest.approx(1000.0 * duty * off_s / 3600, rel=0.05, abs=3.0)


def test_without_a_known_cycle_every_load_wants_to_run_at_once() -> None:
    assert float(wanting(0.2, 600.0)) == 1.0
    assert float(wanting(0.2, 600.0, 6000.0)) == pytest.approx(0.3)
    assert float(wanting(0.2, 0.0)) == pytest.approx(0.2)
    assert comeback(heaters(), 0.0, 5, 60.0).expected_w[0] == pytest.approx(2e6)


def test_a_load_that_never_ran_has_nothing_to_make_up_for() -> None:
    assert float(recovery_s(0.0, 900.0)) == 0.0
    assert not comeback(Held.of(2000.0, 0.0, 900.0), 300.0, 60, 60.0).expected_w.any()


def test_a_wider_spread_is_a_lower_peak_and_the_smallest_that_keeps_the_limit_is_found() -> None:
    free = judge(heaters(), feeder(1e9), 0.0)
    wide = judge(heaters(), feeder(1e9), 1200.0)
    assert wide.expected_peak_w < 0.65 * free.expected_peak_w
    limit_w = 2.0e6
    found = release_spread(heaters(), feeder(limit_w))
    assert found.over_w == 0
    assert found.safe_peak_w <= limit_w
    assert judge(heaters(), feeder(limit_w), found.spread_s - 60.0).over_w > 0
    assert release_spread(heaters(), feeder(1e9)).spread_s == 0


def test_yellow_that_may_not_wait_returns_by_its_timer_whatever_the_spread() -> None:
    """Off for 14 of 15 minutes: after one more everything is back, so a spread hardly helps."""
    late = heaters(off_s=840.0, max_off_s=900.0)
    early = heaters(off_s=420.0, max_off_s=900.0)
    limit_w = 2.1e6
    assert release_spread(late, feeder(limit_w)).over_w > 0
    assert release_spread(early, feeder(limit_w)).over_w == 0
    after_w = comeback(late, 1800.0, STEPS, 60.0).expected_w
    assert after_w[1] > 0.9 * 2e6


def test_where_no_spread_keeps_the_limit_what_is_over_is_told() -> None:
    found = release_spread(heaters(), feeder(1.2e6))
    assert found.over_w == pytest.approx(found.safe_peak_w - 1.2e6)
    assert found.over_w > 0


def test_the_expectation_and_its_deviation_are_those_of_drawn_fleets() -> None:
    random = np.random.default_rng(3)
    held = heaters(300)
    spread_s, at_s = 900.0, 450.0
    told = comeback(held, spread_s, 16, 60.0)
    drawn = []
    for _ in range(2000):
        delay_s = random.uniform(0, spread_s, 300)
        runs_s = 0.2 * (600.0 + delay_s) / 0.8
        running = np.where(at_s - delay_s < runs_s, 1.0, random.random(300) < 0.2)
        drawn.append(2000.0 * float((running * (delay_s <= at_s)).sum()))
    assert np.mean(drawn) == pytest.approx(told.expected_w[7], rel=0.02)
    assert np.std(drawn) == pytest.approx(told.sd_w[7], rel=0.08)


@given(
    st.lists(st.tuples(st.floats(0, 600), st.floats(420, 900)), min_size=1, max_size=20),
    st.floats(0, 900),
)
def test_staggered_ends_keep_every_timer_and_never_lengthen_a_turn(
    turns: list[tuple[float, float]], width_s: float
) -> None:
    starts_s, max_off_s = [one[0] for one in turns], [one[1] for one in turns]
    ends_s = staggered_ends_s(starts_s, 900.0, max_off_s, width_s)
    for start_s, end_s, most_s in zip(starts_s, ends_s, max_off_s, strict=True):
        assert start_s <= end_s <= min(900.0, start_s + most_s)


def test_a_feeder_whose_arrays_differ_is_refused() -> None:
    with pytest.raises(InputError, match="expected one value of each a step"):
        release_spread(heaters(), Feeder(np.ones(3), np.ones(4), 1.0))
