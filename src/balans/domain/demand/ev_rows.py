"""Limits on charging stations as rows of weights: a tree of nodes, phases, phasor sums.

A row limits a weighted sum of the currents of the stations. Its weights are 1 where a phase is
limited in amperes, and W/A where power is. A row of complex weights is a phasor sum, as where
stations hang between two phases: its magnitude is what is limited.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.model import Limit, Node

Floats = NDArray[np.float64]
Weights = NDArray[np.float64] | NDArray[np.complex128]

TOLERANCE = 1e-9
"""Relative to a limit; currents this close to it count as on it."""
PHASES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Rows:
    """Limits as rows: ``|weights @ current| <= limit``.

    Parameters
    ----------
    names
        What each row limits, such as ``fuse L2``.
    weights
        Weight of the current of each station in each row, shape (rows, stations).
    limit
        In the unit of the row: A, or W where the weights are W/A.
    """

    names: tuple[str, ...]
    weights: Weights
    limit: Floats

    def __post_init__(self) -> None:
        if self.weights.shape[0] != len(self.limit) or len(self.names) != len(self.limit):
            raise InputError("rows: names, weights and limit, expected one of each per row")
        if not np.all(self.limit >= 0):
            raise InputError(f"rows: limit {self.limit.min()}, expected 0 or more")
        if not np.iscomplexobj(self.weights) and not np.all(self.weights >= 0):
            raise InputError("rows: weights, expected 0 or more, or complex numbers")

    def load(self, current_a: Floats) -> Floats:
        """Return what each row carries, shape (rows,)."""
        return np.asarray(np.abs(self.weights @ current_a), dtype=np.float64)

    def of(self, stations: NDArray[np.bool_] | NDArray[np.intp]) -> "Rows":
        """Return the rows for some of the stations."""
        return replace(self, weights=self.weights[:, stations])

    def less(self, used: Floats) -> "Rows":
        """Return the rows with what others use taken off, down to 0; production is negative."""
        return replace(self, limit=np.maximum(self.limit - used, 0.0))


@dataclass(frozen=True, slots=True)
class Station:
    """A charging station: its node, the phases it charges from, and the phase voltage [V]."""

    name: str
    node: str = ""
    phases: tuple[int, ...] = PHASES
    volt: float = 230.0

    @property
    def watt_per_a(self) -> float:
        """Power per ampere of each of its phases [W/A]."""
        return self.volt * len(self.phases)


def tree_rows(stations: Sequence[Station], nodes: Sequence[Node], limits: Sequence[Limit]) -> Rows:
    """Return the rows of a tree of limits: one for each limit in W, three for one in A.

    Raises
    ------
    InputError
        If a station or limit names a node that is not there, a phase is none of 1 to 3, or the
        tree has a loop.
    """
    parent = {node.name: node.parent for node in nodes}
    above = [_above(station, parent) for station in stations]
    names: list[str] = []
    weights: list[list[float]] = []
    bounds: list[float] = []
    for limit in limits:
        if limit.node and limit.node not in parent:
            raise InputError(f"limit {limit.name!r}: node {limit.node!r}, expected one of the tree")
        below = [limit.node in path for path in above]
        if np.isfinite(limit.limit_w):
            names.append(limit.name)
            weights.append(
                [s.watt_per_a if is_in else 0.0 for s, is_in in zip(stations, below, strict=True)]
            )
            bounds.append(limit.limit_w)
        for phase in PHASES if limit.phase_a is not None else ():
            names.append(f"{limit.name} L{phase}")
            weights.append(
                [
                    float(is_in and phase in s.phases)
                    for s, is_in in zip(stations, below, strict=True)
                ]
            )
            bounds.append(limit.phase_a or 0.0)
    shape = (len(bounds), len(stations))
    return Rows(tuple(names), np.array(weights, dtype=np.float64).reshape(shape), np.array(bounds))


def _above(station: Station, parent: dict[str, str]) -> set[str]:
    """Return the nodes from that of `station` up to the site, "", both included."""
    if not station.phases or not set(station.phases) <= set(PHASES):
        raise InputError(f"station {station.name!r}: phases {station.phases}, expected 1 to 3")
    path, node = {""}, station.node
    while node:
        if node not in parent or node in path:
            raise InputError(f"station {station.name!r}: node {node!r}, expected one of a tree")
        path.add(node)
        node = parent[node]
    return path
