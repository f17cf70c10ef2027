"""What people do with events: approve, announce, cancel, opt out. Call inside the tenant's scope.

Each act locks the event, so that of two at a time the second sees what the first did; announcing
locks the programme too, so that two events cannot both be the last that its rules allow.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from balans.domain.metering.calendar import days, months
from balans.domain.response.life import (
    FINAL_EVENTS,
    EventHappening,
    EventState,
    LifeError,
    next_event_state,
)
from balans.storage import access, lookups
from balans.storage.access import NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.models import Event, OptOut, Programme, Tenant
from balans.storage.records import NodeInfo
from balans.storage.response_events import event_for, event_infos, needs_approval, note_change
from balans.storage.response_programmes import checked_reason
from balans.storage.response_records import EventInfo, ProgrammeState, ResponseRefusedError
from balans.storage.response_reports import bring_up_to_date
from balans.storage.signing_keys import NO_KEY, has_key

LIVE: Final = (EventState.ANNOUNCED.value, EventState.ACTIVE.value)
SECOND: Final = timedelta(seconds=1)
_APPROVAL: Final = "{:.1f} kW are expected: above {} kW a second person has to approve"


def approve(user: Author, code: str, now: datetime) -> EventInfo:
    """Be the second person of a drafted event.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `event_for`, without the right to approve.
    ResponseRefusedError
        ``state``; ``author``: who drafted it, or wrote the trigger that did, cannot approve it;
        ``preview``: there is none yet.
    """
    row = _locked(event_for(user, code, Right.APPROVE))
    _demand_state(row, EventState.DRAFT, "approved")
    wrote = row.user_id == user.pk
    if row.trigger is not None and needs_approval(row):
        wrote = row.trigger.author == user.get_username()  # the first of the two persons
    if wrote:
        raise ResponseRefusedError("author", "an event is approved by another than its author")
    if row.preview is None:
        raise ResponseRefusedError("preview", f"event {code} has no preview yet")
    row.approver, row.approver_user_id = user.get_username(), user.pk
    row.approved_at = now
    row.save(update_fields=["approver", "approver_user_id", "approved_at"])
    note_change(row, user.get_username(), "approved", now)
    return _info(row)


def announce(user: Author, code: str, now: datetime) -> EventInfo:
    """Call an event: from now on its places are told.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `event_for`, without the right to call events.
    ResponseRefusedError
        ``state``, ``no_key``, ``preview``, ``nobody``, ``approval``, ``not_open``, ``notice``,
        ``past``, ``per_day``, ``per_month`` or ``pause``; ``author``: of what a trigger drafted
        who approved it does not call it too.
    """
    row = _locked(event_for(user, code, Right.RESPONSE))
    if row.trigger is not None and needs_approval(row) and row.approver_user_id == user.pk:
        message = "what a trigger drafted is called by another than who approved it"
        raise ResponseRefusedError("author", message)
    return announce_row(row, user.get_username(), now)


def announce_drafted(event_id: int, author: str, now: datetime) -> EventInfo:
    """Call an event that a trigger has drafted and may call; errors as `announce`."""
    row = Event.objects.select_for_update(of=("self",)).get(id=event_id)
    return announce_row(row, author, now)


def announce_row(row: Event, author: str, now: datetime) -> EventInfo:
    """Call the event `row`, which is locked, once all that its programme says has been checked."""
    _demand_state(row, EventState.DRAFT, "announced")
    programme = Programme.objects.select_for_update().get(id=row.programme_id)
    _check_call(row, programme, now)
    if not row.emergency:
        _check_rules(row, programme, now)
    row.state = next_event_state(EventState.DRAFT, EventHappening.ANNOUNCE).value
    row.announced_at = now
    change_call(row, now)
    row.save(update_fields=["state", "announced_at"])
    detail = {"expected_kw": row.expected_kw, "sd_kw": row.expected_sd_kw}
    note_change(row, author, "announced", now, detail=detail)
    return _info(row)


def cancel(user: Author, code: str, reason: str, now: datetime) -> EventInfo:
    """Call an event off; what holds is let go of, spread as at its end.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `event_for`, without the right to call events.
    ResponseRefusedError
        ``state`` or ``reason``.
    """
    row = _locked(event_for(user, code, Right.RESPONSE))
    why = checked_reason(reason)
    try:
        state = next_event_state(EventState(row.state), EventHappening.CANCEL)
    except LifeError as error:
        raise ResponseRefusedError("state", str(error)) from error
    row.state, row.ended_at = state.value, now
    if row.announced_at is not None:
        change_call(row, now)
    row.save(update_fields=["state", "ended_at"])
    note_change(row, user.get_username(), "cancelled", now, reason=why)
    return _info(row)


def opt_out(user: Author, code: str, node_code: str, now: datetime, reason: str = "") -> int:
    """Take a place out of an event, and out of what it asks; return how many targets that ended.

    A target that covers more than the place ends as a whole: the place cannot be told apart in it.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`: only who may consent for the place.
    ResponseRefusedError
        ``state``: it is over; ``emergency``; ``too_late`` by the programme's rules; ``reason``.
    """
    node = access.node_for(user, node_code, Right.CONSENT)
    covering = Q(node_id__in=(*node.ancestor_ids, node.id)) | Q(node__path__under=node.path)
    rows = Event.objects.filter(covering, tenant_id=node.tenant_id, code=code)
    row = rows.exclude(state=EventState.DRAFT.value).select_for_update(of=("self",)).first()
    if row is None:
        raise NotVisibleError(f"event {code}: not found")
    _check_opt_out(row, now)
    made, created = OptOut.objects.get_or_create(
        tenant_id=node.tenant_id,
        event_id=row.pk,
        node_id=node.id,
        defaults={
            "at": now,
            "author": user.get_username(),
            "reason": checked_reason(reason) if reason.strip() else "",
        },
    )
    if not created:
        return 0
    detail = {"node": node_code}
    note_change(row, user.get_username(), "opted_out", now, reason=made.reason, detail=detail)
    return drop_targets(row, [node.path], now)


def leave_events(node: NodeInfo, programme_id: int, now: datetime) -> int:
    """End the targets at or around `node` in a programme's events that may still be left."""
    open_ones = Q(state__in=[EventState.DRAFT.value, EventState.ANNOUNCED.value])
    open_ones |= Q(state=EventState.ACTIVE.value, programme__opt_out_within=True)
    rows = Event.objects.filter(open_ones, programme_id=programme_id, emergency=False)
    return _drop_from(rows, node, now)


def spare(node: NodeInfo, now: datetime) -> int:
    """End the targets at or around `node` in all events that are not over."""
    states = [EventState.DRAFT.value, *LIVE]
    return _drop_from(Event.objects.filter(tenant_id=node.tenant_id, state__in=states), node, now)


def _drop_from(rows: "QuerySet[Event]", node: NodeInfo, now: datetime) -> int:
    locked = rows.select_for_update(of=("self",)).order_by("id")
    return sum(drop_targets(row, [node.path], now) for row in locked)


def drop_targets(row: Event, paths: list[str], now: datetime) -> int:
    """Take the targets at, above or below `paths` out of an event and its call."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update dr_target t set opted_out_at = %s from node n where n.id = t.node_id"
            " and t.event_id = %s and t.opted_out_at is null and t.released_at is null"
            " and (n.path <@ %s::ltree[] or n.path @> %s::ltree[]) returning t.id",
            [now, row.pk, paths, paths],
        )
        ids = [pk for (pk,) in cursor.fetchall()]
    bring_up_to_date(ids)
    if ids and row.announced_at is not None:
        change_call(row, now)
    return len(ids)


def change_call(row: Event, now: datetime) -> None:
    """Give the event's call a new epoch: gateways take it for newer than what they have.

    How long the longest of its calls holds is noted: the newest must not be forgotten before.
    """
    with connection.cursor() as cursor:
        cursor.execute("select nextval('dr_epoch')")
        row.epoch = cursor.fetchone()[0]
        row.called_at = now
        row.save(update_fields=["epoch", "called_at"])
        cursor.execute(
            "update dr_event set held_until = greatest(held_until, %s) where id = %s",
            [row.expires, row.pk],
        )


def _locked(event: EventInfo) -> Event:
    return Event.objects.select_for_update(of=("self",)).get(id=event.id)


def _info(row: Event) -> EventInfo:
    return event_infos(Event.objects.filter(id=row.pk))[0]


def _demand_state(row: Event, state: EventState, verb: str) -> None:
    if row.state != state.value:
        raise ResponseRefusedError("state", f"event {row.code} is {row.state}: cannot be {verb}")


def _check_call(row: Event, programme: Programme, now: datetime) -> None:
    tenant = Tenant.objects.get(id=row.tenant_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from dr_target where event_id = %s and opted_out_at is null", [row.pk]
        )
        targets = cursor.fetchone()[0]
    checks = (
        (not has_key(row.tenant_id, now), "no_key", NO_KEY.format(tenant.code)),
        (row.preview is None, "preview", f"event {row.code} has no preview yet"),
        (not targets, "nobody", f"event {row.code} asks nobody"),
        (
            needs_approval(row) and not row.approver,
            "approval",
            _APPROVAL.format((row.preview or {}).get("peak_kw", 0.0), programme.second_person_kw),
        ),
        (
            programme.state != ProgrammeState.OPEN,
            "not_open",
            f"programme {programme.code} is not open",
        ),
        (row.ends <= now, "past", f"event {row.code} would be over already"),
    )
    for refused, code, message in checks:
        if refused:
            raise ResponseRefusedError(code, message)


def _check_rules(row: Event, programme: Programme, now: datetime) -> None:
    notice_s = (row.starts - now).total_seconds()
    if notice_s < programme.notice_s - 1:
        message = (
            f"{max(notice_s, 0):.0f} s before its start: programme {programme.code} promises"
            f" {programme.notice_s} s"
        )
        raise ResponseRefusedError("notice", message)
    others = _others(row)
    zone = lookups.node(programme.node_id).timezone
    for bounds, most, code, word in (
        (days, programme.max_per_day, "per_day", "day"),
        (months, programme.max_per_month, "per_month", "month"),
    ):
        first, last = bounds(row.starts, row.starts + SECOND, zone)[:2]
        count = others.filter(starts__gte=first, starts__lt=last).count()
        if count >= most:
            message = f"there are {count} events on this {word} already, {most} are allowed"
            raise ResponseRefusedError(code, message)
    _check_pause(row, programme, others)


def _check_pause(row: Event, programme: Programme, others: "QuerySet[Event]") -> None:
    if not programme.pause_s:
        return
    pause = timedelta(seconds=programme.pause_s)
    near = others.filter(starts__lt=row.ends + pause, ends__gt=row.starts - pause).first()
    if near is not None:
        message = f"less than {programme.pause_s} s between it and event {near.code}"
        raise ResponseRefusedError("pause", message)


def _others(row: Event) -> "QuerySet[Event]":
    """Return the programme's other events that reach some of the same places and were, or are."""
    node = lookups.node(row.node_id)
    around = Q(node_id__in=(*node.ancestor_ids, node.id)) | Q(node__path__under=node.path)
    called = Q(state__in=[*LIVE, EventState.ENDED.value]) | Q(active_at__isnull=False)
    return Event.objects.filter(around, called, programme_id=row.programme_id).exclude(id=row.pk)


def _check_opt_out(row: Event, now: datetime) -> None:
    programme = row.programme
    latest = row.starts - timedelta(seconds=programme.opt_out_s)
    checks: tuple[tuple[Any, str, str], ...] = (
        (EventState(row.state) in FINAL_EVENTS, "state", f"event {row.code} is {row.state}"),
        (row.emergency, "emergency", "an emergency cannot be left"),
        (
            now > latest and not programme.opt_out_within,
            "too_late",
            f"programme {programme.code} lets out until {programme.opt_out_s} s before the start",
        ),
    )
    for refused, code, message in checks:
        if refused:
            raise ResponseRefusedError(code, message)
