"""What announced itself and is not registered: whose it is, and what is kept of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from balans.core.hours import hour_of
from balans.core.words import DeviceKind
from balans.protocols.claim import claim_of
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import found
from balans.storage.flush import flush_inbox
from balans.storage.found import Heard
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)


def ids(plan: RegistryPlan) -> tuple[int, int]:
    """Apply `plan`; return tenant and hub."""
    tenant = apply_plan(plan).tenant_id
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute("select id from hub")
        return tenant, int(cursor.fetchone()[0])


def module(tenant_hub: tuple[int, int], serial: int, **options: Any) -> Heard:
    return Heard(
        kind=DeviceKind.MODULE,
        code=str(serial),
        tenant_id=tenant_hub[0],
        hub_id=tenant_hub[1],
        **options,
    )


def rows(tenant: int | None = None) -> list[tuple[Any, ...]]:
    scope = system_scope() if tenant is None else tenant_scope(tenant)
    with scope, connection.cursor() as cursor:
        cursor.execute("select kind, code, state, n from found_device order by code, tenant_id")
        return list(cursor.fetchall())


def note(*heard: Heard, at: datetime = NOW) -> int:
    with system_scope():
        return found.note(heard, at)


def test_a_module_is_found_once_by_the_tenant_of_its_hub(
    plan: RegistryPlan, make_plan: Any
) -> None:
    alice, bob = ids(plan), ids(make_plan("bob", 2000))
    assert note(module(alice, 77, inputs=2, model="D100")) == 1
    note(module(alice, 77, software="2"), at=NOW + timedelta(hours=1))
    assert rows(alice[0]) == [("module", "77", "found", 2)]
    assert rows(bob[0]) == []
    with tenant_scope(alice[0]), connection.cursor() as cursor:
        cursor.execute("select inputs, model, software, last_seen - first_seen from found_device")
        assert cursor.fetchone() == (2, "D100", "2", timedelta(hours=1))


def test_what_is_registered_is_not_found_by_anybody(plan: RegistryPlan, make_plan: Any) -> None:
    alice, bob = ids(plan), ids(make_plan("bob", 2000))
    assert note(module(alice, 1000), module(bob, 1000), module(bob, 2000)) == 0
    assert note(Heard(kind=DeviceKind.HUB, code="alice-hub")) == 0
    assert rows() == []


def test_a_hub_that_nobody_knows_is_seen_by_no_tenant(plan: RegistryPlan) -> None:
    alice = ids(plan)
    note(Heard(kind=DeviceKind.HUB, code="hub-9", claim=claim_of("hub-9", "0" * 16)))
    assert rows(alice[0]) == []
    assert rows() == [("hub", "hub-9", "found", 1)]
    with system_scope():
        assert found.forget_silent(NOW + timedelta(days=31)) == 1
    assert rows() == []


def claims() -> tuple[str, bool]:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select claim, other_claim_seen is not null from found_device")
        return cursor.fetchone()  # type: ignore[no-any-return]


def test_a_second_claim_for_the_same_code_is_a_dispute() -> None:
    one, two = (claim_of("hub-9", letter * 16) for letter in "AB")
    note(Heard(kind=DeviceKind.HUB, code="hub-9", claim=one))
    note(Heard(kind=DeviceKind.HUB, code="hub-9", claim=two), at=NOW + timedelta(minutes=1))
    note(Heard(kind=DeviceKind.HUB, code="hub-9"), at=NOW + timedelta(minutes=2))
    assert claims() == (one, True)


def test_a_claim_that_is_heard_no_more_gives_way() -> None:
    one, two = (claim_of("hub-9", letter * 16) for letter in "AB")
    note(Heard(kind=DeviceKind.HUB, code="hub-9", claim=one))
    note(Heard(kind=DeviceKind.HUB, code="hub-9", claim=two), at=NOW + timedelta(days=2))
    assert claims() == (two, False)


@pytest.mark.parametrize("claim", ["", "x", "0" * 63, "G" * 64])
def test_what_is_no_claim_is_none(claim: str) -> None:
    note(Heard(kind=DeviceKind.HUB, code="hub-9", claim=claim, model="a\x00b" * 100))
    assert claims() == ("", False)


def test_a_module_without_a_hub_gets_the_one_that_heard_it(plan: RegistryPlan) -> None:
    alice = ids(plan)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("update module set hub_id = null where serial = 1000")
        assert found.note([module(alice, 1000)], NOW) == 0
        cursor.execute("select hub_id from module where serial = 1000")
        assert cursor.fetchone() == (alice[1],)


def test_readings_of_an_unknown_module_tell_of_it(plan: RegistryPlan) -> None:
    alice = ids(plan)
    hour = hour_of(NOW)
    readings = pack([Reading(4711, number, hour, 5) for number in (1, 3)])
    entry = Entry(EntryKind.READINGS, readings)
    store_batch("alice-hub", Batch.of(9, 0, (entry,)), NOW)
    flush_inbox(NOW)
    with tenant_scope(alice[0]), connection.cursor() as cursor:
        cursor.execute("select code, inputs, hub_id from found_device")
        assert cursor.fetchall() == [("4711", 3, alice[1])]


def test_whoever_makes_up_codes_fills_no_disk(
    plan: RegistryPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = ids(plan)
    monkeypatch.setattr(found, "MOST", 3)
    assert note(*(module(alice, n) for n in range(10))) == 3
    assert note(*(module(alice, n) for n in range(2, 10))) == 1
    assert note(*(Heard(kind=DeviceKind.HUB, code=f"h{n}") for n in range(10))) == 3
