"""Sealed years written to files and dropped, and read back. Opens its own scopes.

A folder of an archive holds ``manifest.json``, the channels by module and input, and for each
month a file of sealed rows. Everything stands in it to read it without this database: the rows
are binary COPY (channel, month, tenant, base, steps, marks), steps as `balans.domain.metering.
sealed` says, packed by gzip, and checked by SHA-256.
"""

import gzip
import hashlib
import itertools
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.errors import BalansError, InputError, UnavailableError
from balans.core.hours import EPOCH_DATE
from balans.domain.metering import MISSING
from balans.domain.metering.sealed import SealedError
from balans.storage.balance_dirty import mark_channels
from balans.storage.copying import binary_cursor, int_of, parse_rows, raw_rows
from balans.storage.matrix import unsealed
from balans.storage.partitions import (
    drop_year,
    make_years,
    months_before,
    months_there,
    years_there,
)
from balans.storage.scope import system_scope
from balans.storage.sealing import KEEP_OPEN, reopen
from balans.storage.writer import wait_to_write

ACTOR = "archive"
FORMAT = 1
MANIFEST, CHANNELS = "manifest.json", "channels.csv.gz"
AT_ONCE = 5_000
CHANNELS_A_FILE = 100_000


class ArchiveError(BalansError):
    """An archive is not what its manifest says; nothing was changed."""

    code = "archive"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an archive: a month, its sealed rows, readings, and the sum of registers."""

    file: str
    month: str
    sha256: str
    size: int
    rows: int
    readings: int
    total: int


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archive of a year holds."""

    year: int
    channels: int
    parts: tuple[Part, ...]

    @property
    def readings(self) -> int:
        """Readings in all parts."""
        return sum(part.readings for part in self.parts)


def archive_year(year: int, folder: Path, now: datetime) -> Archived:
    """Write the sealed months of `year` to `folder`, check the files, and drop them here.

    Parameters
    ----------
    year
        A year that is over and wholly sealed.
    folder
        A new folder, or an empty one.
    now
        The time by the clock that the readings go by.

    Raises
    ------
    InputError
        If the year may still change, has day rows or nothing at all, or `folder` has files.
    ArchiveError
        If what was written cannot be read back as it was; then nothing is dropped.
    UnavailableError
        If a file cannot be written, or readers hold the year; then nothing is dropped.
    """
    with system_scope(ACTOR, durable=True):
        wait_to_write()
        _require_sealed(year, now)
        _make_folder(folder)
        count = _write_channels(folder / CHANNELS, year)
        months = [date(year, month, 1) for month in range(1, 13)]
        parts = tuple(part for month in months for part in _write_month(folder, month))
        archived = Archived(year, count, parts)
        text = json.dumps({"format": FORMAT, **asdict(archived)}, indent=2)
        _write(folder / MANIFEST, f"{text}\n".encode())
        if read_archive(folder) != archived:
            raise ArchiveError(f"{folder}: what was written is not what is stored")
        _to_disk(folder)
        _to_disk(folder.parent)
        if not drop_year(year):
            raise UnavailableError(
                f"year {year}: it is being read without a pause, as by a backup; it stays, and"
                f" what was written to {folder} can be removed"
            )
        with connection.cursor() as cursor:
            cursor.execute("set local synchronous_commit to on")
    return archived


def read_archive(folder: Path) -> Archived:
    """Return what the archive in `folder` holds, after reading every file of it.

    Raises
    ------
    InputError
        If there is no archive.
    ArchiveError
        If a file is missing, damaged, or other than the manifest says.
    """
    archived = _manifest(folder)
    if sum(1 for _ in _channels_in(folder / CHANNELS)) != archived.channels:
        raise ArchiveError(f"{folder / CHANNELS}: channels are other than the manifest says")
    for part in archived.parts:
        rows = list(parse_rows(_checked(folder, part)))
        if _summary(rows) != (part.rows, part.readings, part.total):
            raise ArchiveError(f"{folder / part.file}: rows are other than the manifest says")
    return archived


def restore_archive(folder: Path) -> Archived:
    """Bring the archive in `folder` back into the tables, wholly or not at all.

    What has been stored since stays: a month of a channel of which something came after it was
    archived is day rows afterwards, with what the archive has in the gaps.

    Raises
    ------
    InputError
        If there is no archive, or a channel of it is another one here.
    ArchiveError
        If it is damaged.
    """
    archived = read_archive(folder)
    with system_scope(ACTOR, durable=True):
        wait_to_write()
        _require_channels(folder)
        make_years([archived.year])
        for part in archived.parts:
            rows = list(parse_rows(_checked(folder, part)))
            for at in range(0, len(rows), AT_ONCE):
                _insert(rows[at : at + AT_ONCE])
        with connection.cursor() as cursor:
            cursor.execute("set local synchronous_commit to on")
    return archived


def _require_sealed(year: int, now: datetime) -> None:
    if date(year, 12, 1) >= months_before(now.date(), KEEP_OPEN):
        raise InputError(f"year {year}: may still change, its months are not all sealed yet")
    if left := [f"{month:%Y-%m}" for month in months_there() if month.year == year]:
        raise InputError(f"year {year}: not sealed yet: {', '.join(left)}; `balans db seal` does")
    if year not in years_there():
        raise InputError(f"year {year}: nothing is stored of it")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder}: is not empty; give a new folder")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error


def _write_channels(target: Path, year: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CHANNELS, [date(year, 1, 1), date(year, 12, 1)])
        rows = cursor.fetchall()
    lines = ["channel,module,input,tenant", *(",".join(map(str, row)) for row in rows)]
    _write(target, gzip.compress("\n".join(lines).encode() + b"\n", mtime=0))
    return len(rows)


