"""Events of demand response as rows: read, drafted, and with every change noted.

What is done with an event stands in `response_acts`. Call inside a scope of the person's tenant.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import Q

from balans.core.words import StepKind
from balans.domain.response.life import EventState
from balans.protocols.fields import NAME
from balans.protocols.hub.calls import LIFE_S
from balans.storage import access, lookups
from balans.storage.access import NotVisibleError, Person, Right
from balans.storage.commands import Author
from balans.storage.models import Event, Trigger
from balans.storage.records import NodeInfo
from balans.storage.response_programmes import checked_reason, programme_by_id, programme_for
from balans.storage.response_records import (
    ChangeInfo,
    EventInfo,
    ProgrammeInfo,
    ProgrammeState,
    ProgrammeTerms,
    ResponseRefusedError,
    StepInfo,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

STEPS_MAX: Final = 96
VALUE_MAX: Final = 1e9
ECO_LEVELS: Final = (1.0, 2.0, 3.0)
SEED_BITS: Final = 62
CODE_BYTES: Final = 4
AHEAD_MAX: Final = timedelta(days=13)
"""The wire holds a call for 14 days at most."""
CALL_LIFE: Final = timedelta(seconds=LIFE_S)
EXPIRY_MARGIN: Final = timedelta(minutes=2)
EMERGENCY_PRIORITY: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrder:
    """What an event shall ask, and of whom.

    Parameters
    ----------
    programme
        Code of an open programme.
    node
        Code of the programme's node, or of one below it; "": the programme's.
    kind, steps
        What is asked of every place, in order of time.
    wanted_kw
        How much shall be held back by all together; None: as much as there is.
    priority, start_spread_s, release_spread_s
        None: those of the programme.
    emergency
        Goes before the programme's notice, pause and numbers, and cannot be left.
    """

    programme: str
    kind: StepKind
    steps: Sequence[StepInfo]
    reason: str
    node: str = ""
    wanted_kw: Decimal | None = None
    priority: int | None = None
    start_spread_s: int | None = None
    release_spread_s: int | None = None
    emergency: bool = False


def draft_event(user: Author, order: EventOrder, now: datetime) -> EventInfo:
    """Write an event down; it asks nobody before it is announced.

    Raises
    ------
    NotVisibleError, ForbiddenError
        Without the right to call events in the programme and at the node.
    ResponseRefusedError
        ``not_open``, ``outside``, ``reason``, ``steps``, ``length``, ``past``, ``priority``,
        ``spread`` or ``wanted_kw``, in words that name the value and what is expected.
    """
    programme = programme_for(user, order.programme, Right.RESPONSE)
    node = access.node_for(user, order.node or programme.node_code, Right.RESPONSE)
    by = (user.get_username(), user.pk)
    return write_event(programme, node, order, by, now)


def draft_by_trigger(trigger_id: int, order: EventOrder, now: datetime) -> EventInfo:
    """Write down an event that a trigger wants, in its programme and at its node.

    Raises
    ------
    ResponseRefusedError
        As `draft_event`; ``trigger``: there is none such, or it is switched off.
    """
    row = Trigger.objects.filter(id=trigger_id, enabled=True).first()
    if row is None:
        raise ResponseRefusedError("trigger", f"no trigger {trigger_id} is at work")
    programme, node = programme_by_id(row.programme_id), lookups.node(row.node_id)
    by = (f"trigger {row.code}", None)
    return write_event(programme, node, order, by, now, trigger_id=row.pk)


def write_event(
    programme: ProgrammeInfo,
    node: NodeInfo,
    order: EventOrder,
    by: tuple[str, int | None],
    now: datetime,
    *,
    trigger_id: int | None = None,
) -> EventInfo:
    """Write down an event of `by`, a name and an account, once the order has been checked."""
    _check(order, programme, node, now)
    terms, (author, user_id) = programme.terms, by
    usual = EMERGENCY_PRIORITY if order.emergency else terms.priority
    release_s = _or(order.release_spread_s, terms.release_spread_s)
    ends = order.steps[-1].end
    row = Event.objects.create(
        tenant_id=programme.tenant_id,
        programme_id=programme.id,
        node_id=node.id,
        code=f"{order.steps[0].start:%Y%m%d}-{secrets.token_hex(CODE_BYTES)}",
        kind=order.kind.value,
        emergency=order.emergency,
        priority=_or(order.priority, usual),
        steps=steps_to_json(order.steps),
        starts=order.steps[0].start,
        ends=ends,
        expires=_expires(order, terms),
        reason=checked_reason(order.reason),
        author=author,
        user_id=user_id,
        trigger_id=trigger_id,
        created=now,
        wanted_kw=order.wanted_kw,
        seed=secrets.randbits(SEED_BITS),
        start_spread_s=_or(order.start_spread_s, terms.start_spread_s),
        release_spread_s=release_s,
    )
    note_change(row, author, "drafted", now, reason=row.reason)
    return event_infos(Event.objects.filter(id=row.pk))[0]


def event_for(user: Person, code: str, right: Right = Right.AUDIT) -> EventInfo:
    """Return the event with `code`, if `user` has `right` on its node.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    """
    rows = Event.objects.filter(tenant_id=user.tenant_id, code=code)
    found = event_infos(rows) if NAME.fullmatch(code) else []
    rights = access.rights_on(user, lookups.node(found[0].node_id)) if found else frozenset()
    if Right.VIEW not in rights:
        raise NotVisibleError(f"event {code}: not found")
    if right not in rights:
        word = right.value.replace("_", " ")
        raise access.ForbiddenError(f"event {code}: the right to {word} is missing")
    return found[0]


def events_of(
    user: Person,
    *,
    states: Sequence[EventState] = tuple(EventState),
    programme: str = "",
    n: int = 100,
) -> list[EventInfo]:
    """Return the last `n` events that `user` may follow, the latest start first."""
    paths = access.granted_paths(user, Right.AUDIT)
    if not paths:
        return []
    rows = Event.objects.filter(node__path__under=paths, state__in=[one.value for one in states])
    if programme:
        rows = rows.filter(programme__code=programme)
    ids = list(rows.order_by("-starts", "-id").values_list("id", flat=True)[:n])
    return event_infos(Event.objects.filter(id__in=ids))


def events_between(start: datetime, end: datetime) -> list[EventInfo]:
    """Return the events of the scope that were active in [start, end), in order."""
    over = Q(ended_at__isnull=True) | Q(ended_at__gt=start)
    return event_infos(Event.objects.filter(over, active_at__lt=end))[::-1]


def count_in(states: Sequence[EventState]) -> int:
    """Return how many events of the scope are in one of `states`."""
    return Event.objects.filter(state__in=[one.value for one in states]).count()


def changes_of(event: EventInfo) -> list[ChangeInfo]:
    """Return what was done with an event, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select at, author, what, reason, detail::text from dr_event_change"
            " where event_id = %s order by id",
            [event.id],
        )
        return [
            ChangeInfo(at, author, what, reason, json.loads(detail))
            for at, author, what, reason, detail in cursor.fetchall()
        ]


