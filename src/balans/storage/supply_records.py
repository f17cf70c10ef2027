"""What the storage hands out about whole supplies: frozen values, no rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from balans.core.errors import BalansError
from balans.domain.supply import (
    Check,
    Contact,
    OrderState,
    Protection,
    ReconnectMode,
    SupplyAction,
    SupplyKind,
    SupplyReason,
)


class SupplyRefusedError(BalansError):
    """An order or a change is not possible; ``code`` says why, a `Refusal` where it is one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What interrupts the supply of a point, and what its contact says since `since`.

    `told_at` is when it said so last, by the module's clock; None: never. `order` is the order
    that moved it, empty: a hand, or nothing yet.
    """

    id: int
    module: int
    output: int
    kind: SupplyKind
    reconnect: ReconnectMode
    hub_code: str | None
    author: str
    added_at: datetime
    contact: Contact = Contact.UNKNOWN
    since: datetime | None = None
    told_at: datetime | None = None
    order: str = ""


@dataclass(frozen=True, slots=True)
class ProtectionInfo:
    """Why a point is not cut off for non-payment; `ended_at` is None while it holds."""

    kind: Protection
    reason: str
    author: str
    at: datetime
    ended_at: datetime | None
    ended_by: str
    end_reason: str


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What was done with an order: the state that it entered, or ``heard`` by its hub."""

    state: str
    at: datetime
    author: str
    detail: str


@dataclass(frozen=True, slots=True)
class OrderInfo:
    """An order with its steps, the first step first.

    `moved` is how many pulses came while the supply was off, as it was known at submission.
    """

    code: str
    point_code: str
    point_name: str
    node_id: int
    action: SupplyAction
    reason: SupplyReason
    text: str
    author: str
    user_id: int
    created: datetime
    not_before: datetime | None
    expires: datetime
    state: OrderState
    second_person: bool
    checks: frozenset[Check]
    moved: int | None
    approver: str
    sent_at: datetime | None
    done_at: datetime | None
    detail: str
    steps: tuple[StepInfo, ...] = ()


def checks_of(words: Iterable[Any]) -> frozenset[Check]:
    """Return the items of a checklist that are known among `words`."""
    known = {check.value for check in Check}
    return frozenset(Check(word) for word in words if word in known)
