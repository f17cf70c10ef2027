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

from dataclasses import dataclass, field

import numpy as np

from balans.core.words import LoadClass
from balans.domain.demand.devices import (
    Battery,
    Cycle,
    Device,
    Production,
    Pump,
    Thermostat,
    Vehicle,
)
from balans.domain.demand.plan.linear import INFINITE, Floats, Ints, LinearModel
from balans.domain.demand.plan.problem import Month, Problem, share_in, worth_per_kwh

LIMIT_PRICE = 100.0
"""Times the dearest price: a limit exceeded, per kWh. Limits come before all else."""
UNMET_PRICE = 30.0
"""Times the dearest price: a vehicle, pump or comfort band not served, per kWh."""
LONG_H = 1.0
"""In a slot this long a charger can run for part of it, so its mean may be below the least."""
TINY = 1e-3
"""Share of the dearest price by which an hour is better, where all else is equal."""


@dataclass(slots=True)
class Columns:
    """Where the columns of interest stand; `battery` and `grid` have shape (scenarios, slots)."""

    model: LinearModel
    power: dict[str, tuple[Ints, Ints, Floats]] = field(default_factory=dict)
    buy: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    sell: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    charge: dict[str, Ints] = field(default_factory=dict)
    discharge: dict[str, Ints] = field(default_factory=dict)
    level: dict[str, Ints] = field(default_factory=dict)
    slack: dict[str, Ints] = field(default_factory=dict)
    starts: dict[str, Ints] = field(default_factory=dict)
    runs: dict[str, tuple[Ints, Ints, Ints]] = field(default_factory=dict)
    spans: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    other_whole: bool = False
    tiny: float = 0.0
    balance: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    unit: float = 1.0


def build(problem: Problem, tiny: float = TINY) -> Columns:
    """Return the programme of `problem`; with `tiny` 0 it prefers nothing among equal plans."""
    unit = max(float(np.max(np.abs(problem.buy))), 0.01)
    found = Columns(LinearModel(), tiny=tiny, unit=unit)
    _add_grid(problem, found)
    _add_tariff(problem, found)
    for name, device in problem.devices.items():
        _add_device(problem, found, name, device)
    return found


def _add_device(problem: Problem, found: Columns, name: str, device: Device) -> None:
    match device:
        case Battery():
            _add_battery(problem, found, name, device)
        case Vehicle():
            _add_vehicle(problem, found, name, device)
        case Pump():
            _add_pump(problem, found, name, device)
        case Thermostat():
            _add_thermostat(problem, found, name, device)
        case Cycle():
            _add_cycle(problem, found, name, device)
        case Production():
            _add_production(problem, found, name, device)


def _add_grid(problem: Problem, found: Columns) -> None:
    scenarios, count = problem.rest_w.shape
    model, hours = found.model, problem.hours
    cost = problem.weight[:, None] * hours
    shape = (scenarios, count)
    found.buy = model.columns(scenarios * count, (cost * problem.buy).ravel()).reshape(shape)
    found.sell = model.columns(scenarios * count, (-cost * problem.sell).ravel()).reshape(shape)
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
    most, found.other_whole = _most_kw(problem), True
    buys = model.columns(scenarios * len(odd), upper=1.0, whole=True).reshape(scenarios, -1)
    _at_most(model, found.buy[:, odd], buys, most, 0.0)
    _at_most(model, found.sell[:, odd], buys, -most, most)


def _at_most(model: LinearModel, column: Ints, binary: Ints, factor: float, top: float) -> None:
    """``column <= factor * binary + top``, element by element."""
    rows = model.rows(column.size, -INFINITE, top).reshape(column.shape)
    model.put(rows, column, 1.0)
    model.put(rows, binary, -factor)


