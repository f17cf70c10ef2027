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
    Action,
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
    Load("cooler", LoadClass.YELLOW, 1500.0, max_off_s=600.0, min_on_s=240.0,
         kind=LoadKind.MODULATING, min_w=300.0, max_w=1500.0, phases=(2,)),
)  # fmt: skip
HARD = (
    "yellow off too long", "yellow held low too long", "red switched", "not released switched",
    "off before its time", "held low before its time", "cycle cut",
)  # fmt: skip


@dataclass(slots=True)
class Contact:
    """What an actuator does: its contact, since when, and for how long it is welded.

    `held_w` is the power that it holds its load to, `held_since_s` since when it has held the load
    back without a break, low or off, and `freed_s` when it last let it go.
    """

    on: bool = True
    since_s: float = float("-inf")
    welded_until_s: float = 0.0
    held_w: float | None = None
    held_since_s: float = float("inf")
    freed_s: float = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether the load cannot draw what it wants."""
        return not self.on or self.held_w is not None

    def obey(self, *, on: bool, held_w: float | None, time_s: float) -> None:
        """Carry out a command."""
        if on != self.on:
            self.on, self.since_s = on, time_s
        self.held_w = held_w if on else None
        if not self.is_held and self.held_since_s < float("inf"):
            self.held_since_s, self.freed_s = float("inf"), time_s
        elif self.is_held:
            self.held_since_s = min(self.held_since_s, time_s)


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
            wanted_w = load.rated_w * scale * wants if contact.on else 0.0
            held_w = contact.held_w if contact.held_w is not None else wanted_w
            drawn.append(min(wanted_w, held_w))
        return drawn

    def _observe(self, time_s: float, drawn: list[float]) -> Observation:
        rng = self.rng
        rest_w = rng.choice([100.0, 500.0, 2500.0, 6000.0])
        if rng.random() >= 0.05:  # else the reading comes late: the old one stands
            self.site_w = None if rng.random() < 0.03 else rest_w + sum(drawn)
        self.told = tuple(None if rng.random() < 0.05 else power for power in drawn)
        kitchen = None if rng.random() < 0.02 else drawn[0] + drawn[2]
        local_s = time_s % 86_400
        unrest_w = rng.choice([None, 0.0, 400.0, 4000.0])
        phases = tuple(None if rng.random() < 0.05 else rng.uniform(-5.0, 40.0) for _ in range(3))
        return Observation(
            time_s, STEP_S, local_s, self.site_w, self.told, low_w=300.0, unrest_w=unrest_w,
            node_w={"kitchen": kitchen}, phase_a={"": phases},
        )  # fmt: skip

    def _limits(self) -> NodeLimits:
        site_w = self.rng.choice([0.0, 3000.0, 5000.0, 9000.0])
        allowed = (Allowed(site_w, "contract"), Allowed(3200.0, "circuit"))
        phase_a = self.rng.choice([(), (25.0, float("inf")), (16.0, 16.0)])
        return NodeLimits(self.fleet.tree, allowed, phase_a, ("fuse", "fuse") if phase_a else ())

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
            if state.setpoint_w != contact.held_w:
                state = replace(state, setpoint_w=contact.held_w)  # noqa: PLW2901
            if (state.low_since_s, state.freed_s) != (contact.held_since_s, contact.freed_s):
                state = replace(state, low_since_s=contact.held_since_s, freed_s=contact.freed_s)  # noqa: PLW2901
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
                self._check_held(load, contact, action, time_s)
                continue
            if time_s - contact.since_s < load.min_on_s:
                self.found["off before its time"] += 1
            if load.kind is LoadKind.CYCLE and (self.told[place] or 0.0) > CYCLE_RUNS_W:
                self.found["cycle cut"] += 1

    def _check_held(self, load: Load, contact: Contact, action: Action, time_s: float) -> None:
        """Count yellow that is held low before it was free for long enough."""
        free_s = time_s - max(contact.since_s, contact.freed_s)
        is_held_now = action.on and action.setpoint_w is not None and not contact.is_held
        if load.load_class is LoadClass.YELLOW and is_held_now and free_s < load.min_on_s:
            self.found["held low before its time"] += 1

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
            contact.obey(on=action.on, held_w=action.setpoint_w, time_s=time_s)
        return lost

    def _device_timers(self, time_s: float, lost: set[str]) -> None:
        """Let actuators end what has lasted long enough, as real ones do.

        Where no command was lost the controller should have ended it.
        """
        for load, contact in zip(LOADS, self.contacts, strict=True):
            if load.load_class is not LoadClass.YELLOW or not contact.is_held:
                continue
            if time_s - contact.held_since_s >= load.max_off_s:
                late = "yellow held low too long" if contact.on else "yellow off too long"
                self.found["ended by its own timer" if load.name in lost else late] += 1
                contact.obey(on=True, held_w=None, time_s=time_s)
