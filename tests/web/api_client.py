"""Programs that ask the API with a key."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from balans.storage import api_keys
from balans.storage.api_keys import KeyOrder, NewKey, Scope
from balans.storage.scope import system_scope, tenant_scope

ALL = frozenset(Scope)
BY = datetime(2026, 11, 1, tzinfo=UTC)
Ask = Callable[..., Any]


def key(
    username: str = "alice-operator",
    node: str = "alice-city",
    scopes: frozenset[Scope] = ALL,
    expires: datetime | None = None,
) -> NewKey:
    """Return a key of a person."""
    with system_scope():
        user: Any = get_user_model().objects.get(username=username)
    with tenant_scope(user.tenant_id):
        return api_keys.create(user, KeyOrder("test", node, scopes, expires), BY)


def asking(made: NewKey | str) -> Ask:
    """Return a function that asks with a key and returns status and body."""
    text = made if isinstance(made, str) else made.text
    client = Client(headers={"Authorization": f"Bearer {text}"})

    def ask(
        path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> tuple[int, Any]:
        if body is None:
            answer = client.get(f"/api/v1/{path}", query)
        else:
            answer = client.post(
                f"/api/v1/{path}", body, content_type="application/json", headers=headers
            )
        is_problem = answer.status_code >= 400
        kind = "application/problem+json" if is_problem else "application/json; charset=utf-8"
        assert answer["Content-Type"] == kind, answer.content
        if is_problem:
            assert answer.json()["status"] == answer.status_code
        return answer.status_code, answer.json()

    return ask
