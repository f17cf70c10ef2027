"""Triggers on pages: written down, read, switched on, followed, changed, ended; and by whom."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from tests.web import events_town, town, trigger_town
from tests.web.conftest import Town

from balans.adapters.clock import SharedClockWriter
from balans.domain.response.triggers import Cause, Mode, Seen, Wish
from balans.storage.response_life import advance_events
from balans.storage.response_trigger_work import told
from balans.web.shown.response_trigger_texts import author_text, reason_text

LIST = "/response/triggers/"
NEW: dict[str, Any] = {
    "title": "Transformer of the street",
    "code": "street",
    "programme": "evening",
    "node": "alice-house",
    "watch": ["overload"],
    "limit_kw": "60",
    "begin_pct": "100",
    "end_pct": "90",
    "held_min": "1,5",
    "lead_min": "30",
    "mode": "act",
    "cap_kw": "12,5",
    "least_min": "15",
    "most_min": "240",
    "per_day": "3",
    "pause_min": "30",
}


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def errors_of(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.status_code
    return set(answer.context["form"].errors)


@pytest.fixture
def operator(visit: Callable[[str], Client], utilities: Town) -> Client:
    """Alice's operator, with the programme open."""
    assert utilities.alice
    events_town.open_programme()
    return visit("alice-operator")


def test_a_trigger_is_written_down_off_and_switched_on(operator: Client) -> None:
    assert "Nothing is watched yet" in text_of(operator.get(LIST))
    made = operator.post(f"{LIST}new/", NEW)
    page = made["Location"]
    assert page == "/response/triggers/street/"
    shown = operator.get(page)
    assert (shown.context["trigger"]["state"], shown.context["trigger"]["cap"]) == ("off", "12.5")
    rows = dict(shown.context["settings"])
    assert rows["Overload of the place"] == "limit 60.0 kW"
    assert rows["Measured"].startswith("begins above 60.0 kW for 1 min, ends below 54.0 kW")
    assert "It announces events by itself" in shown.context["alone"][0]
    assert "at most 12.5 kW, at most 3 times a day" in shown.context["alone"][1]
    assert operator.post(page, {"do": "on"}).status_code == 302
    assert operator.get(page).context["trigger"]["state"] == "on, has not looked yet"
    assert [one["what"] for one in operator.get(page).context["changes"]] == [
        "switched on",
        "made",
    ]


def test_what_it_saw_and_did_stands_on_its_page(
    operator: Client, site_time: SharedClockWriter
) -> None:
    trigger_town.add_trigger()
    page = f"{LIST}trafo/"
    trigger_town.look(0, 8_000)
    for minute in (1, 2):
        trigger_town.look(minute, 11_000)
    site_time.set((town.NOW + timedelta(minutes=2)).timestamp())
    shown = operator.get(page).context
    assert (shown["trigger"]["state"], shown["trigger"]["tone"]) == ("on watch", "good")
    now = shown["trigger"]["now"]
    assert now["did"] == "has called an event"
    assert now["wish"].startswith("overload, measured: hold the place to 9.0 kW; up to 11.0 kW")
    assert [one["did"] for one in shown["log"]] == ["has called an event"]
    assert [one["code"] for one in shown["events"]] == [now["event"]]
    figures = {one["name"]: one["value"] for one in shown["figures"]}
    assert (figures["Power now"], figures["Events today"]) == ("11.0", "1 of 2")
    advance_events(town.NOW + timedelta(minutes=2))
    trigger_town.look(3, 8_500)
    listed = operator.get(LIST).context["rows"][0]
    assert (listed["now"]["did"], listed["event"]) == ("follows its event", now["event"])
    site_time.set((town.NOW + timedelta(hours=1)).timestamp())
    assert operator.get(page).context["trigger"]["state"] == "on, but does not look"


def test_why_it_only_proposes(operator: Client) -> None:
    trigger_town.add_trigger(cap_kw=1)
    for minute in range(3):
        trigger_town.look(minute, 11_000)
    now = operator.get(f"{LIST}trafo/").context["trigger"]["now"]
    assert (now["did"], now["why"]) == ("proposes an event", "more would be needed than its cap")
    assert operator.post(f"{LIST}trafo/", {"do": "off"}).status_code == 302
    events = operator.get(f"{LIST}trafo/").context["events"]
    assert [one["state"] for one in events] == ["cancelled"]


