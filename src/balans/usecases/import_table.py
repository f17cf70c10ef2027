"""Tables of text out of files: separator, encoding and line numbers as people's programs make them.

A CSV file may hold one table, or several under lines such as ``[points]``. Every row keeps the
number of its line, so that whatever is wrong with it can be told by line.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from balans.core.errors import InputError
from balans.core.text import printable

SEPARATORS = ",;\t|"
TOLD = re.compile(rf'"?sep=([{SEPARATORS}])"?[,;\t ]*(?=\r?\n)', re.IGNORECASE)
"""The line with which a spreadsheet tells the separator to others of its kind."""
MAX_COLUMNS = 20_000
MAX_CELLS = 25_000_000
"""Of a file: a few kilobytes, packed, may hold so many that they fill the memory of a server."""
SHOWN = 60
"""So many characters of a wrong value are repeated in a message."""


@dataclass(frozen=True, slots=True)
class LineFinding:
    """Something noticed about a line of a file.

    `code` is the kind of fault, to count and filter by; `item` what it is about, such as the
    name of a meter; line 0 stands for the file as a whole.
    """

    line: int
    code: str
    item: str
    what: str
    severity: str = "error"  # error | warning
    sheet: str = ""

    @property
    def place(self) -> str:
        """Where it is: sheet and line."""
        parts = [self.sheet, f"line {self.line}" if self.line else ""]
        return ", ".join(part for part in parts if part)

    @override
    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.item, self.what) if part)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of text by name, each of all rows; `lines` are the numbers of the rows' lines.

    An empty text stands for an empty cell.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows as mappings from column to text."""
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, values, strict=True))


def shown(value: str) -> str:
    """Return a value as a message repeats it: quoted, printable and not too long.

    >>> shown("12;5")
    "'12;5'"
    """
    return repr(printable(value if len(value) <= SHOWN else value[:SHOWN] + "…"))


def decode_text(data: bytes, file: str) -> str:
    """Return the text of `data`: UTF-8 or UTF-16 by its mark, UTF-8, or else Windows-1251.

    Raises
    ------
    InputError
        If the bytes are no text in any of them.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1251"]
    if b"\x00" in data[:4096] and encodings[0] != "utf-16":
        raise InputError(f"{file}: no text: expected CSV in UTF-8, or a workbook (.xlsx)")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        nul = text.find("\x00")
        if nul >= 0:
            line = text.count("\n", 0, nul) + 1
            raise InputError(f"{file}: line {line}: a NUL character: no text has one")
        return text
    raise InputError(f"{file}: not readable as text: save it as CSV in UTF-8")


def csv_tables(text: str, file: str, name: str = "") -> list[Table]:
    """Return the tables in a CSV file.

    Parameters
    ----------
    text
        The content. The separator is the one of ``, ; tab |`` that the first row of names has most
        of, or the one in a first line such as ``sep=;``, which spreadsheets write.
    file
        How messages call the file.
    name
        Name of the table if the file does not say it by a line such as ``[points]``.

    Raises
    ------
    InputError
        If there is no row of names, names are repeated, a row has another number of fields, or
        there are too many of them.
    """
    separator, text = _separator(text)
    if text.count(separator) + text.count("\n") > MAX_CELLS:
        raise InputError(f"{file}: more than {MAX_CELLS} fields: split it")
    plain = _plain_table(text, separator, file, name)
    if plain is not None:
        return [plain]
    parts: list[tuple[str, list[tuple[int, list[str]]]]] = [(name, [])]
    for number, row in _numbered(text, separator, file):
        title = _title(row)
        if title is not None:
            parts.append((title, []))
        elif any(row):
            parts[-1][1].append((number, row))
    found = [_table(title, rows, file) for title, rows in parts if rows]
    if not found:
        raise InputError(f"{file}: empty: expected a row of column names, then rows of values")
    return found


def _numbered(text: str, separator: str, file: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{file}: line {reader.line_num}: {error}") from error


def _plain_table(text: str, separator: str, file: str, name: str) -> Table | None:
    """Return a single table without quotes and gaps, ten times as fast; None if it is not so."""
    if '"' in text or text.startswith("[") or "\n[" in text:
        return None
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    commas = lines[0].count(separator)
    if (
        len(lines) < 2
        or "\r" in text.replace("\r\n", "")
        or not all(line.strip(separator) for line in lines)
    ):
        return None
    if any(line.count(separator) != commas for line in lines):
        return None
    names = [column.strip() for column in lines[0].split(separator)]
    if not names[-1]:
        return None
    _check_names(names, f"{file}: line 1")
    # One flat list of texts: lists of rows would keep the garbage collector busy for seconds.
    flat = separator.join(lines[1:]).split(separator)
    columns = {column: flat[place :: commas + 1] for place, column in enumerate(names)}
    return Table(name, columns, range(2, len(lines) + 1))


def table_of(name: str, numbered: Sequence[tuple[int, list[str]]], file: str) -> Table | None:
    """Return the table of a sheet's rows with their numbers, None if it is empty; errors as CSV."""
    filled = [(number, row) for number, row in numbered if any(row)]
    return _table(name, filled, file) if filled else None


def _separator(text: str) -> tuple[str, str]:
    """Return the separator, and the text with an empty line for one that only tells it."""
    told = TOLD.match(text)
    if told:
        return told[1], text[told.end() :]
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("["):
            return max(SEPARATORS, key=line.count), text
    return ",", text


def _title(row: Sequence[str]) -> str | None:
    """Return the name in a line such as ``[points]``, which spreadsheets fill with separators."""
    first = row[0].strip() if row else ""
    alone = first.startswith("[") and first.endswith("]") and not any(row[1:])
    return first[1:-1].strip().lower() if alone else None


def _table(name: str, numbered: Sequence[tuple[int, list[str]]], file: str) -> Table:
    place = ": ".join(part for part in (file, name) if part)
    line, header = numbered[0]
    names = [column.strip() for column in header]
    while names and not names[-1]:
        names.pop()
    _check_names(names, f"{place}: line {line}")
    width = len(names)
    rows = [row for _, row in numbered[1:]]
    for (number, row), _ in zip(numbered[1:], rows, strict=True):
        if len(row) != width:
            _fit(row, width, f"{place}: line {number}")
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return Table(name, dict(zip(names, columns, strict=True)), [n for n, _ in numbered[1:]])


def _check_names(names: Sequence[str], place: str) -> None:
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{place}: {len(names)} columns: at most {MAX_COLUMNS} are expected")
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name:
            raise InputError(f"{place}: column {index + 1} has no name")
        if name in seen:
            raise InputError(f"{place}: column {shown(name)} is there twice")
        seen.add(name)


def _fit(row: list[str], width: int, place: str) -> None:
    """Bring a row to `width`: cells that nobody filled in may be missing or too many."""
    if any(row[width:]):
        raise InputError(f"{place}: {len(row)} fields: expected {width}, one per column")
    del row[width:]
    row.extend([""] * (width - len(row)))


def findings_text(findings: Iterable[LineFinding], limit: int = 20) -> str:
    """Return up to `limit` findings as lines of text, and how many more there are."""
    lines = [str(finding) for finding in findings]
    more = [f"and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join(lines[:limit] + more)
