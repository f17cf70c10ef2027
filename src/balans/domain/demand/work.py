"""A pass in the making: the loads, the room at every node, and the actions so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from balans.domain.demand import laws, moves
from balans.domain.demand.arithmetic import ONE
from balans.domain.demand.laws import INFINITE, NAN
from balans.domain.demand.model import Action, Decision, Load, Observation, Reason
from balans.domain.demand.rooms import NodeLimits, Rooms
from balans.domain.demand.rows import Index, Rows
from balans.domain.demand.shed import TINY_W
from balans.domain.demand.tree import Tree
from balans.domain.demand.unrest import kept_w


def as_list(values: Any) -> list[Any]:
    """Return values, in a list or an array, as a list of plain ones."""
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return found


@dataclass(slots=True)
class Work:
    """What a pass works on.

    `budget` is how many loads may still be switched in this pass by choice (`guards`), and
    `futile` the nodes at which shedding has no effect.
    """

    loads: Sequence[Load]
    rows: Rows
    seen: Observation
    limits: NodeLimits
    rooms: Rooms = field(init=False)
    actions: dict[int, Action] = field(default_factory=dict)
    returned: int = 0
    budget: float = INFINITE
    futile: frozenset[int] = frozenset()
    over_w: float = 0.0
    is_clear: Sequence[bool] = ()
    margin_w: float = 0.0
    _held: Index = None

    @property
    def tree(self) -> Tree:
        """The tree of limits."""
        return self.limits.tree

    @property
    def held(self) -> Index:
        """The loads that are off or held to a power, and may be let go."""
        if self._held is None:
            self._held = self.rows.where(laws.is_held, self.rows.all)
        return self._held

    def track(self) -> None:
        """Take in what was measured, and estimate the power of the coming step."""
        rows, count = self.rows, len(self.tree)
        rows.assign(laws.TRACKED, laws.tracked, rows.all, self.seen)
        moved_w = rows.each(moves.moved_w, rows.all)
        if count == 1 and not self.limits.phase_a:
            own, moved = [[0.0]], [[float(sum(moved_w))]]
        else:
            own = rows.sums(rows.all, rows.each(laws.drawn_w, rows.all), count)
            moved = rows.sums(rows.all, moved_w, count)
        self.rooms = Rooms(self.limits, self.seen, own, moved)

    def look_for_overload(self) -> None:
        """Note by how much the site is over, and from which nodes up no limit is passed."""
        self.over_w = self.rooms.over_w(0)[0]
        clear = [min(room) >= -TINY_W for room in self.rooms.room]
        for node in range(1, len(clear)):
            clear[node] = clear[node] and clear[self.tree.parents[node]]
        self.is_clear = clear

    # --- the margin for what may change within a step ---

    def keep_margin(self) -> None:
        """Keep as much room free at the site as the unrest of the rest makes worth it."""
        unrest_w, allowed_w = self.seen.unrest_w, self.limits.site.power_w
        if unrest_w is None or allowed_w == INFINITE or self.limits.site.has_memory:
            return
        rows = self.rows
        rated_w = rows.each(laws.rated_w, rows.where(laws.is_touchable, rows.all))
        if len(rated_w):
            self.margin_w = float(kept_w(unrest_w, float(sum(rated_w)) / len(rated_w), allowed_w))
            self.rooms.keep_free(max(0.0, self.margin_w))

    def give_margin_back(self) -> None:
        """Let what is told of room be room."""
        self.rooms.keep_free(-max(0.0, self.margin_w))

    def tolerated_w(self, node: int) -> float:
        """Return what a node may be over without anything being held back [W]."""
        return TINY_W if node else max(TINY_W, -self.margin_w)

    # --- holding back ---

    def stop(self, index: Index, won: Any, reason: Reason, nodes: Sequence[int]) -> None:
        """Switch the loads `index` off; `nodes` are those whose limits are the reason."""
        powers = as_list(self.rows.each(moves.expected_w, index))
        self.rows.assign(moves.STOPPED, moves.stopped, index, self.seen, columns=[won])
        for number, power_w, node in zip(as_list(index), powers, nodes, strict=True):
            self._expect(number, -power_w)
            self._note(number, (False, None), reason, 0.0 - power_w, node)
        self.budget -= len(powers)
        self._held = None

    def lower(self, index: Index, left_w: Any, reason: Reason, nodes: Sequence[int]) -> None:
        """Hold the loads `index` to `left_w` each."""
        self._held = None
        powers = as_list(self.rows.each(moves.expected_w, index))
        self.rows.assign(moves.LOWERED, moves.lowered, index, self.seen, columns=[left_w])
        for number, power_w, left, node in zip(
            as_list(index), powers, as_list(left_w), nodes, strict=True
        ):
            self._expect(number, left - power_w)
            self._note(number, (True, left), reason, left - power_w, node)

    # --- letting back ---

    def let_back(self, number: int, reason: Reason, *, at_full: bool = False) -> None:
        """Switch a load on, or raise it, as far as it may be."""
        row, rows = self.rows.one(number), self.rows
        self._held = None
        before_w, was_on = row.expected_w, row.on
        power_w = laws.come_back_w(ONE, row)
        worst = rows.share(number)[1]
        if was_on:
            room_w = min(self.rooms.headroom_w(rows.node(number), worst))
            power_w = before_w + max(0.0, room_w)
        full_w = row.demand_w if row.is_battery else row.rated_w
        target_w = moves.target_w(ONE, row)
        is_free = at_full or not row.is_modulating or power_w >= full_w
        if row.planned_w == row.planned_w and not at_full and row.is_modulating:
            power_w, is_free = min(max(power_w, row.min_w), max(target_w, 0.0)), False
            power_w = min(power_w, target_w) if was_on else power_w
        elif is_free and row.is_modulating:
            power_w = full_w
        if row.is_modulating:
            held_s = laws.held_since_s(ONE, row)
            row.low_since_s = INFINITE if is_free else held_s
            row.freed_s = self.seen.time_s if is_free else row.freed_s
        if not was_on:
            row.given_wh = laws.remembered_wh(ONE, row, self.seen.time_s)
            row.since_s = self.seen.time_s
            self.budget -= 1
        row.on, row.setpoint_w = True, NAN if is_free else power_w
        row.fits_since_s, row.returned, row.expected_w = INFINITE, True, power_w
        self.returned += 1
        binding = self.rooms.binding(rows.node(number), worst)
        self._expect(number, power_w - before_w)
        told = (True, None if is_free else power_w)
        self._note(number, told, reason, power_w - before_w, binding)

    # --- common ---

    def _expect(self, number: int, more_w: float) -> None:
        self.rooms.add(self.rows.node(number), more_w, self.rows.share(number)[0])

    def _note(
        self,
        number: int,
        told: tuple[bool, float | None],
        reason: Reason,
        effect_w: float,
        node: int,
    ) -> None:
        """Add the action, in the place of an earlier one of this pass for the same load."""
        earlier = self.actions.pop(number, None)
        if earlier:
            effect_w += earlier.effect_w
        on, setpoint_w = told
        limit, name = self.rooms.limit_name(node), self.tree.names[node]
        self.actions[number] = Action(
            self.loads[number].name, on, setpoint_w, reason, limit, effect_w, name
        )

    def decision(self) -> Decision:
        """Return what this pass decided."""
        allowed = self.limits.site
        return Decision(
            tuple(self.actions.values()),
            allowed.power_w,
            self.rooms.room[0][0],
            allowed.limit,
            self.over_w,
            self.rooms.views(),
        )
