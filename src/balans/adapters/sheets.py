"""Workbooks (.xlsx) to rows of text and back, by openpyxl."""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from balans.core.errors import InputError

UNPACKED_MAX: Final = 500_000_000
"""More bytes than this come of no honest workbook: a file of a few kilobytes may unpack to
terabytes."""
ERRORS: Final = frozenset({"#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#N/A", "#NULL!", "#NUM!"})
ROWS_MAX: Final = 5_000_000
CELLS_MAX: Final = 25_000_000
PROGRESS_ROWS: Final = 5_000
SHEET: Final = re.compile(r"xl/worksheets/[^/]*\.xml")
NOT_COMPUTED: Final = re.compile(
    rb"<c\b([^>]*)>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>"
)
"""A cell with a formula and without the value that a spreadsheet keeps beside it."""
REFERENCE: Final = re.compile(rb'\br="([A-Z]+[0-9]+)"')
CHUNK_BYTES: Final = 1_000_000
CELL_BYTES: Final = 20_000
"""A cell with the longest formula (8,192 characters) is no longer than this."""
BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,  # an encrypted member
    NotImplementedError,  # a compression nobody has
)
"""What zipfile, the XML parser and openpyxl raise for bytes that are no workbook."""


@dataclass(frozen=True, slots=True)
class SheetRows:
    """A sheet: its name, and its rows with their numbers, all cells as text."""

    name: str
    rows: list[tuple[int, list[str]]]


def is_workbook(data: bytes) -> bool:
    """Return whether `data` begins as a workbook does, which is a zip file."""
    return data[:4] == b"PK\x03\x04"


def read_workbook(
    data: bytes, file: str, progress: Callable[[int], None] | None = None
) -> list[SheetRows]:
    """Return the sheets of a workbook; formulas by the value last computed.

    Parameters
    ----------
    data
        The content of `file`, as messages call it.
    progress
        Is told now and then how many rows were read.

    Raises
    ------
    InputError
        If it is no workbook, or a cell holds an error such as #REF!.
    """
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > UNPACKED_MAX:
                raise InputError(f"{file}: unpacks to {unpacked} bytes: at most {UNPACKED_MAX}")
            _check_formulas(archive, file)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        count = _Count(progress)
        return [SheetRows(str(s.title), _rows(s, file, count)) for s in book.worksheets]
    except BROKEN as error:
        raise InputError(
            f"{file}: no workbook (.xlsx) that can be read: {error!r}"[:300]
        ) from error


def _check_formulas(archive: zipfile.ZipFile, file: str) -> None:
    """Refuse a formula that no program has computed yet: its cell would pass for an empty one."""
    for name in archive.namelist():
        if not SHEET.fullmatch(name):
            continue
        rest = b""
        with archive.open(name) as member:
            while part := member.read(CHUNK_BYTES):
                rest += part
                for cell in NOT_COMPUTED.finditer(rest):
                    if b't="str"' not in cell[1]:
                        place = REFERENCE.search(cell[1])
                        where = f" in cell {place[1].decode()}" if place else ""
                        raise InputError(
                            f"{file}: a formula{where} has no value yet: open the file in a"
                            " spreadsheet and save it"
                        )
                rest = rest[-CELL_BYTES:]


class _Count:
    """Counts rows over all sheets."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self.n = 0
        self.cells = 0
        self._progress = progress

    def one_more(self, file: str, cells: int) -> None:
        self.n += 1
        self.cells += cells
        if self.cells > CELLS_MAX:
            raise InputError(f"{file}: more than {CELLS_MAX} cells: split it")
        if self.n > ROWS_MAX:
            raise InputError(f"{file}: more than {ROWS_MAX} rows")
        if self._progress and self.n % PROGRESS_ROWS == 0:
            self._progress(self.n)


def _rows(sheet: Any, file: str, count: _Count) -> list[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # some programs write wrong ones
    found = []
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        count.one_more(file, len(cells))
        found.append((number, [_text(cell, file, sheet.title, number) for cell in cells]))
    return found


def _text(cell: Any, file: str, sheet: str, row: int) -> str:
    """Return a cell as it would stand in a CSV file."""
    if cell in ERRORS:
        raise InputError(f"{file}: {sheet}, line {row}: a cell holds the error {cell}")
    match cell:
        case None:
            text = ""
        case bool():
            text = "yes" if cell else "no"
        case float():
            text = str(int(cell)) if cell.is_integer() else f"{cell:.15g}"
        case datetime() | date() | time():
            text = cell.isoformat()
        case _:
            text = str(cell)
    return text


def write_workbook(
    sheets: Iterable[tuple[str, Sequence[str], Iterable[Sequence[Any]]]],
) -> bytes:
    """Return a workbook of sheets, each a name, names of columns, and rows of text or numbers.

    The first row is bold and stays in sight. Text is text, also where it begins like a formula.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    bold = Font(bold=True)
    for name, header, rows in sheets:
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        for index, title in enumerate(header, start=1):
            sheet.column_dimensions[get_column_letter(index)].width = max(12, len(title) + 4)

        def cell(value: Any, sheet: Any = sheet, **style: Any) -> Any:
            made = WriteOnlyCell(sheet, value)
            if isinstance(value, str):
                made.data_type = "s"
            for key, wanted in style.items():
                setattr(made, key, wanted)
            return made

        sheet.append([cell(title, font=bold) for title in header])
        for row in rows:
            sheet.append([_safe(value, cell) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _safe(value: Any, cell: Callable[[str], Any]) -> Any:
    """Return a value as it is, but text that would be taken for a formula as a cell of text."""
    return cell(value) if isinstance(value, str) and value[:1] == "=" else value
