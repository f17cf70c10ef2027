"""Plays the recorded town over the wire: sensors, modules and actuators of one site.

A boundary between two minutes, in this order:

1. the minute passes (`World.advance`); at a full hour modules read their registers;
2. the clock is set, and actuators whose timer is due close;
3. the power sample is published;
4. commands that come back are executed at once. At full speed the town waits for the gateway's
   status about this very sample, so that control is one minute late, as with a real meter, and
   never later; a gateway that does not answer holds the town up for a second, not for good.

The broker, the gateway and the hubs may be gone at any time. Samples are then lost; readings
stay in their modules until a hub confirms them.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from balans.core.errors import BalansError
from balans.protocols import hub, module
from balans.protocols.hub.frames import Message as HubMessage
from balans.protocols.module.frames import Message as ModuleMessage
from balans.simulator.answering import Reply
from balans.simulator.faults import FaultPlan
from balans.simulator.link import Link
from balans.simulator.pace import Pace, SetClock
from balans.simulator.result import TownResult
from balans.simulator.spec import TownSpec
from balans.simulator.world import Wire, World

log = logging.getLogger(__name__)
ANSWER_S, GATEWAY_GONE_ANSWER_S = 1.0, 0.05
GONE_AFTER = 20
"""After so many samples without answer the gateway counts as gone until one is answered."""
REPEAT_FIRST_S = 0.5
REPORT_EVERY_S = 0.1
SETTLED_S = 0.5
HOUR_MIN = 60
ToHear = module.ReportReceived | module.Known | module.Ask | module.HoursWanted


class Progress(NamedTuple):
    """Where the run stands; told at every simulated hour."""

    hours: int
    now_s: int
    site_w: float
    reference_w: float
    unconfirmed: int


def _no_progress(progress: Progress) -> None:
    del progress


def _no_clock(now_s: float, speed: float) -> None:
    del now_s, speed


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a town.

    Parameters
    ----------
    speed
        Simulated seconds per second; None is as fast as the gateway answers.
    speed_at
        Asked in a thread at every boundary, with its time and the power of the site [W], at which
        speed to go on; None: always at `speed`.
    set_clock
        Sets the clock that the processes of the replay share.
    state_dir
        Where the state is kept; a state found there is continued.
    ledger
        File of the ledger.
    progress
        Told at every simulated hour.
    gateway_s, drain_s
        Longest wall time to wait for the gateway before the second minute, and for the hubs'
        confirmations and `settled` at the end.
    settled
        Asked at the end, in a thread: whether all is well and the modules may stop answering.
    """

    speed: float | None = None
    speed_at: Callable[[int, float], float | None] | None = None
    set_clock: SetClock = _no_clock
    state_dir: Path | None = None
    ledger: Path | None = None
    faults: FaultPlan = field(default_factory=FaultPlan)
    progress: Callable[[Progress], None] = _no_progress
    gateway_s: float = 30.0
    drain_s: float = 60.0
    settled: Callable[[], bool] = lambda: True


