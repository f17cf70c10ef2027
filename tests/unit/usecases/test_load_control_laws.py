"""Laws of load control under lossy actuators, restarts, operators and clocks that jump."""

from collections import defaultdict
from dataclasses import replace
from itertools import count
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from balans.core.words import CommandState, LoadClass
from balans.domain.demand.model import Limit, Load, LoadKind, Recover
from balans.protocols import hub, module
from balans.protocols.hub import CallReport, Command, CommandReport, SiteStatus
from balans.protocols.module import ActuatorState, PowerSample, Query, Switch
from balans.usecases.run_load_control import ControlledSite, LoadControl, Memory, Output

T0 = 1_768_172_400.0
STEP_S = 60.0
FINAL = {CommandState.CONFIRMED, CommandState.FAILED, CommandState.EXPIRED}
ORDER = {CommandState.QUEUED: 0, CommandState.SENT: 1, **dict.fromkeys(FINAL, 2)}

loads = st.lists(
    st.builds(
        Load,
        name=st.just(""),
        load_class=st.sampled_from(LoadClass),
        rated_w=st.sampled_from([100.0, 1000.0, 2200.0]),
        max_off_s=st.sampled_from([420.0, 600.0, 900.0]),
        min_on_s=st.sampled_from([0.0, 120.0, 300.0]),
        recover=st.sampled_from(Recover),
        kind=st.sampled_from([LoadKind.SWITCH, LoadKind.SWITCH, LoadKind.MODULATING]),
        min_w=st.just(50.0),
        max_w=st.just(2200.0),
        deadline_s=st.none() | st.sampled_from([0, 7 * 3600]),
    ),
    min_size=1,
    max_size=5,
)
limits = st.lists(
    st.builds(
        Limit,
        name=st.sampled_from(["a", "b", "c"]),
        limit_w=st.sampled_from([0.0, 1500.0, 4000.0]),
        interval_s=st.sampled_from([0, 0, 900, 3600]),
    ),
    max_size=2,
    unique_by=lambda limit: limit.name,
)


