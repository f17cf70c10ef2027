"""Workbooks: what is written is read back as text, and bytes that are none are refused."""

import io
import zipfile
from datetime import date, datetime, time

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.adapters import sheets
from balans.adapters.sheets import SheetRows, is_workbook, read_workbook, write_workbook
from balans.core.errors import InputError


def test_what_is_written_is_read_back() -> None:
    rows = [["=1+1", "улица", ""], ["-5", "a\nb", "007"]]
    data = write_workbook([("nodes", ["code", "name", "x"], rows), ("points", ["code"], [])])
    assert is_workbook(data)
    nodes, points = read_workbook(data, "a.xlsx")
    assert nodes.name == "nodes"
    assert nodes.rows[0] == (1, ["code", "name", "x"])
    assert [row for _, row in nodes.rows[1:]] == rows
    assert points == SheetRows("points", [(1, ["code"])])


def test_a_formula_that_was_never_computed_is_no_empty_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in range(1, 60):
        sheet.append([row, "=A1+1" if row == 50 else "x" * row])
    out = io.BytesIO()
    book.save(out)
    monkeypatch.setattr(sheets, "CHUNK_BYTES", 37)
    with pytest.raises(InputError, match=r"a\.xlsx: a formula in cell B50 has no value yet"):
        read_workbook(out.getvalue(), "a.xlsx")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="A1"><f>1+1</f><v>2</v></c>', "2"),
        ('<c r="A1" t="str"><f>""</f><v></v></c>', ""),
        ('<c r="A1" t="str"><f t="shared" si="0"/><v>so</v></c>', "so"),
    ],
)
def test_a_formula_counts_by_the_value_beside_it(cell: str, text: str) -> None:
    old = zipfile.ZipFile(io.BytesIO(write_workbook([("a", ["x"], [])])))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                head, tail = data[: data.index(b"<sheetData>") + 11], b"</sheetData></worksheet>"
                data = head + f'<row r="1">{cell}</row>'.encode() + tail
            new.writestr(name, data)
    (found,) = read_workbook(out.getvalue(), "a.xlsx")
    assert found.rows == [(1, [text])]


def test_cells_of_every_kind_become_text() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    values = [5, 5.0, 0.1, True, None, "x", time(7, 30), 1e15]
    sheet.append(values)
    sheet["A2"] = datetime(2026, 1, 31, 18, 5)  # noqa: DTZ001  # workbooks know no zones
    sheet["B2"] = date(2026, 1, 31)
    out = io.BytesIO()
    book.save(out)
    ((first, second),) = [s.rows for s in read_workbook(out.getvalue(), "a.xlsx")]
    assert first[1] == ["5", "5", "0.1", "yes", "", "x", "07:30:00", "1000000000000000"]
    assert second[1][:2] == ["2026-01-31T18:05:00", "2026-01-31T00:00:00"]


def test_a_cell_with_an_error_is_told() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A2"] = "#REF!"
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(InputError, match=r"a.xlsx: Sheet, line 2: a cell holds the error #REF!"):
        read_workbook(out.getvalue(), "a.xlsx")


def test_progress_is_told() -> None:
    data = write_workbook([("a", ["x"], ([str(n)] for n in range(12_000)))])
    told: list[int] = []
    read_workbook(data, "a.xlsx", told.append)
    assert told == [5_000, 10_000]


def test_a_file_that_unpacks_to_more_than_it_may_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sheets, "UNPACKED_MAX", 1000)
    with pytest.raises(InputError, match="unpacks to"):
        read_workbook(write_workbook([("a", ["x"], [["y"] * 50] * 50)]), "a.xlsx")


def test_more_cells_than_the_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "CELLS_MAX", 100)
    with pytest.raises(InputError, match="more than 100 cells"):
        read_workbook(write_workbook([("a", ["x"], [["y"] * 50] * 50)]), "a.xlsx")


WORKBOOK = write_workbook([("a", ["x"], [["1"]])])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WORKBOOK) - 1), st.binary(min_size=1, max_size=30))
def test_damaged_workbooks_are_refused_or_read(place: int, damage: bytes) -> None:
    data = WORKBOOK[:place] + damage + WORKBOOK[place + len(damage) :]
    try:
        found = read_workbook(data, "a.xlsx")
    except InputError as error:
        message = str(error)
    else:
        message = "a.xlsx"
        assert all(isinstance(cell, str) for s in found for _, row in s.rows for cell in row)
    assert message.startswith("a.xlsx")


def test_another_zip_file_is_no_workbook() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(InputError, match="no workbook"):
        read_workbook(out.getvalue(), "a.zip")