def _most_kw(problem: Problem) -> float:
    """Return more than the site could ever draw or yield in a slot [kW]."""
    most = float(np.max(np.abs(problem.rest_w), initial=0.0))
    for name, device in problem.devices.items():
        most += float(np.max(problem.demand_w.get(name, 0.0), initial=0.0))
        if isinstance(device, Battery):
            most += max(device.charge_w, device.discharge_w)
        else:
            most += device.load(name, LoadClass.GREEN).rated_w
    return most / 1000 + 1.0


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
    peak = model.columns(scenarios, problem.weight * tariff.peak_price, lower=least_kw)
    found.level[f"peak {place}"] = peak
    numbers, row_of = np.unique(problem.interval[slots], return_inverse=True)
    used = np.where(numbers == problem.interval[0], problem.counted_wh / 1000, 0.0)
    upper = np.tile(-used / problem.interval_h, scenarios)
    rows = model.rows(scenarios * len(numbers), -INFINITE, upper).reshape(scenarios, -1)
    share = problem.hours[slots] / problem.interval_h
    model.put(rows[:, row_of], found.buy[:, slots], share)
    model.put(rows, np.broadcast_to(peak[:, None], rows.shape), -1.0)


# --- devices ---


def _join(found: Columns, name: str, power: Ints, slots: Ints, share: Floats) -> None:
    """Let a load draw `share` of the power in `power` (scenarios x slots) at `slots`."""
    found.power[name] = (power, slots, share)
    found.model.put(found.balance[:, slots], power, -share)


def _powers(problem: Problem, found: Columns, slots: Ints, share: Floats, most: Floats) -> Ints:
    """Add a power for each scenario and slot, one for all scenarios in the plan's first slot."""
    scenarios, count = len(problem.weight), len(slots)
    cost = problem.weight[:, None] * (_when(problem, found)[slots] * share)
    upper = np.broadcast_to(most, (scenarios, count))
    power = found.model.columns(scenarios * count, cost.ravel(), upper.ravel())
    power = power.reshape(scenarios, count)
    if count and slots[0] == 0:
        power[:, 0] = power[0, 0]
    return power


def _when(problem: Problem, found: Columns) -> Floats:
    """Return a tiny price of drawing in each slot, so that of equal plans the better is taken.

    Where the site may have a surplus, waiting is better, for the sun may come; else sooner is.
    """
    since_h = np.concatenate(([0.0], np.cumsum(problem.hours)[:-1]))
    if np.any(problem.rest_w < 0):
        since_h = since_h[-1] - since_h
    return found.tiny * found.unit * since_h * problem.hours


def _add_battery(problem: Problem, found: Columns, name: str, battery: Battery) -> None:
    model, hours = found.model, problem.hours
    scenarios, count = shape = problem.rest_w.shape
    wear = np.tile(found.tiny * found.unit * hours, scenarios)
    charge = model.columns(scenarios * count, wear, battery.charge_w / 1000).reshape(shape)
    discharge = model.columns(scenarios * count, wear, battery.discharge_w / 1000).reshape(shape)
    low_kwh = min(battery.min_soc_wh, battery.soc_wh) / 1000
    # Where a surplus may come, room for it is worth a little more than what fills it.
    room = found.tiny * found.unit * hours * np.any(problem.rest_w < 0)
    worth = np.outer(problem.weight, room)
    worth[:, -1] -= problem.weight * worth_per_kwh(problem, battery)
    top_kwh = max(battery.capacity_wh, battery.soc_wh) / 1000
    soc = model.columns(scenarios * count, worth.ravel(), top_kwh, low_kwh).reshape(shape)
    first = np.zeros(shape)
    first[:, 0] = battery.soc_wh / 1000
    rows = model.rows(scenarios * count, first.ravel(), first.ravel()).reshape(shape)
    model.put(rows, soc, 1.0)
    model.put(rows[:, 1:], soc[:, :-1], -1.0)
    model.put(rows, charge, -hours * battery.efficiency)
    model.put(rows, discharge, hours / battery.efficiency)
    model.put(found.balance, charge, -1.0)
    model.put(found.balance, discharge, 1.0)
    found.charge[name], found.discharge[name], found.level[name] = charge, discharge, soc
    if not problem.now_known and scenarios > 1:
        for column in (charge, discharge):
            same = model.rows(scenarios - 1, 0.0, 0.0)
            model.put(same, column[1:, 0], 1.0)
            model.put(same, column[:1, 0].repeat(scenarios - 1), -1.0)
    odd = np.flatnonzero(np.minimum(problem.buy, problem.sell) < 0)
    if len(odd):
        found.other_whole = True
        charges = model.columns(scenarios * len(odd), upper=1.0, whole=True)
        charges = charges.reshape(scenarios, -1)
        _at_most(model, charge[:, odd], charges, battery.charge_w / 1000, 0.0)
        top = battery.discharge_w / 1000
        _at_most(model, discharge[:, odd], charges, -top, top)


