"""Orders to disconnect or reconnect a metering point: drafted, submitted, approved, cancelled.

Call inside a scope of the person's tenant. Every step is a row of ``supply_step``, by whom and
when. What speaks against an order when it is drafted is said to its author; what speaks against it
later refuses it, and that is a step too. The database itself refuses two open orders of a point, an
approval by the author, and an order on its way without the second person it needs.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from django.db import IntegrityError, connection, transaction

from balans.core.text import printable
from balans.domain.supply import (
    FINAL,
    OPEN,
    Check,
    Deed,
    Facts,
    OrderState,
    Refusal,
    SupplyAction,
    SupplyReason,
    after,
    needs_second_person,
    refusals,
)
from balans.storage import access, findings, lookups, supply, supply_checks
from balans.storage.access import NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.findings import Noticed, Severity
from balans.storage.models import SupplyDevice, SupplyOrder
from balans.storage.records import PointInfo
from balans.storage.supply_checks import Situation
from balans.storage.supply_lists import infos, order_for
from balans.storage.supply_records import OrderInfo, SupplyRefusedError

DRAFT_LIFE: Final = timedelta(hours=1)
GRAVE: Final = frozenset({Refusal.PROTECTED, Refusal.FAULT})
"""An order that meets these is kept as refused, with a finding, not only said to be impossible."""
WHY_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants of the supply of a point.

    `not_before` is the date that the customer was told; the order is void `ttl` after it is due.
    """

    action: SupplyAction
    reason: SupplyReason
    text: str
    ttl: timedelta = timedelta(hours=1)
    not_before: datetime | None = None


def draft(user: Author, code: str, wish: Wish, now: datetime) -> OrderInfo:
    """Note a wish of `user` for the point `code`, to be looked at and submitted.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`, without the right to switch supplies there.
    SupplyRefusedError
        The gravest `Refusal`. One that is protected or has a broken line is kept as refused.
    """
    point = access.point_for(user, code, Right.SUPPLY)
    due = max(now, wish.not_before) if wish.not_before else now
    situation = supply_checks.situation_of(point, now)
    facts = _facts(wish, situation, now, due + wish.ttl)
    found = [one for one in refusals(facts) if one not in GRAVE]
    if found or situation.device is None:
        raise SupplyRefusedError(found[0], f"point {code}: {found[0].replace('_', ' ')}")
    row = SupplyOrder.objects.create(
        tenant_id=user.tenant_id,
        code=uuid4().hex,
        point_id=point.id,
        device_id=situation.device.id,
        action=wish.action.value,
        reason=wish.reason.value,
        text=printable(wish.text.strip()),
        author=user.get_username(),
        user_id=user.pk,
        created=now,
        not_before=wish.not_before,
        expires=due + wish.ttl,
        second_person=needs_second_person(
            wish.action,
            wish.reason,
            supply.second_person_for(lookups.node(point.node_id)),
            was_dangerous=situation.was_dangerous,
        ),
    )
    note_step(row, user.get_username(), now)
    if GRAVE & set(refusals(facts)):
        _refuse_by_rule(row, point, situation, now)
    return _info(row)


def submit(user: Author, order: str, confirmed: Collection[Check], now: datetime) -> OrderInfo:
    """Submit a draft of one's own: it waits for a second person, or is on its way.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `draft`; somebody else's draft is not there.
    SupplyRefusedError
        ``state`` (it is no draft any more), ``checklist``, or another `Refusal`.
    """
    row, point = _locked(user, order, now)
    if row.user_id != user.pk:
        raise NotVisibleError(f"order {order}: not found")
    _lock_device(row)
    situation = supply_checks.situation_of(point, now)
    _demand(row, OrderState.DRAFT)
    facts = facts_of(row, situation, now)
    if GRAVE & set(refusals(facts)):
        return _refuse_by_rule(row, point, situation, now)
    found = refusals(facts, confirmed)
    if found:
        raise SupplyRefusedError(found[0], f"order {order}: {found[0].replace('_', ' ')}")
    row.checks = sorted(check.value for check in confirmed)
    row.moved = situation.moved
    row.second_person = needs_second_person(
        facts.action,
        facts.reason,
        supply.second_person_for(lookups.node(point.node_id)),
        was_dangerous=situation.was_dangerous,
    )
    if situation.moved and facts.action == SupplyAction.RECONNECT:
        used = supply_checks.used_while_off(row.tenant_id, point, situation.moved)
        findings.record([used], now)
    try:
        with transaction.atomic():
            move(row, Deed.SUBMIT if row.second_person else Deed.RELEASE, user.get_username(), now)
    except IntegrityError as error:  # another one was submitted at this very moment
        raise SupplyRefusedError(Refusal.OPEN, f"point {point.code}: another is open") from error
    return _info(row)