def test_it_is_changed_and_ended(operator: Client) -> None:
    operator.post(f"{LIST}new/", NEW)
    form = operator.get(f"{LIST}street/edit/").context["form"]
    shown = {name: form[name].value() for name in ("limit_kw", "held_min", "end_pct", "cap_kw")}
    assert shown == {"limit_kw": "60", "held_min": "1.5", "end_pct": "90", "cap_kw": "12.5"}
    change = NEW | {"watch": ["overload", "peak"], "thermal": "on", "kva": "63"}
    change |= {"power_factor": "0.95", "ambient_c": "-5", "loading": "normal_cyclic"}
    change |= {"weekdays": ["0", "6"], "from_1": "22:00", "to_1": "06:00", "peak_limit_kw": "50"}
    assert operator.post(f"{LIST}street/edit/", change)["Location"] == f"{LIST}street/"
    rows = dict(operator.get(f"{LIST}street/").context["settings"])
    assert rows["Hours of the peak tariff"] == "Mon, Sun: 22:00–06:00; at most 50.0 kW"
    assert rows["Hot spot of the transformer"].startswith("63 kVA, power factor 0.95, -5 °C")
    again = operator.get(f"{LIST}street/edit/").context["form"]
    assert (again["from_1"].value(), again["ambient_c"].value()) == ("22:00", "-5")
    assert operator.post(f"{LIST}street/", {"do": "end"}).status_code == 422
    assert operator.post(f"{LIST}street/", {"do": "end", "sure": "on"}).status_code == 302
    assert operator.post(f"{LIST}street/", {"do": "on"}).status_code == 422
    assert operator.post(f"{LIST}street/edit/", NEW).status_code == 422
    listed = operator.get(LIST).context
    assert not listed["rows"]
    assert [one["code"] for one in listed["ended"]] == ["street"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"watch": []}, {"watch"}),
        ({"limit_kw": ""}, {"limit_kw"}),
        ({"limit_kw": "-3"}, {"limit_kw"}),
        ({"end_pct": "100"}, {"end_pct"}),
        ({"cap_kw": ""}, {"cap_kw"}),
        ({"mode": "dance"}, {"mode"}),
        ({"per_day": "2.5"}, {"per_day"}),
        ({"least_min": "300"}, {"least_min"}),
        ({"code": "no way"}, {"code"}),
        ({"title": " "}, {"title"}),
        ({"programme": "other"}, {"programme"}),
        ({"node": "bob-house"}, {"node"}),
        ({"node": "flat"}, {"node"}),
        ({"thermal": "on"}, {"kva", "power_factor", "ambient_c", "loading"}),
        ({"watch": ["peak"]}, {"peak_limit_kw", "weekdays", "from_1"}),
        (
            {"watch": ["peak"], "peak_limit_kw": "5", "weekdays": ["0"], "from_1": "25:00"},
            {"from_1"},
        ),
        (
            {"watch": ["price"], "price_begin": "0.3", "price_end": "0.4", "price_limit_kw": "5"},
            {"price_end"},
        ),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    operator: Client, change: dict[str, Any], fields: set[str]
) -> None:
    assert errors_of(operator.post(f"{LIST}new/", NEW | change)) == fields


def test_what_the_choice_does_not_need_is_not_looked_at(operator: Client) -> None:
    unused = {"peak_limit_kw": "x", "price_begin": "x", "mode": "propose", "cap_kw": "x"}
    assert operator.post(f"{LIST}new/", NEW | unused).status_code == 302
    assert errors_of(operator.post(f"{LIST}new/", NEW)) == {"code"}


def test_a_place_belongs_to_the_programme(operator: Client) -> None:
    small = {"code": "small", "node": "alice-flat-01", "title": "Small", "load_classes": ["green"]}
    terms = ("priority", "notice_min", "pause_min", "opt_out_min", "start_spread_min")
    small |= dict.fromkeys((*terms, "release_spread_min"), "0") | {"longest_min": "60"}
    small |= {"max_per_day": "1", "max_per_month": "9"}
    made = operator.post("/response/programmes/new/", small)
    assert made.status_code == 302, made.context["form"].errors
    shown = operator.get(f"{LIST}new/", {"programme": "small"}).context["form"]
    assert shown["programme"].value() == "small"
    wrong = operator.post(f"{LIST}new/", NEW | {"programme": "small"})
    assert errors_of(wrong) == {"node"}
    whole = operator.post(f"{LIST}new/", NEW | {"programme": "small", "node": ""})
    assert operator.get(whole["Location"]).context["trigger"]["place"] == "Flat 1"
    state = operator.get(whole["Location"]).context["trigger"]["state"]
    assert state == "off"
    operator.post(whole["Location"], {"do": "on"})
    state = operator.get(whole["Location"]).context["trigger"]["state"]
    assert state == "programme not open"


def test_an_event_leads_to_its_trigger(operator: Client, visit: Callable[[str], Client]) -> None:
    trigger_town.add_trigger()
    for minute in range(2):
        trigger_town.look(minute, 11_000)
    event = operator.get(f"{LIST}trafo/").context["events"][0]
    assert f'href="{LIST}trafo/"' in text_of(operator.get(event["url"]))
    manager = visit("alice-manager").get(f"{LIST}trafo/")
    assert "/response/programmes/evening/" not in text_of(manager).split("Its events")[0]


