"""The live picture of a site for the server and the local page."""

import msgspec

from balans.domain.demand.fairness import jain_of_loads, jain_of_nodes
from balans.protocols.hub import Fairness, LoadStatus, SiteStatus
from balans.usecases.run_load_control.desk import Desk
from balans.usecases.run_load_control.loads import INFINITE
from balans.usecases.run_load_control.nodes import statuses
from balans.usecases.run_load_control.orders import clipped
from balans.usecases.run_load_control.planning import Planning
from balans.usecases.run_load_control.relayed import is_unwatched

TEXT_MAX = 500
"""The wire holds no longer text."""


def status_of(desk: Desk, now_s: float, planning: Planning | None) -> SiteStatus:
    """Return the picture after the last decision."""
    view, sample = desk.view, desk.view.sample
    limit_w = view.allowed.power_w
    return SiteStatus(
        seq=view.seq,
        time=view.time_s,
        step_s=view.step_s,
        site_w=sample.site_w if sample else None,
        limit_w=clipped(limit_w) if limit_w < INFINITE else None,
        limit=view.allowed.limit,
        loads=_loads(desk, now_s),
        phase_w=sample.phase_w if sample else (),
        reference_w=sample.reference_w if sample else None,
        sensor_ok=sample is not None,
        valid_s=view.step_s,
        paused_until=desk.consents.all_paused_until(now_s),
        guard=guard_words(desk, now_s, planning),
        plan_state=planning.state(now_s) if planning else "",
        fairness=fairness_of(desk),
        nodes=statuses(desk),
        own_limits=desk.consents.own.limits,
    )


def guard_words(desk: Desk, now_s: float, planning: Planning | None) -> str:
    """Return the codes of the guards at work, the gravest first."""
    words = ["" if desk.view.sample is not None else "sensor_lost"]
    words.append("limit_unwatched" if is_unwatched(desk) else "")
    words += [f"protected_off:{name}" for name in desk.loads.protected_off()]
    words.append(desk.memory.guard.word(desk.view.time_s))
    words.append("planner_lost" if planning and planning.is_lost(now_s) else "")
    words += _silent(desk)
    told = " ".join(word for word in words if word)
    return told if len(told) <= TEXT_MAX else told[:TEXT_MAX].rsplit(" ", 1)[0]


def _silent(desk: Desk) -> list[str]:
    """Return words for the meters of nodes and phases that are silent; "" is the site."""
    sample, nodes = desk.view.sample, set(desk.tree.names)
    if sample is None:
        return []
    powers = [name for name, power_w in sample.node_w.items() if power_w is None]
    phases = [name for name, powers_w in sample.node_phase_w.items() if powers_w is None]
    return [
        *(f"node_silent:{name}" for name in powers if name in nodes),
        *(f"phases_silent:{name}".rstrip(":") for name in phases if name in nodes),
    ]


def fairness_of(desk: Desk) -> Fairness | None:
    """Return how evenly what was given up is shared; None where nothing was."""
    if not desk.ledger.given.any():
        return None
    nodes = jain_of_nodes(desk.ledger, desk.configured)
    return Fairness(
        min(1.0, jain_of_loads(desk.ledger, desk.site.loads)),  # rounding may exceed it
        None if nodes is None else min(1.0, nodes),
    )


def _loads(desk: Desk, now_s: float) -> tuple[LoadStatus, ...]:
    given = desk.ledger.given_kwmin
    return tuple(
        msgspec.structs.replace(_load(desk, index, now_s), given_kwmin=given[load.name])
        for index, load in enumerate(desk.site.loads)
    )


def _load(desk: Desk, index: int, now_s: float) -> LoadStatus:
    view, load = desk.view, desk.site.loads[index]
    status = desk.loads.status(index, view.time_s, view.load_w, desk.site.local_s)
    effect = desk.memory.effects.last.get(load.name)
    achieved_w = effect.achieved_w if effect else None
    return msgspec.structs.replace(
        status,
        node=load.node,
        released=desk.consents.is_released(load.name),
        paused_until=desk.consents.paused_until(load.name, now_s),
        expected_w=clipped(effect.order.expected_w) if effect else None,
        achieved_w=None if achieved_w is None else clipped(achieved_w),
    )
