"""From a measurement to orders: one pass of the reflex over the loads that may be decided on."""

from dataclasses import replace

from balans.domain.demand.fairness import credits_wh, enter
from balans.domain.demand.guards import decide_guarded
from balans.domain.demand.model import (
    Action,
    Allowed,
    Decision,
    LoadState,
    NodeView,
    Observation,
    Proposal,
    Reason,
)
from balans.domain.demand.reflex import Guidance
from balans.domain.demand.relay import after_pass
from balans.domain.demand.track import come_back_w
from balans.domain.demand.tree import SITE
from balans.protocols.hub import CommandReport
from balans.protocols.module import Switch
from balans.usecases.run_load_control.consents import LeftAlone
from balans.usecases.run_load_control.desk import Desk, Output
from balans.usecases.run_load_control.loads import INFINITE, held_w
from balans.usecases.run_load_control.nodes import node_powers, phase_currents
from balans.usecases.run_load_control.orders import CONTROL, Order
from balans.usecases.run_load_control.relayed import taken_site_w
from balans.usecases.run_load_control.sensing import Reading
from balans.usecases.run_load_control.silence import STALE_STEPS

ORDER_S = 30.0
"""An order of load control is good for two steps, and at least this long."""


def decide_step(
    desk: Desk, time_s: float, now_s: float, proposals: tuple[Proposal, ...] = ()
) -> list[Output]:
    """Run one pass over the site, and turn its actions into orders; the planner may propose.

    Without a sample the sensor is lost. Loads that are not to be touched now (state unknown, not
    obeying, no consent) take part as power alone.
    """
    view, local, sample = desk.view, desk.site.local_s, desk.view.sample
    powers = view.power_w = node_powers(desk, sample)
    start_s = time_s - view.step_s
    meters = desk.limits.count(desk.memory.meters, start_s, local(start_s), view.step_s, powers)
    limits = desk.limits.allowed(meters, time_s, local(time_s), view.step_s)
    site_w = taken_site_w(desk, limits.site.power_w, time_s)
    before = tuple(desk.loads.states)
    seen = Observation(
        time_s,
        view.step_s,
        local(time_s),
        site_w,
        tuple(view.load_w.get(load.name) for load in desk.site.loads),
        desk.memory.lowest.low_w,
        desk.memory.unrest.unrest_w,
        node_w=sample.node_w if sample else {},
        phase_a=phase_currents(sample) if sample else {},
    )
    if sample:
        desk.ledger = enter(desk.ledger, before, seen)
        desk.learn(seen)
        desk.recent.see(time_s, view.step_s, powers)
        _note_rest(desk, sample)
    fleet = desk.fleet(frozenset(desk.touchable(now_s)))
    guidance = Guidance(proposals, credits_wh(desk.ledger, fleet))
    states, decision, desk.memory.guard = decide_guarded(
        fleet, before, seen, limits, desk.memory.guard, guidance
    )
    desk.memory.sensed.relay = after_pass(desk.memory.sensed.relay, decision, time_s)
    desk.loads.states[:] = states
    desk.memory.meters = meters
    view.time_s = time_s
    take_decision(desk, limits.site, decision)
    by_name = {load.name: state for load, state in zip(desk.site.loads, before, strict=True)}
    return [
        output
        for action in decision.actions
        for output in give_order(desk, action, by_name[action.load], now_s)
    ]


def take_decision(desk: Desk, allowed: Allowed, decision: Decision) -> None:
    """Let the picture of the site be that after `decision`."""
    view = desk.view
    view.allowed, view.nodes = allowed, decision.nodes
    view.room_w = {node.name: _room(node) for node in decision.nodes}
    view.room_w[SITE] = min(decision.headroom_w, view.room_w.get(SITE, INFINITE))
    view.decided = True
    desk.changed = True


def _note_rest(desk: Desk, sample: Reading) -> None:
    """Note what the site draws besides its loads, and how it changes, where all is measured."""
    measured = [sample.load_w.get(load.name) for load in desk.site.loads]
    known = [power for power in measured if power is not None]
    start_s, rest_w = sample.time - sample.step_s, None
    if sample.site_w is not None and len(known) == len(measured):
        rest_w = sample.site_w - sum(known)
        desk.memory.lowest = desk.memory.lowest.add(start_s, sample.step_s, rest_w)
    desk.memory.unrest = desk.memory.unrest.see(start_s, sample.step_s, rest_w)


def _room(node: NodeView) -> float:
    """Return what is left at a node; where a limit holds and its meter is silent, nothing [W]."""
    if node.headroom_w is not None:
        return node.headroom_w
    is_limited = node.allowed_w is not None or node.phase_limit_a is not None
    return -INFINITE if is_limited else INFINITE


