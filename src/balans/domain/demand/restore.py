"""Which loads come back: those that must, and those that may because head-room has lasted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from balans.domain.demand import laws, moves
from balans.domain.demand.arithmetic import ONE
from balans.domain.demand.model import Load, LoadState, Reason
from balans.domain.demand.relief import relieve
from balans.domain.demand.rooms import Channels
from balans.domain.demand.rows import Index, LoadRow
from balans.domain.demand.work import Work, as_list

STAGGER_S = 300.0
"""Loads shed together are released one by one over the last minutes of their off time."""
FEWEST_SPREAD = 2
"""A single load always gets its whole time."""
DUE_REASONS = {
    laws.DUE_BY_WISH: Reason.OPERATOR,
    laws.DUE_BY_TIMER: Reason.OFF_TIME_USED_UP,
    laws.DUE_BY_DEADLINE: Reason.DEADLINE,
}


def bring_back_due(work: Work) -> None:
    """Switch on, or free, every load whose time has come, whatever the limits say."""
    rows, held = work.rows, work.held
    if not len(held):
        return
    whys = as_list(rows.each(laws.due, held, work.seen))
    for number, why in zip(as_list(held), whys, strict=True):
        if why != laws.NOT_DUE:
            is_timer = why == laws.DUE_BY_TIMER
            at_full = is_timer or bool(laws.must_run(ONE, rows.one(number), work.seen))
            work.let_back(number, DUE_REASONS[why], at_full=at_full)


def watch_fit(work: Work) -> None:
    """Note since when each load that is held back would fit."""
    rows, held = work.rows, work.held
    if not len(held):
        return
    greens = rows.where(moves.is_green, held)
    spare = _yellow_back_w(work) if len(greens) else None
    _note_fit(work, rows.where(moves.is_yellow, held), None)
    _note_fit(work, greens, spare)


def _note_fit(work: Work, index: Index, spare: Sequence[Channels] | None) -> None:
    """Note since when each of `index` would fit beside `spare`."""
    if not len(index):
        return
    rows, seen = work.rows, work.seen
    inner_w, site_w = rows.headrooms(index, work.rooms, spare)
    least = rows.each(laws.least_loss, index, work.limits.site.power_w, seen.low_w)
    fitting = rows.each(laws.fits, index, columns=[inner_w, site_w, least])
    rows.assign(("fits_since_s",), moves.fits_since_s, index, seen, columns=[fitting])


def _yellow_back_w(work: Work) -> list[list[float]]:
    """Return by node and channel the power that will soon come back with yellow loads [W]."""
    rows = work.rows
    yellow = rows.where(moves.is_yellow_held, work.held)
    total = rows.sums(yellow, rows.each(laws.rise_w, yellow), len(work.tree))
    if len(total) == 1:
        return total
    found: list[list[float]] = work.rooms.summed(np.array(total)).tolist()
    return found


def release_early(work: Work) -> None:
    """Let some of the yellow loads back before their timers end together.

    Only where no limit on their way to the site is passed. Where they do not fit, what can be
    reduced gives way.
    """
    rows, seen = work.rows, work.seen
    if len(work.held) < FEWEST_SPREAD:
        return
    waiting = rows.where(moves.is_unwished, rows.where(moves.is_yellow_held, work.held))
    waiting = rows.pick(waiting, rows.places(waiting, work.is_clear))
    left_s = as_list(rows.each(laws.off_left_s, waiting, seen.time_s))
    ordered = sorted(zip(left_s, as_list(waiting), strict=True))
    count = released_early([left for left, _ in ordered], seen.step_s)
    for _, number in ordered[:count]:
        if work.budget > 0:
            work.let_back(number, Reason.STAGGER, at_full=True)
    if count and rows.any_modulating:
        relieve(work, by_stopping=False)


def bring_back_willing(work: Work) -> None:
    """Bring back, one by one, loads whose full power has fitted for long enough.

    Yellow first, then what has been off longest.
    """
    rows, seen = work.rows, work.seen
    left = restores_per_pass(len(work.loads)) - work.returned
    if left <= 0 or not len(work.held):
        return
    willing = rows.where(moves.is_willing, work.held, seen, work.limits.site)
    willing = rows.pick(willing, rows.places(willing, work.is_clear))
    if not len(willing):
        return
    spare = _yellow_back_w(work)
    waits = as_list(rows.each(laws.off_left_s, willing, seen.time_s))
    greens = as_list(rows.each(moves.is_green, willing))
    for green, _, number in sorted(zip(greens, waits, as_list(willing), strict=True)):
        if left > 0 and work.budget > 0 and _fits(work, number, spare if green else None):
            row = rows.one(number)
            waits_w = _rise_w(row)
            work.let_back(number, _back_reason(work, row))
            _keep_less(work, spare, number, waits_w - _rise_w(row))
            left -= 1


def _fits(work: Work, number: int, spare: Sequence[Channels] | None) -> bool:
    rows, row = work.rows, work.rows.one(number)
    inner_w, site_w = work.rooms.headroom_w(rows.node(number), rows.share(number)[1], spare)
    least = laws.least_loss(ONE, row, work.limits.site.power_w, work.seen.low_w)
    return bool(laws.fits(ONE, row, inner_w, site_w, least))


def _rise_w(row: Any) -> float:
    """Return the power that a yellow load still waits for; 0 for others [W]."""
    return float(laws.rise_w(ONE, row)) if moves.is_yellow_held(ONE, row) else 0.0


def _keep_less(work: Work, spare: list[list[float]], number: int, power_w: float) -> None:
    """Keep no room any more for a yellow load that is back."""
    share = work.rows.share(number)[0]
    for node in work.tree.paths[work.rows.node(number)]:
        for channel, part in enumerate(share):
            spare[node][channel] -= power_w * part


def _back_reason(work: Work, row: Any) -> Reason:
    if row.planned_w == row.planned_w and not row.is_yellow:
        return Reason.PLAN
    is_cheap = row.is_green and work.limits.site.cheapest
    return Reason.NIGHT_ZONE if is_cheap else Reason.HEADROOM_BACK


def released_early(left_s: list[float], step_s: float) -> int:
    """Return how many of the off times `left_s` to end now, so that they do not end together.

    Notes
    -----
    If k of them end within the next n steps, k / n per step spreads them evenly; the largest such
    rate, rounded down, is taken. A single load therefore always gets its whole time.

    >>> released_early([60.0] * 10 + [240.0] * 2, step_s=60.0)
    5
    """
    best = 0
    for number, left in enumerate(sorted(left_s), start=1):
        steps = max(2, int(left // step_s))
        if steps > STAGGER_S // step_s:
            break
        best = max(best, number // steps)
    return best


def restores_per_pass(loads: int) -> int:
    """Return how many loads may come back at once: their power is an estimate until measured."""
    return max(1, loads // 10)


# --- single loads, for those who ask from outside a pass ---


def off_left_s(load: Load, state: LoadState, time_s: float) -> float:
    """Return how long `load` may still be off: the timer of yellow, the slack of green [s]."""
    left_s: float = laws.off_left_s(ONE, LoadRow(load, state, time_s), time_s)
    return left_s


def fits(load: Load, state: LoadState, headroom_w: float, least: float) -> bool:
    """Tell whether what comes back fits into `headroom_w` of the site; see `laws.fits`."""
    row = LoadRow(load, state, 0.0)
    return bool(laws.fits(ONE, row, laws.INFINITE, headroom_w, least))
