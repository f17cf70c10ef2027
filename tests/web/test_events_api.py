"""Demand response by programs: read, drafted, announced, cancelled, left."""

from typing import Any

import pytest
from tests.web import events_town
from tests.web.api_client import Ask, asking, key
from tests.web.conftest import Town

from balans.storage.api_keys import Scope

OWN = frozenset({Scope.READ_EVENTS, Scope.WRITE_RESPONSE})
DRAFT: dict[str, Any] = {
    "programme": "evening",
    "kind": "limit",
    "steps": [{"from": "2026-01-12T19:00", "to": "2026-01-12T20:00", "value": 500}],
    "reason": "cold evening",
    "wanted_kw": 1,
}


@pytest.fixture
def ask(utilities: Town) -> Ask:
    assert utilities.alice
    events_town.open_programme()
    return asking(key())


def test_an_event_from_draft_to_cancelled(ask: Ask) -> None:
    status, programmes = ask("programmes")
    assert status == 200
    assert [one["code"] for one in programmes] == ["evening"]
    status, draft = ask("calls", DRAFT)
    assert (status, draft["state"]) == (201, "draft")
    assert draft["steps"][0]["start"] == "2026-01-12T18:00:00Z"
    assert draft["expected_kw"] > 0
    url = f"calls/{draft['code']}"
    assert ask(f"{url}/announce", {})[1]["state"] == "announced"
    assert ask(f"{url}/announce", {})[0] == 409
    status, found = ask(url)
    assert (status, found["asked"], found["heard"]) == (200, 3, 0)
    assert {one["state"] for one in found["places"]} == {"queued"}
    resident = asking(key("alice-of-01", "alice-flat-01", OWN))
    assert resident("nodes/alice-flat-01/opt-out", {"event": draft["code"]}) == (200, {"ended": 1})
    assert resident(url)[0] == 404
    assert ask("nodes/alice-flat-02/opt-out", {"event": draft["code"]})[0] == 403
    assert ask(f"{url}/cancel", {"reason": "warm"})[1]["state"] == "cancelled"
    assert [one["code"] for one in ask("calls", state="cancelled")[1]] == [draft["code"]]
    assert ask("calls", state="active")[1] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"node": "alice-city", "steps": []}, "steps"),
        ({"steps": [{"from": "2026-01-12T19:00", "to": "2026-01-12T18:00", "value": 1}]}, "steps"),
        ({"steps": [{"from": "2026-01-10", "to": "2026-01-11", "value": 1}]}, "steps"),
        ({"steps": [{"from": "soon", "to": "2026-01-11", "value": 1}]}, "steps.0.from"),
        ({"wanted_kw": 0}, "wanted_kw"),
        ({"priority": 10}, "priority"),
        ({"kind": "eco"}, "steps"),
        ({"reason": " "}, "reason"),
    ],
)
def test_what_is_wrong_names_its_field(ask: Ask, change: dict[str, Any], field: str) -> None:
    status, answer = ask("calls", DRAFT | change)
    assert status == 422
    assert [one["field"] for one in answer["errors"]] == [field]


def test_who_may_not(ask: Ask) -> None:
    code = ask("calls", DRAFT)[1]["code"]
    reads = asking(key(scopes=frozenset({Scope.READ_EVENTS})))
    assert reads(f"calls/{code}")[0] == 200
    assert reads("calls", DRAFT)[1]["code"] == "scope_missing"
    bob = asking(key("bob-operator", "bob-city"))
    assert bob("calls", DRAFT)[0] == 404
    assert bob(f"calls/{code}")[0] == 404
    assert bob(f"calls/{code}/announce", {})[0] == 404
    resident = asking(key("alice-resident", "alice-flat-01", OWN))
    assert resident("calls", DRAFT)[0] == 404
    assert resident("calls")[1] == []
