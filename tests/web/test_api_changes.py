"""What the API changes: marks, edits, dials, requests to read; and what follows in balances."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.web import town
from tests.web.api_client import Ask, asking, key

from balans.core.hours import hour_of
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Reading, pack
from balans.storage.api_keys import Scope
from balans.storage.balances import refresh
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch

POINT = "alice-flat-01-el"
DAY = {"from": "2026-01-11", "to": "2026-01-12"}


@pytest.fixture
def ask(utilities: Any) -> Ask:
    """Ask with a key of Alice's operator; three days of readings are there."""
    assert utilities
    town.seed_readings("alice", 1000)
    town.seed_readings("bob", 2000)
    return asking(key())


@pytest.fixture
def resident(ask: Ask) -> Ask:  # noqa: ARG001  (what it seeds)
    """Ask with a key of the resident of flat 1."""
    scopes = frozenset({Scope.READ_READINGS, Scope.WRITE_READINGS, Scope.ASK_READINGS})
    return asking(key("alice-resident", "alice-flat-01", scopes))


def day_of(ask: Ask, point: str = POINT) -> dict[str, Any]:
    _, page = ask(f"points/{point}/profile", step="day", **DAY)
    (day,) = page["items"]
    return dict(day)


def test_a_mark_makes_the_day_unknown_until_it_is_taken_back(ask: Ask) -> None:
    before = day_of(ask)
    assert before["quality"] == "measured"
    body = {"from": "2026-01-11T03:00", "to": "2026-01-11T05:00", "reason": "cable was cut"}
    status, mark = ask(f"points/{POINT}/marks", body)
    assert status == 201
    assert mark["author"] == "alice-operator"
    assert mark["start"] == "2026-01-11T02:00:00Z"
    assert day_of(ask)["quality"] == "incorrect"
    assert day_of(ask)["amount"] is None
    assert [one["reason"] for one in ask(f"points/{POINT}/marks", **DAY)[1]] == ["cable was cut"]
    status, mark = ask(f"marks/{mark['id']}/void", {})
    assert (status, mark["void"]) == (200, True)
    assert day_of(ask) == before
    assert ask(f"marks/{mark['id']}/void", {})[0] == 409


def test_a_mark_can_end(ask: Ask) -> None:
    _, mark = ask(f"points/{POINT}/marks", {"from": "2026-01-11", "reason": "odd"})
    assert mark["end"] is None
    status, mark = ask(f"marks/{mark['id']}/end", {"at": "2026-01-11T12:00:00Z"})
    assert (status, mark["end"]) == (200, "2026-01-11T12:00:00Z")
    assert ask(f"marks/{mark['id']}/end", {"at": "2026-01-01T00:00:00Z"})[0] == 422


def test_registers_are_edited_and_the_edit_is_told(ask: Ask) -> None:
    _, page = ask(f"points/{POINT}/readings", **DAY)
    at, register = page["items"][5]["time"], page["items"][5]["register_pulses"]
    change = {"time": at, "kind": "correct", "register_pulses": register + 50}
    body = {"reason": "read from the display", "changes": [change]}
    assert ask(f"points/{POINT}/edits", body) == (201, {"count": 1})
    _, page = ask(f"points/{POINT}/readings", **DAY)
    assert page["items"][5]["register_pulses"] == register + 50
    (edit,) = ask(f"points/{POINT}/edits", **DAY)[1]
    assert (edit["before_pulses"], edit["author"]) == (register, "alice-operator")


def test_a_dial_is_handed_in_by_one_and_accepted_by_another(ask: Ask, resident: Ask) -> None:
    status, dial = resident(f"points/{POINT}/dials", {"dial": "1234.567", "note": "by eye"})
    assert (status, dial["state"], dial["source"]) == (201, "proposed", "consumer")
    assert (dial["dial"], dial["unit"]) == (1234.567, "kWh")
    assert resident(f"dials/{dial['id']}/accept", {})[0] == 403
    assert [one["id"] for one in ask("nodes/alice-city/dials")[1]] == [dial["id"]]
    status, dial = ask(f"dials/{dial['id']}/accept", {"reason": "fits"})
    assert (status, dial["state"], dial["reviewer"]) == (200, "accepted", "alice-operator")
    assert ask(f"dials/{dial['id']}/accept", {})[0] == 409
    status, dial = ask(f"dials/{dial['id']}/refuse", {"reason": "no, it does not"})
    assert (status, dial["state"]) == (200, "refused")
    assert [one["state"] for one in resident(f"points/{POINT}/dials")[1]] == ["refused"]


