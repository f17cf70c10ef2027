"""Faults between controller and plants: seeded, composable, each what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.simulator.plants.faults import (
    ClockOffset,
    DropOut,
    Late,
    Line,
    LostCommand,
    Welded,
    WrongRating,
)
from balans.simulator.plants.tank import TankData, WaterTanks

COUNT = 500
ON, OFF = np.ones(COUNT, dtype=np.bool_), np.zeros(COUNT, dtype=np.bool_)
POWER = np.arange(COUNT, dtype=np.float64)


def test_an_honest_line_changes_nothing() -> None:
    line = Line()
    assert (line.contacts(OFF) == OFF).all()
    read = line.reading(60.0, POWER)
    assert (read.power_w == POWER).all()
    assert (read.time_s == 60).all()


def test_a_lost_command_comes_through_later() -> None:
    line = Line((LostCommand(0.3, seed=1),))
    off = [int((~line.contacts(OFF)).sum()) for _ in range(20)]
    assert off[0] == pytest.approx(0.7 * COUNT, rel=0.1)
    assert off == sorted(off)
    assert off[-1] == COUNT


@pytest.mark.parametrize("closed", [True, False])
def test_welded_contacts_stay(*, closed: bool) -> None:
    fault = Welded(0.1, seed=2, closed=closed)
    for wanted in (ON, OFF, ON):
        contacts = Line((fault,)).contacts(wanted)
        assert (contacts[fault.stuck(COUNT)] == closed).all()
        assert (contacts[~fault.stuck(COUNT)] == wanted[0]).all()
    assert fault.stuck(COUNT).sum() == pytest.approx(50, abs=20)


def test_late_readings_keep_their_time() -> None:
    line = Line(meter=(Late(2),))
    reads = [line.reading(60.0 * k, POWER + k) for k in range(5)]
    assert np.isnan(reads[0].power_w).all()
    assert np.isnan(reads[1].power_w).all()
    for k in (2, 3, 4):
        assert (reads[k].power_w == POWER + k - 2).all()
        assert (reads[k].time_s == 60.0 * (k - 2)).all()


def test_silent_meters_read_nothing_and_not_zero() -> None:
    line = Line(meter=(DropOut(0.02, 10.0, seed=3),))
    reads = np.array([line.reading(0.0, POWER + 1).power_w for _ in range(2_000)])
    silent = np.isnan(reads)
    assert (reads[~silent] > 0).all()
    # A meter is silent 10 of every 10 + 50 - 1 steps.
    assert silent.mean() == pytest.approx(10 / 59, rel=0.1)
    edges = np.diff(silent.astype(int), axis=0)
    assert silent.sum() / (edges == 1).sum() == pytest.approx(10, rel=0.1)


def test_clocks_are_wrong_by_a_constant() -> None:
    line = Line(meter=(ClockOffset(30.0, seed=4),))
    first, second = (line.reading(time, POWER).time_s - time for time in (0.0, 600.0))
    np.testing.assert_allclose(first, second)
    assert first.std() == pytest.approx(30, rel=0.15)


def test_ratings_are_told_wrong() -> None:
    told = WrongRating(0.2, seed=5).told_w(np.full(COUNT, 2_000.0))
    assert np.log(told / 2_000).std() == pytest.approx(0.2, rel=0.15)
    assert (told > 0).all()
    assert (WrongRating(0.0, seed=5).told_w(POWER) == POWER).all()


FAULTS = st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 3), st.integers(0, 5))


@given(FAULTS, st.lists(st.booleans(), min_size=1, max_size=30))
def test_the_same_seed_gives_the_same_faults(
    faults: tuple[float, float, int, int], wanted: list[bool]
) -> None:
    chance, share, late, seed = faults

    def play() -> tuple[np.ndarray, np.ndarray]:
        line = Line(
            (LostCommand(chance, seed), Welded(share, seed)),
            (DropOut(chance / 2, 3.0, seed), Late(late), ClockOffset(5.0, seed)),
        )
        contacts = [line.contacts(np.full(20, on)) for on in wanted]
        reads = [line.reading(float(k), np.ones(20)).power_w for k in range(len(wanted))]
        return np.array(contacts), np.array(reads)

    for one, other in zip(play(), play(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_welded_heater_cannot_be_shed() -> None:
    """Controller, line and plant in a row: what is commanded is not what happens."""
    fault = Welded(0.2, seed=6)
    line = Line((LostCommand(0.5, seed=6), fault))
    plant = WaterTanks(TankData.typical(np.full(COUNT, 150.0), np.full(COUNT, 2_000.0)))
    plant.lower_c[:] = 30.0
    plant.step(OFF, 60.0, np.zeros(COUNT), 10.0)
    powers = [plant.step(line.contacts(OFF), 60.0, np.zeros(COUNT), 10.0) for _ in range(15)]
    power = powers[-1]
    assert power[fault.stuck(COUNT)] == pytest.approx(2_000)
    assert (power[~fault.stuck(COUNT)] == 0).all()
