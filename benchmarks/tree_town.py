"""A town under one transformer for benchmarks: 5 buildings, 20 risers, 1,000 flats, 10,000 loads.

Half a dozen kinds of load hang in each flat; limits hold at every level, and at flats and risers on
each phase too. Everything is drawn from a seeded generator.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from balans.core.words import LoadClass
from balans.domain.demand.model import Allowed, Load, LoadKind, Node, Observation
from balans.domain.demand.reflex import decide_table
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet, StateTable
from balans.domain.demand.tree import make_tree

BUILDINGS, RISERS, FLATS, LOADS = 5, 4, 50, 10
STEP_S = 60.0
Floats = NDArray[np.float64]


class Town(NamedTuple):
    """The fleet, what is allowed, and what each load wants and each flat draws besides."""

    fleet: Fleet
    limits: NodeLimits
    rated_w: Floats
    rng: np.random.Generator


def make_town(seed: int = 1, *, with_phases: bool = False, flats: int = FLATS) -> Town:
    """Return the town; `flats` is the number of flats of each riser."""
    rng = np.random.default_rng(seed)
    nodes, loads = [], []
    for building in range(BUILDINGS):
        nodes.append(Node(f"b{building}"))
        for riser in range(RISERS):
            nodes.append(Node(f"b{building}r{riser}", f"b{building}"))
            for flat in range(flats):
                name = f"b{building}r{riser}f{flat}"
                nodes.append(Node(name, f"b{building}r{riser}"))
                loads += [_load(f"{name}.{i}", name, i, flat % 3 + 1, rng) for i in range(LOADS)]
    tree = make_tree(nodes)
    fleet = Fleet(loads, tree)
    allowed_w = {0: 1.15e3 * flats * 20, 1: 1.3e3 * flats * 4, 2: 1.5e3 * flats, 3: 4.5e3}
    depth = {node: level for level, found in enumerate(tree.levels) for node in found}
    allowed = tuple(Allowed(allowed_w[depth[k]], f"limit{depth[k]}") for k in range(len(tree)))
    phase_a: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    if with_phases:
        # A flat has one phase, a riser three: what a phase may carry is a third, and a tenth more.
        share = {0: 1.1 / 3, 1: 1.1 / 3, 2: 1.1 / 3, 3: 1.0}
        phase_a = tuple(allowed_w[depth[k]] * share[depth[k]] / 230.0 for k in range(len(tree)))
        names = tuple(f"phase{depth[k]}" for k in range(len(tree)))
    rated_w = np.array([load.rated_w for load in loads])
    return Town(fleet, NodeLimits(tree, allowed, phase_a, names), rated_w, rng)


def _load(name: str, node: str, number: int, phase: int, rng: np.random.Generator) -> Load:
    rated_w = float(rng.uniform(100, 2500))
    if number == 0:
        return Load(name, LoadClass.RED, rated_w, node=node, phases=(phase,))
    if number == 1:
        return Load(
            name, LoadClass.GREEN, 3700.0, kind=LoadKind.MODULATING, min_w=1380.0, max_w=3700.0,
            node=node, phases=(phase,),
        )  # fmt: skip
    if number == 2:
        return Load(
            name, LoadClass.GREEN, rated_w, kind=LoadKind.CYCLE, node=node, phases=(phase,),
            deadline_s=7 * 3600,
        )  # fmt: skip
    load_class = LoadClass.YELLOW if number < 8 else LoadClass.GREEN
    return Load(name, load_class, rated_w, node=node, phases=(phase,))


def observe(town: Town, states: StateTable, number: int, share: float) -> Observation:
    """Return what is seen after step `number` in which a load wants to draw with odds `share`."""
    kept = states.columns
    wants = town.rng.random(len(town.fleet)) < share
    power_w = np.where(wants | (kept["owed_wh"] > 0), town.rated_w, 0.0)
    ceiling_w = np.where(np.isnan(kept["setpoint_w"]), np.inf, kept["setpoint_w"])
    power_w = np.where(kept["on"], np.minimum(power_w, ceiling_w), 0.0)
    tree = town.fleet.tree
    node_w: Floats = np.bincount(town.fleet.node_of, power_w, len(tree)).astype(np.float64)
    node_w[list(tree.levels[-1])] += town.rng.uniform(50, 400, len(tree.levels[-1]))
    for node in range(len(tree) - 1, 0, -1):
        node_w[tree.parents[node]] += node_w[node]
    told = dict(zip(tree.names[1:], node_w[1:].tolist(), strict=True))
    time_s = number * STEP_S
    return Observation(
        time_s, STEP_S, time_s, float(node_w[0]), tuple(power_w.tolist()), node_w=told
    )


def run_up(town: Town, steps: int, share: float = 0.12) -> tuple[StateTable, Observation]:
    """Run the town into the middle of an overload; return its states and what is seen then."""
    states = StateTable.fresh(len(town.fleet))
    for number in range(1, steps):
        seen = observe(town, states, number, share)
        states, _ = decide_table(town.fleet, states, seen, town.limits)
    return states, observe(town, states, steps, share)