def test_a_meter_is_asked_to_read_now(resident: Ask) -> None:
    assert resident(f"points/{POINT}/read-now")[0] == 404
    status, request = resident(f"points/{POINT}/read-now", {"reason": "moving out"})
    assert (status, request["state"]) == (202, "queued")
    _, again = resident(f"points/{POINT}/read-now", {})
    assert again["id"] == request["id"]
    assert resident(f"points/{POINT}/read-now")[1]["id"] == request["id"]
    deadline, created = (datetime.fromisoformat(request[one]) for one in ("deadline", "created"))
    assert deadline - created < timedelta(minutes=1)


def test_delivery_is_proved_hour_by_hour(ask: Ask) -> None:
    (proof,) = ask(f"points/{POINT}/proof", **DAY)[1]
    assert (proof["channel"], proof["due"], proof["came"], proof["missing"]) == (
        "1001-1",
        24,
        24,
        0,
    )
    assert proof["completeness"] == 1.0
    (proof,) = ask("points/alice-flat-04-el/proof", **DAY)[1]
    assert (proof["came"], proof["missing"]) == (0, 24)
    assert {gap["cause"] for gap in proof["gaps"]} == {"never_heard"}


def test_events_of_inputs_are_listed(ask: Ask) -> None:
    for hour in (datetime(2026, 1, 11, 4, tzinfo=UTC), datetime(2026, 1, 11, 9, tzinfo=UTC)):
        flagged = Reading(1001, 1, hour_of(hour), 5, Flag.MAGNETIC_FIELD)
        entry = Entry(EntryKind.READINGS, pack([flagged]))
        store_batch("alice-hub", Batch.of(9, hour_of(hour), (entry,)), town.NOW)
    flush_inbox(town.NOW)
    _, first = ask("nodes/alice-house/events", limit=1, **DAY)
    _, second = ask("nodes/alice-house/events", limit=1, cursor=first["next"], **DAY)
    found = [*first["items"], *second["items"]]
    assert [one["start"] for one in found] == ["2026-01-11T09:00:00Z", "2026-01-11T04:00:00Z"]
    assert {one["kind"] for one in found} == {"magnetic_field"}
    assert {one["point"] for one in found} == {POINT}
    assert second["next"] is None
    assert len(ask(f"points/{POINT}/events", **DAY)[1]["items"]) == 2
    assert ask(f"points/{POINT}/events", kind="line_break", **DAY)[1]["items"] == []


def test_a_balance_names_what_keeps_it_unknown(ask: Ask) -> None:
    refresh(town.NOW)
    groups = ask("nodes/alice-house/balances")[1]
    assert "electricity" in {group["resource"] for group in groups}
    status, report = ask("nodes/alice-house/balance", step="hour", limit=5, **DAY)
    assert status == 200
    assert (report["unit"], report["timezone"]) == ("kWh", "Europe/Paris")
    assert len(report["items"]) == 5
    line = report["items"][0]
    assert line["losses_technical"] is None
    assert line["imbalance"] is None
    assert line["completeness"] < 1
    assert {"point": "alice-flat-04-el", "side": "outflow", "state": "missing"} in line["doubts"]
    _, plain = ask("nodes/alice-house/balance", step="hour", limit=5, doubts="false", **DAY)
    assert [one["doubts"] for one in plain["items"]] == [[]] * 5
    _, rest = ask("nodes/alice-house/balance", step="hour", limit=5, cursor=report["next"], **DAY)
    assert rest["items"][0]["start"] == report["items"][-1]["end"]
    assert ask("nodes/alice-house/balance", resource="heat", **DAY)[0] == 404


def test_duties_are_told_to_who_audits_everything(ask: Ask, resident: Ask) -> None:
    assert ask("duties") == (200, [])
    assert resident("duties")[0] == 403


STRIKE = {"time": "2026-01-11T00:00Z", "kind": "strike"}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("points/{}-flat-02-el/marks", {"from": "2026-01-11", "reason": "x"}),
    ("points/{}-flat-02-el/edits", {"reason": "x", "changes": [STRIKE]}),
    ("points/{}-flat-02-el/dials", {"dial": 5}),
    ("points/{}-flat-02-el/read-now", {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), CHANGES, ids=[path[20:] for path, _ in CHANGES])
