"""A house whose operator signs its calls: server, broker and actuators in a few lines."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from balans.adapters.signing import SigningKey, verify
from balans.core.words import CallState, LoadClass, StepKind
from balans.domain.demand.model import Limit, Load, Node
from balans.protocols import hub
from balans.protocols.module import ActuatorState, PowerSample, Query, Switch
from balans.usecases.run_load_control import (
    CalledMemory,
    Calls,
    ControlledSite,
    Gate,
    LoadControl,
    Memory,
    Moment,
    Output,
    RefusedError,
    ServerClock,
)

START = 1_800_000_000.0
TENANT, GROUP, SITE, HUB = 3, "t3-peak", "house-1", "hub-1"
TOPICS = hub.Topics(HUB)
REST_W = 500.0
LOADS = (
    Load("clock", LoadClass.RED, 100.0),
    Load("fridge", LoadClass.YELLOW, 400.0, max_off_s=420.0, node="flat"),
    Load("boiler", LoadClass.YELLOW, 2000.0, max_off_s=900.0, min_on_s=60.0, node="flat"),
    Load("car", LoadClass.GREEN, 3000.0, min_on_s=0.0),
)
CONTRACT = Limit("contract", 9000.0)


@dataclass
class Server:
    """A head-end with a key; what it sends is (topic, bytes)."""

    key: SigningKey = field(default_factory=lambda: SigningKey.of(b"k" * 32))
    tenant: int = TENANT
    beats: Any = field(default_factory=lambda: count(1))

    def signed(self, topic: str, message: hub.Message, key: SigningKey | None = None) -> bytes:
        key = key or self.key
        return hub.encode(hub.signed(topic, hub.encode(message), key.id, key.sign))

    def call(self, call: hub.Call, key: SigningKey | None = None) -> tuple[str, bytes]:
        topic = hub.call_topic(call)
        return topic, self.signed(topic, call, key)

    def beat(self, time_s: float) -> tuple[str, bytes]:
        topic = hub.beat_topic(self.tenant)
        return topic, self.signed(topic, hub.Beat(time_s, next(self.beats)))

    def groups(self, *names: str, version: int = 1, **fallback: Any) -> tuple[str, bytes]:
        message = hub.Groups(version, self.tenant, names, hub.Fallback(**fallback))
        return TOPICS.groups, self.signed(TOPICS.groups, message)


def step(
    begin_s: float, end_s: float, kind: StepKind = StepKind.LIMIT, value: float = 2000.0
) -> hub.CallStep:
    """Return a step; times are seconds after `START`."""
    return hub.CallStep(START + begin_s, START + end_s, kind, value)


def call(*steps: hub.CallStep, node: str = "", site: str = SITE, **changes: Any) -> hub.Call:
    """Return a call of the house for `steps`, the first hour to 1,000 W without any."""
    targets = (hub.CallTarget(site, node, steps or (step(0, 3600, value=1000.0),)),)
    found = hub.Call(TENANT, GROUP, "e1", 10, START - 60, START + 7200, targets=targets)
    return msgspec.structs.replace(found, **changes)


class Contact:
    """An actuator: it obeys at once, each id once, and has a timer of its own."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.on, self.since_s, self.until_s = True, START - 1e6, float("inf")
        self.command = ""
        self.longest_off_s = 0.0
        self.switched = 0

    def obey(self, switch: Switch, now_s: float) -> None:
        if switch.id == self.command or now_s > switch.expires:
            return
        self.command, self.switched = switch.id, self.switched + 1
        self.move(now_s, on=switch.on)
        self.until_s = now_s + switch.max_off_s if switch.max_off_s else float("inf")

    def move(self, now_s: float, *, on: bool) -> None:
        if on != self.on:
            self.on, self.since_s = on, now_s

    def pass_time(self, now_s: float) -> None:
        if now_s >= self.until_s and not self.on:
            self.move(self.until_s, on=True)
            self.command, self.until_s = "", float("inf")
        if not self.on:
            self.longest_off_s = max(self.longest_off_s, now_s - self.since_s)

    def told(self, now_s: float) -> ActuatorState:
        return ActuatorState(self.load.name, self.on, self.since_s, now_s, self.command)


