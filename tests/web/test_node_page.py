"""A node: path, what lies below, metering points and their completeness."""

from datetime import UTC, datetime

from django.test import Client
from tests.web import town


def test_the_path_leads_back_up(operator: Client) -> None:
    page = operator.get("/nodes/alice-riser/")
    assert [(crumb.name, crumb.url) for crumb in page.context["crumbs"]] == [
        ("Orhei", "/nodes/alice-city/"),
        ("Linden Street", "/nodes/alice-street/"),
        ("Linden Street 12", "/nodes/alice-house/"),
        ("Riser A", ""),
    ]


def test_what_lies_below_opens_level_by_level(operator: Client) -> None:
    page = operator.get("/nodes/alice-house/")
    (riser,) = page.context["children"]
    assert (riser.name, riser.below_url) == ("Riser A", "/nodes/alice-riser/below/")
    flats = operator.get(riser.below_url).context["tree"]
    assert [flat.url for flat in flats][:1] == ["/flats/alice-flat-01/"]
    assert len(flats) == 4
    assert {flat.below_url for flat in flats} == {""}


def test_branches_tell_how_complete_they_are(operator: Client) -> None:
    gone = datetime(2026, 1, 12, 9, tzinfo=UTC)
    town.seed_readings(without=[gone])
    (riser,) = operator.get("/nodes/alice-house/").context["children"]
    assert (riser.completeness, riser.tone) == ("95.8 %", "warn")
    assert (riser.points, riser.last) == ("12 metering points", "12 January, 18:00")
    flats = {flat.code: flat for flat in operator.get(riser.below_url).context["tree"]}
    assert flats["alice-flat-01"].completeness == "95.8 %"
    assert flats["alice-flat-04"].completeness == ""  # nothing has come yet, so nothing is due


def test_what_is_not_yours_does_not_open(resident: Client, operator: Client) -> None:
    assert operator.get("/nodes/bob-house/below/").status_code == 404
    assert resident.get("/nodes/alice-house/below/").status_code == 404


def test_objects_are_found_by_name_or_code(operator: Client) -> None:
    page = operator.get("/", {"q": "flat 3"})
    assert [branch.code for branch in page.context["tree"]] == ["alice-flat-03"]
    nothing = operator.get("/", {"q": "\0bob"})
    assert "Nothing of this name" in nothing.content.decode()


def test_completeness_counts_what_is_due(operator: Client) -> None:
    gone = datetime(2026, 1, 12, 9, tzinfo=UTC)
    town.seed_readings(without=[gone])
    page = operator.get("/nodes/alice-house/")
    share, points, waiting = page.context["figures"]
    assert (share["value"], share["note"]) == ("95.8 %", "207 of 216 hours")
    assert points["value"] == "13"
    assert waiting["value"] == "3"


def test_a_point_shows_its_newest_register(operator: Client) -> None:
    town.seed_readings()
    rows = {row.name: row for row in operator.get("/flats/alice-flat-01/").context["points"]}
    newest = rows["Electricity"]
    assert newest.last == "12 January, 18:00"
    assert newest.register == "31,272 pulses"
    assert (newest.completeness, newest.tone) == ("100.0 %", "good")
    flat_4 = operator.get("/flats/alice-flat-04/").content.decode()
    assert "waiting for the first reading" in flat_4


def test_a_building_that_is_controlled_leads_to_its_live_page(operator: Client) -> None:
    assert "/sites/alice-house/day/" in operator.get("/nodes/alice-house/").content.decode()
    assert "/sites/" not in operator.get("/nodes/alice-riser/").content.decode()
