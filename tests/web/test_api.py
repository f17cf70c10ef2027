"""The REST API: what a key opens, how lists and errors look, and what stays shut."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from tests.web import town
from tests.web.api_client import BY, Ask, asking, key
from tests.web.conftest import Town

from balans.storage import api_keys
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.api_keys import Scope
from balans.storage.scope import system_scope, tenant_scope

pytestmark = pytest.mark.usefixtures("utilities")


@pytest.fixture
def ask() -> Ask:
    """Ask with a key of Alice's operator for everything."""
    return asking(key())


def test_nodes_come_in_pages_by_code(ask: Ask) -> None:
    codes: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = ask("nodes", limit=3, **cursor)
        assert status == 200
        assert len(page["items"]) <= 3
        codes += [node["code"] for node in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert codes == sorted(codes)
    assert codes == [
        "alice-city", "alice-flat-01", "alice-flat-02", "alice-flat-03", "alice-flat-04",
        "alice-house", "alice-riser", "alice-street",
    ]  # fmt: skip


def test_no_cache_keeps_what_a_key_opens() -> None:
    answer = Client(headers={"Authorization": f"Bearer {key().text}"}).get("/api/v1/nodes")
    assert "private" in answer["Cache-Control"]
    assert "no-store" in Client().get("/api/v1/nodes")["Cache-Control"]


def test_a_node_is_told_with_its_parent_and_zone(ask: Ask) -> None:
    assert ask("nodes/alice-flat-01") == (
        200,
        {
            "code": "alice-flat-01",
            "name": "Flat 1",
            "kind": "flat",
            "parent": "alice-riser",
            "timezone": "Europe/Paris",
        },
    )


def test_lists_can_be_narrowed(ask: Ask) -> None:
    _, page = ask("points", node="alice-flat-02", resource="gas")
    assert [point["code"] for point in page["items"]] == ["alice-flat-02-gas"]
    _, page = ask("points", role="inflow")
    assert [point["code"] for point in page["items"]] == ["alice-inflow"]
    _, page = ask("nodes", kind="flat", node="alice-riser")
    assert len(page["items"]) == 4
    _, page = ask("modules", node="alice-flat-01")
    assert [(one["serial"], one["inputs"]) for one in page["items"]] == [
        (1001, [1, 2, 3]),
        (1010, [1]),
        (1011, [1]),
    ]
    _, page = ask("hubs")
    assert [one["code"] for one in page["items"]] == ["alice-hub"]


def test_a_point_is_told_with_its_meters(ask: Ask) -> None:
    status, point = ask("points/alice-flat-01-gas")
    assert status == 200
    assert point["unit"] == "m³"
    assert point["mountings"] == [
        {
            "meter": "alice-flat-01-gas",
            "module": 1001,
            "input": 3,
            "valid_from": "2026-01-10T00:00:00Z",
            "valid_to": None,
            "register_at_mount": None,
            "register_at_removal": None,
            "dial_at_mount": None,
            "dial_at_removal": None,
            "pulse_weight": "10",
            "transformer_ratio": "1",
            "register_modulus": 2147483648,
        }
    ]


def test_readings_and_profile_agree(ask: Ask) -> None:
    town.seed_readings("alice", 1000, without=[datetime(2026, 1, 11, 5, tzinfo=UTC)])
    asked = {"from": "2026-01-11", "to": "2026-01-12"}
    status, page = ask("points/alice-flat-01-el/readings", limit=10, **asked)
    assert status == 200
    registers = page["items"]
    while page["next"]:
        _, page = ask("points/alice-flat-01-el/readings", limit=10, cursor=page["next"], **asked)
        registers += page["items"]
    assert len(registers) == 23  # one never came
    assert registers[0] == {
        "time": "2026-01-11T00:00:00+01:00",
        "channel": "1001-1",
        "register_pulses": registers[0]["register_pulses"],
        "quality": "measured",
    }
    _, hours = ask("points/alice-flat-01-el/profile", **asked)
    assert hours["unit"] == "kWh"
    assert [hour["quality"] for hour in hours["items"]].count("missing") == 2
    assert hours["items"][5]["amount"] is None  # never zero
    _, days = ask("points/alice-flat-01-el/profile", step="day", **asked)
    (day,) = days["items"]
    known = registers[-1]["register_pulses"] - registers[0]["register_pulses"]
    assert day["amount"] > known / 1000
    assert day["known_share"] == pytest.approx(22 / 24, abs=1e-6)
    _, first = ask("points/alice-flat-01-el/profile", limit=7, **asked)
    _, second = ask("points/alice-flat-01-el/profile", limit=7, cursor=first["next"], **asked)
    assert [*first["items"], *second["items"]] == hours["items"][:14]


def test_days_are_those_of_the_node(ask: Ask) -> None:
    query = {"from": "2026-03-29", "to": "2026-03-30"}  # the clock goes forward
    _, hours = ask("points/alice-flat-01-el/profile", **query)
    assert len(hours["items"]) == 23
    assert hours["items"][0]["start"] == "2026-03-29T00:00:00+01:00"
    assert hours["items"][-1]["end"] == "2026-03-30T00:00:00+02:00"


def test_states_say_what_was_delivered(ask: Ask) -> None:
    town.seed_readings("alice", 1000)
    _, page = ask("states", node="alice-flat-01")
    states = {state["point"]: state for state in page["items"]}
    assert states["alice-flat-01-el"]["known"] == states["alice-flat-01-el"]["expected"] == 24
    assert states["alice-flat-01-el"]["last"] == "2026-01-12T17:00:00Z"
    _, page = ask("states", node="alice-flat-04")
    assert {state["last"] for state in page["items"]} == {None}


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("nodes", {"limit": 0}, "limit"),
        ("nodes", {"limit": 501}, "limit"),
        ("nodes", {"kind": "castle"}, "kind"),
        ("nodes", {"form": "2026-01-11"}, "form"),
        ("nodes/alice-city", {"limit": 5}, "limit"),
        ("nodes", {"cursor": "rubbish"}, "cursor"),
        ("nodes", {"cursor": "WzFd"}, "cursor"),  # [1], of a list by number
        ("nodes", {"cursor": "WyJcdTAwMDAiXQ"}, "cursor"),  # a zero character
        ("hubs", {"cursor": "WzFlMzBd"}, "cursor"),
        ("nodes", {"node": "a b"}, "node"),
        ("points/alice-flat-01-el/profile", {"from": "yesterday"}, "from"),
        ("points/alice-flat-01-el/profile", {"from": "0001-01-01"}, "from"),
        ("points/alice-flat-01-el/profile", {"to": "9999-12-31T23:59:59-12:00"}, "to"),
        ("points/alice-flat-01-el/profile", {"from": "2026-02-01", "to": "2026-01-01"}, "from"),
        ("points/alice-flat-01-el/profile", {"from": "2020-02-01", "to": "2026-01-01"}, "from"),
        ("points/alice-flat-01-el/profile", {"step": "week"}, "step"),
    ],
)
def test_a_wrong_field_is_named(ask: Ask, path: str, query: dict[str, Any], field: str) -> None:
    status, problem = ask(path, **query)
    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["errors"][0]["message"]


