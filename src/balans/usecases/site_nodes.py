"""The tree of a site in a replay: its nodes and phases are limited, but only the loads are known.

In a profile what is not listed belongs to the site itself, so a node draws what the loads below it
draw; current on a phase is estimated from the loads whose phases are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from balans.domain.demand.limits import LimitTable
from balans.domain.demand.model import (
    Allowed,
    Decision,
    Load,
    LoadState,
    Observation,
)
from balans.domain.demand.overload import Axis, Floats, Overload, limits_by_step, measure
from balans.domain.demand.reflex import NO_GUIDANCE, Guidance, decide_tree
from balans.domain.demand.table import Fleet
from balans.domain.demand.timetable import Meters
from balans.domain.demand.tree import SITE, Tree, make_tree
from balans.usecases.site_file import Site


def has_tree(site: Site) -> bool:
    """Tell whether limits hold at nodes or on phases of `site`."""
    return any(limit.node != SITE or limit.phase_a is not None for limit in site.limits)


@dataclass(slots=True)
class NodeRule:
    """The reflex of a site with a tree, to be called at every step like `reflex.decide`."""

    site: Site
    tree: Tree = field(init=False)
    table: LimitTable = field(init=False)
    meters: Meters = field(default_factory=dict)
    fleet: Fleet | None = None

    def __post_init__(self) -> None:
        """Lay out tree and limits."""
        self.tree = make_tree(self.site.nodes)
        self.table = LimitTable(self.tree, self.site.limits, self.site.zones)

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
        guidance: Guidance = NO_GUIDANCE,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        """Return the states for the coming step and what to switch; `allowed` is the site's."""
        if self.fleet is None or self.fleet.loads != tuple(loads):
            self.fleet = Fleet(loads, self.tree)
        seen = observation
        start_s, local_s = seen.time_s - seen.step_s, (seen.local_s - seen.step_s) % 86_400
        powers = self._powers(self.fleet, seen)
        self.meters = self.table.count(self.meters, start_s, local_s, seen.step_s, powers)
        limits = self.table.allowed(self.meters, seen.time_s, seen.local_s, seen.step_s)
        limits = replace(limits, allowed=(allowed, *limits.allowed[1:]))
        return decide_tree(self.fleet, states, seen, limits, guidance)

    def _powers(self, fleet: Fleet, seen: Observation) -> dict[str, float | None]:
        power = [0.0] * len(self.tree)
        for node, drawn_w in zip(fleet.nodes, seen.load_w, strict=True):
            for place in self.tree.paths[node]:
                power[place] += drawn_w or 0.0
        found: dict[str, float | None] = dict(zip(self.tree.names, power, strict=True))
        return found | {SITE: seen.site_w}


def node_overloads(
    site: Site, axis: Axis, nodes: Sequence[str], drawn_w: Floats
) -> dict[str, Overload]:
    """Return the overload of each node but the site that has a limit of power.

    Parameters
    ----------
    nodes, drawn_w
        The node of each load, and what it draws, shape (loads, n) [W].
    """
    tree = make_tree(site.nodes)
    table = LimitTable(tree, site.limits, site.zones)
    found = {}
    for name, timetable in table.tables.items():
        if name == SITE:
            continue
        number = tree.numbers[name]
        rows = [number in tree.paths[tree.numbers[node]] for node in nodes]
        found[name] = measure(drawn_w[rows].sum(axis=0), limits_by_step(timetable, axis))
    return found