def _add_vehicle(problem: Problem, found: Columns, name: str, vehicle: Vehicle) -> None:
    share = share_in(problem, vehicle.arrival_s, vehicle.departure_s)
    due_wh = _due_wh(problem, vehicle.energy_wh, vehicle.max_w * share, vehicle.departure_s)
    _add_task(problem, found, name, (vehicle.min_w, vehicle.max_w, due_wh), share)


def _add_pump(problem: Problem, found: Columns, name: str, pump: Pump) -> None:
    share = share_in(problem, pump.earliest_s, pump.latest_s)
    due_wh = _due_wh(problem, pump.energy_wh, pump.rated_w * share, pump.latest_s)
    _add_task(problem, found, name, (0.0, pump.rated_w, due_wh), share)


def _due_wh(problem: Problem, energy_wh: float, most_w: Floats, until_s: float) -> float:
    """Return what must be drawn within the plan; the plan's end counts as an end of the window.

    What cannot be drawn by then, though it can later, is no failure.
    """
    most_wh = float(most_w @ problem.hours)
    return energy_wh if until_s <= problem.end_s[-1] else min(energy_wh, most_wh)


def _add_task(
    problem: Problem, found: Columns, name: str, need: tuple[float, float, float], share: Floats
) -> None:
    """Add a load that must draw energy within a window, at no less than its least power.

    One slot in all may hold less: charging ends within it.
    """
    (least, most, due), model = (value / 1000 for value in need), found.model
    slots = np.flatnonzero(share > 0)
    share = share[slots]
    power = _powers(problem, found, slots, share, np.full(len(slots), most))
    _join(found, name, power, slots, share)
    scenarios = len(problem.weight)
    unmet = model.columns(scenarios, problem.weight * UNMET_PRICE * found.unit, due)
    rows = model.rows(scenarios, due, due)
    model.put(rows[:, None], power, problem.hours[slots] * share)
    model.put(rows, unmet, 1.0)
    found.slack[name] = unmet
    held = np.flatnonzero(problem.hours[slots] < LONG_H)
    if least > 0 and due > 0 and len(held):
        _hold_up(found, name, power[:, held], (least, most))
        usual_h = float(problem.hours[slots][held[-1]])
        found.spans[name] = (least, most, due / usual_h)


def _hold_up(found: Columns, name: str, power: Ints, span: tuple[float, float]) -> None:
    """Keep a power within `span` [kW] or at 0; one slot in all may hold less."""
    (least, most), model = span, found.model
    count = power.shape[1]
    runs = model.columns(count, upper=1.0, whole=True)
    partly = model.columns(count, upper=1.0, whole=True)
    every = np.broadcast_to(runs, power.shape)
    _at_most(model, power, every, most, 0.0)
    rows = model.rows(power.size, 0.0, INFINITE).reshape(power.shape)
    model.put(rows, power, 1.0)
    model.put(rows, every, -least)
    model.put(rows, np.broadcast_to(partly, power.shape), least)
    model.put(model.rows(1, -INFINITE, 1.0), partly, 1.0)
    found.runs[name] = (runs, partly, power)


