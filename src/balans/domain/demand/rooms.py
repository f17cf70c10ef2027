"""Room left at every node of the tree, in power and on each phase, while a pass goes on.

Everything is reckoned in W: a phase that may carry `a` ampere may carry ``230 a`` W. Without limits
on phases there is one channel, power; with them there are four: power, L1, L2, L3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from balans.domain.demand.model import Allowed, Load, NodeView, Observation
from balans.domain.demand.tree import ONLY_SITE, SITE, Tree

VOLT = 230.0
"""Nominal voltage between phase and neutral (EN 50160) [V]."""
PHASES = 3
INFINITE = float("inf")
NAN = float("nan")
SUM_ONLY = (1.0,)
Channels = Sequence[float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What is allowed now at each node of a tree, in the order of its nodes.

    `allowed[k]` is the power at node k; `phase_a[k]` the current of each of its phases [A],
    infinite where none is limited, and `phase_limit[k]` the name of the limit that says so.
    """

    tree: Tree
    allowed: tuple[Allowed, ...]
    phase_a: tuple[float, ...] = ()
    phase_limit: tuple[str, ...] = ()

    @property
    def site(self) -> Allowed:
        """What the site itself is allowed."""
        return self.allowed[0]


def site_only(allowed: Allowed) -> NodeLimits:
    """Return the limits of a site without nodes."""
    return NodeLimits(ONLY_SITE, (allowed,))


def shares_of(load: Load, *, with_phases: bool) -> tuple[Channels, Channels]:
    """Return what a watt of `load` weighs in each channel: drawn, and at worst when it comes back.

    A load whose phases are not known draws from all in equal parts, and might come back on any.
    """
    if not with_phases:
        return SUM_ONLY, SUM_ONLY
    if not load.phases:
        third = 1.0 / PHASES
        return (1.0, third, third, third), (1.0, 1.0, 1.0, 1.0)
    part = 1.0 / len(load.phases)
    share = (1.0, *(part if phase in load.phases else 0.0 for phase in (1, 2, 3)))
    return share, share


