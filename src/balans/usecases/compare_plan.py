"""Our planner on a recorded house beside no control, the usual battery rule, and foresight."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from balans.core.errors import UnavailableError
from balans.domain.demand.devices import Cycle, Device, Vehicle
from balans.domain.demand.plan import Month, Problem
from balans.domain.demand.plan.build import build
from balans.domain.demand.plan.rounding import solve_whole
from balans.usecases.house_replay import (
    BATTERY,
    CAR,
    HEAT,
    HOUR_S,
    Controller,
    HouseReplay,
    Orders,
    Outcome,
    no_orders,
)
from balans.usecases.house_terms import Bill, Floats

TIME_LIMIT_S = 5.0
BOUND_LIMIT_S = 600.0
RUNS_W = 1.0
HINDSIGHT_H = 28 * 24
MISSED = 1.3
"""Peak expected without foresight over the one with it. In the autumn of the record it was
1.8; between 1.3 and 1.8 the bill differs by 0.03 %."""


def by_plan(problem: Problem) -> Orders:
    """Return what our planner does in the first hour."""
    found = build(problem)
    solved = solve_whole(found, TIME_LIMIT_S)
    if solved is None:
        return Orders()
    power_w: dict[str, float] = {}
    for name, (columns, slots, share) in found.power.items():
        at_once = len(slots) and slots[0] == 0
        power_w[name] = 1000 * float(solved.values[columns[0, 0]] * share[0]) if at_once else 0.0
    flow = solved.values[found.charge[BATTERY]] - solved.values[found.discharge[BATTERY]]
    battery_w = 1000 * float(problem.weight @ flow[:, 0])
    starts = (
        name
        for name, device in problem.devices.items()
        if isinstance(device, Cycle) and power_w.get(name, 0.0) > RUNS_W
    )
    return Orders(battery_w, power_w.get(CAR, 0.0), power_w.get(HEAT), frozenset(starts))


def by_surplus(problem: Problem) -> Orders:
    """Leave every load to itself; the battery takes what is left over and gives what is missing.

    That is what a battery does that comes without a plan.
    """
    orders = no_orders(problem)
    site_w = float(problem.weight @ problem.rest_w[:, 0])
    site_w += float(np.mean(problem.demand_w[HEAT][:, 0]))
    for name, device in problem.devices.items():
        if isinstance(device, Vehicle):
            site_w += min(device.max_w, device.energy_wh)
        elif isinstance(device, Cycle) and name in orders.starts:
            site_w += device.profile_w[0]
    return replace(orders, battery_w=-site_w)


def foresight(replay: HouseReplay, first: int, last: int) -> tuple[Floats, Bill]:
    """Return the cheapest net power of the hours [first, last) when all of them are known.

    The same model over the whole period, with cycles that may be split: a bound that no control,
    with any knowledge, can go below.

    Raises
    ------
    UnavailableError
        If it was not found in time.
    """
    problem = _whole_period(replay, first, last)
    found = build(problem, tiny=0.0)
    solved = found.model.relaxed().solve(BOUND_LIMIT_S)
    if solved is None:
        raise UnavailableError(f"no bound found within {BOUND_LIMIT_S:g} s")
    net_kw = solved.values[found.buy[0]] - solved.values[found.sell[0]]
    stored = solved.values[found.level[BATTERY][0, -1]] - replay.terms.battery.soc_wh / 1000
    stored += solved.values[found.level[HEAT][0, -1]]
    return net_kw, replay.bill(net_kw, first, float(stored))


def hindsight_peak_w(replay: HouseReplay, hour: int) -> float:
    """Return the peak that a month is expected to reach, from the four weeks before `hour`.

    With hindsight these weeks could have kept to some peak at least cost; without it `MISSED`
    times that is what control reaches. Trying for less spends energy in vain.
    """
    first = max(0, hour - HINDSIGHT_H)
    problem = _whole_period(replay, first, hour)
    one_month = replace(problem, month=np.zeros(hour - first, dtype=np.int64), months=(Month(),))
    found = build(one_month, tiny=0.0)
    solved = found.model.relaxed().solve(BOUND_LIMIT_S)
    return 0.0 if solved is None else MISSED * 1000 * float(solved.values[found.level["peak 0"][0]])


def _whole_period(replay: HouseReplay, first: int, last: int) -> Problem:
    house, count = replay.house, last - first
    start_s, hours = float(house.start_s[0]), slice(first, last)
    # What is left at the end is worth the lowest price, as it is in the bill.
    worth = float(replay.buy[hours].min())
    devices: dict[str, Device] = {
        BATTERY: replace(replay.terms.battery, value_per_kwh=worth),
        HEAT: replay.terms.heat,
    }
    for number, session in enumerate(house.sessions):
        if first <= session.first < last:
            devices[f"{CAR} {number}"] = Vehicle(
                start_s + HOUR_S * session.first,
                start_s + HOUR_S * min(session.last, last),
                session.energy_kwh * 1000,
                max_a=replay.terms.vehicle_a,
                phases=(1,),
            )
    for number, run in enumerate(house.runs):
        if first <= run.first < last:
            profile = tuple(1000 * power for power in run.power_kw)
            earliest_s, latest_s = start_s + HOUR_S * run.first, start_s + HOUR_S * run.latest
            devices[f"{run.name} {number}"] = Cycle(profile, HOUR_S, earliest_s, latest_s)
    month = replay.month[hours] - replay.month[first]
    return Problem(
        start_s=start_s + HOUR_S * first,
        hours=np.ones(count),
        rest_w=replay.net_kw[None, hours] * 1000,
        weight=np.ones(1),
        buy=replay.buy[hours],
        sell=np.full(count, replay.terms.sell),
        limit_w=np.full(count, np.inf),
        month=month,
        months=tuple(Month() for _ in range(int(month[-1]) + 1)),
        interval=np.arange(count),
        tariff=replay.terms.tariff,
        devices=devices,
        demand_w={HEAT: replay.heat_kw[None, hours] * 1000},
    )


def compare_plan(
    replay: HouseReplay, first: int, last: int, others: dict[str, Controller] | None = None
) -> dict[str, Any]:
    """Return the bills of a period: no control, battery rule, ours, `others`, foresight.

    `gap` is what a bill is above foresight, as a share of what foresight pays, or earns.
    """
    controllers: dict[str, Controller] = {
        "no_control": no_orders,
        "battery_rule": by_surplus,
        "ours": by_plan,
        **(others or {}),
    }
    bound = foresight(replay, first, last)[1]
    replay.expected_peak_w = hindsight_peak_w
    rows = {"foresight": _row(bound, bound, 0.0)}
    for name, controller in controllers.items():
        outcome: Outcome = replay.run(first, last, controller)
        rows[name] = _row(outcome.bill, bound, outcome.unmet_wh)
    known = replay.house.known[first:last]
    return {
        "from": replay.house.begin[first],
        "to": replay.house.begin[last],
        "hours": last - first,
        "hours_filled": int(np.count_nonzero(~known)),
        "bills": rows,
    }


def _row(bill: Bill, bound: Bill, unmet_wh: float) -> dict[str, Any]:
    row = {name: _shown(value) for name, value in asdict(bill).items()}
    row["total"] = round(bill.total, 3)
    row["gap_eur"] = round(bill.total - bound.total, 3)
    row["gap"] = round((bill.total - bound.total) / abs(bound.total), 4) if bound.total else None
    row["unmet_kwh"] = round(unmet_wh / 1000, 3)
    return row


def _shown(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