def _add_thermostat(problem: Problem, found: Columns, name: str, warm: Thermostat) -> None:
    model, hours = found.model, problem.hours
    scenarios, count = shape = problem.rest_w.shape
    wanted = np.broadcast_to(problem.demand_w[name] / 1000, shape)
    # What is wanted may exceed the rating where that is only an estimate.
    most = np.maximum(warm.rated_w / 1000, wanted)
    everywhere = np.arange(count)
    power = _powers(problem, found, everywhere, np.ones(count), most)
    _join(found, name, power, everywhere, np.ones(count))
    dear = np.repeat(problem.weight * UNMET_PRICE * found.unit, count)
    cold, hot = (model.columns(scenarios * count, dear).reshape(shape) for _ in range(2))
    worth = np.zeros(shape)
    worth[:, -1] = -problem.weight * max(0.0, float(np.min(problem.buy)))
    level = model.columns(scenarios * count, worth.ravel(), INFINITE, -INFINITE).reshape(shape)
    first = -wanted * hours
    first[:, 0] += warm.level_wh / 1000 * (1 - warm.loss_per_h * hours[0])
    rows = model.rows(scenarios * count, first.ravel(), first.ravel()).reshape(shape)
    model.put(rows, level, 1.0)
    model.put(rows[:, 1:], level[:, :-1], -(1 - warm.loss_per_h * hours[1:]))
    model.put(rows, power, -hours)
    for sign, slack, bound in ((1.0, hot, warm.ahead_wh), (-1.0, cold, warm.behind_wh)):
        limit = max(bound, sign * warm.level_wh) / 1000
        band = model.rows(scenarios * count, -INFINITE, limit).reshape(shape)
        model.put(band, level, sign)
        model.put(band, slack, -1.0)
    found.level[name] = level
    found.slack[name] = np.concatenate((cold, hot), axis=1)


def _add_cycle(problem: Problem, found: Columns, name: str, cycle: Cycle) -> None:
    model = found.model
    starts, power_kw = cycle_starts(problem, cycle)
    if not len(starts):
        return
    begin = model.columns(len(starts), found.tiny * found.unit * (starts / 3600), 1.0, whole=True)
    model.put(model.rows(1, 1.0, 1.0), begin, 1.0)
    slots = np.flatnonzero(power_kw.any(axis=0))
    power = model.columns(len(slots))
    rows = model.rows(len(slots), 0.0, 0.0)
    model.put(rows, power, 1.0)
    model.put(rows[None, :], begin[:, None], -power_kw[:, slots])
    every = np.broadcast_to(power, (len(problem.weight), len(slots)))
    _join(found, name, every, slots, np.ones(len(slots)))
    found.starts[name] = begin


def cycle_starts(problem: Problem, cycle: Cycle) -> tuple[Floats, Floats]:
    """Return when `cycle` may start [s after the plan's start], and its power by slot [kW].

    It may start where a slot begins, at its earliest time, and, if that is within the plan,
    at its latest. A start after the plan's end is one that draws nothing within it.
    """
    first_s = max(cycle.earliest_s, problem.start_s)
    last_s = max(cycle.latest_s, first_s)
    begin_s = problem.begin_s
    starts = {first_s, *begin_s[(begin_s >= first_s) & (begin_s <= last_s)].tolist()}
    if last_s >= problem.end_s[-1]:
        starts.add(float(problem.end_s[-1]))
    found = sorted(starts)
    power = np.array([_cycle_kw(problem, cycle, start_s) for start_s in found])
    return np.array(found) - problem.start_s, power


def _cycle_kw(problem: Problem, cycle: Cycle, start_s: float) -> Floats:
    power = np.zeros(len(problem.hours))
    for step, power_w in enumerate(cycle.profile_w):
        at_s = start_s + step * cycle.step_s
        power += power_w / 1000 * share_in(problem, at_s, at_s + cycle.step_s)
    return power


def _add_production(problem: Problem, found: Columns, name: str, source: Production) -> None:
    """Let production be cut: up to what is expected of it, at no gain of its own."""
    if not source.curtailable or name not in problem.demand_w:
        return
    wanted = np.broadcast_to(problem.demand_w[name], problem.rest_w.shape)
    top = np.maximum(0.0, -wanted / 1000)
    everywhere = np.arange(top.shape[1])
    cut = _powers(problem, found, everywhere, np.ones(len(everywhere)), top)
    _join(found, name, cut, everywhere, np.ones(len(everywhere)))