def approve(user: Author, order: str, now: datetime) -> OrderInfo:
    """Be the second person: let an order that waits go on its way.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `draft`.
    SupplyRefusedError
        ``own`` (nobody approves an order of their own) or ``state`` (it does not wait any more).
    """
    row, point = _locked(user, order, now)
    if row.user_id == user.pk:
        raise SupplyRefusedError("own", f"order {order}: its author cannot approve it")
    _demand(row, OrderState.WAITING)
    situation = supply_checks.situation_of(point, now)
    facts = facts_of(row, situation, now)
    if GRAVE & set(refusals(facts)):
        return _refuse_by_rule(row, point, situation, now)
    row.approver, row.approver_user_id, row.approved_at = user.get_username(), user.pk, now
    move(row, Deed.APPROVE, user.get_username(), now)
    return _info(row)


def decline(user: Author, order: str, why: str, now: datetime) -> OrderInfo:
    """Be the second person: refuse an order that waits, and say why; errors as `approve`."""
    row, _ = _locked(user, order, now)
    if row.user_id == user.pk:
        raise SupplyRefusedError("own", f"order {order}: its author cancels it instead")
    _demand(row, OrderState.WAITING)
    move(row, Deed.REFUSE, user.get_username(), now, _why(why))
    return _info(row)


def cancel(user: Author, order: str, why: str, now: datetime) -> OrderInfo:
    """Give up an order that was not sent yet: who may order may cancel, whoever ordered.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `draft`.
    SupplyRefusedError
        ``state``: it was sent, or is over.
    """
    row, _ = _locked(user, order, now)
    if after(OrderState(row.state), Deed.CANCEL) is None:
        raise SupplyRefusedError("state", f"order {order}: it is {row.state} already")
    move(row, Deed.CANCEL, user.get_username(), now, _why(why))
    return _info(row)


def facts_for(user: Author, order: str, now: datetime) -> Facts:
    """Return what the rules judge an order by now; errors as `order_for`."""
    order_for(user, order)
    row = SupplyOrder.objects.get(tenant_id=user.tenant_id, code=order)
    (point,) = lookups.points_by_id([row.point_id])
    return facts_of(row, supply_checks.situation_of(point, now), now)


def facts_of(row: SupplyOrder, situation: Situation, now: datetime) -> Facts:
    """Return what the rules judge an order by; an open order of its own does not count.

    Nor does a device that took the place of the one that it was drafted for.
    """
    wish = Wish(
        action=SupplyAction(row.action),
        reason=SupplyReason(row.reason),
        text=row.text,
        not_before=row.not_before,
    )
    is_open = situation.is_open and OrderState(row.state) not in OPEN
    if situation.device is not None and situation.device.id != row.device_id:
        situation = replace(situation, device=None)  # another one stands there meanwhile
    return _facts(wish, situation, now, row.expires, is_open=is_open)


def move(row: SupplyOrder, deed: Deed, author: str, now: datetime, detail: str = "") -> None:
    """Do `deed` with a locked order, and note the step; the table of `life` allows it or not."""
    new = after(OrderState(row.state), deed)
    if new is None:
        raise SupplyRefusedError("state", f"order {row.code}: it is {row.state} already")
    row.state = new.value
    if new == OrderState.SENT:
        row.sent_at = now
    if new in FINAL:
        row.done_at, row.detail = now, detail
    row.save()
    note_step(row, author, now, detail)


