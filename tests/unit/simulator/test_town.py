"""The two towns: complete, consistent, and with the figures that are said of them."""

import numpy as np
import pytest

from balans.core.words import LoadClass, PointRole, Resource
from balans.protocols.fields import NAME
from balans.simulator.plant import Plant, Profile
from balans.simulator.recording import town_minutes
from balans.simulator.result import WMIN_PER_KWH
from balans.simulator.spec import ChannelSpec, ModuleSpec, TownSpec
from balans.simulator.town import LIMIT_W, demo_town, synthetic_town


@pytest.fixture(params=["demo", "synthetic"])
def town(request: pytest.FixtureRequest) -> TownSpec:
    return demo_town() if request.param == "demo" else synthetic_town(3, 5, seed=7)


def test_demo_has_what_the_plan_says() -> None:
    spec = demo_town()
    assert len(spec.flats) == 24
    assert len(spec.modules) == 1 + 24 * 3 + len(spec.supplies)
    assert len(spec.channels) == 1 + 24 * 5
    assert [hub.code for hub in spec.hubs] == ["hub-1", "hub-2"]
    assert spec.gateway == spec.hubs[0]
    by_class = [load.load_class for load in spec.loads]
    assert [by_class.count(kind) for kind in LoadClass] == [24, 24, 24]
    assert {flat.week for flat in spec.flats} == set(range(24))


def test_codes_and_serials_are_unique_names(town: TownSpec) -> None:
    serials = [module.serial for module in town.modules]
    assert len(set(serials)) == len(serials)
    assert all(0 < serial < 2**32 for serial in serials)
    channels = [channel for _, channel in town.channels]
    for names in (
        [node.code for node in town.nodes],
        [channel.point for channel in channels],
        [channel.meter for channel in channels],
        [load.name for load in town.loads],
        [hub.code for hub in town.hubs],
        list(town.channel_codes),
    ):
        assert len(set(names)) == len(names)
        assert all(NAME.fullmatch(name) for name in names)


def test_everything_refers_to_something_there(town: TownSpec) -> None:
    seen: set[str] = set()
    for node in town.nodes:
        assert node.parent is None or node.parent in seen
        seen.add(node.code)
    hubs = {hub.code for hub in town.hubs}
    assert {hub.site for hub in town.hubs} == {site.code for site in town.sites} <= seen
    assert {module.hub for module in town.modules} == hubs
    assert {channel.node for _, channel in town.channels} <= seen
    adapters = {module.serial for module in town.modules if module.adapter}
    switching = {load.module for load in town.loads if load.module}
    interrupting = {supply.module for supply in town.supplies}
    assert switching | interrupting == adapters
    assert not switching & interrupting


def test_actuators_belong_to_loads_that_may_be_switched() -> None:
    for load in demo_town().loads:
        if load.load_class is LoadClass.RED:
            assert load.module is None
        else:
            assert load.module
        if load.load_class is LoadClass.YELLOW:
            assert 420 <= load.max_off_s <= 900


def test_a_contactor_or_valve_counts_what_it_interrupts_of_one_flat() -> None:
    spec = demo_town()
    modules = {module.serial: module for module in spec.modules}
    cut = [modules[supply.module].channels for supply in spec.supplies]
    assert [[(c.node, c.resource, c.input) for c in channels] for channels in cut] == [
        [("flat-04", Resource.ELECTRICITY, 1)],
        [("flat-09", Resource.ELECTRICITY, 1)],
        [("flat-16", Resource.ELECTRICITY, 1)],
        [("flat-21", Resource.COLD_WATER, 1)],
    ]
    assert [supply.by_hand for supply in spec.supplies] == [False, True, False, False]
    assert {modules[supply.module].hub for supply in spec.supplies} == {"hub-1", "hub-2"}
    by_flat = [channel.node for _, channel in spec.channels if not channel.load]
    assert all(by_flat.count(flat.code) == 3 for flat in spec.flats)


def test_seed_changes_registers_only() -> None:
    one, again, other = demo_town(1), demo_town(1), demo_town(2)
    assert one == again
    assert one.nodes == other.nodes
    assert one.channel_codes == other.channel_codes
    assert one.channels != other.channels


def test_generated_towns_of_two_seeds_share_nothing() -> None:
    one, other = synthetic_town(2, 3, seed=1), synthetic_town(2, 3, seed=2)
    assert not {node.code for node in one.nodes} & {node.code for node in other.nodes}
    assert not set(one.channel_codes) & set(other.channel_codes)


def test_a_larger_generated_town_contains_the_smaller_one() -> None:
    assert set(synthetic_town(2, 3).channels) < set(synthetic_town(3, 5).channels)


@pytest.mark.parametrize(
    ("hubs", "modules", "seed", "said"),
    [
        (0, 1, 1, "hubs: 0"),
        (1, 241, 1, "modules: 241"),
        (1, 1, -1, "seed: -1"),
        (8001, 1, 1, "8001"),
    ],
)
def test_sizes_out_of_range_are_refused(hubs: int, modules: int, seed: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        synthetic_town(hubs, modules, seed)


@pytest.mark.parametrize(
    ("adapter", "inputs"), [(True, [1, 2, 3]), (False, [1, 2, 3, 4]), (False, []), (False, [2, 1])]
)
def test_modules_have_as_many_inputs_as_the_hardware(*, adapter: bool, inputs: list[int]) -> None:
    template = demo_town().modules[0].channels[0]
    channels = tuple(
        ChannelSpec(
            n, Resource.HEAT, 1, 0, f"m{n}", f"p{n}", "n", PointRole.CONSUMER, template.phase
        )
        for n in inputs
    )
    with pytest.raises(ValueError, match="inputs"):
        ModuleSpec(1, "hub", adapter=adapter, channels=channels)


def test_figures_of_the_demo_building() -> None:
    """What the comment at `LIMIT_W` says."""
    spec = demo_town()
    plant = Plant(spec, Profile.of(spec, town_minutes()))
    on = np.ones(len(spec.loads), dtype=np.bool_)
    minutes = [plant.step(on) for _ in range(10_080)]
    total = np.array([minute.reference_w for minute in minutes])
    red = np.array([minute.red_w for minute in minutes])

    def figures(power_w: np.ndarray) -> tuple[int, float, float]:
        over = np.clip(power_w - LIMIT_W, 0, None)
        kwh = float(over.sum()) / WMIN_PER_KWH
        return int((over > 0).sum()), round(kwh, 1), round(int(power_w.max()) / 1000, 1)

    assert figures(total[:1440]) == (83, 11.8, 80.7)
    assert figures(total) == (646, 112.8, 91.2)
    assert figures(red[:1440]) == (0, 0.0, 58.4)
    assert figures(red) == (48, 2.5, 66.8)