def test_what_is_not_there_is_a_problem_too(ask: Ask) -> None:
    for path in ("nodes/nowhere", "points/none/profile", "nothing/at/all", "nodes/nowhere/x"):
        status, problem = ask(path)
        assert (status, problem["code"]) == (404, "not_found")


def test_a_method_that_there_is_not_is_a_problem_too(ask: Ask) -> None:
    status, problem = ask("nodes", {})
    assert (status, problem["code"]) == (405, "method_not_allowed")


def test_other_tenants_do_not_exist(ask: Ask) -> None:
    town.seed_readings("bob", 2000)
    for path in (
        "nodes/bob-house", "points/bob-flat-01-el", "points/bob-flat-01-el/readings",
        "points/bob-flat-01-el/profile",
    ):  # fmt: skip
        assert ask(path)[0] == 404
    for path in ("nodes", "points", "hubs", "modules", "states"):
        status, page = ask(path)
        assert status == 200
        assert page["items"]
        assert "bob" not in str(page)
        assert "200" not in {str(one.get("serial", ""))[:3] for one in page["items"]}
    assert ask("points", node="bob-house")[0] == 404


def test_a_key_works_below_its_node_only() -> None:
    ask = asking(key(node="alice-flat-01"))
    status, page = ask("nodes")
    assert [node["code"] for node in page["items"]] == ["alice-flat-01"]
    assert page["items"][0]["parent"] is None  # what lies above is not told
    assert len(ask("points")[1]["items"]) == 3
    assert ask("nodes/alice-house")[0] == 404
    assert ask("points/alice-flat-02-el/profile")[0] == 404
    assert ask("points/alice-flat-01-el/profile")[0] == 200
    assert ask("hubs")[1]["items"] == []
    assert ask("findings")[0] == 403
    assert status == 200


