"""Imported files, kept as they came, with what was noticed about them. Call inside a scope.

Nothing of a file is lost: what does not fit into hourly registers can be read from it again.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection

from balans.core.text import printable
from balans.usecases.import_table import LineFinding

KEPT_FINDINGS = 20_000
REFUSED_KEPT = timedelta(days=90)
NAME_MAX = 200
WHAT_MAX = 1000
LEVEL = 3
CHANGES = ("created", "updated", "new", "marks", "dials")
"""Counts of a result that say that a file changed something."""


class ImportKind(StrEnum):
    """What a file holds."""

    REGISTRY = "registry"
    READINGS = "readings"


class ImportState(StrEnum):
    """What became of a file."""

    CHECKED = "checked"  # looked at only, as was asked
    REFUSED = "refused"  # errors: nothing of it was taken
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class NewImport:
    """A file that came, and by whom."""

    tenant_id: int
    kind: ImportKind
    name: str
    options: dict[str, Any]
    content: bytes
    author: str
    received: datetime


@dataclass(frozen=True, slots=True)
class ImportInfo:
    """An imported file without its content. `result` counts what was done."""

    id: int
    kind: ImportKind
    name: str
    options: dict[str, Any]
    size: int
    author: str
    received: datetime
    state: ImportState
    result: dict[str, Any] = field(default_factory=dict)


def keep(
    new: NewImport, state: ImportState, result: dict[str, Any], findings: Sequence[LineFinding]
) -> int:
    """Keep a file with what became of it and what was noticed about it; return its id.

    The same file that was applied before and now brings nothing new is not kept once more.
    """
    digest = hashlib.sha256(new.content).digest()
    options = json.dumps(new.options, sort_keys=True)
    with connection.cursor() as cursor:
        if state == ImportState.APPLIED and not any(result.get(name) for name in CHANGES):
            cursor.execute(_SAME, [digest, new.kind.value, options])
            row = cursor.fetchone()
            if row is not None:
                return int(row[0])
        cursor.execute(
            _KEEP,
            [
                new.tenant_id,
                new.kind.value,
                printable(new.name)[-NAME_MAX:],
                options,
                digest,
                len(new.content),
                gzip.compress(new.content, LEVEL, mtime=0),
                new.author,
                new.received,
                state.value,
                json.dumps(result),
            ],
        )
        import_id = int(cursor.fetchone()[0])
    _keep_findings(new.tenant_id, import_id, findings)
    return import_id


def _keep_findings(tenant_id: int, import_id: int, findings: Sequence[LineFinding]) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            import_id,
            n,
            tenant_id,
            printable(one.sheet)[:NAME_MAX],
            one.line,
            one.code,
            printable(one.item)[:NAME_MAX],
            printable(one.what)[:WHAT_MAX],
            one.severity,
        )
        for n, one in enumerate(findings[:KEPT_FINDINGS])
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_FINDINGS, [list(column) for column in zip(*rows, strict=True)])


def latest(limit: int = 50, before: int | None = None, author: str = "") -> list[ImportInfo]:
    """Return the imports that the scope sees, the newest first.

    Parameters
    ----------
    before
        Only those before this id, for paging.
    author
        Only those of this person; "" for all.
    """
    condition = (
        "where (%s::bigint is null or id < %s) and (%s = '' or author = %s)"
        " order by id desc limit %s"
    )
    return _infos(condition, before, before, author, author, limit)


def find(import_id: int) -> ImportInfo | None:
    """Return one import, None if the scope sees none of this id."""
    found = _infos("where id = %s", import_id)
    return found[0] if found else None


def content(import_id: int) -> bytes | None:
    """Return a file as it came, None if there is none. A registry is kept without passwords."""
    with connection.cursor() as cursor:
        cursor.execute("select content from import_file where id = %s", [import_id])
        row = cursor.fetchone()
    return None if row is None else gzip.decompress(bytes(row[0]))


def findings_of(
    import_id: int, start: int = 0, limit: int = 100, code: str = "", severity: str = ""
) -> tuple[list[LineFinding], int]:
    """Return a page of the findings of an import by line, and how many there are of that kind."""
    with connection.cursor() as cursor:
        wanted: list[Any] = [import_id, code, code, severity, severity]
        cursor.execute(f"select count(*) from import_finding {_OF_KIND}", wanted)
        (count,) = cursor.fetchone()
        cursor.execute(
            "select line, code, item, what, severity, sheet from import_finding"
            f" {_OF_KIND} order by n offset %s limit %s",
            [*wanted, start, limit],
        )
        return [LineFinding(*row) for row in cursor.fetchall()], int(count)


def codes_of(import_id: int) -> dict[tuple[str, str], int]:
    """Return how many findings of an import there are by severity and code."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select severity, code, count(*) from import_finding where import_id = %s"
            " group by 1, 2 order by 1, 3 desc, 2",
            [import_id],
        )
        return {(severity, code): n for severity, code, n in cursor.fetchall()}


def forget_refused(now: datetime, keep: timedelta = REFUSED_KEPT) -> int:
    """Delete files that were refused or only looked at longer than `keep` ago; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from import_file where state <> 'applied' and received < %s", [now - keep]
        )
        return int(cursor.rowcount)


_KEEP = """
insert into import_file
  (tenant_id, kind, name, options, sha256, size, content, author, received, state, result)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
"""
_SAME = """
select id from import_file
where sha256 = %s and kind = %s and options = %s::jsonb and state = 'applied'
order by id desc limit 1
"""
_FINDINGS = """
insert into import_finding
  (import_id, n, tenant_id, sheet, line, code, item, what, severity)
select * from unnest(%s::bigint[], %s::int[], %s::int[], %s::text[], %s::int[], %s::text[],
  %s::text[], %s::text[], %s::text[])
"""
_OF_KIND = "where import_id = %s and (%s = '' or code = %s) and (%s = '' or severity = %s)"
_INFO = "select id, kind, name, options, size, author, received, state, result from import_file "


def _infos(condition: str, *values: Any) -> list[ImportInfo]:
    with connection.cursor() as cursor:
        cursor.execute(_INFO + condition, list(values))
        return [_info(row) for row in cursor.fetchall()]


def _info(row: Iterable[Any]) -> ImportInfo:
    pk, kind, name, options, size, author, received, state, result = row
    return ImportInfo(
        pk,
        ImportKind(kind),
        name,
        _json(options),
        size,
        author,
        received,
        ImportState(state),
        _json(result),
    )


def _json(value: Any) -> dict[str, Any]:
    """Return a document, which Django's cursors hand out as text."""
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
