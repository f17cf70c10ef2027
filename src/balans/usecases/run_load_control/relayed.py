"""The power of a site whose sensor is a relay: what its bit tells, and what its loads tell.

The bit watches the relay's own threshold and nothing else. Against a stricter limit stands what is
known of the loads: those with a meter of their own draw what it shows, those without what is
written on them while they are on, which errs on the safe side. The rest of the site is not seen, so
such a limit is kept by the loads as far as they go, and it is told that nobody watches it.
"""

from balans.domain.demand.relay import sense
from balans.domain.demand.track import come_back_w
from balans.usecases.run_load_control.desk import Desk
from balans.usecases.run_load_control.loads import held_w
from balans.usecases.run_load_control.sensing import SensorKind

PROBE_MORE_W = 1.0
"""A relay's probe claims a little more than the load draws, so that it fits for certain."""


def taken_site_w(desk: Desk, allowed_w: float, time_s: float) -> float | None:
    """Return what is taken for the power of the site; None without a sensor [W]."""
    sample, sensor = desk.view.sample, desk.site.sensor
    if sample is None or sensor.kind is not SensorKind.RELAY:
        return sample.site_w if sample else None
    desk.memory.sensed.relay, site_w = sense(
        desk.memory.sensed.relay,
        is_over=sample.over,
        time_s=time_s,
        threshold_w=sensor.threshold_w,
        allowed_w=allowed_w,
        probe_w=_next_back_w(desk) + PROBE_MORE_W,
    )
    loads_w = known_w(desk, with_guesses=allowed_w < sensor.threshold_w)
    return None if site_w is None else max(site_w, loads_w)


def known_w(desk: Desk, *, with_guesses: bool) -> float:
    """Return what the loads draw together: measured, and guessed where that is wanted [W]."""
    total_w = 0.0
    for load, state in zip(desk.rated, desk.loads.states, strict=True):
        measured_w = desk.view.load_w.get(load.name)
        if measured_w is not None:
            total_w += measured_w
        elif with_guesses and state.on:
            set_w = load.rated_w if state.setpoint_w is None else state.setpoint_w
            total_w += max(0.0, set_w)
    return total_w


def is_unwatched(desk: Desk) -> bool:
    """Tell whether a limit holds at the site that its relay does not watch."""
    sensor = desk.site.sensor
    if sensor.kind is not SensorKind.RELAY:
        return False
    counts_energy = any(limit.energy_wh is not None and not limit.node for limit in desk.all_limits)
    return counts_energy or desk.view.allowed.power_w < sensor.threshold_w


def _next_back_w(desk: Desk) -> float:
    """Return what the load draws that has been held back for the longest; 0 if none is [W]."""
    held = [
        (state.since_s, come_back_w(load, state) - held_w(state))
        for load, state in zip(desk.rated, desk.loads.states, strict=True)
        if not state.on or state.setpoint_w is not None
    ]
    return min(held)[1] if held else 0.0
