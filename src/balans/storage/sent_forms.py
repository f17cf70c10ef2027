"""Forms that may come twice over a bad network: the second gets the answer of the first.

Each form carries a token that was made with it. Call inside a scope of the tenant, in the
transaction that does what the form asks: either both are kept, or neither.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from balans.storage.access import Person
from balans.storage.scope import system_scope

KEPT: Final = timedelta(days=60)
"""A phone that was in a drawer for so long may still send what it kept."""

Answer = dict[str, Any]
"""What JSON can hold."""


def once(person: Person, token: UUID, now: datetime, work: Callable[[], Answer]) -> Answer:
    """Return the answer of `work`, which is done for the first form with this token only.

    A form that comes while the first is at work waits for it. If `work` raises, nothing is kept,
    and the same form may come again.
    """
    key: list[Any] = [person.tenant_id, person.pk, token]
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [token.int >> 65])
        cursor.execute(
            "select answer from sent_form where tenant_id = %s and account_id = %s and token = %s",
            key,
        )
        row = cursor.fetchone()
    if row is not None:
        found: Answer = json.loads(row[0]) if isinstance(row[0], str) else row[0]
        return found
    answer = work()
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into sent_form (tenant_id, account_id, token, at, answer)"
            " values (%s, %s, %s, %s, %s::jsonb)",
            [*key, now, json.dumps(answer)],
        )
    return answer


def forget_old(now: datetime) -> int:
    """Delete answers older than `KEPT`, of all tenants; return how many. Opens its own scope."""
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("delete from sent_form where at < %s", [now - KEPT])
        return int(cursor.rowcount)


def recent(person: Person, kind: str, limit: int) -> list[tuple[datetime, Answer]]:
    """Return the newest answers of a kind that `person` got, with their times."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select at, answer from sent_form where tenant_id = %s and account_id = %s"
            " and answer->>'kind' = %s order by at desc limit %s",
            [person.tenant_id, person.pk, kind, limit],
        )
        return [
            (at, json.loads(answer) if isinstance(answer, str) else answer)
            for at, answer in cursor.fetchall()
        ]
