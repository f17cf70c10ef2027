"""Triggers: rules that watch a node and call events by themselves, as far as they may.

What they do stands in `response_trigger_work`. Call inside a scope of the person's tenant.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, connection, transaction

from balans.core.errors import InputError
from balans.core.text import printable
from balans.domain.response.life import EventState
from balans.domain.response.triggers import Mode
from balans.protocols.fields import NAME
from balans.storage import access, lookups
from balans.storage.access import ForbiddenError, NotVisibleError, Person, Right
from balans.storage.commands import Author
from balans.storage.models import Event, Trigger
from balans.storage.response_programmes import programme_for
from balans.storage.response_records import ResponseRefusedError
from balans.storage.response_trigger_events import withdraw
from balans.usecases.trigger_rules import Settings, read_settings

if TYPE_CHECKING:
    from django.db.models import QuerySet

CODE_MAX: Final = 64
CAP_MAX: Final = Decimal(10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOrder:
    """What a trigger shall be.

    Parameters
    ----------
    programme, node
        Code of the programme whose events it calls, and of the node that it watches; "": the
        programme's.
    settings
        As `usecases.trigger_rules` describes them.
    mode, cap_kw
        Whether it acts, and up to which reduction; beyond that it proposes.
    enabled
        Whether it is at work at once; it can be switched on later.
    """

    programme: str
    settings: Mapping[str, Any]
    node: str = ""
    title: str = ""
    mode: Mode = Mode.PROPOSE
    cap_kw: Decimal = Decimal(0)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class TriggerInfo:
    """A trigger, and what it found when it last looked.

    `event_code` is the event that it has called and that is not over, or the one it proposes. One
    that has ended never looks again.
    """

    id: int
    tenant_id: int
    code: str
    title: str
    kind: str
    programme_id: int
    programme_code: str
    node_id: int
    node_code: str
    node_name: str
    settings: Mapping[str, Any]
    mode: Mode
    cap_kw: Decimal
    enabled: bool
    author: str
    created: datetime
    looked_at: datetime | None = None
    outcome: str = ""
    event_code: str = ""
    memory: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ended_at: datetime | None = None


def create_trigger(user: Author, code: str, order: TriggerOrder, now: datetime) -> TriggerInfo:
    """Let a trigger watch a node of a programme.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `programme_for` and `access.node_for`, without the right to call events.
    ResponseRefusedError
        ``code``, ``taken``, ``outside`` the programme, ``cap_kw`` or ``settings``.
    """
    programme = programme_for(user, order.programme, Right.RESPONSE)
    node = access.node_for(user, order.node or programme.node_code, Right.RESPONSE)
    if not NAME.fullmatch(code) or len(code) > CODE_MAX:
        message = f"code {code[:64]!r}: expected 1-{CODE_MAX} of A-Z a-z 0-9 _ . -"
        raise ResponseRefusedError("code", message)
    if not f"{node.path}.".startswith(f"{programme.node_path}."):
        raise ResponseRefusedError("outside", f"{node.code} is not in programme {programme.code}")
    settings = _checked(order)
    try:
        with transaction.atomic():
            row = Trigger.objects.create(
                tenant_id=programme.tenant_id,
                programme_id=programme.id,
                node_id=node.id,
                code=code,
                title=printable(order.title.strip())[:200],
                kind=settings.kind,
                parameters=dict(order.settings),
                mode=order.mode.value,
                cap_kw=order.cap_kw,
                enabled=order.enabled,
                author=user.get_username(),
                created=now,
            )
    except IntegrityError as error:
        raise ResponseRefusedError("taken", f"trigger {code} exists already") from error
    return _infos(Trigger.objects.filter(id=row.pk))[0]


def edit_trigger(user: Author, code: str, order: TriggerOrder) -> TriggerInfo:
    """Change what a trigger looks for and may do; its programme, node and state stay.

    Raises
    ------
    NotVisibleError, ForbiddenError, ResponseRefusedError
        As `create_trigger`; ``ended``.
    """
    found = _kept(user, code)
    settings = _checked(order)
    Trigger.objects.filter(id=found.id).update(
        title=printable(order.title.strip())[:200],
        kind=settings.kind,
        parameters=dict(order.settings),
        mode=order.mode.value,
        cap_kw=order.cap_kw,
    )
    return _infos(Trigger.objects.filter(id=found.id))[0]


def set_trigger_enabled(user: Author, code: str, now: datetime, *, enabled: bool) -> TriggerInfo:
    """Switch a trigger on or off; an event that it has called goes on to its end.

    What it proposes is withdrawn when it is switched off.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `trigger_for`.
    ResponseRefusedError
        ``ended``.
    """
    found = _kept(user, code)
    Trigger.objects.filter(id=found.id).update(enabled=enabled)
    if not enabled:
        _withdraw_proposal(found.id, user.get_username(), "its trigger was switched off", now)
    return _infos(Trigger.objects.filter(id=found.id))[0]


def end_trigger(user: Author, code: str, now: datetime) -> TriggerInfo:
    """Take a trigger out of use for good; its events and its history stay. Errors as above."""
    found = _kept(user, code)
    Trigger.objects.filter(id=found.id).update(enabled=False, ended_at=now)
    _withdraw_proposal(found.id, user.get_username(), "its trigger has ended", now)
    return _infos(Trigger.objects.filter(id=found.id))[0]


def _kept(user: Author, code: str) -> TriggerInfo:
    """Return a trigger that `user` may change, locked against the look of a worker."""
    found = trigger_for(user, code, Right.RESPONSE)
    row = Trigger.objects.select_for_update(of=("self",)).get(id=found.id)
    if row.ended_at is not None:
        raise ResponseRefusedError("ended", f"trigger {code} has ended")
    return found


def _withdraw_proposal(trigger_id: int, author: str, why: str, now: datetime) -> None:
    """Take the draft back that a trigger, which is locked, proposes."""
    drafts = Event.objects.filter(trigger_id=trigger_id, state=EventState.DRAFT.value)
    for row in drafts.select_for_update(of=("self",)):
        withdraw(row, author, why, now)


def trigger_for(user: Person, code: str, right: Right = Right.AUDIT) -> TriggerInfo:
    """Return the trigger with `code`, if `user` has `right` on its node.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    """
    rows = Trigger.objects.filter(tenant_id=user.tenant_id, code=code)
    found = _infos(rows) if NAME.fullmatch(code) else []
    rights = access.rights_on(user, lookups.node(found[0].node_id)) if found else frozenset()
    if Right.VIEW not in rights:
        raise NotVisibleError(f"trigger {code}: not found")
    if right not in rights:
        word = right.value.replace("_", " ")
        raise ForbiddenError(f"trigger {code}: the right to {word} is missing")
    return found[0]


def triggers_of(user: Person) -> list[TriggerInfo]:
    """Return the triggers on whose nodes `user` may follow events, by code; the ended ones last."""
    paths = access.granted_paths(user, Right.AUDIT)
    found = _infos(Trigger.objects.filter(node__path__under=paths)) if paths else []
    return sorted(found, key=lambda one: one.ended_at is not None)


def _checked(order: TriggerOrder) -> Settings:
    if not 0 <= order.cap_kw <= CAP_MAX:
        raise ResponseRefusedError("cap_kw", f"cap_kw {order.cap_kw}: expected 0 to {CAP_MAX}")
    try:
        return read_settings(order.settings)
    except InputError as error:
        raise ResponseRefusedError("settings", str(error)) from error


def _infos(rows: "QuerySet[Trigger]") -> list[TriggerInfo]:
    found = list(rows.select_related("programme", "node").order_by("code"))
    states = _states([row.pk for row in found])
    ids = {one for _, _, memory in states.values() for one in _event_ids(memory)}
    codes = dict(Event.objects.filter(id__in=ids).values_list("id", "code"))
    return [_info(row, states.get(row.pk), codes) for row in found]


def _event_ids(memory: Mapping[str, Any]) -> list[int]:
    return [memory[name] for name in ("event", "proposal") if memory.get(name)]


def _states(ids: list[int]) -> dict[int, tuple[datetime, str, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select trigger_id, at, outcome, memory::text from dr_trigger_state"
            " where trigger_id = any(%s)",
            [ids],
        )
        return {pk: (at, outcome, json.loads(text)) for pk, at, outcome, text in cursor.fetchall()}


def _info(
    row: Trigger, state: tuple[datetime, str, dict[str, Any]] | None, codes: Mapping[int, str]
) -> TriggerInfo:
    at, outcome, memory = state or (None, "", {})
    return TriggerInfo(
        id=row.pk,
        tenant_id=row.tenant_id,
        code=row.code,
        title=row.title or row.code,
        kind=row.kind,
        programme_id=row.programme_id,
        programme_code=row.programme.code,
        node_id=row.node_id,
        node_code=row.node.code,
        node_name=row.node.name,
        settings=row.parameters,
        mode=Mode(row.mode),
        cap_kw=row.cap_kw,
        enabled=row.enabled,
        author=row.author,
        created=row.created,
        looked_at=at,
        outcome=outcome,
        event_code=next((codes[pk] for pk in _event_ids(memory) if pk in codes), ""),
        memory=memory,
        ended_at=row.ended_at,
    )
