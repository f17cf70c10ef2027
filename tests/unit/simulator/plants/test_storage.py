"""Cars, batteries and pumps: energy and water are kept, limits hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.simulator.plants.battery import Batteries, BatteryData
from balans.simulator.plants.pump import PumpData, Pumps
from balans.simulator.plants.vehicle import VehicleData, Vehicles

ONE = np.ones(1)
YES = np.ones(1, dtype=np.bool_)


def car(phases: float = 1.0, max_a: float = 16.0, stored_wh: float = 10_000.0) -> Vehicles:
    plant = Vehicles(
        VehicleData.typical(phases * ONE, max_a * ONE, 50_000.0 * ONE), stored_wh * ONE
    )
    plant.arrive(YES, np.zeros(1), 50_000.0 * ONE)
    return plant


@given(st.lists(st.floats(0, 40), min_size=1, max_size=80), st.floats(0, 50_000))
def test_a_car_keeps_energy_and_its_limit(allowed: list[float], stored_wh: float) -> None:
    plant = car(3.0, 16.0, stored_wh)
    bought_wh = 0.0
    for allowed_a in allowed:
        power = float(plant.step(allowed_a * ONE, 600.0)[0])
        assert 0 <= power <= 230 * 3 * min(allowed_a, 16.0) + 1e-6
        assert allowed_a >= 6 or power == 0
        bought_wh += power / 6
    assert plant.stored_wh[0] == pytest.approx(stored_wh + 0.9 * bought_wh, abs=1e-6)
    assert plant.stored_wh[0] <= 50_000 + 1e-6


def test_a_car_charges_at_full_power_and_then_tapers() -> None:
    plant = car()
    powers = [float(plant.step(32 * ONE, 60.0)[0]) for _ in range(24 * 60)]
    assert powers[0] == pytest.approx(230 * 16)
    knee = next(at for at, power in enumerate(powers) if power < powers[0] - 1e-6)
    assert knee == pytest.approx(60 * 0.9**-1 * (0.8 * 50_000 - 10_000) / 3_680, abs=2)
    assert powers[knee:] == sorted(powers[knee:], reverse=True)
    assert plant.stored_wh[0] > 0.99 * 50_000
    assert powers[-1] == 0


def test_six_amperes_or_nothing() -> None:
    assert car().step(5.9 * ONE, 60.0)[0] == 0
    assert car().step(6.0 * ONE, 60.0)[0] == pytest.approx(1_380)


def test_what_a_departing_car_lacks_is_counted_once() -> None:
    plant = car()
    plant.depart(YES)
    plant.depart(YES)
    assert plant.short_wh[0] == 40_000
    assert plant.step(16 * ONE, 60.0)[0] == 0
    plant.arrive(YES, 4_000.0 * ONE, 20_000.0 * ONE)
    assert plant.stored_wh[0] == 6_000
    assert plant.wants_w[0] == pytest.approx(3_680)


@given(st.lists(st.floats(-9_000, 9_000), min_size=1, max_size=100), st.sampled_from([60.0, 900.0]))
def test_a_battery_keeps_energy_and_its_limits(setpoints: list[float], step_s: float) -> None:
    plant = Batteries(BatteryData.typical(8_000.0 * ONE, 4_000.0 * ONE))
    before, net_wh = plant.stored_wh.copy(), 0.0
    for setpoint in setpoints:
        power = float(plant.step(setpoint * ONE, step_s)[0])
        assert abs(power) <= min(4_000, abs(setpoint)) + 1e-6
        assert power * setpoint >= 0
        net_wh += power * step_s / 3_600
        assert 0.1 * 8_000 - 1e-6 <= plant.stored_wh[0] <= 8_000 + 1e-6
    np.testing.assert_allclose(plant.stored_wh + plant.lost_wh, before + net_wh, atol=1e-6)
    assert plant.lost_wh[0] >= 0


def test_a_round_trip_costs_a_tenth() -> None:
    plant = Batteries(BatteryData.typical(8_000.0 * ONE, 4_000.0 * ONE), soc=0.1)
    bought = sum(float(plant.step(4_000.0 * ONE, 60.0)[0]) / 60 for _ in range(600))
    sold = -sum(float(plant.step(-4_000.0 * ONE, 60.0)[0]) / 60 for _ in range(600))
    assert sold / bought == pytest.approx(0.95**2, rel=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 300)), min_size=1, max_size=200))
def test_a_pump_keeps_water(minutes: list[tuple[bool, float]]) -> None:
    plant = Pumps(PumpData.typical(550.0 * ONE, 30.0 * ONE, 500.0 * ONE))
    before, used = float(plant.level_l[0]), 0.0
    for on, use_l in minutes:
        power = plant.step(np.array([on]), 60.0, use_l * ONE)[0]
        assert 0 <= power <= 550 + 1e-6
        used += use_l
    served = used - float(plant.short_l[0])
    assert plant.level_l[0] == pytest.approx(before + float(plant.pumped_l[0]) - served, abs=1e-6)
    assert -1e-9 <= plant.level_l[0] <= 0.95 * 500 + 1e-6


def test_a_pump_lifts_what_its_power_can() -> None:
    # 550 W at 40 % lift 0.748 l/s by 30 m: 220 W = 1 kg/l · 9.81 m/s² · 30 m · flow.
    data = PumpData.typical(550.0 * ONE, 30.0 * ONE, 500.0 * ONE)
    assert data.flow_l_s[0] == pytest.approx(220 / (9.81 * 30))
    plant = Pumps(data, level=0.4)
    assert plant.wants_w[0] == 550
    plant.step(YES, 60.0, np.zeros(1))
    assert plant.level_l[0] == pytest.approx(200 + 60 * 220 / (9.81 * 30))