class Rooms:
    """The room at each node and channel: ``allowed - power expected`` [W].

    It is minus infinity where a limit holds and its meter is silent, infinite without a limit.
    """

    def __init__(
        self,
        limits: NodeLimits,
        seen: Observation,
        own_w: Sequence[Sequence[float]],
        moved_w: Sequence[Sequence[float]],
    ) -> None:
        """Take what was measured.

        Parameters
        ----------
        own_w, moved_w
            By node and channel: what the loads that hang from it drew, and by how much more they
            are expected to draw in the coming step.
        """
        self.limits, self.tree = limits, limits.tree
        self.channels = 1 + PHASES if limits.phase_a else 1
        if len(self.tree) == 1 and self.channels == 1:
            power_w = NAN if seen.site_w is None else seen.site_w + moved_w[0][0]
            self.power = [[power_w]]
            self.room = [
                [-INFINITE if seen.site_w is None else limits.allowed[0].power_w - power_w]
            ]
            return
        power = self._measured(seen, np.array(own_w)) + self.summed(np.array(moved_w))
        allowed = self._allowed()
        room = np.where(
            np.isnan(power), np.where(np.isinf(allowed), INFINITE, -INFINITE), allowed - power
        )
        self.power = power.tolist()
        self.room = room.tolist()

    def _allowed(self) -> Floats:
        limits = self.limits
        power = np.array([item.power_w for item in limits.allowed])[:, None]
        if self.channels == 1:
            return power
        phase = np.array(limits.phase_a)[:, None] * VOLT
        return np.hstack([power, phase, phase, phase])

    def summed(self, own_w: Floats) -> Floats:
        """Return sums over each node and all below it, from what belongs to each alone."""
        total = own_w.copy()
        for nodes in self.tree.at_depth[:0:-1]:
            np.add.at(total, self.tree.parent_of[nodes], total[nodes])
        return total

    def _measured(self, seen: Observation, own_w: Floats) -> Floats:
        """Return the power of each node; a silent meter gives NaN."""
        tree, power = self.tree, own_w.copy()
        told = np.zeros(len(tree))
        has_meter = np.zeros(len(tree), dtype=np.bool_)
        for name, value in {**seen.node_w, SITE: seen.site_w}.items():
            node = tree.numbers.get(name)
            if node is not None:
                told[node], has_meter[node] = NAN if value is None else value, True
        currents = self._currents(seen)
        for nodes in tree.at_depth[::-1]:
            rows = power[nodes]
            below_w = rows[:, 0].copy()
            rows[:, 0] = np.where(has_meter[nodes], told[nodes], below_w)
            if self.channels > 1:
                _lay_on_phases(rows, below_w)
                for place in np.flatnonzero([node in currents for node in nodes.tolist()]):
                    rows[place, 1:] = currents[int(nodes[place])]
            power[nodes] = rows
            if nodes[0]:
                np.add.at(power, tree.parent_of[nodes], rows)
        return power

    def _currents(self, seen: Observation) -> dict[int, list[float]]:
        """Return the powers of measured phases by node; NaN where one is silent [W]."""
        found = {}
        for name, told in seen.phase_a.items():
            node = self.tree.numbers.get(name)
            if node is not None:
                padded = (*told, None, None, None)[:PHASES]
                found[node] = [NAN if ampere is None else ampere * VOLT for ampere in padded]
        return found

    # --- while the pass goes on ---

    def keep_free(self, margin_w: float) -> None:
        """Let the site have `margin_w` less room, and each phase its third; less than 0: more."""
        for channel, room in enumerate(self.room[0]):
            self.room[0][channel] = room - margin_w / (PHASES if channel else 1)

    def add(self, node: int, power_w: float, share: Channels) -> None:
        """Let the node, and all above it, be expected to draw `power_w` more."""
        for place in self.tree.paths[node]:
            room, power = self.room[place], self.power[place]
            for channel, part in enumerate(share):
                room[channel] -= power_w * part
                power[channel] += power_w * part

    def over_w(self, node: int) -> list[float]:
        """Return by how much each channel of the node is above what is allowed [W]."""
        return [-room if room < 0 else 0.0 for room in self.room[node]]

    def least_over_path(self, spare: Sequence[Channels] | None = None) -> Floats:
        """Return the least room of each channel from each node up, the site itself left out.

        `spare` is what is to be kept free at each node.
        """
        room = np.array(self.room)
        if spare:
            room -= np.array(spare)
        found = np.full(room.shape, INFINITE)
        for nodes in self.tree.at_depth[1:]:
            found[nodes] = np.minimum(room[nodes], found[self.tree.parent_of[nodes]])
        return found

    def headroom_w(
        self, node: int, rise: Channels, spare: Sequence[Channels] | None = None
    ) -> tuple[float, float]:
        """Return how much more a load at `node` could draw: by the nodes below the site, by it."""
        inner_w = INFINITE
        for place in self.tree.paths[node]:
            left_w = INFINITE
            kept = spare[place] if spare else None
            for channel, part in enumerate(rise):
                if part:
                    room = self.room[place][channel] - (kept[channel] if kept else 0.0)
                    left_w = min(left_w, room / part)
            if place:
                inner_w = min(inner_w, left_w)
            else:
                return inner_w, left_w
        return inner_w, INFINITE

    def binding(self, node: int, rise: Channels) -> int:
        """Return the node from `node` up that has the least room for a load."""
        path = self.tree.paths[node]
        if len(path) == 1:
            return node
        return min(path, key=lambda k: min(self.room[k][c] for c, p in enumerate(rise) if p))

    def limit_name(self, node: int) -> str:
        """Return the name of the limit that is tightest at the node."""
        limits = self.limits
        if self.channels > 1 and min(self.room[node][1:]) < self.room[node][0]:
            return limits.phase_limit[node]
        return limits.allowed[node].limit

    def views(self) -> Sequence[NodeView]:
        """Return what is expected at each node; nothing for a site without nodes and phases."""
        if len(self.tree) == 1 and self.channels == 1:
            return ()
        return NodeViews(self)

    def view(self, node: int) -> NodeView:
        """Return what is expected at a node."""
        power, room = self.power[node], self.room[node]
        allowed_w = self.limits.allowed[node].power_w
        phase_a: tuple[float | None, ...] = ()
        phase_limit_a = None
        if self.channels > 1:
            phase_a = tuple(_known(value / VOLT) for value in power[1:])
            phase_limit_a = _known(self.limits.phase_a[node])
        tightest = _known(min(room))
        return NodeView(
            self.tree.names[node],
            _known(power[0]),
            _known(allowed_w),
            tightest,
            self.limit_name(node),
            phase_a,
            phase_limit_a,
        )


class NodeViews(Sequence[NodeView]):
    """The nodes after a pass; each is put together when it is asked for."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    @override
    def __len__(self) -> int:
        return len(self._rooms.tree)

    @overload
    def __getitem__(self, place: int) -> NodeView: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[NodeView]: ...
    @override
    def __getitem__(self, place: int | slice) -> NodeView | Sequence[NodeView]:
        numbers = range(len(self))[place]
        if isinstance(numbers, int):
            return self._rooms.view(numbers)
        return [self._rooms.view(number) for number in numbers]

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    @override
    def __hash__(self) -> int:
        return hash(tuple(self))


def _lay_on_phases(rows: Floats, below_w: Floats) -> None:
    """Put the power of each phase into `rows`, as known from below.

    What nothing below accounts for is laid on the phases in equal parts.
    """
    phases = rows[:, 1:] + ((rows[:, 0] - below_w) / PHASES)[:, None]
    rows[:, 1:] = np.where(np.isnan(phases), rows[:, :1] / PHASES, phases)


def _known(value: float) -> float | None:
    return value if -INFINITE < value < INFINITE else None
