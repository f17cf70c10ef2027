"""Thermal loading and ageing of transformers against the standard's figures and plain physics."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.transformer import (
    LIMITS,
    ONAF_MEDIUM,
    ONAN_DISTRIBUTION,
    ONAN_MEDIUM,
    Loading,
    Paper,
    PhaseLoad,
    ThermalModel,
    ThermalState,
    advance,
    ageing_rate,
    load_of_phases,
    loss_of_life_h,
    simulate,
    steady_state,
)

MODELS = [ONAN_DISTRIBUTION, ONAN_MEDIUM, ONAF_MEDIUM]
loads = st.floats(0, 2, allow_nan=False)


def test_the_standards_example_of_a_changing_load() -> None:
    """The ONAF unit of 250 MVA in the annex of IEC 60076-7.

    Load factors and temperatures at the end of each as the tests of the package
    `transformer-thermal-model` 0.6.0 (MPL-2.0) reproduce them from the standard. The loss ratio is
    so large that no-load losses do not count. Both implementations meet all twelve figures within
    1.1 K (here the hot spot after 500 minutes differs most).
    """
    unit = ThermalModel("annex", 38.3, 1.4 * 14.5, 1000.0, 0.8, 1.3, 0.5, 2.0, 2.0, 150.0, 7.0)
    parts = [(190, 1.0), (175, 0.6), (135, 1.5), (205, 0.3), (25, 2.1), (15, 0.0)]
    load = np.concatenate([np.full(minutes, factor) for minutes, factor in parts])
    at = np.cumsum([minutes for minutes, _ in parts]) - 1
    start = ThermalState(*(np.array(value) for value in (25.6 + 12.7, 0.0, 0.0)))
    found = simulate(unit, load, 25.6, 60.0, start)
    assert found.top_oil_c[at] == pytest.approx([61.9, 44.4, 89.2, 35.0, 67.9, 60.3], abs=1.0)
    expected = [83.8, 54.0, 127.0, 37.54, 138.6, 75.3]
    assert found.hot_spot_c[at] == pytest.approx(expected, abs=1.1)


def test_rated_load_at_20_degrees_makes_the_hot_spot_98() -> None:
    for model in MODELS:
        assert steady_state(model, 1.0, 20.0).hot_spot_c == pytest.approx(98.0)


@pytest.mark.parametrize("model", MODELS)
def test_a_load_that_lasts_ends_in_the_steady_state(model: ThermalModel) -> None:
    start = steady_state(model, 0.2, 10.0)
    found = simulate(model, np.full(4000, 0.9), 10.0, 60.0, start)
    end = steady_state(model, 0.9, 10.0)
    assert found.hot_spot_c[-1] == pytest.approx(end.hot_spot_c, abs=1e-3)
    assert found.top_oil_c[-1] == pytest.approx(end.top_oil_c, abs=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_the_load_follows_the_exponential_solution(model: ThermalModel) -> None:
    """IEC 60076-7:2018, 8.2.2: the closed solution f1, f2 for a load that steps up."""
    low, high, minutes = 0.5, 1.3, np.arange(1, 601)
    found = simulate(model, np.full(600, high), 20.0, 60.0, steady_state(model, low, 20.0))
    oil = [float(steady_state(model, k, 20.0).top_oil_c) for k in (low, high)]
    f1 = 1 - np.exp(-minutes / (model.k11 * model.oil_min))
    winding = [model.hot_spot_gradient_k * k**model.winding_exponent for k in (low, high)]
    f2 = model.k21 * (1 - np.exp(-minutes / (model.k22 * model.winding_min)))
    f2 -= (model.k21 - 1) * (1 - np.exp(-minutes / (model.oil_min / model.k22)))
    top_oil_c = oil[0] + (oil[1] - oil[0]) * f1
    hot_spot_c = top_oil_c + winding[0] + (winding[1] - winding[0]) * f2
    assert found.top_oil_c == pytest.approx(top_oil_c, abs=1e-9)
    assert found.hot_spot_c == pytest.approx(hot_spot_c, abs=1e-9)


def test_the_standards_differences_in_fine_steps_agree() -> None:
    """The difference equations of 8.2.3 at one second, written out."""
    model, rng = ONAN_MEDIUM, np.random.default_rng(3)
    load = np.repeat(rng.uniform(0, 1.6, 24), 30)
    oil, fast, slow, hot = 20.0, 0.0, 0.0, []
    for factor in load.tolist():
        for _ in range(60):
            target = ((1 + factor**2 * 6) / 7) ** 0.8 * 52 + 20
            oil += (target - oil) / (0.5 * 210 * 60)
            fast += (2 * factor**1.3 * 26 - fast) / (2 * 10 * 60)
            slow += (factor**1.3 * 26 - slow) / (210 / 2 * 60)
        hot.append(oil + fast - slow)
    start = ThermalState(*(np.array(value) for value in (20.0, 0.0, 0.0)))
    assert simulate(model, load, 20.0, 60.0, start).hot_spot_c == pytest.approx(hot, abs=0.02)


@given(loads, loads, st.floats(1, 3600))
def test_temperatures_stay_between_where_they_are_and_where_they_go(
    first: float, then: float, step_s: float
) -> None:
    model = ONAN_DISTRIBUTION
    start, end = steady_state(model, first, 20.0), steady_state(model, then, 20.0)
    found = advance(model, start, then, 20.0, step_s)
    low, high = sorted([float(start.hot_spot_c), float(end.hot_spot_c)])
    assert low - 1e-9 <= float(found.hot_spot_c) <= high + 1e-9


def test_runs_side_by_side_are_runs_one_by_one() -> None:
    rng = np.random.default_rng(1)
    load = rng.uniform(0, 1.5, (200, 3, 2))
    ambient = rng.uniform(-10, 30, 200)
    together = simulate(ONAN_MEDIUM, load, ambient, 300.0)
    for place in np.ndindex(3, 2):
        alone = simulate(ONAN_MEDIUM, load[:, *place], ambient, 300.0)
        assert np.allclose(alone.hot_spot_c, together.hot_spot_c[:, *place])


def test_going_on_from_the_end_is_going_on() -> None:
    load = np.random.default_rng(2).uniform(0, 1.5, 100)
    whole = simulate(ONAN_DISTRIBUTION, load, 20.0, 60.0)
    first = simulate(ONAN_DISTRIBUTION, load[:40], 20.0, 60.0)
    rest = simulate(ONAN_DISTRIBUTION, load[40:], 20.0, 60.0, first.end)
    assert np.allclose(np.r_[first.hot_spot_c, rest.hot_spot_c], whole.hot_spot_c)


def test_unbalanced_phases_make_the_hot_spot_hotter() -> None:
    balanced = load_of_phases(np.full((60, 3), 20e3), 63e3)
    uneven = load_of_phases(np.tile([30e3, 15e3, 15e3], (60, 1)), 63e3)
    assert balanced.oil_pu == pytest.approx(balanced.winding_pu)
    assert uneven.oil_pu[0] == pytest.approx(math.sqrt((30**2 + 2 * 15**2) / 3) / 21)
    assert uneven.winding_pu[0] == pytest.approx(30 / 21)
    even = simulate(ONAN_DISTRIBUTION, balanced, 20.0, 60.0)
    assert (simulate(ONAN_DISTRIBUTION, uneven, 20.0, 60.0).hot_spot_c > even.hot_spot_c).all()
    same = PhaseLoad(balanced.oil_pu, balanced.oil_pu)
    assert np.allclose(simulate(ONAN_DISTRIBUTION, same, 20.0, 60.0).hot_spot_c, even.hot_spot_c)


def test_the_standards_table_of_ageing_rates() -> None:
    """IEC 60076-7, the table of relative ageing rates due to hot-spot temperature."""
    hot = np.arange(80.0, 141.0, 6.0)
    plain = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    upgraded = [0.036, 0.073, 0.145, 0.282, 0.536, 1.0, 1.83, 3.29, 5.8, 10.1, 17.2]
    assert ageing_rate(hot) == pytest.approx(plain)
    assert ageing_rate(hot, Paper.UPGRADED) == pytest.approx(upgraded, rel=0.02)


def test_a_day_at_the_normal_temperature_uses_up_a_day() -> None:
    day = np.full((1440, 2), 98.0)
    assert loss_of_life_h(day, 60.0) == pytest.approx([24.0, 24.0])
    assert loss_of_life_h(day + 12, 60.0, Paper.UPGRADED) == pytest.approx([24.0, 24.0])


def test_limits_grow_with_the_emergency() -> None:
    normal, long_, short = (LIMITS[kind] for kind in Loading)
    assert normal.current_pu < long_.current_pu < short.current_pu
    assert normal.hot_spot_c == 120.0
    assert short.hot_spot_c is None