def test_a_place_is_found_by_its_name(operator: Client) -> None:
    made = operator.post(f"{LIST}new/", NEW | {"node": "Linden Street 12"})
    assert operator.get(made["Location"]).context["trigger"]["place"] == "Linden Street 12"
    answer = operator.post(f"{LIST}new/", NEW | {"code": "other", "node": "Linden"})
    assert errors_of(answer) == {"node"}
    assert "alice-street" in text_of(answer)


@pytest.mark.parametrize(
    ("username", "path", "method", "status"),
    [
        ("alice-manager", LIST, "get", 200),
        ("alice-manager", f"{LIST}trafo/", "get", 200),
        ("alice-manager", f"{LIST}trafo/", "post", 403),
        ("alice-manager", f"{LIST}trafo/edit/", "get", 403),
        ("alice-manager", f"{LIST}new/", "get", 403),
        ("alice-manager", "/response/places/", "get", 403),
        ("alice-resident", f"{LIST}trafo/", "get", 404),
        ("alice-resident", f"{LIST}trafo/", "post", 404),
        ("alice-resident", f"{LIST}new/", "post", 403),
        ("alice-nobody", LIST, "get", 403),
        ("bob-operator", f"{LIST}trafo/", "get", 404),
        ("bob-operator", f"{LIST}trafo/edit/", "post", 404),
    ],
)
def test_who_may_not(
    operator: Client,
    visit: Callable[[str], Client],
    username: str,
    path: str,
    method: str,
    status: int,
) -> None:
    trigger_town.add_trigger(mode=Mode.PROPOSE)
    assert operator.get(f"{LIST}trafo/").context["keeps"]
    answer = getattr(visit(username), method)(path, {"do": "on"})
    assert answer.status_code == status


def test_the_programme_of_another_utility_is_not_searched(
    operator: Client, visit: Callable[[str], Client]
) -> None:
    query = {"programme": "evening"}
    assert operator.get("/response/places/", query).status_code == 200
    assert visit("bob-operator").get("/response/places/", query).status_code == 404


def test_a_manager_reads_and_finds_no_buttons(
    operator: Client, visit: Callable[[str], Client]
) -> None:
    trigger_town.add_trigger()
    assert "Switch it off" in text_of(operator.get(f"{LIST}trafo/"))
    shown = text_of(visit("alice-manager").get(f"{LIST}trafo/"))
    assert "Switch it off" not in shown
    assert "End it for good" not in shown


def test_a_strange_action_is_refused(operator: Client) -> None:
    trigger_town.add_trigger()
    assert operator.post(f"{LIST}trafo/", {"do": "dance"}).status_code == 400


def test_it_is_tried_on_the_last_days(operator: Client) -> None:
    trigger_town.add_trigger()
    assert operator.get(f"{LIST}trafo/").context["tried"] is None
    day = timedelta(days=1)
    town.seed_minutes(start=town.NOW - day, end=town.NOW, received=town.NOW)
    tried = operator.get(f"{LIST}trafo/").context["tried"]
    assert int(tried["begun"]) >= 3
    assert (tried["highest"], tried["known"]) == ("11.9", "14")
    assert tried["most"] == "3.9"  # above the 8 kW of the peak hours of Sunday
    assert tried["over_cap"] == ""
    trigger_town.add_trigger("riser", node="alice-riser")
    assert operator.get(f"{LIST}riser/").context["tried"] is None
    trigger_town.add_trigger("city", node="alice-city", cap_kw=1)
    assert operator.get(f"{LIST}city/").context["tried"]["over_cap"]


@pytest.mark.parametrize("kind", ["triggers", "events", "programmes"])
def test_what_no_code_can_be_is_not_there(operator: Client, kind: str) -> None:
    for code in ("%00", "a" * 300, "й"):
        assert operator.get(f"/response/{kind}/{code}/").status_code == 404


def test_the_reason_of_a_trigger_in_the_language_of_the_reader() -> None:
    seen = Seen(0.0, 0.0, 0, 11_000.0, held_w=2_200.0)
    causes = (Cause.MEASURED, Cause.PEAK_TARIFF)
    reason = told(seen, Wish(0.0, 900.0, 9_000.0, 13_200.0, causes))
    for said in (reason, f"{reason}; the trigger only proposes; 4.2 kW is more than its cap"):
        assert reason_text(said) == (
            "overload, measured, peak tariff: up to 13.2 kW expected, limit 9.0 kW"
        )
    with translation.override("ru"):
        assert reason_text(reason).endswith("ожидается до 13,2 кВт, предел 9,0 кВт")
        assert reason_text("no longer wanted") == "больше не нужно"
        assert author_text("trigger trafo") == "триггер trafo"
    assert reason_text("cold evening: -5") == "cold evening: -5"
    assert author_text("alice-operator") == "alice-operator"
