"""Generated water and gas: by seed, at plausible times and in plausible amounts."""

import numpy as np

from balans.simulator.draws import busy_share, generate
from balans.simulator.recording import DAY_MIN, town_minutes


def red_w() -> np.ndarray:
    recording = town_minutes()
    return recording.rest_w + recording.kitchen_w


def test_same_seed_same_draws() -> None:
    one, again, other = (generate(red_w(), seed) for seed in (1, 1, 2))
    assert (one.water_l == again.water_l).all()
    assert (one.gas_l == again.gas_l).all()
    assert (one.water_l != other.water_l).any()


def test_amounts_are_those_of_a_household() -> None:
    draws = generate(red_w(), 1)
    assert draws.water_l.min() == draws.gas_l.min() == 0
    water_a_day, gas_a_day = (litres.sum(axis=1) / 7 for litres in draws)
    assert 100 < water_a_day.min() < water_a_day.max() < 500
    assert 50 < gas_a_day.min() < gas_a_day.max() < 500


def test_gas_is_burnt_at_meals_only() -> None:
    by_hour = generate(red_w(), 1).gas_l.reshape(24, 7, 24, 60).sum(axis=(0, 1, 3))
    assert by_hour[[0, 1, 2, 3, 4, 5, 10, 16, 17, 22, 23]].sum() == 0
    assert by_hour[[7, 12, 19]].min() > 0


def test_water_follows_the_activity_of_the_flat() -> None:
    water = generate(red_w(), 1).water_l
    busy = busy_share(red_w())
    assert water[busy > 0.8].mean() > 5 * water[busy == 0].mean()


def test_a_flat_without_consumption_is_asleep() -> None:
    draws = generate(np.full((1, DAY_MIN), 100), 1)
    assert draws.gas_l.sum() == 0
    assert draws.water_l.sum() <= 6 * 20
