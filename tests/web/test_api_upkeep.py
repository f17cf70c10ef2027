"""The API: upkeep of devices, groups by hand, photos, and all of a subtree at once."""

from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from tests.web import town
from tests.web.api_client import Ask, asking, key

from balans.core.words import DeviceKind
from balans.protocols.claim import claim_of
from balans.storage import found
from balans.storage.api_keys import NewKey, Scope
from balans.storage.balances import refresh
from balans.storage.found import Heard
from balans.storage.scope import system_scope

POINT = "alice-flat-01-el"
DAY = {"from": "2026-01-11", "to": "2026-01-12"}


@pytest.fixture
def made(utilities: Any) -> NewKey:
    """A key of Alice's operator; three days of readings of both utilities are there."""
    assert utilities.alice
    town.seed_readings("alice", 1000)
    town.seed_readings("bob", 2000)
    return key()


@pytest.fixture
def ask(made: NewKey) -> Ask:
    return asking(made)


def test_all_registers_of_a_subtree_come_in_pages(ask: Ask) -> None:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = ask("nodes/alice-riser/readings", limit=50, **cursor, **DAY)
        assert status == 200
        rows += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(rows) == 3 * 3 * 24
    assert len({(row["channel"], row["time"]) for row in rows}) == len(rows)
    assert [row["channel"] for row in rows] == sorted(row["channel"] for row in rows)
    own = [row for row in rows if row["point"] == POINT]
    _, page = ask(f"points/{POINT}/readings", **DAY)
    assert [row["register_pulses"] for row in own] == [
        row["register_pulses"] for row in page["items"]
    ]


def test_what_an_input_counted_elsewhere_is_not_told(ask: Ask) -> None:
    """The module of flat 1 goes to flat 4: who sees flat 4 alone sees nothing of the past."""
    assert ask("modules/1001/move", {"place": "alice-flat-04"})[0] == 200
    order = {
        "serial": 1001,
        "place": "alice-flat-04",
        "inputs": [{"number": 1, "resource": "heat", "meter": "H-9", "pulse_weight": "1 kWh"}],
    }
    assert ask("mountings", order)[0] == 200
    below = asking(key(node="alice-flat-04"))
    assert below("nodes/alice-flat-04/readings", **DAY)[1]["items"] == []


def test_completeness_of_branches(ask: Ask) -> None:
    found_here = {one["node"]: one for one in ask("nodes/alice-riser/completeness")[1]}
    assert set(found_here) == {"alice-riser", *(f"alice-flat-0{n}" for n in range(1, 5))}
    assert found_here["alice-flat-01"]["known"] == found_here["alice-flat-01"]["expected"] == 72
    assert found_here["alice-flat-04"]["known"] == 0
    assert found_here["alice-riser"]["points"] == 12


def test_a_module_is_moved_replaced_and_removed(ask: Ask) -> None:
    status, now = ask("modules/1002/move", {"place": "alice-flat-03", "dials": {}})
    assert (status, now["place"], now["meters"]) == (200, "alice-flat-03", [])
    dials = {"dials": {"alice-flat-01-el": 55.5}}
    status, now = ask("modules/1001/replace", {"successor": 1901, **dials})
    assert (status, now["serial"], len(now["meters"])) == (200, 1901, 3)
    _, point = ask(f"points/{POINT}")
    assert [one["module"] for one in point["mountings"]] == [1001, 1901]
    assert point["mountings"][0]["dial_at_removal"] == 55.5
    status, now = ask("modules/1003/remove", {})
    assert (status, now["removed"]) == (200, True)
    assert ask("modules/1001/replace", {"successor": 1001})[0] in {404, 422}
    assert ask("modules/2001/remove", {})[0] == 404


def test_a_hub_is_claimed_with_its_secret_only(ask: Ask) -> None:
    with system_scope():
        device = Heard(kind=DeviceKind.HUB, code="hub-77", claim=claim_of("hub-77", "s3cret"))
        found.note([device], town.NOW)
    claim = {"code": "hub-77", "secret": "guess", "site": "alice-street"}
    assert ask("hubs/claim", claim)[0] in {409, 422}
    assert ask("hubs/claim", claim | {"secret": "s3cret"}) == (200, {"changed": True})
    assert ask("hubs/claim", claim | {"secret": "s3cret"}) == (200, {"changed": False})
    assert ask("hubs/hub-77/move", {"site": "alice-city"}) == (200, {"changed": True})
    assert ask("hubs/hub-77/remove", {}) == (200, {"changed": True})
    assert ask("hubs/hub-77/remove", {})[0] == 404
    assert ask("hubs/bob-hub/remove", {})[0] == 404


