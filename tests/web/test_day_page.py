"""A day of a building with and without control."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from tests.web import town

from balans.storage.live import save_statuses

DAY = "/sites/alice-house/day/"


def test_before_the_first_report_the_page_waits(operator: Client) -> None:
    page = operator.get(DAY)
    assert page.context["empty"]["kind"] == "waiting"
    assert 'data-empty="waiting"' in page.content.decode()


def test_a_day_without_data_says_so(operator: Client) -> None:
    save_statuses([("alice-hub", town.status(town.NOW))], datetime.now(UTC))
    page = operator.get(f"{DAY}?date=2026-01-05")
    assert 'data-empty="none"' in page.content.decode()
    assert page.context["story"] is None


def test_overload_peak_and_energy_of_both(operator: Client) -> None:
    """Half an hour at 15 kW that control held at 11 kW, under a limit of 12 kW."""
    for n in range(30):
        at = town.NOW - timedelta(hours=2) + n * town.MINUTE
        one = town.status(at + town.MINUTE, site_w=11_000.0, reference_w=15_000.0)
        save_statuses([("alice-hub", one)], datetime.now(UTC))
    story = operator.get(DAY).context["story"]
    figures = {figure["title"]: (figure["after"], figure["before"]) for figure in story["figures"]}
    assert figures["Overload"] == ("0.00", "1.50")
    assert figures["Peak"] == ("11.00", "15.00")
    assert figures["Over the limit for"] == ("0", "30")
    assert figures["Energy"] == ("5.5", "7.5")
    assert story["coverage"] == "30 of 1,080 minutes known"
    row = next(row for row in story["hours"] if row["label"] == "16:00")
    assert row["cells"] == ["12.00", "11.00", "15.00", "11.00", "15.00", "0.00", "1.50"]
    empty = next(row for row in story["hours"] if row["label"] == "03:00")
    assert empty["missing"]
    assert set(empty["cells"]) == {"–"}


def test_without_a_reference_nothing_is_claimed_of_it(operator: Client) -> None:
    save_statuses([("alice-hub", town.status(town.NOW, reference_w=None))], datetime.now(UTC))
    page = operator.get(DAY)
    assert {figure["before"] for figure in page.context["story"]["figures"]} == {""}
    assert "without control" not in page.content.decode().split("<table")[0].lower().replace(
        "power with and without control", ""
    )


@pytest.mark.parametrize(
    ("date", "hours"), [("2026-03-29", 23), ("2026-01-12", 24), ("2026-10-25", 25)]
)
def test_every_day_has_its_true_hours(operator: Client, date: str, hours: int) -> None:
    noon = datetime.fromisoformat(f"{date}T12:00+00:00")
    save_statuses([("alice-hub", town.status(noon))], datetime.now(UTC))
    page = operator.get(f"{DAY}?date={date}")
    assert len(page.context["story"]["hours"]) == hours
    assert len(page.context["story"]["chart"]["x"]) == hours * 60


def test_the_day_is_that_of_the_site(operator: Client) -> None:
    """23:30 UTC is already the next day in Paris."""
    late = datetime(2026, 1, 12, 23, 31, tzinfo=UTC)
    save_statuses([("alice-hub", town.status(late))], datetime.now(UTC))
    page = operator.get(DAY)
    assert page.context["day"].iso == "2026-01-13"
    assert page.context["story"]["chart"]["at"][0] == "00:00"


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "1999-01-01", "9999-12-31", "%00"])
def test_a_date_that_is_none_is_refused(operator: Client, date: str) -> None:
    answer = operator.get(f"{DAY}?date={date}")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "cannot be read" in page
    assert "from 2000-01-02 to 2099-12-30" in page
    assert date.removeprefix("%00") in page


def test_a_day_to_come_says_so(operator: Client) -> None:
    save_statuses([("alice-hub", town.status(town.NOW))], datetime.now(UTC))
    empty = operator.get(f"{DAY}?date=2026-01-13").context["empty"]
    assert empty["title"] == "This day has not come yet"


def test_days_lead_to_their_neighbours(operator: Client) -> None:
    page = operator.get(f"{DAY}?date=2026-03-01").content.decode()
    assert f'href="{DAY}?date=2026-02-28"' in page
    assert f'href="{DAY}?date=2026-03-02"' in page
