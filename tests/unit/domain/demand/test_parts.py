"""Plant, quietest hour, early release, worth of shedding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand import Load, LoadState, LowestHour, Recover
from balans.domain.demand.lowest_hour import lowest_hours
from balans.domain.demand.plant import draw
from balans.domain.demand.restore import fits, released_early
from balans.domain.demand.shed import gain_of_shedding, least_loss
from balans.domain.demand.track import remembered_wh

units = st.integers(0, 10_000)


@given(units, units, units, st.none() | units, st.sampled_from(Recover))
def test_a_step_of_the_plant_keeps_energy(
    wanted: int, backlog: int, rated: int, ceiling: int | None, recover: Recover
) -> None:
    step = draw(wanted, backlog, rated, ceiling, recover)
    assert wanted + backlog == step.power + step.backlog + step.lost
    assert min(step) >= 0
    if ceiling is not None:
        assert step.power <= ceiling
    assert step.power <= max(wanted, rated)


def test_deferred_energy_comes_back_at_rated_power() -> None:
    backlog, powers = 0, []
    for minute in range(8):
        step = draw(100, backlog, 180, 0 if minute < 3 else None, Recover.DEFER)
        backlog = step.backlog
        powers.append(step.power)
    assert powers == [0, 0, 0, 180, 180, 180, 160, 100]


def test_lost_energy_does_not_come_back() -> None:
    assert draw(100, 0, 180, 0, Recover.LOSE) == (0, 0, 100)


@given(
    st.lists(st.floats(0, 5000), min_size=2, max_size=400),
    st.sampled_from([300.0, 420.0, 900.0]),
    st.integers(0, 9),
)
def test_the_quietest_hour_is_the_same_step_by_step_and_at_once(
    rest_w: list[float], step_s: float, begin: int
) -> None:
    start_s = begin * 420.0 + np.arange(len(rest_w), dtype=np.float64) * step_s
    at_once = lowest_hours(start_s, np.array(rest_w))
    state = LowestHour()
    for begin_s, power_w, expected in zip(start_s, rest_w, at_once, strict=True):
        low_w = state.low_w
        assert (low_w is None) == bool(np.isnan(expected))
        if low_w is not None:
            assert abs(low_w - expected) < 1e-6
        state = state.add(float(begin_s), step_s, power_w)


@given(st.lists(st.floats(60, 900), max_size=30))
def test_one_load_is_never_released_early(left_s: list[float]) -> None:
    count = released_early(left_s, 60.0)
    assert 0 <= count <= len(left_s) / 2


def test_shedding_what_cannot_come_back_inside_the_limit() -> None:
    big = Load("big", LoadClass.GREEN, 4500.0)
    assert least_loss(big, 4000.0, low_w=400.0) == 0.2
    assert least_loss(big, 4000.0, low_w=None) == 0.0
    assert gain_of_shedding(2000.0, 1000.0, least=0.2) is None  # half of it is overload
    assert gain_of_shedding(2000.0, 1600.0, least=0.2) == 0.8
    shed = LoadState(on=False, gain=0.8)
    assert not fits(big, shed, headroom_w=2000.0, least=0.2)
    assert fits(big, shed, headroom_w=2500.0, least=0.2)


def test_half_of_what_was_given_is_forgotten_in_a_day() -> None:
    state = LoadState(since_s=0.0, given_wh=800.0)
    assert remembered_wh(state, 0.0) == 800.0
    assert remembered_wh(state, 2 * 86_400.0) == 200.0
    assert remembered_wh(LoadState(), 1e9) == 0.0
