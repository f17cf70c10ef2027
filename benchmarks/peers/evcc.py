"""The rule of evcc's circuits, written anew from its published description.

Source: evcc at b29b49e, ``core/circuit``, ``core/site_circuits``, as described in its manual under
"Load management". What it says:

* A circuit has a largest power and perhaps a parent. A load point that wants to go from `old` to
  `new` watts asks its circuit; the circuit allows at most ``max(0, old + (largest - power))`` where
  the rise is more than what is left, and passes the result on to its parent. A largest power of 0
  means no limit at all.
* A circuit's power is that of its meter, or the sum of its load points and children.
* Load points are asked one after the other: who asks first is served first, and there is no memory
  of who was cut last.
* Other consumers are dimmed all together by one flag.

What we had to decide: a switched load is a load point that can only have all or nothing, and which
always asks for its rated power when off. After each load point the meter is read again, which is
kinder than reality, where one load point is served per interval of 10 to 40 s. Green loads are load
points like the others, or, with `dims_green`, the consumers that are dimmed together while the root
is over its limit. There is no hold time of its own in the rule.
"""

from collections.abc import Sequence

from benchmarks.peers.switching import Board

from balans.core.words import LoadClass
from balans.domain.demand import (
    Allowed,
    Decision,
    Load,
    LoadKind,
    LoadState,
    Observation,
)


class Circuit:
    """A circuit: the power it carries now [W] and the most it may; 0 is no limit."""

    def __init__(self, most_w: float = 0.0, parent: "Circuit | None" = None) -> None:
        self.most_w, self.parent, self.power_w = most_w, parent, 0.0

    def validate(self, old_w: float, new_w: float) -> float:
        """Return how much of `new_w` a load point that draws `old_w` may have."""
        left_w = self.most_w - self.power_w
        if self.most_w and max(0.0, new_w - old_w) > left_w:
            new_w = max(0.0, old_w + left_w)
        return new_w if self.parent is None else self.parent.validate(old_w, new_w)

    def add(self, change_w: float) -> None:
        """Carry `change_w` more, here and in all circuits above."""
        self.power_w += change_w
        if self.parent is not None:
            self.parent.add(change_w)


class EvccCircuits:
    """A `Rule`: one circuit for the site, one below it for each node in `most_w`."""

    def __init__(self, most_w: dict[str, float] | None = None, *, dims_green: bool = False) -> None:
        self.most_w, self.dims_green = most_w or {}, dims_green

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        """Return the states for the coming step and what is switched."""
        board = Board(loads, states, observation, allowed)
        root = Circuit(0.0 if allowed.power_w == float("inf") else allowed.power_w)
        root.power_w = board.power_w
        nodes = {name: Circuit(most_w, root) for name, most_w in self.most_w.items()}
        for index in board.switchable:
            circuit = nodes.get(loads[index].node, root)
            if circuit is not root:
                circuit.power_w += board.drawn_w[index]
        dimmed = [i for i in board.switchable if self.dims_green and _is_green(loads[i])]
        self._dim(board, root, dimmed)
        for index in board.switchable:
            if index not in dimmed:
                self._ask(board, index, nodes.get(loads[index].node, root))
        return board.decision()

    def _dim(self, board: Board, root: Circuit, dimmed: Sequence[int]) -> None:
        """Switch all of `dimmed` off, or on again, by one flag."""
        is_over = bool(root.most_w) and root.power_w > root.most_w
        for index in dimmed:
            if is_over and board.is_on(index):
                board.off(index)
            elif not is_over and not board.is_on(index):
                board.on(index, 0.0)
        root.power_w = board.power_w

    def _ask(self, board: Board, index: int, circuit: Circuit) -> None:
        load, state = board.loads[index], board.states[index]
        old_w = board.drawn_w[index] if state.on else 0.0
        is_free = state.on and state.setpoint_w is None
        wanted_w = old_w if is_free else load.rated_w
        given_w = circuit.validate(old_w, wanted_w)
        before_w = board.power_w
        if load.kind is LoadKind.MODULATING and given_w >= load.min_w:
            if not state.on:
                board.on(index, given_w)
            board.hold_to(index, float("inf") if given_w >= wanted_w else given_w)
        elif given_w < wanted_w and state.on:
            board.off(index)
        elif given_w >= wanted_w and not state.on:
            board.on(index, load.rated_w)
        if board.power_w < float("inf"):
            circuit.add(board.power_w - before_w)


def _is_green(load: Load) -> bool:
    return load.load_class is LoadClass.GREEN
