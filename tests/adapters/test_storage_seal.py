"""Tenants are sealed from each other by the database itself, whatever SQL is sent.

The tables come from the catalogue: a new table without a policy fails here.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, DataError, connection, models, transaction
from tests.adapters.response_rows import fill_response
from tests.adapters.supply_rows import fill_supply

from balans.core.hours import hour_of
from balans.core.words import DeviceKind, Resource
from balans.domain.balances import Side
from balans.domain.metering import EditKind
from balans.protocols.hub import Batch, Entry, EntryKind, Hello, PlanReport, SiteStatus
from balans.protocols.readings import Flag, Reading, pack
from balans.storage import (
    access,
    api_keys,
    consents,
    editing,
    findings,
    found,
    imports,
    manual,
    marks,
    plans,
)
from balans.storage.api_keys import KeyOrder, Scope
from balans.storage.balance_dirty import mark_groups, mark_points
from balans.storage.balance_groups import group_of
from balans.storage.balance_hand import HandPlan, Member, save_group
from balans.storage.balance_loss import put_losses
from balans.storage.balance_upkeep import take_news
from balans.storage.balances import Step, balance, bounds_of
from balans.storage.commands import Wish, create_command
from balans.storage.findings import Noticed
from balans.storage.flush import flush_inbox
from balans.storage.found import Heard
from balans.storage.imports import ImportKind, ImportState, NewImport
from balans.storage.inbox import store_batch, take_hello
from balans.storage.live import save_statuses, save_study
from balans.storage.lookups import site_by_code
from balans.storage.models import MeteringPoint
from balans.storage.partitions import make_years
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.import_table import LineFinding
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = hour_of(NOW)
DAY = timedelta(days=1)

UNSEALED = re.compile(
    r"django_(content_type|migrations|session)|auth_(group|permission|group_permissions)"
    r"|channel_news"  # says only that some input changed
    r"|reading_stage"  # emptied in the transaction that fills it, see test_storage_flush
    r"|procrastinate_\w+|worker_duty"  # of no tenant: what the worker is to do, without any data
)


def fill(plan: RegistryPlan, tenant: str, serial: int) -> int:
    """Put at least one row of the tenant into every table."""
    tenant_id = apply_plan(plan).tenant_id
    readings = pack(
        [
            Reading(serial, 1, HOUR, 5, Flag.MAGNETIC_FIELD),
            Reading(serial + 50, 1, HOUR, 5),  # not registered
        ]
    )
    hub = f"{tenant}-hub"
    take_hello(hub, Hello(9, 0, 1), NOW)
    store_batch(hub, Batch.of(9, 0, (Entry(EntryKind.READINGS, readings),)), NOW)
    flush_inbox(NOW)
    status = SiteStatus(
        seq=1, time=NOW.timestamp(), step_s=60, site_w=1.0, limit_w=2.0, limit="", loads=()
    )
    save_statuses([(hub, status)], NOW)
    plans.store(hub, PlanReport(made=NOW.timestamp()), NOW)
    with tenant_scope(tenant_id):
        site = site_by_code(tenant_id, f"{tenant}-house")
        assert site is not None
        save_study(site.id, "transformer", {}, NOW)
        findings.record([Noticed(tenant_id, "here", "something")], NOW)
        wish = Wish(load_name="heat", on=False, reason="test")
        create_command(user(f"{tenant}-operator"), site, wish, NOW)
        consumer = user(f"{tenant}-consumer")
        consents.set_released(consumer, site, ["wash"], released=True, now=NOW)
        order = KeyOrder("billing", site.code, frozenset({Scope.READ_READINGS}), None)
        api_keys.create(user(f"{tenant}-operator"), order, NOW)
        fill_mounting(tenant_id, site.id, consumer.pk)
        fill_delivery(tenant_id)
        fill_sealed(tenant_id)
        fill_validity(user(f"{tenant}-operator"), f"{tenant}-p1")
        fill_balances(tenant_id, f"{tenant}-house", f"{tenant}-p1")
        fill_imports(tenant_id)
        fill_response(tenant_id, site.id, hub, NOW)
    with tenant_scope(tenant_id):
        fill_supply(tenant_id)
    return tenant_id


def fill_imports(tenant_id: int) -> None:
    """Keep a file that was refused, and what was noticed about it."""
    new = NewImport(tenant_id, ImportKind.READINGS, "r.csv", {}, b"x", "clerk", NOW)
    imports.keep(new, ImportState.REFUSED, {}, [LineFinding(1, "header", "", "no header")])


def fill_balances(tenant_id: int, code: str, point: str) -> None:
    """Compute a balance, put a group together by hand, and let news and marks wait."""
    take_news(wait=False)
    node = site_by_code(tenant_id, code)
    assert node is not None
    group = group_of(node, Resource.ELECTRICITY)
    assert group is not None
    for step in (Step.HOUR, Step.DAY):
        balance(group, bounds_of(NOW - DAY, NOW + DAY, step, node.timezone), step, NOW + DAY)
    put_losses(group.id, NOW, [1], "test", NOW)
    member = Member(Side.INFLOW, point)
    save_group(node, HandPlan("by-hand", "By hand", Resource.ELECTRICITY, (member,)))
    mark_groups([group.id])
    mark_points(MeteringPoint.objects.filter(code=point).values_list("id", flat=True))


def fill_mounting(tenant_id: int, site_id: int, user_id: int) -> None:
    """Put a found device, a prepared one and the answer to a form into their tables."""
    with system_scope():
        found.note([Heard(kind=DeviceKind.MODULE, code="77", tenant_id=tenant_id)], NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into prepared_device (tenant_id, kind, code, node_id, author, created)"
            " values (%s, 'module', '78', %s, 'x', %s)",
            [tenant_id, site_id, NOW],
        )
        cursor.execute(
            "insert into sent_form (tenant_id, account_id, token, at, answer)"
            " values (%s, %s, gen_random_uuid(), %s, '{}')",
            [tenant_id, user_id, NOW],
        )


ROWS_OF_DELIVERY = {
    "hub_state (hub_id, tenant_id, hello_at, software, site, trouble)": (
        "select id, tenant_id, now(), '', '', '' from hub"
    ),
    "hub_arrival (hub_id, hour, tenant_id, first, last)": (
        "select id, 1, tenant_id, now(), now() from hub"
    ),
    "module_news (tenant_id, hub_id, serial, silent, at)": (
        "select tenant_id, id, 5, true, now() from hub"
    ),
    "channel_late (channel_id, hour, tenant_id, received)": (
        "select id, 1, tenant_id, now() from channel"
    ),
    "channel_delivery (channel_id, tenant_id)": "select id, tenant_id from channel",
    "read_request (tenant_id, channel_id, point_id, code, author, reason, state, created,"
    " deadline)": (
        "select tenant_id, coalesce(channel_id, 0), point_id, 'r' || id, 'x', 'y', 'done', now(),"
        " now() from meter_mounting"
    ),
}


def fill_validity(operator: Any, code: str) -> None:
    """Mark a point, edit a register of it, and hand in what its dial showed, with a photo."""
    point = access.point_for(operator, code)
    marks.mark_incorrect(operator, point, (NOW, None), "wet", NOW)
    editing.edit(operator, point, [editing.Change(NOW, EditKind.CORRECT, 6)], "typed", NOW)
    dial = manual.Dial(at=NOW, value=Decimal(7), photo=manual.JPEG)
    manual.hand_in(operator, point, dial, NOW)


def fill_sealed(tenant_id: int) -> None:
    """Put a month that is sealed and an hour of a big installation into their tables."""
    make_years([2025])
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into reading_month (channel_id, month, tenant_id, base, v)"
            " select id, '2025-03-01', tenant_id, 0, '' from channel where tenant_id = %s",
            [tenant_id],
        )
        cursor.execute(
            "insert into reading_recent (tenant_id, block, hour, v) values (%s, 0, 800000, %s)",
            [tenant_id, b"\xff" * 1024],
        )


def fill_delivery(tenant_id: int) -> None:
    """Put what is known of a channel's way into its tables."""
    with connection.cursor() as cursor:
        for table, rows in ROWS_OF_DELIVERY.items():
            mine = f" where tenant_id = {tenant_id} on conflict do nothing"
            cursor.execute(f"insert into {table} {rows}{mine}")


