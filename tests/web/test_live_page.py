"""The live page of a building, before, during and after its gateway reports."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from tests.web import town
from typing_extensions import override

from balans.storage.live import save_statuses

SITE = "/sites/alice-house/"


class LiveTexts(HTMLParser):
    """Collects what the stream would update: texts by key, and attributes by key."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self._key = ""
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._key = given.get("data-live", "")
        for pair in given.get("data-live-attrs", "").split():
            name, _, key = pair.partition(":")
            self.attributes[f"{key}@{name}"] = given.get(name, "")

    @override
    def handle_data(self, data: str) -> None:
        if self._key:
            self.texts[self._key] = data
            self._key = ""


def look(client: Client) -> LiveTexts:
    page = client.get(SITE)
    assert page.status_code == 200
    return LiveTexts(page.content.decode())


def report(age_s: float = 0, **values: Any) -> None:
    received = datetime.now(UTC) - timedelta(seconds=age_s)
    save_statuses([("alice-hub", town.status(town.NOW, **values))], received)


def test_before_the_first_report_the_page_waits(operator: Client) -> None:
    seen = look(operator)
    assert seen.texts["site.freshness_word"] == "Waiting for first data"
    assert seen.texts["site.load"] == "–"
    assert seen.texts["load.flat-01-heat.word"] == "No data yet"


def test_load_limit_and_head_room(operator: Client) -> None:
    report(site_w=10_500.0)
    seen = look(operator)
    assert (seen.texts["site.load"], seen.texts["site.limit"]) == ("10.50", "12.00")
    assert seen.texts["site.headroom"] == "1.50"
    assert seen.texts["site.limit_name"] == "contract"
    assert seen.texts["site.level_word"] == "Inside the limit"
    assert seen.texts["site.L2"] == "3.10"
    assert seen.attributes["site.gauge_fill@width"] == "70.0%"
    assert seen.attributes["site.gauge_mark@x"] == "80.0%"
    assert seen.attributes["site.freshness_tone@data-tone"] == "good"


def test_a_load_that_is_off_shows_class_state_reason_and_remaining_time(operator: Client) -> None:
    report(off=["flat-02-heat"])
    seen = look(operator)
    assert seen.texts["load.flat-02-heat.word"] == "Switched off"
    assert seen.texts["load.flat-02-heat.reason"] == "the limit would be exceeded"
    assert seen.attributes["load.flat-02-heat.left_s@data-left-s"] == "485"
    assert seen.texts["load.flat-01-heat.word"] == "On"
    page = operator.get(SITE).content.decode()
    assert "yellow: short pauses" in page
    assert "8 min" in page


@pytest.mark.parametrize(
    ("age_s", "word", "state"),
    [(0, "Live", "On"), (200, "Delayed", "On"), (600, "No signal", "Unknown, last on")],
)
def test_old_reports_are_not_passed_off_as_new(
    operator: Client, age_s: float, word: str, state: str
) -> None:
    report(age_s)
    seen = look(operator)
    assert seen.texts["site.freshness_word"] == word
    assert seen.texts["load.flat-01-heat.word"] == state
    assert seen.attributes["site.level_tone@data-tone"] == ("good" if age_s == 0 else "quiet")


def test_the_chart_holds_the_last_hours_and_what_would_have_been(operator: Client) -> None:
    start = town.NOW - timedelta(hours=8)
    town.seed_minutes(start=start, end=town.NOW, received=datetime.now(UTC))
    chart = operator.get(SITE).context["chart"]
    assert [series["style"] for series in chart["series"]] == ["reference", "load", "limit"]
    assert len(chart["x"]) == 360
    assert chart["at"][-1] == "17:59"
    assert chart["x"][-1] == (town.NOW - town.MINUTE).timestamp()
    assert [label for _, label in chart["ticks"]][-1:] == ["17:00"]


def test_a_gap_in_the_minutes_is_a_gap_in_the_chart(operator: Client) -> None:
    for minutes_ago in (10, 5):
        at = town.NOW - timedelta(minutes=minutes_ago)
        save_statuses([("alice-hub", town.status(at, reference_w=None))], datetime.now(UTC))
    chart = operator.get(SITE).context["chart"]
    assert [series["style"] for series in chart["series"]] == ["load", "limit"]
    assert chart["series"][0]["values"] == [9.0, None, None, None, None, 9.0]


def test_loads_come_in_the_order_of_flats_what_is_off_first(operator: Client) -> None:
    flats = [f"flat-{n:02d}-{key}" for n in town.FLATS for key in ("heat", "wash")]
    assert [row["name"] for row in operator.get(SITE).context["loads"]] == [*flats, "stairs"]
    report(off=["flat-03-wash", "flat-02-heat"])
    names = [row["name"] for row in operator.get(SITE).context["loads"]]
    assert names[:4] == ["flat-02-heat", "flat-03-wash", "flat-01-heat", "flat-01-wash"]


def test_the_table_beside_the_chart_holds_whole_quarters(operator: Client) -> None:
    start = town.NOW - timedelta(minutes=40)
    for n in range(38):
        power_w = 9_000.0 + 100 * (n % 2)
        one = town.status(start + (n + 1) * town.MINUTE, site_w=power_w, reference_w=None)
        save_statuses([("alice-hub", one)], datetime.now(UTC))
    page = operator.get(SITE)
    twin = page.context["twin"]
    assert twin["heads"] == ["Load", "Peak", "Limit"]
    # Reported from 17:20 to 17:58 in Paris, of which one quarter of an hour is whole.
    assert [(row["label"], row["cells"]) for row in twin["rows"]] == [
        ("17:30", ["9.05", "9.10", "12.00"])
    ]
    assert "Means of 15 minutes, kW" in page.content.decode()


def test_what_the_chart_measures_in_is_said(operator: Client) -> None:
    page = operator.get(SITE).content.decode()
    assert '<p class="axis-unit" aria-hidden="true">kW</p>' in page
    assert 'aria-label="Load against the limit over the last hours, kW"' in page


def test_what_is_no_site_has_no_live_page(operator: Client) -> None:
    assert operator.get("/sites/alice-riser/").status_code == 404
    assert operator.get("/sites/nothing/").status_code == 404
