"""Commands of people: carried out within the rules, or held back until the rules let them go."""

from dataclasses import replace

from balans.core.words import CommandState
from balans.domain.demand.model import Hold, LoadState, Reason
from balans.domain.demand.shed import may_shed
from balans.domain.demand.track import come_back_w
from balans.protocols.hub import Command, CommandReport
from balans.usecases.run_load_control.decision import device_timer_s, node_of
from balans.usecases.run_load_control.desk import Desk, Output
from balans.usecases.run_load_control.loads import held_w
from balans.usecases.run_load_control.orders import Detail, Order


def take_command(desk: Desk, command: Command, now_s: float) -> list[Output]:
    """Take a person's command; one that is known changes nothing."""
    if not desk.commands.is_new(command.id, command.expires, now_s):
        return []
    order = Order(
        id=command.id,
        load=command.load,
        on=command.on,
        author=command.author,
        reason=command.reason,
        created_s=command.created,
        expires_s=command.expires,
    )
    if command.expires <= now_s:
        return [order.report(CommandState.EXPIRED, now_s, Detail.LATE)]
    detail = desk.loads.never_switched(command.load)
    if detail:
        return [order.report(CommandState.FAILED, now_s, detail)]
    index = desk.loads.find(command.load)
    assert index is not None  # noqa: S101  (a load that is unknown is never switched)
    ended = desk.commands.end_waiting(command.load, now_s)
    return [*ended, *_obey(desk, index, order, now_s)]


def let_waiting_go(desk: Desk, now_s: float) -> list[Output]:
    """Carry out the commands that no rule holds back any more."""
    outputs: list[Output] = []
    for held in list(desk.commands.waiting.values()):
        index = desk.loads.find(held.order.load)
        if index is not None and held.order.expires_s > now_s:
            outputs += _obey(desk, index, held.order, now_s)
    return outputs


def _obey(desk: Desk, index: int, order: Order, now_s: float) -> list[Output]:
    """Carry `order` out, or let it wait for the rule that holds it back."""
    obstacle = _obstacle(desk, index, order, now_s)
    if obstacle:
        return [*desk.commands.hold_back(order, obstacle, now_s)]
    desk.commands.waiting.pop(order.id, None)
    desk.changed = True
    state = desk.loads.states[index]
    if _is_so(state, order):
        desk.loads.states[index] = replace(state, hold=None)
        return [order.report(CommandState.CONFIRMED, now_s, Detail.ALREADY_SO)]
    return [*_switch(desk, index, order, now_s)]


def _switch(desk: Desk, index: int, order: Order, now_s: float) -> list[Output]:
    load, state = desk.rated[index], desk.loads.states[index]
    drawn_w = _drawn_w(desk, index)
    desk.loads.ordered(order.load, state)
    if order.on:
        effect_w = come_back_w(load, state) - held_w(state)
        desk.view.take_room(load.node, effect_w)
    else:
        effect_w = -drawn_w
    order = replace(order, expected_w=effect_w)
    desk.loads.reasons[order.load] = Reason.OPERATOR
    desk.loads.put(index, on=order.on, since_s=now_s)
    if not order.on:
        order = replace(order, max_off_s=device_timer_s(desk, order.load, now_s))
        hold = Hold(on=False, until_s=now_s + order.max_off_s)
        demand_w = state.demand_w if state.owed_wh > 0 else drawn_w
        desk.loads.states[index] = replace(
            desk.loads.states[index], demand_w=demand_w, gain=1.0, hold=hold
        )
    desk.memory.effects.ordered(order, desk.view.sample, node_of(desk, order.load))
    return [*desk.commands.send(order, now_s)]


def _obstacle(desk: Desk, index: int, order: Order, now_s: float) -> Detail | None:
    """Return the rule that holds `order` back now."""
    load, state = desk.rated[index], desk.loads.states[index]
    if load.name not in desk.loads.known or load.name in desk.commands.sent:
        return Detail.STATE_UNKNOWN
    if _is_so(state, order):
        return None
    if order.on:
        need_w = come_back_w(load, state) - held_w(state)
        return None if need_w <= desk.view.headroom_w(load.node) else Detail.NO_HEADROOM
    return None if may_shed(load, state, now_s, 0.0) else Detail.MIN_ON_TIME


def _drawn_w(desk: Desk, index: int) -> float:
    load = desk.site.loads[index]
    guess_w = load.rated_w if desk.loads.states[index].on else 0.0
    return desk.view.load_w.get(load.name, guess_w)


def _is_so(state: LoadState, order: Order) -> bool:
    return state.on == order.on and state.setpoint_w is None


def end_of(desk: Desk, order: Order, report: CommandReport, at_s: float, now_s: float) -> None:
    """Note how an order ended: one that failed leaves the load as it was."""
    if report.state is CommandState.CONFIRMED:
        desk.loads.obeyed(order.load)
        desk.memory.effects.confirmed(order, at_s)
    else:
        desk.loads.failed(order, now_s)
        desk.memory.effects.failed(order.load)