def decide_blindly(desk: Desk, now_s: float) -> list[Output]:
    """Decide without a sensor, once a step, when no sample has come for three of them."""
    view = desk.view
    if now_s - view.time_s < (1 if view.blind else STALE_STEPS) * view.step_s:
        return []
    view.sample, view.blind = None, True
    return decide_step(desk, now_s, now_s)


def end_off_times(desk: Desk, now_s: float) -> list[Output]:
    """Bring back the yellow loads whose off time is over, between two samples too."""
    outputs: list[Output] = []
    for index in desk.loads.used_up(now_s):
        load, before = desk.rated[index], desk.loads.states[index]
        desk.view.take_room(load.node, come_back_w(load, before))
        desk.loads.put(index, on=True, since_s=now_s)
        action = Action(load.name, True, None, Reason.OFF_TIME_USED_UP, "", 0.0)  # noqa: FBT003  (the domain's order)
        outputs += give_order(desk, action, before, now_s)
    return outputs


def free_left_alone(desk: Desk, now_s: float) -> list[Output]:
    """Bring back at once, whatever the limits say, what may not be touched any more.

    What a person wants off stays off: that is no decision of load control. An order that holds
    back and is on its way is ended by one that does not: its actuator may obey it any moment.
    """
    outputs: list[Output] = []
    for index in sorted({*desk.loads.indices(now_s), *_being_held(desk)}):
        why, state = _left_alone(desk, index, now_s), desk.loads.states[index]
        load = desk.site.loads[index]
        sent = desk.commands.sent.get(load.name)
        is_held = not state.on or state.setpoint_w is not None
        is_wished = state.hold is not None and not state.hold.on and state.hold.until_s > now_s
        is_coming = sent is not None and not (sent.holds_back and sent.author == CONTROL)
        if why is None or not is_held or is_wished or is_coming:
            continue
        before = desk.loads.before.get(load.name, state)
        is_off = not before.on or before.setpoint_w is not None
        effect_w = come_back_w(load, before) - held_w(before) if is_off else 0.0
        desk.loads.put(index, on=True, since_s=now_s)
        order = _order(desk, load.name, now_s, reason=why, expected_w=effect_w)
        outputs += _send(desk, replace(order, on=True), before, now_s)
    return outputs


def _being_held(desk: Desk) -> list[int]:
    """Return the loads to which an order of load control to hold back is on its way."""
    held = [desk.loads.find(o.load) for o in desk.commands.sent.values() if o.holds_back]
    return [index for index in held if index is not None]


def give_order(
    desk: Desk, action: Action, before: LoadState, now_s: float
) -> list[CommandReport | Switch]:
    """Turn an action of the reflex into an order on its way; `before` is what the load was."""
    order = _order(desk, action.load, now_s, reason=action.reason, expected_w=action.effect_w)
    order = replace(order, on=action.on, setpoint_w=action.setpoint_w, limit=action.limit)
    if order.holds_back:
        order = replace(order, max_off_s=device_timer_s(desk, action.load, now_s))
    return _send(desk, order, before, now_s)


def _order(desk: Desk, load: str, now_s: float, *, reason: str, expected_w: float) -> Order:
    return Order(
        id=desk.new_id(),
        load=load,
        on=True,
        author=CONTROL,
        reason=reason,
        created_s=now_s,
        expires_s=now_s + max(ORDER_S, 2 * desk.view.step_s),
        expected_w=expected_w,
    )


def _send(
    desk: Desk, order: Order, before: LoadState, now_s: float
) -> list[CommandReport | Switch]:
    desk.loads.reasons[order.load] = order.reason
    desk.loads.ordered(order.load, before)
    desk.memory.effects.ordered(order, desk.view.sample, node_of(desk, order.load))
    desk.changed = True
    return desk.commands.send(order, now_s)


def node_of(desk: Desk, name: str) -> str:
    """Return the node that a load hangs from."""
    index = desk.loads.find(name)
    return "" if index is None else desk.site.loads[index].node


def device_timer_s(desk: Desk, name: str, now_s: float) -> float:
    """Return after what time the actuator itself is to end a shed that begins now [s]."""
    index = desk.loads.find(name)
    assert index is not None  # noqa: S101  (orders are about the loads of the site)
    return desk.loads.device_timer_s(index, desk.site.local_s(now_s))


def _left_alone(desk: Desk, index: int, now_s: float) -> LeftAlone | None:
    return desk.consents.left_alone(desk.site.loads[index].name, now_s)