def user(username: str) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username=username)


@pytest.fixture
def alice(plan: RegistryPlan) -> int:
    return fill(plan, "alice", 1000)


@pytest.fixture
def bob(make_plan: Callable[..., RegistryPlan]) -> int:
    return fill(make_plan("bob", serial=2000), "bob", 2000)


def tables() -> dict[str, str]:
    """All tables that must be sealed, with the column that names the tenant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname, exists (select from pg_attribute where attrelid = c.oid"
            " and attname = 'tenant_id') from pg_class c"
            " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        )
        found = dict(cursor.fetchall())
    return {
        name: "tenant_id" if has_column else "id"
        for name, has_column in found.items()
        if not UNSEALED.fullmatch(name)
    }


def counts(column_of: dict[str, str], tenant_id: int) -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for table, column in column_of.items():
            cursor.execute(f"select count(*) from {table} where {column} = %s", [tenant_id])
            found[table] = cursor.fetchone()[0]
    return found


@pytest.mark.usefixtures("alice")
def test_every_table_forces_its_policy() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class c where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity"
            " and exists (select from pg_policy where polrelid = c.oid))"
        )
        open_tables = {name for (name,) in cursor.fetchall()}
    assert {name for name in open_tables if not UNSEALED.fullmatch(name)} == set()
    assert {"reading_day", "reading_day_2026_01"} <= tables().keys()
    assert len(tables()) >= 28


def test_the_role_of_the_product_cannot_step_over_policies() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select rolsuper, rolbypassrls from pg_roles where rolname = current_user")
        assert cursor.fetchone() == (False, False)


def test_without_a_scope_nothing_is_seen(alice: int, bob: int) -> None:
    assert set(counts(tables(), alice).values()) == {0}
    assert set(counts(tables(), bob).values()) == {0}
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"select count(*) from {table}")
            assert cursor.fetchone() == (0,), table


def test_a_tenant_sees_its_own_rows_in_every_table_and_no_other(alice: int, bob: int) -> None:
    with system_scope():
        there = counts(tables(), alice)
    assert [table for table, n in there.items() if n == 0] == []
    with tenant_scope(alice):
        assert counts(tables(), alice) == there
        assert set(counts(tables(), bob).values()) == {0}


def test_a_tenant_changes_no_row_of_another(alice: int, bob: int) -> None:
    with system_scope():
        before = counts(tables(), bob)
    with tenant_scope(alice), connection.cursor() as cursor:
        for table, column in tables().items():
            cursor.execute(f"delete from {table} where {column} = %s", [bob])
            assert cursor.rowcount == 0, table
            cursor.execute(f"update {table} set {column} = {column} where {column} = %s", [bob])
            assert cursor.rowcount == 0, table
    with system_scope():
        assert counts(tables(), bob) == before


def test_a_tenant_writes_no_row_for_another(alice: int, bob: int) -> None:
    """Each row of Alice is copied with Bob as its tenant; the policy of each table refuses."""
    with tenant_scope(alice):
        for table, column in tables().items():
            with connection.cursor() as cursor:
                cursor.execute(
                    "select attname from pg_attribute where attrelid = %s::regclass"
                    " and attnum > 0 and not attisdropped and attname <> %s",
                    [table, column],
                )
                rest = ", ".join(f'"{name}"' for (name,) in cursor.fetchall())
            override = "overriding system value" if column == "tenant_id" else ""
            with (
                pytest.raises(DatabaseError, match="row-level security"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(
                    f"insert into {table} ({column}, {rest}) {override}"
                    f" select %s, {rest} from {table} limit 1",
                    [bob if column == "tenant_id" else 999],
                )


def intra_tenant_keys() -> Iterator[tuple[str, str]]:
    for model in apps.get_app_config("storage").get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.ForeignKey) and field.name != "tenant":
                yield model._meta.db_table, field.column


@pytest.mark.parametrize(("table", "column"), list(intra_tenant_keys()))
def test_every_reference_is_held_inside_the_tenant(table: str, column: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_constraint where contype = 'f' and conrelid = %s::regclass"
            " and array_length(conkey, 1) = 2 and conkey[2] ="
            " (select attnum from pg_attribute where attrelid = conrelid and attname = %s)",
            [table, column],
        )
        assert cursor.fetchone() == (1,)


def test_no_reference_leads_into_another_tenant(alice: int, bob: int) -> None:
    """Even the system cannot make one."""
    with (
        pytest.raises(DatabaseError, match="hub_site_id_inside"),
        system_scope(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "update hub set site_id = (select min(id) from node where tenant_id = %s)"
            " where tenant_id = %s",
            [bob, alice],
        )


def test_an_inner_scope_gives_back_the_outer_one(alice: int, bob: int) -> None:
    with tenant_scope(alice):
        with tenant_scope(bob):
            assert site_by_code(bob, "bob-house") is not None
            assert site_by_code(alice, "alice-house") is None
        assert site_by_code(alice, "alice-house") is not None
        assert site_by_code(bob, "bob-house") is None
        with pytest.raises(ZeroDivisionError), system_scope():
            raise ZeroDivisionError
        assert site_by_code(bob, "bob-house") is None


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("value", ["", "0"])
def test_a_tenant_that_does_not_exist_sees_nothing(value: str) -> None:
    assert nodes_seen_by(value) == 0


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("value", ["ALL", "all ", "1 or 1=1"])
def test_nonsense_in_the_setting_is_refused(value: str) -> None:
    with pytest.raises(DataError, match="invalid input syntax"):
        nodes_seen_by(value)


def nodes_seen_by(value: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select set_config('balans.tenant', %s, true)", [value])
        cursor.execute("select count(*) from node")
        return int(cursor.fetchone()[0])
