"""Codes of hubs that are made up, so many that nothing else has room, or those of imports."""

from typing import Any

import pytest
from django.db import connection
from tests.adapters.test_storage_hubs import (
    NOW,
    SECRET,
    alice,
    announce,
    bob,
    changed,
    claim,
    refusal,
    user,
)

from balans.core.words import DeviceKind
from balans.protocols.hub import (
    KIND_OF,
    Batch,
    Entry,
    EntryKind,
    Hello,
    ModuleNews,
    encode_news,
)
from balans.protocols.readings import Reading, pack
from balans.storage import findings, found, hubs, lookups, prepared
from balans.storage.flush import flush_inbox
from balans.storage.found import Heard
from balans.storage.import_hub import import_hub, import_hub_code
from balans.storage.inbox import HubUnknownError, store_batch, take_hello
from balans.storage.models import Hub, Module
from balans.storage.mounting import MountRefusedError
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.prepared_list import parse_prepared

__all__ = ["alice", "bob"]
pytestmark = pytest.mark.django_db
PREPARED = f"""kind,code,secret,place
hub,hub-9,{SECRET},alice-flat-1
module,4711,,alice-flat-2
"""


def test_nobody_gets_the_hub_of_anothers_imports(alice: int, bob: int) -> None:
    code = import_hub_code(alice)
    assert announce(code=code) == 0
    order = changed(code=code, site="bob-flat-1")
    assert refusal(bob, order, "bob-operator") == "not_claimable"
    with tenant_scope(bob), pytest.raises(MountRefusedError, match="kept for imports"):
        hubs.add_hub(lookups.node(Hub.objects.get().site_id), order, NOW)
    with tenant_scope(alice):
        assert import_hub(alice)


def test_nobody_sends_in_the_name_of_an_import(alice: int) -> None:
    with tenant_scope(alice):
        import_hub(alice)
    entry = Entry(EntryKind.READINGS, pack([Reading(1000, 1, 200_000, 7)]))
    with pytest.raises(HubUnknownError):
        store_batch(import_hub_code(alice), Batch.of(5, 0, (entry,)), NOW)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select count(*) from inbox_batch")
        assert cursor.fetchone() == (0,)


@pytest.mark.usefixtures("bob")
def test_what_is_awaited_has_room_beside_codes_that_are_made_up(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "MOST", 3)
    with tenant_scope(alice):
        prepared.prepare(user("alice-operator"), parse_prepared(PREPARED).devices, NOW)
    with system_scope():
        mine = Hub.objects.get(code="alice-hub")
        about: dict[str, Any] = {
            "kind": DeviceKind.MODULE,
            "tenant_id": mine.tenant_id,
            "hub_id": mine.pk,
        }
        found.note([Heard(code=str(8000 + n), **about) for n in range(9)], NOW)
    for number in range(9):
        announce(code=f"made-up-{number}")
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select kind, count(*) from found_device group by kind order by kind")
        assert cursor.fetchall() == [("hub", 3), ("module", 3)]
        found.note([Heard(code="4711", **about)], NOW)
    announce()
    with tenant_scope(alice):
        assert Hub.objects.filter(code="hub-9").exists()
        assert Module.objects.filter(serial=4711).exists()
    assert not claim(alice)  # it is Alice's already


def test_codes_and_modules_that_are_made_up_fill_no_table(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "MOST", 3)
    for number in range(9):
        with pytest.raises(HubUnknownError):
            take_hello(f"made-up-{number}", Hello(5, 0, 0), NOW)
    for _ in range(2):  # what is kept goes on being counted
        with pytest.raises(HubUnknownError):
            take_hello("made-up-1", Hello(5, 0, 0), NOW)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select place, n from finding where tenant_id is null order by 1")
        assert cursor.fetchall() == [(f"hub made-up-{n}", 3 if n == 1 else 1) for n in range(3)]
    told = [encode_news(ModuleNews(serial, 0.0, silent=True)) for serial in (1000, 7001, 7002)]
    entries = tuple(Entry(KIND_OF[ModuleNews], data) for data in told)
    store_batch("alice-hub", Batch.of(5, 0, entries), NOW)
    flush_inbox(NOW)
    with tenant_scope(alice), connection.cursor() as cursor:
        cursor.execute("select serial from module_news")
        assert cursor.fetchall() == [(1000,)]
