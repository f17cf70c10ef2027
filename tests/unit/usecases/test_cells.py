"""Text in files that people open with a spreadsheet: no formula, and the same once it is back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.usecases import cells


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "@SUM(1)", "+1+cmd|' /C calc'!A0", "-2+3", "'=1", "''@x"]
)
def test_what_looks_like_a_formula_is_written_as_text(text: str) -> None:
    assert cells.TEXT.show(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-7", "Flat 1", "it's", "'quoted'", "a=b", "+40.5", ""])
def test_what_does_not_stays_as_it_is(text: str) -> None:
    assert cells.TEXT.show(text) == text


@given(st.text("'=+-@1a \n", max_size=8))
def test_text_comes_back_as_it_went(text: str) -> None:
    assert cells.TEXT.parse(cells.TEXT.show(text)) == text


def test_a_password_is_taken_as_it_is() -> None:
    assert cells.SECRET.parse("'=secret") == "'=secret"
