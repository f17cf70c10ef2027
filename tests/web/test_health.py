"""For machines: health and metrics."""

from typing import NoReturn

import pytest
from django.test import Client

from balans.core.errors import UnavailableError
from balans.web import health


@pytest.mark.django_db
def test_health_asks_the_database() -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_health_is_not_well_without_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(actor: str) -> NoReturn:
        raise UnavailableError(f"database: gone for {actor}")

    monkeypatch.setattr(health, "system_scope", away)
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (503, b"database unavailable\n")


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("203.0.113.7", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.7"}, 403),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.7"}, 403),
        ("127.0.0.1", {"X-Real-IP": "203.0.113.7"}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("", {}, 403),
    ],
)
def test_metrics_are_for_this_machine(address: str, headers: dict[str, str], status: int) -> None:
    answer = Client(REMOTE_ADDR=address).get("/metrics", headers=headers)
    assert answer.status_code == status


def test_behind_a_proxy_the_address_says_nothing(settings: pytest.FixtureRequest) -> None:
    settings.BEHIND_PROXY = True  # type: ignore[attr-defined]
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 403


def test_metrics_by_token(settings: pytest.FixtureRequest) -> None:
    settings.METRICS_TOKEN = "s3cret"  # type: ignore[attr-defined]
    far = Client(REMOTE_ADDR="203.0.113.7")
    assert far.get("/metrics", HTTP_AUTHORIZATION="Bearer s3cret").status_code == 200
    assert far.get("/metrics", HTTP_AUTHORIZATION="Bearer wrong").status_code == 403
    assert Client().get("/metrics").status_code == 403


@pytest.mark.django_db
def test_requests_are_counted_by_view() -> None:
    Client().get("/login/")
    metrics = Client().get("/metrics").content.decode()
    assert 'balans_http_requests_total{method="GET",status="200",view="login"}' in metrics
    assert 'balans_http_request_seconds_count{view="login"}' in metrics