def test_a_key_opens_what_its_scopes_name_only() -> None:
    ask = asking(key(scopes=frozenset({Scope.READ_REGISTRY})))
    assert ask("nodes")[0] == 200
    for path in ("states", "points/alice-flat-01-el/readings", "findings"):
        status, problem = ask(path)
        assert (status, problem["code"]) == (403, "scope_missing")


def test_a_key_never_does_more_than_its_owner_may_now() -> None:
    ask = asking(key("alice-resident", "alice-flat-01", frozenset({Scope.READ_READINGS})))
    assert ask("points/alice-flat-01-el/profile")[0] == 200
    run("delete from access_grant where user_id = (select id from account where username = %s)")
    assert ask("points/alice-flat-01-el/profile")[0] == 404


def run(sql: str, username: str = "alice-resident") -> None:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(sql, [username])


def test_a_key_stops_with_the_account() -> None:
    ask = asking(key("alice-resident", "alice-flat-01", frozenset({Scope.READ_READINGS})))
    run("update account set is_active = false where username = %s")
    assert ask("points/alice-flat-01-el/profile")[0] == 401


def test_a_key_follows_its_node() -> None:
    ask = asking(key(node="alice-riser", scopes=frozenset({Scope.READ_REGISTRY})))
    street = "(select id from node where code = %s)"
    run(f"update node set parent_id = {street} where code = 'alice-riser'", "alice-street")
    assert "alice-flat-01" in str(ask("nodes"))


def test_a_key_that_was_revoked_or_has_ended_opens_nothing() -> None:
    made = key()
    with tenant_scope(tenant_of("alice-operator")):
        api_keys.revoke(user("alice-operator"), made.key.id, BY)
    assert asking(made)("nodes")[0] == 401
    soon = datetime.now(UTC) - timedelta(seconds=1)
    assert asking(key(expires=soon))("nodes")[0] == 401
    assert asking(key(expires=soon + timedelta(hours=1)))("nodes")[0] == 200


def user(username: str) -> Any:
    with system_scope():
        return get_user_model().objects.get(username=username)


def tenant_of(username: str) -> int:
    return int(user(username).tenant_id)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.replace("balans_", "bolans_"),
        lambda text: text.split("_", 2)[0] + "_aaaaaaaaaa_" + text.split("_", 2)[2],
        lambda _: "",
        lambda _: "balans__",
        lambda _: "x" * 5000,
    ],
    ids=["short", "long", "mark", "ident", "empty", "nothing", "huge"],
)
def test_a_key_must_be_right_to_the_letter(change: Callable[[str], str]) -> None:
    status, problem = asking(change(key().text))("nodes")
    assert (status, problem["code"]) == (401, "not_authenticated")


