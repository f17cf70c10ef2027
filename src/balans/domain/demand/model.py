"""Words of load control. Powers are W, energies Wh; consumption is positive, production negative.

Times are seconds of one steady clock (Unix seconds of the site); hours of the day are seconds
since local midnight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from balans.core.words import LimitSource, LoadClass

DAY_S = 86_400
YELLOW_OFF_MIN_S = 420
"""The shortest off time a yellow load must bear: 7 minutes."""
YELLOW_OFF_MAX_S = 900
"""The longest off time of any yellow load: 15 minutes."""
DAY_ZONE = "day"
"""Name of the tariff zone that holds where no other does."""
NEVER = float("-inf")


class Recover(StrEnum):
    """What becomes of energy that was not drawn."""

    DEFER = "defer"
    LOSE = "lose"


class LoadKind(StrEnum):
    """How a load can be held back."""

    SWITCH = "switch"
    MODULATING = "modulating"
    CYCLE = "cycle"
    """Runs a programme to its end: its start is delayed, it is never cut in the middle."""


class Period(StrEnum):
    """Over what a limit of energy counts: a local day or month, or one stretch of its hours."""

    DAY = "day"
    MONTH = "month"
    ZONE = "zone"


class Reason(StrEnum):
    """Why a load was switched or its power set."""

    OVER_LIMIT = "over_limit"
    NEAR_LIMIT = "near_limit"
    SENSOR_LOST = "sensor_lost"
    OPERATOR = "operator"
    OFF_TIME_USED_UP = "off_time_used_up"
    STAGGER = "stagger"
    DEADLINE = "deadline"
    HEADROOM_BACK = "headroom_back"
    NIGHT_ZONE = "night_zone"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Load:
    """A consumer and how far control may go with it.

    `max_off_s` holds for yellow, off or held to a power, `deadline_s` (seconds since local
    midnight) for green; for a cycle it is the latest start. `min_w` holds for modulating loads:
    below it they can only be stopped; a battery has a negative one, the power with which it
    discharges, and is never stopped. `node` is the node of the limit tree that the load hangs
    from, "" the site itself; `phases` are the phases (1..3) it draws from in equal parts, empty
    when not known. `released` tells the owner's consent: without it the load is never touched,
    nor is a `protected` one, such as the supply of the controller itself.
    """

    name: str
    load_class: LoadClass
    rated_w: float
    max_off_s: float = YELLOW_OFF_MAX_S
    min_on_s: float = 300.0
    recover: Recover = Recover.DEFER
    kind: LoadKind = LoadKind.SWITCH
    min_w: float = 0.0
    max_w: float = 0.0
    deadline_s: int | None = None
    node: str = ""
    phases: tuple[int, ...] = ()
    released: bool = True
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day [from_s, to_s); past midnight when `to_s` <= `from_s`."""

    from_s: int
    to_s: int

    def holds(self, local_s: float) -> bool:
        """Tell whether the second of the day `local_s` lies inside.

        >>> Window(23 * 3600, 7 * 3600).holds(3600)
        True
        """
        if self.from_s < self.to_s:
            return self.from_s <= local_s < self.to_s
        return local_s >= self.from_s or local_s < self.to_s


