"""Headers of every answer, and pages that run under the policy they declare."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from tests.web import town

PAGES = (
    "/",
    "/login/",
    "/sites/alice-house/",
    "/sites/alice-house/day/",
    "/sites/alice-house/transformer/",
    "/nodes/alice-house/",
    "/points/alice-flat-01-el/",
    "/points/alice-flat-01-el/readings.csv",
    "/flats/alice-flat-01/",
    "/nothing/here/",
    "/healthz",
    "/metrics",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_is_protected(operator: Client, path: str) -> None:
    headers = operator.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES[:9])
def test_pages_hold_nothing_that_the_policy_forbids(operator: Client, path: str) -> None:
    html = operator.get(path).content.decode()
    assert not re.search(r"<script(?![^>]*(src=|application/json))", html)
    assert not re.search(r"\s(style|on[a-z]+)=", html)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", html)


def test_forms_without_their_token_are_refused(visit: Callable[[str], Client]) -> None:
    signed_in = visit("alice-operator")
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in.cookies
    answer = client.post("/sites/alice-house/", {"load": "flat-01-heat", "reason": "x"})
    assert answer.status_code == 403
    assert "expired" in answer.content.decode()


def test_what_a_person_sees_is_kept_by_no_proxy(operator: Client) -> None:
    assert operator.get("/")["Cache-Control"] == "private, no-cache"


@pytest.mark.usefixtures("utilities")
def test_cookies_of_the_session_are_out_of_reach() -> None:
    client = Client()
    client.post("/login/", {"username": "alice-operator", "password": town.PASSWORD})
    session = client.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
