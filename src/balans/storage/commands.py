"""Commands to loads: given by a person, carried by the head-end, ended by reports.

`create_command` and `recent` are called inside a scope of the tenant; the functions of the
head-end open their own. The states are those of `balans.storage.reports`. Listeners on the
channel `CHANNEL` are told the code of the hub that a new command is for, after COMMIT.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from django.db import connection
from django.db.models import Count

from balans.core.errors import BalansError
from balans.core.words import CommandState, LoadClass
from balans.protocols import hub as wire
from balans.storage import access, live, lookups
from balans.storage.access import Person, Right
from balans.storage.models import Command, CommandEvent
from balans.storage.records import LoadInfo, NodeInfo
from balans.storage.reports import RANK, rank_case
from balans.storage.scope import system_scope

CHANNEL = "balans_command"
ACTOR = "headend"
MAX_TTL_S = 24 * 3600
log = logging.getLogger(__name__)


class CommandRefusedError(BalansError):
    """The command may not or cannot be given; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class CommandEventInfo:
    """When a command entered a state."""

    state: CommandState
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command as pages show it; `limit` and the changes of power only of load control's own."""

    code: str
    load_name: str
    on: bool
    author: str
    reason: str
    created: datetime
    expires: datetime
    state: CommandState
    limit: str
    expected_w: float
    achieved_w: float | None
    sent_at: datetime | None
    done_at: datetime | None
    detail: str
    events: tuple[CommandEventInfo, ...]


