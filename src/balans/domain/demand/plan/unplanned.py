"""What loads would draw without a plan, and what any power curve costs by the same tariff."""

from collections.abc import Mapping

import numpy as np

from balans.domain.demand.devices import Battery, Cycle, Pump, Thermostat, Vehicle
from balans.domain.demand.plan.linear import Floats
from balans.domain.demand.plan.problem import Problem, share_in, worth_per_kwh
from balans.domain.demand.plan.rows import cycle_starts


def unplanned_w(problem: Problem, name: str) -> Floats:
    """Return what the load called `name` would draw by itself [W].

    A vehicle and a pump draw all they can from the start of their window until they have what
    they want, a thermostat what it wants, a cycle starts at its earliest; a battery rests.
    """
    device = problem.devices[name]
    if isinstance(device, Vehicle):
        window = (device.arrival_s, device.departure_s)
        return _at_once(problem, device.energy_wh, device.max_w, window)
    if isinstance(device, Pump):
        window = (device.earliest_s, device.latest_s)
        return _at_once(problem, device.energy_wh, device.rated_w, window)
    if isinstance(device, Thermostat):
        wanted_w = np.asarray(problem.demand_w[name], dtype=np.float64)
        return np.asarray(problem.weight @ np.broadcast_to(wanted_w, problem.rest_w.shape))
    if isinstance(device, Cycle):
        power: Floats = cycle_starts(problem, device)[1][0] * 1000
        return power
    return np.zeros(len(problem.hours))


def _at_once(
    problem: Problem, energy_wh: float, most_w: float, window: tuple[float, float]
) -> Floats:
    most_wh = most_w * share_in(problem, *window) * problem.hours
    before_wh = np.concatenate(([0.0], np.cumsum(most_wh)[:-1]))
    power: Floats = np.clip(energy_wh - before_wh, 0.0, most_wh) / problem.hours
    return power


def bill(problem: Problem, net_w: Floats, left_wh: Mapping[str, float]) -> float:
    """Return the mean cost of `net_w` (scenarios x slots), as the tariff of `problem` bills it.

    Tiers and peaks are counted as the planner counts them. `left_wh` is what is left in the
    batteries at the end; what is more than now counts as worth, what is less as cost.
    """
    buy_kw, sell_kw = np.maximum(net_w, 0.0) / 1000, np.maximum(-net_w, 0.0) / 1000
    by_scenario = (buy_kw * problem.buy - sell_kw * problem.sell) @ problem.hours
    for place, month in enumerate(problem.months):
        slots = problem.month == place
        if not slots.any():
            continue
        bought = buy_kw[:, slots] @ problem.hours[slots]
        counted = (month.bought_wh + month.later_wh) / 1000
        for block in problem.tariff.blocks:
            before = max(0.0, counted - block.above_kwh)
            over = np.maximum(0.0, bought + counted - block.above_kwh) - before
            by_scenario = by_scenario + block.extra * over
        by_scenario = by_scenario + _peak_cost(problem, place, buy_kw, slots)
    worth = sum(
        worth_per_kwh(problem, device) * (left_wh[name] - device.soc_wh) / 1000
        for name, device in problem.devices.items()
        if isinstance(device, Battery) and name in left_wh
    )
    return float(problem.weight @ by_scenario) - worth


def _peak_cost(
    problem: Problem, place: int, buy_kw: Floats, slots: np.typing.NDArray[np.bool_]
) -> Floats:
    """Return what the plan's intervals add to the price of the month's peak, by scenario."""
    tariff, month = problem.tariff, problem.months[place]
    if tariff.peak_price <= 0:
        return np.zeros(len(buy_kw))
    sunk_kw = max(month.peak_w, month.floor_w) / 1000
    numbers, row_of = np.unique(problem.interval[slots], return_inverse=True)
    energy = np.zeros((len(buy_kw), len(numbers)))
    np.add.at(energy.T, row_of, (buy_kw[:, slots] * problem.hours[slots]).T)
    energy[:, numbers == problem.interval[0]] += problem.counted_wh / 1000
    peak = np.maximum(energy.max(axis=1) / problem.interval_h, sunk_kw)
    cost: Floats = tariff.peak_price * (peak - sunk_kw)
    return cost
