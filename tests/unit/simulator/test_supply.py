"""Contactors and valves of the simulator: once by id, never old, by hand where it must be."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from balans.core.words import Phase, PointRole, Resource
from balans.protocols.module import SupplySwitch
from balans.protocols.supply_words import Contact, SupplyAction
from balans.simulator.driven import with_plants
from balans.simulator.plant import Plant, Profile
from balans.simulator.recording import town_minutes
from balans.simulator.spec import ChannelSpec, ModuleSpec, TownSpec
from balans.simulator.supply import (
    EXPIRED,
    PRESS_AFTER_S,
    REPLAYED,
    STUCK,
    SupplyAdapter,
    SupplyBank,
)
from balans.simulator.town import demo_town
from balans.simulator.world import World

T0 = 1_000.0


def switch(
    name: str, *, on: bool = False, issued: float = T0, manual: bool = False
) -> SupplySwitch:
    action = SupplyAction.RECONNECT if on else SupplyAction.DISCONNECT
    return SupplySwitch(name, 7, 1, action, issued, issued + 60, "dora", "x", manual)


def test_an_order_is_executed_once() -> None:
    adapter = SupplyAdapter(7, 0.0)
    state = adapter.obey(switch("a"), T0)
    assert (state.contact, state.since, state.order, state.answers) == (Contact.OFF, T0, "a", "a")
    assert adapter.obey(switch("b", on=True, issued=T0 + 1), T0 + 1).contact == Contact.ON
    again = adapter.obey(switch("a"), T0 + 2)
    assert (again.contact, again.since, again.answers, again.refused) == (
        Contact.ON,
        T0 + 1,
        "a",
        "",
    )


@pytest.mark.parametrize(
    ("one", "at", "why"),
    [
        (switch("late"), T0 + 60, EXPIRED),
        (switch("old", issued=T0 - 10), T0, REPLAYED),
        (switch("same-time"), T0, REPLAYED),
    ],
)
def test_what_is_late_or_old_moves_nothing(one: SupplySwitch, at: float, why: str) -> None:
    adapter = SupplyAdapter(7, 0.0)
    adapter.obey(switch("off"), T0)
    adapter.obey(switch("on", on=True, issued=T0), T0)
    adapter.issued_s, adapter.contact = T0, Contact.ON
    state = adapter.obey(one, at)
    assert (state.contact, state.refused) == (Contact.ON, why)
    assert adapter.obey(one, at).refused == why


def test_old_orders_stay_old_when_their_ids_are_forgotten() -> None:
    adapter = SupplyAdapter(7, 0.0)
    recorded = [switch(f"n{n}", on=bool(n % 2), issued=T0 + n) for n in range(50)]
    for n, one in enumerate(recorded):
        adapter.obey(one, T0 + n)
    assert adapter.contact == Contact.ON
    for one in recorded:
        assert adapter.obey(one, T0 + 50).contact == Contact.ON


def test_what_comes_back_by_hand_only_is_armed_first() -> None:
    adapter = SupplyAdapter(7, 0.0)
    adapter.obey(switch("off"), T0)
    assert adapter.press(T0).contact == Contact.OFF
    state = adapter.obey(switch("on", on=True, manual=True, issued=T0 + 1), T0 + 1)
    assert state.contact == Contact.ARMED
    pressed = adapter.press(T0 + 2)
    assert (pressed.contact, pressed.since, pressed.order) == (Contact.ON, T0 + 2, "")
    hand_only = SupplyAdapter(7, 0.0, hand_only=True, contact=Contact.OFF)
    assert hand_only.obey(switch("on", on=True), T0).contact == Contact.ARMED
    assert SupplyAdapter(7, 0.0).obey(switch("on", on=True, manual=True), T0).contact == Contact.ON


def test_a_stuck_contact_says_what_it_is_not_what_it_should_be() -> None:
    adapter = SupplyAdapter(7, 0.0, stuck=True)
    state = adapter.obey(switch("off"), T0)
    assert (state.contact, state.refused) == (Contact.ON, STUCK)
    assert adapter.open_by_hand(T0).contact == Contact.ON


def module_of(flat: str, resource: Resource = Resource.ELECTRICITY) -> ModuleSpec:
    channel = ChannelSpec(1, resource, 1, 0, "m", "p", flat, PointRole.CONSUMER, Phase.L1)
    return ModuleSpec(7, "hub-1", adapter=True, channels=(channel,))


def test_only_adapters_without_loads_are_there_and_their_state_outlives_the_process() -> None:
    town = demo_town()
    found = SupplyBank(town.modules, town.loads, T0).adapters
    assert list(found) == [supply.module for supply in town.supplies]
    bank = SupplyBank([module_of("flat-01")], town.loads, T0)
    assert bank.obey(msgspec.structs.replace(switch("x"), serial=9), T0) is None
    assert bank.obey(msgspec.structs.replace(switch("x"), output=2), T0) is None
    bank.obey(switch("off", issued=T0 + 1), T0 + 1)
    after = SupplyBank([module_of("flat-01")], town.loads, T0)
    after.restore(bank.snapshot())
    assert after.states(T0 + 2) == bank.states(T0 + 2)
    assert after.obey(switch("other", on=True), T0 + 2) is not None
    assert after.adapters[7].contact == Contact.OFF
    assert [one.serial for one in after.cut()] == [7]


@pytest.mark.parametrize("resource", [Resource.ELECTRICITY, Resource.COLD_WATER, Resource.GAS])
def test_a_flat_that_is_cut_off_counts_no_more_and_no_other_notices(resource: Resource) -> None:
    town = demo_town()
    profile = Profile.of(town, town_minutes())
    cut, free = Plant(town, profile), Plant(town, profile)
    cut.cut(module_of("flat-02", resource).channels)
    on = np.ones(len(town.loads), dtype=np.bool_)
    for _ in range(24 * 60):
        cut.step(on)
        free.step(on)
    mine = np.array(
        [channel.node == "flat-02" and channel.resource == resource for _, channel in town.channels]
    )
    inflow = np.array([channel.role is PointRole.INFLOW for _, channel in town.channels])
    start = np.array([channel.start_register for _, channel in town.channels])
    assert (cut.registers()[mine] == start[mine]).all()
    assert (free.registers()[mine] > start[mine]).any()
    others = ~mine & ~inflow
    assert (cut.registers()[others] == free.registers()[others]).all()
    assert cut.red_interruptions == 0
    cut.cut(())
    assert cut.supplied.all()


CUT, HAND = 104_004, 104_009
"""Contactors of the demo's flats 4 and 9; the second comes back by hand only."""


