"""Hourly readings of a metering point: chart, table, file."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.test import Client
from tests.web import town

POINT = "/points/alice-flat-01-el/"


def test_before_the_first_reading_the_page_waits(operator: Client) -> None:
    page = operator.get(POINT).content.decode()
    assert 'data-empty="waiting"' in page
    assert "Waiting for the first reading" in page


def test_a_day_without_data_says_so(operator: Client) -> None:
    town.seed_readings()
    page = operator.get(f"{POINT}?date=2026-01-05").content.decode()
    assert 'data-empty="none"' in page


def test_the_day_that_ends_with_the_first_register_has_no_data(operator: Client) -> None:
    town.seed_readings(start=datetime(2026, 1, 10, 23, tzinfo=UTC))
    assert operator.get(f"{POINT}?date=2026-01-11").context["profile"] is not None
    assert operator.get(f"{POINT}?date=2026-01-10").context["empty"]["kind"] == "none"


def test_a_day_to_come_says_so(operator: Client) -> None:
    town.seed_readings()
    empty = operator.get(f"{POINT}?date=2026-01-14").context["empty"]
    assert empty["title"] == "This day has not come yet"


def test_hours_of_a_whole_day(operator: Client) -> None:
    town.seed_readings()
    page = operator.get(f"{POINT}?date=2026-01-11")
    profile = page.context["profile"]
    rows = profile["rows"]
    assert [row["label"] for row in rows] == [f"{hour:02d}:00" for hour in range(24)]
    # 00:00 in Paris is hour 23 UTC, in which 123 pulses of 1 Wh were counted.
    assert (rows[0]["used"], rows[1]["used"]) == ("0.123", "0.100")
    assert profile["total"] == "2.676"
    assert profile["coverage"] == "24 of 24 hours known"
    assert profile["complete"]
    assert profile["register"] == "29,313"
    assert profile["chart"]["series"][0]["values"][0] == 0.123


def test_the_newest_day_is_shown_first_and_hours_to_come_are_not_missing(operator: Client) -> None:
    town.seed_readings()
    page = operator.get(POINT)
    assert page.context["period"].iso == "2026-01-12"
    rows = page.context["profile"]["rows"]
    assert rows[17]["quality"] == "measured"
    assert rows[18]["quality"] == "not yet"
    assert page.context["profile"]["coverage"] == "18 of 18 hours known"


def test_a_missing_hour_is_a_gap_and_never_zero(operator: Client) -> None:
    gone = datetime(2026, 1, 11, 11, tzinfo=UTC)  # 12:00 in Paris
    town.seed_readings(without=[gone])
    profile = operator.get(f"{POINT}?date=2026-01-11").context["profile"]
    # Both hours that touch the missing register are unknown.
    for hour in (11, 12):
        assert profile["chart"]["series"][0]["values"][hour] is None
        assert profile["rows"][hour]["used"] == "–"
        assert profile["rows"][hour]["quality"] == "missing"
    assert profile["rows"][12]["register"] == "–"
    assert profile["coverage"] == "22 of 24 hours known"
    # … but what was used on the whole day is told by the registers at its ends.
    assert profile["complete"]
    assert profile["total"] == "2.676"


def test_without_a_register_at_an_end_the_sum_is_of_the_hours_that_are_known(
    operator: Client,
) -> None:
    town.seed_readings(without=[datetime(2026, 1, 10, 23, tzinfo=UTC)])
    profile = operator.get(f"{POINT}?date=2026-01-11").context["profile"]
    assert not profile["complete"]
    assert profile["total"] == "2.553"


def test_a_month_by_days_and_a_year_by_months(operator: Client) -> None:
    town.seed_readings(without=[datetime(2026, 1, 11, 11, tzinfo=UTC)])
    page = operator.get(f"{POINT}?date=2026-01")
    assert page.context["period"].title == "January 2026"
    rows = page.context["profile"]["rows"]
    used = {row["label"]: (row["used"], row["quality"], row["known"]) for row in rows}
    assert len(rows) == 12
    assert used["Sun 11"] == ("2.676", "measured", "91.6")
    assert used["Mon 12"][0] == "1.959"
    assert rows[-1]["so_far"]
    assert not rows[-2]["so_far"]
    assert used["Thu 1"][:2] == ("–", "no meter")
    year = operator.get(f"{POINT}?date=2026").context
    assert [row["label"] for row in year["profile"]["rows"]] == ["January"]
    assert year["profile"]["rows"][0]["date"] == "2026-01"
    assert operator.get(f"{POINT}?date=2025").context["empty"]["title"] == "No data in this time"
    assert operator.get(f"{POINT}?date=2027-05").context["empty"]["kind"] == "none"


def test_each_bar_and_row_says_how_good_it_is(operator: Client) -> None:
    town.seed_readings(without=[datetime(2026, 1, 11, 11, tzinfo=UTC)])
    page = operator.get(f"{POINT}?date=2026-01-11")
    profile = page.context["profile"]
    assert profile["chart"]["tones"][10:14] == ["measured", "missing", "missing", "measured"]
    assert profile["chart"]["words"][10:12] == ["", "missing"]
    assert profile["strip"] == [
        {"x": 0, "width": 11, "quality": "measured"},
        {"x": 11, "width": 2, "quality": "missing"},
        {"x": 13, "width": 11, "quality": "measured"},
    ]
    assert [one["name"] for one in profile["qualities"]] == ["measured", "missing"]
    assert '<rect x="11" y="0" width="2" height="1" data-quality="missing"/>' in (
        page.content.decode()
    )


@pytest.mark.parametrize("date", ["x", "2026-13", "1999", "2100", "2026-02-30", "20260101", "²"])
def test_what_is_no_time_is_refused_with_what_is_expected(operator: Client, date: str) -> None:
    answer = operator.get(POINT, {"date": date})
    assert answer.status_code == 400
    assert "Give a day, a month or a year" in answer.content.decode()


@pytest.mark.parametrize(
    ("date", "hours", "repeated"),
    [("2026-03-29", 23, 0), ("2026-10-25", 25, 2)],
)
def test_days_of_the_clock_change(operator: Client, date: str, hours: int, repeated: int) -> None:
    noon = datetime.fromisoformat(f"{date}T12:00+00:00")
    town.seed_readings(start=noon - timedelta(days=1), end=noon + timedelta(days=1))
    profile = operator.get(f"{POINT}?date={date}").context["profile"]
    labels = [row["label"] for row in profile["rows"]]
    assert len(labels) == len(set(labels)) == hours
    assert sum("(" in label for label in labels) == repeated
    assert "–" not in {row["used"] for row in profile["rows"]}


@pytest.mark.parametrize(
    ("code", "unit", "first"),
    [("el", "kWh", "0.123"), ("cw", "m³", "0.246"), ("gas", "m³", "3.69")],
)
def test_units_follow_the_resource(operator: Client, code: str, unit: str, first: str) -> None:
    town.seed_readings()
    page = operator.get(f"/points/alice-flat-01-{code}/?date=2026-01-11")
    assert page.context["point"]["unit"] == unit
    assert page.context["profile"]["rows"][0]["used"].startswith(first)


def test_the_file_is_for_machines(operator: Client) -> None:
    gone = datetime(2026, 1, 11, 11, tzinfo=UTC)
    town.seed_readings(without=[gone])
    answer = operator.get(f"{POINT}readings.csv?date=2026-01-11", HTTP_ACCEPT_LANGUAGE="ro")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == (
        'attachment; filename="alice-flat-01-el-2026-01-11.csv"'
    )
    rows = list(csv.DictReader(StringIO(answer.content.decode())))
    assert len(rows) == 24
    assert rows[0] == {
        "start": "2026-01-11T00:00:00+01:00",
        "end": "2026-01-11T01:00:00+01:00",
        "register_pulses": "26637",
        "used": "0.123",
        "unit": "kWh",
        "quality": "measured",
    }
    assert (rows[12]["register_pulses"], rows[12]["used"], rows[12]["quality"]) == (
        "",
        "",
        "missing",
    )


def test_a_point_that_is_none(operator: Client) -> None:
    assert operator.get("/points/nothing/").status_code == 404