def note_change(
    row: Event,
    author: str,
    what: str,
    now: datetime,
    *,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Note what was done with an event."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into dr_event_change (tenant_id, event_id, at, author, what, reason, detail)"
            " values (%s, %s, %s, %s, %s, %s, %s::jsonb)",
            [row.tenant_id, row.pk, now, author, what, reason, json.dumps(detail or {})],
        )


def event_infos(rows: "QuerySet[Event]") -> list[EventInfo]:
    """Return `rows` as values, the latest start first."""
    found = rows.select_related("programme", "node", "trigger").order_by("-starts", "-id")
    return [_info(row) for row in found]


def steps_to_json(steps: Sequence[StepInfo]) -> list[list[float]]:
    """Return steps as they are stored: ``[[start, end, value], …]``, Unix seconds."""
    return [[one.start.timestamp(), one.end.timestamp(), one.value] for one in steps]


def steps_from_json(stored: Sequence[Sequence[float]]) -> tuple[StepInfo, ...]:
    """Return stored steps as values."""
    return tuple(
        StepInfo(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), value)
        for start, end, value in stored
    )


def needs_approval(row: Event) -> bool:
    """Return whether more is expected of the event than one person may call."""
    most: Decimal | None = row.programme.second_person_kw
    peak_kw = (row.preview or {}).get("peak_kw", 0.0)
    return most is not None and peak_kw > float(most)


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value


