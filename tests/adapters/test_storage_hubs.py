"""Hubs claimed by their secret, replaced, moved, removed; lists prepared for devices."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from balans.core.words import DeviceKind
from balans.protocols.claim import claim_of
from balans.storage import found, hubs, prepared, remounting
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.found import Heard
from balans.storage.hubs import HubOrder
from balans.storage.models import Hub, Module
from balans.storage.mounting import MountRefusedError
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.prepared_list import parse_prepared
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, 30, tzinfo=UTC)
SECRET = "4K7M0N2P9QRS5TVW"
OTHER = "A" * 16
HUB = HubOrder(code="hub-9", secret=SECRET, site="alice-flat-1", name="Roof")
LIST = """kind,code,secret,place,input,resource,meter,pulse_weight
module,4711,,alice-flat-2,1,electricity,E77,1600/kWh
module,4711,,alice-flat-2,2,cold_water,W77,10 l
hub,hub-9,4k7m-0n2p-9qrs-5tvw,alice-flat-1,,,,
"""


@pytest.fixture
def alice(plan: RegistryPlan) -> int:
    return apply_plan(plan).tenant_id


@pytest.fixture
def bob(make_plan: Callable[..., RegistryPlan]) -> int:
    return apply_plan(make_plan("bob", serial=2000)).tenant_id


def user(name: str) -> Any:
    with system_scope():
        return get_user_model().objects.get(username=name)


def announce(secret: str = SECRET, at: datetime = NOW, code: str = "hub-9") -> int:
    with system_scope():
        return found.note(
            [Heard(kind=DeviceKind.HUB, code=code, claim=claim_of(code, secret), model="J100")], at
        )


def claim(tenant_id: int, order: HubOrder = HUB, name: str = "alice-operator") -> bool:
    with tenant_scope(tenant_id, name):
        return hubs.claim_hub(user(name), order, NOW)


def refusal(tenant_id: int, order: HubOrder = HUB, name: str = "alice-operator") -> str:
    with pytest.raises(MountRefusedError) as error:
        claim(tenant_id, order, name)
    return error.value.code


def changed(**values: Any) -> HubOrder:
    given = {"code": "hub-9", "secret": SECRET, "site": "alice-flat-1", **values}
    return HubOrder(**given)


def test_a_hub_belongs_to_whoever_shows_its_secret(alice: int, bob: int) -> None:
    announce()
    assert claim(alice)
    assert not claim(alice)  # again: nothing new
    with tenant_scope(alice):
        assert Hub.objects.get(code="hub-9").name == "Roof"
    announce()
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select count(*) from found_device")
        assert cursor.fetchone() == (0,)
    # Bob has seen the label too: too late
    bobs = changed(site="bob-flat-1")
    assert refusal(bob, bobs, "bob-operator") == "not_claimable"


def test_without_the_secret_a_hub_is_nobodys(alice: int) -> None:
    assert refusal(alice) == "not_claimable"  # has not announced itself
    announce()
    assert refusal(alice, changed(secret=OTHER)) == "not_claimable"
    assert refusal(alice, changed(code="bob-hub")) == "not_claimable"
    with system_scope():
        found.note([Heard(kind=DeviceKind.HUB, code="dumb")], NOW)
    assert refusal(alice, changed(code="dumb", secret="")) == "not_claimable"
    with tenant_scope(alice):
        assert Hub.objects.count() == 1


def test_two_hubs_of_one_code_are_nobodys_for_a_day(alice: int) -> None:
    announce()
    announce(OTHER, NOW + timedelta(minutes=1))
    assert refusal(alice) == "disputed"
    assert refusal(alice, changed(secret=OTHER)) == "not_claimable"
    announce(SECRET, NOW + timedelta(hours=30))
    with tenant_scope(alice):
        later = NOW + timedelta(hours=30)
        assert hubs.waiting_hub("hub-9", SECRET, later).model == "J100"


def test_rights_to_claim(alice: int) -> None:
    announce()
    with pytest.raises(ForbiddenError):
        claim(alice, name="alice-consumer")
    with pytest.raises(NotVisibleError):
        claim(alice, changed(site="bob-flat-1"))
    assert refusal(alice, changed(site="alice-house", controls=True)) == "controlled"


def test_a_hub_is_replaced_with_its_task(alice: int) -> None:
    announce()
    with tenant_scope(alice, "test"):
        hubs.replace_hub(user("alice-operator"), "alice-hub", HUB, NOW)
        new = Hub.objects.get(code="hub-9")
        assert (new.site.code, new.controls, new.removed_at) == ("alice-house", True, None)
        assert {module.hub_id for module in Module.objects.all()} == {new.pk}
        old = Hub.objects.get(code__startswith="alice-hub.removed")
        assert (old.controls, old.removed_at) == (False, NOW)


def test_a_removed_hub_gives_its_code_back(alice: int, bob: int) -> None:
    with tenant_scope(alice, "test"):
        hubs.remove_hub(user("alice-operator"), "alice-hub", NOW)
        assert {module.hub_id for module in Module.objects.all()} == {None}
        with pytest.raises(NotVisibleError):
            hubs.remove_hub(user("alice-operator"), "alice-hub", NOW)
    announce(code="alice-hub")
    order = changed(code="alice-hub", site="bob-flat-1")
    assert claim(bob, order, "bob-operator")


def test_a_hub_moves(alice: int) -> None:
    with tenant_scope(alice, "test"):
        operator = user("alice-operator")
        for _ in range(2):
            hubs.move_hub(operator, "alice-hub", "alice-city", NOW)
        assert hubs.hub_for(operator, "alice-hub")[1].code == "alice-city"
        with pytest.raises(NotVisibleError):
            hubs.move_hub(user("alice-consumer"), "alice-hub", "alice-flat-1", NOW)


def prepare(tenant_id: int, text: str = LIST, name: str = "alice-operator") -> prepared.Outcome:
    parsed = parse_prepared(text)
    assert parsed.findings == ()
    with tenant_scope(tenant_id, name):
        return prepared.prepare(user(name), parsed.devices, NOW)


def states(tenant_id: int) -> dict[str, tuple[str, str]]:
    with tenant_scope(tenant_id):
        rows = prepared.listed(user("alice-operator"))
    return {row.code: (row.state.value, row.detail) for row in rows}


def announce_module(tenant_id: int, serial: int = 4711, claim: str = "") -> int:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select id from hub where tenant_id = %s", [tenant_id])
        (hub,) = cursor.fetchone()
        heard = Heard(
            kind=DeviceKind.MODULE,
            code=str(serial),
            tenant_id=tenant_id,
            hub_id=hub,
            inputs=3,
            claim=claim,
        )
        return found.note([heard], NOW)


def test_what_is_prepared_is_accepted_when_it_announces_itself(alice: int) -> None:
    assert prepare(alice) == prepared.Outcome(prepared=2)
    assert prepare(alice) == prepared.Outcome(unchanged=2)
    assert states(alice) == {"4711": ("waiting", ""), "hub-9": ("waiting", "")}
    assert announce(OTHER) == 1  # another hub of this code
    assert announce_module(alice) == 0
    assert states(alice)["hub-9"][0] == "waiting"
    with tenant_scope(alice):
        info = remounting.module_for(user("alice-operator"), 4711)
        assert [(one.input, one.meter) for one in info.meters] == [(1, "E77"), (2, "W77")]
    assert states(alice)["4711"] == ("accepted", "")
    assert prepare(alice) == prepared.Outcome(unchanged=2)  # the same list again
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select actor from registry_history where table_name = 'module'")
        assert ("prepared by alice-operator",) in cursor.fetchall()


def test_a_prepared_hub_is_accepted_by_its_claim(alice: int) -> None:
    prepare(alice)
    assert announce() == 0
    with tenant_scope(alice):
        assert Hub.objects.get(code="hub-9").site.code == "alice-flat-1"
    assert states(alice)["hub-9"] == ("accepted", "")


def test_what_announced_itself_before_is_accepted_at_once(alice: int) -> None:
    announce()
    announce_module(alice)
    assert prepare(alice) == prepared.Outcome(prepared=2, accepted=2)


def test_two_utilities_with_one_label_get_nothing_by_themselves(alice: int, bob: int) -> None:
    prepare(alice)
    prepare(bob, LIST.replace("alice", "bob"), "bob-operator")
    assert announce() == 1
    assert states(alice)["hub-9"][0] == "waiting"


def test_a_module_of_bob_is_not_taken_by_a_list_of_alice(alice: int, bob: int) -> None:
    prepare(alice)
    announce_module(bob)
    assert states(alice)["4711"][0] == "waiting"


def test_what_cannot_be_mounted_is_told(alice: int) -> None:
    prepare(alice, LIST.replace("E77", "alice-m1"))
    assert announce_module(alice) == 1
    state, detail = states(alice)["4711"]
    assert state == "faulty"
    assert "alice-m1" in detail
    assert announce_module(alice) == 1  # it does not try again by itself
    prepare(alice)  # put right
    assert states(alice)["4711"][0] == "accepted"


def test_a_list_is_kept_whole_or_not_at_all(alice: int) -> None:
    assert announce_module(alice, 1000) == 0
    outcome = prepare(
        alice,
        "code,place\n4711,alice-flat-2\n1000,alice-flat-2\n4712,bob-flat-1\n4713,nowhere\n",
    )
    assert [str(finding) for finding in outcome.findings] == [
        "line 4: node bob-flat-1: not found",
        "line 5: node nowhere: not found",
        "line 3: module 1000 is registered at alice-flat-1 already",
    ]
    assert states(alice) == {}


def test_rights_to_prepare(alice: int) -> None:
    outcome = prepare(alice, "code,place\n4711,alice-flat-1\n", "alice-consumer")
    assert len(outcome.findings) == 1
    assert "the right to registry is missing" in outcome.findings[0].what


def test_withdrawn_it_waits_no_more(alice: int) -> None:
    prepare(alice)
    with tenant_scope(alice, "test"):
        operator = user("alice-operator")
        (row,) = [row for row in prepared.listed(operator) if row.code == "4711"]
        assert not prepared.withdraw(user("alice-consumer"), row.id, NOW)
        assert prepared.prepared_module(operator, 4711) == row
        assert prepared.withdraw(operator, row.id, NOW)
        assert not prepared.withdraw(operator, row.id, NOW)
        assert prepared.prepared_module(operator, 4711) is None
    assert announce_module(alice) == 1


def test_a_module_with_another_secret_is_not_the_one_that_is_meant(alice: int) -> None:
    prepare(alice, LIST.replace("4711,,", f"4711,{SECRET},"))
    assert announce_module(alice, claim=claim_of("4711", OTHER)) == 1
    assert states(alice)["4711"] == ("waiting", "")
    assert announce_module(alice, claim=claim_of("4711", SECRET)) == 0
    assert states(alice)["4711"] == ("accepted", "")
