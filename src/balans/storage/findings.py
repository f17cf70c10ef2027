"""Things noticed about data: where, what, how bad, since when, how often. Call inside a scope."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import connection

from balans.core.text import printable

MOST: Final = 20_000
"""So many are kept for a tenant, and of nobody: whoever makes up codes fills no disk."""

Key = tuple[int | None, str, str]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing noticed now. The same `what` at the same `place` is one row with a count.

    `detail` is an example, kept from the last time. Without a tenant only the system sees it.
    """

    tenant_id: int | None
    place: str
    what: str
    detail: str = ""
    severity: Severity = Severity.ERROR
    n: int = 1


@dataclass(frozen=True, slots=True)
class DataFinding:
    """A finding as it is kept."""

    place: str
    what: str
    detail: str
    severity: Severity
    first_seen: datetime
    last_seen: datetime
    n: int


def record(noticed: Iterable[Noticed], at: datetime) -> None:
    """Keep what was noticed at `at`, in the present transaction.

    Places and details may repeat what came from outside: they are kept `printable`.
    """
    counts: dict[Key, tuple[Noticed, int]] = {}
    for one in noticed:
        key = (one.tenant_id, printable(one.place), printable(one.what))
        counts[key] = (one, counts.get(key, (one, 0))[1] + one.n)
    rows = [
        (*key, one.severity.value, printable(one.detail), at, at, n)
        for key, (one, n) in _with_room(counts).items()
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_UPSERT, rows)


def _with_room(counts: dict[Key, tuple[Noticed, int]]) -> dict[Key, tuple[Noticed, int]]:
    """Return those that are kept already, or that there is room for."""
    if not counts:
        return counts
    with connection.cursor() as cursor:
        cursor.execute(_KEPT, [[place for _, place, _ in counts]])
        kept = set(cursor.fetchall())
        cursor.execute("select tenant_id, count(*) from finding group by tenant_id")
        room = {tenant_id: MOST - n for tenant_id, n in cursor.fetchall()}
    found = {}
    for key, value in counts.items():
        if key not in kept:
            room[key[0]] = room.get(key[0], MOST) - 1
            if room[key[0]] < 0:
                continue
        found[key] = value
    return found


_KEPT = "select tenant_id, place, what from finding where place = any(%s)"
_UPSERT = """
insert into finding as f (tenant_id, place, what, severity, detail, first_seen, last_seen, n)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (tenant_id, place, what) do update set
  severity = excluded.severity, detail = excluded.detail, n = f.n + excluded.n,
  last_seen = greatest(f.last_seen, excluded.last_seen)
"""


def latest(limit: int = 100) -> list[DataFinding]:
    """Return the findings that the scope can see, the last seen first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select place, what, detail, severity, first_seen, last_seen, n from finding"
            " order by last_seen desc, id desc limit %s",
            [limit],
        )
        return [
            DataFinding(place, what, detail, Severity(severity), first, last, n)
            for place, what, detail, severity, first, last, n in cursor.fetchall()
        ]


def listed(before: int | None, most: int) -> list[tuple[int, DataFinding]]:
    """Return findings that the scope can see with their ids, the first seen last.

    Parameters
    ----------
    before
        Only those with a lesser id; None: all.
    most
        So many.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, place, what, detail, severity, first_seen, last_seen, n from finding"
            " where %s::bigint is null or id < %s order by id desc limit %s",
            [before, before, most],
        )
        return [
            (key, DataFinding(place, what, detail, Severity(severity), first, last, n))
            for key, place, what, detail, severity, first, last, n in cursor.fetchall()
        ]
