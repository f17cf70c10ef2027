"""``balans db`` on real servers: made, filled, backed up, restored, never half."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from balans.adapters.localpg import LocalPostgres

Done = subprocess.CompletedProcess[str]


def balans(*args: str, url: str | None = None) -> Done:
    environment = {name: value for name, value in os.environ.items() if "BALANS_" not in name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    if url:
        environment["BALANS_DATABASE_URL"] = url
        environment["BALANS_MQTT_URL"] = "mqtt://127.0.0.1:1"
    return subprocess.run(
        [sys.executable, "-m", "balans", *args],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def result(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def data_dir(server_dir: Path) -> Path:
    return server_dir / "commands"


@pytest.fixture(scope="module")
def filled(data_dir: Path) -> dict[str, Any]:
    """An embedded database with two tenants, made by the command."""
    made = result(balans("db", "init", "--json", "--data-dir", str(data_dir)))
    with LocalPostgres(data_dir) as server, psycopg.connect(server.url) as connection:
        connection.execute("SET balans.tenant = 'all'")
        connection.execute(
            "INSERT INTO tenant (code, name) VALUES ('one', 'Жилкооп'), ('two', 'Apă')"
        )
    return made


def tenants(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        connection.execute("SET balans.tenant = 'all'")
        return {(row[0], row[1]) for row in connection.execute("SELECT code, name FROM tenant")}


BOTH = {("one", "Жилкооп"), ("two", "Apă")}


@pytest.fixture(scope="module")
def dump(filled: dict[str, Any], data_dir: Path, server_dir: Path) -> Path:
    assert filled
    file = server_dir / "balans.dump"
    made = result(balans("db", "backup", str(file), "--json", "--data-dir", str(data_dir)))
    assert made == {"file": str(file), "bytes": file.stat().st_size}
    return file


def test_init_makes_all_tables(filled: dict[str, Any]) -> None:
    assert (filled["kind"], filled["running"]) == ("embedded", True)
    assert filled["missing_migrations"] == []
    assert "storage.0001_registry" in filled["applied"]
    assert ":***@" in filled["url"]


def test_init_and_migrate_again_do_nothing(filled: dict[str, Any], data_dir: Path) -> None:
    assert filled
    for command in ("init", "migrate"):
        done = result(balans("db", command, "--json", "--data-dir", str(data_dir)))
        assert done["applied"] == []


def test_status_tells_idle_from_running(filled: dict[str, Any], data_dir: Path) -> None:
    args = ("db", "status", "--data-dir", str(data_dir))
    idle = result(balans(*args, "--json"))
    assert (idle["running"], idle["exists"]) == (False, True)
    with LocalPostgres(data_dir):
        running = result(balans(*args, "--json"))
        assert running["running"]
        assert running["version"] == filled["version"]
        assert running["bytes"] > 1_000_000
        assert "missing migrations: none" in balans(*args).stdout


def test_a_backup_is_private_and_not_overwritten(dump: Path, data_dir: Path) -> None:
    assert dump.stat().st_mode & 0o777 == 0o600
    before = dump.read_bytes()
    done = balans("db", "backup", str(dump), "--data-dir", str(data_dir))
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert dump.read_bytes() == before


def test_a_backup_that_fails_leaves_no_file(data_dir: Path, dump: Path) -> None:
    target = dump.parent / "no" / "such" / "folder.dump"
    done = balans("db", "backup", str(target), "--data-dir", str(data_dir))
    assert (done.returncode, str(target) in done.stderr) == (2, True)


def test_a_backup_comes_back_whole_in_another_place(dump: Path, server_dir: Path) -> None:
    other = server_dir / "other"
    restored = result(balans("db", "restore", str(dump), "--json", "--data-dir", str(other)))
    assert restored["missing_migrations"] == []
    with LocalPostgres(other) as server:
        assert tenants(server.url) == BOTH
        with psycopg.connect(server.url) as connection:
            connection.execute("SET balans.tenant = '1'")
            seen = connection.execute("SELECT count(*) FROM tenant").fetchone()
            assert seen == (1,), "row-level rules came along"


def test_a_full_database_is_replaced_only_by_force(dump: Path, data_dir: Path) -> None:
    with LocalPostgres(data_dir) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("SET balans.tenant = 'all'")
            connection.execute("INSERT INTO tenant (code, name) VALUES ('late', 'Late')")
        args = ("db", "restore", str(dump), "--data-dir", str(data_dir))
        refused = balans(*args)
        assert refused.returncode == 2
        assert "--force deletes what is in it first" in refused.stderr
        assert len(tenants(server.url)) == 3
        assert balans(*args, "--force").returncode == 0
        assert tenants(server.url) == BOTH


def test_a_backup_cut_short_is_refused(dump: Path, data_dir: Path) -> None:
    file = dump.with_name("short.dump")
    file.write_bytes(dump.read_bytes()[: dump.stat().st_size * 9 // 10])
    done = balans("db", "restore", str(file), "--force", "--data-dir", str(data_dir))
    assert done.returncode == 2
    assert f"{file}: is damaged" in done.stderr


def test_a_backup_damaged_inside_changes_nothing(dump: Path, data_dir: Path) -> None:
    """Its list of contents is whole, so the mistake shows only in the middle of the work."""
    file = dump.with_name("damaged.dump")
    content = bytearray(dump.read_bytes())
    content[-300:] = b"\xff" * 300  # the rows stand at the end
    file.write_bytes(content)
    with LocalPostgres(data_dir) as server:
        before = tenants(server.url)
        done = balans("db", "restore", str(file), "--force", "--data-dir", str(data_dir))
        assert done.returncode == 1
        assert "restore failed, nothing was changed: pg_restore" in done.stderr
        assert tenants(server.url) == before


def test_an_external_database_is_used_alike(pg_url: str, dump: Path) -> None:
    assert result(balans("db", "restore", str(dump), "--json", url=pg_url))["kind"] == "external"
    assert tenants(pg_url) == BOTH
    file = dump.with_name("external.dump")
    assert balans("db", "backup", str(file), url=pg_url).returncode == 0
    assert file.stat().st_size > 10_000


@pytest.fixture(scope="module")
def unsealed(pg_server: LocalPostgres) -> Iterator[dict[str, str]]:
    """Addresses of an empty database for roles that row-level security does not hold back."""
    name = f"unsealed_{uuid4().hex[:8]}"
    with psycopg.connect(pg_server.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' NOSUPERUSER BYPASSRLS")
        admin.execute(f"CREATE DATABASE {name} OWNER {name}")
    parts = urlsplit(pg_server.admin_url)
    superuser = urlunsplit(parts._replace(path=f"/{name}"))
    bypassing = urlunsplit(parts._replace(path=f"/{name}", netloc=f"{name}:x@"))
    yield {"is a superuser": superuser, "may bypass row-level security": bypassing}
    with psycopg.connect(pg_server.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "command",
    [["db", "init"], ["db", "migrate"], ["serve", "--port", "0"], ["headend"]],
    ids=" ".join,
)
@pytest.mark.parametrize("why", ["is a superuser", "may bypass row-level security"])
def test_a_role_that_passes_over_the_seal_of_tenants_is_refused(
    unsealed: dict[str, str], why: str, command: list[str], tmp_path: Path
) -> None:
    done = balans(*command, "--data-dir", str(tmp_path), url=unsealed[why])
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert "create role balans login nosuperuser nobypassrls" in done.stderr
    assert "Traceback" not in done.stderr
    with psycopg.connect(unsealed["is a superuser"]) as admin:
        tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        assert admin.execute(tables).fetchone() == (0,)
