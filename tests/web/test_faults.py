"""What went wrong is said kindly, in the reader's language, and hides nothing from the log."""

import logging
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from balans.core.errors import UnavailableError
from balans.web.console import overview


@pytest.fixture
def calm(operator: Client) -> Client:
    """The operator, whose test client shows error pages instead of raising."""
    operator.raise_request_exception = False
    return operator


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(overview, "opened", fail)


def test_nothing_at_an_address(operator: Client) -> None:
    answer = operator.get("/nothing/here/")
    assert answer.status_code == 404
    assert "not yours to see" in answer.content.decode()


def test_an_error_of_ours(
    calm: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(monkeypatch, RuntimeError("a secret of the inside"))
    with caplog.at_level(logging.ERROR):
        answer = calm.get("/")
    assert answer.status_code == 500
    page = answer.content.decode()
    assert "Something went wrong" in page
    assert "secret" not in page
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize("error", [UnavailableError("database: gone"), OperationalError("gone")])
def test_the_database_is_away(
    calm: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fail_with(monkeypatch, error)
    answer = calm.get("/")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert "Back in a moment" in answer.content.decode()


def test_a_method_that_is_not_served(operator: Client) -> None:
    assert operator.post("/sites/alice-house/day/").status_code == 405
