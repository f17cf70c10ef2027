"""Calls of the operator at this site: from signed broadcasts to limits at nodes, and back.

Rules
-----
- A call holds by the server's time (`called_time`) and ends by a clock that never steps, whatever
  happens to the link. What is called for is a limit; the reflex decides which loads serve it.
- Several events at a node: the highest priority decides, then the strictest limit. The limits of
  contract, customer and device hold beside it, and the strictest of all wins.
- What a step of `reduce` or `eco` is reckoned from is taken when it begins and remembered, so that
  a restart or a new epoch in the middle of it does not count what was held back already.
- After a start nothing is held until the server has repeated its call.
- Without a beat for long the fallback limit holds at the site, beside all others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from balans.core.words import CallState
from balans.domain.demand.model import Limit
from balans.domain.response.steps import Asked, effective
from balans.protocols.hub import Call, CallReport, CallTarget
from balans.usecases.run_load_control.called_memory import Basis, CalledMemory
from balans.usecases.run_load_control.called_target import (
    Target,
    allowed_w,
    needs_basis,
)
from balans.usecases.run_load_control.called_time import LinkWatch, Moment, ServerClock
from balans.usecases.run_load_control.called_view import (
    Place,
    holdable_w,
    progress,
    report_of,
)
from balans.usecases.run_load_control.desk import Desk

FALLBACK = "fallback"
"""Name of the limit that holds while the server is not heard."""
BASIS_S = 86_400.0
Key = TypeVar("Key")
Value = TypeVar("Value")
KEPT_MAX = 1_000
"""Of what was told of calls, so that it is not told again with each repetition."""


def limit_name(event: str) -> str:
    """Return the name of the limit that an event is."""
    return f"event {event}"


@dataclass(slots=True)
class Calls:
    """The calls that are held.

    Parameters
    ----------
    site
        As calls name it.
    memory
        What outlives the process; the gate notes in it what it has let pass.
    clock
        The server's time.
    moment
        Returns the other clocks, given the site's.
    targets
        The places that are called on, by event and node.
    limits
        What holds of it now.
    """

    site: str
    memory: CalledMemory
    clock: ServerClock
    moment: Callable[[float], Moment] = Moment.at
    targets: dict[tuple[str, str], Target] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    _link: LinkWatch | None = None
    _refused: dict[tuple[str, int, str], None] = field(default_factory=dict)
    _over: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Epoch and part of the call by which a place was called on until it was over."""
    _fallback: bool = False

    @property
    def fallback_holds(self) -> bool:
        """Whether the server has not been heard for so long that the fallback holds."""
        return self._fallback

    def server_s(self, now_s: float) -> float:
        """Return the server's time when the site's clock shows `now_s` [Unix s]."""
        return self.clock.now_s(self.moment(now_s))

    def begin(self, now_s: float) -> None:
        """Count from now on how long nothing was heard of the server."""
        moment = self.moment(now_s)
        self._link = LinkWatch(moment.link_s)
        if self.memory.ahead_s is not None and not self.clock.known:
            self.clock.bridge(moment, self.memory.ahead_s)

    def beat(self, now_s: float) -> None:
        """Note that the server was heard."""
        if self._link is None:
            self.begin(now_s)
        assert self._link is not None  # noqa: S101
        self._link.beat(self.moment(now_s).link_s, self.memory.fallback)

    def take(self, desk: Desk, call: Call, now_s: float) -> list[CallReport]:
        """Hold `call`, which the gate has let pass; return what the server is told."""
        server_s = self.server_s(now_s)
        steady_s = self.moment(now_s).steady_s
        until_s = steady_s + call.expires - server_s
        own = {} if call.cancelled else self._own(call)
        self._withdraw_others(call, own, server_s)
        reports: list[CallReport] = []
        for node, asked in own.items():
            if node not in desk.tree.numbers:
                reports += self._refusal(call, node, "unknown_node", server_s)
                continue
            known = self.targets.get((call.event, node))
            if known and known.call == call:
                continue
            if known:
                known.renewed(call, asked, until_s)
            else:
                known = Target.of(call, asked, until_s)
                was_told = self._over.get((call.event, node)) == (call.epoch, call.part)
                if was_told and known.is_over(server_s, steady_s):
                    continue  # repeated while others' turns last
                self.targets[call.event, node] = known
            reports.append(report_of(self._place(desk, known), CallState.HEARD, server_s))
        return reports

    def refuse(self, call: Call, why: str, now_s: float) -> list[CallReport]:
        """Return what the server is told of a call that is its own and does not hold here."""
        known = self.memory.events.get(call.event)
        if known and known.epoch >= call.epoch:
            return []  # it holds, or did: only a replay is refused
        server_s = self.server_s(now_s)
        return [
            report
            for node in self._own(call)
            for report in self._refusal(call, node, why, server_s)
        ]

    def update(self, desk: Desk, now_s: float) -> tuple[list[CallReport], bool]:
        """Let the steps hold that hold now; return what the server is told, and what changed.

        The second tells whether the limits of the site are others than before.
        """
        server_s, moment = self.server_s(now_s), self.moment(now_s)
        reports: list[CallReport] = []
        for key, target in list(self.targets.items()):
            # A beat that was held up less than those before it tells that it ends earlier.
            end_s = moment.steady_s + target.call.expires - server_s
            target.until_s = min(target.until_s, end_s)
            if target.is_over(server_s, moment.steady_s):
                del self.targets[key]
                _keep(self._over, key, (target.call.epoch, target.call.part))
                reports += self._released(desk, target, server_s)
                continue
            reports += self._step(desk, target, server_s)
        if self._link is None:
            self.begin(now_s)
        assert self._link is not None  # noqa: S101
        self._fallback = self._link.holds(moment.link_s, self.memory.fallback)
        self.limits = self._limits()
        if self.limits == desk.called_limits:
            return reports, False
        desk.called_limits = self.limits
        desk.lay_out_limits()
        return reports, True

    def progress(self, desk: Desk, now_s: float) -> list[CallReport]:
        """Return what a new measurement tells of the steps that hold."""
        server_s = self.server_s(now_s)
        return [
            report
            for target in self.targets.values()
            if target.step is not None
            for report in progress(self._place(desk, target), now_s, server_s)
        ]

    # --- the parts ---

    def _withdraw_others(self, call: Call, own: Mapping[str, CallTarget], server_s: float) -> None:
        """Let places go that an earlier epoch of the event called on, and this one does not."""
        for (event, node), target in self.targets.items():
            if event != call.event or target.call.epoch > call.epoch:
                continue
            is_ended = target.call.part >= call.parts
            if is_ended or (target.call.part == call.part and node not in own):
                target.withdraw("cancelled" if call.cancelled else "replaced", server_s)

    def _own(self, call: Call) -> dict[str, CallTarget]:
        return {target.node: target for target in call.targets if target.site == self.site}

    def _step(self, desk: Desk, target: Target, server_s: float) -> list[CallReport]:
        step = target.step_now(server_s)
        if step is None:
            target.step = target.limit_w = target.basis = None
            return []
        is_new = step != target.step
        if is_new:
            target.step = step
            target.over_s = None
            target.basis = target.limit_w = None
        if target.limit_w is None:
            self._settle(desk, target)
        if not is_new:
            return []
        return [report_of(self._place(desk, target), CallState.ACTIVE, server_s, str(step.kind))]

    def _settle(self, desk: Desk, target: Target) -> None:
        """Work out what the step allows; a step that starts from an unknown power waits for it."""
        step = target.step
        assert step is not None  # noqa: S101
        key = target.key(step)
        basis = self.memory.bases.get(key)
        if basis is None:
            before_w = desk.recent.mean_w(target.node)
            basis = Basis(before_w, holdable_w(desk, target.node), target.call.expires + BASIS_S)
            if before_w is not None and needs_basis(step):
                self.memory.bases[key] = basis
        target.basis, target.limit_w = basis, allowed_w(step, basis)

    def _released(self, desk: Desk, target: Target, server_s: float) -> list[CallReport]:
        place = self._place(desk, target)
        return [report_of(place, CallState.RELEASED, server_s, target.why or "ended")]

    def _place(self, desk: Desk, target: Target) -> Place:
        deciding = effective(self._asked(target.node))
        overruled = deciding is not None and deciding.event != target.call.event
        return Place(desk, self.site, target, deciding.event if deciding and overruled else "")

    def _asked(self, node: str) -> Iterable[Asked]:
        return [
            Asked(event, target.call.priority, target.limit_w)
            for (event, place), target in self.targets.items()
            if place == node and target.step is not None and target.limit_w is not None
        ]

    def _limits(self) -> tuple[Limit, ...]:
        limits = []
        for node in sorted({node for _, node in self.targets}):
            deciding = effective(self._asked(node))
            if deciding is not None:
                limits.append(Limit(limit_name(deciding.event), deciding.limit_w, node=node))
        limit_w = self.memory.fallback.limit_w
        if self._fallback and limit_w is not None:
            limits.append(Limit(FALLBACK, limit_w))
        return tuple(limits)

    def _refusal(self, call: Call, node: str, why: str, server_s: float) -> list[CallReport]:
        """Return a refusal, once for an epoch: a call is repeated while its event lasts."""
        key = (f"{call.event}/{node}", call.epoch, why)
        if key in self._refused:
            return []
        _keep(self._refused, key, None)
        state = CallState.REFUSED
        at_s = max(0.0, server_s)
        return [CallReport(call.event, call.epoch, self.site, node, state, at_s, why)]


def _keep(kept: dict[Key, Value], key: Key, value: Value) -> None:
    """Note `value` as the newest, and forget the oldest where there are too many."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > KEPT_MAX:
        del kept[next(iter(kept))]
