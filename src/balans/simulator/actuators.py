"""Switching adapters: contacts that obey commands once and close again by their own timers.

================  =======================================  ====================================
contact           command                                  then
================  =======================================  ====================================
closed            off, in time, room for the timer         open; limit = now + shortest timer
open              off                                      open; the limit can only come nearer
open              on, or the limit would pass in this step closed
any               known id                                 nothing; the state is told again
any               expired, foreign, set-point, welded      nothing; the state says why
================  =======================================  ====================================

Time runs in steps, and a contact is open or closed for a whole step. A command that arrives
within a step counts from the step's beginning, so does its timer; the contact closes at the last
step boundary at or before its limit, never after it.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from balans.protocols.module import ActuatorState, Switch
from balans.simulator.arrays import Flags, Snapshot
from balans.simulator.spec import LoadSpec

REMEMBERED_IDS = 16


@dataclass(slots=True)
class Actuator:
    """One contact.

    Parameters
    ----------
    load
        Name of the load behind the contact.
    max_off_s
        Its own timer; the one in a command can only shorten it.
    step_s
        Length of a step of the simulation.
    stuck
        The contact is welded closed.
    """

    load: str
    max_off_s: float
    step_s: float
    since_s: float
    stuck: bool = False
    on: bool = True
    limit_s: float = math.inf
    command: str = ""
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED_IDS))

    def obey(self, switch: Switch, clock_s: float, step_start_s: float) -> ActuatorState:
        """Execute `switch` if it may be, and return the state, with the reason if it may not."""
        if switch.load == self.load and switch.id in self.recent:
            return self.state(clock_s)
        refused = self._refusal(switch, clock_s)
        if switch.load == self.load:
            self.recent.append(switch.id)
        if not refused:
            self.command = switch.id
            if switch.on:
                self._close(clock_s)
            else:
                self._open(clock_s, step_start_s + self._timer(switch))
        return self.state(clock_s, refused)

    def tick(self, now_s: float) -> bool:
        """Close the contact if its limit would pass before the next step; return whether it did."""
        if self.on or now_s + self.step_s <= self.limit_s:
            return False
        self._close(now_s)
        self.command = ""
        return True

    def state(self, now_s: float, refused: str = "") -> ActuatorState:
        """Return the feedback of the contact."""
        return ActuatorState(self.load, self.on, self.since_s, now_s, self.command, refused)

    def _timer(self, switch: Switch) -> float:
        return min(self.max_off_s or math.inf, switch.max_off_s or math.inf)

    def _refusal(self, switch: Switch, clock_s: float) -> str:
        reasons = (
            (switch.load != self.load, "meant for another load"),
            (clock_s > switch.expires, "expired"),
            (switch.setpoint_w is not None, "a contact has no set-point"),
            (not switch.on and self.stuck, "the contact does not move"),
            (not switch.on and self._timer(switch) < self.step_s, "timer shorter than a step"),
        )
        return next((reason for holds, reason in reasons if holds), "")

    def _close(self, now_s: float) -> None:
        if not self.on:
            self.on, self.since_s, self.limit_s = True, now_s, math.inf

    def _open(self, now_s: float, limit_s: float) -> None:
        if self.on:
            self.on, self.since_s = False, now_s
        self.limit_s = min(self.limit_s, limit_s)


class ContactMove(NamedTuple):
    """A contact moved: load (by index), to which side, when, by which command (empty: timer)."""

    load: int
    on: bool
    time_s: float
    command: str


class ActuatorBank:
    """All loads of a site; those without an actuator stay on whatever arrives for them.

    Attributes
    ----------
    on
        Contacts by load, bool array; a load without an actuator has a constant True.
    moves
        What moved since the start of this bank, at the beginnings of steps.
    refused
        How often each reason for refusal was given, with ``no actuator`` and ``unknown load``.
    """

    def __init__(
        self,
        loads: Sequence[LoadSpec],
        start_s: float,
        step_s: float,
        stuck: Iterable[str] = (),
    ) -> None:
        welded = frozenset(stuck)
        self.on: Flags = np.ones(len(loads), dtype=np.bool_)
        self.moves: list[ContactMove] = []
        self.refused: dict[str, int] = {}
        self._index = {load.name: index for index, load in enumerate(loads)}
        self._actuators = {
            load.name: Actuator(load.name, load.max_off_s, step_s, start_s, load.name in welded)
            for load in loads
            if load.module is not None
        }

    def obey(
        self, address: str, switch: Switch, clock_s: float, step_start_s: float
    ) -> ActuatorState | None:
        """Hand `switch` to the actuator at `address`; None when there is none."""
        actuator = self._actuators.get(address)
        if actuator is None:
            self._refuse("no actuator" if address in self._index else "unknown load")
            return None
        was_on = actuator.on
        state = actuator.obey(switch, clock_s, step_start_s)
        if state.refused:
            self._refuse(state.refused)
        if actuator.on != was_on:
            self._note(actuator, step_start_s)
        return state

    def tick(self, now_s: float) -> list[ActuatorState]:
        """Let the timers act at the beginning of a step; return the states that changed."""
        closed = [actuator for actuator in self._actuators.values() if actuator.tick(now_s)]
        for actuator in closed:
            self._note(actuator, now_s)
        return [actuator.state(now_s) for actuator in closed]

    def states(self, now_s: float) -> list[ActuatorState]:
        """Return the state of every actuator."""
        return [actuator.state(now_s) for actuator in self._actuators.values()]

    def snapshot(self) -> Snapshot:
        """Return the state as arrays."""
        actuators = self._actuators.values()
        return {
            "on": np.array([actuator.on for actuator in actuators], dtype=np.bool_),
            "since_s": np.array([actuator.since_s for actuator in actuators]),
            "limit_s": np.array([actuator.limit_s for actuator in actuators]),
            "command": np.array([actuator.command for actuator in actuators], dtype=np.str_),
            "recent": np.array(["\n".join(a.recent) for a in actuators], dtype=np.str_),
        }

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot`; what is open now counts as a move at its time."""
        for row, actuator in enumerate(self._actuators.values()):
            actuator.on = bool(state["on"][row])
            actuator.since_s = float(state["since_s"][row])
            actuator.limit_s = float(state["limit_s"][row])
            actuator.command = str(state["command"][row])
            actuator.recent.extend(filter(None, str(state["recent"][row]).split("\n")))
            if not actuator.on:
                self._note(actuator, actuator.since_s)

    def _refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _note(self, actuator: Actuator, time_s: float) -> None:
        index = self._index[actuator.load]
        self.on[index] = actuator.on
        self.moves.append(ContactMove(index, actuator.on, time_s, actuator.command))
