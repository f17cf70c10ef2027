"""Devices and files through the API: found, prepared, mounted, exchanged, imported."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.web import town
from tests.web.api_client import Ask, asking, key

from balans.core.words import DeviceKind
from balans.storage import found, lookups
from balans.storage.api_keys import Scope
from balans.storage.flush import flush_inbox
from balans.storage.found import Heard
from balans.storage.models import Limit
from balans.storage.scope import system_scope

POINT = "alice-flat-01-el"
WIDE = frozenset({Scope.WRITE_REGISTRY, Scope.WRITE_READINGS, Scope.READ_REGISTRY})


@pytest.fixture
def ask(utilities: Any) -> Ask:
    """Ask with a key of Alice's operator."""
    assert utilities.alice
    return asking(key())


def heard(serial: int, hub: str = "alice-hub") -> None:
    with system_scope():
        known = lookups.hub(hub)
        assert known is not None
        device = Heard(
            kind=DeviceKind.MODULE,
            code=str(serial),
            inputs=2,
            tenant_id=known.tenant_id,
            hub_id=known.id,
        )
        found.note([device], town.NOW)


def test_a_found_module_is_refused_taken_back_and_mounted(ask: Ask) -> None:
    heard(1500)
    assert [one["code"] for one in ask("found")[1]] == ["1500"]
    assert ask("found/1500/refuse", {"reason": "not ours"})[1]["state"] == "refused"
    assert ask("found")[1] == []
    assert ask("found/1500/take-back", {})[1]["state"] == "found"
    order = {
        "serial": 1500,
        "place": "alice-flat-02",
        "inputs": [
            {
                "number": 1,
                "resource": "hot_water",
                "meter": "HW-1",
                "pulse_weight": "10 l",
                "dial": 12.5,
            }
        ],
    }
    status, done = ask("mountings", order)
    assert status == 200
    assert (done["new_module"], done["changed"]) == (True, True)
    (mounted,) = done["inputs"]
    assert ask("found")[1] == []
    _, point = ask(f"points/{mounted['point']}")
    assert (point["resource"], point["mountings"][0]["meter"]) == ("hot_water", "HW-1")
    assert point["mountings"][0]["dial_at_mount"] == 12.5
    assert ask("mountings", order)[1]["changed"] is False


def test_a_found_module_of_others_is_not_seen(ask: Ask) -> None:
    heard(2500, "bob-hub")
    assert ask("found")[1] == []
    assert ask("found/2500/refuse", {})[0] in {404, 409}
    order = {"serial": 2500, "place": "bob-flat-01", "inputs": []}
    assert ask("mountings", order)[0] == 404


def test_places_are_prepared_and_withdrawn(ask: Ask) -> None:
    text = "code,place,input,resource,meter,pulse_weight\n1600,alice-flat-03,1,heat,H-3,1 kWh\n"
    assert ask("prepared", {"list": text}) == (
        201,
        {"prepared": 1, "unchanged": 0, "accepted": 0},
    )
    (one,) = ask("prepared")[1]
    assert (one["code"], one["place"], one["state"]) == ("1600", "alice-flat-03", "waiting")
    status, problem = ask("prepared", {"list": text.replace("heat", "steam")})
    assert status == 422
    assert "line 2" in problem["errors"][0]["field"]
    _, left = ask(f"prepared/{one['id']}/withdraw", {})
    assert [item["state"] for item in left] == ["withdrawn"] or left == []
    assert ask(f"prepared/{one['id']}/withdraw", {})[0] == 404


def test_a_meter_is_exchanged_back_dated(ask: Ask) -> None:
    town.seed_readings("alice", 1000)
    body = {"new": "E-NEW", "at": "2026-01-11T12:00", "outputs": [{"point": POINT}]}
    assert ask(f"points/{POINT}/exchange", body) == (201, {"points": 1})
    _, point = ask(f"points/{POINT}")
    assert [one["meter"] for one in point["mountings"]] == [POINT, "E-NEW"]
    assert point["mountings"][1]["valid_from"] == "2026-01-11T11:00:00Z"
    status, problem = ask(f"points/{POINT}/exchange", body | {"at": "2025-01-01"})
    assert (status, problem["errors"][0]["field"]) == (422, "at")


def send(path: str, text: str, made: Any = None, **fields: Any) -> tuple[int, Any]:
    client = Client(headers={"Authorization": f"Bearer {(made or key()).text}"})
    file = SimpleUploadedFile("readings.csv", text.encode(), "text/csv")
    answer = client.post(f"/api/v1/imports/{path}", {"file": file, **fields})
    return answer.status_code, answer.json()


CSV = "point,time,register\n{0},2026-01-09T00:00:00Z,10\n{0},2026-01-09T01:00:00Z,25\n"


