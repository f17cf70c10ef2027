"""The first page, by role."""

from collections.abc import Callable
from datetime import UTC, datetime

from django.test import Client
from tests.web import town

from balans.storage.live import save_statuses


def test_an_operator_sees_every_site_and_the_tree(operator: Client) -> None:
    save_statuses([("alice-hub", town.status(town.NOW, site_w=12_345.0))], datetime.now(UTC))
    page = operator.get("/")
    (site,) = page.context["sites"]
    assert (site["load"], site["limit"], site["level"]) == ("12.35", "12.00", "over")
    assert site["freshness"] == "fresh"
    (city,) = page.context["tree"]
    assert city.children[0].children[0].live == site
    assert len(city.children[0].children[0].children[0].children) == 4


def test_a_resident_sees_the_own_flat(resident: Client) -> None:
    page = resident.get("/")
    assert next(template.name for template in page.templates) == "cabinet/flat.html"
    assert page.context["node"]["name"] == "Flat 1"
    assert [row["name"] for row in page.context["loads"]] == ["flat-01-heat", "flat-01-wash"]
    assert page.context["loads"][0]["place"] == ""


def test_a_manager_sees_the_building_as_the_top(visit: Callable[[str], Client]) -> None:
    page = visit("alice-manager").get("/")
    (house,) = page.context["tree"]
    assert house.name == "Linden Street 12"
    assert "Orhei" not in page.content.decode()


def test_the_usual_address_leads_to_the_icon() -> None:
    answer = Client().get("/favicon.ico")
    assert answer.status_code == 302
    icon = Client().get(answer["Location"])
    assert (icon.status_code, icon["Content-Type"]) == (200, "image/svg+xml")
