"""A town whose flat 1 has a contactor: its people, and short ways to order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from balans.domain.supply import (
    Check,
    OrderState,
    ReconnectMode,
    SupplyAction,
    SupplyKind,
    SupplyReason,
    checklist_of,
)
from balans.protocols.hub import (
    Batch,
    Entry,
    EntryKind,
    SupplyOutcome,
    SupplyReport,
    encode_supply_report,
)
from balans.protocols.supply_words import Contact
from balans.storage import access, lookups, supply, supply_checks, supply_orders
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.models import SupplyOrder
from balans.storage.supply_orders import Wish
from balans.storage.supply_records import OrderInfo
from balans.usecases.registry_plan import AccountPlan, ModulePlan, RegistryPlan

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERIAL = 1005
OFF, ON = SupplyAction.DISCONNECT, SupplyAction.RECONNECT


def with_supply(plan: RegistryPlan, serial: int = SERIAL) -> RegistryPlan:
    """Return `plan` with an adapter that switches no load, and two dispatchers of the house."""
    t = plan.tenant.code
    module = ModulePlan(
        serial=serial, node=f"{t}-flat-1", hub=f"{t}-hub", has_adapter=True, inputs=(1,)
    )
    people = tuple(
        AccountPlan(username=f"{t}-{name}", password="x", grants=(("dispatcher", f"{t}-house"),))
        for name in ("dora", "dan")
    )
    return replace(plan, modules=(*plan.modules, module), accounts=(*plan.accounts, *people))


def person(username: str) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username=username)


def add_device(tenant: str = "alice", *, manual: bool = False, serial: int = SERIAL) -> None:
    """Let the adapter interrupt the supply of flat 1."""
    mode = ReconnectMode.MANUAL_ONLY if manual else ReconnectMode.REMOTE
    supply.add_device(
        person(f"{tenant}-operator"), f"{tenant}-p1", serial, SupplyKind.CONTACTOR, mode, NOW
    )


def wish(
    action: SupplyAction = OFF, reason: SupplyReason = SupplyReason.REPAIR, **changes: Any
) -> Wish:
    return Wish(**{"action": action, "reason": reason, "text": "because", **changes})


def for_debt(**changes: Any) -> Wish:
    return wish(OFF, SupplyReason.NON_PAYMENT, **{"not_before": NOW - HOUR, **changes})


def ordered(one: Wish, now: datetime = NOW, author: str = "alice-dora") -> OrderInfo:
    """Draft and submit a wish with everything confirmed."""
    user = person(author)
    tenant = author.partition("-")[0]
    made = supply_orders.draft(user, f"{tenant}-p1", one, now)
    if made.state != OrderState.DRAFT:
        return made
    return supply_orders.submit(user, made.code, all_checks(made.code, now), now)


def all_checks(code: str, now: datetime = NOW) -> frozenset[Check]:
    row = SupplyOrder.objects.get(code=code)
    (point,) = lookups.points_by_id([row.point_id])
    situation = supply_checks.situation_of(point, now)
    return frozenset(checklist_of(supply_orders.facts_of(row, situation, now)))


def tell(
    outcome: SupplyOutcome,
    order: str = "",
    contact: Contact = Contact.UNKNOWN,
    at: datetime = NOW,
    **changes: Any,
) -> None:
    """Let a hub's journal bring a report, and the flush take it. Opens scopes of its own."""
    values: dict[str, Any] = {
        "module": SERIAL,
        "output": 1,
        "outcome": outcome,
        "time": at.timestamp(),
        "contact": contact,
        "since": None if contact == Contact.UNKNOWN else at.timestamp(),
        "id": order,
    }
    hub = changes.pop("hub", "alice-hub")
    entry = Entry(EntryKind.SUPPLY, encode_supply_report(SupplyReport(**(values | changes))))
    tell.offset += 1  # type: ignore[attr-defined]
    store_batch(hub, Batch.of(501, tell.offset, (entry,)), at)  # type: ignore[attr-defined]
    flush_inbox(at)


tell.offset = 0  # type: ignore[attr-defined]


def point_of(username: str = "alice-dora") -> Any:
    return access.point_for(person(username), f"{username.partition('-')[0]}-p1")
