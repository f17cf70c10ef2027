"""Keys for programs: made once, shown once, listed, revoked; also by those who give access."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

CREATE = {
    "action": "create",
    "name": "Home Assistant",
    "place": "alice-flat-01",
    "scopes": ["read:readings"],
    "lasts": "365",
}


def text_of(client: Client) -> str:
    return client.get("/keys/").content.decode()


def make(client: Client, **changes: Any) -> str:
    """Make a key on the page and return its text."""
    answer = client.post("/keys/", CREATE | changes)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    found = re.search(r'value="(balans_[a-z0-9]{10}_[\w-]{43})"', answer.content.decode())
    assert found
    return found[1]


def ask(key: str, path: str) -> int:
    client = Client(headers={"Authorization": f"Bearer {key}"})
    return client.get(f"/api/v1/{path}").status_code


def test_a_key_is_shown_once_and_works(resident: Client) -> None:
    key = make(resident)
    assert ask(key, "points/alice-flat-01-el/profile") == 200
    assert ask(key, "nodes") == 403
    page = text_of(resident)
    assert "Home Assistant" in page
    assert key[:17] in page
    assert key not in page
    assert "read readings and consumption" in page


def test_a_key_is_revoked_after_a_question(resident: Client) -> None:
    key = make(resident)
    number = re.search(r'name="key" value="(\d+)"', text_of(resident))
    assert number
    question = resident.post("/keys/", {"action": "revoke", "key": number[1]})
    assert "Revoke the key?" in question.content.decode()
    assert ask(key, "points/alice-flat-01-el/profile") == 200
    form = {"action": "revoke", "key": number[1], "confirmed": "yes"}
    page = resident.post("/keys/", form, follow=True).content.decode()
    assert "opens nothing any more" in page
    assert "revoked" in page
    assert ask(key, "points/alice-flat-01-el/profile") == 401


def test_the_operator_ends_the_key_of_a_resident(operator: Client, resident: Client) -> None:
    key = make(resident)
    page = text_of(operator)
    assert "Keys of others" in page
    number = re.search(r'name="key" value="(\d+)"', page)
    assert number
    operator.post("/keys/", {"action": "revoke", "key": number[1], "confirmed": "yes"})
    assert ask(key, "points/alice-flat-01-el/profile") == 401
    assert "by alice-operator" in text_of(resident)


def test_nobody_sees_or_ends_a_key_of_another_tenant(
    resident: Client, visit: Callable[[str], Client]
) -> None:
    key = make(resident)
    bob = visit("bob-operator")
    assert "Home Assistant" not in text_of(bob)
    for number in range(1, 20):
        answer = bob.post("/keys/", {"action": "revoke", "key": number, "confirmed": "yes"})
        assert answer.status_code == 404
    assert ask(key, "points/alice-flat-01-el/profile") == 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Give it a name"),
        ({"place": "alice-flat-02"}, "There is no such place"),
        ({"place": "bob-house"}, "There is no such place"),
        ({"place": "a b"}, "A code has letters"),
        ({"scopes": []}, "Choose at least one purpose"),
        ({"scopes": ["write:registry"]}, "Select a valid choice"),
        ({"lasts": "1"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    resident: Client, changes: dict[str, Any], message: str
) -> None:
    answer = resident.post("/keys/", CREATE | changes)
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert "balans_" not in answer.content.decode()


def test_what_the_own_rights_do_not_hold_is_not_offered(
    resident: Client, operator: Client, visit: Callable[[str], Client]
) -> None:
    assert "write:registry" not in text_of(resident)
    assert "write:registry" in text_of(operator)
    nobody = text_of(visit("alice-nobody"))
    assert "Make a key" not in nobody


@pytest.mark.parametrize(("language", "word"), [("ru", "Ключи для программ"), ("ro", "Chei")])
def test_the_page_speaks(resident: Client, language: str, word: str) -> None:
    resident.cookies["language"] = language
    assert word in text_of(resident)
