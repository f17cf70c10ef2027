"""Laws of the actuators: at most once, never late, never for others, and never off for long."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from balans.core.words import LoadClass, Phase
from balans.protocols.module import Switch
from balans.simulator.actuators import Actuator, ActuatorBank, ContactMove
from balans.simulator.spec import LoadSpec

STEP_S = 60.0
LOADS = (
    LoadSpec("heat", "a", "heat", LoadClass.YELLOW, 1_000, Phase.L1, 1, max_off_s=900),
    LoadSpec("kitchen", "a", "kitchen", LoadClass.RED, 1_000, Phase.L1),
    LoadSpec("wash", "a", "wash", LoadClass.GREEN, 1_000, Phase.L1, 2, max_off_s=0),
)


def order(id_: str, *, on: bool, **fields: Any) -> Switch:
    usual: dict[str, Any] = {"load": "heat", "issued": 0.0, "expires": 1e9, "max_off_s": 900.0}
    return Switch(id=id_, on=on, author="dlm", reason="over_limit", **(usual | fields))


def off(id_: str, **fields: Any) -> Switch:
    return order(id_, on=False, **fields)


def on(id_: str, **fields: Any) -> Switch:
    return order(id_, on=True, **fields)


def actuator(max_off_s: float = 900.0, *, stuck: bool = False) -> Actuator:
    return Actuator("heat", max_off_s, STEP_S, 0.0, stuck)


def test_off_and_on_again() -> None:
    contact = actuator()
    assert not contact.obey(off("1"), 60.0, 60.0).on
    state = contact.obey(on("2"), 180.0, 180.0)
    assert (state.on, state.since, state.command, state.refused) == (True, 180.0, "2", "")


def test_a_repeated_command_changes_nothing_but_is_answered() -> None:
    contact = actuator()
    contact.obey(off("1"), 0.0, 0.0)
    contact.obey(on("2"), 60.0, 60.0)
    state = contact.obey(off("1"), 120.0, 120.0)
    assert (state.on, state.command, state.refused) == (True, "2", "")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (off("1", expires=599.0), "expired"),
        (off("1", load="wash"), "meant for another load"),
        (off("1", setpoint_w=500.0), "a contact has no set-point"),
        (off("1", max_off_s=59.0), "timer shorter than a step"),
    ],
)
def test_what_is_refused_changes_nothing_and_says_why(command: Switch, reason: str) -> None:
    contact = actuator()
    state = contact.obey(command, 600.0, 600.0)
    assert (state.on, state.since, state.command, state.refused) == (True, 0.0, "", reason)


def test_an_expired_command_stays_refused_when_it_comes_again() -> None:
    contact = actuator()
    contact.obey(off("1", expires=10.0), 60.0, 60.0)
    assert contact.obey(off("1"), 120.0, 120.0).on


def test_a_command_is_good_at_the_very_moment_it_expires() -> None:
    assert not actuator().obey(off("1", expires=60.0), 60.0, 60.0).on


def test_a_welded_contact_tells_that_it_did_not_move() -> None:
    contact = actuator(stuck=True)
    state = contact.obey(off("1"), 0.0, 0.0)
    assert (state.on, state.refused) == (True, "the contact does not move")
    assert contact.obey(on("2"), 60.0, 60.0).refused == ""


def test_repeated_off_does_not_prolong_the_timer() -> None:
    contact = actuator()
    contact.obey(off("1"), 0.0, 0.0)
    contact.obey(off("2"), 840.0, 840.0)
    assert not contact.tick(840.0)
    assert contact.tick(900.0)
    assert contact.state(900.0).command == ""


def test_a_later_command_can_shorten_the_timer() -> None:
    contact = actuator()
    contact.obey(off("1"), 0.0, 0.0)
    contact.obey(off("2", max_off_s=120.0), 60.0, 60.0)
    assert not contact.tick(120.0)
    assert contact.tick(180.0)


def test_within_a_step_the_timer_counts_from_its_beginning() -> None:
    contact = actuator(max_off_s=120.0)
    state = contact.obey(off("1"), 95.0, 60.0)
    assert state.since == 95.0
    assert not contact.tick(120.0)
    assert contact.tick(180.0)


def test_without_any_timer_it_stays_off() -> None:
    contact = actuator(max_off_s=0.0)
    contact.obey(off("1", max_off_s=0.0), 0.0, 0.0)
    assert not contact.tick(1e9)
    assert contact.limit_s == math.inf


@given(
    own=st.integers(60, 1_000),
    asked=st.integers(0, 1_000),
    step=st.sampled_from([1, 7, 60, 300]),
    within=st.floats(0, 0.99),
)
def test_a_contact_closes_at_the_last_boundary_within_its_limit(
    own: int, asked: int, step: int, within: float
) -> None:
    contact = Actuator("heat", own, step, 0.0)
    limit = min(own, asked or own)
    contact.obey(off("1", max_off_s=asked), within * step, 0.0)
    if limit < step:
        assert contact.on
        return
    boundary = step
    while not contact.tick(boundary):
        boundary += step
    assert boundary <= limit < boundary + step


class AnyTraffic(RuleBasedStateMachine):
    """Commands in any order, repeated, late and misaddressed, with time going on between."""

    @initialize(stuck=st.booleans())
    def begin(self, *, stuck: bool) -> None:
        self.bank = ActuatorBank(LOADS, 0.0, STEP_S, ["heat"] if stuck else [])
        self.stuck = stuck
        self.now_s = 0.0
        self.executed: dict[str, int] = {}
        self.sent: list[Switch] = []

    @rule(
        number=st.integers(0, 30),
        on=st.booleans(),
        name=st.sampled_from(["heat", "kitchen", "wash", "lamp"]),
        life_s=st.integers(-120, 300),
        max_off_s=st.sampled_from([0.0, 30.0, 420.0, 900.0, 5_000.0]),
    )
    def command(self, number: int, name: str, life_s: int, max_off_s: float, *, on: bool) -> None:
        expires = max(self.now_s + life_s, 0.0)
        command = order(str(number), on=on, load=name, expires=expires, max_off_s=max_off_s)
        self.sent.append(command)
        self.deliver(command, name)

    @rule(data=st.data(), address=st.sampled_from(["heat", "wash"]))
    def repeat(self, data: st.DataObject, address: str) -> None:
        if self.sent:
            self.deliver(data.draw(st.sampled_from(self.sent[-10:])), address)

    @rule(steps=st.integers(1, 5))
    def pass_time(self, steps: int) -> None:
        for _ in range(steps):
            self.now_s += STEP_S
            self.bank.tick(self.now_s)

    def deliver(self, command: Switch, address: str) -> None:
        moves = len(self.bank.moves)
        state = self.bank.obey(address, command, self.now_s, self.now_s)
        moved = self.bank.moves[moves:]
        assert (state is None) == (address not in {"heat", "wash"})
        if moved:
            assert [move.command for move in moved] == [command.id]
            assert command.load == address
            assert command.expires >= self.now_s
            assert moved[0].on is command.on

    @invariant()
    def nothing_red_moves(self) -> None:
        assert self.bank.on[1]

    @invariant()
    def a_welded_contact_is_closed(self) -> None:
        assert self.bank.on[0] or not self.stuck

    @invariant()
    def yellow_is_never_off_beyond_its_limit(self) -> None:
        assert longest_off_s(self.bank.moves, 0, self.now_s) <= 900

    @invariant()
    def contacts_follow_their_moves(self) -> None:
        for load in range(len(LOADS)):
            moves = [move.on for move in self.bank.moves if move.load == load]
            assert all(one is not other for one, other in pairwise(moves))
            assert bool(self.bank.on[load]) is (moves[-1] if moves else True)


def longest_off_s(moves: list[ContactMove], load: int, now_s: float) -> float:
    longest, since = 0.0, None
    for move in [*moves, ContactMove(load, on=True, time_s=now_s, command="")]:
        if move.load == load and move.on and since is not None:
            longest, since = max(longest, move.time_s - since), None
        elif move.load == load and not move.on:
            since = move.time_s
    return longest


TestAnyTraffic = AnyTraffic.TestCase
TestAnyTraffic.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_at_most_once_within_the_last_16_ids() -> None:
    contact = actuator()
    contact.obey(off("first"), 0.0, 0.0)
    for number in range(15):
        contact.obey(on(str(number)), 60.0, 60.0)
    assert contact.obey(off("first"), 120.0, 120.0).on


def test_refusals_are_counted_by_reason() -> None:
    bank = ActuatorBank(LOADS, 0.0, STEP_S)
    bank.obey("kitchen", off("1", load="kitchen"), 0.0, 0.0)
    bank.obey("lamp", off("2", load="lamp"), 0.0, 0.0)
    bank.obey("heat", off("3", expires=0.0), 60.0, 60.0)
    assert bank.refused == {"no actuator": 1, "unknown load": 1, "expired": 1}


def test_a_stopped_bank_goes_on_as_if_it_had_not() -> None:
    bank, again = (ActuatorBank(LOADS, 0.0, STEP_S) for _ in range(2))
    bank.obey("heat", off("1"), 60.0, 60.0)
    again.restore(bank.snapshot())
    assert again.states(120.0) == bank.states(120.0)
    assert again.on.tolist() == [False, True, True]
    assert again.obey("heat", off("1"), 120.0, 120.0) == bank.states(120.0)[0]
    assert [state.load for state in again.tick(960.0)] == ["heat"]
    assert [(move.on, move.time_s) for move in again.moves] == [(False, 60.0), (True, 960.0)]
