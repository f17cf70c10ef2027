"""Demand response on pages: programmes, an event in two steps, its second person, the consumer."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from tests.web import events_town, town
from tests.web.conftest import Town

from balans.adapters.clock import SharedClockWriter
from balans.core.words import CallState
from balans.protocols.hub import bitmap
from balans.storage.response_life import advance_events, settle_events
from balans.web.shown.response_texts import detail_text

NEW = {
    "code": "night",
    "node": "alice-city",
    "title": "Night",
    "incentive": "1 euro",
    "load_classes": ["green", "yellow"],
    "tariffs": "",
    "consent_needed": "on",
    "priority": "5",
    "notice_min": "30",
    "longest_min": "120",
    "max_per_day": "2",
    "max_per_month": "10",
    "pause_min": "0",
    "opt_out_min": "0",
    "opt_out_within": "on",
    "second_person_kw": "",
    "start_spread_min": "0",
    "release_spread_min": "10",
    "fallback_kw": "",
}
EVENT = {
    "programme": "evening",
    "node": "",
    "kind": "limit",
    "starts": "2026-01-12T19:00",
    "minutes_1": "60",
    "value_1": "0,5",
    "reason": "cold evening",
    "wanted_kw": "1",
    "priority": "",
}


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


@pytest.fixture
def browser(visit: Callable[[str], Client], utilities: Town) -> Callable[[str], Client]:
    """Browsers of people, with the programme open."""
    assert utilities.alice
    events_town.open_programme()
    return visit


def end(event: Any) -> None:
    """Let the event begin and end, with what flat 1 did."""
    advance_events(event.starts)
    for state in (CallState.HEARD, CallState.ACTIVE, CallState.DONE):
        events_town.tell(event, state)
    advance_events(event.ends)
    settle_events(event.ends + timedelta(hours=1))


def test_a_programme_is_made_changed_and_opened(operator: Client) -> None:
    wrong = operator.post("/response/programmes/new/", NEW | {"code": "no way", "priority": "11"})
    assert wrong.status_code == 422
    assert set(wrong.context["form"].errors) == {"priority"}
    wrong = operator.post("/response/programmes/new/", NEW | {"code": "no way"})
    assert set(wrong.context["form"].errors) == {"code"}
    elsewhere = operator.post("/response/programmes/new/", NEW | {"node": "bob-city"})
    assert set(elsewhere.context["form"].errors) == {"node"}
    made = operator.post("/response/programmes/new/", NEW)
    page = made["Location"]
    assert page == "/response/programmes/night/"
    again = operator.post("/response/programmes/new/", NEW)
    assert set(again.context["form"].errors) == {"code"}
    before = operator.get(f"{page}edit/").context["form"].initial
    assert (before["notice_min"], before["longest_min"]) == (30, 120)
    changed = operator.post(f"{page}edit/", NEW | {"notice_min": "15", "fallback_kw": "2,5"})
    assert changed["Location"] == page
    assert dict(operator.get(page).context["terms"])["Notice"] == "15 min"
    assert "2.5 kW" in text_of(operator.get(page))
    assert operator.post(page, {"do": "open"}).status_code == 302
    assert "open" in text_of(operator.get("/response/programmes/"))


def test_an_event_in_two_steps(browser: Callable[[str], Client]) -> None:
    operator = browser("alice-operator")
    wrong = operator.post("/response/new/", EVENT | {"value_2": "1", "reason": " "})
    assert set(wrong.context["form"].errors) == {"minutes_2", "reason"}
    late = operator.post("/response/new/", EVENT | {"starts": "2026-01-12T10:00"})
    assert set(late.context["form"].errors) == {"starts"}
    power = operator.post("/response/new/", EVENT | {"wanted_kw": "-1"})
    assert set(power.context["form"].errors) == {"wanted_kw"}
    level = operator.post("/response/new/", EVENT | {"kind": "eco", "value_1": "4"})
    assert set(level.context["form"].errors) == {"value_1"}
    drafted = operator.post("/response/new/", EVENT)
    page = operator.get(drafted["Location"])
    preview = page.context["preview"]
    assert preview["able"] == "3"
    assert ("take no part in the programme", "1") in preview["left_out"]
    assert "19:00 to 20:00: at most 0.5 kW" in text_of(page)
    assert operator.post(drafted["Location"], {"do": "announce"}).status_code == 302
    live = operator.get(drafted["Location"])
    assert live.context["progress"]["left"] == "1 h 0 min"
    assert "Announce it?" not in text_of(live)
    refused = operator.post(drafted["Location"], {"do": "cancel", "why": ""})
    assert refused.status_code == 422
    assert "Give a reason" in text_of(refused)
    operator.post(drafted["Location"], {"do": "cancel", "why": "it got warm"})
    assert "it got warm" in text_of(operator.get(drafted["Location"]))
    history = operator.get("/response/?state=cancelled&programme=evening").context["history"]
    assert [one["state"] for one in history] == ["cancelled"]
    assert not operator.get("/response/?state=ended").context["history"]


def test_an_emergency_is_asked_for_twice(browser: Callable[[str], Client]) -> None:
    operator = browser("alice-operator")
    page = operator.post("/response/new/", EVENT | {"emergency": "on", "value_1": "0"})["Location"]
    shown = operator.get(page)
    assert (shown.context["event"]["emergency"], shown.context["event"]["priority"]) == (True, "0")
    assert "Consumers cannot opt out of it." in text_of(shown)
    refused = operator.post(page, {"do": "announce"})
    assert refused.status_code == 422
    assert "tick that you know what it does" in text_of(refused)
    assert operator.get(page).context["event"]["state"] == "draft"
    assert operator.post(page, {"do": "announce", "sure": "on"}).status_code == 302
    assert operator.get(page).context["event"]["state"] == "announced"
    code = page.split("/")[-2]
    left = browser("alice-of-01").post(
        "/nodes/alice-flat-01/response/", {"do": "opt_out", "event": code}
    )
    assert left.status_code == 422


def test_an_emergency_still_needs_its_second_person(visit: Callable[[str], Client]) -> None:
    events_town.open_programme(second_person_kw=Decimal("0.1"))
    operator = visit("alice-operator")
    page = operator.post("/response/new/", EVENT | {"emergency": "on"})["Location"]
    assert operator.post(page, {"do": "announce", "sure": "on"}).status_code == 422
    assert visit("alice-second").post(page, {"do": "approve"}).status_code == 302
    assert operator.post(page, {"do": "announce"}).status_code == 422
    assert operator.post(page, {"do": "announce", "sure": "on"}).status_code == 302


@pytest.mark.parametrize("username", ["alice-resident", "alice-manager", "bob-operator"])
def test_nobody_else_calls_an_emergency(browser: Callable[[str], Client], username: str) -> None:
    answer = browser(username).post("/response/new/", EVENT | {"emergency": "on"})
    assert answer.status_code == (422 if username == "bob-operator" else 403)
    assert not browser("alice-operator").get("/response/").context["live"]


def test_a_place_by_its_name(browser: Callable[[str], Client]) -> None:
    operator = browser("alice-operator")
    page = operator.post("/response/new/", EVENT | {"node": "flat 2"})["Location"]
    assert operator.get(page).context["event"]["place"] == "Flat 2"
    wrong = operator.post("/response/new/", EVENT | {"node": "flat"})
    assert set(wrong.context["form"].errors) == {"node"}
    assert len(wrong.context["form"]["node"].options) == 4


def test_a_big_event_needs_a_second_person(visit: Callable[[str], Client]) -> None:
    events_town.open_programme(second_person_kw=Decimal("0.1"))
    operator, second = visit("alice-operator"), visit("alice-second")
    page = operator.post("/response/new/", EVENT)["Location"]
    shown = operator.get(page).context
    assert (shown["announces"], shown["approves"], shown["waits"]) == (False, False, True)
    for action in ("announce", "approve"):
        assert operator.post(page, {"do": action}).status_code == 422
    assert [one["url"] for one in second.get("/response/").context["waiting"]] == [page]
    assert not operator.get("/response/").context["waiting"]
    assert second.post(page, {"do": "approve"}).status_code == 302
    assert operator.post(page, {"do": "announce"}).status_code == 302
    assert operator.get(page).context["event"]["approver"] == "alice-second"


def test_how_an_event_goes(browser: Callable[[str], Client], site_time: SharedClockWriter) -> None:
    event, operator = events_town.announced(), browser("alice-operator")
    page = f"/response/events/{event.code}/"
    town.seed_minutes(
        start=event.starts - timedelta(hours=1),
        end=event.starts + timedelta(minutes=30),
        received=event.starts,
    )
    advance_events(event.starts)
    events_town.tell(event, CallState.HEARD)
    names = ("flat-01-heat", "flat-01-wash")
    events_town.tell(
        event,
        CallState.FAILED,
        failed=bitmap(names, {names[1]}),
        detail="nothing_left: 300 W above",
    )
    site_time.set((event.starts + timedelta(minutes=30)).timestamp())
    shown = operator.get(page)
    progress = shown.context["progress"]
    assert (progress["left"], progress["heard"]) == ("30 min", "1")
    rows = {one["code"]: one for one in shown.context["targets"]}
    assert rows["alice-flat-01"]["failed"] == "Laundry"
    assert rows["alice-flat-01"]["held"] == "Water heater"
    curve = shown.context["curve"]["chart"]
    assert len(curve["x"]) == 45
    assert curve["series"][1]["values"][0] is None
    assert curve["series"][1]["values"][20] == 1.0
    assert rows["alice-flat-01"]["detail"] == "nothing more may be held back (+300 W)"
    assert "did not obey: Laundry" in text_of(shown)


def test_the_consumer_joins_leaves_and_opts_out(browser: Callable[[str], Client]) -> None:
    resident = browser("alice-of-01")
    page = "/nodes/alice-flat-01/response/"
    event = events_town.announced()
    shown = resident.get(page)
    assert "2 euro off the bill" in text_of(shown)
    assert [one["opts_out"] for one in shown.context["coming"]] == [True]
    assert resident.post(page, {"do": "opt_out", "event": event.code}).status_code == 302
    assert [one["state"] for one in resident.get(page).context["coming"]] == ["opted out"]
    assert resident.post(page, {"do": "leave", "programme": "evening"}).status_code == 302
    assert not resident.get(page).context["programmes"][0]["joined"]
    assert resident.post(page, {"do": "join", "programme": "evening"}).status_code == 302
    assert resident.get(page).context["programmes"][0]["joined"]
    assert resident.post(page, {"do": "opt_out", "event": "nothing"}).status_code == 404
    assert resident.post(page, {"do": "dance"}).status_code == 400


def test_the_own_part_beside_the_others(browser: Callable[[str], Client]) -> None:
    event = events_town.announced()
    end(event)
    shown = browser("alice-of-01").get("/nodes/alice-flat-01/response/").context["past"]
    assert [(one["state"], one["others"]) for one in shown] == [("over", "")]
    assert float(shown[0]["given"]) > 0
    operator = browser("alice-operator")
    result = operator.get("/response/?state=ended").context["history"]
    assert result[0]["achieved"] == "2.0 (measured: 1 of 3 places)"
    shown = operator.get(f"/response/events/{event.code}/").context["progress"]
    assert shown["held_word"] == "Achieved (measured: 1 of 3 places)"
    assert shown["held"] == "2.0"


def test_too_late_is_said(visit: Callable[[str], Client]) -> None:
    events_town.open_programme(opt_out_s=7200, opt_out_within=False)
    event = events_town.announced()
    answer = visit("alice-of-01").post(
        "/nodes/alice-flat-01/response/", {"do": "opt_out", "event": event.code}
    )
    assert answer.status_code == 422
    assert "too late" in text_of(answer)


def test_who_is_never_asked(browser: Callable[[str], Client]) -> None:
    operator, page = browser("alice-operator"), "/response/programmes/"
    form = {"node": "alice-flat-01", "kind": "vulnerable", "reason": "ventilator"}
    for wrong in ({"reason": ""}, {"kind": "x"}, {"node": "bob-flat-01"}):
        assert operator.post(page, form | wrong).status_code == 422
    assert operator.post(page, form).status_code == 302
    assert [one["node"] for one in operator.get(page).context["exemptions"]] == ["alice-flat-01"]
    resident = browser("alice-of-01").get("/nodes/alice-flat-01/response/")
    assert resident.context["exempt"] == ["vulnerable customer"]
    event = events_town.drafted()
    left = operator.get(f"/response/events/{event.code}/").context["preview"]["left_out"]
    assert ("never asked: excluded or vulnerable", "1") in left
    assert operator.post(page, form | {"do": "end"}).status_code == 302
    assert not operator.get(page).context["exemptions"]


@pytest.mark.parametrize(
    ("username", "path", "status"),
    [
        ("alice-resident", "/response/programmes/", 403),
        ("alice-resident", "/response/programmes/evening/", 404),
        ("alice-resident", "/response/new/", 403),
        ("alice-resident", "/nodes/alice-flat-02/response/", 404),
        ("alice-resident", "/response/events/{code}/", 404),
        ("bob-operator", "/response/events/{code}/", 404),
        ("bob-operator", "/response/programmes/evening/", 404),
        ("bob-operator", "/nodes/alice-flat-01/response/", 404),
        ("alice-nobody", "/response/", 403),
        ("alice-manager", "/nodes/alice-flat-01/response/", 200),
    ],
)
def test_nobody_sees_what_is_not_his(
    browser: Callable[[str], Client], username: str, path: str, status: int
) -> None:
    event = events_town.announced()
    answer = browser(username).get(path.format(code=event.code))
    assert answer.status_code == status


def test_only_the_consumer_decides(browser: Callable[[str], Client]) -> None:
    event = events_town.announced()
    form = {"do": "opt_out", "event": event.code}
    answer = browser("alice-manager").post("/nodes/alice-flat-01/response/", form)
    assert answer.status_code == 403


def test_why_a_place_failed_in_words() -> None:
    assert detail_text("overruled by 20260112-ab: 12 W above") == "overruled by 20260112-ab (+12 W)"
    assert detail_text("not_heard") == "its gateway was never heard"
    assert detail_text("something new: 5") == "something new"
    assert detail_text("") == ""


def test_a_looser_mark_waits_for_a_second_person(visit: Callable[[str], Client]) -> None:
    """Who may announce takes the mark away that guards him: it stays until another has agreed."""
    events_town.open_programme(second_person_kw=Decimal("0.1"))
    operator, second = visit("alice-operator"), visit("alice-second")
    page = "/response/programmes/evening/"
    form = operator.get(f"{page}edit/").context["form"]
    sent = {name: "" if value is None else value for name, value in form.initial.items()}
    changed = operator.post(f"{page}edit/", sent | {"second_person_kw": "", "title": "Evenings"})
    assert changed["Location"] == page
    shown = operator.get(page)
    assert "counts once another has agreed" in text_of(shown)
    mark = shown.context["mark"]
    assert (mark["now"], mark["wanted"], mark["author"]) == ("0.1 kW", "never", "alice-operator")
    assert (mark["approves"], mark["withdraws"]) == (False, True)
    event = operator.post("/response/new/", EVENT)["Location"]
    assert operator.post(event, {"do": "announce"}).status_code == 422
    agree = {"do": "approve_mark", "seen": mark["seen"]}
    assert operator.post(page, agree).status_code == 422
    assert second.post(page, agree | {"seen": "7"}).status_code == 422
    assert operator.post(event, {"do": "announce"}).status_code == 422
    assert second.get(page).context["mark"]["approves"]
    assert second.post(page, agree).status_code == 302
    assert operator.get(page).context["mark"] is None
    assert operator.post(event, {"do": "announce"}).status_code == 302


def test_a_looser_mark_is_withdrawn(visit: Callable[[str], Client]) -> None:
    events_town.open_programme(second_person_kw=Decimal("0.1"))
    events_town.open_programme("winter")
    operator, page = visit("alice-operator"), "/response/programmes/winter/"
    assert operator.get(page).context["mark"]["now"] == "0.1 kW"
    assert operator.post(page, {"do": "withdraw_mark"}).status_code == 302
    assert operator.get(page).context["mark"] is None
    assert "0.1 kW" in dict(operator.get(page).context["terms"])["Second person above"]
