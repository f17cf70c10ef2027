"""A rehearsal of the worst day: back up a filled database, restore it elsewhere, compare all of it.

And of an ordinary year: seal it by the command, archive it, bring it back.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from balans.core.hours import hour_of
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Reading, pack
from balans.storage import partitions
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.storage.sealing import seal_due
from balans.usecases.registry_plan import RegistryPlan

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = hour_of(NOW)


def balans(*args: str, url: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if "BALANS_" not in name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment |= {"BALANS_DATABASE_URL": url, "BALANS_MQTT_URL": "mqtt://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "balans", *args, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Return of each table how many rows it has, and a digest of all of them."""
    with psycopg.connect(url) as connection:
        connection.execute("set balans.tenant = 'all'")
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p') and not relispartition order by 1"
        ).fetchall()
        found = {}
        for (name,) in tables:
            row = connection.execute(
                f"select count(*), coalesce(md5(string_agg(t::text, '|' order by t::text)), '')"
                f" from {name} t"
            ).fetchone()
            assert row
            found[name] = (row[0], row[1])
        return found


@pytest.fixture
def filled(
    store: None,  # noqa: ARG001  (commits are real)
    plan: RegistryPlan,
    monkeypatch: pytest.MonkeyPatch,
    django_database_url: str,
) -> str:
    """A database with sealed months, day rows, recent hours, quarantine and a full inbox."""
    apply_plan(plan)
    old, new = hour_of(datetime(2025, 3, 1, tzinfo=UTC)), HOUR - 24 * 20
    readings = [
        Reading(1000, number, start + h, 1000 * h + number, Flag.LINE_BREAK if h == 7 else 0)
        for start in (old, new)
        for number in (1, 2)
        for h in range(60)
    ]
    send(0, readings)
    flush_inbox(NOW)
    assert seal_due(NOW) == 2
    monkeypatch.setattr(partitions, "BIG", 1)
    send(1, [Reading(1000, 1, HOUR - h, 9_000_000 - h) for h in range(5)])
    send(2, [Reading(4711, 1, HOUR, 5)])
    flush_inbox(NOW)
    send(3, [Reading(1000, 2, HOUR, 77)])
    return django_database_url


def send(offset: int, readings: list[Reading]) -> None:
    entry = Entry(EntryKind.READINGS, pack(readings))
    store_batch("alice-hub", Batch.of(1, offset, (entry,)), NOW)


def test_a_backup_restored_elsewhere_holds_everything(
    filled: str, pg_url: str, server_dir: Path
) -> None:
    before = contents(filled)
    held = ("reading_day", "reading_month", "reading_recent", "inbox_batch", "inbox_quarantine")
    assert all(before[table][0] for table in held)
    file = server_dir / "rehearsal.dump"
    balans("db", "backup", str(file), url=filled)
    balans("db", "restore", str(file), url=pg_url)
    assert contents(pg_url) == before
    status = balans("db", "status", url=pg_url)
    assert status["missing_migrations"] == []


def test_a_year_is_archived_and_restored_by_the_commands(filled: str, server_dir: Path) -> None:
    balans("db", "seal", url=filled)
    before = contents(filled)["reading_month"]
    folder = server_dir / "archive-2025"
    archived = balans("db", "archive", "2025", str(folder), url=filled)
    assert (archived["year"], archived["readings"], archived["files"]) == (2025, 120, 1)
    assert contents(filled)["reading_month"][0] == before[0] - 2
    checked = balans("db", "restore-archive", str(folder), "--check", url=filled)
    assert checked == {"year": 2025, "readings": 120, "restored": False}
    assert contents(filled)["reading_month"] != before
    balans("db", "restore-archive", str(folder), url=filled)
    assert contents(filled)["reading_month"] == before


def test_the_statements_for_a_cluster_can_be_read_before(filled: str) -> None:
    told = balans("db", "distribute", "--dry-run", url=filled)
    assert told["statements"][0] == "select create_distributed_table('reading_day', 'channel_id')"
    assert (told["already"], told["done"]) == ([], False)
