"""Text in files that people open with a spreadsheet: no formula, and the same once it is back."""

from datetime import UTC, timedelta, timezone

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


@pytest.mark.parametrize(
    "text", ["9999-12-31", "0001-01-01", "9999-12-31T23:59:59-05:00", "31.12.9999", "1899-12-31"]
)
def test_a_time_that_not_every_zone_can_tell_is_refused(text: str) -> None:
    """Once stored it would keep the whole registry from being read again."""
    with pytest.raises(ValueError, match="another year"):
        cells.MOMENT.parse(text)


@pytest.mark.parametrize("text", ["1900-01-01", "2199-12-31T23:59:59-12:00", "31.12.2099 23:59"])
def test_a_time_of_other_years_is_told_by_every_zone(text: str) -> None:
    for hours in (-14, 14):
        moment = cells.MOMENT.parse(text)
        zone = timezone(timedelta(hours=hours))
        (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone)