class TownRunner:
    """One run of a town with one site.

    Parameters
    ----------
    spec
        The town.
    mqtt_url
        Broker of the site, ``mqtt://[user:password@]host:port``.

    Raises
    ------
    InputError
        If the address, the state or the ledger cannot be used.
    """

    def __init__(self, spec: TownSpec, mqtt_url: str, options: RunOptions) -> None:
        self.options = options
        self.world = World(spec, options.faults, options.state_dir, options.ledger)
        self._pace = Pace(options.speed, options.set_clock)
        self._topics = module.Topics(self.world.site.code)
        self._status_topic = hub.Topics(spec.gateway.code).status if spec.gateway else None
        self._link = Link(
            mqtt_url,
            f"balans-town-{self.world.site.code}-{os.getpid()}",
            self._subscriptions(),
            self._on_message,
            self._on_connect,
        )
        self._stop = asyncio.Event()
        self._report_now = asyncio.Event()
        self._confirmed = asyncio.Event()
        self._answered = asyncio.Event()
        self._answer = -1
        self._silences = 0
        self._unanswered = 0
        self._sample_wall_s = 0.0
        self._reactions_s: list[float] = []

    def stop(self) -> None:
        """End the run at the next boundary; what is left to confirm is still waited for."""
        self._stop.set()

    async def run(self, hours: float | None = None) -> TownResult:
        """Play `hours` simulated hours from where the town stands, or until `stop`.

        Returns
        -------
        What was measured in this run. The state is saved, also when the run is cancelled.
        """
        until_s = self.world.now_s + hours * 3600 if hours is not None else None
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._link.run()), tasks.create_task(self._report())]
                await self._play(until_s)
                self._pace.end(self.world.now_s)
                drained = await self._drain()
                for helper in helpers:
                    helper.cancel()
        finally:
            self.world.close()
        return self.world.result(Wire(tuple(self._reactions_s), self._unanswered, drained))

    async def _play(self, until_s: float | None) -> None:
        world = self.world
        self._pace.begin(world.now_s)
        self._send_states(world.tick())
        await self._first_connection()
        first = True
        while not self._stop.is_set() and (until_s is None or world.now_s < until_s):
            sample = world.advance()
            self._pace.boundary(world.now_s)
            self._send_states(world.tick())
            self._send_supplies(world.press_supplies())
            if self.options.speed_at is not None:
                speed = await asyncio.to_thread(self.options.speed_at, world.now_s, sample.site_w)
                self._pace.change(speed, world.now_s)
            self._publish(sample)
            if world.plant.minute % HOUR_MIN == 0:
                self._tell_hour(sample)
            await (self._first_answer(sample) if first else self._answer_to(sample))
            first = False
            await self._pace.rest(world.now_s, self._stop)

    async def _first_connection(self) -> None:
        try:
            async with asyncio.timeout(self.options.gateway_s):
                await self._link.connected.wait()
        except TimeoutError:
            log.warning(
                "no broker after %.0f s: the town begins without it", self.options.gateway_s
            )

    async def _first_answer(self, sample: module.PowerSample) -> None:
        """Repeat the first sample until a gateway answers: it may still be starting."""
        deadline_s = _wall_s() + (self.options.gateway_s if self._status_topic else 0.0)
        while self._answer != sample.seq and _wall_s() < deadline_s and not self._stop.is_set():
            await self._wait_for_answer(sample.seq, REPEAT_FIRST_S)
            if self._answer != sample.seq:
                self._publish(sample)

    async def _answer_to(self, sample: module.PowerSample) -> None:
        if self._status_topic is None:
            await self._link.sent()
            return
        gone = self._silences >= GONE_AFTER
        await self._wait_for_answer(sample.seq, GATEWAY_GONE_ANSWER_S if gone else ANSWER_S)
        silent = self._answer != sample.seq
        self._silences = self._silences + 1 if silent else 0
        self._unanswered += silent

    async def _wait_for_answer(self, seq: int, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                while self._answer != seq:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            return

    async def _drain(self) -> bool:
        """Wait until the hubs have confirmed every reading; return whether they have."""
        modules = self.world.modules
        modules.end_silence()
        try:
            async with asyncio.timeout(self.options.drain_s):
                while modules.pending or not await asyncio.to_thread(self.options.settled):
                    self._confirmed.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(SETTLED_S):
                            await self._confirmed.wait()
        except TimeoutError:
            log.warning("%d readings are not confirmed by their hubs", modules.pending)
        return not modules.pending

    async def _report(self) -> None:
        """Let the modules report, repeat and go on, as confirmations come in."""
        while True:
            if self._link.connected.is_set():
                for report in self.world.modules.due(_wall_s()):
                    self._send_report(report.hub, report.message)
                for announce in self.world.answering.announcements(_wall_s()):
                    self._send_of_module(self._topics.announce, announce)
                await self._link.sent()
            self._report_now.clear()
            try:
                async with asyncio.timeout(REPORT_EVERY_S):
                    await self._report_now.wait()
            except TimeoutError:
                continue

    def _send_report(self, hub_code: str, report: module.ModuleReport) -> None:
        copies = 2 if self.world.faults.report_duplicated() else 1
        for _ in range(copies):
            self._send_of_module(self._topics.report(hub_code), report)

    def _send_of_module(self, topic: str, message: ModuleMessage) -> None:
        if not self.world.faults.message_lost():
            self._link.send(topic, module.encode(message), 1)

    def _publish(self, sample: module.PowerSample) -> None:
        self._sample_wall_s = _wall_s()
        self._link.send(self._topics.power, module.encode(sample), 0)

    def _send_states(self, states: list[module.ActuatorState]) -> None:
        for state in states:
            self._link.send(self._topics.state(state.load), module.encode(state), 1)

    def _send_supplies(self, states: list[module.SupplyState]) -> None:
        for state in states:
            topic = self._topics.supplied(self.world.supply.hub_of(state.serial))
            self._send_of_module(topic, state)

    def _tell_hour(self, sample: module.PowerSample) -> None:
        self._report_now.set()
        world = self.world
        hours = round((world.now_s - world.begin_s) / 3600)
        reference_w = sample.reference_w or 0.0
        self.options.progress(
            Progress(hours, world.now_s, sample.site_w, reference_w, world.modules.pending)
        )

    def _subscriptions(self) -> list[tuple[str, int]]:
        topics, spec = self._topics, self.world.spec
        received = [(topics.received(hub_.code), 1) for hub_ in spec.hubs]
        status = [(self._status_topic, 0)] if self._status_topic else []
        asked = [(topics.ask(hub_.code), 1) for hub_ in spec.hubs]
        asked += [(topics.supply(hub_.code), 1) for hub_ in spec.hubs]
        own = [(topics.switch("+"), 1), (topics.query, 1), (topics.known, 1)]
        return [*own, *received, *asked, *status]

    def _on_connect(self) -> None:
        self.world.modules.hurry()
        self._report_now.set()
        self._send_states(self.world.bank.states(self._clock_s()))
        self._send_supplies(self.world.supply.states(self._clock_s()))

    def _on_message(self, topic: str, payload: bytes) -> None:
        try:
            if topic == self._status_topic:
                self._on_status(hub.decode(payload))
            else:
                self._on_site_message(topic, module.decode(payload))
        except BalansError as error:
            log.warning("%s: %s", topic, error)

    def _on_status(self, message: HubMessage) -> None:
        if isinstance(message, hub.SiteStatus):
            self._answer = message.seq
            self._answered.set()

    def _on_site_message(self, topic: str, message: ModuleMessage) -> None:
        match message:
            case module.Switch():
                self._on_switch(topic.rsplit("/", 1)[1], message)
            case module.Query():
                self._send_states(self.world.bank.states(self._clock_s()))
            case module.SupplySwitch() | module.SupplyQuery():
                self._on_supply(message)
            case module.ReportReceived() | module.Known() | module.Ask() | module.HoursWanted():
                if not self.world.faults.message_lost():
                    self._on_module_message(message)
            case _:
                log.warning("%s: a %s is not expected here", topic, type(message).__name__)

    def _on_module_message(self, message: ToHear) -> None:
        answering = self.world.answering
        match message:
            case module.ReportReceived():
                if self.world.modules.received(message):
                    self._report_now.set()
                    self._confirmed.set()
            case module.Known():
                answering.take_known(message)
            case module.Ask():
                self._reply(answering.answer(message, self._clock_s()))
            case module.HoursWanted():
                self._reply(answering.report_again(message))
                self._report_now.set()

    def _on_supply(self, message: module.SupplySwitch | module.SupplyQuery) -> None:
        world, clock_s = self.world, self._clock_s()
        if isinstance(message, module.SupplyQuery):
            states = world.supply.states(clock_s)
        else:
            state = world.obey_supply(message, clock_s)
            states = [] if state is None else [state]
        self._send_supplies(states)

    def _reply(self, reply: Reply | None) -> None:
        if reply is not None:
            self._send_of_module(self._topics.answer(reply.hub), reply.message)

    def _on_switch(self, address: str, switch: module.Switch) -> None:
        self._reactions_s.append(_wall_s() - self._sample_wall_s)
        state = self.world.obey(address, switch, self._clock_s())
        if state is not None:
            self._send_states([state])

    def _clock_s(self) -> float:
        return self._pace.clock_s(self.world.now_s)


def _wall_s() -> float:
    return asyncio.get_running_loop().time()
