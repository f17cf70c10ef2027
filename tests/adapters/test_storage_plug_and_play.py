"""From a box that nobody knows to readings at a metering point, without a programmer."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from balans.core.hours import hour_of
from balans.core.words import FoundState, Resource
from balans.protocols.claim import claim_of
from balans.protocols.hub import Batch, Entry, EntryKind, Found, Hello, encode_news
from balans.protocols.readings import Reading, pack
from balans.storage import access, found_devices, hubs, mounting, prepared
from balans.storage.flush import flush_inbox
from balans.storage.hubs import HubOrder
from balans.storage.inbox import HubUnknownError, store_batch, take_hello
from balans.storage.profile import hourly_profile
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.mount_order import InputOrder, MountOrder
from balans.usecases.prepared_list import parse_prepared
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
SECRET = "4K7M0N2P9QRS5TVW"
HELLO = Hello(7, 0, 9, claim=claim_of("roof-7", SECRET))
SERIAL = 4711
WATER = InputOrder(
    number=2,
    resource=Resource.COLD_WATER,
    meter="W77",
    pulse_weight=Fraction(10),
    dial=Decimal("5.5"),
)


@pytest.fixture
def alice(plan: RegistryPlan) -> int:
    return apply_plan(plan).tenant_id


def operator() -> Any:
    with system_scope():
        return get_user_model().objects.get(username="alice-operator")


def send(offset: int, *entries: Entry, at: datetime = NOW) -> None:
    store_batch("roof-7", Batch.of(7, offset, entries), at)
    flush_inbox(at)


def announcement() -> Entry:
    told = Found(SERIAL, NOW.timestamp(), inputs=3, kind="D100", software="4.2")
    return Entry(EntryKind.FOUND, encode_news(told))


def registers(first: datetime, *values: int) -> Entry:
    hour = hour_of(first)
    readings = [Reading(SERIAL, 2, hour + n, value) for n, value in enumerate(values)]
    return Entry(EntryKind.READINGS, pack(readings))


def claimed(tenant_id: int) -> None:
    """Let the hub introduce itself, and accept it by its label."""
    with pytest.raises(HubUnknownError):
        take_hello("roof-7", HELLO, NOW)
    order = HubOrder(code="roof-7", secret=SECRET, site="alice-house")
    with tenant_scope(tenant_id, "operator"):
        assert hubs.claim_hub(operator(), order, NOW)
    assert take_hello("roof-7", HELLO, NOW).contiguous == 0


def energies(tenant_id: int, start: datetime, hours: int) -> list[Fraction | None]:
    with tenant_scope(tenant_id):
        point = access.point_for(operator(), "alice-flat-2-cw")
        values = hourly_profile(point, start, start + timedelta(hours=hours))
        return [one.energy for one in values]


def test_in_two_steps(alice: int) -> None:
    claimed(alice)
    send(0, announcement(), registers(NOW - timedelta(hours=2), 5, 6))
    with tenant_scope(alice, "operator"):
        (device,) = found_devices.listed(operator(), FoundState.FOUND)
        assert (device.code, device.model, device.inputs) == ("4711", "D100", 3)
        order = MountOrder(serial=SERIAL, place="alice-flat-2", inputs=(WATER,))
        assert mounting.mount(operator(), order, NOW).changed
        assert found_devices.listed(operator(), FoundState.FOUND) == []
    send(2, registers(NOW, 7, 9, 12))
    assert energies(alice, NOW, 2) == [20, 30]


def test_from_a_prepared_list_by_itself(alice: int) -> None:
    text = (
        "kind,code,secret,place,input,resource,meter,pulse_weight\n"
        f"hub,roof-7,{SECRET},alice-house,,,,\n"
        f"module,{SERIAL},,alice-flat-2,2,cold_water,W77,10 l\n"
    )
    with tenant_scope(alice, "operator"):
        outcome = prepared.prepare(operator(), parse_prepared(text).devices, NOW)
        assert outcome == prepared.Outcome(prepared=2)
    with pytest.raises(HubUnknownError):
        take_hello("roof-7", HELLO, NOW)  # heard for the first time: accepted for the next
    take_hello("roof-7", HELLO, NOW)
    send(0, announcement(), registers(NOW, 7, 9, 12))
    flush_inbox(NOW)  # what came in the batch of the announcement waited in quarantine
    assert energies(alice, NOW, 2) == [20, 30]
