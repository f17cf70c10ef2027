"""What the product is told about a simulated town is complete, valid and the same everywhere."""

import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from balans.cli.town_plan import gateway_toml, registry_plan
from balans.core.words import LoadClass
from balans.gateway.config import parse_config
from balans.simulator.spec import TownSpec
from balans.simulator.state import digest_of
from balans.simulator.town import demo_town, synthetic_town
from balans.usecases.check_registry import check_plan
from balans.usecases.registry_plan import AccountPlan
from balans.usecases.site_file import site_of
from balans.usecases.toml_table import parse_toml


@pytest.mark.parametrize("spec", [demo_town(), synthetic_town(2, 3, seed=4)], ids=["demo", "made"])
def test_the_plan_is_without_findings(spec: TownSpec) -> None:
    account = AccountPlan(
        username="olga",
        password="-",
        grants=(("operator", spec.nodes[0].code),),
    )
    plan = registry_plan(spec, [account])
    assert check_plan(plan) == []
    assert len(plan.points) == len(plan.meters) == len(plan.mountings) == len(spec.channels)
    assert len(plan.modules) == len(spec.modules)
    assert plan.nodes[0].timezone == spec.timezone
    assert plan.accounts == (account,)


def test_mountings_tell_where_counting_began() -> None:
    spec = demo_town()
    for mounting, (module, channel) in zip(
        registry_plan(spec).mountings, spec.channels, strict=True
    ):
        assert (mounting.module, mounting.input) == (module.serial, channel.input)
        assert mounting.register_at_mount == channel.start_register
        assert mounting.valid_from.timestamp() == spec.start_s
        assert mounting.dial_at_mount == channel.start_register * channel.pulse_weight


def test_loads_have_their_actuators_and_sub_meters() -> None:
    plan = registry_plan(demo_town())
    points = {point.code for point in plan.points}
    for load in plan.loads:
        red = load.load_class == LoadClass.RED
        assert (load.actuator is None) is red
        assert (load.sub_meter in points) is not red
        assert load.released is not red
        assert (load.max_off_s == 900) is (load.load_class == LoadClass.YELLOW)


def test_contactors_and_valves_are_devices_of_their_points() -> None:
    devices = registry_plan(demo_town()).supply_devices
    assert [(one.point, one.module, one.kind, one.reconnect) for one in devices] == [
        ("flat-04-electricity", 104_004, "contactor", "remote"),
        ("flat-09-electricity", 104_009, "contactor", "manual_only"),
        ("flat-16-electricity", 104_016, "contactor", "remote"),
        ("flat-21-cold_water", 104_021, "valve", "remote"),
    ]
    assert registry_plan(synthetic_town(1, 1)).supply_devices == ()


def test_every_place_of_the_tree_has_its_limit() -> None:
    spec = demo_town()
    limits = registry_plan(spec).limits
    names = Counter((limit.name, limit.kw, limit.phase_a) for limit in limits)
    assert names == {
        ("transformer", Decimal(60), Decimal(125)): 1,
        ("fuse", None, Decimal(63)): 3,
        ("contract", Decimal(9), None): 24,
    }
    assert {limit.node for limit in limits} == {
        spec.sites[0].code,
        *(node.code for node in spec.below(spec.sites[0].code)),
    }


def test_without_a_standing_limit_nobody_is_told_one(tmp_path: Path) -> None:
    spec = demo_town(1, standing=False)
    limits = registry_plan(spec).limits
    assert {limit.node for limit in limits}.isdisjoint({site.code for site in spec.sites})
    assert len(limits) == len(registry_plan(demo_town(1)).limits) - 1
    text = gateway_toml(spec, "hub-1", "mqtt://127.0.0.1:1", tmp_path, ["A" * 43 + "="])
    site = site_of(parse_toml(text, "gateway.toml"), needs_profile=False)
    assert site.limits == ()
    assert tomllib.loads(text)["server"] == {"keys": ["A" * 43 + "="]}
    assert digest_of(spec) != digest_of(demo_town(1))


def test_the_gateway_knows_the_same_site(tmp_path: Path) -> None:
    spec = demo_town()
    text = gateway_toml(spec, "hub-1", "mqtt://u:p%40@127.0.0.1:1", tmp_path)
    head = tomllib.loads(text)["gateway"]
    assert head["hub"] == "hub-1"
    assert head["mqtt_url"] == "mqtt://u:p%40@127.0.0.1:1"
    site = site_of(parse_toml(text, "gateway.toml"), needs_profile=False)
    assert [(load.name, load.load_class, load.rated_w) for load in site.loads] == [
        (load.name, load.load_class, load.rated_w) for load in spec.loads
    ]
    assert [limit.limit_w for limit in site.limits] == [spec.sites[0].limit_w]
    assert {zone.name: float(zone.price) for zone in site.zones} == {"night": 0.15, "day": 0.25}
    assert {node.name: node.parent for node in site.nodes} == {
        node.code: "" if node.parent == spec.sites[0].code else node.parent
        for node in spec.below(spec.sites[0].code)
    }
    assert len({node.parent for node in site.nodes}) == 1 + 3
    assert site.planner is not None
    assert site.planner.every_s == 900
    assert [(load.node, load.phases) for load in site.loads] == [
        (load.flat, (int(load.phase.value[1]),)) for load in spec.loads
    ]
    assert {load.deadline_s for load in site.loads} == {None, 7 * 3600}


def test_gateways_read_their_files(tmp_path: Path) -> None:
    spec = demo_town()
    one, two = (
        parse_config(
            gateway_toml(spec, hub, "mqtt://127.0.0.1", tmp_path), tmp_path / "gateway.toml"
        )
        for hub in ("hub-1", "hub-2")
    )
    assert (one.hub, one.site, one.data_dir) == ("hub-1", spec.sites[0].code, tmp_path)
    assert one.controlled is not None
    assert len(one.controlled.loads) == len(spec.loads)
    assert two.controlled is None
