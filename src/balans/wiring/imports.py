"""Imports from the file to the tables: reading it, checking it, taking it or not.

The steps are the same for the command line, the page and the API. A file is taken as a whole or
not at all, unless `Wish.partial` says that what is good in it will do.
"""

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from balans.adapters import sheets
from balans.core.errors import InputError
from balans.storage.imports import ImportState
from balans.usecases.import_table import LineFinding, Table, csv_tables, decode_text, table_of

Progress = Callable[[str, int, int], None]
SIZE_MAX: Final = 500_000_000
"""Bytes of a file, unpacked; a longer one is to be split."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what to be done with a file.

    Parameters
    ----------
    author
        Whom history and lists name.
    now
        The time by the clock that readings go by.
    partial
        Take the good rows, though others are not.
    check_only
        Look at the file and take nothing.
    as_host
        The host of the server asks, who may register hubs without the secret of their labels.
    """

    author: str
    now: datetime
    partial: bool = False
    check_only: bool = False
    progress: Progress = silent
    as_host: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file, by counts, and what was noticed, by line."""

    import_id: int | None
    state: ImportState
    result: dict[str, Any]
    findings: list[LineFinding] = field(default_factory=list)


def unpacked(data: bytes, file: str) -> bytes:
    """Return the content of a file, unpacked if it is gzip.

    Raises
    ------
    InputError
        If it is too long, or damaged.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as stream:
                data = stream.read(SIZE_MAX + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{file}: damaged: {error}") from error
    if len(data) > SIZE_MAX:
        raise InputError(f"{file}: more than {SIZE_MAX // 10**6} MB: split it")
    return data


def tables_in(data: bytes, file: str, sheet: str, progress: Progress) -> list[Table]:
    """Return the tables of a workbook or a CSV file; the only one of the latter is `sheet`."""
    if not sheets.is_workbook(data):
        return csv_tables(decode_text(data, file), file, sheet)
    read = sheets.read_workbook(data, file, lambda n: progress("rows", n, 0))
    found = [table_of(one.name, one.rows, file) for one in read]
    return [table for table in found if table is not None]


def sheet_of(file: str) -> str:
    """Return the name of the sheet that a file is by its own name.

    >>> sheet_of("/tmp/points-2026.csv.gz")
    'points'
    """
    name = file.replace("\\", "/").rpartition("/")[2]
    return name.partition(".")[0].partition("-")[0].lower()