@dataclass
class House:
    """A gateway and its house. `own_s` is what its own clock is ahead of the true time."""

    loads: tuple[Load, ...] = LOADS
    pinned: tuple[hub.TrustedKey, ...] = (hub.TrustedKey(SigningKey.of(b"k" * 32).public),)
    verify: Callable[[bytes, bytes, bytes], bool] = verify
    step_s: float = 10.0
    limits: tuple[Limit, ...] = (CONTRACT,)

    def __post_init__(self) -> None:
        self.true_s, self.own_s = START - 1200.0, 0.0
        self.contacts = {load.name: Contact(load) for load in self.loads}
        self.rest_w = REST_W
        self.reports: list[hub.CallReport] = []
        self.statuses: list[hub.SiteStatus] = []
        self.refused: list[str] = []
        self._ids, self._seq = count(), count(1)
        self.called = CalledMemory().of(self.pinned)
        self.boot(Memory())

    def boot(self, memory: Memory) -> None:
        """Start the gateway, with what an earlier one kept on disk."""
        nodes = (Node("flat"),)
        site = ControlledSite(self.loads, self.limits, (), ZoneInfo("UTC"), nodes)
        clock = ServerClock()
        self.calls = Calls(SITE, self.called, clock, self.moment)
        self.gate = Gate(TOPICS, self.pinned, self.verify, self.called, clock)
        new_id = self._new_id
        self.control = LoadControl(site, new_id, self.now_s, memory, calls=self.calls)
        self.tick()

    def restart(self, pinned: tuple[hub.TrustedKey, ...] | None = None) -> None:
        """End the gateway, and start it with what is on its disk."""
        memory = msgspec.msgpack.encode(self.control.memory)
        called = msgspec.msgpack.encode(self.called)
        self.pinned = pinned or self.pinned
        self.called = msgspec.msgpack.decode(called, type=CalledMemory).of(self.pinned)
        self.boot(msgspec.msgpack.decode(memory, type=Memory))

    def _new_id(self) -> str:
        return f"id{next(self._ids)}"

    @property
    def now_s(self) -> float:
        return self.true_s + self.own_s

    def moment(self, now_s: float) -> Moment:
        return Moment(now_s, self.true_s - 1e9, self.true_s - 1e9)

    # --- what comes in ---

    def hear(self, sent: tuple[str, bytes]) -> str:
        """Let the gateway hear a message; return why it was refused, empty if it was not."""
        topic, data = sent
        try:
            message = self.gate.open(topic, data, self.moment(self.now_s))
        except RefusedError as error:
            self.refused.append(error.why)
            if error.call:
                self.take(self.control.refuse_call(error.call, error.why, self.now_s))
            return error.why
        match message:
            case hub.Beat():
                self.control.beat(self.now_s)
            case hub.Call():
                self.take(self.control.call(message, self.now_s))
            case hub.Command():
                self.take(self.control.command(message, self.now_s))
            case _:
                pass
        return ""

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Switch():
                    contact = self.contacts[output.load]
                    contact.obey(output, self.now_s)
                    self.take(self.control.actuator(contact.told(self.now_s), self.now_s))
                case Query():
                    for contact in self.contacts.values():
                        told = contact.told(self.now_s)
                        self.take(self.control.actuator(told, self.now_s))
                case hub.CallReport():
                    data = hub.encode_call_report(output)
                    assert hub.decode_call_report(data) == output
                    self.reports.append(output)
                case hub.SiteStatus():
                    self.statuses.append(output)
                case hub.CommandReport():
                    pass

    def tick(self) -> None:
        self.take(self.control.tick(self.now_s, sensor_silent=False))

    def measure(self) -> None:
        """Let a step pass, and measure it."""
        self.true_s += self.step_s
        for contact in self.contacts.values():
            contact.pass_time(self.now_s)
        self.take(self.control.sample(self.sample(), self.now_s))

    def sample(self) -> PowerSample:
        drawn = {name: c.load.rated_w * c.on for name, c in self.contacts.items()}
        flat = sum(drawn[load.name] for load in self.loads if load.node)
        total = self.rest_w + sum(drawn.values())
        return PowerSample(
            next(self._seq), self.now_s, self.step_s, total, drawn, node_w={"flat": flat}
        )

    def run(self, until_s: float, server: Server | None = None, every_s: float = 30.0) -> None:
        """Let time pass until `until_s` after `START`; `server` beats as long as it is given."""
        while self.true_s < START + until_s - 1e-6:
            if server and (self.true_s - START) % every_s < self.step_s:
                self.hear(server.beat(self.true_s))
            self.tick()
            self.measure()

    def set_clock(self, ahead_s: float) -> None:
        """Let the own clock be `ahead_s` ahead of the true time from now on."""
        change_s, self.own_s = ahead_s - self.own_s, ahead_s
        for contact in self.contacts.values():
            contact.since_s += change_s
            contact.until_s += change_s

    # --- what is seen ---

    @property
    def power_w(self) -> float:
        return self.sample().site_w

    @property
    def off(self) -> set[str]:
        return {name for name, contact in self.contacts.items() if not contact.on}

    def states(self, event: str = "e1", node: str = "") -> list[CallState]:
        """Return what was reported of an event, in order."""
        return [r.state for r in self.reports if (r.event, r.node) == (event, node)]

    @property
    def bound(self) -> str:
        """The limit that binds at the site, as the page shows it."""
        return self.control.status(self.now_s).limit


def ready(server: Server, **changes: Any) -> House:
    """Return a house that has run for 20 minutes, and hears of its server and groups."""
    house = House(**changes)
    assert not house.hear(server.groups(GROUP))
    house.run(-60, server)
    assert not house.off
    return house


def unreleased(name: str) -> tuple[Load, ...]:
    """Return the loads, one of them not released by its owner."""
    return tuple(replace(load, released=load.name != name) for load in LOADS)
