"""The reflex: from what was measured over the last step to what each load does in the next.

Theory of operation
-------------------
One pass runs at the start of every step, in this order, on an estimate of the power of the
coming step (what the sensors showed, corrected for loads switched in the middle of the step):

1. *Track*: each load that is off or catching up is debited or credited with energy.
2. *Must*: loads whose off time would end within the step come back, whatever the limit says; so
   do loads that need every second left to meet a deadline, and loads a person wants on.
3. *Wish*: loads that a person wants off are shed, then those that the plan wants off or lower.
4. *Over*: where the estimate exceeds what is allowed, from the leaves of the tree up to the site,
   loads are reduced or shed until it does not: batteries give first, green goes before yellow, the
   fewest that suffice, turn by turn (`relief`). A lost sensor counts as overload.
5. *Back*: loads come back whose full power fits into head-room that has lasted, at every node
   from their own up to the site and on every phase they draw from (`restore`).

What keeps the rebound small is 5. Deferred energy comes back at rated power for as long as the
load has to stay on, so a dip of one minute in the rest of the site is no place for it. The
head-room must have lasted as long as the load will at least stay on (`laws.settle_s`).

==========  ======================  =====================================================
state       leaves by               when
==========  ======================  =====================================================
on, free    shed                    over the limit, draws, on for at least `min_on_s`
on, owes    shed                    the same; green not while a deadline needs it
on, owes    on, free                draws clearly less than it could: it has caught up
off         back (must)             off time used up, deadline, wish of a person, release
off         back (may)              fits, and has fitted for `settle_s`
held low    raised, free            the same, up to the head-room
==========  ======================  =====================================================

Red has no row, nor has a load that its owner has not released: they are never touched. The pass
is a pure function: the same inputs give the same decision, and nothing but its arguments is known
to it. A site without a tree is a tree of one node, and ten loads are decided on by the same laws
as ten thousand: only how many are looked at in one go differs (`rows`, `table`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from balans.domain.demand import laws, moves
from balans.domain.demand.laws import NAN
from balans.domain.demand.model import (
    Allowed,
    Decision,
    Load,
    LoadState,
    Observation,
    Proposal,
    Reason,
)
from balans.domain.demand.relief import relieve
from balans.domain.demand.restore import (
    bring_back_due,
    bring_back_willing,
    release_early,
    watch_fit,
)
from balans.domain.demand.rooms import NodeLimits, site_only
from balans.domain.demand.rows import Few, Index
from balans.domain.demand.table import Fleet, StateTable, Table
from balans.domain.demand.unrest import MOST_SPREADS
from balans.domain.demand.work import Work, as_list

MANY_LOADS = 100
"""From this many loads on a table of arrays is faster than single rows."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a pass is told beside limits and measurements; all of it may be left out.

    proposals
        What the planner would like; what has expired is no plan.
    credit_wh
        By load what counts as given up when it is chosen (`fairness`); without it the pass
        goes by the memory of each load.
    budget
        How many loads may still be switched by choice in this pass (`guards`).
    futile
        Nodes at which shedding does not move the meter: nothing is shed for them (`guards`).
    """

    proposals: Sequence[Proposal] = ()
    credit_wh: Mapping[str, float] = field(default_factory=dict)
    budget: float = laws.INFINITE
    futile: frozenset[str] = frozenset()


NO_GUIDANCE = Guidance()


def is_quiet(states: Sequence[LoadState]) -> bool:
    """Tell whether every load is free: inside the limit there is then nothing to decide."""
    return all(state.free for state in states)


def decide(
    loads: Sequence[Load],
    states: Sequence[LoadState],
    observation: Observation,
    allowed: Allowed,
    guidance: Guidance = NO_GUIDANCE,
) -> tuple[tuple[LoadState, ...], Decision]:
    """Return the states for the coming step and what to switch, with reasons, at a single node.

    Parameters
    ----------
    loads, states
        The loads of the site and what is known of each, in the same order.
    observation
        The step before; ``observation.time_s`` is the start of the coming step.
    allowed
        The power allowed in the coming step (`timetable.allowed_power`).

    Notes
    -----
    Quiet states inside the limit come back unchanged, so a caller may skip such steps.
    """
    site_w = observation.site_w
    if site_w is not None and not guidance.proposals and is_quiet(states):
        headroom_w = allowed.power_w - site_w
        if headroom_w >= MOST_SPREADS * (observation.unrest_w or 0.0):
            return tuple(states), Decision((), allowed.power_w, headroom_w, allowed.limit, 0.0)
    limits = site_only(allowed)
    rows = Few(loads, states, [0] * len(loads), observation.time_s, with_phases=False)
    decision = _run(Work(loads, rows, observation, limits), guidance)
    return rows.states_after(), decision


def decide_tree(
    fleet: Fleet,
    states: Sequence[LoadState],
    observation: Observation,
    limits: NodeLimits,
    guidance: Guidance = NO_GUIDANCE,
) -> tuple[tuple[LoadState, ...], Decision]:
    """Return the states for the coming step and what to switch, on a tree of limits.

    Parameters
    ----------
    fleet
        The loads and their tree.
    states
        What is known of each load, in the order of the fleet.
    observation
        The step before; ``observation.time_s`` is the start of the coming step.
    limits
        What is allowed at each node in the coming step (`limits.LimitTable.allowed`).
    """
    if len(fleet) >= MANY_LOADS:
        after, decision = decide_table(fleet, StateTable.of(states), observation, limits, guidance)
        return after.states(), decision
    rows = Few(
        fleet.loads,
        states,
        fleet.nodes,
        observation.time_s,
        with_phases=bool(limits.phase_a),
    )
    decision = _run(Work(fleet.loads, rows, observation, limits), guidance)
    return rows.states_after(), decision


def decide_table(
    fleet: Fleet,
    states: StateTable,
    observation: Observation,
    limits: NodeLimits,
    guidance: Guidance = NO_GUIDANCE,
) -> tuple[StateTable, Decision]:
    """Return what `decide_tree` does, with the states kept as arrays from step to step."""
    rows = Table(fleet, states, observation.time_s, with_phases=bool(limits.phase_a))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        decision = _run(Work(fleet.loads, rows, observation, limits), guidance)
    return rows.states_after(), decision


def _run(work: Work, guidance: Guidance) -> Decision:
    """Go through the stages of a pass."""
    _take_guidance(work, guidance)
    work.track()
    bring_back_due(work)
    _obey_wishes(work)
    _follow_plan(work, guidance)
    work.look_for_overload()
    work.keep_margin()
    relieve(work)
    watch_fit(work)
    release_early(work)
    bring_back_willing(work)
    work.give_margin_back()
    return work.decision()


def _take_guidance(work: Work, guidance: Guidance) -> None:
    rows, seen = work.rows, work.seen
    measured = [NAN if power is None else power for power in seen.load_w]
    rows.put("measured_w", rows.all, measured)
    work.budget = guidance.budget
    if guidance.futile:
        numbers = work.tree.numbers
        work.futile = frozenset(numbers[name] for name in guidance.futile if name in numbers)
    if guidance.credit_wh:
        credit = [guidance.credit_wh.get(load.name, 0.0) for load in work.loads]
        rows.put("credit_wh", rows.all, credit)
    plan = {item.load: item.power_w for item in guidance.proposals if item.until_s > seen.time_s}
    if plan:
        rows.put("planned_w", rows.all, [plan.get(load.name, NAN) for load in work.loads])


def _obey_wishes(work: Work) -> None:
    """Switch off what a person wants off, within the rules of its class."""
    rows = work.rows
    if rows.any_hold:
        _stop_all(work, rows.where(moves.unwanted, rows.all, work.seen), Reason.OPERATOR)


def _follow_plan(work: Work, guidance: Guidance) -> None:
    """Hold off, or to a power, what the planner wants held."""
    if not guidance.proposals:
        return
    rows, seen = work.rows, work.seen
    _stop_all(work, rows.where(moves.planned_off, rows.all, seen), Reason.PLAN)
    low = rows.where(moves.planned_low, rows.all, seen)
    if len(low):
        nodes = [rows.node(number) for number in as_list(low)]
        work.lower(low, as_list(rows.each(moves.target_w, low)), Reason.PLAN, nodes)


def _stop_all(work: Work, index: Index, reason: Reason) -> None:
    numbers = as_list(index)
    if numbers:
        nodes = [work.rows.node(number) for number in numbers]
        work.stop(index, [1.0] * len(numbers), reason, nodes)
