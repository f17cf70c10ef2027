"""Readings carried by hand: out of a journal, into a file, into the tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from balans.core.errors import InputError
from balans.gateway.carried import carried_readings
from balans.gateway.journal import Journal
from balans.protocols.collection import decode
from balans.protocols.hub import Entry, EntryKind
from balans.protocols.readings import Flag, Reading, pack, readings_of

HOUR = 230_000
READINGS = [Reading(7, 1, HOUR + n, 10 + n, Flag.LINE_BREAK if n == 2 else 0) for n in range(5)]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A hub's folder; one reading was reported twice, and something else stands between."""
    journal = Journal(tmp_path / "hub" / "journal")
    journal.append([Entry(EntryKind.READINGS, pack(READINGS[:3]))])
    journal.append([Entry(99, b"of a later kind"), Entry(EntryKind.READINGS, pack(READINGS[2:]))])
    journal.close()
    return tmp_path / "hub"


def test_each_reading_is_carried_once(hub: Path) -> None:
    before = {path: path.read_bytes() for path in hub.rglob("*") if path.is_file()}
    for folder in (hub, hub / "journal"):
        found = carried_readings(folder)
        assert readings_of(found.records) == READINGS
        assert (found.readings, found.lost) == (5, 0)
    assert {path: path.read_bytes() for path in hub.rglob("*") if path.is_file()} == before


def test_a_journal_in_use_can_be_read(hub: Path) -> None:
    journal = Journal(hub / "journal")
    journal.append([Entry(EntryKind.READINGS, pack([Reading(8, 1, HOUR, 1)]))])
    assert carried_readings(hub).readings == 6
    journal.close()


def test_what_is_damaged_is_counted(hub: Path) -> None:
    (segment,) = (hub / "journal").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[32 + 16 + 20] ^= 0xFF  # inside the first entry
    segment.write_bytes(data)
    found = carried_readings(hub)
    assert readings_of(found.records) == READINGS[2:]
    assert found.lost == 1


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no journal of a hub"):
        carried_readings(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        carried_readings(tmp_path / "nowhere")


def balans(*args: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if "BALANS_" not in name}
    command = [sys.executable, "-m", "balans", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_command_writes_a_collection_file(hub: Path, tmp_path: Path) -> None:
    out = tmp_path / "cellar.bal"
    done = balans("collect", str(hub), "--out", str(out), "--name", "walker-3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(out), "readings": 5, "lost_entries": 0}
    found = decode(out.read_bytes())
    assert found.header.collector == "walker-3"
    assert readings_of(found.records.tobytes()) == READINGS
    assert balans("collect", str(tmp_path), "--out", str(out)).returncode == 2
