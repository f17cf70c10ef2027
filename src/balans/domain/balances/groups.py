"""Which balance groups follow from the object tree, and which points each of them sums itself.

For a resource, a node is a group where something flows in, or where anything below it is metered.
A metering point belongs to the nearest group at its node or above it, so every point is summed in
one place, and whatever is told of a street or a region is put together from groups, not readings.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.core.words import PointRole
from balans.domain.balances.words import Side

SIDES: Mapping[PointRole, Side] = {
    PointRole.INFLOW: Side.INFLOW,
    PointRole.PRODUCTION: Side.PRODUCTION,
    PointRole.CONSUMER: Side.OUTFLOW,
}
"""What a role is in a balance. A sub-meter repeats a part of another point and never counts."""

NOWHERE = -1


@dataclass(frozen=True, slots=True)
class NodeGroups:
    """The groups of one resource among n nodes, with p points.

    Parameters
    ----------
    is_group, metered
        Which nodes are groups, and which have inflow points of their own; (n,).
    above
        The nearest group above each node, by its index, `NOWHERE` for none; (n,).
    of_point
        The group that sums each point, by the index of its node, `NOWHERE` for none; (p,).
    """

    is_group: NDArray[np.bool_]
    metered: NDArray[np.bool_]
    above: NDArray[np.intp]
    of_point: NDArray[np.intp]


def node_groups(
    parent: NDArray[np.intp], node: NDArray[np.intp], side: NDArray[np.integer]
) -> NodeGroups:
    """Return the groups of a tree for the points of one resource.

    Parameters
    ----------
    parent
        Index of the parent of each node, `NOWHERE` for a root; (n,).
    node, side
        At which node each point is, and its `Side`; (p,).
    """
    count = len(parent)
    metered = np.zeros(count, np.bool_)
    metered[node[side == Side.INFLOW]] = True
    is_group = metered.copy()
    at = node
    while len(at := np.unique(parent[at][parent[at] != NOWHERE])):
        is_group[at] = True
    above = _nearest(parent, is_group)
    of_point = np.where(is_group[node], node, above[node])
    return NodeGroups(is_group, metered, above, of_point)


def _nearest(parent: NDArray[np.intp], is_group: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the nearest node above each that is a group."""
    found = parent.copy()
    while True:
        passed = (found != NOWHERE) & ~is_group[found]
        if not passed.any():
            return found
        found[passed] = parent[found[passed]]
