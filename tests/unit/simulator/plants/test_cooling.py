"""Refrigerators and freezers: the published cycle, rest of the compressor, rebound."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.simulator.arrays import Floats
from balans.simulator.plants.base import over
from balans.simulator.plants.cooling import (
    FREEZER,
    FRIDGE,
    MIN_OFF_S,
    ColdAppliances,
    ColdData,
    Cycle,
)

ON = np.ones(1, dtype=np.bool_)


@pytest.mark.parametrize("cycle", [FRIDGE, FREEZER])
@pytest.mark.parametrize("step_s", [10.0, 60.0])
def test_it_runs_the_published_cycle(cycle: Cycle, step_s: float) -> None:
    plant = ColdAppliances(ColdData.from_cycle(cycle))
    powers = np.array([plant.step(ON, step_s)[0] for _ in range(int(3 * 86_400 / step_s))])
    mean_w = cycle.power_w * cycle.on_s / (cycle.on_s + cycle.off_s)
    assert abs(powers.mean() / mean_w - 1) < 0.02
    starts = np.flatnonzero((powers[1:] > 0) & (powers[:-1] == 0))
    assert abs(np.diff(starts).mean() * step_s - cycle.on_s - cycle.off_s) <= step_s


@given(st.floats(50, 400), st.floats(300, 3_000), st.floats(900, 9_000))
def test_parameters_are_physical_for_any_cycle(power: float, on_s: float, off_s: float) -> None:
    data = ColdData.from_cycle(Cycle(power, on_s, off_s, 5.0))
    assert data.loss_w_k[0] > 0
    assert data.capacity_wh_k[0] > 0
    # In balance over a cycle, heat that comes in is heat that is taken out, to what the sagging
    # of the curves makes of it.
    share = on_s / (on_s + off_s)
    heat_in_w = data.loss_w_k[0] * 15.0
    assert heat_in_w == pytest.approx(data.cooling_w[0] * share, rel=0.05)


@given(st.lists(st.booleans(), min_size=2, max_size=200))
def test_a_stopped_compressor_rests(supply: list[bool]) -> None:
    plant = ColdAppliances(ColdData.from_cycle(FRIDGE), np.array([9.0]))
    stopped, was = -10, 0.0
    for minute, on in enumerate(supply):
        power = plant.step(np.array([on]), 60.0)[0]
        if power > 0:
            assert on
            assert not (0 < minute - stopped < MIN_OFF_S / 60)
        elif was > 0:
            stopped = minute
        was = power


@given(st.floats(-5, 15), st.floats(0, 40), st.integers(1, 12))
def test_small_steps_and_a_large_one_agree(start_c: float, door_w: float, parts: int) -> None:
    data = replace(ColdData.from_cycle(FRIDGE), min_off_s=over(0, 1))
    one, many = (ColdAppliances(data, np.array([start_c])) for _ in range(2))
    power = one.step(ON, 60.0, door_w)[0]
    powers = [many.step(ON, 60.0 / parts, door_w)[0] for _ in range(parts)]
    # A start waits for the end of a step, so only a step without one can agree.
    if many.running[0] == one.running[0] and (power > 0) == (powers[0] > 0):
        assert np.mean(powers) == pytest.approx(power, rel=1e-6)
        assert many.temperature_c[0] == pytest.approx(one.temperature_c[0], abs=1e-9)


def test_a_start_peaks_and_fades() -> None:
    data = replace(ColdData.from_cycle(FRIDGE), warm_ratio=over(0.2, 1))
    plant = ColdAppliances(data, np.array([8.0]))
    first = [float(plant.step(ON, 1.0)[0]) for _ in range(600)]
    assert first[0] > 2.5 * 110
    assert first[5] == pytest.approx(110 * 1.2, rel=0.02)
    assert first[-1] == pytest.approx(110 * (1 + 0.2 * np.exp(-2)), rel=0.01)


def fleet_w(cut: range) -> Floats:
    random = np.random.default_rng(5)
    size, inertia = random.uniform(0.7, 1.3, (2, 2_000))
    data = ColdData.from_cycle(FRIDGE, 2_000).scaled(size, inertia)
    plant = ColdAppliances.mid_cycle(data, random.random(2_000))
    every = np.ones(2_000, dtype=np.bool_)
    for _ in range(60):
        plant.step(every, 60.0)
    return np.array([plant.step(every & (m not in cut), 60.0).sum() for m in range(300)])


def test_fifteen_minutes_off_come_back() -> None:
    """What was not cooled is cooled after: a higher peak, and most of the energy returns.

    Of a cycle of 86 minutes 18 run. After the quarter those of the quarter run too, and before the
    first are cold again some minutes pass: (18 + 15 + 2 to 5) / 18, about twice as many.
    """
    free, held = fleet_w(range(0)), fleet_w(range(60, 75))
    missed = free[60:75].sum()
    assert held[60:75].sum() == 0
    assert 1.8 < held[76:90].max() / free[76:90].mean() < 2.2
    # What is left is lost for good: the contents were warmer meanwhile, and took in less heat.
    assert 0.7 < (held - free)[75:160].sum() / missed < 1.0
