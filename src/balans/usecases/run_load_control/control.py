"""The controller of one site; its rules stand in the description of the package."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from balans.core.words import CommandState, LoadClass
from balans.domain.demand import decide
from balans.domain.demand.model import (
    Action,
    Hold,
    Limit,
    LoadState,
    Observation,
    Reason,
)
from balans.domain.demand.shed import may_shed
from balans.domain.demand.timetable import allowed_power, count_step, make_timetable
from balans.domain.demand.track import come_back_w
from balans.protocols.hub import Command, CommandReport, SiteStatus
from balans.protocols.module import ActuatorState, PowerSample, Query, Switch
from balans.usecases.run_load_control.loads import INFINITE
from balans.usecases.run_load_control.memory import ControlledSite, Memory, remembered_loads
from balans.usecases.run_load_control.orders import CONTROL, DEVICE, Detail, Order
from balans.usecases.run_load_control.view import View

STALE_STEPS = 3
ORDER_S = 30.0
"""An order of load control is good for two steps, and at least this long."""
ANSWER_S = 10.0
"""After a start the actuators have this long to confirm what was ordered before."""
QUERY_S, QUERIES_COUNTED = 10.0, 7
"""Actuators that do not answer are asked again after 10 s, 20 s, … up to about 10 minutes."""
CLOCK_STEP_S = 1.0
"""A clock that is this much earlier than a moment ago was set back."""
POWER_MAX_W = 1e9
"""The wire holds no larger power; what a used-up interval allows may lie below."""

Output = Query | Switch | CommandReport | SiteStatus


class LoadControl:
    """Load control of one site, without input and output.

    Parameters
    ----------
    site
        Loads, limits and zones.
    new_id
        Source of ids for orders: 32 hexadecimal digits, never twice the same.
    now_s
        Time of the start [Unix s].
    memory
        What an earlier run remembered; loads that are gone are forgotten.
    """

    def __init__(
        self,
        site: ControlledSite,
        new_id: Callable[[], str],
        now_s: float,
        memory: Memory | None = None,
    ) -> None:
        self.site = site
        self.dropped_samples = 0
        self._memory = memory or Memory()
        self._new_id = new_id
        self._commands = self._memory.commands
        self._loads = remembered_loads(site, self._memory)
        self._table = make_timetable(site.limits, site.zones)
        self._view = View(max(now_s, self._memory.time_s))
        self._started_s = now_s
        self._queried_s, self._queries = -INFINITE, 0
        self._changed = False
        self._follow_clock(now_s)
        self._commands.red = {load.name for load in site.loads if load.load_class is LoadClass.RED}
        self._told_late: list[Output] = [*self._commands.drop(self._loads.never_switched, now_s)]

    @property
    def memory(self) -> Memory:
        """What the next start needs to know."""
        names = [load.name for load in self.site.loads]
        self._memory.states = dict(zip(names, self._loads.states, strict=True))
        return self._memory

    @property
    def on_the_way(self) -> bool:
        """Whether a switching waits for the feedback of its actuator."""
        return bool(self._commands.sent)

    # --- what comes in ---

    def sample(self, sample: PowerSample, now_s: float) -> list[Output]:
        """Decide on a new measurement.

        One told again is answered with the status again; one that is old, or from another time,
        is dropped.
        """
        self._follow_clock(now_s)
        view = self._view
        if view.sample and (view.seq, view.time_s) == (sample.seq, sample.time):
            return [self.status()]
        tolerance_s = STALE_STEPS * sample.step_s
        is_late = view.sample is not None and 0 <= view.time_s - sample.time <= tolerance_s
        if is_late or abs(now_s - sample.time) > tolerance_s:
            self.dropped_samples += 1
            return []
        if sample.time < view.time_s:
            self._set_back(sample.time)
        view.sample, view.seq, view.step_s, view.blind = sample, sample.seq, sample.step_s, False
        return [
            *self._decide(sample.time, sample.site_w, now_s),
            *self._let_waiting_go(now_s),
            self.status(),
        ]

    def actuator(self, told: ActuatorState, now_s: float) -> list[Output]:
        """Take feedback: it may finish an order, and it tells the state of the load."""
        self._follow_clock(now_s)
        index = self._loads.find(told.load)
        if index is None or self._loads.is_red(index):
            return []
        outputs: list[Output] = [*self._finish_order(told, now_s)]
        order = self._commands.sent.get(told.load)
        if order:
            if self._loads.moved_meanwhile(order, told):
                outputs.append(self._device_report(told, now_s))
        else:
            if self._loads.moved_by_itself(index, told):
                outputs.append(self._device_report(told, now_s))
            self._loads.adopt(index, told, now_s)
            self._changed = True
        return [*outputs, *self._let_waiting_go(now_s)]

    def _finish_order(self, told: ActuatorState, now_s: float) -> list[CommandReport]:
        """Finish the order that feedback answers; one that failed leaves the load as it was."""
        ended = self._commands.take_feedback(told, now_s)
        if ended is None:
            return []
        order, report = ended
        if report.state is CommandState.CONFIRMED:
            self._loads.obeyed(order.load)
        else:
            self._loads.failed(order, now_s)
        return [report]

    def command(self, command: Command, now_s: float) -> list[Output]:
        """Take an operator's command; one that is known changes nothing."""
        self._follow_clock(now_s)
        if not self._commands.is_new(command.id, command.expires, now_s):
            return []
        order = Order(
            id=command.id,
            load=command.load,
            on=command.on,
            author=command.author,
            reason=command.reason,
            created_s=command.created,
            expires_s=command.expires,
        )
        if command.expires <= now_s:
            return [order.report(CommandState.EXPIRED, now_s, Detail.LATE)]
        detail = self._loads.never_switched(command.load)
        if detail:
            return [order.report(CommandState.FAILED, now_s, detail)]
        index = self._loads.find(command.load)
        assert index is not None  # noqa: S101  (a load that is unknown is never switched)
        ended = self._commands.end_waiting(command.load, now_s)
        return [*ended, *self._obey(index, order, now_s)]

    def query(self, now_s: float) -> list[Output]:
        """Ask every actuator for its state: feedback may have been lost with a connection."""
        self._queried_s, self._queries = now_s, 1
        return [Query(now_s)]

    def set_server_limits(self, limits: Iterable[Limit]) -> None:
        """Let `limits` hold beside the site's own; the strictest wins."""
        own = {limit.name for limit in self.site.limits}
        server = [
            replace(limit, name=f"{limit.name} (server)") if limit.name in own else limit
            for limit in limits
        ]
        self._table = make_timetable((*self.site.limits, *server), self.site.zones)

    def tick(self, now_s: float, *, sensor_silent: bool = True) -> list[Output]:
        """Do what time alone brings about: queries, repeats, expiries, timers, a lost sensor.

        `sensor_silent` tells that the caller, too, has heard no sample for some seconds of its
        own time; the clock of a replay may jump.
        """
        self._follow_clock(now_s)
        outputs, self._told_late = self._told_late, []
        if now_s - self._started_s >= ANSWER_S:
            outputs += self._give_up_overdue(now_s)
        outputs += [*self._commands.repeat(now_s), *self._query_unknown(now_s)]
        outputs += self._let_waiting_go(now_s)
        outputs += self._commands.expire_waiting(now_s)
        for index in self._loads.used_up(now_s):
            load, before = self.site.loads[index], self._loads.states[index]
            self._view.headroom_w -= come_back_w(load, before)
            self._loads.put(index, on=True, since_s=now_s)
            action = Action(load.name, True, None, Reason.OFF_TIME_USED_UP, "", 0.0)  # noqa: FBT003  (the domain's order)
            outputs += self._give_order(action, before, now_s)
        if sensor_silent:
            outputs += self._without_sensor(now_s)
        if self._changed and self._view.decided:
            outputs.append(self.status())
        return outputs

    def _give_up_overdue(self, now_s: float) -> list[CommandReport]:
        reports = []
        for order in self._commands.overdue(now_s):
            reports.append(self._commands.fail(order, now_s, Detail.NO_CONFIRMATION))
            self._loads.failed(order, now_s, is_silence=True)
            self._loads.known.discard(order.load)
            self._queries, self._changed = 0, True
        return reports

    def status(self) -> SiteStatus:
        """Return the live picture after the last decision."""
        self._changed = False
        view, sample = self._view, self._view.sample
        limit_w = view.allowed.power_w
        return SiteStatus(
            seq=view.seq,
            time=view.time_s,
            step_s=view.step_s,
            site_w=sample.site_w if sample else None,
            limit_w=max(-POWER_MAX_W, limit_w) if limit_w < INFINITE else None,
            limit=view.allowed.limit,
            loads=tuple(
                self._loads.status(index, view.time_s, view.load_w, self.site.local_s)
                for index in range(len(self.site.loads))
            ),
            phase_w=sample.phase_w if sample else (),
            reference_w=sample.reference_w if sample else None,
            sensor_ok=sample is not None,
            valid_s=view.step_s,
        )

    def _query_unknown(self, now_s: float) -> list[Query]:
        """Ask at once where a state became unknown, then less and less often."""
        pause_s = QUERY_S * 2 ** (self._queries - 1) if self._queries else 0.0
        if not self._loads.unknown() or now_s - self._queried_s < pause_s:
            return []
        self._queried_s, self._queries = now_s, min(self._queries + 1, QUERIES_COUNTED)
        return [Query(now_s)]

    # --- deciding ---

    def _decide(self, time_s: float, site_w: float | None, now_s: float) -> list[Output]:
        """Run one pass over the loads whose state is known, and turn its actions into orders."""
        view, table = self._view, self._table
        start_s, local_s = time_s - view.step_s, self.site.local_s(time_s)
        meters = count_step(
            table, self._memory.meters, start_s, self.site.local_s(start_s), view.step_s, site_w
        )
        allowed = allowed_power(table, meters, time_s, local_s)
        known = self._loads.indices(now_s)
        loads = [self.site.loads[index] for index in known]
        drawn_w = tuple(view.load_w.get(load.name) for load in loads)
        before = {self.site.loads[index].name: self._loads.states[index] for index in known}
        states, decision = decide(
            loads,
            [*before.values()],
            Observation(time_s, view.step_s, local_s, site_w, drawn_w),
            allowed,
        )
        for index, state in zip(known, states, strict=True):
            self._loads.states[index] = state
        self._memory.meters = meters
        view.time_s, view.allowed, view.headroom_w = time_s, allowed, decision.headroom_w
        view.decided = True
        self._changed = True
        return [
            output
            for action in decision.actions
            for output in self._give_order(action, before[action.load], now_s)
        ]

    def _give_order(
        self, action: Action, before: LoadState, now_s: float
    ) -> list[CommandReport | Switch]:
        index = self._loads.find(action.load)
        assert index is not None  # noqa: S101  (actions are about the loads that were passed in)
        self._loads.reasons[action.load] = action.reason
        self._loads.ordered(action.load, before)
        holds_back = not action.on or action.setpoint_w is not None
        order = Order(
            id=self._new_id(),
            load=action.load,
            on=action.on,
            author=CONTROL,
            reason=action.reason,
            created_s=now_s,
            expires_s=now_s + max(ORDER_S, 2 * self._view.step_s),
            setpoint_w=action.setpoint_w,
            max_off_s=self._device_timer_s(index, now_s) if holds_back else 0.0,
            limit=action.limit,
            expected_w=action.effect_w,
        )
        return self._commands.send(order, now_s)

    def _device_report(self, told: ActuatorState, now_s: float) -> CommandReport:
        """Return the audit row of a switching that nobody ordered."""
        at_s = min(told.since, now_s)
        reason = Reason.OFF_TIME_USED_UP if told.on else ""
        order = Order(self._new_id(), told.load, told.on, DEVICE, reason, at_s, at_s)
        return order.report(CommandState.CONFIRMED, at_s)

    def _device_timer_s(self, index: int, now_s: float) -> float:
        return self._loads.device_timer_s(index, self.site.local_s(now_s))

    def _without_sensor(self, now_s: float) -> list[Output]:
        """Decide blindly, once a step, when no sample has come for three of them."""
        view = self._view
        if now_s - view.time_s < (1 if view.blind else STALE_STEPS) * view.step_s:
            return []
        view.sample, view.blind = None, True
        return self._decide(now_s, None, now_s)

    def _follow_clock(self, now_s: float) -> None:
        """Where the clock was set back, set back with it all that was noted of time."""
        back_s = self._memory.time_s - now_s
        self._memory.time_s = now_s
        if back_s <= CLOCK_STEP_S:
            return
        self._loads.rebase(back_s)
        self._commands.rebase(back_s)
        self._view.time_s -= back_s
        self._queried_s -= back_s
        self._started_s = min(self._started_s, now_s)

    def _set_back(self, time_s: float) -> None:
        """Follow a sensor whose clock was set back: no timer may run for longer because of it."""
        for index, state in enumerate(self._loads.states):
            if state.since_s > time_s:
                self._loads.states[index] = replace(state, since_s=time_s)

    # --- persons' commands ---

    def _obey(self, index: int, order: Order, now_s: float) -> list[Output]:
        """Carry `order` out, or let it wait for the rule that holds it back."""
        obstacle = self._obstacle(index, order, now_s)
        if obstacle:
            return [*self._commands.hold_back(order, obstacle, now_s)]
        self._commands.waiting.pop(order.id, None)
        self._changed = True
        state = self._loads.states[index]
        if _is_so(state, order):
            self._loads.states[index] = replace(state, hold=None)
            return [order.report(CommandState.CONFIRMED, now_s, Detail.ALREADY_SO)]
        demand_w = state.demand_w if state.owed_wh > 0 else self._drawn_w(index)
        self._loads.ordered(order.load, state)
        if order.on:
            self._view.headroom_w -= come_back_w(self.site.loads[index], state) - _held_w(state)
        self._loads.reasons[order.load] = Reason.OPERATOR
        self._loads.put(index, on=order.on, since_s=now_s)
        if not order.on:
            order = replace(order, max_off_s=self._device_timer_s(index, now_s))
            hold = Hold(on=False, until_s=now_s + order.max_off_s)
            self._loads.states[index] = replace(
                self._loads.states[index], demand_w=demand_w, gain=1.0, hold=hold
            )
        return [*self._commands.send(order, now_s)]

    def _obstacle(self, index: int, order: Order, now_s: float) -> Detail | None:
        """Return the rule that holds `order` back now."""
        load, state = self.site.loads[index], self._loads.states[index]
        if load.name not in self._loads.known or load.name in self._commands.sent:
            return Detail.STATE_UNKNOWN
        if _is_so(state, order):
            return None
        if order.on:
            need_w = come_back_w(load, state) - _held_w(state)
            return None if need_w <= self._view.headroom_w else Detail.NO_HEADROOM
        return None if may_shed(load, state, now_s, 0.0) else Detail.MIN_ON_TIME

    def _let_waiting_go(self, now_s: float) -> list[Output]:
        outputs: list[Output] = []
        for held in list(self._commands.waiting.values()):
            index = self._loads.find(held.order.load)
            if index is not None and held.order.expires_s > now_s:
                outputs += self._obey(index, held.order, now_s)
        return outputs

    def _drawn_w(self, index: int) -> float:
        load = self.site.loads[index]
        guess_w = load.rated_w if self._loads.states[index].on else 0.0
        return self._view.load_w.get(load.name, guess_w)


def _is_so(state: LoadState, order: Order) -> bool:
    return state.on == order.on and state.setpoint_w is None


def _held_w(state: LoadState) -> float:
    """Return the power that a load which is on is held to [W]."""
    return state.setpoint_w or 0.0 if state.on else 0.0
