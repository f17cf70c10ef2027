"""Whole numbers for a plan in little time: relax, round, fix, solve again.

What is whole in a plan is few and simple: when a cycle starts, and in which slots a vehicle
charges. The relaxed programme tells where they would like to be; with them fixed there, a second
linear programme gives the best plan around them, and the first the least any plan can cost. Only
if the two differ by more than `GAP` is the integer programme tried, from the plan found, for the
time that is left.
"""

import math

import numpy as np

from balans.domain.demand.plan.columns import Columns
from balans.domain.demand.plan.linear import Floats, Relaxed, Solved

GAP = 0.002
"""A plan this near to the best one is good enough: forecasts err by far more."""
IMPROVE_SHARE = 0.25
"""Share of the time limit that the integer programme may take to improve a plan."""


def solve_whole(
    found: Columns, time_limit_s: float, improve_s: float | None = None
) -> Solved | None:
    """Return the values of a good plan; None when none was found within `time_limit_s`.

    To improve a plan the integer programme has `improve_s` of it; None: `IMPROVE_SHARE`.
    """
    if not found.model.is_whole.any():
        return found.model.relaxed().solve(time_limit_s)
    relaxed = found.model.relaxed()
    bound = relaxed.solve(time_limit_s / 2)
    rounded = _round(found, relaxed, bound, time_limit_s / 2) if bound else None
    if bound and rounded and _is_near(rounded.cost, bound.cost):
        return rounded
    known = rounded.values if rounded else None
    improve_s = time_limit_s * IMPROVE_SHARE if improve_s is None else improve_s
    # Where nothing could be rounded it is the only way to a plan.
    improve_s = improve_s if rounded else time_limit_s / 2
    better = found.model.solve(improve_s, GAP, known)
    if better and rounded:
        return min(better, rounded, key=lambda one: one.cost)
    return better or rounded


def _is_near(cost: float, bound: float) -> bool:
    return cost - bound <= GAP * max(abs(bound), 1e-3)


def _round(found: Columns, relaxed: Relaxed, bound: Solved, time_limit_s: float) -> Solved | None:
    """Return the better of two ways to round: vehicles charge long and low, or where they like."""
    if found.other_whole:
        return None
    for begin in found.starts.values():
        chosen = np.zeros(len(begin))
        chosen[int(np.argmax(bound.values[begin]))] = 1.0
        relaxed.fix(begin, chosen)
    best: Solved | None = None
    for is_long in (True, False) if found.runs else (True,):
        for name, (runs, partly, power) in found.runs.items():
            wish = bound.values[power].mean(axis=0)
            chosen, last = _slots_to_run(wish, found.spans[name], is_long)
            relaxed.fix(runs, chosen)
            relaxed.fix(partly, last)
        tried = relaxed.solve(time_limit_s / 2)
        if tried and (best is None or tried.cost < best.cost):
            best = tried
    return best


def _slots_to_run(
    power: Floats,
    span: tuple[float, float, float],
    is_long: bool,  # noqa: FBT001
) -> tuple[Floats, Floats]:
    """Return 1.0 for the slots to charge in, those that wanted most, and for the one in part.

    `span` is the least power, the most, and the sum over slots that is due.
    """
    least, most, due = span
    fewest = math.ceil(due / most - 1e-9)
    # One slot may hold less than the least, hence one more.
    count = max(fewest, math.floor(due / least + 1e-9) + 1)
    if not is_long:
        count = min(count, max(fewest, int(np.count_nonzero(power > least / 2))))
    runs, partly = np.zeros(len(power)), np.zeros(len(power))
    chosen = np.argsort(-power, kind="stable")[:count]
    runs[chosen], partly[chosen[-1:]] = 1.0, 1.0
    return runs, partly
