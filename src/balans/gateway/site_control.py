"""Load control at work: messages in, in the order they came; orders, reports and status out.

For each input the order is: what was decided is remembered, reports become durable, switchings go
to the actuators, and then the status goes to the server. A disk that stalls is waited for a moment
only (`balans.gateway.scribe`), and the server never (`balans.gateway.outlet`). The status of a
power sample waits a moment for the actuators' feedback, so that it tells contacts rather than
intentions.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from balans.adapters.mqtt import Link
from balans.core.clock import Clock
from balans.core.errors import InputError
from balans.domain.demand.model import DAY_ZONE
from balans.domain.demand.plan import Plan
from balans.gateway.board import Board
from balans.gateway.foresight import NoPlanMade
from balans.gateway.metrics import Metrics
from balans.gateway.outlet import Outlet
from balans.gateway.scribe import Scribe
from balans.protocols import hub, module
from balans.protocols.hub import (
    Call,
    CallReport,
    Command,
    CommandReport,
    Consents,
    Entry,
    EntryKind,
    Limits,
    SiteStatus,
)
from balans.protocols.module import (
    ActuatorState,
    DeviceState,
    PowerSample,
    PulseSample,
    Query,
    RelaySample,
    Sample,
    Switch,
)
from balans.usecases.run_load_control import (
    CONTROL,
    ControlledSite,
    LoadControl,
    Output,
    OwnSettings,
    doubts_of,
    limits_of,
)

TICK_S = 0.25
FEEDBACK_S = 0.1
SENT_S = 0.5
SILENT_S = 2.0
"""So long a connected bus must have been without a sample before the sensor counts as lost."""
SAVE_S, PAST_S = 60.0, 900.0
DISK_S = 0.1
"""So long switchings wait for their reports to be durable."""
STANDING_VALID_S = 5.0
"""While the clock of a replay stands between steps, a status is good for this long."""
INPUTS_MAX = 2_000
"""So many inputs wait; commands and limits are few, and are given as many places more."""
log = logging.getLogger(__name__)


def zone_names(site: ControlledSite) -> set[str]:
    """Return the names of tariff zones that a limit of the site may be bound to."""
    return {DAY_ZONE, *(zone.name for zone in site.zones)}


def explained(report: CommandReport) -> str:
    """Return a report as a line of the log: what, why, by which limit, and with what effect."""
    parts = [f"{report.load} {'on' if report.on else 'off'} {report.state}: {report.reason}"]
    if report.author != CONTROL:
        parts.append(f"by {report.author}")
    if report.limit:
        parts.append(f"limit {report.limit}")
    if report.expected_w:
        parts.append(f"expected {report.expected_w:+.0f} W")
    if report.achieved_w is not None:
        parts.append(f"achieved {report.achieved_w:+.0f} W")
    return ", ".join([*parts, report.detail] if report.detail else parts)


class PacedClock(Clock, Protocol):
    """A clock that knows how fast it goes."""

    @property
    def speed(self) -> float:
        """Site seconds in a second of the wall clock; 0 while it is moved by steps."""
        ...


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The site bus was away: feedback may have been lost."""


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """An authentic call that does not hold here, and why."""

    call: Call
    why: str


Setting = Limits | Consents | OwnSettings
Thought = Plan | NoPlanMade
Called = Call | RefusedCall
Input = Sample | ActuatorState | DeviceState | Command | Called | Setting | Thought | Reconnected
MUST_ARRIVE = Command | Called | Setting | Thought | Reconnected


