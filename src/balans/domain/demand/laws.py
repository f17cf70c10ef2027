"""The laws of load control, each written once, for one load or for many at the same time.

A law is a formula in what is known of a load: its *row*. For a small site a row is one load and its
values are numbers; for a large one it is a table of loads and its values are arrays of numpy. The
formula is the same, only `where`, `least` and `most` differ; these come as the first argument,
`ONE` or `MANY`. A value that is not there is NaN.
"""

from balans.domain.demand.arithmetic import Arithmetic, Flag, Row, Value
from balans.domain.demand.model import DAY_S, Observation

INFINITE = float("inf")
NAN = float("nan")
CYCLE_RUNS_W = 10.0
"""Above this a cycle runs: machines fill, rinse and soak with 3 to 5 % of their rated power, so a
share of it would take them for idle and cut them. Idle ones stand by with 0 to 4 W (six recorded
machines of tracebase)."""
RELIEF_SHARE = 0.05
"""A load that draws less than this share of its rated power stands by: no relief in it."""
FULL_SHARE = 0.8
"""A load that draws this share of its rated power may still be catching up.

The mains may be 10 % low (EN 50160), which takes 19 % off the power of a heater.
"""
SPARE_SHARE = 0.1
"""What a load that draws its whole rating counts as having to spare, in the long run."""
LONGEST_WAIT_S = float(DAY_S)
"""A green load without a deadline comes back after a day at the latest."""
GREEN_SETTLE_S = 900.0
"""Head-room must have lasted this long for green: by then every yellow load has come back."""
OVERLOAD_S = 900.0
"""How long an overload is reckoned with when loads are compared: the longest off time of yellow."""
NOT_DUE, DUE_BY_WISH, DUE_BY_TIMER, DUE_BY_DEADLINE = 0, 1, 2, 3
"""Why a load that is off must come back, as `due` tells it."""


# --- what is known of a load ---


def is_touchable(_m: Arithmetic, r: Row) -> Flag:
    """Control may switch the load at all."""
    return r.touchable


def rated_w(_m: Arithmetic, r: Row) -> Value:
    """Rated power [W]."""
    return r.rated_w


def is_free(m: Arithmetic, r: Row) -> Flag:
    """Tell whether nothing is held back, owed or wished."""
    return r.on & m.absent(r.setpoint_w) & (r.owed_wh <= 0) & m.no(r.has_hold)


def is_held(m: Arithmetic, r: Row) -> Flag:
    """Tell whether the load is off or held to a power, and control may change that."""
    return r.touchable & (m.no(r.on) | m.no(m.absent(r.setpoint_w)))


def is_owing(m: Arithmetic, r: Row) -> Flag:
    """Tell whether `demand_w` is a memory: the load owes energy, or is held to a power."""
    return (r.owed_wh > 0) | m.no(m.absent(r.setpoint_w))


def faded(m: Arithmetic, given_wh: Value, since_s: Value, time_s: float) -> Value:
    """Return what still counts of energy given up by `since_s`: half is forgotten in a day [Wh]."""
    return given_wh * m.exp2(m.least((since_s - time_s) / DAY_S, 0.0))


def remembered_wh(m: Arithmetic, r: Row, time_s: float) -> Value:
    """Return what still counts of the energy that the load has given up [Wh]."""
    return m.where(r.given_wh <= 0, 0.0, faded(m, r.given_wh, r.since_s, time_s))


def come_back_w(m: Arithmetic, r: Row) -> Value:
    """Return the power with which a load comes back once it is switched on [W].

    Deferred energy comes back at rated power; a load that forgives wants what it wanted before.
    A modulating load comes back at its least power and is raised from there.
    """
    switched = m.where(r.defers, r.rated_w, m.least(r.rated_w, r.demand_w))
    return m.where(r.is_modulating, m.most(r.min_w, 0.0), switched)


def drawn_w(m: Arithmetic, r: Row) -> Value:
    """Return what a load draws: measured, or guessed from its state without a meter [W]."""
    set_to = m.where(m.absent(r.setpoint_w), r.rated_w, r.setpoint_w)
    guess = m.where(r.on, set_to, 0.0)
    return m.where(m.absent(r.measured_w), guess, r.measured_w)


