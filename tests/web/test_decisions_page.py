"""Decisions with their reasons: narrowed down, page by page, each reader's own."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from tests.web import town

from balans.core.words import CommandState
from balans.protocols.hub import CommandReport
from balans.storage.lookups import hub
from balans.storage.reports import SiteReport, apply_reports
from balans.storage.scope import system_scope

PAGE = "/nodes/alice-house/decisions/"
FLAT = "/nodes/alice-flat-01/decisions/"


@pytest.fixture(autouse=True)
def _decided(utilities: object) -> None:
    """Sixty switchings of the water heaters of flats 1 to 4, one a minute back from NOW."""
    assert utilities
    with system_scope():
        found = hub("alice-hub")
        assert found is not None
        apply_reports(
            SiteReport(found.tenant_id, found.site_id, switching(minutes)) for minutes in range(60)
        )


def switching(minutes: int) -> CommandReport:
    off = minutes % 2 == 0
    at = (town.NOW - timedelta(minutes=minutes)).timestamp()
    return CommandReport(
        id=f"c{minutes}",
        load=f"flat-0{1 + minutes % 4}-heat",
        on=not off,
        author="dlm",
        reason="over_limit" if off else "headroom_back",
        created=at,
        expires=at + 60,
        state=CommandState.FAILED if minutes == 8 else CommandState.CONFIRMED,
        time=at + 1,
        limit="contract" if off else "",
        expected_w=-2000.0 if off else 1500.0,
        achieved_w=-1850.0 if off else None,
    )


def shown(client: Client, query: str = "", path: str = PAGE) -> list[str]:
    page = client.get(path + query)
    assert page.status_code == 200
    return [f"{entry.at} {entry.what}" for entry in page.context["entries"]]


def test_each_tells_limit_and_effect(operator: Client) -> None:
    page = operator.get(PAGE)
    first, second = page.context["entries"][:2]
    assert (first.at, first.what) == ("12 January, 18:00:00", "Flat 1 · Water heater: off")
    assert (first.reason, first.limit) == ("the limit would be exceeded", "contract")
    assert first.effect == "expected −2.00 kW, measured −1.85 kW"
    assert second.effect == "expected +1.50 kW"
    assert "60 decisions" in page.content.decode()


def test_page_by_page(operator: Client) -> None:
    first, second, third = (shown(operator, f"?page={n}") for n in (1, 2, 3))
    assert (len(first), len(second), len(third)) == (25, 25, 10)
    assert not set(first) & set(second)
    page = operator.get(f"{PAGE}?by=control&page=2").content.decode()
    assert 'rel="prev" href="?by=control&amp;page=1"' in page
    assert 'rel="next" href="?by=control&amp;page=3"' in page
    assert "Page 2 of 3" in page


@pytest.mark.parametrize("number", ["0", "-1", "x", "4", "99999999999999999999", "٣"])
def test_a_page_that_is_not_there_is_the_nearest(operator: Client, number: str) -> None:
    assert len(shown(operator, f"?page={number}")) in {10, 25}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?load=flat-02-heat", 15),
        ("?by=people", 0),
        ("?by=control&state=failed", 1),
        ("?reason=over_limit&page=2", 5),
        ("?day=2026-01-12", 25),
        ("?day=2026-01-11", 0),
    ],
)
def test_narrowed_down(operator: Client, query: str, count: int) -> None:
    assert len(shown(operator, query)) == count


def test_a_day_is_one_of_the_site(operator: Client) -> None:
    """23:30 UTC on the 11th is half past midnight of the 12th in Paris."""
    with system_scope():
        found = hub("alice-hub")
        assert found is not None
        report = switching(17 * 60 + 30)
        apply_reports([SiteReport(found.tenant_id, found.site_id, report)])
    assert operator.get(f"{PAGE}?day=2026-01-12").context["found"].total == 61


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?day=yesterday", "“yesterday”: give a date from 2000-01-02 to 2099-12-30."),
        ("?day=1900-01-01", "“1900-01-01”: give a date"),
        ("?load=toaster", "not one of the available"),
        ("?state=x", "not one of the available"),
    ],
)
def test_a_filter_that_makes_no_sense_is_said_and_left_out(
    operator: Client, query: str, words: str
) -> None:
    assert words in operator.get(PAGE + query).content.decode()
    assert len(shown(operator, query)) == 25


def test_nothing_fits_is_told_from_nothing_yet(
    operator: Client, visit: Callable[[str], Client]
) -> None:
    assert "Nothing fits" in operator.get(f"{PAGE}?by=people").content.decode()
    bob = visit("bob-operator").get("/nodes/bob-house/decisions/").content.decode()
    assert "Nothing has been switched yet" in bob


def test_a_resident_sees_the_own_loads_alone(resident: Client) -> None:
    assert len(shown(resident, path=FLAT)) == 15
    assert all("Water heater" in one for one in shown(resident, path=FLAT))
    answer = resident.get(f"{FLAT}?load=flat-02-heat")
    assert "not one of the available" in answer.content.decode()
    assert answer.context["found"].total == 15


@pytest.mark.parametrize("username", ["alice-nobody", "bob-operator"])
def test_strangers_find_nothing(visit: Callable[[str], Client], username: str) -> None:
    assert visit(username).get(PAGE).status_code == 404
