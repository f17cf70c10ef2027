"""The life of an order, as a table.

================  =======================================  ================
state             deed                                     becomes
================  =======================================  ================
draft             submit (a second person is needed)       waiting_approval
draft             release (none is needed)                 approved
draft             refuse (a rule forbids it)               refused
waiting_approval  approve (by a second person)             approved
waiting_approval  refuse (by a second person, or a rule)   refused
approved          send                                     sent
approved          refuse (a rule forbids it meanwhile)     refused
sent              confirm, fail, refuse (by the hub)       confirmed, failed, refused
the first three   cancel                                   cancelled
the first four    expire                                   expired
expired           confirm, fail, refuse (late word)        confirmed, failed, refused
================  =======================================  ================

What was sent cannot be cancelled: only an order of the other kind undoes it. Of an order that
expired after it was sent the hub may still tell what became of it, and that counts.
"""

from enum import StrEnum
from typing import Final


class OrderState(StrEnum):
    """Where an order stands."""

    DRAFT = "draft"
    WAITING = "waiting_approval"
    APPROVED = "approved"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Deed(StrEnum):
    """What is done with an order."""

    SUBMIT = "submit"
    RELEASE = "release"
    APPROVE = "approve"
    SEND = "send"
    CONFIRM = "confirm"
    FAIL = "fail"
    REFUSE = "refuse"
    EXPIRE = "expire"
    CANCEL = "cancel"


_S, _D = OrderState, Deed
_OUTCOMES: Final = {
    _D.CONFIRM: _S.CONFIRMED,
    _D.FAIL: _S.FAILED,
    _D.REFUSE: _S.REFUSED,
}
_ENDS: Final = {_D.CANCEL: _S.CANCELLED, _D.EXPIRE: _S.EXPIRED, _D.REFUSE: _S.REFUSED}
DEEDS: Final[dict[OrderState, dict[Deed, OrderState]]] = {
    _S.DRAFT: {_D.SUBMIT: _S.WAITING, _D.RELEASE: _S.APPROVED, **_ENDS},
    _S.WAITING: {_D.APPROVE: _S.APPROVED, **_ENDS},
    _S.APPROVED: {_D.SEND: _S.SENT, **_ENDS},
    _S.SENT: {**_OUTCOMES, _D.EXPIRE: _S.EXPIRED},
    _S.EXPIRED: _OUTCOMES,
    _S.CONFIRMED: {},
    _S.FAILED: {},
    _S.REFUSED: {},
    _S.CANCELLED: {},
}
"""What may be done with an order in each state, and what it is then. All else is refused."""

OPEN: Final = frozenset({_S.WAITING, _S.APPROVED, _S.SENT})
"""A point has at most one order in these states."""
FINAL: Final = frozenset({_S.CONFIRMED, _S.FAILED, _S.REFUSED, _S.EXPIRED, _S.CANCELLED})


def after(state: OrderState, deed: Deed) -> OrderState | None:
    """Return what an order becomes, None if the deed is not possible in this state.

    >>> after(OrderState.APPROVED, Deed.SEND)
    <OrderState.SENT: 'sent'>
    >>> after(OrderState.SENT, Deed.CANCEL) is None
    True
    """
    return DEEDS[state].get(deed)
