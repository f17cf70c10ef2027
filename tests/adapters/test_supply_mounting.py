"""A module with a contactor behind it is replaced, moved, removed: never under an order."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.adapters import supply_town
from tests.adapters.supply_town import NOW, SERIAL, ordered, person, point_of, wish

from balans.storage import mounting, remounting, supply, supply_orders
from balans.storage.models import Module, SupplyDevice
from balans.storage.mounting import MountRefusedError
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.mount_order import MountOrder
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
NEW, PLAIN = 4712, 1000
DEEDS: dict[str, Callable[[Any], Any]] = {
    "successor": lambda who: remounting.replace_module(who, SERIAL, NEW, LATER, {}),
    "place": lambda who: remounting.move_module(who, SERIAL, "alice-flat-2", LATER, {}),
    "remove": lambda who: remounting.remove_module(who, SERIAL, LATER, {}),
}


@pytest.fixture(autouse=True)
def _town(plan: RegistryPlan) -> Iterator[None]:
    tenant_id = apply_plan(supply_town.with_supply(plan)).tenant_id
    with tenant_scope(tenant_id, "test"):
        supply_town.add_device(manual=True)
        yield


def operator() -> Any:
    return person("alice-operator")


def test_the_successor_takes_the_contactor_over() -> None:
    assert remounting.module_for(operator(), SERIAL).supply == "alice-p1"
    done = DEEDS["successor"](operator())
    assert done.supply == "alice-p1"
    old, new = SupplyDevice.objects.order_by("id")
    assert (old.removed_at, old.removed_by) == (LATER, "alice-operator")
    assert (new.kind, new.reconnect, new.output) == (old.kind, old.reconnect, old.output)
    found = supply.device_of(point_of())
    assert found is not None
    assert (found.module, found.added_at, found.since) == (NEW, LATER, None)


@pytest.mark.parametrize("deed", ["place", "remove"])
def test_a_module_that_goes_leaves_no_contactor(deed: str) -> None:
    assert DEEDS[deed](operator()).supply == ""
    assert supply.device_of(point_of()) is None
    assert SupplyDevice.objects.count() == 1


@pytest.mark.parametrize("deed", DEEDS)
def test_under_an_order_the_module_stays(deed: str) -> None:
    made = ordered(wish())
    before = list(Module.objects.order_by("serial").values())
    with pytest.raises(MountRefusedError) as refused:
        DEEDS[deed](operator())
    assert (refused.value.code, refused.value.field) == ("ordered", deed)
    assert refused.value.values["point"] == "alice-p1"
    assert list(Module.objects.order_by("serial").values()) == before
    supply_orders.cancel(person("alice-dora"), made.code, "paid", NOW)
    DEEDS[deed](operator())


def test_a_module_without_an_adapter_is_no_successor() -> None:
    remounting.remove_module(operator(), PLAIN, NOW, {})
    with pytest.raises(MountRefusedError) as refused:
        remounting.replace_module(operator(), SERIAL, PLAIN, LATER, {})
    assert refused.value.code == "no_adapter"
    found = supply.device_of(point_of())
    assert found is not None
    assert found.module == SERIAL


def test_nobody_takes_the_module_to_another_place_by_mounting_it_there() -> None:
    order = MountOrder(serial=SERIAL, place="alice-flat-2", inputs=())
    with pytest.raises(MountRefusedError) as refused:
        mounting.mount(operator(), order, LATER)
    assert refused.value.code == "mounted_there"