@dataclass(frozen=True, slots=True)
class QueuedCommand:
    """A command on its way to a hub."""

    id: int
    hub_code: str
    command: wire.Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants of a load of a site: `ttl_s` seconds from now the wish is void."""

    load_name: str
    on: bool
    reason: str
    ttl_s: float = 120.0


class Author(Person, Protocol):
    """A person with a name for the audit."""

    def get_username(self) -> str:
        """Return the name of the account."""
        ...


def create_command(user: Author, site: NodeInfo, wish: Wish, now: datetime) -> CommandInfo:
    """Queue a command of `user` to switch a load.

    Parameters
    ----------
    user
        Author; needs the right to control the load's node, and, unless the load was released by
        its owner, the right to control what is not released.
    site, wish
        Which load, what to do, and why in the author's words.
    now
        By the clock that hubs go by.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.load_for`.
    CommandRefusedError
        ``red``, ``not_released``, ``no_actuator``, ``no_gateway``, ``reason`` or ``ttl``.
    """
    load = access.load_for(user, site.id, wish.load_name, Right.CONTROL)
    gateway = lookups.gateway_of(site.id)
    _refuse(wish, load, released=load.released or _unreleased(user, load))
    if gateway is None:
        raise CommandRefusedError("no_gateway", f"site {site.code} has no gateway")
    row = Command.objects.create(
        tenant_id=site.tenant_id,
        code=str(uuid4()),
        site_id=site.id,
        load_id=load.id,
        load_name=load.name,
        on=wish.on,
        author=user.get_username(),
        user_id=user.pk,
        reason=wish.reason.strip(),
        created=now,
        expires=now + timedelta(seconds=wish.ttl_s),
        state=CommandState.QUEUED.value,
    )
    event = CommandEvent.objects.create(
        tenant_id=site.tenant_id, command_id=row.pk, state=row.state, at=now
    )
    _notify(CHANNEL, gateway.code)
    _notify(live.CHANNEL, str(site.id))
    return _info(row, [event])


def _unreleased(user: Person, load: LoadInfo) -> bool:
    return Right.CONTROL_UNRELEASED in access.rights_on(user, lookups.node(load.node_id))


def _refuse(wish: Wish, load: LoadInfo, *, released: bool) -> None:
    """Raise for a command that may not or cannot be given."""
    reason = wish.reason.strip()
    checks = (
        (load.load_class == LoadClass.RED, "red", f"load {load.name} is never switched"),
        (not released, "not_released", f"load {load.name}: its owner has not released it"),
        (load.actuator is None, "no_actuator", f"load {load.name} has no switching adapter"),
        (not 0 < len(reason) <= 500, "reason", "a reason of 1 to 500 letters is needed"),
        ("\0" in reason, "reason", "the reason holds a NUL"),
        (not 0 < wish.ttl_s <= MAX_TTL_S, "ttl", f"it must expire within {MAX_TTL_S} s"),
    )
    for refused, code, message in checks:
        if refused:
            raise CommandRefusedError(code, message)


def recent(site: NodeInfo, n: int = 20) -> list[CommandInfo]:
    """Return the last `n` commands of a site with their audit, the newest first."""
    return infos(Command.objects.filter(site_id=site.id).order_by("-created", "-id")[:n])


def recent_by_people(site: NodeInfo, n: int = 20) -> list[CommandInfo]:
    """Return the last `n` commands of a site that persons gave, the newest first."""
    rows = Command.objects.filter(site_id=site.id, user_id__isnull=False)
    return infos(rows.order_by("-created", "-id")[:n])


def get_command(site: NodeInfo, code: str) -> CommandInfo | None:
    """Return one command of a site with its audit, or None."""
    return next(iter(infos(Command.objects.filter(site_id=site.id, code=code))), None)


def count_by_state(created_from: datetime, created_to: datetime) -> dict[CommandState, int]:
    """Return how many commands created in [created_from, created_to) stand in each state."""
    rows = (
        Command.objects.filter(created__gte=created_from, created__lt=created_to)
        .values_list("state")
        .annotate(count=Count("id"))
    )
    return {CommandState(state): count for state, count in rows}


def infos(commands: Iterable[Command]) -> list[CommandInfo]:
    """Return rows as values with their audit, in their order."""
    rows = list(commands)
    events = defaultdict(list)
    found = CommandEvent.objects.filter(command_id__in=[row.pk for row in rows])
    for event in found:
        events[event.command_id].append(event)
    for of_command in events.values():
        of_command.sort(key=lambda event: (event.at, RANK[CommandState(event.state)]))
    return [_info(row, events[row.pk]) for row in rows]


def queued_commands(now: datetime, *, sent_too: bool = False) -> list[QueuedCommand]:
    """Return the commands that wait to be sent and have not expired, the oldest first.

    With `sent_too` also those of persons that were sent and have no final state: a hub that was
    out of reach has not got them.
    """
    states = [CommandState.QUEUED.value, *([CommandState.SENT.value] if sent_too else [])]
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(
            'select c.id, h.code, c.code, c.load_name, c."on", c.created, c.expires, c.author,'
            " c.reason from command c join hub h on h.site_id = c.site_id and h.controls"
            " where c.state = any(%s) and c.user_id is not null and c.expires > %s"
            " order by c.created, c.id",
            [states, now],
        )
        rows = cursor.fetchall()
    return [
        QueuedCommand(
            pk,
            hub,
            wire.Command(
                id=code,
                load=load,
                on=on,
                created=created.timestamp(),
                expires=expires.timestamp(),
                author=author,
                reason=reason,
            ),
        )
        for pk, hub, code, load, on, created, expires, author, reason in rows
    ]


def mark_sent(commands: Sequence[QueuedCommand], now: datetime) -> int:
    """Note that the commands were handed to the broker; return how many were still queued."""
    ids = [command.id for command in commands]
    return _advance(CommandState.SENT, now, "c.id = any(%s)", [ids])


def expire_due(now: datetime) -> int:
    """Give up on people's commands whose time is over; return how many there were.

    What load control commanded itself is ended by its own reports alone: they may still be on
    their way, and nobody waits for them.
    """
    return _advance(CommandState.EXPIRED, now, "c.expires <= %s and c.user_id is not null", [now])


_DETAIL = {
    CommandState.SENT: "''",
    CommandState.EXPIRED: (
        "case c.state when 'queued' then 'never sent' else 'no feedback in time' end"
    ),
}


def _advance(state: CommandState, now: datetime, where: str, values: list[Any]) -> int:
    column = "sent_at" if state == CommandState.SENT else "done_at"
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(
            f"with due as (select c.id, {_DETAIL[state]} as detail from command c where {where}"
            "   and c.state in ('queued', 'sent')"
            f"  and {rank_case('c.state')} < {rank_case('%s')} for update),"
            f" moved as (update command c set state = %s, {column} = %s, detail = due.detail"
            "   from due where c.id = due.id"
            "   returning c.id, c.tenant_id, c.site_id, c.detail),"
            " noted as (insert into command_event (tenant_id, command_id, state, at, detail)"
            "   select tenant_id, id, %s, %s, detail from moved"
            "   on conflict (command_id, state) do nothing)"
            " select count(*), array_agg(distinct site_id) from moved",
            [*values, state.value, state.value, now, state.value, now],
        )
        count, sites = cursor.fetchone()
        for site_id in sites or []:
            _notify(live.CHANNEL, str(site_id))
    return int(count)


def _notify(channel: str, payload: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [channel, payload])


def _info(row: Command, events: Iterable[CommandEvent]) -> CommandInfo:
    return CommandInfo(
        code=row.code,
        load_name=row.load_name,
        on=row.on,
        author=row.author,
        reason=row.reason,
        created=row.created,
        expires=row.expires,
        state=CommandState(row.state),
        limit=row.limit_name,
        expected_w=row.expected_w,
        achieved_w=row.achieved_w,
        sent_at=row.sent_at,
        done_at=row.done_at,
        detail=row.detail,
        events=tuple(CommandEventInfo(CommandState(e.state), e.at, e.detail) for e in events),
    )
