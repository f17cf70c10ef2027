"""Generated registers: by seed, never shrinking, the same whatever else is generated."""

import numpy as np

from balans.simulator.generated import DAY_SHAPE, MEAN_PULSES, GeneratedHub


def played(hours: int, modules: int = 5, seed: int = 1, hub: int = 1) -> np.ndarray:
    town = GeneratedHub(seed, hub, np.full((modules, 3), 1_000))
    rows = [town.registers]
    for hour in range(hours):
        town.pass_hour(hour)
        rows.append(town.registers)
    return np.array(rows)


def test_same_seed_same_registers() -> None:
    assert (played(30) == played(30)).all()
    assert (played(30) != played(30, seed=2)).any()
    assert (played(30) != played(30, hub=2)).any()


def test_registers_begin_where_they_are_told_and_never_shrink() -> None:
    rows = played(48)
    assert (rows[0] == 1_000).all()
    assert (np.diff(rows, axis=0) >= 0).all()


def test_a_longer_or_larger_town_repeats_the_smaller_one() -> None:
    small, large = played(10, modules=3), played(20, modules=240)
    assert (large[:11, :3] == small).all()


def test_amounts_and_hours_are_those_of_households() -> None:
    rows = played(24 * 30, modules=240)
    pulses = np.diff(rows, axis=0)
    means = np.median(pulses.mean(axis=0), axis=0)
    expected = np.array(MEAN_PULSES) * DAY_SHAPE.mean()
    assert (np.abs(means / expected - 1) < 0.2).all()
    by_hour = pulses[..., 0].reshape(30, 24, 240).mean(axis=(0, 2))
    assert by_hour[19] > 3 * by_hour[3]
