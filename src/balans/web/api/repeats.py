"""Requests that may come twice over a bad network: the second gets the answer of the first."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest
from pydantic import BaseModel

from balans.storage import sent_forms
from balans.web.api.problems import FieldsError

NAME: Final = "Idempotency-Key"
UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
IDEMPOTENCY_KEY: Final = {
    "in": "header",
    "name": NAME,
    "required": False,
    "schema": {"type": "string", "pattern": UUID_PATTERN},
    "description": "A UUID made for this request: sent again it changes nothing more.",
}


def repeatable(request: HttpRequest, work: Callable[[], Any]) -> Any:
    """Return the answer of `work`, done for the first request with this key only.

    Call it in the transaction that does the work. What was refused is not kept, so that it may be
    tried again with the same key.

    Raises
    ------
    FieldsError
        If the key is no UUID, or was sent with another request, or by another key of a program:
        each sees what it may.
    """
    text = request.headers[NAME]
    if not re.fullmatch(UUID_PATTERN, text):
        raise FieldsError([(NAME, "expected a UUID")])
    token = UUID(text)
    asker = request.auth  # type: ignore[attr-defined]  # set by ninja's authentication
    what = f"{request.method} {request.path} {asker.actor}"

    def done() -> dict[str, Any]:
        return {"kind": "api", "what": what, "answer": _plain(work())}

    kept = sent_forms.once(asker.person, token, datetime.now(UTC), done)
    if kept.get("what") != what:
        raise FieldsError([(NAME, "was sent with another request")])
    return kept["answer"]


def _plain(answer: Any) -> Any:
    """Return what JSON can hold of an answer."""
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json")
    if isinstance(answer, list):
        return [_plain(one) for one in answer]
    return json.loads(json.dumps(answer, cls=DjangoJSONEncoder))
