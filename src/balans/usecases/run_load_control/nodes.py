"""The nodes of a site: what each draws, what is allowed, and what is left, by phase too."""

from collections.abc import Mapping

from balans.domain.demand.model import NodeView
from balans.domain.demand.rooms import PHASES, VOLT
from balans.protocols.fields import PhaseWatts
from balans.protocols.hub import NodeStatus
from balans.usecases.run_load_control.desk import Desk
from balans.usecases.run_load_control.orders import clipped
from balans.usecases.run_load_control.sensing import Reading


def node_powers(desk: Desk, sample: Reading | None) -> dict[str, float | None]:
    """Return what each node draws [W], "" the site: measured, else the sum of what hangs from it.

    It is None where a load below the node is not measured either.
    """
    if sample is None:
        return dict.fromkeys(desk.tree.names)
    sums: dict[str, float | None] = dict.fromkeys(desk.tree.names, 0.0)
    for load in desk.site.loads:
        sums[load.node] = _plus(sums[load.node], sample.load_w.get(load.name))
    for number in range(len(desk.tree) - 1, 0, -1):
        name, parent = desk.tree.names[number], desk.tree.names[desk.tree.parents[number]]
        if name in sample.node_w:
            sums[name] = sample.node_w[name]
        sums[parent] = _plus(sums[parent], sums[name])
    sums[""] = sample.site_w
    return sums


def _plus(sum_w: float | None, more_w: float | None) -> float | None:
    return None if sum_w is None or more_w is None else sum_w + more_w


def phase_currents(sample: Reading) -> dict[str, tuple[float | None, ...]]:
    """Return the currents of the nodes whose phases are measured, at nominal voltage [A].

    They are None where the meter is silent. Phases that it does not have share what the others
    leave of the power; a meter that tells none is the one of a branch with no more phases.
    """
    power_w = {**sample.node_w, "": sample.site_w}
    return {
        name: _currents(powers, power_w.get(name)) for name, powers in sample.node_phase_w.items()
    }


def _currents(powers_w: PhaseWatts | None, power_w: float | None) -> tuple[float | None, ...]:
    if powers_w is None:
        return (None,) * PHASES
    known = tuple(phase_w / VOLT for phase_w in powers_w)
    missing = PHASES - len(known)
    left_w = 0.0 if power_w is None else power_w - sum(powers_w)
    return (*known, *[left_w / VOLT / max(1, missing)] * missing)


def statuses(desk: Desk) -> tuple[NodeStatus, ...]:
    """Return the live picture of every node, the site first."""
    sample = desk.view.sample
    powers = node_powers(desk, sample)
    currents = phase_currents(sample) if sample else {}
    views = {view.name: view for view in desk.view.nodes}
    return tuple(
        _status(desk, number, powers, currents.get(name, ()), views.get(name))
        for number, name in enumerate(desk.tree.names)
    )


def _status(
    desk: Desk,
    number: int,
    powers: Mapping[str, float | None],
    currents: tuple[float | None, ...],
    view: NodeView | None,
) -> NodeStatus:
    name, parent = desk.tree.names[number], desk.tree.parents[number]
    allowed_w, limit = view.allowed_w if view else None, view.limit if view else ""
    if view is None and number == 0:
        allowed_w, limit = _finite(desk.view.allowed.power_w), desk.view.allowed.limit
    power_w = powers[name]
    phase_limit_a = view.phase_limit_a if view else None
    return NodeStatus(
        name,
        desk.tree.names[parent] if parent >= 0 else "",
        power_w,
        None if allowed_w is None else clipped(allowed_w),
        None if allowed_w is None or power_w is None else clipped(allowed_w - power_w),
        limit,
        currents or (view.phase_a if view else ()),
        phase_limit_a,
    )


def _finite(power_w: float) -> float | None:
    return power_w if abs(power_w) < float("inf") else None
