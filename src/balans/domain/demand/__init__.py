"""Local demand management: which load is off, for how long, and why.

`decide` is the reflex of a site, `decide_tree` that of a tree of limits, `decide_guarded` the same
under the guards; `reflex` tells the theory of operation, `laws` its formulas. `limits` and
`timetable` say what is allowed now, `fairness` who has given up how much, `rating` what a load
really draws, `pulses` and `relay` stand in for a meter. `plant` is how a load that is held back
behaves in a replay, `overload` how excess is counted, `foresight` and `threshold` what control is
measured against.
"""

from balans.domain.demand.guards import Guard, caps_for, decide_guarded
from balans.domain.demand.limits import LimitTable
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
    Node,
    NodeView,
    Observation,
    Period,
    Proposal,
    Reason,
    Recover,
    Window,
    Zone,
)
from balans.domain.demand.reflex import Guidance, decide, decide_table, decide_tree, is_quiet
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet, StateTable
from balans.domain.demand.timetable import (
    Meters,
    Timetable,
    allowed_power,
    count_step,
    make_timetable,
    zone_at,
)
from balans.domain.demand.tree import Tree, make_tree

__all__ = [
    "Action",
    "Allowed",
    "Decision",
    "Fleet",
    "Guard",
    "Guidance",
    "Hold",
    "Limit",
    "LimitTable",
    "Load",
    "LoadKind",
    "LoadState",
    "LowestHour",
    "Meters",
    "Node",
    "NodeLimits",
    "NodeView",
    "Observation",
    "Period",
    "Proposal",
    "Reason",
    "Recover",
    "StateTable",
    "Timetable",
    "Tree",
    "Window",
    "Zone",
    "allowed_power",
    "caps_for",
    "count_step",
    "decide",
    "decide_guarded",
    "decide_table",
    "decide_tree",
    "is_quiet",
    "make_timetable",
    "make_tree",
    "zone_at",
]
