"""What control learns about its loads from one observation: owed energy, demand, fading memory."""

import math
from dataclasses import replace

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    DAY_S,
    Hold,
    Load,
    LoadKind,
    LoadState,
    Observation,
    Recover,
)

FULL_SHARE = 0.8
"""A load that draws this share of its rated power may still be catching up.

The mains may be 10 % low (EN 50160), which takes 19 % off the power of a heater.
"""


def remembered_wh(state: LoadState, time_s: float) -> float:
    """Return what still counts of the energy given up: half of it is forgotten after a day."""
    if state.given_wh <= 0:
        return 0.0
    return state.given_wh * math.exp2((state.since_s - time_s) / DAY_S)


def is_settled(state: LoadState, observation: Observation) -> bool:
    """Tell whether the whole observed step came after the last switching of the load."""
    return state.since_s <= observation.time_s - observation.step_s


def is_held_back(state: LoadState) -> bool:
    """Tell whether `demand_w` is a memory: the load owes energy, or is held to a power."""
    return state.owed_wh > 0 or state.setpoint_w is not None


def come_back_w(load: Load, state: LoadState) -> float:
    """Return the power with which `load` will come back once it is switched on.

    Deferred energy comes back at rated power; a load that forgives wants what it wanted before.
    A modulating load comes back at its least power and is raised from there.
    """
    if load.kind is LoadKind.MODULATING:
        return load.min_w
    if load.recover is Recover.LOSE:
        return min(load.rated_w, state.demand_w)
    return load.rated_w


def drawn_w(load: Load, state: LoadState, measured_w: float | None) -> float:
    """Return what `load` draws: measured, or guessed from its state where it has no meter."""
    if measured_w is not None:
        return measured_w
    if not state.on:
        return 0.0
    return load.rated_w if state.setpoint_w is None else state.setpoint_w


def track(
    load: Load, state: LoadState, measured_w: float | None, observation: Observation
) -> LoadState:
    """Return `state` after the observed step; the same object when nothing has changed.

    A load that is off, or held, owes what it drew when it was last free. On again, it pays with
    what it draws beyond that, and is done as soon as it draws clearly less than it could.
    """
    if load.load_class is LoadClass.RED or state.free:
        return state
    if not is_settled(state, observation):
        return _without_old_hold(state, observation.time_s)
    drawn = drawn_w(load, state, measured_w)
    hours = observation.step_s / 3600
    missing_w = state.demand_w - drawn
    owed_wh = max(0.0, state.owed_wh + missing_w * hours) if load.recover is Recover.DEFER else 0.0
    demand_w = state.demand_w
    ceiling_w = load.rated_w if state.setpoint_w is None else state.setpoint_w
    if state.on and drawn < FULL_SHARE * ceiling_w:
        owed_wh, demand_w = 0.0, drawn
    # Built directly: `replace` costs four times as much, and this runs for every held load.
    return LoadState(
        state.on,
        state.since_s,
        state.setpoint_w,
        demand_w,
        owed_wh,
        state.gain,
        state.fits_since_s,
        state.given_wh + max(0.0, missing_w) * hours,
        _lasting(state.hold, observation.time_s),
    )


def _lasting(hold: Hold | None, time_s: float) -> Hold | None:
    return hold if hold and hold.until_s > time_s else None


def _without_old_hold(state: LoadState, time_s: float) -> LoadState:
    return replace(state, hold=_lasting(state.hold, time_s)) if state.hold else state
