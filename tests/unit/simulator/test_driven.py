"""A town whose loads are plants: closed loop, twins, restart, and no change without plants."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from balans.core.words import LoadClass
from balans.protocols.module import Switch
from balans.simulator.driven import Driven, with_plants
from balans.simulator.faults import FaultPlan
from balans.simulator.plants.groups import MachineGroup
from balans.simulator.state import StateError, digest_of
from balans.simulator.town import demo_town
from balans.simulator.world import Wire, World

PLAIN = demo_town()
SPEC = with_plants(PLAIN)
HEAT = [load.name for load in SPEC.loads if load.kind == "heat"]
WASH = [load.name for load in SPEC.loads if load.kind == "wash"]


def switch(world: World, load: str, *, on: bool) -> None:
    now = world.now_s
    order = Switch(f"{load}-{now}", load, on, now, now + 30, 900.0, "dlm", "over_limit")
    assert world.obey(load, order, now) is not None


def play(world: World, minutes: int, cut: range = range(0)) -> np.ndarray:
    """Let minutes pass with all heaters off in `cut`; return power by load and minute."""
    powers = []
    for minute in range(minutes):
        world.tick()
        if cut and minute in {cut.start, cut.stop}:
            for load in HEAT:
                switch(world, load, on=minute == cut.stop)
        powers.append(list((world.advance().load_w or {}).values()))
    return np.array(powers).T


def test_a_town_without_plants_keeps_its_fingerprint() -> None:
    assert repr(PLAIN.loads[0]).count("plant") == 0
    assert digest_of(PLAIN) == digest_of(demo_town())
    assert digest_of(SPEC) != digest_of(PLAIN)
    assert World(PLAIN).plant.driven is None


def test_rated_power_is_that_of_the_plants() -> None:
    by_name = {load.name: load for load in SPEC.loads}
    assert all(by_name[name].rated_w in {1_500, 2_000, 2_400} for name in HEAT)
    kitchens = [load for load in PLAIN.loads if load.kind == "kitchen"]
    assert [by_name[load.name] for load in kitchens] == kitchens


def test_without_control_plants_and_twins_agree() -> None:
    world = World(SPEC)
    play(world, 600)
    result = world.result(Wire())
    assert (result.controlled_w == result.uncontrolled_w).all()
    assert result.backlog_kwh == 0
    assert result.red_interruptions == 0


def test_a_shed_heater_draws_nothing_and_comes_back() -> None:
    free, held = World(SPEC), World(SPEC)
    cut = range(7 * 60, 7 * 60 + 14)
    base, power = play(free, 600), play(held, 600, cut)
    heat = [index for index, load in enumerate(SPEC.loads) if load.kind == "heat"]
    other = [index for index, load in enumerate(SPEC.loads) if load.kind != "heat"]
    off = slice(cut.start, cut.stop)
    assert (power[heat, off] == 0).all()
    assert (power[other] == base[other]).all()
    missed = base[heat, off].sum()
    back = (power[heat] - base[heat])[:, cut.stop :].sum()
    assert missed > 0
    assert 0.6 < back / missed < 1.05
    assert (power[heat, : cut.start] == base[heat, : cut.start]).all()


def test_a_washing_machine_cut_in_the_middle_loses_its_programme() -> None:
    world = World(SPEC)
    assert world.plant.driven is not None
    group = world.plant.driven.houses.plant("washing_machine")
    assert isinstance(group, MachineGroup)
    index = {load.name: at for at, load in enumerate(SPEC.loads)}
    cut = 0
    for _ in range(1_440):
        world.tick()
        power = world.advance().load_w or {}
        running = [name for name in WASH if power[name] > 0 and world.bank.on[index[name]]]
        if world.plant.minute % 60 == 0:
            for name in running:
                switch(world, name, on=False)
                cut += 1
    assert cut > 5
    assert 0 < group.plant.lost.sum() <= cut


def test_a_welded_contact_keeps_the_plant_on() -> None:
    world = World(SPEC, FaultPlan(stuck_relays=frozenset(HEAT)))
    power = play(world, 600, range(7 * 60, 7 * 60 + 14))
    heat = [index for index, load in enumerate(SPEC.loads) if load.kind == "heat"]
    assert (power[heat] == play(World(SPEC), 600)[heat]).all()


def test_a_second_start_continues(tmp_path: Path) -> None:
    through = play(World(SPEC), 400, range(100, 110))
    first = World(SPEC, state_dir=tmp_path)
    begun = play(first, 200, range(100, 110))
    first.close()
    second = World(SPEC, state_dir=tmp_path)
    assert (np.hstack((begun, play(second, 200))) == through).all()
    second.close()
    with pytest.raises(StateError, match="another town"):
        World(PLAIN, state_dir=tmp_path)


def test_loads_that_cannot_be_plants_are_named() -> None:
    for plant, named in (("toaster", "'toaster'"), ("battery", "'battery'"), ("pv", "'pv'")):
        with pytest.raises(ValueError, match=named):
            with_plants(PLAIN, {"heat": plant})
    with pytest.raises(ValueError, match="two water_heater plants"):
        with_plants(PLAIN, {"heat": "water_heater", "wash": "water_heater"})
    red = tuple(
        replace(load, load_class=LoadClass.RED, plant="fridge") if load.kind == "heat" else load
        for load in PLAIN.loads
    )
    with pytest.raises(ValueError, match="red"):
        Driven(replace(PLAIN, loads=red))