def order(world: World, serial: int, *, on: bool = False) -> Contact:
    action = SupplyAction.RECONNECT if on else SupplyAction.DISCONNECT
    now, name = float(world.now_s), f"{serial}-{world.now_s}-{on}"
    one = SupplySwitch(name, serial, 1, action, now, now + 60, "dora", "x", serial == HAND)
    state = world.obey_supply(one, now)
    assert state is not None
    return state.contact


def evening(spec: TownSpec, minutes: int, folder: Path | None = None) -> World:
    """Return the town after so many minutes, all contacts of loads closed."""
    world = World(spec, state_dir=folder)
    for _ in range(minutes):
        world.advance()
    return world


@pytest.mark.parametrize("spec", [demo_town(), with_plants(demo_town())], ids=["demo", "plants"])
def test_a_flat_that_is_off_draws_nothing_its_loads_neither(spec: TownSpec) -> None:
    world, free = evening(spec, 600), evening(spec, 600)
    assert order(world, CUT) == Contact.OFF
    own = [load.name for load in spec.loads if load.flat == "flat-04"]
    counted = np.array([channel.node == "flat-04" for _, channel in spec.channels])
    electric = np.array([c.resource is Resource.ELECTRICITY for _, c in spec.channels])
    before = world.plant.registers()
    drawn = 0.0
    for _ in range(120):
        sample, other = world.advance(), free.advance()
        assert sample.node_w is not None
        assert other.node_w is not None
        assert sample.load_w is not None
        drawn += other.node_w["flat-04"]
        assert sample.node_w["flat-04"] == 0
        assert [sample.load_w[name] for name in own] == [0] * len(own)
        assert (
            sample.site_w == sum(sample.node_w.values()) == other.site_w - other.node_w["flat-04"]
        )
        assert sample.reference_w == sample.site_w
    assert drawn > 0
    after = world.plant.registers()
    assert (after == before)[counted & electric].all()
    assert (after > before)[~counted & electric].any()
    assert world.plant.red_interruptions == 0
    assert order(world, CUT, on=True) == Contact.ON
    powers = [(world.advance().node_w or {})["flat-04"] for _ in range(600)]
    assert max(powers) > 0


def test_somebody_at_home_turns_on_what_is_armed() -> None:
    world = evening(demo_town(), 60)
    order(world, HAND)
    world.advance()
    assert order(world, HAND, on=True) == Contact.ARMED
    assert world.press_supplies() == []
    row = [flat.code for flat in world.spec.flats].index("flat-09")
    for _ in range(int(PRESS_AFTER_S) // 60):
        assert not world.plant.supplied[0, row]
        world.advance()
    (pressed,) = world.press_supplies()
    assert (pressed.serial, pressed.contact, pressed.order) == (HAND, Contact.ON, "")
    assert world.plant.supplied.all()
    assert world.press_supplies() == []


def test_what_is_off_stays_off_when_the_town_is_started_again(tmp_path: Path) -> None:
    world = evening(demo_town(), 90, tmp_path)
    order(world, CUT)
    world.close()
    again = World(demo_town(), state_dir=tmp_path)
    assert again.supply.adapters[CUT].contact == Contact.OFF
    assert (again.advance().node_w or {})["flat-04"] == 0
