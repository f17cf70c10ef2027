"""Words of disconnecting, as they stand in the database and on the wire."""

from enum import StrEnum

from balans.protocols.supply_words import Contact, SupplyAction

__all__ = [
    "Check",
    "Contact",
    "Protection",
    "ReconnectMode",
    "SupplyAction",
    "SupplyKind",
    "SupplyReason",
]


class SupplyKind(StrEnum):
    """What interrupts the supply."""

    CONTACTOR = "contactor"
    VALVE = "valve"


class ReconnectMode(StrEnum):
    """How the supply comes back.

    With ``manual_only`` a command only clears the state; a person at the place must press or turn.
    """

    REMOTE = "remote"
    MANUAL_ONLY = "manual_only"


class SupplyReason(StrEnum):
    """The legal reason of an order; of a reconnection: the reason that has ceased."""

    NON_PAYMENT = "non_payment"
    DANGER = "danger"
    CUSTOMER_WISH = "customer_wish"
    ILLEGAL_CONNECTION = "illegal_connection"
    REPAIR = "repair"


class Protection(StrEnum):
    """Why a point is never disconnected for non-payment."""

    VULNERABLE = "vulnerable"
    MEDICAL_DEVICE = "medical_device"
    LIFE_SUPPORT = "life_support"


class Check(StrEnum):
    """What the author of an order confirms."""

    RIGHT_PLACE = "right_place"  # the point, its address and its customer were compared
    NOTIFIED = "notified"  # the customer was told in writing, and when
    NOBODY_WORKS = "nobody_works"  # nobody works on the line or the pipe
    CLOSED = "closed"  # taps are closed, devices switched off
    INFORMED = "informed"  # the customer is present, or knows the time
    USED_WHILE_OFF = "used_while_off"  # the warning was read: something was used while it was off
