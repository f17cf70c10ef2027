"""Partitions are dropped beside readers: nobody waits for the other in a circle, or for long."""

import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from django.db import connection

from balans.storage import partitions
from balans.storage.scope import system_scope

pytestmark = pytest.mark.usefixtures("store")
JANUARY, FEBRUARY, MARCH = (date(2025, month, 1) for month in (1, 2, 3))


@pytest.fixture
def reader(django_database_url: str) -> Iterator[Any]:
    """A transaction that has read February."""
    with system_scope():
        partitions.ensure_partitions(JANUARY, FEBRUARY)
        partitions.make_years([2025])
    with psycopg.connect(django_database_url) as other:
        other.execute("set balans.tenant = 'all'")
        other.execute("select from reading_day where day >= '2025-02-01'")
        yield other
    with system_scope():
        partitions.drop_empty(MARCH)
        if 2025 in partitions.years_there():
            partitions.drop_year(2025)


def wait_for_lock(other: Any, table: str) -> None:
    while not other.execute(
        "select exists (select from pg_locks where relation = %s::regclass and not granted)",
        [table],
    ).fetchone()[0]:
        pass


def test_a_reader_and_who_drops_do_not_wait_for_each_other(reader: Any) -> None:
    dropped: list[Any] = []

    def drop() -> None:
        with system_scope():
            dropped.append(partitions.drop_empty(FEBRUARY))
        connection.close()

    thread = threading.Thread(target=drop)
    thread.start()
    wait_for_lock(reader, "reading_day")
    reader.execute("select from reading_day where day >= '2025-01-01'")
    reader.rollback()
    thread.join()
    assert dropped == [["reading_day_2025_01"]]


def test_a_year_that_is_read_without_a_pause_stays(
    reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_WAIT", "20ms")
    reader.execute("select from reading_month")
    with system_scope():
        assert not partitions.drop_year(2025)
        assert 2025 in partitions.years_there()
    reader.rollback()
    with system_scope():
        assert partitions.drop_year(2025)
        assert 2025 not in partitions.years_there()