def test_nothing_of_others_is_changed(
    ask: Ask, resident: Ask, path: str, body: dict[str, Any]
) -> None:
    assert ask(path.format("alice"), body)[0] in {201, 202}
    assert ask(path.format("bob"), body)[0] == 404
    limited = frozenset(set(Scope) - {Scope.WRITE_MARKS, Scope.WRITE_READINGS, Scope.ASK_READINGS})
    assert asking(key(scopes=limited))(path.format("alice"), body)[0] == 403
    assert resident(path.format("alice"), body)[0] in {403, 404}
    below = asking(key(node="alice-flat-01"))
    assert below(path.format("alice"), body)[0] == 404


def test_marks_and_dials_of_others_have_no_number(ask: Ask) -> None:
    bob = asking(key("bob-operator", "bob-city"))
    _, mark = ask(f"points/{POINT}/marks", {"from": "2026-01-11", "reason": "x"})
    _, dial = ask(f"points/{POINT}/dials", {"dial": 5})
    for path, body in (
        (f"marks/{mark['id']}/end", {}),
        (f"marks/{mark['id']}/void", {}),
        (f"dials/{dial['id']}/accept", {}),
        (f"dials/{dial['id']}/refuse", {"reason": "x"}),
    ):
        assert bob(path, body)[0] == 404


Wrong = tuple[str, Any, str]
WRONG: list[Wrong] = [
    ("marks", {"from": "2026-01-11", "reason": ""}, "reason"),
    ("marks", {"from": "2026-01-11", "reason": "a\0b"}, "reason"),
    ("marks", {"from": "2026-01-11", "to": "2026-01-10", "reason": "x"}, "period"),
    ("marks", {"reason": "x"}, "from"),
    ("edits", {"reason": "x", "changes": []}, "changes"),
    ("edits", {"reason": "x", "changes": [{"time": "soon", "kind": "strike"}]}, "changes.0.time"),
    ("edits", {"reason": "x", "changes": [{"time": "2026-01-11T00:30", "kind": "strike"}]}, "time"),
    ("dials", {"dial": -1}, "dial"),
    ("dials", {"dial": "NaN"}, "dial"),
    ("dials", {"dial": 1, "at": "2027-01-01"}, "time"),
    ("dials", {"dial": 1, "unit": "kWh"}, "unit"),
    ("read-now", {"reason": "x" * 201}, "reason"),
    ("read-now", {"reasons": "x"}, "reasons"),
]


@pytest.mark.parametrize(("what", "body", "field"), WRONG, ids=[f"{n}" for n in range(len(WRONG))])
def test_a_wrong_field_of_a_body_is_named(ask: Ask, what: str, body: Any, field: str) -> None:
    status, problem = ask(f"points/{POINT}/{what}", body)
    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_body_that_is_no_json_is_a_problem(ask: Ask) -> None:
    status, problem = ask(f"points/{POINT}/dials", "{")
    assert (status, problem["code"]) == (400, "unreadable")


def test_a_browser_needs_its_token_to_change_something(visit: Callable[[str], Any]) -> None:
    from django.test import Client

    logged_in = visit("alice-operator")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = logged_in.cookies
    path, body = f"/api/v1/points/{POINT}/dials", {"dial": 5}
    assert strict.post(path, body, content_type="application/json").status_code == 403
    assert logged_in.post(path, body, content_type="application/json").status_code == 201


def test_what_is_sent_again_with_its_key_is_done_once(ask: Ask) -> None:
    token = str(uuid4())
    body = {"dial": 7, "at": "2026-01-11T10:00", "note": "sent twice"}
    path = f"points/{POINT}/dials"
    first = ask(path, body, headers={"Idempotency-Key": token})
    assert first[0] == 201
    assert ask(path, body, headers={"Idempotency-Key": token}) == first
    assert len(ask(path)[1]) == 1
    status, problem = ask("points/alice-flat-02-el/dials", body, headers={"Idempotency-Key": token})
    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    other = asking(key())  # of the same person, who may hold it to less than the first
    assert other(path, body, headers={"Idempotency-Key": token})[0] == 422
    assert ask(path, body, headers={"Idempotency-Key": "seven"})[0] == 422
    refused = str(uuid4())
    assert ask(path, body | {"dial": -1}, headers={"Idempotency-Key": refused})[0] == 422
    assert ask(path, body, headers={"Idempotency-Key": refused})[0] == 201
    bob = asking(key("bob-operator", "bob-city"))
    own = bob("points/bob-flat-01-el/dials", body, headers={"Idempotency-Key": token})
    assert (own[0], own[1]["point"]) == (201, "bob-flat-01-el")
