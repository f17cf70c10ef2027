"""From a problem to a plan, and from a plan to proposals for the reflex."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from balans.core.words import LoadClass
from balans.domain.demand.devices import Thermostat
from balans.domain.demand.model import Load, LoadKind, Proposal
from balans.domain.demand.plan.build import build
from balans.domain.demand.plan.columns import Columns
from balans.domain.demand.plan.linear import Floats, Solved
from balans.domain.demand.plan.problem import Problem
from balans.domain.demand.plan.result import Plan, PlannedLoad, PlanState, Unmet
from balans.domain.demand.plan.rounding import solve_whole
from balans.domain.demand.plan.unplanned import bill, unplanned_w

TIME_LIMIT_S = 5.0
"""A plan takes about half a second on a quiet machine, several on a small or busy one."""
IMPROVE_S = 0.25
"""What the integer programme may take of that, to improve a plan that is good already."""
TELLING_WH = 1.0
"""Less than this that is not met is rounding of the solver."""
QUIET_W = 1.0


def solve(
    problem: Problem, made_s: float, slot_s: float, time_limit_s: float = TIME_LIMIT_S
) -> Plan:
    """Return the cheapest plan of `problem`; a plan with state NONE when none was found in time."""
    found = build(problem)
    solved = solve_whole(found, time_limit_s, min(IMPROVE_S, time_limit_s / 4))
    if solved is None:
        return Plan(made_s, problem.start_s, slot_s, PlanState.NONE, "no plan found in time")
    unmet = _unmet(problem, found, solved)
    loads = tuple(_planned(problem, found, solved, name) for name in problem.devices)
    net_w = _site_w(found, solved)
    weight = problem.weight
    peaks = found.level.get("peak 0")
    plan = Plan(
        made_s,
        problem.start_s + 3600 * float(problem.hours[0]) - slot_s,
        slot_s,
        PlanState.RELAXED if unmet else PlanState.OPTIMAL,
        "; ".join(f"{item.what}: {item.energy_wh:.0f} Wh not met" for item in unmet),
        _rounded(problem.buy, 6),
        _rounded(weight @ net_w),
        _rounded(problem.limit_w),
        loads,
        peak_w=0.0 if peaks is None else _peak_w(problem, solved.values[peaks]),
        soc_wh=tuple(
            (name, _rounded(weight @ solved.values[found.level[name]] * 1000))
            for name in found.charge
        ),
        unmet=unmet,
    )
    left_wh = {
        name: solved.values[columns[:, -1]] * 1000
        for name, columns in found.level.items()
        if name in problem.devices
    }
    return _priced(problem, plan, net_w, left_wh)


def _priced(problem: Problem, plan: Plan, net_w: Floats, left_wh: Mapping[str, Floats]) -> Plan:
    without_w = problem.rest_w + sum(
        (unplanned_w(problem, name) for name in problem.devices), np.zeros(len(problem.hours))
    )
    return replace(
        plan,
        cost=round(bill(problem, net_w, left_wh), 6),
        cost_unplanned=round(bill(problem, without_w, {}), 6),
    )


def _peak_w(problem: Problem, peaks_kw: Floats) -> float:
    """Return the month's peak that is expected with the plan: no less than it is now [W]."""
    return float(problem.weight @ np.maximum(peaks_kw * 1000, problem.months[0].peak_w))


def _site_w(found: Columns, solved: Solved) -> Floats:
    net: Floats = (solved.values[found.buy] - solved.values[found.sell]) * 1000
    return net


def _unmet(problem: Problem, found: Columns, solved: Solved) -> tuple[Unmet, ...]:
    items = []
    for name, columns in found.slack.items():
        amount = problem.weight @ solved.values[columns]
        if name == "limit":
            amount = amount * problem.hours[np.isfinite(problem.limit_w)]
        # The slack of a comfort band is a level left, slot by slot, and not energy.
        is_band = isinstance(problem.devices.get(name), Thermostat)
        energy_wh = float(np.max(amount) if is_band else np.sum(amount)) * 1000
        if energy_wh > TELLING_WH:
            items.append(Unmet(name, round(energy_wh, 1)))
    return tuple(items)


def _planned(problem: Problem, found: Columns, solved: Solved, name: str) -> PlannedLoad:
    power_w = np.zeros(len(problem.hours))
    if name in found.power:
        columns, slots, share = found.power[name]
        power_w[slots] = problem.weight @ solved.values[columns] * share * 1000
    elif name in found.charge:
        flow = solved.values[found.charge[name]] - solved.values[found.discharge[name]]
        power_w = problem.weight @ flow * 1000
    without_w = unplanned_w(problem, name)
    return PlannedLoad(
        name, _rounded(power_w), _rounded(without_w), _deferred_to(problem, power_w, without_w)
    )


def _deferred_to(problem: Problem, power_w: Floats, without_w: Floats) -> float | None:
    """Return when half of what the plan puts off has been drawn after all."""
    behind_wh = np.cumsum((without_w - power_w) * problem.hours)
    if np.max(behind_wh, initial=0.0) <= TELLING_WH or not np.any(without_w > QUIET_W):
        return None
    most = int(np.argmax(behind_wh))
    later = np.flatnonzero(behind_wh[most:] <= behind_wh[most] / 2)
    return float(problem.begin_s[most + later[0]]) if len(later) else float(problem.end_s[-1])


def _rounded(values: Floats, digits: int = 2) -> tuple[float, ...]:
    # Adding 0.0 turns the -0.0 of the solver into 0.0.
    return tuple((np.round(values, digits) + 0.0).tolist())


def proposals(plan: Plan, loads: Iterable[Load], now_s: float) -> tuple[Proposal, ...]:
    """Return what `plan` proposes for the slot that `now_s` lies in; nothing once it is past.

    Yellow and red are never proposed off. A load that is to run freely gets no proposal.
    """
    if plan.state is PlanState.NONE:
        return ()
    slot = _slot_at(plan, now_s)
    found = []
    for load in loads:
        planned = plan.load(load.name)
        if slot is None or planned is None or not load.released:
            continue
        power_w = _proposed_w(load, planned.power_w[slot])
        if power_w is not None:
            until_s = _slot_end_s(plan, slot)
            found.append(Proposal(load.name, power_w, until_s))
    return tuple(found)


def _slot_at(plan: Plan, now_s: float) -> int | None:
    slot = int((now_s - plan.start_s) // plan.slot_s) if plan.slot_s > 0 else -1
    return slot if 0 <= slot < len(plan.expected_w) and now_s >= plan.made_s else None


def _slot_end_s(plan: Plan, slot: int) -> float:
    return plan.start_s + (slot + 1) * plan.slot_s


def _proposed_w(load: Load, power_w: float) -> float | None:
    """Return the power to propose; None leaves the load to itself."""
    if load.load_class is LoadClass.RED:
        return None
    if load.kind is LoadKind.MODULATING:
        if load.min_w < 0:
            return power_w
        if power_w <= QUIET_W:
            return 0.0 if load.load_class is LoadClass.GREEN else None
        return min(max(power_w, load.min_w), load.max_w)
    is_off = power_w <= QUIET_W and load.load_class is LoadClass.GREEN
    return 0.0 if is_off else None