def _check(order: EventOrder, programme: ProgrammeInfo, node: NodeInfo, now: datetime) -> None:
    terms = programme.terms
    _check_steps(order)
    starts, ends = order.steps[0].start, order.steps[-1].end
    length_s = (ends - starts).total_seconds()
    inside = f"{node.path}.".startswith(f"{programme.node_path}.")
    checks = (
        (
            programme.state != ProgrammeState.OPEN,
            "not_open",
            f"programme {programme.code} is not open",
        ),
        (not inside, "outside", f"{node.code} is not in programme {programme.code}"),
        (
            length_s > terms.max_event_s,
            "length",
            f"an event of {length_s:g} s: programme {programme.code} allows {terms.max_event_s} s",
        ),
        (ends <= now, "past", "the event would be over already"),
        (starts > now + AHEAD_MAX, "past", f"more than {AHEAD_MAX.days} days ahead"),
        (
            _expires(order, terms) > now + CALL_LIFE,
            "past",
            f"it ends so late that its call would hold for more than {CALL_LIFE.days} days",
        ),
        (
            order.priority is not None and not 0 <= order.priority <= 9,
            "priority",
            f"priority {order.priority}: expected 0 (first) to 9",
        ),
        (
            order.wanted_kw is not None and not 0 < order.wanted_kw < 10**9,
            "wanted_kw",
            f"{order.wanted_kw} kW: expected more than 0",
        ),
        (not 0 <= _or(order.start_spread_s, 0) <= 3600, "spread", "expected 0 to 3600 s"),
        (not 0 <= _or(order.release_spread_s, 0) <= 3600, "spread", "expected 0 to 3600 s"),
    )
    for refused, code, message in checks:
        if refused:
            raise ResponseRefusedError(code, message)


def _expires(order: EventOrder, terms: ProgrammeTerms) -> datetime:
    release_s = _or(order.release_spread_s, terms.release_spread_s)
    return order.steps[-1].end + timedelta(seconds=release_s) + EXPIRY_MARGIN


def _check_steps(order: EventOrder) -> None:
    if not 0 < len(order.steps) <= STEPS_MAX:
        raise ResponseRefusedError("steps", f"expected 1 to {STEPS_MAX} steps")
    before: StepInfo | None = None
    for number, step in enumerate(order.steps, 1):
        what = f"step {number}"
        if step.end <= step.start:
            raise ResponseRefusedError("steps", f"{what}: ends before it begins")
        if before is not None and step.start < before.end:
            raise ResponseRefusedError("steps", f"{what}: begins before the one before it ends")
        if order.kind == StepKind.ECO and step.value not in ECO_LEVELS:
            raise ResponseRefusedError("steps", f"{what}: level {step.value:g}: expected 1, 2 or 3")
        if order.kind == StepKind.REDUCE and not step.value:
            raise ResponseRefusedError("steps", f"{what}: a reduction by 0 W asks nothing")
        if not 0 <= step.value <= VALUE_MAX:
            raise ResponseRefusedError("steps", f"{what}: {step.value:g}: expected 0 or more")
        before = step


def _info(row: Event) -> EventInfo:
    return EventInfo(
        id=row.pk,
        tenant_id=row.tenant_id,
        code=row.code,
        programme_code=row.programme.code,
        programme_title=row.programme.title,
        node_id=row.node_id,
        node_code=row.node.code,
        node_name=row.node.name,
        kind=StepKind(row.kind),
        state=EventState(row.state),
        emergency=row.emergency,
        priority=row.priority,
        steps=steps_from_json(row.steps),
        starts=row.starts,
        ends=row.ends,
        expires=row.expires,
        reason=row.reason,
        author=row.author,
        user_id=row.user_id,
        trigger_code=row.trigger.code if row.trigger else "",
        approver=row.approver,
        created=row.created,
        announced_at=row.announced_at,
        active_at=row.active_at,
        ended_at=row.ended_at,
        settled_at=row.settled_at,
        wanted_kw=row.wanted_kw,
        expected_kw=row.expected_kw,
        expected_sd_kw=row.expected_sd_kw,
        needs_approval=needs_approval(row),
        preview=row.preview,
        result=row.result,
        seed=row.seed,
        start_spread_s=row.start_spread_s,
        release_spread_s=row.release_spread_s,
        epoch=row.epoch,
    )
