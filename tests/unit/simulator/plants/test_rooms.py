"""Homes: heat is kept, the thermostat holds, units are what they are rated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.simulator.plants.rooms import (
    MIN_REST_S,
    Cop,
    RoomData,
    Rooms,
    air_conditioner_eer,
    heat_pump_cop,
    heater_cop,
)

ON = np.ones(1, dtype=np.bool_)


def home(cop: Cop = heater_cop, *, cooling: bool = False, power_w: float = 3_000.0) -> Rooms:
    one = np.ones(1)
    data = RoomData.typical(80 * one, 100 * one, power_w * one, 21 * one)
    return Rooms(data, cop, cooling=cooling)


MINUTE = st.tuples(st.booleans(), st.floats(-20, 40), st.floats(0, 5_000))


@given(st.lists(MINUTE, min_size=1, max_size=50), st.sampled_from([1.0, 60.0, 900.0]))
def test_heat_is_kept(minutes: list[tuple[bool, float, float]], step_s: float) -> None:
    plant = home(heat_pump_cop)
    before, gained_wh = plant.stored_wh, 0.0
    for on, outdoor_c, gains_w in minutes:
        plant.step(np.array([on]), step_s, outdoor_c, np.array([gains_w]))
        gained_wh += gains_w * step_s / 3_600
    np.testing.assert_allclose(
        plant.stored_wh, before + plant.out_wh + plant.unit_wh + gained_wh, rtol=1e-9
    )


def test_a_heater_covers_the_loss() -> None:
    plant = home()
    powers = [plant.step(ON, 60.0, 0.0, np.zeros(1))[0] for _ in range(20 * 1_440)]
    assert np.mean(powers[5 * 1_440 :]) == pytest.approx(100 * 21, rel=0.03)
    assert 20.3 < plant.air_c[0] < 21.7


def test_an_air_conditioner_cools_and_a_heater_does_not_heat_in_summer() -> None:
    cold, warm = home(air_conditioner_eer, cooling=True, power_w=1_200.0), home()
    cooled = [cold.step(ON, 60.0, 32.0, np.full(1, 300.0))[0] for _ in range(3 * 1_440)]
    heated = [warm.step(ON, 60.0, 26.0, np.zeros(1))[0] for _ in range(1_440)]
    assert np.mean(cooled) > 200
    assert cold.air_c[0] < 21.7
    assert sum(heated) == 0


@given(st.lists(st.booleans(), min_size=2, max_size=200))
def test_a_unit_rests_after_a_stop(supply: list[bool]) -> None:
    plant, stopped, was = home(), -100, 0.0
    for minute, on in enumerate(supply):
        power = plant.step(np.array([on]), 60.0, -10.0, np.zeros(1))[0]
        assert on or power == 0
        if power > 0 and was == 0:
            assert minute - stopped >= MIN_REST_S / 60
        if power == 0 and was > 0:
            stopped = minute
        was = power


def test_after_a_cut_the_home_is_colder_and_heats_longer() -> None:
    free, held = home(power_w=4_000.0), home(power_w=4_000.0)
    for plant in (free, held):
        for _ in range(2_880):
            plant.step(ON, 60.0, -5.0, np.zeros(1))
    powers = [
        [
            plant.step(ON & (not cut or minute >= 60), 60.0, -5.0, np.zeros(1))[0]
            for minute in range(360)
        ]
        for plant, cut in ((free, False), (held, True))
    ]
    energy = np.array(powers) / 60
    missed = energy[0][:60].sum()
    back = (energy[1] - energy[0])[60:].sum()
    assert missed > 1_000
    # What is left stays in walls that are still colder.
    assert 0.4 < back / missed < 1.0


def test_curves_of_efficiency() -> None:
    assert heat_pump_cop(7.0) == pytest.approx(0.85 * (6.08 - 0.09 * 26 + 0.0005 * 26**2))
    assert heat_pump_cop(-10.0) < heat_pump_cop(0.0) < heat_pump_cop(12.5) == heat_pump_cop(30.0)
    assert air_conditioner_eer(35.0) == pytest.approx(3.5)
    assert air_conditioner_eer(43.0) < 3.5 < air_conditioner_eer(25.0)
