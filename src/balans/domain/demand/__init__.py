"""Local demand management: which load is off, for how long, and why.

`decide` is the reflex of a site; `reflex` tells the theory of operation. `timetable` says what
is allowed now, `plant` how a load that is held back behaves in a replay, `overload` how excess
is counted, `foresight` and `threshold` what control is measured against.
"""

from balans.domain.demand.lowest_hour import LowestHour
from balans.domain.demand.model import (
    Action,
    Allowed,
    Decision,
    Hold,
    Limit,
    Load,
    LoadKind,
    LoadState,
    Observation,
    Reason,
    Recover,
    Window,
    Zone,
)
from balans.domain.demand.reflex import decide, is_quiet
from balans.domain.demand.timetable import (
    Meters,
    Timetable,
    allowed_power,
    count_step,
    make_timetable,
    zone_at,
)

__all__ = [
    "Action",
    "Allowed",
    "Decision",
    "Hold",
    "Limit",
    "Load",
    "LoadKind",
    "LoadState",
    "LowestHour",
    "Meters",
    "Observation",
    "Reason",
    "Recover",
    "Timetable",
    "Window",
    "Zone",
    "allowed_power",
    "count_step",
    "decide",
    "is_quiet",
    "make_timetable",
    "zone_at",
]