def test_the_secret_is_kept_as_a_digest_only() -> None:
    made = key()
    secret = made.text.split("_", 2)[2]
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select row_to_json(k)::text from api_key k")
        assert secret not in str(cursor.fetchall())
        cursor.execute("select new::text, old::text from registry_history")
        assert secret not in str(cursor.fetchall())


def test_the_last_use_is_noted_and_is_no_history() -> None:
    made = key()
    asking(made)("nodes")
    with tenant_scope(tenant_of("alice-operator")), connection.cursor() as cursor:
        assert api_keys.owned_by(user("alice-operator"))[0].last_used is not None
        cursor.execute("select count(*) from registry_history where table_name = 'api_key'")
        assert cursor.fetchone() == (1,)


def test_nobody_gets_a_key_for_what_the_own_rights_do_not_reach() -> None:
    with pytest.raises(NotVisibleError):
        key("alice-resident", "alice-house")
    with pytest.raises(NotVisibleError):
        key("alice-operator", "bob-house")
    with pytest.raises(NotVisibleError):
        key("alice-nobody", "alice-city")
    with pytest.raises(ForbiddenError, match="write:registry"):
        key("alice-manager", "alice-house", frozenset({Scope.WRITE_REGISTRY}))


def test_who_may_give_access_may_end_the_keys_of_others_there() -> None:
    made = key("alice-resident", "alice-flat-01", frozenset({Scope.READ_READINGS}))
    resident, operator, bob = (user(f"{who}") for who in USERS)
    with tenant_scope(resident.tenant_id):
        assert [one.id for one in api_keys.of_others(operator)] == [made.key.id]
        assert api_keys.of_others(resident) == []
        ended = api_keys.revoke(operator, made.key.id, BY)
    assert ended.revoked_by == "alice-operator"
    with tenant_scope(bob.tenant_id), pytest.raises(NotVisibleError):
        api_keys.revoke(bob, made.key.id, BY)


USERS = ("alice-resident", "alice-operator", "bob-operator")


def test_a_login_serves_as_well(operator: Client, resident: Client) -> None:
    assert operator.get("/api/v1/nodes/alice-city").status_code == 200
    assert resident.get("/api/v1/nodes/alice-city").status_code == 404
    assert len(resident.get("/api/v1/points").json()["items"]) == 3


def test_without_key_and_login_nothing_is_told(utilities: Town) -> None:
    assert utilities.alice != utilities.bob
    answer = Client().get("/api/v1/nodes")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_every_operation_names_its_scope() -> None:
    schema = Client().get("/api/openapi.json").json()
    assert schema["openapi"] == "3.1.0"
    operations = [one for methods in schema["paths"].values() for one in methods.values()]
    assert len(operations) >= 40
    for operation in operations:
        assert operation["x-scope"] in set(Scope)
        assert operation["security"] == [{"ApiKey": []}, {"Session": []}]
        assert {"401", "403", "422", "503"} <= operation["responses"].keys()


def test_every_operation_is_reached_and_asks_for_a_key() -> None:
    client = Client()
    for path, methods in client.get("/api/openapi.json").json()["paths"].items():
        address = re.sub(r"{(\w+)}", "1", path)
        for method in methods:
            answer = getattr(client, method)(address)
            assert answer.status_code == 401, (method, path)
            assert answer.json()["code"] == "not_authenticated"


def test_people_read_what_the_api_can_do(operator: Client) -> None:
    for client in (Client(), operator):
        page = client.get("/api/").content.decode()
        schema = client.get("/api/openapi.json").json()
        for path, methods in schema["paths"].items():
            assert f"</b> {path}</code>" in page
            for operation in methods.values():
                assert f'id="{operation["operationId"]}"' in page
        assert "electricity | " in page
        assert "changes" in page
