"""Disconnecting: what the contact of a point says, and its orders. Keys give none themselves."""

from datetime import datetime

from ninja import Schema

from balans.domain.supply import (
    Contact,
    OrderState,
    Protection,
    ReconnectMode,
    SupplyAction,
    SupplyKind,
    SupplyReason,
)
from balans.storage import access, supply, supply_lists
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.supply_records import OrderInfo
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.values import PointCode

operations = Operations("Disconnecting")


class StepOut(Schema):
    """What was done with an order: the state that it entered, or `heard` by its hub."""

    state: str
    at: datetime
    author: str
    detail: str


class OrderOut(Schema):
    """An order with every step, the first step first."""

    id: str
    action: SupplyAction
    reason: SupplyReason
    text: str
    author: str
    approver: str
    created: datetime
    not_before: datetime | None
    expires: datetime
    state: OrderState
    detail: str
    steps: list[StepOut]


class SupplyOut(Schema):
    """The supply of a metering point.

    `contact` is the feedback since `since`; `protection` says why the point is not cut off for
    non-payment, null: it may be. `orders` are the newest 50, the newest first.
    """

    contact: Contact
    since: datetime | None
    kind: SupplyKind | None
    reconnect: ReconnectMode | None
    protection: Protection | None
    orders: list[OrderOut]


@operations.get("/points/{code}/supply", Scope.READ_EVENTS, SupplyOut)
def get_supply(request: ApiRequest, code: PointCode) -> SupplyOut:
    """Tell what the contact of a metering point says, and its orders to dis- and reconnect."""
    point = access.point_for(request.auth.person, code, Right.AUDIT)
    device, protection = supply.device_of(point), supply.protection_of(point)
    return SupplyOut(
        contact=device.contact if device else Contact.UNKNOWN,
        since=device.since if device else None,
        kind=device.kind if device else None,
        reconnect=device.reconnect if device else None,
        protection=protection.kind if protection else None,
        orders=[_order(one) for one in supply_lists.orders_of(point)],
    )


def _order(one: OrderInfo) -> OrderOut:
    return OrderOut(
        id=one.code,
        action=one.action,
        reason=one.reason,
        text=one.text,
        author=one.author,
        approver=one.approver,
        created=one.created,
        not_before=one.not_before,
        expires=one.expires,
        state=one.state,
        detail=one.detail,
        steps=[
            StepOut(state=step.state, at=step.at, author=step.author, detail=step.detail)
            for step in one.steps
        ],
    )