GROUP = {
    "code": "two-flats",
    "name": "Two flats",
    "resource": "electricity",
    "members": [
        {"side": "inflow", "code": "alice-flat-01-el"},
        {"side": "outflow", "code": "alice-flat-02-el"},
    ],
}


def test_a_group_by_hand_is_saved_balanced_and_removed(ask: Ask) -> None:
    status, group = ask("nodes/alice-house/groups", GROUP)
    assert status == 200
    assert [one["code"] for one in group["members"]] == ["alice-flat-01-el", "alice-flat-02-el"]
    assert ask("nodes/alice-city/groups")[1] == [group]
    refresh(town.NOW)
    status, report = ask("groups/two-flats/balance", **DAY)
    assert (status, report["items"][0]["imbalance"]) == (200, 0.0)
    wrong = GROUP | {"members": [{"side": "inflow", "code": "bob-flat-01-el"}]}
    status, problem = ask("nodes/alice-house/groups", wrong)
    assert (status, problem["code"]) == (422, "invalid")
    bob = asking(key("bob-operator", "bob-city"))
    assert bob("groups/two-flats/balance", **DAY)[0] == 404
    assert bob("groups/two-flats/remove", {})[0] == 404
    below = asking(key(node="alice-flat-01"))
    assert below("groups/two-flats/balance", **DAY)[0] == 404
    assert ask("groups/two-flats/remove", {}) == (200, [])


def test_a_balance_is_explained_down_to_registers(ask: Ask) -> None:
    ask("nodes/alice-house/groups", GROUP)
    status, told = ask("nodes/alice-riser/balance/explained", **DAY)
    if status == 404:  # nothing flows in there through a meter of its own
        status, told = ask("nodes/alice-house/balance/explained", **DAY)
    assert status == 200
    shares = {one["code"]: one for one in told["outflow"]}
    (part,) = shares[POINT]["parts"]
    pulses = part["after_pulses"] - part["before_pulses"]
    assert shares[POINT]["amount"] == pytest.approx(pulses / 1000)
    assert shares["alice-flat-04-el"]["amount"] is None
    assert shares["alice-flat-04-el"]["state"] == "missing"


def photo(color: str = "red") -> SimpleUploadedFile:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Secret camera"
    Image.new("RGB", (40, 30), color).save(out, "JPEG", exif=exif)
    return SimpleUploadedFile("dial.jpg", out.getvalue(), "image/jpeg")


def test_a_photo_comes_with_a_dial_without_what_the_camera_wrote(made: NewKey, ask: Ask) -> None:
    client = Client(headers={"Authorization": f"Bearer {made.text}"})
    path = f"/api/v1/points/{POINT}/photos"
    answer = client.post(path, {"photo": photo(), "dial": "12.5"})
    assert answer.status_code == 201
    assert answer.json()["has_photo"] is True
    picture = client.get(f"/api/v1/dials/{answer.json()['id']}/photo")
    assert picture["Content-Type"] == "image/jpeg"
    assert b"Secret camera" not in picture.content
    assert Image.open(BytesIO(picture.content)).size == (40, 30)
    bad = SimpleUploadedFile("dial.jpg", b"no picture", "image/jpeg")
    wrong = client.post(path, {"photo": bad, "dial": "12.5"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "photo")
    bob = Client(headers={"Authorization": f"Bearer {key('bob-operator', 'bob-city').text}"})
    assert bob.get(f"/api/v1/dials/{answer.json()['id']}/photo").status_code == 404
    _, dial = ask(f"points/{POINT}/dials", {"dial": 3, "at": "2026-01-11T10:00"})
    assert client.get(f"/api/v1/dials/{dial['id']}/photo").status_code == 404


@pytest.mark.usefixtures("made")
def test_a_key_that_reads_changes_nothing() -> None:
    reads = frozenset(scope for scope in Scope if scope.startswith("read:"))
    ask = asking(key(scopes=reads))
    for path, body in (
        ("modules/1001/remove", {}),
        ("hubs/alice-hub/remove", {}),
        ("nodes/alice-house/groups", GROUP),
        ("prepared", {"list": "x"}),
        ("mountings", {"serial": 5, "place": "alice-flat-01"}),
        (f"points/{POINT}/exchange", {"new": "X", "at": "2026-01-11"}),
    ):
        assert ask(path, body)[0] == 403, path