def rise_w(m: Arithmetic, r: Row) -> Value:
    """Return by how much more a yellow load that is held back draws when its timer ends [W].

    A modulating one is then let free, so as not to be held low for longer than it may be off.
    """
    freed = m.most(0.0, r.rated_w - m.where(r.on, r.setpoint_w, 0.0))
    return m.where(is_paced(m, r), freed, come_back_w(m, r))


TRACKED = ("owed_wh", "demand_w", "given_wh", "expected_w", "moved_w")


def tracked(m: Arithmetic, r: Row, seen: Observation) -> tuple[Value, ...]:
    """Return the columns `TRACKED` after the observed step.

    These are energy owed, demand, energy given, the power expected in the coming step, and by how
    much that is more than what was drawn in the last.

    A load that is off, or held, owes what it drew when it was last free. On again, it pays with
    what it draws beyond that, and is done as soon as it draws clearly less than it could.
    """
    drawn = drawn_w(m, r)
    settled = r.since_s <= seen.time_s - seen.step_s
    expected_w = drawn
    if not m.none(m.no(settled)):
        moved = m.where(r.on, m.most(come_back_w(m, r), drawn), 0.0)
        expected_w = m.where(settled, drawn, moved)
    counts = r.touchable & settled & m.no(is_free(m, r))
    if m.none(counts):
        return r.owed_wh, r.demand_w, r.given_wh, expected_w, expected_w - drawn
    hours, missing_w = seen.step_s / 3600, r.demand_w - drawn
    owed = m.where(r.defers, m.most(0.0, r.owed_wh + missing_w * hours), 0.0)
    ceiling_w = m.where(m.absent(r.setpoint_w), r.rated_w, r.setpoint_w)
    done = r.on & (drawn < FULL_SHARE * ceiling_w) & m.no(r.is_battery)
    owed_wh = m.where(counts, m.where(done, 0.0, owed), r.owed_wh)
    demand_w = m.where(counts & done, drawn, r.demand_w)
    given_wh = r.given_wh + m.where(counts, m.most(0.0, missing_w) * hours, 0.0)
    return owed_wh, demand_w, given_wh, expected_w, expected_w - drawn


# --- what must be ---


def is_paced(m: Arithmetic, r: Row) -> Flag:
    """Tell whether being held to a power counts as being off: yellow that is no battery."""
    return r.is_yellow & r.is_modulating & m.no(r.never_off)


def is_timed(m: Arithmetic, r: Row) -> Flag:
    """Tell whether a timer runs that will end what a yellow load is held to."""
    return r.is_yellow & (m.no(r.on) | (is_paced(m, r) & m.no(m.absent(r.setpoint_w))))


def held_since_s(m: Arithmetic, r: Row) -> Value:
    """Return since when a load has been held back without a break; infinite while it is not."""
    off = m.where(r.on & is_paced(m, r), INFINITE, r.since_s)
    return m.where(is_paced(m, r), m.least(off, r.low_since_s), off)


def free_since_s(m: Arithmetic, r: Row) -> Value:
    """Return since when a load that is on has not been held back."""
    return m.where(is_paced(m, r), m.most(r.since_s, r.freed_s), r.since_s)


def off_left_s(m: Arithmetic, r: Row, time_s: float) -> Value:
    """Return how long a load may still be off: the timer of yellow, the patience of green [s]."""
    gone_s = time_s - held_since_s(m, r)
    return m.where(r.is_yellow, r.max_off_s - gone_s, LONGEST_WAIT_S - gone_s)


def slack_s(m: Arithmetic, r: Row, owed_wh: Value, demand_w: Value, seen: Observation) -> Value:
    """Return how long catching up may still wait; infinite without deadline or owed energy [s].

    Notes
    -----
    ``time to the deadline - owed energy / spare power - one step``, since what is owed by the end
    of the coming step must also be drawn. Spare is what the rating leaves beside the demand, which
    goes on while the load catches up. Nobody sizes a load so that it has to run without a pause:
    one that draws its whole rating will stop wanting some time, and `SPARE_SHARE` of the rating
    counts as spare at least. The clock decides what the deadline is; on the one day a year on which
    it skips an hour, catching up begins up to that hour too late.
    """
    if m.none(r.has_deadline):
        return r.rated_w * 0.0 + INFINITE
    left_s = (r.deadline_s - seen.local_s) % DAY_S
    spare_w = m.most(r.rated_w - m.most(0.0, demand_w), SPARE_SHARE * r.rated_w)
    needed_s = m.where(spare_w > 0, owed_wh / m.most(spare_w, 1e-9) * 3600, INFINITE)
    return m.where(r.has_deadline & (owed_wh > 0), left_s - needed_s - seen.step_s, INFINITE)


