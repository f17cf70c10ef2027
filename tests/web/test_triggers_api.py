"""Triggers by programs: read, written down, changed, switched, ended."""

from typing import Any

import pytest
from tests.web import events_town, trigger_town
from tests.web.api_client import Ask, asking, key
from tests.web.conftest import Town

from balans.storage.api_keys import Scope

OWN = frozenset({Scope.READ_EVENTS, Scope.WRITE_RESPONSE})
TRIGGER: dict[str, Any] = {
    "code": "trafo",
    "programme": "evening",
    "node": "alice-house",
    "title": "Transformer",
    "overload": {"limit_kw": 9, "held_for_s": 60},
    "mode": "act",
    "cap_kw": 5,
}


@pytest.fixture
def ask(utilities: Town) -> Ask:
    assert utilities.alice
    events_town.open_programme()
    return asking(key())


def test_a_trigger_from_made_to_ended(ask: Ask) -> None:
    status, made = ask("triggers", TRIGGER)
    assert (status, made["state"], made["kind"]) == (201, "off", "overload")
    assert made["overload"]["end_share"] == 0.9
    assert made["last_look"] is None
    assert ask("triggers/trafo/state", {"state": "on"})[1]["state"] == "on"
    for minute in range(2):
        trigger_town.look(minute, 11_000)
    status, found = ask("triggers/trafo")
    look = found["last_look"]
    assert (status, look["did"], look["causes"]) == (200, "called", ["measured"])
    assert (look["power_kw"], look["limit_kw"]) == (11.0, 9.0)
    assert found["call"] == look["call"]
    assert ask(f"calls/{found['call']}")[1]["event"]["trigger"] == "trafo"
    assert [one["did"] for one in found["log"]] == ["called"]
    change = {name: TRIGGER[name] for name in ("title", "mode", "cap_kw")}
    peak = {"windows": [["17:00", "21:00"]], "limit_kw": 8}
    status, changed = ask("triggers/trafo", change | {"peak": peak, "per_day": 1})
    assert (status, changed["kind"], changed["overload"]) == (200, "peak", None)
    assert changed["peak"]["weekdays"] == [0, 1, 2, 3, 4]
    assert ask("triggers/trafo/state", {"state": "ended"})[1]["state"] == "ended"
    assert ask("triggers/trafo/state", {"state": "on"})[0] == 409
    assert [one["code"] for one in ask("triggers", state="ended")[1]] == ["trafo"]
    assert ask("triggers", state="on")[1] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"overload": None}, "overload"),
        ({"overload": {"limit_kw": 0}}, "overload.limit_kw"),
        ({"overload": {"limit_kw": 5, "end_share": 1.2}}, "overload.end_share"),
        ({"overload": {"limit_kw": 5, "kw": 1}}, "overload.kw"),
        ({"overload": None, "transformer": {"kva": 63}}, "overload"),
        ({"peak": {"windows": [["17:00", "25:00"]], "limit_kw": 5}}, "peak.windows.0.1"),
        ({"peak": {"windows": [], "limit_kw": 5}}, "peak.windows"),
        ({"price": {"begin": 0.3, "end": 0.4, "limit_kw": 5}}, "price.end"),
        ({"least_s": 7200, "most_s": 3600}, "most_s"),
        ({"cap_kw": -1}, "cap_kw"),
        ({"mode": "dance"}, "mode"),
        ({"code": "no way"}, "code"),
        ({"enabled": "yes"}, "enabled"),
    ],
)
def test_what_is_wrong_names_its_field(ask: Ask, change: dict[str, Any], field: str) -> None:
    status, answer = ask("triggers", TRIGGER | change)
    assert status == 422
    assert [one["field"] for one in answer["errors"]] == [field]


def test_a_code_is_there_once_and_a_place_belongs_to_the_programme(ask: Ask) -> None:
    assert ask("triggers", TRIGGER)[0] == 201
    assert ask("triggers", TRIGGER)[1]["errors"][0]["field"] == "code"
    events_town.open_programme("house")
    assert ask("triggers", TRIGGER | {"code": "other", "node": "bob-house"})[0] == 404


def test_who_may_not(ask: Ask) -> None:
    assert ask("triggers", TRIGGER)[0] == 201
    reads = asking(key(scopes=frozenset({Scope.READ_EVENTS})))
    assert reads("triggers/trafo")[0] == 200
    for path, body in (
        ("triggers", TRIGGER | {"code": "two"}),
        ("triggers/trafo", {"overload": {"limit_kw": 1}}),
        ("triggers/trafo/state", {"state": "on"}),
    ):
        assert reads(path, body)[1]["code"] == "scope_missing"
        bob = asking(key("bob-operator", "bob-city"))
        assert bob(path, body)[0] == 404
        below = asking(key("alice-operator", "alice-flat-01"))
        assert below(path, body)[0] == 404
    manager = asking(key("alice-manager", "alice-house", OWN))
    assert manager("triggers/trafo")[0] == 200
    assert manager("triggers/trafo/state", {"state": "on"})[0] == 403
    assert asking(key("alice-resident", "alice-flat-01", OWN))("triggers")[1] == []
    assert asking(key("bob-operator", "bob-city"))("triggers")[1] == []
    assert ask("triggers/trafo")[1]["state"] == "off"
