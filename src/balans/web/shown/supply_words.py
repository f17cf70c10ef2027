"""Disconnecting in words: what is ordered and why, how it stands, what must be confirmed."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from balans.domain.supply import (
    Check,
    Contact,
    OrderState,
    Protection,
    ReconnectMode,
    Refusal,
    SupplyAction,
    SupplyKind,
    SupplyReason,
)

ACTIONS: Final[dict[str, Promise]] = {
    SupplyAction.DISCONNECT: _("Disconnect"),
    SupplyAction.RECONNECT: _("Reconnect"),
}
REASONS: Final[dict[str, Promise]] = {
    SupplyReason.NON_PAYMENT: _("Non-payment"),
    SupplyReason.DANGER: _("Danger"),
    SupplyReason.CUSTOMER_WISH: _("Wish of the customer"),
    SupplyReason.ILLEGAL_CONNECTION: _("Illegal connection"),
    SupplyReason.REPAIR: _("Repair"),
}
KINDS: Final[dict[str, Promise]] = {
    SupplyKind.CONTACTOR: _("Contactor"),
    SupplyKind.VALVE: _("Valve"),
}
MODES: Final[dict[str, Promise]] = {
    ReconnectMode.REMOTE: _("comes back by command"),
    ReconnectMode.MANUAL_ONLY: _("comes back by hand only, at the place"),
}
PROTECTIONS: Final[dict[str, Promise]] = {
    Protection.VULNERABLE: _("vulnerable customer"),
    Protection.MEDICAL_DEVICE: _("medical device"),
    Protection.LIFE_SUPPORT: _("life support"),
}
CONTACTS: Final[dict[str, Promise]] = {
    Contact.ON: pgettext_lazy("supply", "connected"),
    Contact.OFF: pgettext_lazy("supply", "disconnected"),
    Contact.ARMED: pgettext_lazy("supply", "disconnected, may be turned on by hand"),
    Contact.UNKNOWN: pgettext_lazy("supply", "not known yet"),
}
CONTACT_TONES: Final[dict[str, str]] = {
    Contact.ON: "good",
    Contact.OFF: "bad",
    Contact.ARMED: "warn",
    Contact.UNKNOWN: "quiet",
}
STATES: Final[dict[str, Promise]] = {
    OrderState.DRAFT: pgettext_lazy("order", "draft"),
    OrderState.WAITING: pgettext_lazy("order", "waits for a second person"),
    OrderState.APPROVED: pgettext_lazy("order", "approved"),
    OrderState.SENT: pgettext_lazy("order", "sent"),
    "heard": pgettext_lazy("order", "heard by the hub"),
    OrderState.CONFIRMED: pgettext_lazy("order", "done, confirmed by feedback"),
    OrderState.FAILED: pgettext_lazy("order", "failed"),
    OrderState.REFUSED: pgettext_lazy("order", "refused"),
    OrderState.EXPIRED: pgettext_lazy("order", "expired"),
    OrderState.CANCELLED: pgettext_lazy("order", "cancelled"),
}
STATE_TONES: Final[dict[str, str]] = {
    OrderState.DRAFT: "quiet",
    OrderState.WAITING: "warn",
    OrderState.APPROVED: "warn",
    OrderState.SENT: "warn",
    OrderState.CONFIRMED: "good",
    OrderState.FAILED: "bad",
    OrderState.REFUSED: "bad",
    OrderState.EXPIRED: "bad",
    OrderState.CANCELLED: "quiet",
}
CHECKS: Final[dict[str, Promise]] = {
    Check.RIGHT_PLACE: _("Point, address and customer are compared: it is the right place."),
    Check.NOTIFIED: _("The customer was told in writing, with this date."),
    Check.NOBODY_WORKS: _("Nobody works on the line or the pipe."),
    Check.CLOSED: _("Taps are closed and devices switched off."),
    Check.INFORMED: _("The customer is present, or knows when it comes."),
    Check.USED_WHILE_OFF: _("I have read that something was used while it was off."),
}
REFUSALS: Final[dict[str, Promise]] = {
    Refusal.NO_DEVICE: _("Nothing here can interrupt the supply."),
    Refusal.NO_HUB: _("No hub reaches the module that switches it."),
    Refusal.TEXT: _("Say why, in 1 to 500 letters."),
    Refusal.TTL: _("Choose how long the order holds."),
    Refusal.NOTICE: _("Give the date that the customer was told, at most 180 days ahead."),
    Refusal.OPEN: _("Another order for this point is open."),
    Refusal.ALREADY: _("The supply is so already."),
    Refusal.PROTECTED: _("The point is protected: it is not disconnected for non-payment."),
    Refusal.FAULT: _("The input reports a broken or short-circuited line."),
    Refusal.CHECKLIST: _("Confirm every item."),
    "state": _("The order has gone on meanwhile."),
    "own": _("A second person must do this."),
    "why": _("Say why, in 1 to 500 letters."),
    "reason": _("Say why, in 1 to 500 letters."),
    "module": _("Choose a module with an adapter."),
    "loads": _("This module switches loads; a supply needs one of its own."),
    "taken": _("The point or the module has a device already."),
    "protection": _("The protection is so already."),
    "no_device": _("Nothing here can interrupt the supply."),
}
DETAILS: Final[dict[str, Promise]] = {
    "protected": _("the point is protected"),
    "fault": _("the line is broken or short-circuited"),
    "stuck": _("the contact does not move"),
    "expired": _("it reached the hub too late"),
    "replayed": _("the module had obeyed a newer order"),
    "from_future": _("a clock is wrong: it came from the future"),
    "no feedback in time": _("no feedback of the contact in time"),
    "no word of the hub in time": _("no word of the hub in time"),
    "never sent": _("it was never sent"),
    "the contact says otherwise": _("the contact says otherwise"),
}
"""What rules, hubs and modules say of an order that did not succeed."""
