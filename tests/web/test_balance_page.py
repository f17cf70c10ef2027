"""Balances as pages: figures, charts, tree, what is missing, and where a figure comes from."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from tests.adapters.balance_town import NOON, RATES, deliver, steady, street_plan
from tests.web import town

from balans.adapters.clock import SharedClockWriter
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope
from balans.usecases.registry_plan import AccountPlan

DAY = "date=2026-03-27"
B1 = "/nodes/b1/balance/electricity/meters/"


@pytest.fixture
def street(request: pytest.FixtureRequest, site_time: SharedClockWriter) -> Callable[[str], Client]:
    """A function that gives the browser of a person of the street."""
    for name in ("db", "fast_passwords"):
        request.getfixturevalue(name)
    site_time.set((NOON + timedelta(days=3)).timestamp())
    accounts = tuple(
        AccountPlan(username=f"street-{role}", password=town.PASSWORD, grants=((role, node),))
        for role, node in (("operator", "city"), ("consumer", "f11"), ("installer", "city"))
    )
    apply_plan(replace(street_plan(), accounts=accounts))
    readings = steady(RATES, range(-24, 100))
    del readings["f12"][3]
    deliver(readings)

    def browser_of(role: str) -> Client:
        client = Client()
        with system_scope():
            user = get_user_model().objects.get(username=f"street-{role}")
        client.force_login(user)
        return client

    return browser_of


@pytest.fixture
def operator(street: Callable[[str], Client]) -> Client:
    """The operator of the city."""
    return street("operator")


def test_a_node_leads_to_its_balance(operator: Client) -> None:
    assert b'href="/nodes/b1/balance/"' in operator.get("/nodes/b1/").content
    answer = operator.get("/nodes/b1/balance/")
    assert (answer.status_code, answer["Location"]) == (302, B1)
    none = operator.get("/nodes/f12/balance/")
    assert none.context["empty"]["title"] == "No balance here"


def test_a_day_by_hours(operator: Client) -> None:
    page = operator.get(f"{B1}?{DAY}")
    figures = {one["title"]: (one["value"], one["note"]) for one in page.context["figures"]}
    assert figures["Inflow"] == ("2.520", "")
    assert figures["Outflow"] == ("2.400", "")
    assert figures["Imbalance"] == ("0.120", "4.8 %")
    assert figures["Technical loss"] == ("–", "not computed")
    assert figures["Completeness"] == ("100.0 %", "5 of 5 points known")
    rows = page.context["rows"]
    assert len(rows) == 24
    assert (rows[13]["label"], rows[13]["imbalance"], rows[13]["tone"]) == (
        "13:00",
        "0.005",
        "warn",
    )
    gap = rows[15]  # between 14:00 and 15:00 UTC the register at 15:00 is missing
    assert (gap["inflow"], gap["outflow"], gap["imbalance"]) == ("0.105", "–", "–")
    assert (gap["share"], gap["tone"], gap["completeness"]) == ("unknown", "quiet", "80.0 %")
    sides, gaps = (one["chart"] for one in page.context["charts"])
    assert [series["style"] for series in sides["series"]] == ["inflow", "outflow"]
    assert sides["series"][1]["values"][15] is None
    assert gaps["tones"][13:16] == ["warn", "warn", "quiet"]
    (doubt,) = page.context["doubts"]
    assert (doubt["code"], doubt["count"], doubt["state"]) == ("f12", "2 intervals", "missing")
    assert doubt["url"] == "/points/f12/?date=2026-03-27"


def test_a_month_and_a_year(operator: Client) -> None:
    month = operator.get(f"{B1}?date=2026-03").context
    assert [row["label"] for row in month["rows"]][:2] == ["Sun 1", "Mon 2"]
    assert month["rows"][26]["imbalance"] == "0.120"
    assert month["rows"][0]["completeness"] == "0.0 %"
    year = operator.get(f"{B1}?date=2026").context
    assert [row["label"] for row in year["rows"]] == ["January", "February", "March"]
    assert year["rows"][-1]["imbalance"] == "–"


def test_the_tree_has_the_colours_of_imbalances(operator: Client) -> None:
    page = operator.get(f"/nodes/city/balance/electricity/consumers/?{DAY}")
    (root,) = page.context["tree"]
    (street,) = root["children"]
    assert (root["name"], root["share"], root["tone"]) == ("City", "3.8 %", "warn")
    shares = {one["name"]: (one["share"], one["tone"]) for one in street["children"]}
    assert shares == {"B1": ("4.8 %", "warn"), "B2": ("1.9 %", "good")}
    assert page.context["uncovered"]
    content = page.content.decode()
    assert 'data-tone="warn"' in content
    assert f'href="/nodes/b2/balance/electricity/consumers/?{DAY}"' in content


def test_every_figure_is_explained_down_to_the_registers(operator: Client) -> None:
    rows = operator.get(f"{B1}?{DAY}").context["rows"]
    page = operator.get(rows[14]["url"])
    inflow, outflow = page.context["sides"]
    (meter,) = inflow["points"]
    assert (meter["url"], meter["energy"]) == (f"/points/b1-in/?{DAY}", "0.105000")
    assert meter["parts"] == [
        {
            "meter": "b1-in",
            "channel": "5000-1",
            "before": "5,105",
            "after": "5,210",
            "worth": "0.001000",
            "energy": "0.105000",
        }
    ]
    assert [(one["name"], one["energy"]) for one in outflow["points"]] == [
        ("f11", "0.010000"),
        ("f12", "0.020000"),
        ("f13", "0.030000"),
        ("shop", "0.040000"),
    ]
    assert (inflow["sum"], outflow["sum"]) == ("0.105000", "0.100000")
    gap = operator.get(rows[15]["url"]).context["sides"][1]["points"][1]
    assert (gap["state"], gap["energy"], gap["parts"][0]["after"]) == ("missing", "–", "–")


def test_production_and_the_day_before_today(operator: Client) -> None:
    span = "from=2026-03-27T12:00%2B00:00&to=2026-03-28T12:00%2B00:00"
    page = operator.get(f"/nodes/b2/balance/electricity/meters/explained/?{span}")
    inflow, _outflow = page.context["sides"]
    assert [(one["name"], one["side"]) for one in inflow["points"]] == [
        ("b2-in", "inflow"),
        ("roof", "production"),
    ]
    today = operator.get(B1).context
    assert today["period"].iso == "2026-03-30"
    assert {row["share"] for row in today["rows"][15:]} == {"not yet"}


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{B1}explained/", 400),
        (f"{B1}explained/?from=2026-03-27&to=2026-03-28", 400),
        (f"{B1}explained/?from=2026-03-28T00:00%2B00:00&to=2026-03-27T00:00%2B00:00", 400),
        (f"{B1}?date=yesterday", 400),
        ("/nodes/b1/balance/gas/meters/", 404),
        ("/nodes/b1/balance/electricity/everything/", 404),
        ("/nodes/nowhere/balance/", 404),
    ],
)
def test_what_cannot_be_is_refused(operator: Client, address: str, status: int) -> None:
    assert operator.get(address).status_code == status


def test_only_who_may_read_readings_sees_balances(street: Callable[[str], Client]) -> None:
    assert street("consumer").get(B1).status_code == 404
    assert street("installer").get(B1).status_code == 403
    assert not re.search(r"/balance/", street("installer").get("/nodes/b1/").content.decode())


@pytest.mark.parametrize(("language", "word"), [("ru", "Небаланс"), ("ro", "Dezechilibru")])
def test_in_other_languages(operator: Client, language: str, word: str) -> None:
    operator.post("/language/", {"language": language, "next": "/"})
    assert word in operator.get(f"{B1}?{DAY}").content.decode()


MEMBERS = "inflow b1-in\n\noutflow shop\noutflow group riser\n"


def make_group(client: Client, **given: str) -> Any:
    form = {"code": "lower", "name": "Lower half", "resource": "electricity", "members": MEMBERS}
    return client.post("/nodes/street/balance-groups/", form | given)


def test_a_group_by_hand_is_made_shown_changed_and_removed(operator: Client) -> None:
    assert b'href="/nodes/b1/balance-groups/"' in operator.get(f"{B1}?{DAY}").content
    answer = make_group(operator)
    assert (answer.status_code, answer["Location"]) == (302, "/balances/lower/meters/")
    page = operator.get(f"/balances/lower/meters/?{DAY}")
    assert page.context["title"] == "Lower half"
    assert page.context["rows"][13]["imbalance"] == "0.005"
    explained = operator.get(page.context["rows"][13]["url"])
    assert [one["name"] for one in explained.context["sides"][1]["points"]] == [
        "f11", "f12", "f13", "shop",
    ]  # fmt: skip
    edit = "/balances/lower/members/"
    assert (
        operator.get(edit).context["form"]["members"].value()
        == MEMBERS.replace("\n\n", "\n").strip()
    )
    answer = operator.post(edit, {"name": "Shop", "members": "inflow b1-in\noutflow shop"})
    assert answer.status_code == 302
    page = operator.get(f"/balances/lower/consumers/?{DAY}")
    assert (page.context["title"], page.context["rows"][13]["imbalance"]) == ("Shop", "0.065")
    assert operator.get("/nodes/city/balance-groups/").context["groups"][0]["code"] == "lower"
    assert operator.post(edit, {"remove": "1"}).status_code == 302
    assert operator.get("/balances/lower/meters/").status_code == 404


@pytest.mark.parametrize(
    ("given", "field", "complaint"),
    [
        ({"members": "inflow b1-in\nsideways shop"}, "members", "Line 2: write"),
        ({"members": "inflow b1-in\n\noutflow nobody"}, "members", "Line 3: nobody: there is no"),
        ({"code": "Щ"}, "code", "Use Latin letters"),
        ({"resource": "air"}, "resource", "Select a valid choice"),
        ({"name": ""}, "name", "required"),
    ],
)
def test_what_is_wrong_with_a_group_is_said_at_its_field(
    operator: Client, given: dict[str, str], field: str, complaint: str
) -> None:
    page = make_group(operator, **given)
    assert page.status_code == 200
    assert complaint in page.context["form"].errors[field][0]
    assert page.context["groups"] == []


def test_groups_by_hand_need_rights(street: Callable[[str], Client]) -> None:
    assert make_group(street("operator")).status_code == 302
    consumer = street("consumer")
    for address in ("/nodes/street/balance-groups/", "/balances/lower/meters/"):
        assert consumer.get(address).status_code == 404
    assert consumer.get("/balances/lower/members/").status_code == 404
    assert make_group(consumer).status_code == 404


def test_an_hour_that_is_still_on_its_way_is_not_missing(
    operator: Client, site_time: SharedClockWriter
) -> None:
    """At 16:00 UTC of 31 March all is there up to 15:00 UTC."""
    site_time.set((NOON + timedelta(hours=100, minutes=7)).timestamp())
    page = operator.get(B1).context
    assert (page["figures"][0]["value"], page["rows"][16]["share"]) == ("1.785", "4.8 %")
    assert page["rows"][17]["share"] == "not yet"
    assert page["doubts"] == []
