"""Marks, edits, events, dials and the change of a meter, as people do them on pages."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from tests.web import town

from balans.core.hours import hour_of
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Reading, pack
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.usecases.registry_plan import AccountPlan

POINT = "/points/alice-flat-01-el/"
DAY = f"{POINT}?date=2026-01-11"
VALIDITY = f"{POINT}validity/?date=2026-01-11"
PAGES = (
    "/nodes/{}-house/events/",
    "/nodes/{}-house/dials/",
    "/points/{}-flat-01-el/events/",
    "/points/{}-flat-01-el/dials/",
    "/points/{}-flat-01-el/validity/",
    "/points/{}-flat-01-el/meter/",
)
MARK = {
    "action": "mark",
    "start": "2026-01-11T09:00",
    "end": "2026-01-11T12:00",
    "reason": "meter tested",
}


def flag(*rows: tuple[int, Flag], serial: int = 1004) -> None:
    """Let a module report input 1 some hours before now, with a flag."""
    now = hour_of(town.NOW)
    readings = [Reading(serial, 1, now - hours, 500 - hours, int(f)) for hours, f in rows]
    entry = Entry(EntryKind.READINGS, pack(readings))
    store_batch("alice-hub", Batch.of(99, 0, (entry,)), town.NOW)
    flush_inbox(town.NOW)


def photo(name: str = "meter.png") -> SimpleUploadedFile:
    data = BytesIO()
    Image.new("RGB", (30, 40), (200, 200, 200)).save(data, "PNG")
    return SimpleUploadedFile(name, data.getvalue(), "image/png")


@pytest.mark.parametrize("path", PAGES)
def test_pages_of_another_tenant_are_not_there(operator: Client, path: str) -> None:
    assert operator.get(path.format("alice")).status_code == 200
    assert operator.get(path.format("bob")).status_code == 404
    assert operator.post(path.format("bob"), {}).status_code in {404, 405}


def test_a_resident_sees_the_own_point_and_judges_nothing(resident: Client) -> None:
    for path in PAGES[2:]:
        assert resident.get(path.format("alice")).status_code == 200
        assert resident.get(path.format("alice").replace("-01-", "-02-")).status_code == 404
    assert resident.get("/nodes/alice-flat-01/events/").status_code == 200
    assert resident.get("/nodes/alice-flat-01/dials/").status_code == 403
    assert "Mark as incorrect" not in resident.get(VALIDITY).content.decode()
    assert "Change the meter" not in resident.get(f"{POINT}meter/").content.decode()
    assert resident.post(VALIDITY, MARK).status_code == 403
    assert resident.post(f"{POINT}meter/", {"serial": "x"}).status_code == 403


def test_a_mark_reaches_the_day_and_is_ended_and_taken_back(operator: Client) -> None:
    town.seed_readings()
    answer = operator.post(VALIDITY, MARK, follow=True)
    assert "The point is marked" in answer.content.decode()
    page = operator.get(DAY)
    rows = page.context["profile"]["rows"]
    assert [rows[h]["quality_name"] for h in (8, 9, 11, 12)] == [
        "measured",
        "incorrect",
        "incorrect",
        "measured",
    ]
    assert not page.context["profile"]["complete"]
    assert "meter tested" in page.content.decode()
    mark = page.context["marks"][0]["id"]
    operator.post(VALIDITY, {"action": "void", "mark": str(mark)})
    assert operator.get(DAY).context["profile"]["complete"]
    assert operator.get(VALIDITY).context["marks"][0]["void"]
    assert operator.get(DAY).context["marks"] == []


def test_a_mark_until_further_notice_ends_by_a_button(operator: Client) -> None:
    town.seed_readings()
    operator.post(VALIDITY, MARK | {"end": ""})
    mark = operator.get(VALIDITY).context["marks"][0]
    assert mark["end"] == ""
    answer = operator.post(VALIDITY, {"action": "end", "mark": str(mark["id"])}, follow=True)
    assert "The mark ends now" in answer.content.decode()
    assert operator.get(VALIDITY).context["marks"][0]["end"] == "12 January 2026, 18:00"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"reason": " "}, "Say why"),
        ({"start": ""}, "Give day and hour"),
        ({"start": "yesterday"}, "is no time"),
        ({"start": "9999-12-31T23:59"}, "It must begin by now"),
        ({"start": "0001-01-01T00:00"}, "is no time"),
        ({"end": "2026-01-11T08:00"}, "end later than it begins"),
    ],
)
def test_what_is_wrong_with_a_mark_is_said(
    operator: Client, change: dict[str, str], text: str
) -> None:
    answer = operator.post(VALIDITY, MARK | change)
    assert answer.status_code == 422
    assert text in answer.content.decode()


@pytest.mark.parametrize(
    "sent",
    [{}, {"action": "nothing"}, {"action": "end"}, {"action": "void", "mark": "9" * 30}],
)
def test_what_no_button_sends_is_refused(operator: Client, sent: dict[str, str]) -> None:
    assert operator.post(VALIDITY, sent).status_code in {400, 404}


def test_a_register_is_edited_and_the_sums_follow(operator: Client) -> None:
    town.seed_readings()
    hour = "2026-01-11T11:00:00+00:00"  # 12:00 in Paris
    edit = {"action": "edit", "hour": hour, "kind": "correct", "register": "27 916", "reason": "x"}
    answer = operator.post(VALIDITY, edit, follow=True)
    assert "The register is edited" in answer.content.decode()
    rows = operator.get(DAY).context["profile"]["rows"]
    assert (rows[11]["used"], rows[12]["used"], rows[12]["register"]) == (
        "0.111",
        "0.110",
        "27,916",
    )
    assert [row["edited"] for row in rows[11:14]] == [False, True, False]
    assert operator.get(VALIDITY).context["edits"][0]["before"] == "27,915"
    operator.post(VALIDITY, edit | {"kind": "strike", "register": ""})
    assert operator.get(DAY).context["profile"]["rows"][12]["quality_name"] == "missing"
    operator.post(VALIDITY, edit | {"kind": "withdraw", "register": ""})
    row = operator.get(DAY).context["profile"]["rows"][12]
    assert (row["register"], row["edited"]) == ("27,915", False)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"register": ""}, "Give the register in pulses"),
        ({"register": "2147483648"}, "is no register"),
        ({"register": "-1"}, "is no register"),
        ({"hour": "2026-01-10T11:00:00+00:00"}, "Select a valid choice"),
        ({"reason": ""}, "Say why"),
    ],
)
def test_what_is_wrong_with_an_edit_is_said(
    operator: Client, change: dict[str, str], text: str
) -> None:
    town.seed_readings()
    hour = "2026-01-11T11:00:00+00:00"
    edit = {"action": "edit", "hour": hour, "kind": "correct", "register": "27916", "reason": "x"}
    answer = operator.post(VALIDITY, edit | change)
    assert answer.status_code == 422
    assert text in answer.content.decode()


def test_events_are_shown_filtered_and_paged(operator: Client) -> None:
    every_other = [(2 * n + 4, Flag.CONTACT_BOUNCE) for n in range(60)]
    flag(*every_other, (1, Flag.LOW_BATTERY), (0, Flag.LOW_BATTERY))
    page = operator.get("/nodes/alice-house/events/")
    rows = page.context["rows"]
    assert (rows[0]["kind"], rows[0]["end"]) == ("low battery", "")
    assert rows[1] == {
        "kind": "contact bounces",
        "tone": "warn",
        "start": "12 January 2026, 14:00",
        "start_iso": "2026-01-12T13:00:00+00:00",
        "end": "12 January 2026, 15:00",
        "point": "Electricity",
        "point_code": "alice-flat-04-el",
        "date": "2026-01-12",
        "place": "Flat 4",
        "module": "1004-1",
    }
    assert len(rows) == 50
    older = operator.get(f"/nodes/alice-house/events/{page.context['older']}")
    assert len(older.context["rows"]) == 11
    assert older.context["older"] == ""
    assert older.context["newest"] == "?"
    one = operator.get("/nodes/alice-house/events/?kind=low_battery")
    assert [row["kind"] for row in one.context["rows"]] == ["low battery"]
    day = operator.get("/points/alice-flat-04-el/events/?first=2026-01-11&last=2026-01-11")
    assert {row["date"] for row in day.context["rows"]} == {"2026-01-11"}
    assert operator.get("/nodes/alice-flat-01/events/").context["rows"] == []
    assert "No event in this time" in operator.get(f"{POINT}events/").content.decode()


@pytest.mark.parametrize(
    "query", ["kind=x", "first=x", "last=2026-13-01", "after=x", "first=2026-01-02&last=2026-01-01"]
)
def test_a_filter_that_makes_no_sense_is_said(operator: Client, query: str) -> None:
    assert operator.get(f"/nodes/alice-house/events/?{query}").status_code == 422


def test_marks_stand_beside_the_events(operator: Client) -> None:
    operator.post(VALIDITY, MARK)
    assert "meter tested" in operator.get("/nodes/alice-house/events/").content.decode()
    assert "meter tested" in operator.get(f"{POINT}events/").content.decode()
    old = operator.get("/nodes/alice-house/events/?first=2026-01-01&last=2026-01-10")
    assert old.context["marks"] == []


def test_a_reading_is_handed_in_with_a_photo_and_accepted(
    resident: Client, visit: Callable[[str], Client]
) -> None:
    operator = visit("alice-operator")
    sent = {"dial": "29,412", "at": "2026-01-12T16:00", "note": "dusty", "photo": photo()}
    answer = resident.post(f"{POINT}dials/", sent, follow=True)
    assert "Thank you" in answer.content.decode()
    (mine,) = answer.context["dials"]
    assert (mine["dial"], mine["state"], mine["has_photo"]) == ("29.412", "waits", True)
    picture = resident.get(f"/dials/{mine['id']}/photo.jpg")
    assert picture["Content-Type"] == "image/jpeg"
    assert Image.open(BytesIO(picture.content)).size == (30, 40)
    assert visit("bob-operator").get(f"/dials/{mine['id']}/photo.jpg").status_code == 404
    assert operator.get("/nodes/alice-house/").context["waiting"] == 1
    waiting = operator.get("/nodes/alice-house/dials/")
    assert [row["id"] for row in waiting.context["dials"]] == [mine["id"]]
    judge = {"action": "refuse", "reading": str(mine["id"]), "reason": " "}
    answer = operator.post("/nodes/alice-house/dials/", judge)
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    operator.post("/nodes/alice-house/dials/", judge | {"action": "accept"})
    assert operator.get("/nodes/alice-house/dials/").context["dials"] == []
    assert resident.get(f"{POINT}dials/").context["dials"][0]["state"] == "accepted"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dial": ""}, "Give what the meter shows"),
        ({"dial": "-1"}, "is no reading"),
        ({"dial": "1.2345"}, "is no reading"),
        ({"at": "2026-01-12T19:00"}, "Give a time up to now"),
        ({"at": "2026-01-09T19:00"}, "No meter was mounted"),
        ({"photo": SimpleUploadedFile("a.png", b"no picture")}, "JPEG, PNG or WebP"),
        ({"photo": SimpleUploadedFile("a.png", b"")}, "JPEG, PNG or WebP"),
        ({"note": "x" * 501}, "at most 500"),
    ],
)
def test_what_is_wrong_with_a_reading_is_said(
    resident: Client, change: dict[str, object], text: str
) -> None:
    sent = {"dial": "29412", "at": "2026-01-12T16:00", "note": ""} | change
    answer = resident.post(f"{POINT}dials/", sent)
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert answer.context["dials"] == []


def test_a_reading_of_this_very_minute_is_no_future(resident: Client, site_time: object) -> None:
    clock = site_time
    clock.set((town.NOW + timedelta(seconds=20)).timestamp())  # type: ignore[attr-defined]
    answer = resident.post(f"{POINT}dials/", {"dial": "1", "at": "2026-01-12T18:00", "note": ""})
    assert answer.status_code == 302


def test_who_may_nothing_judges_nothing(operator: Client, resident: Client) -> None:
    judge = {"action": "accept", "reading": "1"}
    assert resident.post("/nodes/alice-flat-01/dials/", judge).status_code == 403
    assert operator.post("/nodes/alice-house/dials/", judge).status_code == 404
    assert operator.post("/nodes/alice-house/dials/", {}).status_code == 400


def test_a_meter_is_exchanged_back_dated_and_the_day_follows(operator: Client) -> None:
    town.seed_readings()
    sent = {"serial": "N-77", "at": "2026-01-11T12:00", "weight": "500/kWh", "channel": ""}
    answer = operator.post(f"{POINT}meter/", sent, follow=True)
    assert "The meter is exchanged" in answer.content.decode()
    new, old = answer.context["meters"]
    assert (new["serial"], new["weight"], new["channel"]) == ("N-77", "500/kWh", "1001-1")
    assert (new["start"], new["end"], old["end"]) == (
        "11 January 2026, 12:00",
        "",
        "11 January 2026, 12:00",
    )
    rows = operator.get(DAY).context["profile"]["rows"]
    assert (rows[11]["used"], rows[12]["used"]) == ("0.110", "0.222")
    assert operator.get(DAY).context["profile"]["total"] == "4.074"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"serial": ""}, "Give the serial number"),
        ({"serial": "alice-flat-01-el"}, "That is the old meter"),
        ({"serial": "alice-flat-01-gas"}, "measures something else"),
        ({"serial": "alice-flat-02-el"}, "mounted elsewhere"),
        ({"at": "2026-01-11T12:30"}, "Needed within an hour"),
        ({"at": "2026-01-09T12:00"}, "No meter was mounted"),
        ({"at": "2026-01-13T12:00"}, "is to come"),
        ({"at": "2026-01-10T01:00"}, "came only later"),
        ({"weight": "two"}, "give it as on the meter"),
        ({"channel": "1-9"}, "Give module and input"),
        ({"channel": "77-1"}, "no such module"),
        ({"channel": "1001-2"}, "Another meter was on that input"),
        ({"dial_at_removal": "x"}, "is no reading"),
        ({"register_at_mount": "x"}, "is no register"),
    ],
)
def test_what_is_wrong_with_an_exchange_is_said(
    operator: Client, change: dict[str, str], text: str
) -> None:
    sent = {"serial": "N-77", "at": "2026-01-11T12:00", "weight": "", "channel": ""}
    answer = operator.post(f"{POINT}meter/", sent | change)
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert len(answer.context["meters"]) == 1


def test_a_meter_read_by_eye_alone_has_even_days(
    resident: Client, visit: Callable[[str], Client]
) -> None:
    """The water meter loses its module: it showed 10 m³ on 10 January and 13 m³ two days later."""
    plan = town.plan()
    old = next(one for one in plan.mountings if one.point == "alice-flat-01-cw")
    by_hand = replace(old, module=None, input=None, dial_at_mount=Decimal(10_000))
    apply_plan(replace(plan, mountings=(by_hand,), accounts=()))
    path = "/points/alice-flat-01-cw/"
    sent = {"dial": "13", "at": "2026-01-12T01:00", "note": ""}
    resident.post(f"{path}dials/", sent)
    operator = visit("alice-operator")
    (waiting,) = operator.get("/nodes/alice-house/dials/").context["dials"]
    assert not waiting["settable"]
    judge = {"action": "accept", "reading": str(waiting["id"]), "set_register": "yes"}
    answer = operator.post("/nodes/alice-house/dials/", judge)
    assert "is not known" in answer.content.decode()
    operator.post("/nodes/alice-house/dials/", judge | {"set_register": ""})
    page = operator.get(f"{path}?date=2026-01-11")
    profile = page.context["profile"]
    assert (profile["total"], profile["rows"][5]["quality_name"]) == ("1.500", "estimated")
    month = operator.get(f"{path}?date=2026-01").context["profile"]["rows"]
    assert [row["used"] for row in month if not row["missing"]] == ["1.438", "1.500"]
    assert operator.get(path).context["period"].iso == "2026-01-12"


def test_an_installer_reads_and_exchanges_meters_and_sees_nothing_else(
    visit: Callable[[str], Client],
) -> None:
    grants = (("installer", "alice-house"),)
    account = AccountPlan(username="alice-ivan", password=town.PASSWORD, grants=grants)
    apply_plan(replace(town.plan(), accounts=(account,)))
    ivan = visit("alice-ivan")
    sent = {"dial": "1", "at": "2026-01-12T16:00", "note": ""}
    assert ivan.post(f"{POINT}dials/", sent).status_code == 302
    visit("alice-resident").post(f"{POINT}dials/", sent)
    assert [row["author"] for row in ivan.get(f"{POINT}dials/").context["dials"]] == ["alice-ivan"]
    sent = {"serial": "N-77", "at": "2026-01-11T12:00", "weight": "", "channel": ""}
    assert ivan.post(f"{POINT}meter/", sent).status_code == 302
    assert len(ivan.get(f"{POINT}meter/").context["meters"]) == 2
    for path in ("", "events/", "validity/"):
        assert ivan.get(POINT + path).status_code == 403