def must_run(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether the load has to draw in the coming step to meet its deadline, or is past it."""
    if m.none(r.has_deadline):
        return r.has_deadline
    gone_s = (seen.local_s - r.deadline_s) % DAY_S
    overdue = r.has_deadline & (r.owed_wh > 0) & (r.since_s < seen.time_s - gone_s)
    return overdue | (slack_s(m, r, r.owed_wh, r.demand_w, seen) < seen.step_s)


def must_start(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a cycle that is held must be let go: its latest start is now, or past."""
    if m.none(r.starts_by):
        return r.starts_by
    left_s = (r.deadline_s - seen.local_s) % DAY_S
    gone_s = (seen.local_s - r.deadline_s) % DAY_S
    is_late = r.since_s < seen.time_s - gone_s
    return r.starts_by & m.no(r.on) & (is_late | (left_s < 2 * seen.step_s))


def can_wait(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a load that is on may stop for a step and still be done, or begin, in time."""
    if m.none(r.has_deadline | r.starts_by):
        return r.on
    left_s = (r.deadline_s - seen.local_s) % DAY_S
    owes = is_owing(m, r)
    demand_w = m.where(owes, r.demand_w, r.expected_w)
    owed_wh = r.owed_wh + m.most(0.0, demand_w) * seen.step_s / 3600
    in_time = slack_s(m, r, owed_wh, demand_w, seen) >= seen.step_s
    # At the deadline itself what is held back is for the next one.
    in_time = in_time | (m.no(owes) & (left_s == 0))
    starts_in_time = (left_s == 0) | (left_s >= 2 * seen.step_s)
    return m.where(r.starts_by, starts_in_time, m.no(r.has_deadline) | in_time)


def due(m: Arithmetic, r: Row, seen: Observation) -> Value:
    """Return why a load that is held, off or low, must be let go for the coming step.

    `NOT_DUE`: it need not. Yellow is held low for no longer than it may be off, so its timer comes
    before a wish: what comes back by a wish may still be held low.
    """
    is_over = off_left_s(m, r, seen.time_s) < seen.step_s
    yellow = m.where(r.is_yellow & is_over, DUE_BY_TIMER, NOT_DUE)
    late = is_over | must_run(m, r, seen) | must_start(m, r, seen)
    green = m.where(late & m.no(r.has_hold), DUE_BY_DEADLINE, NOT_DUE)
    wished = r.hold_on & (yellow == NOT_DUE)
    off = m.where(wished, DUE_BY_WISH, m.where(r.is_yellow, yellow, green))
    low = m.where(must_run(m, r, seen), DUE_BY_DEADLINE, NOT_DUE)
    low = m.where(is_timed(m, r) & is_over, DUE_BY_TIMER, low)
    return m.where(r.on, low, off)


# --- holding back ---


def may_stop(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether class and kind let the load be switched off for the coming step.

    One that came back has been on for its minimum on time, and for a whole step at least: without
    that a load with no minimum would be shed as soon as its timer has let it back.
    """
    least_on_s = m.most(r.min_on_s, seen.step_s)
    is_long_enough = seen.time_s - free_since_s(m, r) >= least_on_s
    is_running = r.is_cycle & (r.expected_w > CYCLE_RUNS_W)
    is_short = r.is_yellow & m.no(_has_time(m, r, seen))
    return r.touchable & r.on & is_long_enough & m.no(is_running | is_short | r.never_off)


def may_lower(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether the class lets a modulating load be held to a power for the coming step.

    For yellow that is a shed: as long as it may be off, and not before it was free for as long as
    it must be on.
    """
    least_on_s = m.most(r.min_on_s, seen.step_s)
    has_rested = seen.time_s - free_since_s(m, r) >= least_on_s
    is_low = m.no(m.absent(r.setpoint_w))
    return m.no(is_paced(m, r)) | ((is_low | has_rested) & _has_time(m, r, seen))


def _has_time(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether a yellow load that is on may be held back for a whole step."""
    left_s = m.where(is_paced(m, r), off_left_s(m, r, seen.time_s), r.max_off_s)
    return m.least(left_s, r.max_off_s) >= seen.step_s


def may_hold_back(m: Arithmetic, r: Row, seen: Observation) -> Flag:
    """Tell whether the load is on, and neither just back, nor wished on, nor needed on."""
    is_bound = r.returned | r.hold_on | must_run(m, r, seen)
    return r.touchable & r.on & m.no(is_bound) & can_wait(m, r, seen)


def reducible_w(m: Arithmetic, r: Row) -> Value:
    """Return the power that a modulating load can give up without being stopped [W]."""
    spare_w = m.most(0.0, r.expected_w - r.min_w)
    return m.where(r.is_modulating & m.no(r.is_production), spare_w, 0.0)


def gain(m: Arithmetic, relief_w: Value, over_w: Value) -> Value:
    """Return the share of the energy held back that is overload now (0..1)."""
    return m.least(1.0, over_w / m.most(relief_w, 1e-9))


def pays(_m: Arithmetic, won: Value, least: Value) -> Flag:
    """Tell whether shedding makes the day better.

    Notes
    -----
    Of each Wh held back, `won` (see `gain`) is overload avoided. Of what comes back, `least` (see
    `least_loss`) is overload in the best hour and 1 in the worst. Where a load cannot come back
    inside the limit, shedding pays only if the gain exceeds the middle of the two.
    """
    return (least <= 0) | (won >= (1 + least) / 2)


def least_loss(m: Arithmetic, r: Row, allowed_w: float, low_w: float | None) -> Value:
    """Return the share of deferred energy that is overload even in the quietest hour (0..1).

    Notes
    -----
    ``(rated + low - allowed) / rated``, between 0 and 1, with `low_w` the power of the rest of
    the site in its quietest hour. Not known yet: 0, hope is not given up before a day has passed.
    """
    if low_w is None or m.none(r.defers):
        return r.rated_w * 0.0
    share = (r.rated_w + low_w - allowed_w) / m.most(r.rated_w, 1e-9)
    return m.where(r.defers & (r.rated_w > 0), m.least(1.0, m.most(0.0, share)), 0.0)


def price_wh(m: Arithmetic, r: Row, seen: Observation) -> Value:
    """Return what stopping a load costs, to choose among those that would do [Wh].

    Notes
    -----
    ``given + recovery + handed on``: what it has given up already (fairness), what it draws above
    the relief while it must stay on at its return, and what others must give where its off time
    ends before an overload of `OVERLOAD_S` does.
    """
    recovery_w = m.where(r.defers, m.most(0.0, r.rated_w - r.expected_w), 0.0)
    short_s = m.where(r.is_yellow, m.most(0.0, OVERLOAD_S - r.max_off_s), 0.0)
    own_wh = m.where(m.absent(r.credit_wh), remembered_wh(m, r, seen.time_s), r.credit_wh)
    return own_wh + (recovery_w * r.min_on_s + r.expected_w * short_s) / 3600


# --- coming back ---


def fits(m: Arithmetic, r: Row, inner_w: Value, site_w: Value, least: Value) -> Flag:
    """Tell whether what comes back fits into the room of the nodes below the site, and of the site.

    A load that cannot come back inside the limit of the site (`least` above 0) is let in where at
    most half of what shedding it has gained beyond that would be lost again. One that is held
    to a power is raised where there is more than a trifle.
    """
    need_w = come_back_w(m, r)
    trifle_w = RELIEF_SHARE * r.rated_w
    excuse_w = m.where(least > 0, need_w * (least + r.gain) / 2, 0.0)
    returns = (need_w <= inner_w) & ((need_w <= site_w) | (need_w - site_w <= excuse_w))
    raises = m.least(inner_w, site_w) > trifle_w
    return m.where(r.on, raises, returns)


def settle_s(m: Arithmetic, r: Row, *, cheapest: bool) -> Value:
    """Return how long head-room must have lasted before a load may come back [s].

    It will be on for at least its minimum on time, so the past is asked for as long as that. One
    that the plan wants to run need not wait.
    """
    green = r.min_on_s if cheapest else m.most(GREEN_SETTLE_S, r.min_on_s)
    waits = m.where(r.is_green, green, r.min_on_s)
    return m.where(r.is_green & (r.planned_w > 0) & m.no(r.on), 0.0, waits)