class SiteControl:
    """Runs `LoadControl` on real connections.

    Parameters
    ----------
    control
        The brain.
    clock
        Time of the site.
    topics
        Of the site bus, and of the hub.
    scribe
        Takes memory, limits and reports.
    """

    def __init__(
        self,
        control: LoadControl,
        clock: PacedClock,
        topics: tuple[module.Topics, hub.Topics],
        scribe: Scribe,
        metrics: Metrics,
    ) -> None:
        self.control = control
        self.board = Board(
            topics[0].site, tuple(node.name for node in control.site.nodes), own=control.own
        )
        self._clock = clock
        self._site_topics, self._hub_topics = topics
        self._status_out, self._plan_out = Outlet(topics[1].status), Outlet(topics[1].plan, qos=1)
        self._scribe = scribe
        self._metrics = metrics
        self._zones = zone_names(control.site)
        self._inputs: asyncio.Queue[Input] = asyncio.Queue()
        self._publishing: set[asyncio.Task[bool]] = set()
        self._nodes = {node.name for node in control.site.nodes}
        self._limits: Limits | None = None
        self._consents: Consents | None = None
        self._status_due_s: float | None = None
        self._plan_due = False
        self._saved_s = self._past_kept_s = 0.0
        self._heard_s = 0.0

    def take(self, message: Input) -> None:
        """Let `message` wait for its turn.

        When too many wait it is dropped and counted: the next sample or feedback says more, but
        a command or a limit is dropped only in a flood of commands, with an error in the log.
        """
        must_arrive = isinstance(message, MUST_ARRIVE)
        if self._inputs.qsize() < INPUTS_MAX * (2 if must_arrive else 1):
            self._inputs.put_nowait(message)
            return
        self._metrics.overflow.labels(type(message).__name__).inc()
        if must_arrive:
            log.error("dropped, since %d inputs wait: %s", self._inputs.qsize(), message)

    def take_server(self, topic: str, message: hub.Message) -> bool:
        """Let what the server says wait for its turn; tell whether it belongs here.

        Raises
        ------
        InputError
            For limits that cannot be.
        """
        topics = self._hub_topics
        places = {Command: topics.command, Limits: topics.limits, Consents: topics.consents}
        if isinstance(message, Command | Limits | Consents):
            if topic != places[type(message)]:
                return False
        elif not isinstance(message, Call):  # of a call the gate has seen to the topic
            return False
        if isinstance(message, Limits):
            limits_of(message.limits)
        self.take(message)
        return True

    async def run(self, site: Link, server: Link) -> None:
        """Control the site until cancelled."""
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time()
        tick_s = loop.time()
        while True:
            due_s = min(tick_s, self._status_due_s or tick_s)
            message = await self._next(due_s - loop.time())
            outputs: list[Output] = [] if message is None else self._handle(message)
            if loop.time() >= tick_s:
                if loop.time() - tick_s > SILENT_S:
                    self._heard_s = loop.time()  # stood still: what it missed waits to be read
                silent = site.connected and loop.time() - self._heard_s > SILENT_S
                outputs += self.control.tick(self._now_s(), sensor_silent=silent)
                tick_s = loop.time() + TICK_S
            await self._carry_out(outputs, site)
            self._tell(outputs, server)

    async def close(self) -> None:
        """Keep what the next start needs to know."""
        self._scribe.remember(self.control.memory)
        if self.control.past is not None:
            self._scribe.keep_past(self.control.past)
        await self._status_out.close()
        await self._plan_out.close()
        await self._scribe.close()

    async def _next(self, timeout_s: float) -> Input | None:
        if not self._inputs.empty():
            return self._inputs.get_nowait()
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                return await self._inputs.get()
        except TimeoutError:
            return None

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _handle(self, message: Input) -> list[Output]:
        now_s, outputs = self._now_s(), list[Output]()
        match message:
            case PowerSample() | PulseSample() | RelaySample():
                outputs = self._decide(message, now_s)
            case Command() | Call() | RefusedCall():
                outputs = self._obey(message, now_s)
            case ActuatorState():
                outputs = self.control.actuator(message, now_s)
            case Plan() | NoPlanMade():
                self._take_thought(message, now_s)
            case DeviceState():
                self.control.device(message)
            case Limits() | Consents() | OwnSettings():
                self._obey_settings(message)
                outputs = self.control.tick(now_s, sensor_silent=False)
            case Reconnected():
                self._heard_s = asyncio.get_running_loop().time()
                outputs = self.control.query(now_s)
        return outputs

    def _obey(self, message: Command | Called, now_s: float) -> list[Output]:
        match message:
            case Command():
                return self.control.command(message, now_s)
            case Call():
                return self.control.call(message, now_s)
            case RefusedCall():
                return self.control.refuse_call(message.call, message.why, now_s)

    def _take_thought(self, thought: Thought, now_s: float) -> None:
        if isinstance(thought, Plan):
            report = self.control.take_plan(thought)
        else:
            report = self.control.plan_failed(thought.why, now_s)
        if report is not None:
            self.board.show_plan(report)
            self._plan_due = True

    def tell_plan_again(self) -> None:
        """Let the server hear the plan once more: it may have missed it."""
        self._plan_due = self.board.plan is not None

    def _obey_settings(self, message: Setting) -> None:
        match message:
            case Limits():
                self._obey_limits(message)
            case Consents():
                self._obey_consents(message)
            case OwnSettings():
                self._obey_own(message)

    def _obey_own(self, message: OwnSettings) -> None:
        try:
            self.control.set_own(message)
        except InputError as error:
            log.warning("what was set here is not used: %s", error)
        else:
            self._scribe.keep_own(message)
            log.info("set here: %s", message)
        self.board.own = self.control.own

    def _obey_limits(self, message: Limits) -> None:
        if message == self._limits:
            return  # retained: it comes again with every connection
        self.control.set_server_limits(limits_of(message.limits, self._zones, self._nodes))
        self._scribe.keep_limits(message)
        self._limits = message
        log.info("limits of the server: %s", message.limits)
        for doubt in doubts_of(message.limits, self._zones, self._nodes):
            log.warning("%s", doubt)

    def _obey_consents(self, message: Consents) -> None:
        if message == self._consents:
            return
        for doubt in self.control.set_consents(message.loads):
            log.warning("%s", doubt)
        self._scribe.keep_consents(message)
        self._consents = message
        log.info("consents of the server: %s", message.loads)

    def _decide(self, sample: Sample, now_s: float) -> list[Output]:
        self._heard_s = asyncio.get_running_loop().time()
        with self._metrics.decision_s.time():
            outputs = self.control.sample(sample, now_s)
        self._metrics.samples.inc()
        self._metrics.dropped_samples.set(self.control.dropped_samples)
        return outputs

    async def _carry_out(self, outputs: Sequence[Output], site: Link) -> None:
        told = [output for output in outputs if isinstance(output, CommandReport)]
        for report in told:
            self.board.note(report)
            log.info("%s", explained(report))
        reports = [Entry(EntryKind.COMMAND, hub.encode_command_report(one)) for one in told]
        reports += self._note_calls(outputs)
        now_s = asyncio.get_running_loop().time()
        if reports or now_s - self._saved_s > SAVE_S:
            self._saved_s = now_s
            self._scribe.remember(self.control.memory, reports)
            self._keep_past(now_s)
        if reports:
            await self._scribe.settle(DISK_S)
        messages = [output for output in outputs if isinstance(output, Switch | Query)]
        if messages:
            await self._publish(messages, site)

    @staticmethod
    def _note_calls(outputs: Sequence[Output]) -> list[Entry]:
        """Log what is told of calls, and return it as entries."""
        told = [output for output in outputs if isinstance(output, CallReport)]
        for report in told:
            place = report.node or report.site
            log.info("event %s at %s: %s %s", report.event, place, report.state, report.detail)
        return [Entry(EntryKind.CALL, hub.encode_call_report(one)) for one in told]

    def _keep_past(self, now_s: float) -> None:
        """Let the planner's memory be written now and then: it is large, and not for safety."""
        past = self.control.past
        if past is not None and now_s - self._past_kept_s > PAST_S:
            self._past_kept_s = now_s
            self._scribe.keep_past(past)

    async def _publish(self, messages: Sequence[Switch | Query], site: Link) -> None:
        """Hand messages to the bus, and wait a moment until it has taken them."""
        for message in messages:
            if isinstance(message, Switch):
                topic = self._site_topics.switch(message.load)
                self._metrics.switches.labels("on" if message.on else "off").inc()
            else:
                topic = self._site_topics.query
            task = asyncio.ensure_future(site.publish(topic, module.encode(message), qos=1))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)
        await asyncio.wait(set(self._publishing), timeout=SENT_S)

    def _tell(self, outputs: Sequence[Output], server: Link) -> None:
        """Give out the status that is due, once the actuators have answered or had their time."""
        self.board.server_connected = server.connected
        if self._plan_due and self.board.plan is not None and server.connected:
            self._plan_due = False
            self._plan_out.put(server, hub.encode(self.board.plan))
        now_s = asyncio.get_running_loop().time()
        if self._status_due_s is None and any(isinstance(o, SiteStatus) for o in outputs):
            self._status_due_s = now_s + FEEDBACK_S
        if self._status_due_s is None:
            return
        if self.control.on_the_way and now_s < self._status_due_s:
            return
        self._status_due_s = None
        status = self.control.status(self._now_s())
        status = msgspec.structs.replace(status, valid_s=self._valid_s(status.step_s))
        self._metrics.sensor_ok.set(status.sensor_ok)
        self.board.show(status)
        self._status_out.put(server, hub.encode(status))

    def _valid_s(self, step_s: float) -> float:
        """Return within what wall time the next status is due."""
        speed = self._clock.speed
        return max(1.0, min(3600.0, step_s / speed)) if speed > 0 else STANDING_VALID_S
