"""The controller of one site; its rules stand in the description of the package."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from balans.core.words import CommandState
from balans.domain.demand.fairness import as_mapping
from balans.domain.demand.model import Limit, Proposal, Reason
from balans.domain.demand.plan import Plan
from balans.protocols.hub import (
    Call,
    Command,
    CommandReport,
    ConsentSetting,
    PlanReport,
    SiteStatus,
)
from balans.protocols.module import ActuatorState, DeviceState, Query, Sample
from balans.usecases.run_load_control.called import Calls
from balans.usecases.run_load_control.called_pass import decide_between
from balans.usecases.run_load_control.consents import OwnSettings
from balans.usecases.run_load_control.decision import (
    decide_blindly,
    decide_step,
    end_off_times,
    free_left_alone,
)
from balans.usecases.run_load_control.desk import Desk, Output
from balans.usecases.run_load_control.loads import INFINITE
from balans.usecases.run_load_control.memory import (
    ControlledSite,
    Memory,
    earlier_guard,
    remembered_loads,
)
from balans.usecases.run_load_control.orders import DEVICE, Detail, Order
from balans.usecases.run_load_control.past import Past
from balans.usecases.run_load_control.persons import end_of, let_waiting_go, take_command
from balans.usecases.run_load_control.picture import status_of
from balans.usecases.run_load_control.planning import Planning, PlanRequest
from balans.usecases.run_load_control.sensing import Reading
from balans.usecases.run_load_control.silence import STALE_STEPS
from balans.usecases.run_load_control.view import View

ANSWER_S = 10.0
"""After a start the actuators have this long to confirm what was ordered before."""
QUERY_S, QUERIES_COUNTED = 10.0, 7
"""Actuators that do not answer are asked again after 10 s, 20 s, … up to about 10 minutes."""
CLOCK_STEP_S = 1.0
"""A clock that is this much earlier than a moment ago was set back."""


class LoadControl:
    """Load control of one site, without input and output.

    Parameters
    ----------
    site
        Loads, limits, zones and nodes.
    new_id
        Source of ids for orders: 32 hexadecimal digits, never twice the same.
    now_s
        Time of the start [Unix s].
    memory
        What an earlier run remembered; loads that are gone are forgotten.
    past
        What the planner remembers.
    calls
        What the operator calls for; None: nothing ever is.
    """

    def __init__(
        self,
        site: ControlledSite,
        new_id: Callable[[], str],
        now_s: float,
        memory: Memory | None = None,
        past: Past | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.site = site
        self.calls = calls
        self.dropped_samples = 0
        memory = memory or Memory()
        view = View(max(now_s, memory.time_s))
        self._desk = Desk(site, memory, remembered_loads(site, memory), view, new_id)
        self._planning = Planning.of(self._desk, past, now_s)
        self._started_s = now_s
        if calls:
            calls.begin(now_s)
        self._queried_s, self._queries = -INFINITE, 0
        self._follow_clock(now_s)
        commands, loads = self._desk.commands, self._desk.loads
        commands.red = loads.barred(Detail.RED_LOAD)
        commands.protected = loads.barred(Detail.PROTECTED_LOAD)
        self._told_late: list[Output] = [*commands.drop(loads.never_switched, now_s)]

    @property
    def memory(self) -> Memory:
        """What the next start needs to know."""
        names = [load.name for load in self.site.loads]
        self._desk.memory.states = dict(zip(names, self._desk.loads.states, strict=True))
        self._desk.memory.accounts = dict(as_mapping(self._desk.ledger))
        return self._desk.memory

    @property
    def past(self) -> Past | None:
        """What the planner remembers; None without a planner."""
        return self._planning.past if self._planning else None

    @property
    def on_the_way(self) -> bool:
        """Whether a switching waits for the feedback of its actuator."""
        return bool(self._desk.commands.sent)

    @property
    def own(self) -> OwnSettings:
        """What was set at the gateway itself."""
        return self._desk.consents.own

    # --- what comes in ---

    def sample(self, sample: Sample, now_s: float) -> list[Output]:
        """Decide on a new measurement.

        One told again is answered with the status again; one that is old, from another time, or
        of another sensor than the site has, is dropped.
        """
        self._follow_clock(now_s)
        desk, view = self._desk, self._desk.view
        if view.sample and (view.seq, view.time_s) == (sample.seq, sample.time):
            return [self.status(now_s)]
        tolerance_s = STALE_STEPS * sample.step_s
        is_late = view.sample is not None and 0 <= view.time_s - sample.time <= tolerance_s
        if is_late or abs(now_s - sample.time) > tolerance_s:
            self.dropped_samples += 1
            return []
        reading = desk.memory.sensed.read(self.site.sensor, sample)
        if reading is None:
            self.dropped_samples += 1
            return []
        if sample.time < view.time_s:
            self._set_back(sample.time)
        view.seq, view.step_s = sample.seq, sample.step_s
        if not reading.usable:
            return [*decide_blindly(desk, now_s), self.status(now_s)]
        view.sample, view.blind = reading, False
        called, _ = self._follow_calls(now_s)
        return [*called, *self._decide(reading, now_s)]

    def _decide(self, sample: Reading, now_s: float) -> list[Output]:
        desk = self._desk
        if self._planning:
            self._planning.see(desk)
        return [
            *desk.memory.effects.measure(sample, now_s),
            *free_left_alone(desk, now_s),
            *decide_step(desk, sample.time, now_s, self._proposals(sample.time)),
            *let_waiting_go(desk, now_s),
            *(self.calls.progress(desk, now_s) if self.calls else ()),
            self.status(now_s),
        ]

    def _proposals(self, time_s: float) -> tuple[Proposal, ...]:
        return self._planning.proposals(self.site.loads, time_s) if self._planning else ()

    def device(self, told: DeviceState) -> None:
        """Take what an appliance tells of itself."""
        if self._planning and told.load in self._planning.past.names:
            self._planning.told[told.load] = told

    def plan_request(self, now_s: float) -> PlanRequest | None:
        """Return what the planner is to be asked now, None when there is nothing to ask."""
        return self._planning.request(self._desk, now_s) if self._planning else None

    def take_plan(self, plan: Plan) -> PlanReport | None:
        """Use `plan` from now on; return what the server is told."""
        return self._planning.take(plan, self._desk) if self._planning else None

    def plan_failed(self, why: str, now_s: float) -> PlanReport | None:
        """Note that the planner brought nothing; return what the server is told, if anything."""
        return self._planning.fail(why, self._desk, now_s) if self._planning else None

    def actuator(self, told: ActuatorState, now_s: float) -> list[Output]:
        """Take feedback: it may finish an order, and it tells the state of the load."""
        self._follow_clock(now_s)
        desk, loads = self._desk, self._desk.loads
        index = loads.find(told.load)
        if index is None or loads.is_red(index):
            return []
        outputs: list[Output] = [*self._finish_order(told, now_s)]
        order = desk.commands.sent.get(told.load)
        if order:
            if loads.moved_meanwhile(order, told):
                outputs.append(self._device_report(told, now_s))
        else:
            if loads.moved_by_itself(index, told):
                outputs.append(self._device_report(told, now_s))
            loads.adopt(index, told, now_s)
            desk.changed = True
        return [*outputs, *let_waiting_go(desk, now_s)]

    def _finish_order(self, told: ActuatorState, now_s: float) -> list[CommandReport]:
        """Finish the order that feedback answers."""
        ended = self._desk.commands.take_feedback(told, now_s)
        if ended is None:
            return []
        order, report = ended
        end_of(self._desk, order, report, min(max(told.since, order.created_s), now_s), now_s)
        return [report]

    def command(self, command: Command, now_s: float) -> list[Output]:
        """Take an operator's command; one that is known changes nothing."""
        self._follow_clock(now_s)
        return take_command(self._desk, command, now_s)

    def call(self, call: Call, now_s: float) -> list[Output]:
        """Take a call that the gate has let pass; what begins with it is obeyed at once."""
        if self.calls is None:
            return []
        self._follow_clock(now_s)
        return [*self.calls.take(self._desk, call, now_s), *self._obey_calls(now_s)]

    def refuse_call(self, call: Call, why: str, now_s: float) -> list[Output]:
        """Tell the server that a call, which is its own, does not hold here."""
        return [*self.calls.refuse(call, why, now_s)] if self.calls else []

    def beat(self, now_s: float) -> None:
        """Note that the server was heard."""
        if self.calls:
            self.calls.beat(now_s)

    def _follow_calls(self, now_s: float) -> tuple[list[Output], bool]:
        """Let the limits be those that are called for now; tell whether they have changed."""
        if self.calls is None:
            return [], False
        reports, is_new = self.calls.update(self._desk, now_s)
        return [*reports], is_new

    def _obey_calls(self, now_s: float) -> list[Output]:
        outputs, is_new = self._follow_calls(now_s)
        if is_new:
            self._desk.changed = True
            outputs += decide_between(self._desk, now_s)
        return outputs

    def query(self, now_s: float) -> list[Output]:
        """Ask every actuator for its state: feedback may have been lost with a connection."""
        self._queried_s, self._queries = now_s, 1
        return [Query(now_s)]

    def set_server_limits(self, limits: Iterable[Limit]) -> None:
        """Let `limits` hold beside the site's own; the strictest wins."""
        self._desk.server_limits = tuple(limits)
        self._desk.lay_out_limits()

    def set_consents(self, settings: Iterable[ConsentSetting]) -> list[str]:
        """Take what the server says of consent and pauses; return what is strange about it.

        A load that may not be touched any more comes back with the next tick.
        """
        self._desk.changed = True
        return self._desk.consents.set_server(settings)

    def set_own(self, own: OwnSettings) -> None:
        """Take what the consumer set at the gateway: limits, consent, pauses.

        Raises
        ------
        InputError
            For a limit that cannot be; then nothing is taken.
        """
        limits = own.own_limits(node.name for node in self.site.nodes)
        self._desk.own_limits = limits
        self._desk.consents.own = own
        self._desk.lay_out_limits()
        self._desk.changed = True

    def tick(self, now_s: float, *, sensor_silent: bool = True) -> list[Output]:
        """Do what time alone brings about: queries, repeats, expiries, timers, a lost sensor.

        `sensor_silent` tells that the caller, too, has heard no sample for some seconds of its
        own time; the clock of a replay may jump.
        """
        self._follow_clock(now_s)
        desk, commands = self._desk, self._desk.commands
        outputs, self._told_late = self._told_late, []
        if now_s - self._started_s >= ANSWER_S:
            outputs += self._give_up_overdue(now_s)
        outputs += free_left_alone(desk, now_s)
        outputs += self._obey_calls(now_s)
        outputs += [*commands.repeat(now_s), *self._query_unknown(now_s)]
        outputs += let_waiting_go(desk, now_s)
        outputs += commands.expire_waiting(now_s)
        outputs += end_off_times(desk, now_s)
        if sensor_silent:
            outputs += decide_blindly(desk, now_s)
        if desk.changed and desk.view.decided:
            outputs.append(self.status(now_s))
        return outputs

    def _give_up_overdue(self, now_s: float) -> list[CommandReport]:
        desk, reports = self._desk, []
        for order in desk.commands.overdue(now_s):
            reports.append(desk.commands.fail(order, now_s, Detail.NO_CONFIRMATION))
            desk.loads.failed(order, now_s, is_silence=True)
            desk.loads.known.discard(order.load)
            desk.memory.effects.failed(order.load)
            self._queries, desk.changed = 0, True
        return reports

    def status(self, now_s: float) -> SiteStatus:
        """Return the live picture after the last decision."""
        self._desk.changed = False
        return status_of(self._desk, now_s, self._planning)

    def _query_unknown(self, now_s: float) -> list[Query]:
        """Ask at once where a state became unknown, then less and less often."""
        pause_s = QUERY_S * 2 ** (self._queries - 1) if self._queries else 0.0
        if not self._desk.loads.unknown() or now_s - self._queried_s < pause_s:
            return []
        self._queried_s, self._queries = now_s, min(self._queries + 1, QUERIES_COUNTED)
        return [Query(now_s)]

    def _device_report(self, told: ActuatorState, now_s: float) -> CommandReport:
        """Return the audit row of a switching that nobody ordered."""
        at_s = min(told.since, now_s)
        reason = Reason.OFF_TIME_USED_UP if told.on else ""
        order = Order(self._desk.new_id(), told.load, told.on, DEVICE, reason, at_s, at_s)
        return order.report(CommandState.CONFIRMED, at_s)

    def _follow_clock(self, now_s: float) -> None:
        """Where the clock was set back, set back with it all that was noted of time."""
        desk = self._desk
        back_s = desk.memory.time_s - now_s
        desk.memory.time_s = now_s
        if back_s <= CLOCK_STEP_S:
            return
        desk.loads.rebase(back_s)
        desk.commands.rebase(back_s)
        desk.memory.effects.rebase(back_s)
        desk.memory.sensed.rebase(back_s)
        desk.memory.guard = earlier_guard(desk.memory.guard, back_s)
        desk.memory.ratings = {
            name: drawing.earlier(back_s) for name, drawing in desk.memory.ratings.items()
        }
        if self._planning:
            self._planning.set_back(back_s, now_s)
        desk.view.time_s -= back_s
        self._queried_s -= back_s
        self._started_s = min(self._started_s, now_s)

    def _set_back(self, time_s: float) -> None:
        """Follow a sensor whose clock was set back: no timer may run for longer because of it."""
        states = self._desk.loads.states
        for index, state in enumerate(states):
            if state.since_s > time_s:
                states[index] = replace(state, since_s=time_s)
