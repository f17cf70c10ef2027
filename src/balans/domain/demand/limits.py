"""The limits of a whole tree: what is allowed at every node at a time, and what was drawn so far.

Limits that hold without a memory are laid out once for every segment of the day; only those on
the mean of an interval or the energy of a period are asked at every step. Between two schedules
there is no gap: the day is cut into segments that follow each other without a break.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from balans.domain.demand.model import Allowed, Limit, Zone
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.timetable import (
    Meters,
    Timetable,
    allowed_power,
    count_step,
    make_timetable,
)
from balans.domain.demand.tree import SITE, Tree, check_places

INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class _Part:
    """What holds between two edges of the day, without the limits that have a memory."""

    allowed: tuple[Allowed, ...]
    phase_a: tuple[float, ...]
    phase_limit: tuple[str, ...]


class LimitTable:
    """All limits of a site with their tree.

    Raises
    ------
    TreeError
        If a limit is laid on a node that is not in the tree.
    """

    def __init__(self, tree: Tree, limits: Sequence[Limit], zones: Sequence[Zone]) -> None:
        check_places(tree, [limit.node for limit in limits], "limit")
        self.tree = tree
        self.tables = {
            node: make_timetable(limits, zones, node)
            for node in {SITE, *(limit.node for limit in limits)}
        }
        self._numbers = tree.numbers
        self._remembering = [node for node, table in self.tables.items() if table.has_memory]
        self._currents = _current_tables(limits, zones)
        tables = [*self.tables.values(), *self._currents.values()]
        self._edges = sorted({edge for table in tables for edge in table.edges_s})
        self._parts = [self._part(edge) for edge in self._edges]

    def _part(self, local_s: int) -> _Part:
        cheapest = self.tables[SITE].at(local_s).instant.cheapest
        allowed = [Allowed(INFINITE, "", cheapest)] * len(self.tree)
        for node, table in self.tables.items():
            allowed[self._numbers[node]] = table.at(local_s).instant
        if not self._currents:
            return _Part(tuple(allowed), (), ())
        currents = [Allowed(INFINITE)] * len(self.tree)
        for node, table in self._currents.items():
            currents[self._numbers[node]] = table.at(local_s).instant
        return _Part(
            tuple(allowed),
            tuple(item.power_w for item in currents),
            tuple(item.limit for item in currents),
        )

    def allowed(
        self, meters: Meters, time_s: float, local_s: float, step_s: float = 60.0
    ) -> NodeLimits:
        """Return what is allowed at each node in the step of `step_s` that begins at `time_s`."""
        part = self._parts[bisect_right(self._edges, local_s) - 1]
        allowed = part.allowed
        if self._remembering:
            found = list(allowed)
            for node in self._remembering:
                found[self._numbers[node]] = allowed_power(
                    self.tables[node], meters, time_s, local_s, step_s
                )
            allowed = tuple(found)
        return NodeLimits(self.tree, allowed, part.phase_a, part.phase_limit)

    def count(
        self,
        meters: Meters,
        start_s: float,
        local_s: float,
        step_s: float,
        power_w: Mapping[str, float | None],
    ) -> Meters:
        """Return `meters` after a step; `power_w` holds the power by node, "" the site [W]."""
        for node in self._remembering:
            meters = count_step(
                self.tables[node], meters, start_s, local_s, step_s, power_w.get(node)
            )
        return meters


def _current_tables(limits: Sequence[Limit], zones: Sequence[Zone]) -> dict[str, Timetable]:
    """Return timetables of the currents allowed on each phase, by node [A]."""
    currents = [
        replace(limit, limit_w=limit.phase_a, interval_s=0, energy_wh=None)
        for limit in limits
        if limit.phase_a is not None
    ]
    return {
        node: make_timetable(currents, zones, node) for node in {limit.node for limit in currents}
    }
