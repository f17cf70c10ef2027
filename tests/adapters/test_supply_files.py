"""Contactors and valves in registry files: in, out, one for another, never under an order."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from tests.adapters import supply_town
from tests.adapters.conftest import small_plan
from tests.adapters.supply_town import SERIAL, ordered, person, wish

from balans.domain.supply import ReconnectMode, SupplyKind
from balans.storage import supply, supply_orders
from balans.storage.models import SupplyDevice
from balans.storage.registry import apply_plan
from balans.storage.registry_export import present_plan
from balans.storage.scope import tenant_scope
from balans.storage.supply_records import SupplyRefusedError
from balans.usecases.export_registry import csv_text, registry_sheets
from balans.usecases.registry_plan import (
    LoadPlan,
    PointPlan,
    RegistryPlan,
    SupplyDevicePlan,
)
from balans.wiring.import_registry import Utility, import_registry
from balans.wiring.imports import Outcome, Wish

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
OTHER = SERIAL + 1
"""A second adapter at flat 1, free like the first."""


def town() -> RegistryPlan:
    both = supply_town.with_supply(supply_town.with_supply(small_plan()), OTHER)
    second = PointPlan(code="alice-p2", name="P", node="alice-flat-2", resource="electricity")
    both = replace(both, points=(*both.points, second))
    return replace(both, accounts=tuple({one.username: one for one in both.accounts}.values()))


@pytest.fixture
def tenant() -> int:
    return apply_plan(town()).tenant_id


def bring(tenant: int, *rows: str, columns: str = "point,module,kind", **wish: Any) -> Outcome:
    text = f"[supply_devices]\n{columns}\n" + "".join(f"{row}\n" for row in rows)
    return bring_text(tenant, text, **wish)


def bring_text(tenant: int, text: str, **wish: Any) -> Outcome:
    utility = Utility(small_plan().tenant, tenant)
    return import_registry(text.encode(), "a.csv", utility, Wish("clerk", NOW, **wish))


def counts(done: Outcome) -> tuple[int, int]:
    """Return how many rows were made and changed."""
    assert done.findings == []
    return done.result["created"], done.result["updated"]


def steps() -> list[tuple[str, str]]:
    """Return who did what with devices, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select actor, op from registry_history where table_name = 'supply_device' order by id"
        )
        return [(actor, op) for actor, op in cursor.fetchall()]


def test_a_device_comes_by_a_file_once_and_is_remembered(tenant: int) -> None:
    row = f"alice-p1,{SERIAL},contactor,manual_only"
    columns = "point,module,kind,reconnect"
    assert counts(bring(tenant, row, columns=columns)) == (1, 0)
    assert counts(bring(tenant, row, columns=columns)) == (0, 0)
    with tenant_scope(tenant):
        (one,) = SupplyDevice.objects.all()
        assert (one.author, one.added_at, one.removed_at) == ("clerk", NOW, None)
        found = supply.device_of(supply_town.point_of())
        assert found is not None
        assert (found.module, found.output, found.kind, found.reconnect) == (
            SERIAL,
            1,
            SupplyKind.CONTACTOR,
            ReconnectMode.MANUAL_ONLY,
        )
        assert steps() == [("clerk", "insert")]


def test_what_the_page_added_is_exported_and_read_back_unchanged(tenant: int) -> None:
    with tenant_scope(tenant):
        supply_town.add_device(manual=True)
        plan = present_plan(tenant)
        before = steps()
    assert plan.supply_devices == (
        SupplyDevicePlan(
            point="alice-p1", module=SERIAL, kind="contactor", reconnect="manual_only"
        ),
    )
    assert counts(bring_text(tenant, csv_text(registry_sheets(plan)))) == (0, 0)
    with tenant_scope(tenant):
        assert steps() == before
        assert present_plan(tenant) == plan


def test_another_module_takes_the_place_and_the_first_keeps_its_row(tenant: int) -> None:
    bring(tenant, f"alice-p1,{SERIAL},contactor")
    done = bring(tenant, f"alice-p1,{OTHER},valve")
    assert counts(done) == (1, 1)
    with tenant_scope(tenant):
        first, second = SupplyDevice.objects.order_by("id")
        assert (first.removed_at, first.removed_by) == (NOW, "clerk")
        assert (second.kind, second.removed_at) == ("valve", None)
        assert steps()[1:] == [("clerk", "update"), ("clerk", "insert")]


def test_a_device_changes_in_place_and_goes(tenant: int) -> None:
    bring(tenant, f"alice-p1,{SERIAL},contactor")
    assert counts(bring(tenant, "alice-p1,manual_only", columns="point,reconnect")) == (0, 1)
    gone = "alice-p1,2026-01-12T09:00+00:00"
    assert counts(bring(tenant, gone, columns="point,removed_at")) == (0, 1)
    again = bring(tenant, f"alice-p1,{SERIAL},contactor,2026-01-12", columns=FULL)
    assert counts(again) == (0, 0)
    with tenant_scope(tenant):
        (one,) = SupplyDevice.objects.all()
        assert one.reconnect == "manual_only"
        assert one.removed_at == datetime(2026, 1, 12, 9, tzinfo=UTC)
        assert present_plan(tenant).supply_devices == ()


