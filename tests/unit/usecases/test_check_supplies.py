"""A contactor stands where it must, and no other row of a plan pulls its footing away."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from balans.usecases.check_registry import Known, check_plan
from balans.usecases.check_supplies import SupplyPlaces
from balans.usecases.registry_plan import (
    LoadPlan,
    ModulePlan,
    PointPlan,
    RegistryPlan,
    SupplyDevicePlan,
    TenantPlan,
)

TENANT = TenantPlan(code="t", name="Utility")
DEVICE = SupplyDevicePlan(point="p1", module=1, kind="contactor")
OTHER = SupplyDevicePlan(point="p2", module=2, kind="valve")
PLACES = SupplyPlaces(
    devices={"p1": DEVICE},
    points={"p1": "flat-1", "p2": "flat-2"},
    modules={
        1: ("flat-1", True, True),
        2: ("flat-2", True, True),
        3: ("flat-1", False, True),
        4: ("flat-1", True, False),
        5: ("flat-1", True, True),
    },
    actuators={("house", "heat"): 5, ("house", "lamp"): None},
)
KNOWN = Known(
    nodes=frozenset({"house", "flat-1", "flat-2"}),
    points=frozenset({"p1", "p2"}),
    modules=frozenset({1, 2, 3, 4, 5}),
    supplies=PLACES,
)
GONE = datetime(2026, 1, 1, tzinfo=UTC)


def said(known: Known = KNOWN, **parts: Any) -> list[str]:
    """Return the findings of a plan; each is about a row of it."""
    found = check_plan(RegistryPlan(tenant=TENANT, **parts), known)
    rows = [id(row) for part in parts.values() for row in part]
    assert all(id(one.item) in rows for one in found)
    return [str(one) for one in found]


def of_p1(**changes: Any) -> SupplyDevicePlan:
    return replace(DEVICE, **changes)


def test_what_stands_right_is_right() -> None:
    assert said(supply_devices=(DEVICE, OTHER)) == []
    assert said(supply_devices=(of_p1(kind="valve", reconnect="manual_only", output=2),)) == []


@pytest.mark.parametrize(
    ("device", "says"),
    [
        (replace(OTHER, point="p9"), "supply device p9: point: unknown point 'p9'"),
        (of_p1(module=9), "supply device p1: module: unknown module 9"),
        (of_p1(kind="fuse"), "supply device p1: kind: 'fuse' is none of contactor, valve"),
        (of_p1(reconnect="x"), "supply device p1: reconnect: 'x' is none of remote, manual_only"),
        (of_p1(output=5), "supply device p1: output: 5 is not 1 to 4"),
        (
            of_p1(module=2),
            "supply device p1: module: module 2 is at 'flat-2', the point at 'flat-1'",
        ),
        (of_p1(module=3), "supply device p1: module: module 3 has no adapter"),
        (of_p1(module=4), "supply device p1: module: module 4 was taken away"),
        (of_p1(module=5), "supply device p1: module: module 5 switches loads"),
        (
            of_p1(removed_at=GONE.replace(tzinfo=None)),
            "supply device p1: removed_at: needs a UTC offset",
        ),
    ],
)
def test_a_device_that_stands_wrong_is_told(device: SupplyDevicePlan, says: str) -> None:
    assert said(supply_devices=(device,)) == [says]


def test_a_point_has_one_device_and_an_output_one_point() -> None:
    assert said(supply_devices=(DEVICE, of_p1(output=2))) == [
        "supply device p1: point: given twice"
    ]
    points = (PointPlan(code="p3", name="P", node="flat-1", resource="gas"),)
    third = replace(DEVICE, point="p3")
    shared = said(points=points, supply_devices=(DEVICE, third))
    assert shared == ["supply device p3: output: 1 of module 1 interrupts 'p1' already"]
    assert said(points=points, supply_devices=(third,)) == shared
    both = said(points=points, supply_devices=(of_p1(module=2), replace(third, module=2)))
    assert sum("interrupts" in one for one in both) == 2
    assert said(points=points, supply_devices=(replace(third, output=2),)) == []
    assert said(points=points, supply_devices=(of_p1(removed_at=GONE), third)) == []


@pytest.mark.parametrize("change", [{"removed_at": GONE}, {"reconnect": "manual_only"}])
def test_a_device_with_an_order_under_way_stays_as_it_is(change: dict[str, object]) -> None:
    known = replace(KNOWN, supplies=replace(PLACES, ordered=frozenset({"p1"})))
    (finding,) = said(known, supply_devices=(of_p1(**change),))
    assert "an order is under way" in finding
    assert said(known, supply_devices=(DEVICE, OTHER)) == []
    assert said(supply_devices=(of_p1(**change),)) == []


LOAD = LoadPlan(
    site="house", name="lamp", node="flat-1", load_class="green", rated_w=9.0, actuator=1
)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"modules": (ModulePlan(serial=1, node="flat-2", has_adapter=True),)}, "is at 'flat-2'"),
        ({"modules": (ModulePlan(serial=1, node="flat-1"),)}, "module 1 has no adapter"),
        (
            {"modules": (ModulePlan(serial=1, node="flat-1", has_adapter=True, removed_at=GONE),)},
            "module 1 was taken away",
        ),
        (
            {"points": (PointPlan(code="p1", name="P", node="flat-2", resource="gas"),)},
            "the point at 'flat-2'",
        ),
        ({"loads": (LOAD,)}, "module 1 switches loads"),
    ],
)
def test_nothing_is_pulled_away_from_under_a_device(parts: dict[str, Any], says: str) -> None:
    (finding,) = said(**parts)
    assert finding.startswith("supply device p1: module: ")
    assert says in finding
    assert said(**parts, supply_devices=(of_p1(removed_at=GONE),)) == []


def test_what_was_wrong_before_does_not_refuse_the_file() -> None:
    crooked = replace(PLACES, modules={**PLACES.modules, 1: ("flat-2", True, True)})
    known = replace(KNOWN, supplies=crooked)
    as_it_is = ModulePlan(serial=1, node="flat-2", has_adapter=True)
    assert said(known, supply_devices=(DEVICE,), modules=(as_it_is,)) == []
    assert len(said(known, supply_devices=(of_p1(reconnect="manual_only"),))) == 1


def test_a_load_may_have_the_adapter_of_a_device_that_goes_and_the_other_way_round() -> None:
    freed = replace(LOAD, name="heat", actuator=None)
    assert said(loads=(freed,), supply_devices=(of_p1(module=5),)) == []
    assert said(loads=(LOAD,), supply_devices=(of_p1(removed_at=GONE),)) == []
