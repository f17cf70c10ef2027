"""The plain rule that most open controllers follow, as a baseline to measure against.

Above the limit loads are shed in a fixed order until the excess is covered; a load comes back as
soon as its rated power fits, or when its off time is used up. No memory, no settling, no turns.
Written from the published rule of such controllers (a threshold with hold times), not from code.
"""

from collections.abc import Sequence
from dataclasses import replace

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    Action,
    Allowed,
    Decision,
    Load,
    LoadState,
    Observation,
    Reason,
)
from balans.domain.demand.shed import may_shed


def decide_by_threshold(
    loads: Sequence[Load],
    states: Sequence[LoadState],
    observation: Observation,
    allowed: Allowed,
) -> tuple[tuple[LoadState, ...], Decision]:
    """Return the states for the coming step; the same contract as `reflex.decide`."""
    seen, new, actions = observation, list(states), []
    power_w = float("inf") if seen.site_w is None else seen.site_w
    order = sorted(range(len(loads)), key=lambda i: loads[i].load_class is not LoadClass.GREEN)
    for index in order:
        load, drawn_w = loads[index], seen.load_w[index] or 0.0
        is_over = power_w > allowed.power_w and drawn_w > 0
        if is_over and may_shed(load, new[index], seen.time_s, seen.step_s):
            new[index] = replace(new[index], on=False, since_s=seen.time_s)
            power_w -= drawn_w
            actions.append(_action(load, Reason.OVER_LIMIT, allowed, -drawn_w))
    for index in order:
        load, state = loads[index], new[index]
        if state.on or state.since_s == seen.time_s:
            continue
        left_s = load.max_off_s - (seen.time_s - state.since_s)
        is_due = load.load_class is LoadClass.YELLOW and left_s < seen.step_s
        if is_due or power_w + load.rated_w <= allowed.power_w:
            new[index] = replace(state, on=True, since_s=seen.time_s)
            power_w += load.rated_w
            reason = Reason.OFF_TIME_USED_UP if is_due else Reason.HEADROOM_BACK
            actions.append(_action(load, reason, allowed, load.rated_w))
    headroom_w = allowed.power_w - power_w
    over_w = max(0.0, -headroom_w)
    decision = Decision(tuple(actions), allowed.power_w, headroom_w, allowed.limit, over_w)
    return tuple(new), decision


def _action(load: Load, reason: Reason, allowed: Allowed, effect_w: float) -> Action:
    return Action(load.name, effect_w > 0, None, reason, allowed.limit, effect_w)
