"""Over the limit: what is held back, from the leaves of the tree up to the site.

A node is relieved by the loads below it. The deepest come first: what is held back for a flat helps
its riser too. At each node the stages follow: batteries give, cycles that have not begun wait,
green is reduced, then stopped, then yellow.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from balans.domain.demand import laws, moves
from balans.domain.demand.arithmetic import Arithmetic, Row
from balans.domain.demand.model import Reason
from balans.domain.demand.rows import Index
from balans.domain.demand.shed import TINY_W, best_set
from balans.domain.demand.tree import NOWHERE
from balans.domain.demand.work import Work, as_list


@dataclass(slots=True)
class _Level:
    """The nodes of one depth that are over, and the loads below them that may be held back.

    `above` holds for each node the one at this depth that it belongs to, `NOWHERE` if none is.
    """

    above: list[int]
    over: dict[int, list[float]]
    green: Index
    yellow: Index
    reason: Reason
    by_stopping: bool


def relieve(work: Work, *, by_stopping: bool = True) -> None:
    """Hold back what is needed at every node that is over; or only reduce what can be reduced."""
    rows, able = work.rows, None
    for depth in range(len(work.tree.levels) - 1, -1, -1):
        over = _over(work, work.tree.levels[depth])
        if not over:
            continue
        if able is None:
            able = rows.where(laws.may_hold_back, rows.all, work.seen)
        if not len(able):
            return
        above = _above(work, depth, over)
        below = rows.below(able, above)[0] if depth else able
        lost = all(max(values) == laws.INFINITE for values in over.values())
        level = _Level(
            above,
            over,
            rows.where(moves.is_green, below),
            rows.where(moves.is_yellow, below),
            Reason.SENSOR_LOST if lost else _reason(work, depth),
            by_stopping,
        )
        _relieve_level(work, level)


def _reason(work: Work, depth: int) -> Reason:
    """Return whether a limit is passed, or its margin only."""
    is_margin = depth == 0 and work.margin_w > 0 and work.over_w <= TINY_W
    return Reason.NEAR_LIMIT if is_margin else Reason.OVER_LIMIT


def _over(work: Work, nodes: Sequence[int]) -> dict[int, list[float]]:
    rooms = work.rooms
    return {
        node: rooms.over_w(node)
        for node in nodes
        if min(rooms.room[node]) < -work.tolerated_w(node) and node not in work.futile
    }


def _above(work: Work, depth: int, over: Collection[int]) -> list[int]:
    """Return for each node the one at `depth` that it belongs to, if that is over."""
    if depth == 0:
        return [0] * len(work.tree)
    is_over = np.zeros(len(work.tree), dtype=np.bool_)
    is_over[list(over)] = True
    above = work.tree.above[depth]
    found: list[int] = np.where((above != NOWHERE) & is_over[above], above, NOWHERE).tolist()
    return found


def _relieve_level(work: Work, level: _Level) -> None:
    rows, seen = work.rows, work.seen
    if rows.any_modulating:
        for both in (level.green, level.yellow):
            _reduce(work, level, rows.where(moves.discharges, both))
    for index in (level.green, level.yellow):
        if rows.any_cycle and level.by_stopping:
            _hold_idle(work, level, rows.where(moves.is_idle_cycle, index, seen))
        if rows.any_modulating:
            _reduce(work, level, rows.where(moves.reduces, index, seen))
        if level.by_stopping:
            _stop(work, level, rows.where(moves.stops, index, seen))


def _still_over(work: Work, level: _Level, index: Index) -> tuple[Index, list[int]]:
    """Return those of `index` below a node that is still over, and the node of each."""
    if not len(index):
        return index, []
    level.over = _over(work, list(level.over))
    if not level.over:
        return index[:0], []
    if len(work.tree) == 1:
        return index, [0] * len(index)
    still = [place if place in level.over else NOWHERE for place in level.above]
    return work.rows.below(index, still)


def _hold_idle(work: Work, level: _Level, index: Index) -> None:
    """Let cycles wait that have not begun: they give no relief, but add no load."""
    index, places = _still_over(work, level, index)
    count = int(min(len(places), work.budget))
    if count > 0:
        work.stop(index[:count], [1.0] * count, level.reason, places[:count])


def _reduce(work: Work, level: _Level, index: Index) -> None:
    """Hold modulating loads lower, no lower than needed."""
    index, places = _still_over(work, level, index)
    if not places:
        return
    rows = work.rows
    spare_w = as_list(rows.each(laws.reducible_w, index))
    prices = as_list(rows.each(laws.price_wh, index, work.seen))
    picked = _pick(work, level, index, places, spare_w, prices)
    numbers, powers = as_list(index), as_list(rows.each(moves.expected_w, index))
    for place in picked:
        share = rows.share(numbers[place])[0]
        over_w = work.rooms.over_w(places[place])
        needed_w = _needed_w(over_w, share)
        if needed_w > TINY_W:
            left_w = powers[place] - min(spare_w[place], needed_w)
            work.lower(index[place : place + 1], [left_w], level.reason, [places[place]])


def _stop(work: Work, level: _Level, index: Index) -> None:
    """Switch loads off where it pays."""
    index, places = _still_over(work, level, index)
    if not places:
        return
    rows, numbers = work.rows, as_list(index)
    relief_w = rows.each(moves.expected_w, index)
    needed_w = [
        _needed_w(level.over[place], rows.share(number)[0])
        for place, number in zip(places, numbers, strict=True)
    ]
    won = rows.each(_gain, index, columns=[needed_w])
    pays = as_list(_won_enough(work, index, places, won))
    if not all(pays):
        index = rows.pick(index, pays)
        kept = [place for place, flag in enumerate(pays) if flag]
        places = [places[place] for place in kept]
        won = [won[place] for place in kept]
        relief_w = [relief_w[place] for place in kept]
    prices = as_list(rows.each(laws.price_wh, index, work.seen))
    picked = _pick(work, level, index, places, as_list(relief_w), prices)
    if len(picked) > work.budget:
        biggest = sorted(picked, key=lambda place: -relief_w[place])
        picked = sorted(biggest[: int(max(0, work.budget))])
    if picked:
        chosen = rows.pick(index, _flags(picked, len(places)))
        order = sorted(picked)
        work.stop(chosen, [won[place] for place in order], level.reason, [places[p] for p in order])


def _flags(picked: Sequence[int], count: int) -> list[bool]:
    flags = [False] * count
    for place in picked:
        flags[place] = True
    return flags


def _gain(m: Arithmetic, r: Row, needed_w: Any) -> Any:
    return laws.gain(m, r.expected_w, needed_w)


def _won_enough(work: Work, index: Index, places: Sequence[int], won: Any) -> Any:
    """Tell of each load whether stopping it pays; the site alone knows its quietest hour."""
    if work.seen.low_w is None or 0 not in places:
        return [True] * len(places)
    least = work.rows.each(laws.least_loss, index, work.limits.site.power_w, work.seen.low_w)
    return work.rows.each(_pays, index, columns=[won, least])


def _pays(m: Arithmetic, _r: Row, won: Any, least: Any) -> Any:
    return laws.pays(m, won, least)


def _needed_w(over_w: Sequence[float], share: Sequence[float]) -> float:
    """Return how much less a load would have to draw to end the overload alone [W]."""
    if len(over_w) == 1:
        return over_w[0]
    pairs = zip(over_w, share, strict=True)
    return max((over / part for over, part in pairs if over > 0 and part > 0), default=0.0)


def _pick(
    work: Work,
    level: _Level,
    index: Index,
    places: Sequence[int],
    relief_w: Sequence[float],
    prices: Sequence[float],
) -> list[int]:
    """Return the places in `index` of the loads to hold back, node by node."""
    groups: dict[int, list[int]] = {}
    for at, place in enumerate(places):
        groups.setdefault(place, []).append(at)
    numbers = as_list(index)
    picked: list[int] = []
    for node, members in groups.items():
        reliefs = [
            [relief_w[at] * part for part in work.rows.share(numbers[at])[0]] for at in members
        ]
        found = best_set(reliefs, [prices[at] for at in members], level.over[node])
        picked += [members[place] for place in found]
    return picked
