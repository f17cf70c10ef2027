"""Signing in and out; nothing is seen before."""

from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from tests.web.town import PASSWORD

from balans.storage.scope import system_scope

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("utilities")]


def test_a_person_signs_in_and_lands_on_the_overview() -> None:
    client = Client()
    answer = client.post("/login/", {"username": "alice-operator", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    page = client.get("/")
    assert page.status_code == 200
    assert "Linden Street 12" in page.content.decode()


def test_after_login_the_page_asked_for_is_shown() -> None:
    client = Client()
    asked = client.get("/sites/alice-house/")
    assert asked["Location"] == "/login/?next=/sites/alice-house/"
    form = {"username": "alice-operator", "password": PASSWORD, "next": "/sites/alice-house/"}
    assert client.post("/login/", form)["Location"] == "/sites/alice-house/"


def test_login_sends_nobody_to_another_host() -> None:
    form = {"username": "alice-operator", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/login/", form)["Location"] == "/"


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice-operator", "wrong"), ("nobody-at-all", PASSWORD), ("", ""), ("alice-operator", "")],
)
def test_a_wrong_pair_gets_one_answer(username: str, password: str) -> None:
    answer = Client().post("/login/", {"username": username, "password": password})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_logout_ends_the_session(operator: Client) -> None:
    assert operator.get("/logout/").status_code == 405
    assert operator.post("/logout/")["Location"] == "/login/"
    assert operator.get("/")["Location"] == "/login/?next=/"


def test_a_removed_account_is_out_at_once(visit: Callable[[str], Client]) -> None:
    client = visit("alice-manager")
    assert client.get("/").status_code == 200
    with system_scope():
        get_user_model().objects.filter(username="alice-manager").update(is_active=False)
    assert client.get("/").status_code == 302


def test_demo_accounts_are_named_in_the_demo_only(settings: pytest.FixtureRequest) -> None:
    assert "operator-demo" not in Client().get("/login/").content.decode()
    settings.DEMO = True  # type: ignore[attr-defined]
    assert "operator-demo" in Client().get("/login/").content.decode()


def test_who_has_no_rights_is_told_what_to_do(visit: Callable[[str], Client]) -> None:
    page = visit("alice-nobody").get("/").content.decode()
    assert 'data-empty="setup"' in page