FULL = "point,module,kind,removed_at"


def test_every_fault_has_its_line_and_nothing_is_changed(tenant: int) -> None:
    done = bring(
        tenant,
        "alice-p1,1000,contactor",
        f"alice-p2,{SERIAL},contactor",
        "alice-p9,1001,contactor",
        "alice-w1,1001,fuse",
    )
    where = "supply_devices, line {}: supply device {}: {}"
    misplaced = f"module: module {SERIAL} is at 'alice-flat-1', the point at 'alice-flat-2'"
    assert [str(one) for one in done.findings] == [
        where.format(3, "alice-p1", "module: module 1000 has no adapter"),
        where.format(4, "alice-p2", misplaced),
        where.format(5, "alice-p9", "point: unknown point 'alice-p9'"),
        where.format(6, "alice-w1", "kind: 'fuse': expected one of contactor, valve"),
    ]
    with tenant_scope(tenant):
        assert not SupplyDevice.objects.exists()
    assert [
        "switches loads" in one.what for one in bring(tenant, "alice-p1,1001,valve").findings
    ] == [True]


def test_partial_takes_the_good_devices(tenant: int) -> None:
    done = bring(tenant, f"alice-p1,{SERIAL},contactor", f"alice-w1,{SERIAL},valve", partial=True)
    assert (done.result["created"], done.result["errors"]) == (0, 2)  # which of both is right?
    done = bring(tenant, f"alice-p1,{SERIAL},contactor", "alice-w1,1000,valve", partial=True)
    assert (done.result["created"], done.result["errors"]) == (1, 1)


def test_under_an_open_order_a_device_stays(tenant: int) -> None:
    with tenant_scope(tenant):
        supply_town.add_device()
        made = ordered(wish())
    for rows, columns in (
        (("alice-p1,2026-01-12",), "point,removed_at"),
        (("alice-p1,manual_only",), "point,reconnect"),
        ((f"alice-p1,{OTHER}",), "point,module"),
    ):
        done = bring(tenant, *rows, columns=columns)
        (finding,) = done.findings
        assert (finding.sheet, finding.line) == ("supply_devices", 3)
        assert finding.what == "point: an order is under way: its device stays as it is until then"
    moved = "[modules]\nserial,removed_at\n" + f"{SERIAL},2026-01-12\n"
    (finding,) = bring_text(tenant, moved).findings
    assert (finding.sheet, finding.line) == ("modules", 3)
    assert finding.what == f"module: module {SERIAL} was taken away"
    with tenant_scope(tenant):
        supply_orders.cancel(person("alice-dora"), made.code, "paid", NOW)
    assert counts(bring(tenant, f"alice-p1,{OTHER}", columns="point,module")) == (1, 1)


def test_a_draft_is_for_the_device_that_it_was_drafted_for(tenant: int) -> None:
    with tenant_scope(tenant):
        supply_town.add_device()
        made = supply_orders.draft(person("alice-dora"), "alice-p1", wish(), NOW)
        checks = supply_town.all_checks(made.code)
    bring(tenant, f"alice-p1,{OTHER},contactor")
    with tenant_scope(tenant), pytest.raises(SupplyRefusedError) as refused:
        supply_orders.submit(person("alice-dora"), made.code, checks, NOW)
    assert refused.value.code == "no_device"


def test_a_protection_is_not_touched(tenant: int) -> None:
    from balans.domain.supply import Protection

    with tenant_scope(tenant):
        supply_town.add_device()
        supply.protect(
            person("alice-operator"), "alice-p1", Protection.LIFE_SUPPORT, "ventilator", NOW
        )
    bring(tenant, f"alice-p1,{OTHER},contactor")
    with tenant_scope(tenant):
        kept = supply.protection_of(supply_town.point_of())
        assert kept is not None
        assert kept.kind == Protection.LIFE_SUPPORT


def test_an_adapter_goes_from_a_supply_to_a_load_and_back_in_one_plan(tenant: int) -> None:
    plan = RegistryPlan(tenant=small_plan().tenant)
    device = SupplyDevicePlan(point="alice-p1", module=SERIAL, kind="contactor")
    load = LoadPlan(
        site="alice-house",
        name="lamp",
        node="alice-flat-1",
        load_class="green",
        rated_w=60,
        actuator=SERIAL,
    )
    apply_plan(replace(plan, supply_devices=(device,)), "clerk", now=NOW)
    to_load = replace(plan, supply_devices=(replace(device, removed_at=NOW),), loads=(load,))
    assert apply_plan(to_load, "clerk", now=NOW).created == 1
    back = replace(plan, supply_devices=(device,), loads=(replace(load, actuator=None),))
    assert apply_plan(back, "clerk", now=NOW).created == 1
    with tenant_scope(tenant):
        assert present_plan(tenant).supply_devices == (device,)
