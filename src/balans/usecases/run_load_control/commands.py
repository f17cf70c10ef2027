"""What becomes of the switchings of a site: on their way, confirmed, failed, expired.

Theory of operation
-------------------
An *order* is a command that this gateway carries out: an operator's, or load control's own. At
most one order for a load is on its way. It is handed to the bus, and again with the same id
(the actuator obeys an id once) until the actuator's feedback names it or its time is over.

========  =========  ==========================================================
state     entered    left by
========  =========  ==========================================================
queued    by a rule  the rule lets it go (sent); its time is over (expired)
sent      on the bus feedback with its id (confirmed); refusal, a later order
                     for the load, or silence until it expires (failed)
========  =========  ==========================================================

A newer command for a load ends the ones that wait for it. Whatever is asked for, nothing is ever
sent to a load that is red or protected.

Ids are remembered beyond their time, so that a command that arrives twice is obeyed once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from balans.core.words import CommandState
from balans.protocols.hub import CommandReport
from balans.protocols.module import ActuatorState, Switch
from balans.usecases.run_load_control.orders import Detail, Order

RETRY_S = 10.0
REMEMBER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that a rule holds back for now."""

    order: Order
    detail: Detail


@dataclass(slots=True)
class Commands:
    """The orders of a site that are not finished, and the ids seen lately."""

    sent: dict[str, Order] = field(default_factory=dict)
    """On their way, by load."""
    sent_s: dict[str, float] = field(default_factory=dict)
    """When each was last handed to the bus, by load."""
    waiting: dict[str, Waiting] = field(default_factory=dict)
    """Held back by a rule, by id."""
    known: dict[str, float] = field(default_factory=dict)
    """Until when each id is remembered."""
    red: set[str] = field(default_factory=set)
    protected: set[str] = field(default_factory=set)
    """Loads that are never switched: the last barrier, whatever the rules before it decided."""

    def is_new(self, order_id: str, expires_s: float, now_s: float) -> bool:
        """Remember `order_id` for a day longer than it holds; tell whether it was unknown."""
        if order_id in self.known:
            return False
        for old in [known for known, until_s in self.known.items() if until_s < now_s]:
            del self.known[old]
        self.known[order_id] = max(expires_s, now_s) + REMEMBER_S
        return True

    def send(self, order: Order, now_s: float) -> list[CommandReport | Switch]:
        """Put `order` on its way, ahead of any other for its load."""
        if order.load in self.red or order.load in self.protected:
            why = Detail.RED_LOAD if order.load in self.red else Detail.PROTECTED_LOAD
            return [order.report(CommandState.FAILED, now_s, why)]
        reports: list[CommandReport | Switch] = []
        earlier = self.sent.get(order.load)
        if earlier:
            reports.append(earlier.report(CommandState.FAILED, now_s, Detail.SUPERSEDED))
        self.sent[order.load] = order
        self.sent_s[order.load] = now_s
        return [*reports, order.report(CommandState.SENT, now_s), order.switch()]

    def hold_back(self, order: Order, detail: Detail, now_s: float) -> list[CommandReport]:
        """Let `order` wait for a rule; it is reported when it begins to."""
        is_first = order.id not in self.waiting
        self.waiting[order.id] = Waiting(order, detail)
        return [order.report(CommandState.QUEUED, now_s, detail)] if is_first else []

    def end_waiting(self, load: str, now_s: float) -> list[CommandReport]:
        """Give up what waits for `load`: a newer command says otherwise."""
        ended = [held.order for held in self.waiting.values() if held.order.load == load]
        for order in ended:
            del self.waiting[order.id]
        return [order.report(CommandState.FAILED, now_s, Detail.SUPERSEDED) for order in ended]

    def drop(self, obstacle: Callable[[str], Detail | None], now_s: float) -> list[CommandReport]:
        """Give up the orders for loads that may not be switched (any more)."""
        reports = []
        for order in [*self.sent.values(), *(held.order for held in self.waiting.values())]:
            detail = obstacle(order.load)
            if detail:
                self.waiting.pop(order.id, None)
                if self.sent.get(order.load) == order:
                    del self.sent[order.load]
                    self.sent_s.pop(order.load, None)
                reports.append(order.report(CommandState.FAILED, now_s, detail))
        return reports

    def take_feedback(
        self, state: ActuatorState, now_s: float
    ) -> tuple[Order, CommandReport] | None:
        """Finish the order that `state` answers; return it with its report, if it answers one."""
        order = self.sent.get(state.load)
        if order is None:
            return None
        if state.command == order.id:
            end = CommandState.CONFIRMED if state.on == order.on else CommandState.FAILED
            return order, self._finish(order, end, now_s, state.refused)
        if state.refused:
            detail = f"{Detail.REFUSED}: {state.refused}"
            return order, self._finish(order, CommandState.FAILED, now_s, detail)
        return None

    def overdue(self, now_s: float) -> list[Order]:
        """Return the orders on their way whose time is over."""
        return [order for order in self.sent.values() if order.expires_s <= now_s]

    def fail(self, order: Order, now_s: float, detail: str) -> CommandReport:
        """Give up `order`, which is on its way."""
        return self._finish(order, CommandState.FAILED, now_s, detail)

    def expire_waiting(self, now_s: float) -> list[CommandReport]:
        """Give up the orders that no rule has let go in time."""
        over = [held for held in self.waiting.values() if held.order.expires_s <= now_s]
        for held in over:
            del self.waiting[held.order.id]
        return [held.order.report(CommandState.EXPIRED, now_s, held.detail) for held in over]

    def repeat(self, now_s: float) -> list[Switch]:
        """Return the switchings to hand to the bus once more: none whose time is over."""
        silent = [
            load
            for load, at_s in self.sent_s.items()
            if now_s - at_s >= RETRY_S
            and self.sent[load].expires_s > now_s
            and load not in self.red | self.protected
        ]
        for load in silent:
            self.sent_s[load] = now_s
        return [self.sent[load].switch() for load in silent]

    def rebase(self, back_s: float) -> None:
        """Follow a clock that was set back by `back_s`: what was left is left."""
        self.sent = {load: order.earlier(back_s) for load, order in self.sent.items()}
        self.sent_s = {load: at_s - back_s for load, at_s in self.sent_s.items()}
        self.waiting = {
            id_: Waiting(held.order.earlier(back_s), held.detail)
            for id_, held in self.waiting.items()
        }

    def _finish(
        self, order: Order, state: CommandState, now_s: float, detail: str
    ) -> CommandReport:
        del self.sent[order.load]
        del self.sent_s[order.load]
        return order.report(state, now_s, detail)
