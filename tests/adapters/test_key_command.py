"""``balans key``: what it makes, where, and what it refuses."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.test_headend import database  # noqa: F401  (a fixture)

from balans.adapters.signing import SigningKey


class Command:
    """The command on Alice's database, with keys in a folder of the test."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder / "keys"
        data_dir = str(folder)
        self.env = {**os.environ, "BALANS_DATA_DIR": data_dir, "BALANS_DATABASE_URL": url}

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "balans", "key", *args]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    def keys(self, *args: str) -> list[dict[str, Any]]:
        done = self.run(*args, "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


@pytest.fixture
def command(database: str, tmp_path: Path) -> Command:  # noqa: F811
    return Command(tmp_path, database)


def test_a_key_is_made_shown_and_rotated(command: Command) -> None:
    assert command.keys("list", "alice") == []
    (made,) = command.keys("new", "alice")
    file = command.folder / "alice" / f"{made['key']}.key"
    private = SigningKey.of(base64.b64decode(file.read_bytes()))
    assert base64.b64encode(private.public).decode() == made["public"]
    assert made["private_here"]
    assert file.stat().st_mode & 0o777 == 0o600

    shown = command.run("list", "alice").stdout
    assert f'[server]\nkeys = ["{made["public"]}"]' in shown
    assert base64.b64encode(private.private).decode() not in shown

    old, new = command.keys("rotate", "alice", "--overlap-days", "2")
    assert (old["key"], old["counts"], new["counts"]) == (made["key"], True, True)
    assert old["until"] is not None
    assert new["until"] is None


def test_without_overlap_the_old_key_counts_no_more(command: Command) -> None:
    command.keys("new", "alice")
    command.keys("rotate", "alice", "--overlap-days", "0")
    assert [one["counts"] for one in command.keys("list", "alice")] == [False, True]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("new", "alice"), "has a key already; `balans key rotate` makes the next one"),
        (("new", "carol"), "no such utility; known: alice"),
        (("list", "../alice"), "no such utility"),
    ],
)
def test_what_is_refused(command: Command, args: tuple[str, ...], message: str) -> None:
    early = command.run("rotate", "alice")
    assert early.returncode == 2
    assert "`balans key new` makes the first one" in early.stderr
    command.keys("new", "alice")
    done = command.run(*args)
    assert done.returncode == 2
    assert message in done.stderr
