"""The planning problem as a mixed-integer linear programme in kW and kWh.

Two stages: the first slot, starts of cycles and slots of vehicles are the same in all scenarios;
all else may differ from scenario to scenario (recourse). For each slot t of h hours::

    buy - sell - charge + discharge = rest + sum of the loads
    soc[t] - soc[t-1] = h (eta charge - discharge / eta)
    buy - sell - excess <= limit
    mean of buy over an interval <= peak of its month
    bought so far + in the plan + later - over[b] <= above[b]

The mean over the scenarios of energy, tiers and peaks is least. What cannot be kept is paid for
dearly, so a plan always exists. Buying and selling at once is forbidden by a binary where it pays.
"""

import numpy as np

from balans.domain.demand.devices import Battery, Thermostat
from balans.domain.demand.plan.columns import Columns, at_most, early_price, most_kw
from balans.domain.demand.plan.linear import INFINITE, Ints, LinearModel
from balans.domain.demand.plan.problem import Month, Problem
from balans.domain.demand.plan.rows import add_device

LIMIT_PRICE = 100.0
"""Times the dearest price: a limit exceeded, per kWh. Limits come before all else."""
FLAT_SHARE = 0.005
"""Share of the price of a peak that a plan pays below what the month has reached: a flat course
leaves room for what is not foreseen."""
MONTH_H = 720.0
"""About as many hours as a month has."""
TINY = 1e-3
"""Share of the dearest price by which an hour is better, where all else is equal."""


def build(problem: Problem, tiny: float = TINY) -> Columns:
    """Return the programme of `problem`; with `tiny` 0 it prefers nothing among equal plans."""
    unit = max(float(np.max(np.abs(problem.buy))), 0.01)
    found = Columns(LinearModel(), tiny=tiny, unit=unit)
    _add_grid(problem, found)
    _add_tariff(problem, found)
    for name, device in problem.devices.items():
        add_device(problem, found, name, device)
    if problem.reserve_wh > 0 and problem.tariff.peak_price > 0:
        _add_reserve(problem, found)
    return found


def _add_grid(problem: Problem, found: Columns) -> None:
    scenarios, count = problem.rest_w.shape
    model, hours = found.model, problem.hours
    cost = problem.weight[:, None] * hours
    shape = (scenarios, count)
    early = early_price(problem, found)
    found.buy = model.columns(scenarios * count, (cost * (problem.buy + early)).ravel())
    found.sell = model.columns(scenarios * count, (-cost * (problem.sell - early)).ravel())
    found.buy, found.sell = found.buy.reshape(shape), found.sell.reshape(shape)
    found.balance = model.rows(
        scenarios * count, problem.rest_w.ravel() / 1000, problem.rest_w.ravel() / 1000
    ).reshape(shape)
    model.put(found.balance, found.buy, 1.0)
    model.put(found.balance, found.sell, -1.0)
    _forbid_both(problem, found)
    held = np.flatnonzero(np.isfinite(problem.limit_w))
    if len(held):
        excess = model.columns(
            scenarios * len(held), (cost[:, held] * LIMIT_PRICE * found.unit).ravel()
        ).reshape(scenarios, len(held))
        rows = model.rows(
            scenarios * len(held), -INFINITE, np.tile(problem.limit_w[held] / 1000, scenarios)
        ).reshape(scenarios, len(held))
        model.put(rows, found.buy[:, held], 1.0)
        model.put(rows, found.sell[:, held], -1.0)
        model.put(rows, excess, -1.0)
        found.slack["limit"] = excess


def _forbid_both(problem: Problem, found: Columns) -> None:
    """Let a binary say which of the two is done, where selling earns more than buying costs."""
    odd = np.flatnonzero(problem.sell > problem.buy)
    if not len(odd):
        return
    model, scenarios = found.model, len(problem.weight)
    most, found.other_whole = most_kw(problem), True
    buys = model.columns(scenarios * len(odd), upper=1.0, whole=True).reshape(scenarios, -1)
    at_most(model, found.buy[:, odd], buys, most, 0.0)
    at_most(model, found.sell[:, odd], buys, -most, most)


def _add_tariff(problem: Problem, found: Columns) -> None:
    for place, month in enumerate(problem.months):
        slots = np.flatnonzero(problem.month == place)
        if not len(slots):
            continue
        for block in problem.tariff.blocks:
            _add_block(problem, found, slots, block.extra, block.above_kwh - _counted(month))
        if problem.tariff.peak_price > 0:
            _add_peak(problem, found, place, slots)


def _counted(month: Month) -> float:
    return (month.bought_wh + month.later_wh) / 1000


def _add_block(
    problem: Problem, found: Columns, slots: Ints, extra: float, left_kwh: float
) -> None:
    model, scenarios = found.model, len(problem.weight)
    over = model.columns(scenarios, problem.weight * extra)
    rows = model.rows(scenarios, -INFINITE, left_kwh)
    model.put(rows[:, None], found.buy[:, slots], problem.hours[slots])
    model.put(rows, over, -1.0)


def _add_peak(problem: Problem, found: Columns, place: int, slots: Ints) -> None:
    model, scenarios = found.model, len(problem.weight)
    month, tariff = problem.months[place], problem.tariff
    least_kw = max(month.peak_w, month.floor_w) / 1000
    price = problem.weight * tariff.peak_price
    peak = model.columns(scenarios, FLAT_SHARE * price)
    over = model.columns(scenarios, (1 - FLAT_SHARE) * price)
    above = model.rows(scenarios, -INFINITE, least_kw)
    model.put(above, peak, 1.0)
    model.put(above, over, -1.0)
    found.level[f"peak {place}"] = peak
    numbers, row_of = np.unique(problem.interval[slots], return_inverse=True)
    used = np.where(numbers == problem.interval[0], problem.counted_wh / 1000, 0.0)
    upper = np.tile(-used / problem.interval_h, scenarios)
    rows = model.rows(scenarios * len(numbers), -INFINITE, upper).reshape(scenarios, -1)
    share = problem.hours[slots] / problem.interval_h
    model.put(rows[:, row_of], found.buy[:, slots], share)
    model.put(rows, np.broadcast_to(peak[:, None], rows.shape), -1.0)


def _add_reserve(problem: Problem, found: Columns) -> None:
    """Keep energy for what no scenario foresees: within a scenario all of it is foreseen.

    What is short of the reserve costs, for each hour, the price of a peak spread over the hours
    of a month: about once a month something unforeseen would meet it.
    """
    model, shape = found.model, problem.rest_w.shape
    price = problem.tariff.peak_price / MONTH_H
    cost = np.outer(problem.weight, problem.hours * price)
    # Where a surplus comes next that is greater, there is nothing to guard against, and room is
    # worth more.
    coming_w = problem.rest_w + sum(np.maximum(w, 0.0) for w in problem.demand_w.values())
    cost[:, :-1] *= coming_w[:, 1:] > -problem.reserve_wh
    cost[:, -1] = 0.0
    short = model.columns(cost.size, cost.ravel()).reshape(shape)
    least = problem.reserve_wh / 1000
    given: list[tuple[Ints, float]] = []
    for name, device in problem.devices.items():
        if isinstance(device, Battery):
            least += device.efficiency * device.min_soc_wh / 1000
            given.append((found.level[name], device.efficiency))
        elif isinstance(device, Thermostat):
            least -= device.behind_wh / 1000
            given.append((found.level[name], 1.0))
    rows = model.rows(cost.size, least, INFINITE).reshape(shape)
    model.put(rows, short, 1.0)
    for columns, factor in given:
        model.put(rows, columns, factor)
