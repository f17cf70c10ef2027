"""What may be ordered, who must agree, and what the author confirms."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from balans.domain.supply.words import Check, Contact, Protection, SupplyAction, SupplyReason

TEXT_MAX: Final = 500
TTL_MAX: Final = timedelta(days=7)
AHEAD_MAX: Final = timedelta(days=180)
"""A notice may lie so far ahead."""


class Refusal(StrEnum):
    """Why an order is not possible."""

    NO_DEVICE = "no_device"  # nothing there can interrupt the supply
    NO_HUB = "no_hub"  # no hub reaches its module
    TEXT = "text"  # no explanation, or one that is too long
    TTL = "ttl"  # it would hold for no time, or for too long
    NOTICE = "notice"  # non-payment without the date that the customer was told
    OPEN = "open"  # another order is open
    ALREADY = "already"  # the supply is so already
    PROTECTED = "protected"  # non-payment, and the point is protected
    FAULT = "fault"  # the input reports a broken or short-circuited line
    CHECKLIST = "checklist"  # not all is confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a decision about an order depends on.

    `not_before` is the date that the customer was told; `expires` when the order is void;
    `contact` the last feedback; `faults` whether the input reports a broken or short-circuited
    line now; `moved` how many pulses came while the supply was off, None: it is not known.
    """

    action: SupplyAction
    reason: SupplyReason
    text: str
    now: datetime
    not_before: datetime | None
    expires: datetime
    has_device: bool = True
    has_hub: bool = True
    is_open: bool = False
    contact: Contact = Contact.UNKNOWN
    protection: Protection | None = None
    faults: bool = False
    moved: int | None = None

    @property
    def due(self) -> datetime:
        """The earliest time at which it may be sent."""
        return self.now if self.not_before is None else max(self.now, self.not_before)


CHECKLISTS: Final[dict[SupplyAction, tuple[Check, ...]]] = {
    SupplyAction.DISCONNECT: (Check.RIGHT_PLACE,),
    SupplyAction.RECONNECT: (
        Check.RIGHT_PLACE,
        Check.NOBODY_WORKS,
        Check.CLOSED,
        Check.INFORMED,
    ),
}
"""What is always confirmed."""


def checklist_of(facts: Facts) -> tuple[Check, ...]:
    """Return what the author must confirm, in the order of asking."""
    found = CHECKLISTS[facts.action]
    if facts.action == SupplyAction.DISCONNECT and facts.reason == SupplyReason.NON_PAYMENT:
        found = (*found, Check.NOTIFIED)
    if facts.action == SupplyAction.RECONNECT and facts.moved:
        found = (*found, Check.USED_WHILE_OFF)
    return found


def refusals(facts: Facts, confirmed: Collection[Check] | None = None) -> list[Refusal]:
    """Return all that speaks against an order, the gravest first; nothing: it may go on.

    Parameters
    ----------
    facts
        What is known now.
    confirmed
        What the author has confirmed; None: this is not asked yet.
    """
    cut_off = facts.action == SupplyAction.DISCONNECT
    for_debt = cut_off and facts.reason == SupplyReason.NON_PAYMENT
    same = Contact.OFF if cut_off else Contact.ON
    missing = confirmed is not None and not set(checklist_of(facts)) <= set(confirmed)
    checks = (
        (not facts.has_device, Refusal.NO_DEVICE),
        (not facts.has_hub, Refusal.NO_HUB),
        (for_debt and facts.protection is not None, Refusal.PROTECTED),
        (not cut_off and facts.faults, Refusal.FAULT),
        (facts.is_open, Refusal.OPEN),
        (facts.contact == same, Refusal.ALREADY),
        (not 0 < len(facts.text.strip()) <= TEXT_MAX, Refusal.TEXT),
        (for_debt and facts.not_before is None, Refusal.NOTICE),
        (facts.due > facts.now + AHEAD_MAX, Refusal.NOTICE),
        (not facts.due < facts.expires <= facts.due + TTL_MAX, Refusal.TTL),
        (missing, Refusal.CHECKLIST),
    )
    return [refusal for holds, refusal in checks if holds]


def needs_second_person(
    action: SupplyAction,
    reason: SupplyReason,
    second_person: Collection[SupplyReason],
    *,
    was_dangerous: bool,
) -> bool:
    """Return whether somebody else must approve an order before it is sent.

    Parameters
    ----------
    second_person
        Reasons for which the utility wants it.
    was_dangerous
        Whether the supply was disconnected for danger and not reconnected since.
    """
    if action == SupplyAction.RECONNECT:
        return was_dangerous or reason in second_person
    return reason != SupplyReason.DANGER and reason in second_person
