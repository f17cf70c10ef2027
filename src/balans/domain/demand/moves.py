"""What a pass asks of its loads, and what becomes of them: laws made of those in `laws`."""

from balans.domain.demand.arithmetic import Arithmetic, Flag, Row, Value
from balans.domain.demand.laws import (
    INFINITE,
    NAN,
    RELIEF_SHARE,
    is_owing,
    is_timed,
    may_hold_back,
    may_lower,
    may_stop,
    reducible_w,
    remembered_wh,
    settle_s,
)
from balans.domain.demand.model import Allowed, Observation

# --- what becomes of a load ---

STOPPED = (
    "on", "since_s", "setpoint_w", "demand_w", "gain", "given_wh", "fits_since_s", "expected_w",
)  # fmt: skip
LOWERED = ("setpoint_w", "demand_w", "gain", "fits_since_s", "expected_w", "low_since_s")


def stopped(m: Arithmetic, r: Row, won: Value, seen: Observation) -> tuple[Value, ...]:
    """Return the columns `STOPPED` of a load that is switched off with the gain `won`."""
    demand_w = m.where(is_owing(m, r), r.demand_w, r.expected_w)
    given_wh = remembered_wh(m, r, seen.time_s)
    return False, seen.time_s, NAN, demand_w, won, given_wh, INFINITE, 0.0


def lowered(m: Arithmetic, r: Row, left_w: Value, seen: Observation) -> tuple[Value, ...]:
    """Return the columns `LOWERED` of a load that is held to `left_w` [W]."""
    demand_w = m.where(is_owing(m, r), r.demand_w, r.expected_w)
    return left_w, demand_w, 1.0, INFINITE, left_w, m.least(r.low_since_s, seen.time_s)


# --- what a pass asks for ---


def expected_w(_m: Arithmetic, r: Row) -> Value:
    """Return the power expected in the coming step [W]."""
    return r.expected_w


def moved_w(_m: Arithmetic, r: Row) -> Value:
    """Return by how much more the load is expected to draw than it drew [W]."""
    return r.moved_w


def unwanted(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a person wants the load off, and it may be."""
    return r.has_hold & m.no(r.hold_on | r.returned) & may_stop(m, r, seen)


def planned_off(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether the plan wants the load off, and it may be: green, not while it must run."""
    wanted = r.is_green & (r.planned_w <= 0) & m.no(r.never_off)
    return wanted & may_hold_back(m, r, seen) & may_stop(m, r, seen)


def planned_low(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether the plan wants a modulating load lower than it is, or held where it is."""
    sets = r.is_modulating & m.no(m.absent(r.planned_w)) & (r.never_off | (r.planned_w > 0))
    is_new = m.absent(r.setpoint_w) | (r.setpoint_w > target_w(m, r) + 1.0)
    lower = r.expected_w >= target_w(m, r)
    return sets & is_new & lower & may_hold_back(m, r, seen) & may_lower(m, r, seen)


def target_w(m: Arithmetic, r: Row) -> Value:
    """Return the power the plan wants of a modulating load, inside what it can [W]."""
    top_w = m.most(r.max_w, r.rated_w)
    return m.least(top_w, m.most(r.min_w, r.planned_w))


def is_idle_cycle(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a cycle waits for its start, and may wait longer."""
    return r.is_cycle & may_stop(m, r, seen)


def discharges(m: Arithmetic, r: Row) -> Flag:
    """Tell whether a battery can give more, or take less."""
    return r.is_battery & (reducible_w(m, r) > RELIEF_SHARE * r.rated_w)


def reduces(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a modulating load that is no battery can be held lower, and may be."""
    can = m.no(r.is_battery) & (reducible_w(m, r) > RELIEF_SHARE * r.rated_w)
    return can & may_lower(m, r, seen)


def stops(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a load draws and may be switched off."""
    return (r.expected_w > RELIEF_SHARE * r.rated_w) & may_stop(m, r, seen)


def is_green(_m: Arithmetic, r: Row) -> Flag:
    """Tell whether the load is green."""
    return r.is_green


def is_yellow(_m: Arithmetic, r: Row) -> Flag:
    """Tell whether the load is yellow."""
    return r.is_yellow


def fits_since_s(m: Arithmetic, r: Row, fitting: Flag, seen: Observation) -> tuple[Value]:
    """Return since when a load that is held would fit; infinite where not, or a wish holds it."""
    if m.none(fitting):
        return (r.rated_w * 0.0 + INFINITE,)
    since_s = m.least(r.fits_since_s, seen.time_s - seen.step_s)
    return (m.where(fitting & m.no(r.has_hold), since_s, INFINITE),)


def is_willing(m: Arithmetic, r: Row, seen: Observation, allowed: Allowed) -> Flag:
    """Tell whether room has lasted as long as the load asks, and no plan wants it held."""
    has_lasted = seen.time_s - r.fits_since_s >= settle_s(m, r, cheapest=allowed.cheapest)
    if m.none(has_lasted):
        return has_lasted
    is_below = m.absent(r.setpoint_w) | (r.setpoint_w < target_w(m, r) - 1.0)
    planned = m.where(r.is_modulating & (r.never_off | (r.planned_w > 0)), is_below, False)  # noqa: FBT003
    planned = planned | (m.no(r.is_modulating) & (r.planned_w > 0))
    return has_lasted & (m.absent(r.planned_w) | planned | r.is_yellow)


def is_yellow_held(m: Arithmetic, r: Row) -> Flag:
    """Tell whether the load is yellow and will be let go by its timer, and control may do so."""
    return r.touchable & is_timed(m, r)


def is_unwished(m: Arithmetic, r: Row) -> Flag:
    """Tell whether no person has a wish for the load."""
    return m.no(r.has_hold)