def test_readings_are_imported_and_repeating_changes_nothing(ask: Ask) -> None:
    text = CSV.format("alice-flat-01-el").replace("01-09", "01-11")
    status, checked = send("readings", text, check="true")
    assert (status, checked["state"], checked["result"]["new"]) == (201, "checked", 2)
    status, done = send("readings", text)
    assert (status, done["state"], done["result"]["new"]) == (201, "applied", 2)
    flush_inbox(town.NOW)
    _, page = ask(f"points/{POINT}/readings", **{"from": "2026-01-11", "to": "2026-01-12"})
    assert [one["register_pulses"] for one in page["items"]] == [10, 25]
    assert send("readings", text)[1]["result"]["new"] == 0
    _, listed = ask("imports")
    assert {one["name"] for one in listed["items"]} == {"readings.csv"}


def test_what_is_wrong_with_a_file_is_told_by_line(ask: Ask) -> None:
    text = CSV.format("alice-flat-01-el") + "nowhere,2026-01-11T02:00:00Z,5\n"
    status, done = send("readings", text)
    assert (status, done["state"]) == (201, "refused")
    assert 4 in {one["line"] for one in done["findings"]}
    _, page = ask(f"imports/{done['id']}/findings", limit=1)
    assert page["items"][0]["what"]


@pytest.mark.usefixtures("ask")
def test_readings_of_others_are_not_there() -> None:
    status, done = send("readings", CSV.format("bob-flat-01-el"))
    assert (status, done["state"]) == (201, "refused")
    below = key(node="alice-flat-02", scopes=WIDE)
    status, done = send("readings", CSV.format("alice-flat-01-el"), below)
    assert (status, done["state"]) == (201, "refused")
    assert "is not registered" in str(done["findings"])
    assert (
        send(
            "readings",
            CSV,
            key("alice-resident", "alice-flat-01", frozenset({Scope.WRITE_READINGS})),
        )[0]
        == 403
    )


def test_a_registry_is_exported_and_imported_again(ask: Ask) -> None:
    made = key(scopes=WIDE)
    client = Client(headers={"Authorization": f"Bearer {made.text}"})
    answer = client.get("/api/v1/registry.csv")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    text = answer.content.decode()
    assert "alice-flat-01" in text
    assert "bob" not in text
    nodes = "[nodes]\ncode,name,kind,parent\nalice-new,New house,building,alice-street\n"
    status, done = send("registry", nodes, made)
    assert (status, done["state"], done["result"]["created"]) == (201, "applied", 1)
    assert ask("nodes/alice-new")[0] == 200


@pytest.mark.usefixtures("ask")
def test_no_key_makes_accounts_or_changes_all_from_a_part() -> None:
    accounts = "[accounts]\nusername,display_name\nmallory,Mallory\n"
    status, problem = send("registry", accounts)
    assert (status, problem["code"]) == (403, "forbidden")
    nodes = "[nodes]\ncode,name,kind,parent\nalice-new,New,building,alice-street\n"
    assert send("registry", nodes, key(node="alice-house", scopes=WIDE))[0] == 403
    part = asking(key(node="alice-house", scopes=WIDE))
    assert part("imports")[0] == 403


@pytest.mark.usefixtures("ask")
def test_a_key_for_the_registry_sets_no_limit_and_learns_of_no_account() -> None:
    made = key(scopes=WIDE)
    limits = "[Limits]\nnode,name,kw\nalice-house,contract,0.1\n"
    status, problem = send("registry", limits, made)
    assert (status, problem["code"]) == (403, "forbidden")
    with system_scope():
        assert {str(row.kw) for row in Limit.objects.filter(name="contract")} == {"12.000"}
    client = Client(headers={"Authorization": f"Bearer {made.text}"})
    text = client.get("/api/v1/registry.csv").content.decode()
    assert "alice-resident" not in text
    assert "[limits]" not in text
    status, done = send("registry", text, made)  # what is given can be brought again
    assert (status, done["state"], done["result"]["updated"]) == (201, "applied", 0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"timezone": "Europe/Nowhere"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"columns": "point"}, "columns"),
        ({"columns": "colour=red"}, "columns"),
        ({"wide": "castles"}, "wide"),
        ({"max_gap_h": "0"}, "max_gap_h"),
        ({"max_gap_h": "nan"}, "max_gap_h"),
        ({"tolerance_s": "4000"}, "tolerance_s"),
    ],
)
@pytest.mark.usefixtures("ask")
def test_a_wrong_field_of_a_form_is_named(fields: dict[str, str], field: str) -> None:
    status, problem = send("readings", CSV.format(POINT), **fields)
    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.usefixtures("ask")
def test_a_file_is_needed() -> None:
    client = Client(headers={"Authorization": f"Bearer {key().text}"})
    answer = client.post("/api/v1/imports/readings", {"check": "true"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "file"
