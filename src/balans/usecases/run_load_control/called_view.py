"""What can be said of a place that is called on: its power, its loads, how far it has come."""

from dataclasses import dataclass

from balans.core.words import CallState, LoadClass
from balans.domain.demand.track import come_back_w
from balans.protocols.hub import CallReport, bitmap
from balans.usecases.run_load_control.called_target import Target
from balans.usecases.run_load_control.desk import Desk
from balans.usecases.run_load_control.orders import clipped

TOLERANCE, TOLERANCE_W = 0.01, 1.0
"""Within this of its limit a place counts as at it: the error of its meter."""
NOTHING_LEFT_S = 30.0
"""A place has been over for so long, with nothing left to hold back, when it is said to fail."""
FAILED_S = 180.0
"""A place that is over for so long fails, whatever is left to hold back."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target at its site; `overruled` names the event that decides instead of it."""

    desk: Desk
    site: str
    target: Target
    overruled: str = ""

    @property
    def now_w(self) -> float | None:
        """What the place draws, as it was last measured [W]."""
        return self.desk.view.power_w.get(self.target.node)

    @property
    def allowed_w(self) -> float:
        """What counts as obeyed [W]."""
        limit_w = self.target.limit_w or 0.0
        return limit_w * (1 + TOLERANCE) + TOLERANCE_W


def loads_at(desk: Desk, node: str) -> list[int]:
    """Return the loads at `node` and at the nodes below it, but red and protected ones."""
    numbers, paths = desk.tree.numbers, desk.tree.paths
    place = numbers[node]
    return [
        index
        for index, load in enumerate(desk.site.loads)
        if place in paths[numbers[load.node]]
        and load.load_class is not LoadClass.RED
        and not load.protected
    ]


def holdable_now(desk: Desk, index: int) -> float:
    """Return by how much a load could be made to draw less now, as far as it is known [W]."""
    load, state = desk.rated[index], desk.loads.states[index]
    if not state.on:
        return 0.0
    guess_w = come_back_w(load, state) if state.setpoint_w is None else state.setpoint_w
    drawn_w = desk.view.load_w.get(load.name, guess_w)
    return max(0.0, drawn_w - min(0.0, load.min_w))


def holdable_w(desk: Desk, node: str) -> float:
    """Return by how much the loads of `node` could be made to draw less now [W]."""
    touchable = set(desk.touchable(desk.memory.time_s))
    return sum(holdable_now(desk, index) for index in loads_at(desk, node) if index in touchable)


def progress(place: Place, now_s: float, server_s: float) -> list[CallReport]:
    """Return the report that the place has done what was asked, or has failed to, if it is new."""
    target, now_w = place.target, place.now_w
    if target.limit_w is not None and now_w is not None and now_w <= place.allowed_w:
        target.over_s = None
        return _told(place, CallState.DONE, server_s)
    if target.over_s is None or target.over_s > now_s:
        target.over_s = now_s
    detail = _failing(place, now_w, now_s - target.over_s)
    return _told(place, CallState.FAILED, server_s, detail) if detail else []


def _failing(place: Place, now_w: float | None, over_s: float) -> str:
    """Return why a place that is over has failed; nothing while it may still come."""
    if over_s < NOTHING_LEFT_S:
        return ""
    if now_w is None or place.target.limit_w is None:
        return "not_measured"
    above = f"{now_w - place.target.limit_w:.0f} W above"
    if place.overruled:
        return f"overruled by {place.overruled}: {above}"
    if holdable_w(place.desk, place.target.node) <= TOLERANCE_W:
        return f"nothing_left: {above}"
    return f"not_held: {above}" if over_s >= FAILED_S else ""


def _told(place: Place, state: CallState, server_s: float, detail: str = "") -> list[CallReport]:
    if place.target.told is state:
        return []
    return [report_of(place, state, server_s, detail)]


def report_of(place: Place, state: CallState, server_s: float, detail: str = "") -> CallReport:
    """Return the report that the place has entered `state`, and note that it was made."""
    desk, target = place.desk, place.target
    target.told = state
    indices = loads_at(desk, target.node)
    names = tuple(desk.site.loads[index].name for index in indices)
    held = {
        desk.site.loads[index].name
        for index in indices
        if not desk.loads.states[index].on or desk.loads.states[index].setpoint_w is not None
    }
    failed = {name for name in names if desk.loads.is_failing(name, desk.memory.time_s)}
    before_w = target.basis.before_w if target.basis else desk.recent.mean_w(target.node)
    asked = target.limit_w is not None and before_w is not None
    expected_w = max(0.0, before_w - target.limit_w) if asked else None  # type: ignore[operator]
    return CallReport(
        event=target.call.event,
        epoch=target.call.epoch,
        site=place.site,
        node=target.node,
        state=state,
        time=max(0.0, server_s),
        detail=detail[:500],
        before_w=_on_wire(before_w),
        now_w=_on_wire(place.now_w),
        expected_w=_on_wire(expected_w),
        loads=names,
        held=bitmap(names, held),
        failed=bitmap(names, failed),
    )


def _on_wire(power_w: float | None) -> float | None:
    return None if power_w is None else clipped(power_w)
