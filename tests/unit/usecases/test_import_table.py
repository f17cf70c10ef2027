"""Tables out of text: what spreadsheets and programs write, and where it is wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.usecases import import_table
from balans.usecases.import_table import Table, csv_tables, decode_text, table_of


def only(text: str, name: str = "") -> Table:
    (found,) = csv_tables(text, "a.csv", name)
    return found


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_separator_is_that_of_the_names(separator: str, end: str) -> None:
    lines = [separator.join(cells) for cells in (("point", "time"), ("p,1", "1;5"), ("p2", "3"))]
    if separator in ",;":
        lines[1] = separator.join(('"p,1"', '"1;5"'))
    found = only(end.join(lines) + end)
    assert list(found.rows()) == [{"point": "p,1", "time": "1;5"}, {"point": "p2", "time": "3"}]
    assert list(found.lines) == [2, 3]


@pytest.mark.parametrize("told", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;"])
def test_a_line_may_tell_the_separator_as_spreadsheets_do(told: str) -> None:
    found = only(f"{told}\r\npoint;a,b,c\r\np;5\r\n")
    assert list(found.rows()) == [{"point": "p", "a,b,c": "5"}]
    assert list(found.lines) == [3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_nul_anywhere_is_told_by_its_line(encoding: str) -> None:
    """No table takes it, so it would end in a fault of the database."""
    text = "point,time\n" + "p,1\n" * 3000 + "p\x00,1\n"
    with pytest.raises(InputError, match=r"a\.csv: line 3002: a NUL character"):
        decode_text(text.encode(encoding), "a.csv")


def test_several_tables_stand_under_their_names() -> None:
    text = "[nodes];;\ncode;name;\na;A;\n\n;;\n[Points]\ncode;name\nb;B\n[meters]\n"
    found = csv_tables(text, "a.csv")
    assert [(t.name, list(t.rows()), list(t.lines)) for t in found] == [
        ("nodes", [{"code": "a", "name": "A"}], [3]),
        ("points", [{"code": "b", "name": "B"}], [8]),
    ]


def test_a_cell_may_hold_a_line_break() -> None:
    found = only('code,name\na,"one\ntwo"\nb,B\n')
    assert found.columns["name"] == ("one\ntwo", "B")
    assert list(found.lines) == [3, 4]


def test_cells_that_nobody_filled_in_may_be_left_out() -> None:
    found = only('code,name,kind\na\n"b",B,,,\n')
    assert list(found.rows()) == [
        {"code": "a", "name": "", "kind": ""},
        {"code": "b", "name": "B", "kind": ""},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.csv: empty"),
        ("\n\n", "a.csv: empty"),
        ("a,b\n1,2,3\n", "a.csv: line 2: 3 fields: expected 2"),
        ("a,,c\n1,2,3\n", "a.csv: line 1: column 2 has no name"),
        ("a,b,a\n1,2,3\n", "a.csv: line 1: column 'a' is there twice"),
        ('a,b\n"1,2\n', "a.csv: line 2: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_told_by_line(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        csv_tables(text, "a.csv")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_tables_or_the_own_error(text: str) -> None:
    try:
        found = csv_tables(text, "a.csv")
    except InputError:
        return
    for table in found:
        assert len(list(table.rows())) == len(table.lines)


@settings(deadline=None)
@given(st.lists(st.lists(st.text("ab1. ", max_size=4), min_size=3, max_size=3), min_size=1))
def test_plain_tables_are_read_the_same_way_as_quoted_ones(rows: list[list[str]]) -> None:
    plain = "\n".join(["x,y,z", *(",".join(row) for row in rows)])
    quoted = "\n".join(["x,y,z", *(",".join(f'"{cell}"' for cell in row) for row in rows)])
    try:
        expected = list(only(quoted).rows())
    except InputError:
        return
    assert list(only(plain).rows()) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_encodings_of_spreadsheets(encoding: str) -> None:
    assert decode_text("Улица Мира;5".encode(encoding), "a.csv") == "Улица Мира;5"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_the_own_error(data: bytes) -> None:
    try:
        found = decode_text(data, "a.csv")
    except InputError:
        return
    assert isinstance(found, str)


def test_an_empty_sheet_is_no_table() -> None:
    assert table_of("points", [(1, ["", ""])], "a.xlsx") is None


def test_more_fields_than_the_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_table, "MAX_CELLS", 10)
    assert csv_tables("a,b\n" + "1,2\n" * 3, "f.csv")
    for text in ("a,b\n" + "1,2\n" * 9, "a\n" + "\n" * 10, "a,b\n" + "," * 11):
        with pytest.raises(InputError, match="more than 10 fields"):
            csv_tables(text, "f.csv")
