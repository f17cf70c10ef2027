"""Orders on their way to hubs, for the head-end. Each function opens a scope of its own.

An order is marked as sent, and that is committed, before the first byte of it leaves: so a
cancellation either comes before that, and nothing is sent, or it is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Max, Q

from balans.domain.supply import OPEN, Deed, OrderState, ReconnectMode, SupplyAction
from balans.protocols.hub import SupplyAsk, SupplyOrder
from balans.storage import lookups, models, supply_checks
from balans.storage.scope import system_scope
from balans.storage.supply_orders import DRAFT_LIFE, move, refuse_by_rule

CHANNEL: Final = "balans_supply"
"""Listeners are told of every change of an order, after COMMIT."""
ACTOR: Final = "headend"
GRACE: Final = timedelta(minutes=2)
"""The hub ends an order by itself, and has so long to say so."""
NEVER_SENT: Final = "never sent"
NO_WORD: Final = "no word of the hub in time"
ASKED_MAX: Final = 500
STEP: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An order, and the hub that carries it."""

    hub_code: str
    order: SupplyOrder


@dataclass(frozen=True, slots=True)
class Question:
    """Modules of a hub whose contacts have told nothing yet."""

    hub_code: str
    ask: SupplyAsk


def expire_due(now: datetime) -> int:
    """Give up on orders and drafts whose time is over; return how many there were."""
    waiting = [OrderState.WAITING.value, OrderState.APPROVED.value]
    over = (
        Q(state=OrderState.DRAFT.value, created__lte=now - DRAFT_LIFE)
        | Q(state__in=waiting, expires__lte=now)
        | Q(state=OrderState.SENT.value, expires__lte=now - GRACE)
    )
    with system_scope(ACTOR, durable=True):
        rows = list(models.SupplyOrder.objects.select_for_update().filter(over).order_by("id"))
        for row in rows:
            why = NO_WORD if row.state == OrderState.SENT else NEVER_SENT
            move(row, Deed.EXPIRE, ACTOR, now, why)
        return len(rows)


def release_due(now: datetime) -> int:
    """Mark the approved orders that are due as sent, and commit; return how many there were.

    What a rule forbids by now is refused instead.
    """
    ready = models.SupplyOrder.objects.select_for_update().filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now),
        state=OrderState.APPROVED.value,
        expires__gt=now,
    )
    count = 0
    with system_scope(ACTOR, durable=True):
        for row in ready.order_by("id"):
            issued = _issued(row, now)
            if issued >= row.expires:
                continue  # the clock went back by more than the order's life: it expires unsent
            (point,) = lookups.points_by_id([row.point_id])
            if not refuse_by_rule(row, supply_checks.situation_of(point, now), now):
                move(row, Deed.SEND, ACTOR, issued)
                count += 1
    return count


def _issued(row: models.SupplyOrder, now: datetime) -> datetime:
    """Return when an order is sent: after all others of its device, also when a clock went back."""
    others = models.SupplyOrder.objects.filter(device_id=row.device_id)
    last = others.aggregate(last=Max("sent_at"))["last"]
    return now if last is None else max(now, last + STEP)


def sent_orders(now: datetime) -> list[Outgoing]:
    """Return the orders that were sent and have no outcome, to be sent again and again."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_SENT, [now])
        rows = cursor.fetchall()
    return [
        Outgoing(
            hub,
            SupplyOrder(
                code,
                serial,
                output,
                SupplyAction(action),
                sent_at.timestamp(),
                expires.timestamp(),
                author,
                f"{reason}: {text}"[:500],
                manual=mode == ReconnectMode.MANUAL_ONLY,
            ),
        )
        for hub, code, serial, output, action, sent_at, expires, author, reason, text, mode in rows
    ]


def unknown_contacts() -> list[Question]:
    """Return whom to ask what their contacts say: nothing was ever heard of them."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_UNKNOWN)
        rows = cursor.fetchall()
    return [Question(hub, SupplyAsk(tuple(serials[:ASKED_MAX]))) for hub, serials in rows]


def count_open() -> int:
    """Return how many orders of all tenants are under way."""
    with system_scope(ACTOR):
        states = [state.value for state in OPEN]
        return models.SupplyOrder.objects.filter(state__in=states).count()


_SENT = """
select h.code, o.code, m.serial, d.output, o.action, o.sent_at, o.expires, o.author, o.reason,
  o.text, d.reconnect
from supply_order o join supply_device d on d.id = o.device_id
join module m on m.id = d.module_id join hub h on h.id = m.hub_id
where o.state = 'sent' and o.expires > %s order by o.id
"""
_UNKNOWN = """
select h.code, array_agg(distinct m.serial) from supply_device d
join module m on m.id = d.module_id join hub h on h.id = m.hub_id
left join supply_contact c on c.device_id = d.id
where d.removed_at is null and m.removed_at is null and c.device_id is null
group by h.code order by h.code
"""