def _write(target: Path, data: bytes) -> None:
    """Write a file to the disk itself: the database will not have it any more."""
    try:
        with target.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UnavailableError(f"{target}: {error.strerror}") from error


def _to_disk(folder: Path) -> None:
    """Bring the names of the files in `folder` to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _write_month(folder: Path, month: date) -> Iterator[Part]:
    last = 0
    for number in itertools.count(1):
        data = raw_rows(_MONTH, [month, last, CHANNELS_A_FILE])
        rows = list(parse_rows(data))
        if not rows:
            return
        last = int_of(rows[-1][0])
        packed = gzip.compress(data, mtime=0)
        name = f"{month:%Y-%m}-{number:03}.copy.gz"
        _write(folder / name, packed)
        digest = hashlib.sha256(packed).hexdigest()
        yield Part(name, f"{month:%Y-%m}", digest, len(packed), *_summary(rows))


def _summary(rows: Sequence[Sequence[bytes]]) -> tuple[int, int, int]:
    """Return the number of rows and readings, and the sum of all registers."""
    readings = total = 0
    for at in range(0, len(rows), AT_ONCE):
        values = _registers(rows[at : at + AT_ONCE])
        there = values != MISSING
        readings += int(there.sum())
        total += int(values[there].sum(dtype=np.int64))
    return len(rows), readings, total


def _registers(rows: Sequence[Sequence[bytes]]) -> NDArray[np.int32]:
    channels = np.array([int_of(row[0]) for row in rows], np.int32)
    try:
        return unsealed(int_of(rows[0][1]), channels, [row[3:] for row in rows]).values
    except SealedError as error:
        raise ArchiveError(f"a sealed row is damaged: {error}") from error


def _manifest(folder: Path) -> Archived:
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected the folder of an archive") from error
    except ValueError as error:
        raise ArchiveError(f"{path}: is no JSON: {error}") from error
    try:
        if found["format"] != FORMAT:
            raise InputError(f"{path}: format {found['format']!r}; this release reads {FORMAT}")
        parts = tuple(Part(**part) for part in found["parts"])
        for part, one in itertools.product(parts, fields(Part)):
            if not isinstance(getattr(part, one.name), str if one.type is str else int):
                raise TypeError(f"{one.name} of a file is no {one.type}")  # noqa: TRY301
        return Archived(int(found["year"]), int(found["channels"]), parts)
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"{path}: is no manifest of an archive: {error}") from error


def _checked(folder: Path, part: Part) -> bytes:
    path = folder / part.file
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(packed).hexdigest() != part.sha256:
        raise ArchiveError(f"{path}: is damaged, its SHA-256 is not that of the manifest")
    return gzip.decompress(packed)


def _require_channels(folder: Path) -> None:
    """Refuse an archive whose channel numbers mean other inputs here."""
    wanted = list(_channels_in(folder / CHANNELS))
    with connection.cursor() as cursor:
        cursor.execute(_INPUTS, [[channel for channel, *_ in wanted]])
        there = {row[0]: row[1:] for row in cursor.fetchall()}
    for channel, module, number in wanted:
        if there.get(channel) != (module, number):
            here = there.get(channel)
            what = f"module {here[0]} input {here[1]}" if here else "not registered"
            raise InputError(
                f"{folder}: channel {channel} is module {module} input {number}, here {what}"
            )


def _channels_in(path: Path) -> Iterator[tuple[int, int, int]]:
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        for line in lines[1:]:
            channel, module, number, _tenant = line.split(",")
            yield int(channel), int(module), int(number)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ArchiveError(f"{path}: is damaged or missing: {error}") from error


def _insert(rows: Sequence[Sequence[bytes]]) -> None:
    numbers = [[int_of(row[column]) for row in rows] for column in (0, 2, 3)]
    months = [date.fromordinal(EPOCH_DATE.toordinal() + int_of(row[1])) for row in rows]
    reopen(np.array(numbers[0]), np.array([int_of(row[1]) for row in rows]))
    blobs = [[row[column] or None for row in rows] for column in (4, 5, 6)]
    with binary_cursor() as cursor:
        cursor.execute(_INSERT, [months, *numbers, *blobs])
    _mark(rows)


def _mark(rows: Sequence[Sequence[bytes]]) -> None:
    """Tell the balances, which may have been computed while the registers were away."""
    channels = np.array([int_of(row[0]) for row in rows], np.int32)
    first = int_of(rows[0][1])
    there = (_registers(rows) != MISSING).reshape(len(rows), -1, 24).any(axis=2)
    row, day = np.nonzero(there)
    mark_channels(channels[row], day + first)


_MONTH = """
select channel_id, month, tenant_id, base, v, est, suspect from reading_month
where month = %s and channel_id > %s order by channel_id limit %s
"""
_CHANNELS = """
select c.id, m.serial, c.input, t.code
from channel c join module m on m.id = c.module_id join tenant t on t.id = c.tenant_id
where c.id in (select channel_id from reading_month where month between %s and %s) order by c.id
"""
_INPUTS = """
select c.id, m.serial, c.input from channel c join module m on m.id = c.module_id
where c.id = any(%s)
"""
_INSERT = """
insert into reading_month (month, channel_id, tenant_id, base, v, est, suspect)
select * from unnest(%b::date[], %b::int[], %b::int[], %b::int[], %b::bytea[], %b::bytea[],
  %b::bytea[])
"""