class Contact:
    """An actuator as the site bus demands it: an id once, nothing late, and a timer of its own."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.on = True
        self.since_s = T0 - 1e6
        self.command = ""
        self.limit_s = float("inf")
        self.setpoint_w: float | None = None
        self.seen: set[str] = set()
        self.longest_off_s = 0.0

    def obey(self, switch: Switch, now_s: float) -> None:
        if switch.id in self.seen or now_s > switch.expires:
            return
        self.seen.add(switch.id)
        self.command = switch.id
        self.move(switch.on, now_s)
        self.setpoint_w = switch.setpoint_w
        self.limit_s = now_s + switch.max_off_s if switch.max_off_s else float("inf")

    def move(self, on: bool, now_s: float) -> None:  # noqa: FBT001
        if not self.on:
            self.longest_off_s = max(self.longest_off_s, now_s - self.since_s)
        if on != self.on:
            self.on, self.since_s = on, now_s

    def pass_time(self, now_s: float) -> None:
        if now_s >= self.limit_s and (not self.on or self.setpoint_w is not None):
            self.move(True, min(now_s, self.limit_s))  # noqa: FBT003
            self.command, self.setpoint_w, self.limit_s = "", None, float("inf")

    def told(self, now_s: float, refused: str = "") -> ActuatorState:
        return ActuatorState(
            self.load.name, self.on, self.since_s, now_s, self.command, refused, self.setpoint_w
        )


class LossySite(RuleBasedStateMachine):
    @initialize(found=loads, limits=limits)
    def start(self, found: list[Load], limits: list[Limit]) -> None:
        named = [replace(load, name=f"load{index}") for index, load in enumerate(found)]
        self.site = ControlledSite(tuple(named), tuple(limits), (), ZoneInfo("Europe/Paris"))
        self.contacts = {load.name: Contact(load) for load in named}
        self.now_s = T0
        self.ids = count()
        self.seq = 0
        self.on_bus: list[Switch] = []
        self.switches: dict[str, Switch] = {}
        self.lives: dict[str, list[CommandState]] = defaultdict(list)
        self.explained: set[str] = set()
        self.told: set[str] = set()
        self.given: dict[int, Command] = {}
        self.dropped_memory = False
        self.control = LoadControl(self.site, self.new_id, self.now_s)
        self.take(self.control.tick(self.now_s))

    def new_id(self) -> str:
        return f"id{next(self.ids)}"

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Switch():
                    self.check_switch(output)
                    self.on_bus.append(output)
                case CommandReport():
                    data = hub.encode_command_report(output)
                    assert hub.decode_command_report(data) == output
                    self.note(output)
                case SiteStatus():
                    assert hub.decode(hub.encode(output)) == output
                case Query():
                    assert module.decode(module.encode(output)) == output
                case CallReport():
                    raise AssertionError(output)  # nobody calls here

    def note(self, report: CommandReport) -> None:
        """Note a state; an effect is no new state, and is told once, of what was confirmed."""
        if report.achieved_w is None:
            self.lives[report.id].append(report.state)
            return
        assert report.id not in self.explained
        assert report.state is CommandState.CONFIRMED
        assert self.dropped_memory or self.lives[report.id][-1] is CommandState.CONFIRMED
        self.explained.add(report.id)

    def check_switch(self, switch: Switch) -> None:
        assert module.decode(module.encode(switch)) == switch
        load = self.contacts[switch.load].load
        assert load.load_class is not LoadClass.RED
        is_repeat = switch.id in self.switches
        assert self.switches.setdefault(switch.id, switch) == switch
        if is_repeat:
            return
        if self.lives[switch.id]:
            assert self.lives[switch.id][-1] is CommandState.SENT
        if not switch.on or switch.setpoint_w is not None:
            assert switch.load in self.told, "shed while its state was unknown"
            longest_s = load.max_off_s if load.load_class is LoadClass.YELLOW else 43_200
            assert 0 < switch.max_off_s <= longest_s

    @rule(base_w=st.sampled_from([0.0, 500.0, 3000.0, 9000.0]), metered=st.booleans())
    def measure(self, base_w: float, *, metered: bool) -> None:
        self.pass_time(STEP_S)
        self.seq += 1
        drawn = {
            name: (contact.load.rated_w if contact.setpoint_w is None else contact.setpoint_w)
            if contact.on
            else 0.0
            for name, contact in self.contacts.items()
        }
        sample = PowerSample(
            self.seq, self.now_s, STEP_S, base_w + sum(drawn.values()), drawn if metered else {}
        )
        outputs = self.control.sample(sample, self.now_s)
        assert isinstance(outputs[-1], SiteStatus)
        assert outputs[-1].seq == self.seq
        self.take(outputs)

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 60.0, 200.0, 1000.0]))
    def tick(self, seconds: float) -> None:
        self.pass_time(seconds)
        self.take(self.control.tick(self.now_s))

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        for contact in self.contacts.values():
            contact.pass_time(self.now_s)

    @precondition(lambda self: self.on_bus)
    @rule(data=st.data(), arrives=st.booleans(), answers=st.booleans())
    def deliver(self, data: st.DataObject, *, arrives: bool, answers: bool) -> None:
        switch = self.on_bus.pop(data.draw(st.integers(0, len(self.on_bus) - 1)))
        contact = self.contacts[switch.load]
        if arrives:
            contact.obey(switch, self.now_s)
            if answers:
                self.tell(contact)

    def deliver_all(self) -> None:
        while self.on_bus:
            switch = self.on_bus.pop(0)
            self.contacts[switch.load].obey(switch, self.now_s)
            self.tell(self.contacts[switch.load])

    @rule(data=st.data(), refused=st.sampled_from(["", "", "", "the contact does not move"]))
    def feedback(self, data: st.DataObject, refused: str) -> None:
        contact = self.contacts[data.draw(st.sampled_from(sorted(self.contacts)))]
        if contact.load.load_class is LoadClass.RED:  # it should have no actuator, yet it has
            self.take(
                self.control.actuator(
                    ActuatorState(contact.load.name, on=False, since=T0, time=self.now_s),
                    self.now_s,
                )
            )
        else:
            self.tell(contact, refused)

    def tell(self, contact: Contact, refused: str = "") -> None:
        self.told.add(contact.load.name)
        self.take(self.control.actuator(contact.told(self.now_s, refused), self.now_s))

    @rule(
        name=st.sampled_from(["load0", "load1", "load2", "nowhere"]),
        on=st.booleans(),
        number=st.integers(0, 6),
        lasts_s=st.sampled_from([-1.0, 30.0, 500.0]),
    )
    def operate(self, name: str, *, on: bool, number: int, lasts_s: float) -> None:
        fresh = Command(
            f"op{number}", name, on, self.now_s, self.now_s + lasts_s, "anna", "because"
        )
        command = self.given.setdefault(number, fresh)  # the same number is the same command
        before = len(self.lives[command.id])
        self.take(self.control.command(command, self.now_s))
        if before and not self.dropped_memory:
            assert len(self.lives[command.id]) == before, "a known command was obeyed again"

    @rule(found=limits)
    def limit(self, found: list[Limit]) -> None:
        self.control.set_server_limits(found)

    @rule(remembers=st.booleans())
    def restart(self, *, remembers: bool) -> None:
        memory = None
        if remembers:
            kept = msgspec.msgpack.encode(self.control.memory)
            memory = msgspec.msgpack.decode(kept, type=Memory)
        else:
            self.dropped_memory = True
            self.lives.clear()
        self.told.clear()
        self.control = LoadControl(self.site, self.new_id, self.now_s, memory)
        self.take(self.control.tick(self.now_s))

    @invariant()
    def every_life_is_a_line(self) -> None:
        if self.dropped_memory:
            return
        for states in self.lives.values():
            ranks = [ORDER[state] for state in states]
            assert ranks == sorted(set(ranks)), states

    @invariant()
    def timers_hold(self) -> None:
        for contact in self.contacts.values():
            off_s = contact.longest_off_s
            if not contact.on:
                off_s = max(off_s, self.now_s - contact.since_s)
            if contact.load.load_class is LoadClass.RED:
                assert off_s == 0
            if contact.load.load_class is LoadClass.YELLOW:
                assert off_s <= contact.load.max_off_s

    @override
    def teardown(self) -> None:
        """Let everything answer: nothing stays open, nothing stays off for ever."""
        if not hasattr(self, "control"):
            return
        for _ in range(60):
            self.deliver_all()
            for contact in self.contacts.values():
                if contact.load.load_class is not LoadClass.RED:
                    self.tell(contact)
            self.measure(0.0, metered=True)
            self.tick(0.0)
        self.deliver_all()
        if not self.dropped_memory:
            for states in self.lives.values():
                assert not states or states[-1] in FINAL, states


TestLossySite = LossySite.TestCase
TestLossySite.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
