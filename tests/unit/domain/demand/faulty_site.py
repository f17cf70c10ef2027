"""A house whose equipment fails at random, under control, watched from outside.

The controller knows of the contacts only what it is told. Faults: commands are lost, relays weld,
readings come late or not at all, real powers are half or twice the rating, the controller starts
anew and remembers nothing but what the actuators say. Counted is what may never happen.
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from balans.core.words import LoadClass
from balans.domain.demand.guards import Guard, caps_for, decide_guarded
from balans.domain.demand.laws import CYCLE_RUNS_W
from balans.domain.demand.model import (
    Allowed,
    Decision,
    Hold,
    Load,
    LoadKind,
    LoadState,
    Node,
    Observation,
)
from balans.domain.demand.reflex import decide_tree
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import make_tree

STEP_S = 60.0
LOADS = (
    Load("oven", LoadClass.RED, 3000.0, node="kitchen"),
    Load("heater", LoadClass.YELLOW, 2000.0, max_off_s=900.0, min_on_s=300.0),
    Load("fridge", LoadClass.YELLOW, 300.0, max_off_s=420.0, min_on_s=120.0, node="kitchen"),
    Load("washer", LoadClass.GREEN, 2000.0, kind=LoadKind.CYCLE, deadline_s=7 * 3600),
    Load("car", LoadClass.GREEN, 3700.0, kind=LoadKind.MODULATING, min_w=1380.0, max_w=3700.0),
    Load("freezer", LoadClass.YELLOW, 200.0, released=False),
)
HARD = ("yellow off too long", "red switched", "not released switched", "off before its time",
        "cycle cut")  # fmt: skip


@dataclass(slots=True)
class Contact:
    """What an actuator does: its contact, since when, and for how long it is welded."""

    on: bool = True
    since_s: float = float("-inf")
    welded_until_s: float = 0.0


@dataclass(slots=True)
class FaultySite:
    """The house; `step` runs one step and counts in `found`."""

    seed: int
    guarded: bool = True
    rng: random.Random = field(init=False)
    fleet: Fleet = field(init=False)
    contacts: list[Contact] = field(init=False)
    states: tuple[LoadState, ...] = ()
    guard: Guard = field(default_factory=lambda: Guard(caps_for(len(LOADS))))
    scale: list[float] = field(init=False)
    site_w: float | None = 0.0
    told: tuple[float | None, ...] = ()
    number: int = 0
    found: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.fleet = Fleet(LOADS, make_tree([Node("kitchen")]))
        self.contacts = [Contact() for _ in LOADS]
        self.states = tuple(LoadState() for _ in LOADS)
        self.scale = [self.rng.choice([0.5, 1.0, 1.0, 2.0]) for _ in LOADS]

    def run(self, steps: int) -> Counter[str]:
        """Run some steps; return what was found."""
        for _ in range(steps):
            self.step()
        return self.found

    def step(self) -> None:
        """Draw, measure, decide, and switch what is not stuck or lost."""
        self.number += 1
        time_s = self.number * STEP_S
        drawn = self._draw()
        self._adopt(time_s)
        seen = self._observe(time_s, drawn)
        limits = self._limits()
        if self.guarded:
            after, decision, self.guard = decide_guarded(
                self.fleet, self.states, seen, limits, self.guard
            )
        else:
            after, decision = decide_tree(self.fleet, self.states, seen, limits)
        self._check(decision, time_s)
        self.states = after
        lost = self._carry_out(decision, time_s)
        self._device_timers(time_s, lost)

    def _draw(self) -> list[float]:
        rng, drawn = self.rng, []
        for load, contact, scale in zip(LOADS, self.contacts, self.scale, strict=True):
            wants = rng.random() < 0.6
            drawn.append(load.rated_w * scale * wants if contact.on else 0.0)
        return drawn

    def _observe(self, time_s: float, drawn: list[float]) -> Observation:
        rng = self.rng
        rest_w = rng.choice([100.0, 500.0, 2500.0, 6000.0])
        if rng.random() >= 0.05:  # else the reading comes late: the old one stands
            self.site_w = None if rng.random() < 0.03 else rest_w + sum(drawn)
        self.told = tuple(None if rng.random() < 0.05 else power for power in drawn)
        kitchen = None if rng.random() < 0.02 else drawn[0] + drawn[2]
        local_s = time_s % 86_400
        return Observation(
            time_s, STEP_S, local_s, self.site_w, self.told, node_w={"kitchen": kitchen}
        )

    def _limits(self) -> NodeLimits:
        site_w = self.rng.choice([0.0, 3000.0, 5000.0, 9000.0])
        return NodeLimits(
            self.fleet.tree, (Allowed(site_w, "contract"), Allowed(3200.0, "circuit"))
        )

    def _adopt(self, time_s: float) -> None:
        """Take over what the actuators tell; after a start nothing else is known."""
        rng = self.rng
        if rng.random() < 0.002:
            self.found["restart"] += 1
            self.states = tuple(LoadState() for _ in LOADS)
        kept = []
        for state, contact in zip(self.states, self.contacts, strict=True):
            if state.on != contact.on:
                state = replace(state, on=contact.on, setpoint_w=None)  # noqa: PLW2901
            if state.since_s != contact.since_s:
                state = replace(state, since_s=contact.since_s)  # noqa: PLW2901
            if rng.random() < 0.003:
                state = replace(state, hold=Hold(rng.random() < 0.5, time_s + 1800))  # noqa: PLW2901
            kept.append(state)
        self.states = tuple(kept)

    def _check(self, decision: Decision, time_s: float) -> None:
        names = [load.name for load in LOADS]
        for action in decision.actions:
            place = names.index(action.load)
            load, contact = LOADS[place], self.contacts[place]
            self.found["switched"] += 1
            if load.load_class is LoadClass.RED:
                self.found["red switched"] += 1
            if not load.released:
                self.found["not released switched"] += 1
            if action.on or not contact.on:
                continue
            if time_s - contact.since_s < load.min_on_s:
                self.found["off before its time"] += 1
            if load.kind is LoadKind.CYCLE and (self.told[place] or 0.0) > CYCLE_RUNS_W:
                self.found["cycle cut"] += 1

    def _carry_out(self, decision: Decision, time_s: float) -> set[str]:
        """Switch; return the loads whose command was lost."""
        rng = self.rng
        lost = set()
        names = [load.name for load in LOADS]
        for action in decision.actions:
            contact = self.contacts[names.index(action.load)]
            if rng.random() < 0.05:
                self.found["command lost"] += 1
                lost.add(action.load)
                continue
            if not action.on and contact.on:
                if rng.random() < 0.01:
                    contact.welded_until_s = time_s + 7200
                if contact.welded_until_s > time_s:
                    self.found["welded"] += 1
                    continue
            if action.on != contact.on:
                contact.on, contact.since_s = action.on, time_s
        return lost

    def _device_timers(self, time_s: float, lost: set[str]) -> None:
        """Let actuators end what has lasted long enough, as real ones do.

        Where no command was lost the controller should have ended it.
        """
        for load, contact in zip(LOADS, self.contacts, strict=True):
            if load.load_class is not LoadClass.YELLOW or contact.on:
                continue
            if time_s - contact.since_s >= load.max_off_s:
                kind = "ended by its own timer" if load.name in lost else "yellow off too long"
                self.found[kind] += 1
                contact.on, contact.since_s = True, time_s
