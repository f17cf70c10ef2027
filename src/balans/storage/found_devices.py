"""What was found and what became of it. Call inside a scope of the tenant.

A person sees the modules that hubs of the person's own places heard. Hubs that nobody has
registered are nobody's, hence in no list: they are claimed, see `balans.storage.hubs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from balans.core.errors import BalansError
from balans.core.text import printable
from balans.core.words import DeviceKind, FoundState
from balans.storage import access
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.scope import system_scope

LISTED_MAX: Final = 500
REASON_MAX: Final = 500
DISPUTE: Final = timedelta(days=1)
"""So long a second device with the same code, but another secret, forbids to claim either."""


class NotFoundError(BalansError):
    """Nothing of this kind was found here, as far as the person may know."""

    code = "not_found_here"


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that announced itself. `site` and `hub` are where a module was heard."""

    kind: DeviceKind
    code: str
    state: FoundState
    hub: str
    site: str
    site_name: str
    inputs: int
    has_adapter: bool
    model: str
    software: str
    first_seen: datetime
    last_seen: datetime
    n: int
    decided_at: datetime | None
    decided_by: str
    reason: str


def listed(author: Author, state: FoundState, limit: int = LISTED_MAX) -> list[FoundDevice]:
    """Return what was found in reach of `author`, the last heard first."""
    paths = access.granted_paths(author, Right.REGISTRY)
    return _select("d.state = %s and s.path <@ any(%s::ltree[])", [state.value, paths], limit)


def count_open(author: Author) -> int:
    """Return how many modules wait in reach of `author`."""
    paths = access.granted_paths(author, Right.REGISTRY)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select count(*) from {_FROM} where d.state = 'found' and s.path <@ any(%s::ltree[])",
            [paths],
        )
        return int(cursor.fetchone()[0])


def found_module(author: Author, serial: int) -> FoundDevice | None:
    """Return the module `serial` if it was found in reach of `author`."""
    paths = access.granted_paths(author, Right.REGISTRY)
    where = "d.kind = 'module' and d.code = %s and s.path <@ any(%s::ltree[])"
    return next(iter(_select(where, [str(serial), paths], 1)), None)


def refuse(author: Author, serial: int, reason: str, now: datetime) -> None:
    """Let a found module wait no more; it stays refused however often it is heard.

    Raises
    ------
    NotFoundError
        If it was not found in reach of `author`, or is registered by now.
    """
    _decide(author, serial, FoundState.REFUSED, reason, now)


def take_back(author: Author, serial: int, now: datetime) -> None:
    """Let a refused module wait again; errors as `refuse`."""
    _decide(author, serial, FoundState.FOUND, "", now)


def _decide(author: Author, serial: int, state: FoundState, reason: str, now: datetime) -> None:
    device = found_module(author, serial)
    if device is None or device.state == FoundState.ACCEPTED:
        raise NotFoundError(f"module {serial} is not among the found ones")
    why = printable(reason.strip())[:REASON_MAX]
    with connection.cursor() as cursor:
        cursor.execute(
            "update found_device set state = %s, decided_at = %s, decided_by = %s, reason = %s"
            " where tenant_id = %s and kind = 'module' and code = %s",
            [state.value, now, author.get_username(), why, author.tenant_id, str(serial)],
        )


def accept(tenant_id: int, kind: DeviceKind, code: str, now: datetime) -> None:
    """Note that a tenant has registered a device: others that heard it forget it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update found_device set state = 'accepted', decided_at = %s, reason = '',"
            " decided_by = coalesce(current_setting('balans.actor', true), '')"
            " where tenant_id = %s and kind = %s and code = %s and state <> 'accepted'",
            [now, tenant_id, kind.value, code],
        )
        cursor.execute(
            "update prepared_device set state = 'accepted', done_at = %s, detail = ''"
            " where tenant_id = %s and kind = %s and code = %s and state in ('waiting', 'faulty')",
            [now, tenant_id, kind.value, code],
        )
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "delete from found_device where tenant_id is distinct from %s"
            " and kind = %s and code = %s",
            [tenant_id, kind.value, code],
        )


def heard_by(serial: int) -> tuple[int | None, bool]:
    """Return the id of the hub that heard a module last, and whether it has an adapter."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select hub_id, has_adapter from found_device where kind = 'module' and code = %s",
            [str(serial)],
        )
        row = cursor.fetchone()
    return (row[0], row[1]) if row else (None, False)


def _select(where: str, values: Sequence[Any], limit: int) -> list[FoundDevice]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select d.kind, d.code, d.state, h.code, s.code, s.name, d.inputs, d.has_adapter,"
            " d.model, d.software, d.first_seen, d.last_seen, d.n, d.decided_at, d.decided_by,"
            f" d.reason from {_FROM} where {where} order by d.last_seen desc, d.code limit %s",
            [*values, limit],
        )
        return [
            FoundDevice(DeviceKind(row[0]), row[1], FoundState(row[2]), *row[3:])
            for row in cursor.fetchall()
        ]


_FROM = "found_device d join hub h on h.id = d.hub_id join node s on s.id = h.site_id"
