"""A pass between two samples: a call that begins is obeyed at once, not at the next sample.

It goes by the last sample, and by what was switched since. It counts and learns nothing: that is
for the next sample. While a call holds, the caps on switchings do not bind this pass: they keep
load control from fluttering by its own choice, and what was called for is nobody's flutter. Under
them a site of 20 loads would obey after a minute. Sites are staggered by the spread of the call;
the return of loads stays as slow as always.
"""

from dataclasses import replace

from balans.domain.demand.fairness import credits_wh
from balans.domain.demand.guards import INFINITE, note
from balans.domain.demand.model import Observation
from balans.domain.demand.reflex import Guidance, decide_tree
from balans.usecases.run_load_control.decision import give_order, take_decision
from balans.usecases.run_load_control.desk import Desk, Output
from balans.usecases.run_load_control.nodes import phase_currents
from balans.usecases.run_load_control.sensing import SensorKind
from balans.usecases.run_load_control.silence import STALE_STEPS

SWITCHED_S = 1.0
"""What was switched with or after the last sample is not in it; clocks may differ by this."""


def decide_between(desk: Desk, now_s: float) -> list[Output]:
    """Let the loads follow limits that are new, where a fresh sample tells enough."""
    view, sample = desk.view, desk.view.sample
    is_fresh = 0 <= now_s - view.time_s <= STALE_STEPS * view.step_s
    if sample is None or not is_fresh or desk.site.sensor.kind is SensorKind.RELAY:
        return []
    local_s = desk.site.local_s(now_s)
    limits = desk.limits.allowed(desk.memory.meters, now_s, local_s, view.step_s)
    before, guard = tuple(desk.loads.states), desk.memory.guard
    seen = Observation(
        now_s,
        now_s - view.time_s + SWITCHED_S,
        local_s,
        sample.site_w,
        tuple(view.load_w.get(load.name) for load in desk.site.loads),
        desk.memory.lowest.low_w,
        desk.memory.unrest.unrest_w,
        node_w=sample.node_w,
        phase_a=phase_currents(sample),
    )
    fleet = desk.fleet(frozenset(desk.touchable(now_s)))
    budget = INFINITE if desk.called_limits else guard.budget(now_s)
    guidance = Guidance(
        credit_wh=credits_wh(desk.ledger, fleet), budget=budget, futile=guard.futile(now_s)
    )
    after, decision = decide_tree(fleet, before, seen, limits, guidance)
    noted = note(guard, fleet, decision, seen, budget)
    expected_w = {
        node: guard.expected_w.get(node, 0.0) + noted.expected_w.get(node, 0.0)
        for node in {*guard.expected_w, *noted.expected_w}
    }
    switched = guard.switched if desk.called_limits else noted.switched
    desk.memory.guard = replace(
        noted, switched=switched, before_w=guard.before_w, expected_w=expected_w
    )
    acted = {action.load for action in decision.actions}
    for index, load in enumerate(desk.site.loads):
        if load.name in acted:
            desk.loads.states[index] = after[index]
    take_decision(desk, limits.site, decision)
    by_name = {load.name: state for load, state in zip(desk.site.loads, before, strict=True)}
    return [
        output
        for action in decision.actions
        for output in give_order(desk, action, by_name[action.load], now_s)
    ]
