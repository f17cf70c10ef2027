"""Disconnecting and reconnecting a whole supply: the life of an order, and what may be ordered.

The strict sister of load control, and apart from it: here a metering point is switched for a legal
reason, by a person, and with a second person where that is set.
"""

from balans.domain.supply.life import DEEDS, FINAL, OPEN, Deed, OrderState, after
from balans.domain.supply.rules import (
    CHECKLISTS,
    Facts,
    Refusal,
    checklist_of,
    needs_second_person,
    refusals,
)
from balans.domain.supply.words import (
    Check,
    Contact,
    Protection,
    ReconnectMode,
    SupplyAction,
    SupplyKind,
    SupplyReason,
)

__all__ = [
    "CHECKLISTS",
    "DEEDS",
    "FINAL",
    "OPEN",
    "Check",
    "Contact",
    "Deed",
    "Facts",
    "OrderState",
    "Protection",
    "ReconnectMode",
    "Refusal",
    "SupplyAction",
    "SupplyKind",
    "SupplyReason",
    "after",
    "checklist_of",
    "needs_second_person",
    "refusals",
]