def note_step(
    row: SupplyOrder, author: str, now: datetime, detail: str = "", state: str = ""
) -> None:
    """Note what was done with an order, never to be changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into supply_step (tenant_id, order_id, state, at, author, detail)"
            " values (%s, %s, %s, %s, %s, %s)",
            [row.tenant_id, row.pk, state or row.state, now, author, detail],
        )


def refuse_by_rule(row: SupplyOrder, situation: Situation, now: datetime) -> bool:
    """Refuse a locked order that a rule forbids meanwhile; return whether it did."""
    (point,) = lookups.points_by_id([row.point_id])
    if not GRAVE & set(refusals(facts_of(row, situation, now))):
        return False
    _refuse_by_rule(row, point, situation, now)
    return True


def _info(row: SupplyOrder) -> OrderInfo:
    return infos([row])[0]


def _locked(user: Author, order: str, now: datetime) -> tuple[SupplyOrder, PointInfo]:
    """Return the order, locked until the transaction ends, if the person may switch there."""
    rows = SupplyOrder.objects.select_for_update(of=("self",))
    row = rows.filter(tenant_id=user.tenant_id, code=order).first()
    if row is None:
        raise NotVisibleError(f"order {order[:64]}: not found")
    (point,) = lookups.points_by_id([row.point_id])
    access.point_for(user, point.code, Right.SUPPLY)
    if now >= _end_of(row):
        raise SupplyRefusedError("state", f"order {order}: its time is over")
    return row, point


def _lock_device(row: SupplyOrder) -> None:
    """Keep the device of an order from being taken away until the transaction ends."""
    devices = SupplyDevice.objects.select_for_update(of=("self",))
    devices.filter(pk=row.device_id).values_list("pk", flat=True).first()


def _end_of(row: SupplyOrder) -> datetime:
    is_draft = row.state == OrderState.DRAFT
    return min(row.expires, row.created + DRAFT_LIFE) if is_draft else row.expires


def _demand(row: SupplyOrder, state: OrderState) -> None:
    if row.state != state:
        raise SupplyRefusedError("state", f"order {row.code}: it is {row.state} already")


def _facts(
    wish: Wish,
    situation: Situation,
    now: datetime,
    expires: datetime,
    *,
    is_open: bool | None = None,
) -> Facts:
    device = situation.device
    seen: dict[str, Any] = {} if device is None else {"contact": device.contact}
    return Facts(
        action=wish.action,
        reason=wish.reason,
        text=wish.text,
        now=now,
        not_before=wish.not_before,
        expires=expires,
        has_device=device is not None,
        has_hub=device is None or device.hub_code is not None,
        is_open=situation.is_open if is_open is None else is_open,
        protection=situation.protection,
        faults=bool(situation.faults),
        moved=situation.moved,
        **seen,
    )


def _refuse_by_rule(
    row: SupplyOrder, point: PointInfo, situation: Situation, now: datetime
) -> OrderInfo:
    """Let a rule refuse an order: its last step says so, and a finding to the operator."""
    if situation.faults and row.action == SupplyAction.RECONNECT:
        what = "a reconnection was refused: the line is broken or short-circuited"
        detail = Refusal.FAULT
    else:
        what = "a disconnection for non-payment was refused: the point is protected"
        detail = Refusal.PROTECTED
    said = f"order {row.code} of {row.author}"
    place = f"point {point.code}"
    findings.record([Noticed(row.tenant_id, place, what, said, Severity.WARNING)], now)
    move(row, Deed.REFUSE, "rule", now, detail.value)
    return _info(row)


def _why(why: str) -> str:
    why = printable(why.strip())
    if not 0 < len(why) <= WHY_MAX:
        raise SupplyRefusedError("why", f"say why, in 1 to {WHY_MAX} letters")
    return why
