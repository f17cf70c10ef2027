"""Years leave the database as files and come back exactly; damage is told and changes nothing."""

import errno
import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

from balans.core.errors import InputError, UnavailableError
from balans.core.hours import hour_of
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Grade, Reading, pack
from balans.storage import archive, partitions
from balans.storage.archive import ArchiveError, archive_year, read_archive, restore_archive
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.partitions import years_there
from balans.storage.readings import export_rows
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope
from balans.storage.sealing import seal_due
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, tzinfo=UTC)
PART = ("file", "month", "sha256", "size", "rows", "readings", "total")
HOUR = hour_of(datetime(2025, 3, 31, 20, tzinfo=UTC))


def send(first: int, *readings: Reading) -> None:
    store_batch("alice-hub", Batch.of(1, first, (Entry(EntryKind.READINGS, pack(readings)),)), NOW)
    flush_inbox(NOW)


@pytest.fixture(autouse=True)
def year(plan: RegistryPlan) -> None:
    """Readings of 2025 across the end of a month, sealed; and one of 2026."""
    apply_plan(plan)
    readings = [Reading(1000, i, HOUR + h, 70_000 * h + i) for h in range(0, 40, 3) for i in (1, 2)]
    readings[3] = readings[3]._replace(flags=Flag.LINE_BREAK)
    readings[5] = readings[5]._replace(grade=Grade.ESTIMATED)
    send(0, *readings, Reading(1000, 3, hour_of(NOW), 9))
    assert seal_due(NOW) == 4


def stored() -> list[tuple[object, ...]]:
    with system_scope():
        return [(r.channel, r.time, r.register, r.quality) for r in export_rows()]


def test_a_year_goes_into_files_and_comes_back(tmp_path: Path) -> None:
    before = stored()
    folder = tmp_path / "2025"
    archived = archive_year(2025, folder, NOW)
    assert (archived.readings, archived.channels) == (28, 2)
    assert [part.month for part in archived.parts] == ["2025-03", "2025-04"]
    assert stored() == before[-1:]
    with system_scope():
        assert years_there() == []
    assert read_archive(folder) == archived
    assert restore_archive(folder) == archived
    assert stored() == before


def test_what_came_since_stays_and_the_archive_fills_the_gaps(tmp_path: Path) -> None:
    before = stored()
    archive_year(2025, tmp_path / "a", NOW)
    send(1, Reading(1000, 1, HOUR, 5), Reading(1000, 1, HOUR + 1, 6))
    assert seal_due(NOW) == 1
    restore_archive(tmp_path / "a")
    assert len(stored()) == len(before) + 1
    assert stored()[0][2] == 5
    held = stored()
    assert seal_due(NOW) == 1
    assert stored() == held


def test_a_year_that_may_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="year 2026: may still change"):
        archive_year(2026, tmp_path / "a", NOW)
    with pytest.raises(InputError, match="year 2024: nothing is stored"):
        archive_year(2024, tmp_path / "a", NOW)
    send(1, Reading(1000, 1, HOUR + 1, 6))
    with pytest.raises(InputError, match="year 2025: not sealed yet: 2025-03"):
        archive_year(2025, tmp_path / "a", NOW)


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        archive_year(2025, tmp_path, NOW)
    with pytest.raises(InputError, match=r"manifest\.json: No such file"):
        restore_archive(tmp_path)


def test_damage_is_told_and_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    archived = archive_year(2025, folder, NOW)
    path = folder / archived.parts[1].file
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ArchiveError, match=r"2025-04-001\.copy\.gz: is damaged"):
        restore_archive(folder)
    path.unlink()
    with pytest.raises(ArchiveError, match=r"2025-04-001\.copy\.gz: No such file"):
        restore_archive(folder)
    with system_scope():
        assert years_there() == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, "this release reads 1"),
        ({"parts": [{"file": "x"}]}, "is no manifest"),
        ({"parts": 5}, "is no manifest"),
        ({"parts": [dict.fromkeys(PART, 5)]}, "is no manifest"),
        ({"parts": [dict.fromkeys(PART, "x")]}, "is no manifest"),
        ({"year": "x"}, "is no manifest"),
    ],
)
def test_another_manifest_is_refused(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    archive_year(2025, tmp_path / "a", NOW)
    path = tmp_path / "a" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((ArchiveError, InputError), match=complaint):
        restore_archive(tmp_path / "a")


def test_an_archive_of_other_channels_is_refused(tmp_path: Path) -> None:
    archive_year(2025, tmp_path / "a", NOW)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("update module set serial = serial + 7000")
    with pytest.raises(InputError, match=r"is module 1000 input 1, here module 8000 input 1"):
        restore_archive(tmp_path / "a")


@pytest.mark.parametrize(
    "data", [None, b"", gzip.compress(b"channel,module,input,tenant\n", mtime=0)]
)
def test_a_damaged_list_of_channels_is_told_before_the_year_is_dropped(
    tmp_path: Path, data: bytes | None
) -> None:
    archive_year(2025, tmp_path / "a", NOW)
    path = tmp_path / "a" / "channels.csv.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:12] + b"\xff\xff" + whole[14:] if data is None else data)
    with pytest.raises(ArchiveError, match=r"channels\.csv\.gz"):
        read_archive(tmp_path / "a")


def test_files_are_on_the_disk_before_the_year_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync, drop_year = os.fsync, partitions.drop_year

    def noting(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        fsync(number)

    def dropping(year: int) -> bool:
        names = {path.name for path in (tmp_path / "2025").iterdir()}
        assert names | {"2025", tmp_path.name} == set(synced)
        return drop_year(year)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(archive, "drop_year", dropping)
    archive_year(2025, tmp_path / "2025", NOW)
    assert synced


def test_a_file_that_cannot_be_written_drops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = stored()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space left"):
        archive_year(2025, tmp_path / "2025", NOW)
    assert stored() == before
