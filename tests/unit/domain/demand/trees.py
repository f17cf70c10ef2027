"""Random trees with loads of every kind, and a plant that obeys, for tests of the reflex."""

from dataclasses import dataclass, field, replace

import numpy as np

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    Allowed,
    Load,
    LoadKind,
    LoadState,
    Node,
    Observation,
    Recover,
)
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import make_tree

STEP_S = 60.0
INFINITE = float("inf")


def random_load(name: str, node: str, rng: np.random.Generator) -> Load:
    """Return a load of any class and kind."""
    rated_w = float(rng.integers(2, 40)) * 100
    kind = rng.choice(["switch", "switch", "modulating", "battery", "cycle"])
    load_class = LoadClass(rng.choice(["red", "yellow", "yellow", "green", "green"]))
    phases = ((), (1,), (2,), (3,), (1, 2, 3))[int(rng.integers(5))]
    load = Load(
        name,
        load_class,
        rated_w,
        max_off_s=float(rng.choice([420.0, 900.0])),
        min_on_s=float(rng.choice([0.0, 60.0, 300.0])),
        recover=Recover(rng.choice(["defer", "defer", "lose"])),
        deadline_s=int(rng.integers(24)) * 3600 if rng.random() < 0.3 else None,
        node=node,
        phases=phases,
        released=bool(rng.random() < 0.9),
        protected=bool(rng.random() < 0.05),
    )
    if kind == "modulating":
        return replace(load, kind=LoadKind.MODULATING, min_w=rated_w * 0.3, max_w=rated_w)
    if kind == "battery":
        return replace(
            load, kind=LoadKind.MODULATING, min_w=-rated_w, max_w=rated_w, recover=Recover.LOSE
        )
    return replace(load, kind=LoadKind.CYCLE) if kind == "cycle" else load


def random_fleet(rng: np.random.Generator, most: int = 24) -> Fleet:
    """Return a tree of up to three levels below the site, with loads anywhere."""
    nodes = [Node("b0"), Node("b1"), Node("b0f0", "b0"), Node("b0f1", "b0"), Node("b1f0", "b1")]
    nodes = nodes[: int(rng.integers(0, len(nodes) + 1))]
    names = ["", *(node.name for node in nodes)]
    loads = [
        random_load(f"l{i}", str(rng.choice(names)), rng) for i in range(int(rng.integers(1, most)))
    ]
    return Fleet(loads, make_tree(nodes))


def random_limits(fleet: Fleet, rng: np.random.Generator, *, with_phases: bool) -> NodeLimits:
    """Return limits at some of the nodes, some of them of 0 W, some on phases."""
    total_w = sum(load.rated_w for load in fleet.loads)
    allowed = [
        Allowed(float(rng.choice([0.0, 0.3, 0.6])) * total_w, f"limit{k}")
        if rng.random() < 0.7 or k == 0
        else Allowed(INFINITE)
        for k in range(len(fleet.tree))
    ]
    if not with_phases:
        return NodeLimits(fleet.tree, tuple(allowed))
    phase_a = [
        float(rng.choice([0.1, 0.3])) * total_w / 230 if rng.random() < 0.6 else INFINITE
        for _ in range(len(fleet.tree))
    ]
    names = [f"phase{k}" for k in range(len(fleet.tree))]
    return NodeLimits(fleet.tree, tuple(allowed), tuple(phase_a), tuple(names))


@dataclass(slots=True)
class Plant:
    """Loads that draw what they want, as far as they are let; powers add up along the tree.

    `stuck` holds loads whose relay does not open, `scale` by what a load's real power differs
    from its rating, `rest_w` what each node draws besides its loads.
    """

    fleet: Fleet
    rng: np.random.Generator
    share: float = 0.6
    stuck: frozenset[int] = frozenset()
    scale: float = 1.0
    rest_w: list[float] = field(default_factory=list)
    drawn_w: list[float] = field(default_factory=list)

    def draw(self, states: tuple[LoadState, ...]) -> list[float]:
        """Let every load draw for a step; return the powers."""
        self.drawn_w = []
        for number, (load, state) in enumerate(zip(self.fleet.loads, states, strict=True)):
            top_w = load.rated_w * self.scale
            wants_w = top_w if self.rng.random() < self.share or state.owed_wh > 0 else 0.0
            if load.min_w < 0 and state.setpoint_w is not None:
                wants_w = state.setpoint_w
            elif load.min_w < 0:
                wants_w = 0.0
            elif state.setpoint_w is not None:
                wants_w = min(wants_w, state.setpoint_w)
            is_on = state.on or number in self.stuck
            self.drawn_w.append(wants_w if is_on else 0.0)
        self.rest_w = [float(self.rng.integers(0, 5)) * 100 for _ in self.fleet.tree.names]
        return self.drawn_w

    def node_w(self) -> list[float]:
        """Return the power of each node in the last step [W]."""
        power = list(self.rest_w)
        for node, drawn_w in zip(self.fleet.nodes, self.drawn_w, strict=True):
            power[node] += drawn_w
        for node in range(len(power) - 1, 0, -1):
            power[self.fleet.tree.parents[node]] += power[node]
        return power

    def observe(self, time_s: float) -> Observation:
        """Return what meters at every node and load show of the last step."""
        power = self.node_w()
        told: dict[str, float | None] = dict(zip(self.fleet.tree.names[1:], power[1:], strict=True))
        return Observation(
            time_s, STEP_S, time_s % 86_400, power[0], tuple(self.drawn_w), node_w=told
        )