@dataclass(frozen=True, slots=True)
class Zone:
    """A tariff zone; without a window it is the rest of the day. `price` is per kWh."""

    name: str
    price: Decimal
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """Power not to be exceeded: at every step, or as a mean over a clock-aligned interval.

    It holds where both `zone` and `window` hold; None means always. 0 W means 0 W. `node` is the
    node of the limit tree it holds at, "" the site itself. `phase_a` limits the current of each
    phase; then `limit_w` may be infinite. `energy_wh` limits the energy of each `period`: once it
    is used up 0 W is allowed for the rest of it. `follows_peak` lets the mean of an interval rise
    to the month's highest so far, which is paid for anyway; `limit_w` is then the least allowed.
    """

    name: str
    limit_w: float
    source: LimitSource = LimitSource.OPERATOR
    interval_s: int = 0
    zone: str | None = None
    window: Window | None = None
    node: str = ""
    phase_a: float | None = None
    energy_wh: float | None = None
    period: Period = Period.DAY
    follows_peak: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A place with limits: transformer, building, riser, flat, circuit. The site itself is ""."""

    name: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the planner would like of one load until `until_s`; the reflex decides.

    0 W: held off (green only; yellow and red are never planned off). Else the power a modulating
    load, a vehicle or a battery (negative: discharge) should be held to.
    """

    load: str
    power_w: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Allowed:
    """The power allowed now, the limit that says so, and whether energy is at its cheapest.

    `power_w` is infinite, and `limit` empty, where no limit applies. `has_memory` tells a limit on
    a mean or on energy: what is over in one step can be made up for in the next.
    """

    power_w: float
    limit: str = ""
    cheapest: bool = False
    has_memory: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """A person's wish for one load until `until_s`: kept off, or kept from being shed."""

    on: bool
    until_s: float


@dataclass(frozen=True, slots=True)
class LoadState:
    """What control knows of one load.

    on
        Its contact, as last commanded or reported.
    since_s
        When it was last switched.
    setpoint_w
        The power it is held to; None: free.
    demand_w
        What it drew when it was last free and owed nothing.
    owed_wh
        Energy held back and not yet drawn, an estimate.
    gain
        Share of the energy held back that would have been overload when it was shed (0..1).
    fits_since_s
        Since when what comes back would fit without a break; infinite: it does not fit now.
    given_wh
        Energy given up in the past, fading by half each day: the rotation's memory.
    low_since_s
        Since when a modulating load has been held back without a break, to a power or, before or
        after that, off; infinite: its power is free.
    freed_s
        When a modulating load was last let free of that.
    """

    on: bool = True
    since_s: float = NEVER
    setpoint_w: float | None = None
    demand_w: float = 0.0
    owed_wh: float = 0.0
    gain: float = 1.0
    fits_since_s: float = float("inf")
    given_wh: float = 0.0
    hold: Hold | None = None
    low_since_s: float = float("inf")
    freed_s: float = NEVER

    @property
    def free(self) -> bool:
        """Whether nothing is held back, owed or wished: control need not look at it."""
        return self.on and self.setpoint_w is None and self.owed_wh <= 0 and self.hold is None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was measured over the step before `time_s`, the start of the coming step.

    `site_w` is None when the sensor is lost or stale. `load_w` holds the mean power drawn by
    each load, in the order of the loads; None where a load has no meter of its own.
    `low_w` is what the site drew besides its loads in the quietest hour of the last day
    (`lowest_hour.LowestHour`), None before a day has been seen. `unrest_w` is the spread of the
    change of that from step to step (`unrest.Unrest`); while it is None no margin is kept for it.

    `node_w` holds the power of the nodes that have a meter, by name, None where it is silent; a
    node without one counts as the sum of what hangs from it. `phase_a` holds currents per phase
    (negative: fed back), by name of the node, "" the site; where they are not measured they
    are estimated from powers at 230 V.
    """

    time_s: float
    step_s: float
    local_s: float
    site_w: float | None
    load_w: tuple[float | None, ...]
    low_w: float | None = None
    unrest_w: float | None = None
    node_w: Mapping[str, float | None] = field(default_factory=dict)
    phase_a: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """One switching: what, why, the limit that bound and its node, and the change expected [W]."""

    load: str
    on: bool
    setpoint_w: float | None
    reason: Reason
    limit: str
    effect_w: float
    node: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node after a pass: power expected, allowed, and left [W], the limit, and phases [A].

    Each is None where nothing was measured or no limit holds.
    """

    name: str
    power_w: float | None
    allowed_w: float | None
    headroom_w: float | None
    limit: str = ""
    phase_a: tuple[float | None, ...] = ()
    phase_limit_a: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do for the coming step. `headroom_w` is what is left at the site after the actions.

    `nodes` shows each node of a tree, parents first.
    """

    actions: tuple[Action, ...]
    allowed_w: float
    headroom_w: float
    limit: str
    over_w: float
    nodes: Sequence[NodeView] = ()
