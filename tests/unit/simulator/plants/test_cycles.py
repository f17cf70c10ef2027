"""Machines: whole programmes, delayed ones, lost ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.simulator.plants.cycles import (
    DISHWASHER_55,
    DRYER,
    WASHING_40,
    Machines,
    Phase,
    Program,
    heating,
)

PROGRAMS = (WASHING_40, DISHWASHER_55, DRYER)
ONE = np.ones(1, dtype=np.int32)


def machine(program: Program) -> Machines:
    plant = Machines((program,), np.zeros(1, dtype=np.int32), np.ones(1))
    plant.request(ONE)
    return plant


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("step_s", [1.0, 60.0, 900.0])
def test_a_programme_has_its_energy_and_length(program: Program, step_s: float) -> None:
    plant, steps, energy = machine(program), 0, 0.0
    while plant.done[0] == 0:
        energy += float(plant.step(np.array([True]), step_s)[0]) * step_s / 3_600
        steps += 1
    assert energy == pytest.approx(program.energy_wh, rel=1e-9)
    assert steps == np.ceil(round(program.length_s / step_s, 6))
    assert plant.rated_w[0] == pytest.approx(program.peak_w)
    assert plant.lost[0] == 0


def test_it_waits_for_supply() -> None:
    plant = machine(WASHING_40)
    assert plant.wants_w(60.0)[0] == pytest.approx(60)
    for _ in range(100):
        assert plant.step(np.array([False]), 60.0)[0] == 0
    assert plant.waiting[0] == 1
    assert plant.step(np.array([True]), 60.0)[0] == pytest.approx(60)
    assert plant.waiting[0] == 0
    assert plant.lost[0] == 0


def test_cut_in_the_middle_it_is_lost_and_begins_anew() -> None:
    plant = machine(DRYER)
    first = sum(float(plant.step(np.array([True]), 60.0)[0]) / 60 for _ in range(20))
    plant.step(np.array([False]), 60.0)
    assert plant.lost[0] == 1
    assert plant.lost_wh[0] == pytest.approx(first)
    again = 0.0
    while plant.done[0] == 0:
        again += float(plant.step(np.array([True]), 60.0)[0]) / 60
    assert again == pytest.approx(DRYER.energy_wh)


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 3))
def test_every_watt_hour_is_in_a_programme(supply: list[bool], wanted: int) -> None:
    plant = Machines(PROGRAMS, np.array([0, 1, 2], dtype=np.int32), np.array([1.0, 0.9, 1.1]))
    plant.request(np.full(3, wanted, dtype=np.int32))
    bought = np.zeros(3)
    for on in supply:
        bought += plant.step(np.full(3, on), 60.0) / 60
    whole = np.array([program.energy_wh for program in PROGRAMS]) * plant.size
    running = np.where(plant.idle, 0.0, plant.used_wh)
    np.testing.assert_allclose(bought, plant.done * whole + plant.lost_wh + running, atol=1e-6)
    assert (plant.waiting + plant.done + ~plant.idle == wanted).all()


def test_heating_follows_from_litres_and_kelvins() -> None:
    phase = heating(15, 25, 2_000, 100)
    assert phase.power_w == 2_100
    assert phase.length_s == pytest.approx(1.25 * 15 * 1.163 * 25 / 2_000 * 3_600)


def test_more_load_heats_longer_and_rinses_alike() -> None:
    program = Program((Phase(600, 2_000), Phase(300, 100)))
    assert program.loaded(1.5).phases == (Phase(900, 2_000), Phase(300, 100))
    assert program.heating_wh == pytest.approx(2_000 / 6)
