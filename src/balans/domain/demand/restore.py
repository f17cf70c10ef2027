"""Which loads come back: those that must, and those that may because head-room has lasted."""

from dataclasses import replace

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    DAY_S,
    Allowed,
    Load,
    LoadState,
    Observation,
    Reason,
)
from balans.domain.demand.track import come_back_w, is_held_back

GREEN_SETTLE_S = 900.0
"""Head-room must have lasted this long for green: by then every yellow load has come back."""
STAGGER_S = 300.0
"""Loads shed together are released one by one over the last minutes of their off time."""
SPARE_SHARE = 0.1
"""What a load that draws its whole rating counts as having to spare, in the long run."""
LONGEST_WAIT_S = float(DAY_S)
"""A green load without a deadline comes back after a day at the latest."""


def off_left_s(load: Load, state: LoadState, time_s: float) -> float:
    """Return how long `load` may still be off: the timer of yellow, the slack of green [s]."""
    gone_s = time_s - state.since_s
    if load.load_class is LoadClass.YELLOW:
        return load.max_off_s - gone_s
    return LONGEST_WAIT_S - gone_s


def deadline_slack_s(load: Load, state: LoadState, observation: Observation) -> float:
    """Return how long catching up may still wait; infinite without deadline or owed energy [s].

    Notes
    -----
    ``time to the deadline - owed energy / spare power - one step``, since what is owed by the end
    of the coming step must also be drawn. Spare is what the rating leaves beside the demand, which
    goes on while the load catches up. Nobody sizes a load so that it has to run without a pause:
    one that draws its whole rating will stop wanting some time, and `SPARE_SHARE` of the rating
    counts as spare at least. The clock decides what the deadline is; on the one day a year on which
    it skips an hour, catching up begins up to that hour too late.
    """
    if load.load_class is not LoadClass.GREEN or load.deadline_s is None or state.owed_wh <= 0:
        return float("inf")
    left_s = (load.deadline_s - observation.local_s) % DAY_S
    spare_w = max(load.rated_w - max(0.0, state.demand_w), SPARE_SHARE * load.rated_w)
    if spare_w <= 0:
        return float("-inf")
    return left_s - state.owed_wh / spare_w * 3600 - observation.step_s


def must_run(load: Load, state: LoadState, observation: Observation) -> bool:
    """Tell whether `load` has to draw during the coming step to meet its deadline."""
    if deadline_slack_s(load, state, observation) < observation.step_s:
        return True
    return _is_overdue(load, state, observation)


def can_wait(load: Load, state: LoadState, drawn_w: float, observation: Observation) -> bool:
    """Tell whether `load`, which draws `drawn_w`, may stop for a step and still be done in time."""
    if load.load_class is not LoadClass.GREEN or load.deadline_s is None:
        return True
    is_owing = is_held_back(state)
    if not is_owing and (load.deadline_s - observation.local_s) % DAY_S == 0:
        return True  # the deadline is now: what is held back from here on is for the next
    demand_w = state.demand_w if is_owing else drawn_w
    owed_wh = state.owed_wh + max(0.0, demand_w) * observation.step_s / 3600
    later = replace(state, demand_w=demand_w, owed_wh=owed_wh)
    return deadline_slack_s(load, later, observation) >= observation.step_s


def _is_overdue(load: Load, state: LoadState, observation: Observation) -> bool:
    """Tell whether `load` owes energy since before its last deadline."""
    if load.load_class is not LoadClass.GREEN or load.deadline_s is None or state.owed_wh <= 0:
        return False
    gone_s = (observation.local_s - load.deadline_s) % DAY_S
    return state.since_s < observation.time_s - gone_s


def due_reason(load: Load, state: LoadState, observation: Observation) -> Reason | None:
    """Return why `load`, which is off, must come back for the coming step; None: it need not."""
    if state.hold and state.hold.on:
        return Reason.OPERATOR
    left_s = off_left_s(load, state, observation.time_s)
    if load.load_class is LoadClass.YELLOW:
        return Reason.OFF_TIME_USED_UP if left_s < observation.step_s else None
    if state.hold:
        return None
    if left_s < observation.step_s:
        return Reason.DEADLINE
    return Reason.DEADLINE if must_run(load, state, observation) else None


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


def fits(load: Load, state: LoadState, headroom_w: float, least: float) -> bool:
    """Tell whether what comes back fits into `headroom_w`.

    A load that cannot come back inside the limit (`least` above 0, see `shed.least_loss`) is let
    in where at most half of what shedding it has gained beyond that would be lost again.
    """
    need_w = come_back_w(load, state)
    if need_w <= headroom_w:
        return True
    return least > 0 and need_w - headroom_w <= need_w * (least + state.gain) / 2


def settle_s(load: Load, allowed: Allowed) -> float:
    """Return how long head-room must have lasted before `load` may come back [s].

    It will be on for at least its minimum on time, so the past is asked for as long as that.
    """
    if load.load_class is LoadClass.GREEN and not allowed.cheapest:
        return max(GREEN_SETTLE_S, load.min_on_s)
    return load.min_on_s


def restores_per_pass(loads: int) -> int:
    """Return how many loads may come back at once: their power is an estimate until measured."""
    return max(1, loads // 10)
