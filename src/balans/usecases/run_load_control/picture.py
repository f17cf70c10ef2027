"""The live picture of a site for the server and the local page."""

import msgspec

from balans.protocols.hub import LoadStatus, SiteStatus
from balans.usecases.run_load_control.desk import Desk
from balans.usecases.run_load_control.loads import INFINITE
from balans.usecases.run_load_control.nodes import POWER_MAX_W, statuses


def status_of(desk: Desk, now_s: float) -> SiteStatus:
    """Return the picture after the last decision."""
    view, sample = desk.view, desk.view.sample
    limit_w = view.allowed.power_w
    return SiteStatus(
        seq=view.seq,
        time=view.time_s,
        step_s=view.step_s,
        site_w=sample.site_w if sample else None,
        limit_w=max(-POWER_MAX_W, limit_w) if limit_w < INFINITE else None,
        limit=view.allowed.limit,
        loads=tuple(_load(desk, index, now_s) for index in range(len(desk.site.loads))),
        phase_w=sample.phase_w if sample else (),
        reference_w=sample.reference_w if sample else None,
        sensor_ok=sample is not None,
        valid_s=view.step_s,
        paused_until=desk.consents.all_paused_until(now_s),
        guard="" if sample is not None else "sensor_lost",
        nodes=statuses(desk),
        own_limits=desk.consents.own.limits,
    )


def _load(desk: Desk, index: int, now_s: float) -> LoadStatus:
    view, load = desk.view, desk.site.loads[index]
    status = desk.loads.status(index, view.time_s, view.load_w, desk.site.local_s)
    effect = desk.memory.effects.last.get(load.name)
    return msgspec.structs.replace(
        status,
        node=load.node,
        released=desk.consents.is_released(load.name),
        paused_until=desk.consents.paused_until(load.name, now_s),
        expected_w=effect.order.expected_w if effect else None,
        achieved_w=effect.achieved_w if effect else None,
    )
