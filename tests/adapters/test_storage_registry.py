"""A plan is applied as a whole or not at all, and applying it again changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from balans.core.errors import InputError
from balans.storage import lookups
from balans.storage.models import Channel, Hub, Limit, MeterMounting, Module, Node
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.registry_plan import (
    HubPlan,
    LimitPlan,
    LoadPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    RegistryPlan,
)

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 12, 12, tzinfo=UTC)


def test_applying_again_changes_nothing(plan: RegistryPlan) -> None:
    first = apply_plan(plan)
    again = apply_plan(plan)
    assert first.created == 30
    assert (again.created, again.updated, again.unchanged) == (0, 0, first.created)
    with tenant_scope(first.tenant_id), connection.cursor() as cursor:
        cursor.execute("select count(*), count(distinct actor) from registry_history")
        assert cursor.fetchone() == (first.created, 1)


def test_a_change_updates_one_row_and_is_remembered(plan: RegistryPlan) -> None:
    tenant_id = apply_plan(plan).tenant_id
    changed = replace(plan, limits=(replace(plan.limits[0], kw=Decimal("9.5")),))
    result = apply_plan(changed, actor="bob")
    assert (result.created, result.updated) == (0, 1)
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            "select actor, op, old->>'kw', new->>'kw' from registry_history"
            " where table_name = 'site_limit' order by id desc limit 1"
        )
        assert cursor.fetchone() == ("bob", "update", "12.000", "9.500")


def test_history_knows_no_password(plan: RegistryPlan) -> None:
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute("select new from registry_history where table_name = 'account'")
        rows = [str(row) for row in cursor.fetchall()]
    assert len(rows) == 2
    assert not any("password" in row for row in rows)


def test_history_cannot_be_rewritten(plan: RegistryPlan) -> None:
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute("update registry_history set actor = 'mallory'")
        assert cursor.rowcount == 0
        cursor.execute("delete from registry_history")
        assert cursor.rowcount == 0


def test_an_existing_user_keeps_the_password(plan: RegistryPlan) -> None:
    apply_plan(plan)
    account = replace(plan.accounts[0], password="another", display_name="Olga")
    assert apply_plan(replace(plan, accounts=(account,))).updated == 1
    from django.contrib.auth import authenticate

    assert authenticate(username="alice-operator", password="pass-1") is not None
    assert authenticate(username="alice-operator", password="another") is None


FAULTS: list[tuple[Callable[[RegistryPlan], RegistryPlan], str]] = [
    (
        lambda p: replace(
            p, nodes=(*p.nodes, NodePlan(code="x", name="", kind="flat", parent="y"))
        ),
        "node x: parent: unknown node 'y'",
    ),
    (
        lambda p: replace(p, nodes=(NodePlan(code="x", name="", kind="flat", parent="x"),)),
        "node x: parent: 'x' lies below the node itself",
    ),
    (
        lambda p: replace(p, nodes=(NodePlan(code="x", name="", kind="castle"),)),
        "node x: kind: 'castle' is none of region",
    ),
    (
        lambda p: replace(p, nodes=(NodePlan(code="x", name="", kind="city", timezone="Mars/1"),)),
        "node x: timezone: 'Mars/1' is not known",
    ),
    (
        lambda p: replace(p, nodes=(NodePlan(code="x", name="", kind="city", timezone="Iran"),)),
        "node x: timezone: 'Iran' is not whole hours from UTC",
    ),
    (
        lambda p: replace(p, modules=(*p.modules, p.modules[0])),
        "module 1000: serial: given twice",
    ),
    (
        lambda p: replace(
            p,
            modules=(ModulePlan(serial=7, node="alice-house", has_adapter=True, inputs=(1, 3)),),
        ),
        "module 7: inputs: a module with an adapter has no input 3",
    ),
    (
        lambda p: replace(p, loads=(replace(p.loads[0], load_class="purple"),)),
        "load alice-house/heat: load_class: 'purple' is none of red, yellow, green",
    ),
    (
        lambda p: replace(p, loads=(replace(p.loads[0], max_off_s=60),)),
        "load alice-house/heat: max_off_s: 60 is not 420 to 900",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], kw=Decimal("nan")),)),
        "limit contract of alice-house: kw: NaN is not 0 to 999999.999",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], kw=Decimal(1_000_000)),)),
        "limit contract of alice-house: kw: 1000000 is not 0 to 999999.999",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], kw=Decimal(-1)),)),
        "limit contract of alice-house: kw: -1 is not 0 to 999999.999",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], phase_a=Decimal("1e6")),)),
        "limit contract of alice-house: phase_a: 1E+6 is not 0 to 999999.99",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], kwh=Decimal("1e9")),)),
        "limit contract of alice-house: kwh: 1E+9 is not 0 to 999999999.999",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], kw=None),)),
        "limit contract of alice-house: kw, phase_a, kwh: give at least one of them",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], period="year"),)),
        "limit contract of alice-house: period: 'year' is none of day, month, zone",
    ),
    (
        lambda p: replace(p, limits=(replace(p.limits[0], follows_peak=True),)),
        "limit contract of alice-house: follows_peak: needs interval_s",
    ),
    (
        lambda p: replace(p, limits=(p.limits[0], p.limits[0])),
        "name: periods overlap at 2000-01-01",
    ),
    (
        lambda p: replace(p, mountings=(replace(p.mountings[0], input=5),)),
        "mounting of meter alice-m1: input: module 1000 has no input 5",
    ),
    (
        lambda p: replace(p, mountings=(replace(p.mountings[0], point="alice-w1"),)),
        "mounting of meter alice-m1: point: alice-w1 measures cold_water, the meter electricity",
    ),
    (
        lambda p: replace(p, mountings=(replace(p.mountings[0], valid_from=datetime(2026, 1, 1)),)),  # noqa: DTZ001
        "mounting of meter alice-m1: valid_from, valid_to: need a UTC offset",
    ),
    (
        lambda p: replace(p, accounts=(replace(p.accounts[0], grants=(("king", "alice-city"),)),)),
        "account alice-operator: role: 'king' is none of operator",
    ),
    (
        lambda p: replace(p, hubs=(*p.hubs, HubPlan(code="h2", site="alice-house", controls=True))),
        "node alice-house: controls: more than one hub controls this site",
    ),
    (
        lambda p: replace(p, hubs=(HubPlan(code="h/2", site="alice-house"),)),
        "hub h/2: code: 'h/2' is not 1-64 of A-Z a-z 0-9 _ . -",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), FAULTS, ids=[m for _, m in FAULTS])
def test_a_fault_is_named_and_nothing_is_written(
    plan: RegistryPlan, spoil: Callable[[RegistryPlan], RegistryPlan], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        apply_plan(spoil(plan))
    assert message in str(caught.value)
    assert _rows_of_all_tenants() == 0


def test_a_serial_number_of_another_tenant_is_refused_by_name(
    plan: RegistryPlan, make_plan: Callable[..., RegistryPlan]
) -> None:
    apply_plan(plan)
    with pytest.raises(InputError, match="module 1000: duplicate key value"):
        apply_plan(make_plan("bob", serial=1000))
    assert _rows_of_all_tenants() == 1


def test_an_overlap_with_what_is_there_is_refused(plan: RegistryPlan) -> None:
    apply_plan(plan)
    later = MountingPlan(
        meter="alice-m2", point="alice-w1", valid_from=datetime(2026, 6, 1, tzinfo=UTC)
    )
    with pytest.raises(InputError, match=r"mounting .*exclusion constraint"):
        apply_plan(replace(plan, mountings=(later,)))


def _rows_of_all_tenants() -> int:
    from balans.storage.models import Tenant
    from balans.storage.scope import system_scope

    with system_scope():
        return Tenant.objects.count()


def test_a_meter_can_be_exchanged_in_one_plan(plan: RegistryPlan) -> None:
    apply_plan(plan)
    old = plan.mountings[0]
    at = datetime(2026, 2, 1, 10, 20, tzinfo=UTC)
    exchanged = replace(
        plan,
        meters=(*plan.meters, replace(plan.meters[0], serial="alice-m9")),
        mountings=(
            replace(old, valid_to=at, register_at_removal=500),
            replace(old, meter="alice-m9", valid_from=at, register_at_mount=500),
        ),
    )
    result = apply_plan(exchanged)
    assert (result.created, result.updated) == (2, 1)


class TestRulesOfTheDatabase:
    """What holds even for SQL that goes past the checks of a plan."""

    @pytest.fixture(autouse=True)
    def _tenant(self, plan: RegistryPlan) -> Any:
        self.tenant_id = apply_plan(plan).tenant_id
        with tenant_scope(self.tenant_id):
            yield

    def _refuses(self, match: str, row: Any) -> None:
        with pytest.raises(IntegrityError, match=match), transaction.atomic():
            row.save()

    def test_periods_of_a_point_do_not_overlap(self) -> None:
        row = MeterMounting.objects.get(meter__serial="alice-m1")
        row.pk = None
        row.channel_id = None
        row.valid_from += timedelta(days=1)
        self._refuses("meter_mounting_(point|meter)_id_exclusive", row)

    def test_periods_of_a_channel_do_not_overlap(self) -> None:
        row = MeterMounting.objects.get(meter__serial="alice-m1")
        other = MeterMounting.objects.get(meter__serial="alice-m2")
        row.channel_id = other.channel_id
        self._refuses("meter_mounting_channel_id_exclusive", row)

    def test_a_period_ends_after_it_begins(self) -> None:
        row = Limit.objects.get(name="contract")
        row.valid_to = row.valid_from
        self._refuses("site_limit_period", row)

    def test_an_adapter_leaves_two_inputs(self) -> None:
        module = Module.objects.get(serial=1001)
        with pytest.raises(IntegrityError, match="inputs 1 and 2 only"), transaction.atomic():
            Channel.objects.create(tenant_id=self.tenant_id, module=module, input=3)
        three_inputs = Module.objects.get(serial=1000)
        three_inputs.has_adapter = True
        self._refuses("inputs 1 and 2 only", three_inputs)

    def test_one_hub_controls_a_site(self) -> None:
        hub = Hub.objects.get()
        hub.pk, hub.code = None, "second"
        self._refuses("hub_one_control_a_site", hub)

    def test_a_node_cannot_move_below_itself(self) -> None:
        city = Node.objects.get(code="alice-city")
        city.parent = Node.objects.get(code="alice-flat-1")
        self._refuses("cannot lie below itself", city)

    def test_a_path_cannot_be_written(self) -> None:
        flat = Node.objects.get(code="alice-flat-1")
        Node.objects.filter(pk=flat.pk).update(path="n1")
        assert Node.objects.get(pk=flat.pk).path == flat.path


def test_what_the_pages_read(plan: RegistryPlan) -> None:
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id):
        house = lookups.site_by_code(tenant_id, "alice-house")
        assert house is not None
        tree = lookups.nested(lookups.nodes(Node.objects.all()))
        assert [(t.depth, t.node.code) for t in tree[0].walk()] == [
            (0, "alice-city"),
            (1, "alice-house"),
            (2, "alice-flat-1"),
            (2, "alice-flat-2"),
        ]
        assert house.timezone.key == "Europe/Paris"
        assert [p.code for p in lookups.points_of(house)] == []
        assert [(p.code, p.unit) for p in lookups.points_of(house, below=True)] == [
            ("alice-p1", "kWh"),
            ("alice-w1", "m³"),
        ]
        assert [load.name for load in lookups.loads_of_site(house)] == ["heat", "kitchen", "wash"]
        assert [limit.name for limit in lookups.limits_of(house, NOON)] == ["evening", "contract"]
        assert lookups.limits_of(house, datetime(1999, 1, 1, tzinfo=UTC)) == []
        assert [zone.name for zone in lookups.zones_of(house, NOON)] == ["night"]
        gateway = lookups.gateway_of(house.id)
        assert gateway is not None
        assert gateway.code == "alice-hub"
        assert lookups.site_by_code(tenant_id, "nowhere") is None


def test_plans_can_be_applied_piece_by_piece(plan: RegistryPlan) -> None:
    apply_plan(plan)
    more = RegistryPlan(
        tenant=plan.tenant,
        loads=(
            LoadPlan(
                site="alice-house",
                name="car",
                node="alice-flat-2",
                load_class="green",
                rated_w=7400,
            ),
        ),
        limits=(LimitPlan(node="alice-flat-2", name="own", kw=Decimal(3), source="customer"),),
    )
    assert apply_plan(more).created == 2


def test_the_migrations_hold_all_of_the_models() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    call_command("check", fail_level="WARNING", verbosity=0)
