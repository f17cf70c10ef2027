"""With real commits: an acknowledgement stands for what another process can already read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.db import DataError, connection

from balans.core.errors import UnavailableError
from balans.core.hours import hour_of
from balans.protocols.hub import Ack, Batch, Entry, EntryKind, Hello, SiteStatus
from balans.protocols.readings import Reading, pack
from balans.storage import commands, inbox, live
from balans.storage.copying import binary_cursor
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch, take_hello
from balans.storage.lookups import site_by_code
from balans.storage.readings import stored_readings
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.usefixtures("store")
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = hour_of(NOW)


def batch(first: int, end: int) -> Batch:
    entries = (
        Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR - i, 10_000 - i)]))
        for i in range(first, end)
    )
    return Batch.of(5, first, tuple(entries))


@pytest.fixture
def tenant_id(store: None, plan: RegistryPlan) -> int:
    assert store is None
    return apply_plan(plan).tenant_id


@pytest.fixture
def other(django_database_url: str) -> Iterator["psycopg.Connection[tuple[int, ...]]"]:
    """Another process: an own connection that acts for the system."""
    with psycopg.connect(django_database_url, autocommit=True) as found:
        found.execute("set balans.tenant = 'all'")
        yield found


@pytest.mark.usefixtures("tenant_id")
def test_what_is_acknowledged_is_committed(
    other: "psycopg.Connection[tuple[int, ...]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_before: list[object] = []
    whole = inbox._insert

    def looks_from_outside(*args: object) -> None:
        whole(*args)  # type: ignore[arg-type]
        seen_before.append(other.execute("select count(*) from inbox_batch").fetchone())

    monkeypatch.setattr(inbox, "_insert", looks_from_outside)
    assert store_batch("alice-hub", batch(0, 3), NOW) == Ack(5, 3, 3)
    assert seen_before == [(0,)]
    assert other.execute("select n from inbox_batch").fetchall() == [(3,)]


@pytest.mark.usefixtures("tenant_id")
def test_batches_of_one_journal_at_the_same_time() -> None:
    """Four head-ends get overlapping ranges at once; every offset is held, none is missed."""

    def send(start: int) -> None:
        for first in range(start, 40, 4):
            store_batch("alice-hub", batch(first, min(first + 6, 40)), NOW)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    assert take_hello("alice-hub", Hello(5, 0, 40), NOW) == Ack(5, 40, 40)
    flush_inbox(NOW)
    with system_scope():
        found = stored_readings(HOUR - 100, HOUR + 1)
    assert found["hour"].tolist() == list(range(HOUR - 39, HOUR + 1))


def test_a_lost_connection_is_reported_and_replaced(
    tenant_id: int, other: "psycopg.Connection[tuple[int, ...]]"
) -> None:
    def loses_its_server() -> None:
        with tenant_scope(tenant_id):
            with connection.cursor() as cursor:
                cursor.execute("select pg_backend_pid()")
                (pid,) = cursor.fetchone()
            other.execute("select pg_terminate_backend(%s)", [pid])
            site_by_code(tenant_id, "alice-house")

    with pytest.raises(UnavailableError, match="database: "):
        loses_its_server()
    with tenant_scope(tenant_id):
        assert site_by_code(tenant_id, "alice-house") is not None


@pytest.mark.usefixtures("tenant_id")
def test_a_connection_lost_under_a_cursor_of_the_driver_is_reported_too(
    other: "psycopg.Connection[tuple[int, ...]]",
) -> None:
    def use(work: str) -> None:
        with system_scope(), binary_cursor() as cursor:
            (pid,) = cursor.execute("select pg_backend_pid()").fetchone() or (0,)
            other.execute("select pg_terminate_backend(%s)", [pid])
            if work == "execute":
                cursor.execute("select 1")
            else:
                with cursor.copy("copy (select 1) to stdout") as copy:
                    list(copy)

    for work in ("execute", "copy"):
        with pytest.raises(UnavailableError):
            use(work)
    with pytest.raises(DataError), system_scope(), binary_cursor() as cursor:
        cursor.execute("select 1 / 0")
    assert store_batch("alice-hub", batch(0, 2), NOW) == Ack(5, 2, 2)


def test_a_scope_ends_with_its_transaction(tenant_id: int) -> None:
    with tenant_scope(tenant_id):
        assert site_by_code(tenant_id, "alice-house") is not None
    assert site_by_code(tenant_id, "alice-house") is None
    with pytest.raises(ZeroDivisionError), tenant_scope(tenant_id):
        raise ZeroDivisionError
    assert site_by_code(tenant_id, "alice-house") is None


def test_listeners_hear_of_a_change_after_commit(
    tenant_id: int, other: "psycopg.Connection[tuple[int, ...]]"
) -> None:
    other.execute(f"listen {live.CHANNEL}")
    other.execute(f"listen {commands.CHANNEL}")
    status = SiteStatus(
        seq=1, time=NOW.timestamp(), step_s=60, site_w=1.0, limit_w=2.0, limit="", loads=()
    )
    live.save_statuses([("alice-hub", status), ("alice-hub", status)], NOW)
    with tenant_scope(tenant_id):
        site = site_by_code(tenant_id, "alice-house")
        assert site is not None
        user = get_user_model().objects.get(username="alice-operator")
        wish = commands.Wish(load_name="heat", on=False, reason="test")
        commands.create_command(user, site, wish, NOW)
        assert [n.channel for n in other.notifies(timeout=0.05)] == [live.CHANNEL]
    heard = {(n.channel, n.payload) for n in other.notifies(timeout=5, stop_after=2)}
    assert heard == {(live.CHANNEL, str(site.id)), (commands.CHANNEL, "alice-hub")}
