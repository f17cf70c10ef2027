"""What loads would draw without a plan, and what any power curve costs by the same tariff."""

from collections.abc import Mapping

import numpy as np

from balans.domain.demand.devices import Battery, Cycle, Device, Pump, Thermostat, Vehicle
from balans.domain.demand.plan.linear import Floats
from balans.domain.demand.plan.problem import (
    Problem,
    lead_per_kwh,
    owed_per_kwh,
    share_in,
    worth_per_kwh,
)
from balans.domain.demand.plan.rows import cycle_starts


def unplanned_w(problem: Problem, name: str) -> Floats:
    """Return what the load called `name` would draw by itself [W].

    A vehicle and a pump draw all they can from the start of their window until they have what
    they want, a thermostat what it wants once it has made up for what it is behind or ahead, a
    cycle starts at its earliest; a battery rests.
    """
    device = problem.devices[name]
    if isinstance(device, Vehicle):
        window = (device.arrival_s, device.departure_s)
        return _at_once(problem, device.energy_wh, device.max_w, window)
    if isinstance(device, Pump):
        window = (device.earliest_s, device.latest_s)
        return _at_once(problem, device.energy_wh, device.rated_w, window)
    if isinstance(device, Thermostat):
        drawn_w: Floats = problem.weight @ _as_wanted_w(problem, name, device)
        return drawn_w
    if isinstance(device, Cycle):
        power: Floats = cycle_starts(problem, device)[1][0] * 1000
        return power
    return np.zeros(len(problem.hours))


def _as_wanted_w(problem: Problem, name: str, warm: Thermostat) -> Floats:
    """Return what a thermostat draws by itself, by scenario: it catches up as fast as it can."""
    wanted_w = np.broadcast_to(problem.demand_w[name], problem.rest_w.shape)
    most_w = np.maximum(warm.rated_w, wanted_w)
    level_wh = np.full(len(wanted_w), warm.level_wh)
    power_w = np.zeros(wanted_w.shape)
    for slot, hours in enumerate(problem.hours.tolist()):
        level_wh = level_wh * (1 - warm.loss_per_h * hours)
        power_w[:, slot] = np.clip(wanted_w[:, slot] - level_wh / hours, 0.0, most_w[:, slot])
        level_wh = level_wh + (power_w[:, slot] - wanted_w[:, slot]) * hours
    return power_w


def _at_once(
    problem: Problem, energy_wh: float, most_w: float, window: tuple[float, float]
) -> Floats:
    most_wh = most_w * share_in(problem, *window) * problem.hours
    before_wh = np.concatenate(([0.0], np.cumsum(most_wh)[:-1]))
    power: Floats = np.clip(energy_wh - before_wh, 0.0, most_wh) / problem.hours
    return power


def bill(problem: Problem, net_w: Floats, left_wh: Mapping[str, Floats]) -> float:
    """Return the mean cost of `net_w` (scenarios x slots), as the tariff of `problem` bills it.

    Tiers and peaks are counted as the planner counts them. `left_wh` tells by scenario what is
    left at the end: in a battery, where more than now counts as worth and less as cost, and how
    far a thermostat is ahead, where a lead is worth something and what is owed costs more.
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
    for name, device in problem.devices.items():
        if name in left_wh:
            by_scenario = by_scenario - _worth(problem, device, left_wh[name] / 1000)
    return float(problem.weight @ by_scenario)


def _worth(problem: Problem, device: Device, left_kwh: Floats) -> Floats:
    """Return what is gained by what `device` holds at the end, by scenario."""
    if isinstance(device, Battery):
        return worth_per_kwh(problem, device) * (left_kwh - device.soc_wh / 1000)
    lead, owed = np.maximum(left_kwh, 0.0), np.maximum(-left_kwh, 0.0)
    return lead_per_kwh(problem) * lead - owed_per_kwh(problem) * owed


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
