"""The rows of each kind of device: battery, vehicle, pump, thermostat, cycle, production."""

import numpy as np

from balans.domain.demand.devices import (
    Battery,
    Cycle,
    Device,
    Production,
    Pump,
    Thermostat,
    Vehicle,
)
from balans.domain.demand.plan.columns import (
    Columns,
    at_most,
    dark_slots,
    join,
    no_waiting,
    powers,
)
from balans.domain.demand.plan.linear import INFINITE, Floats, Ints
from balans.domain.demand.plan.problem import (
    Problem,
    lead_per_kwh,
    owed_per_kwh,
    share_in,
    worth_per_kwh,
)

UNMET_PRICE = 30.0
"""Times the dearest price: a vehicle, pump or comfort band not served, per kWh."""
LONG_H = 1.0
"""In a slot this long a charger can run for part of it, so its mean may be below the least."""


def add_device(problem: Problem, found: Columns, name: str, device: Device) -> None:
    """Add what holds for `device`, and what it draws to the balance of each slot."""
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


def _add_battery(problem: Problem, found: Columns, name: str, battery: Battery) -> None:
    model, hours = found.model, problem.hours
    scenarios, count = shape = problem.rest_w.shape
    wear = np.tile(found.tiny * found.unit * hours, scenarios)
    charge = model.columns(scenarios * count, wear, battery.charge_w / 1000).reshape(shape)
    discharge = model.columns(scenarios * count, wear, battery.discharge_w / 1000).reshape(shape)
    low_kwh = min(battery.min_soc_wh, battery.soc_wh) / 1000
    worth = np.zeros(shape)
    worth[:, -1] = -problem.weight * worth_per_kwh(problem, battery)
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
        at_most(model, charge[:, odd], charges, battery.charge_w / 1000, 0.0)
        top = battery.discharge_w / 1000
        at_most(model, discharge[:, odd], charges, -top, top)


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
    price = no_waiting(problem, found)[slots] * share
    most_each = np.full(len(slots), most)
    power = powers(problem, found, slots, most_each, price, dark_slots(problem))
    join(found, name, power, slots, share)
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
    at_most(model, power, every, most, 0.0)
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
    power = powers(problem, found, everywhere, most)
    join(found, name, power, everywhere, np.ones(count))
    dear = np.repeat(problem.weight * UNMET_PRICE * found.unit, count)
    cold, hot = (model.columns(scenarios * count, dear).reshape(shape) for _ in range(2))
    level = model.columns(scenarios * count, 0.0, INFINITE, -INFINITE).reshape(shape)
    _value_end(problem, found, level[:, -1])
    first = -wanted * hours
    first[:, 0] += warm.level_wh / 1000 * (1 - warm.loss_per_h * hours[0])
    rows = model.rows(scenarios * count, first.ravel(), first.ravel()).reshape(shape)
    model.put(rows, level, 1.0)
    model.put(rows[:, 1:], level[:, :-1], -(1 - warm.loss_per_h * hours[1:]))
    model.put(rows, power, -hours)
    most_ahead = np.full(shape, max(warm.ahead_wh, warm.level_wh) / 1000)
    most_behind = _most_behind(problem, warm, wanted)
    for sign, slack, bound in ((1.0, hot, most_ahead), (-1.0, cold, most_behind)):
        band = model.rows(scenarios * count, -INFINITE, bound.ravel()).reshape(shape)
        model.put(band, level, sign)
        model.put(band, slack, -1.0)
    found.level[name] = level
    found.slack[name] = np.concatenate((cold, hot), axis=1)


def _value_end(problem: Problem, found: Columns, level: Ints) -> None:
    """Let a lead at the end of the plan be worth something, and what is owed then cost more."""
    model = found.model
    # A little more than the price: of two equal plans the one that owes nothing is taken.
    last_h = 1.0 + float(problem.hours.sum())
    owed_price = owed_per_kwh(problem) + found.tiny * found.unit * last_h
    owed = model.columns(len(level), problem.weight * owed_price)
    lead = model.columns(len(level), -problem.weight * lead_per_kwh(problem))
    rows = model.rows(len(level), 0.0, 0.0)
    model.put(rows, level, 1.0)
    model.put(rows, owed, 1.0)
    model.put(rows, lead, -1.0)


def _most_behind(problem: Problem, warm: Thermostat, wanted_kw: Floats) -> Floats:
    """Return how far `warm` may be behind at the end of each slot [kWh], by scenario.

    Outside its band it need not come back at once, but not farther out either.
    """
    end_s, begin_s = problem.end_s, problem.begin_s
    found = np.full(wanted_kw.shape, max(warm.behind_wh, -warm.level_wh) / 1000)
    if np.isfinite(warm.delay_s):
        wanted = np.cumsum(wanted_kw * problem.hours, axis=1)
        before = np.array([np.interp(end_s - warm.delay_s, end_s, row, left=0.0) for row in wanted])
        owed = max(0.0, -warm.level_wh / 1000) * (end_s <= warm.owed_until_s)
        found = np.minimum(found, wanted - before + owed)
    for due_s in warm.due_s:
        if begin_s[0] < due_s <= end_s[-1]:
            last = int(np.searchsorted(end_s, due_s, side="right")) - 1
            found[:, max(last, 0)] = 0.0
    return found


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
    join(found, name, every, slots, np.ones(len(slots)))
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
    cut = powers(problem, found, everywhere, top)
    join(found, name, cut, everywhere, np.ones(len(everywhere)))
