"""Room left at every node of the tree, in power and on each phase, while a pass goes on.

Everything is reckoned in W: a phase that may carry `a` ampere may carry ``230 a`` W. Without limits
on phases there is one channel, power; with them there are four: power, L1, L2, L3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from typing_extensions import override

from balans.domain.demand.model import Allowed, Load, NodeView, Observation
from balans.domain.demand.tree import ONLY_SITE, Tree

VOLT = 230.0
"""Nominal voltage between phase and neutral (EN 50160) [V]."""
PHASES = 3
INFINITE = float("inf")
NAN = float("nan")
SUM_ONLY = (1.0,)
Channels = Sequence[float]


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
        self.power = self._measured(seen, own_w)
        moved = self._summed(moved_w)
        for row, more in zip(self.power, moved, strict=True):
            for channel, value in enumerate(more):
                row[channel] += value
        if seen.rise_w:
            for channel in range(self.channels):
                self.power[0][channel] += seen.rise_w / (PHASES if channel else 1)
        self.room = [
            [_room(allowed, power) for allowed, power in zip(self._allowed(k), row, strict=True)]
            for k, row in enumerate(self.power)
        ]
        if seen.site_w is None and len(self.tree) == 1:
            self.room[0][0] = -INFINITE

    def _allowed(self, node: int) -> list[float]:
        limits = self.limits
        if self.channels == 1:
            return [limits.allowed[node].power_w]
        return [limits.allowed[node].power_w, *[limits.phase_a[node] * VOLT] * PHASES]

    def _summed(self, own_w: Sequence[Sequence[float]]) -> list[list[float]]:
        """Return sums over each node and all below it."""
        total = [list(row) for row in own_w]
        for node in range(len(total) - 1, 0, -1):
            above, row = total[self.tree.parents[node]], total[node]
            for channel, value in enumerate(row):
                above[channel] += value
        return total

    def _measured(self, seen: Observation, own_w: Sequence[Sequence[float]]) -> list[list[float]]:
        """Return the power of each node; a silent meter gives NaN."""
        if len(own_w) == 1 and self.channels == 1:
            return [[NAN if seen.site_w is None else seen.site_w]]
        power = [list(row) for row in own_w]
        for node in range(len(power) - 1, -1, -1):
            row, name = power[node], self.tree.names[node]
            told = seen.node_w.get(name, row[0]) if node else seen.site_w
            below_w, row[0] = row[0], NAN if told is None else told
            if self.channels > 1:
                _lay_on_phases(row, below_w, seen.phase_a.get(name))
            if node:
                above = power[self.tree.parents[node]]
                for channel, value in enumerate(row):
                    above[channel] += value
        return power

    # --- while the pass goes on ---

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

    def least_over_path(self, spare: Sequence[Channels] | None = None) -> list[list[float]]:
        """Return the least room of each channel from each node up, the site itself left out.

        `spare` is what is to be kept free at each node.
        """
        found = [[INFINITE] * self.channels]
        for node in range(1, len(self.room)):
            row = self.room[node]
            if spare:
                row = [room - kept for room, kept in zip(row, spare[node], strict=True)]
            found.append(list(map(min, row, found[self.tree.parents[node]])))
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


def _room(allowed_w: float, power_w: float) -> float:
    if power_w != power_w:  # noqa: PLR0124  (NaN: the meter is silent)
        return -INFINITE if allowed_w < INFINITE else INFINITE
    return allowed_w - power_w


def _lay_on_phases(
    row: list[float], below_w: float, told_a: tuple[float | None, ...] | None
) -> None:
    """Put the power of each phase into `row`: as measured, or as known from below.

    What nothing below accounts for is laid on the phases in equal parts.
    """
    if told_a is not None:
        padded = (*told_a, None, None, None)[:PHASES]
        row[1:] = [NAN if ampere is None else ampere * VOLT for ampere in padded]
        return
    rest_w = (row[0] - below_w) / PHASES
    if rest_w != rest_w:  # NaN: a meter below is silent  # noqa: PLR0124
        row[1:] = [row[0] / PHASES] * PHASES
    elif rest_w:
        row[1:] = [value + rest_w for value in row[1:]]


def _known(value: float) -> float | None:
    return value if -INFINITE < value < INFINITE else None
