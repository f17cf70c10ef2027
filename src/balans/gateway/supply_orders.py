"""The hub's side of orders to switch a whole supply. Holds no socket and no clock.

============  =========================================  ======================================
state         left by                                    meanwhile
============  =========================================  ======================================
taken         `durable`: the journal has it              nothing: no record, no switching
asking        the contact's answer, or the order's end   the order, to the module every `ASK_S`
settled       `REMEMBERED` later ones                    asked again: its outcome once more
============  =========================================  ======================================

Times ending in ``unix_s`` are those of the site, which orders go by; ``mono_s`` is of any clock
that only goes forward. Load control has no part in this and cannot get here.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from balans.protocols.fields import NAME
from balans.protocols.hub import SupplyOrder, SupplyOutcome, SupplyReport
from balans.protocols.module import SupplyState, SupplySwitch
from balans.protocols.supply_words import Contact, SupplyAction

ASK_S: Final = 3.0
AGAIN_S: Final = 10.0
"""An outcome that the head-end asks for again is told again after so long."""
AHEAD_S: Final = 300.0
"""An order from further in the future says that a clock is wrong."""
REMEMBERED: Final = 500
OPEN_MAX: Final = 200
KNOWN_MAX: Final = 5_000

EXPIRED: Final = "expired"
FROM_FUTURE: Final = "from_future"
BUSY: Final = "the hub has too many orders"
NO_FEEDBACK: Final = "no feedback in time"
OTHER_STATE: Final = "the contact says otherwise"
STUCK: Final = "stuck"
"""What a module says when its contact or valve does not move."""
WANTED: Final = {
    SupplyAction.DISCONNECT: frozenset({Contact.OFF, Contact.ARMED}),
    SupplyAction.RECONNECT: frozenset({Contact.ON, Contact.ARMED}),
}
"""What the feedback of an order that was obeyed says."""


class _Step(Enum):
    TAKEN = auto()
    ASKING = auto()
    SETTLED = auto()


@dataclass(slots=True)
class _Open:
    order: SupplyOrder
    step: _Step
    next_s: float
    outcome: SupplyReport | None = None


class SupplyOrders:
    """The orders that a hub knows, and what the contacts of its modules say."""

    def __init__(self) -> None:
        self._orders: dict[str, _Open] = {}
        self._contacts: dict[tuple[int, int], tuple[Contact, float, str]] = {}

    def take(self, order: SupplyOrder, unix_s: float, mono_s: float) -> SupplyReport | None:
        """Take an order; return what must be in the journal before anything else is done."""
        known = self._orders.get(order.id)
        if known is not None:
            if known.outcome is None or mono_s < known.next_s:
                return None
            known.next_s = mono_s + AGAIN_S
            return known.outcome
        self._forget()
        self._orders[order.id] = one = _Open(order, _Step.TAKEN, mono_s)
        busy = sum(each.step != _Step.SETTLED for each in self._orders.values()) > OPEN_MAX
        refusals = (
            (unix_s >= order.expires, EXPIRED),
            (order.issued > unix_s + AHEAD_S, FROM_FUTURE),
            (busy, BUSY),
        )
        for refused, why in refusals:
            if refused:
                return self._settle(one, SupplyOutcome.REFUSED, unix_s, mono_s, why)
        return _report(order, SupplyOutcome.HEARD, unix_s)

    def durable(self, order_id: str, mono_s: float) -> None:
        """Go on with an order: the journal holds that it was heard."""
        one = self._orders.get(order_id)
        if one is not None and one.step == _Step.TAKEN:
            one.step, one.next_s = _Step.ASKING, mono_s

    def dropped(self, order_id: str) -> None:
        """Forget an order that the journal could not take; the head-end sends it again."""
        one = self._orders.get(order_id)
        if one is not None and one.step == _Step.TAKEN:
            del self._orders[order_id]

    def due(self, unix_s: float, mono_s: float) -> tuple[list[SupplySwitch], list[SupplyReport]]:
        """Return what to say to modules, and what ended without feedback."""
        switches, reports = [], []
        for one in self._orders.values():
            if one.step != _Step.ASKING:
                continue
            if unix_s >= one.order.expires:
                failed = SupplyOutcome.FAILED
                reports.append(self._settle(one, failed, unix_s, mono_s, NO_FEEDBACK))
            elif mono_s >= one.next_s:
                one.next_s = mono_s + ASK_S
                switches.append(_switch(one.order))
        return switches, reports

    def told(self, state: SupplyState, unix_s: float, mono_s: float) -> list[SupplyReport]:
        """Take the feedback of a contact; return what of it belongs into the journal."""
        reports = []
        one = self._orders.get(state.answers)
        if one is not None and one.step == _Step.ASKING and _fits(one.order, state):
            outcome, why = _outcome_of(one.order, state)
            reports.append(self._settle(one, outcome, unix_s, mono_s, why, state))
        place = state.serial, state.output
        now = state.contact, state.since, state.order
        if self._contacts.get(place) != now:
            if place not in self._contacts and len(self._contacts) >= KNOWN_MAX:
                del self._contacts[next(iter(self._contacts))]
            self._contacts[place] = now
            if not reports:
                reports.append(_told(state, unix_s))
        return reports

    def unknown(self, serials: frozenset[int] | None = None) -> None:
        """Forget what contacts say, of some modules or of all: it is told anew."""
        for place in list(self._contacts):
            if serials is None or place[0] in serials:
                del self._contacts[place]

    @property
    def waits(self) -> bool:
        """Whether an order waits for feedback."""
        return any(one.step == _Step.ASKING for one in self._orders.values())

    @staticmethod
    def _settle(
        one: _Open,
        outcome: SupplyOutcome,
        unix_s: float,
        mono_s: float,
        why: str = "",
        state: SupplyState | None = None,
    ) -> SupplyReport:
        one.step, one.next_s = _Step.SETTLED, mono_s + AGAIN_S
        one.outcome = _report(one.order, outcome, unix_s, why, state)
        return one.outcome

    def _forget(self) -> None:
        settled = [name for name, one in self._orders.items() if one.step == _Step.SETTLED]
        for name in settled[: max(0, len(self._orders) - REMEMBERED)]:
            del self._orders[name]


def _fits(order: SupplyOrder, state: SupplyState) -> bool:
    return (state.serial, state.output) == (order.module, order.output)


def _outcome_of(order: SupplyOrder, state: SupplyState) -> tuple[SupplyOutcome, str]:
    if state.refused == STUCK:
        return SupplyOutcome.FAILED, STUCK
    if state.refused:
        return SupplyOutcome.REFUSED, state.refused
    if state.contact not in WANTED[order.action]:
        return SupplyOutcome.FAILED, OTHER_STATE
    return SupplyOutcome.CONFIRMED, ""


def _switch(order: SupplyOrder) -> SupplySwitch:
    return SupplySwitch(
        order.id,
        order.module,
        order.output,
        order.action,
        order.issued,
        order.expires,
        order.author,
        order.reason,
        order.manual,
    )


def _report(
    order: SupplyOrder,
    outcome: SupplyOutcome,
    unix_s: float,
    why: str = "",
    state: SupplyState | None = None,
) -> SupplyReport:
    return SupplyReport(
        module=order.module,
        output=order.output,
        outcome=outcome,
        time=unix_s,
        contact=state.contact if state else Contact.UNKNOWN,
        since=state.since if state else None,
        id=order.id,
        action=order.action,
        author=order.author,
        reason=order.reason,
        detail=why,
    )


def _told(state: SupplyState, unix_s: float) -> SupplyReport:
    return SupplyReport(
        module=state.serial,
        output=state.output,
        outcome=SupplyOutcome.TOLD,
        time=unix_s,
        contact=state.contact,
        since=state.since,
        id=state.order if NAME.fullmatch(state.order) else "",
    )
