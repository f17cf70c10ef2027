"""A recorded house under control, hour by hour, closed loop: battery, car, heat pump, cycles.

One executor for every controller: it says what each may know, keeps every device within its
bounds, and meters the result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np

from balans.core.errors import InputError
from balans.domain.demand.devices import Cycle, Device, Vehicle
from balans.domain.demand.plan import Month, Problem
from balans.domain.demand.plan.settings import RESERVE_WH
from balans.domain.forecast import Grid, forecast_load, forecast_production, spread_days
from balans.usecases.house_record import House, Run, Session
from balans.usecases.house_terms import Bill, Floats, Ints, Terms, bill_of
from balans.usecases.plan_site import month_numbers
from balans.usecases.profile import utc_offsets

HOUR_S = 3600.0
HORIZON_H = 36
KEPT_H = 42 * 24
NEEDED_H = 28 * 24
"""Hours of record before a period: forecasts are made from the four weeks before."""
USUAL_H = 14 * 24
CAR, HEAT, BATTERY = "car", "heat_pump", "battery"


@dataclass(frozen=True, slots=True)
class Orders:
    """What a controller wants in the coming hour [W]; cycles by name of those that start."""

    battery_w: float = 0.0
    car_w: float = 0.0
    heat_w: float | None = None
    starts: frozenset[str] = frozenset()


Controller = Callable[[Problem], Orders]


@dataclass(slots=True)
class State:
    """What is stored, owed and running."""

    soc_wh: float
    level_wh: float = 0.0
    car: Session | None = None
    car_wh: float = 0.0
    waiting: dict[str, Run] = field(default_factory=dict)
    running: list[tuple[int, Run]] = field(default_factory=list)
    unmet_wh: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A period under control: net power by hour [kW], the bill, and what was not served."""

    net_kw: Floats
    bill: Bill
    unmet_wh: float


class HouseReplay:
    """A house, its terms, and the hours to replay; holes are filled for the plant alone."""

    def __init__(self, house: House, terms: Terms, timezone: ZoneInfo, scenarios: int) -> None:
        self.house, self.terms, self.scenarios = house, terms, scenarios
        self.expected_peak_w: Callable[[HouseReplay, int], float] = lambda _replay, _hour: 0.0
        self._floors: dict[int, float] = {}
        count = len(house.start_s)
        starts = house.start_s[0] + HOUR_S * np.arange(count + HORIZON_H, dtype=np.float64)
        self.offset_s = utc_offsets(starts, timezone)
        local_s = starts + self.offset_s
        self.local_s, self.month = local_s, month_numbers(local_s)
        self.buy = terms.buy(local_s)
        self.rest_kw = filled(house.rest_kw)
        self.net_kw = self.rest_kw - filled(house.pv_kw)
        self.heat_kw = filled(house.heat_kw)
        self.most_w = Vehicle(0, 0, 0, max_a=terms.vehicle_a, phases=(1,)).max_w

    def hours_of(self, day: np.datetime64, days: int) -> tuple[int, int]:
        """Return the hours [first, last) of `days` local days from `day` on.

        Raises
        ------
        InputError
            If the record does not reach from four weeks before to the end.
        """
        edges = np.array([day, day + days]).astype("datetime64[s]").astype(np.float64)
        first, last = np.searchsorted(self.local_s, edges).tolist()
        if first < NEEDED_H or last >= len(self.house.start_s):
            raise InputError(
                f"{days} days from {day}: expected a period inside the record, "
                f"{NEEDED_H // 24} days after it begins at the earliest"
            )
        return first, last

    def uncontrolled_kw(self) -> Floats:
        """Return the net power as recorded, without a battery [kW]."""
        return self.net_kw + self.heat_kw + self.house.ev_kw + self.house.cycles_kw

    def bill(self, net_kw: Floats, first: int, left_kwh: float = 0.0) -> Bill:
        """Return the bill of `net_kw` from the hour `first` on."""
        hours = slice(first, first + len(net_kw))
        return bill_of(self.terms, net_kw, self.buy[hours], self.month[hours], left_kwh)

    def run(self, first: int, last: int, controller: Controller) -> Outcome:
        """Replay the hours [first, last) under `controller`."""
        state = State(self.terms.battery.soc_wh)
        net_kw = np.zeros(last - first)
        bought = np.maximum(self.uncontrolled_kw()[:first], 0.0)
        for hour in range(first, last):
            self._arrive(state, hour, first)
            problem = self.problem(state, hour, bought, net_kw[: hour - first])
            net_kw[hour - first] = self._execute(state, hour, controller(problem)) / 1000
            bought = np.append(bought, max(net_kw[hour - first], 0.0))
        stored_wh = state.soc_wh - self.terms.battery.soc_wh + state.level_wh
        return Outcome(net_kw, self.bill(net_kw, first, stored_wh / 1000), state.unmet_wh)

    def _arrive(self, state: State, hour: int, first: int) -> None:
        if state.car and state.car.last <= hour:
            state.unmet_wh += state.car_wh
            state.car, state.car_wh = None, 0.0
        for session in self.house.sessions:
            if first <= session.first == hour:
                state.car, state.car_wh = session, session.energy_kwh * 1000
        for run in self.house.runs:
            if run.first == hour:
                state.waiting[run.name] = run

    # --- what a controller may know ---

    def problem(self, state: State, hour: int, bought: Floats, net_kw: Floats) -> Problem:
        """Return the planning problem of `hour`: forecasts from the hours before it.

        The present hour's rest is known: a planner that plans every few minutes measures it.
        """
        rest_w, heat_w, sunny = self._scenarios(state, hour)
        rest_w = rest_w + self._running_w(state, hour)
        months, place = self._months(hour, bought, net_kw)
        return Problem(
            start_s=float(self.house.start_s[0] + HOUR_S * hour),
            hours=np.ones(HORIZON_H),
            rest_w=rest_w,
            weight=np.full(len(rest_w), 1.0 / len(rest_w)),
            buy=self.buy[hour : hour + HORIZON_H],
            sell=np.full(HORIZON_H, self.terms.sell),
            limit_w=np.full(HORIZON_H, np.inf),
            month=place,
            months=months,
            interval=np.arange(HORIZON_H),
            tariff=self.terms.tariff,
            devices=self._devices(state, hour),
            demand_w={HEAT: heat_w},
            sunny=sunny,
            reserve_wh=RESERVE_WH,
        )

    def _scenarios(self, state: State, hour: int) -> tuple[Floats, Floats, Floats]:
        first = max(0, hour - KEPT_H)
        past = slice(first, hour)
        grid = Grid(
            float(self.house.start_s[0] + HOUR_S * first),
            HOUR_S,
            hour - first,
            self.offset_s[first : hour + HORIZON_H],
        )
        load = forecast_load(self.house.rest_kw[past] * 1000, grid)
        made = forecast_production(-self.house.pv_kw[past] * 1000, grid)
        heat = forecast_load(self.house.heat_kw[past] * 1000, grid)
        chosen = spread_days(self.scenarios, (load, made, heat), 24)
        rest_w = load.days(chosen) + made.days(chosen) + self._to_come_w(state, hour, chosen)
        heat_w = heat.days(chosen)
        rest_w[:, 0], heat_w[:, 0] = self.net_kw[hour] * 1000, self.heat_kw[hour] * 1000
        return rest_w, heat_w, made.may_produce

    def _to_come_w(self, state: State, hour: int, days: Sequence[int]) -> Floats:
        """Return what cars and cycles that are not there yet may draw, as on each of `days` before.

        A car is taken to charge evenly while it is there, and not to come before the one that is
        there now has left.
        """
        found = np.zeros((len(days), HORIZON_H))
        free = state.car.last - hour if state.car else 1
        for row, day in zip(found, days, strict=True):
            first = hour - 24 * day
            for session in self.house.sessions:
                if first < session.first < first + 24:
                    count = session.last - session.first
                    power_w = np.full(count, 1000 * session.energy_kwh / count)
                    _add_daily(row, session.first - first, power_w, free)
            for run in self.house.runs:
                if first < run.first < first + 24:
                    _add_daily(row, run.first - first, 1000 * np.array(run.power_kw), 1)
        return found

    def _running_w(self, state: State, hour: int) -> Floats:
        power_w = np.zeros(HORIZON_H)
        for start, run in state.running:
            for step, power_kw in enumerate(run.power_kw):
                if 0 <= start + step - hour < HORIZON_H:
                    power_w[start + step - hour] += power_kw * 1000
        return power_w

    def _devices(self, state: State, hour: int) -> dict[str, Device]:
        start_s = float(self.house.start_s[0])
        found: dict[str, Device] = {
            BATTERY: replace(self.terms.battery, soc_wh=state.soc_wh),
            HEAT: replace(self.terms.heat, level_wh=state.level_wh),
        }
        if state.car and state.car_wh > 1.0:
            found[CAR] = Vehicle(
                start_s + HOUR_S * hour,
                start_s + HOUR_S * state.car.last,
                state.car_wh,
                max_a=self.terms.vehicle_a,
                phases=(1,),
            )
        for name, run in state.waiting.items():
            profile = tuple(1000 * power for power in run.power_kw)
            latest_s = start_s + HOUR_S * max(hour, run.latest)
            found[name] = Cycle(profile, HOUR_S, start_s + HOUR_S * hour, latest_s)
        return found

    def _months(self, hour: int, bought: Floats, net_kw: Floats) -> tuple[tuple[Month, ...], Ints]:
        """Return what is known of each month: only what was bought under this controller counts."""
        number = self.month[hour : hour + HORIZON_H]
        done = self.month[hour - len(net_kw) : hour]
        usual_w = float(np.mean(bought[-USUAL_H:])) * 1000
        floor_w = self._floor_w(int(number[0]))
        months = []
        for each in range(int(number[0]), int(number[-1]) + 1):
            mine = np.maximum(net_kw[done == each], 0.0) * 1000
            after = int(np.searchsorted(self.month, each + 1)) - hour - HORIZON_H
            months.append(
                Month(float(mine.sum()), usual_w * max(0, after), mine.max(initial=0.0), floor_w)
            )
        return tuple(months), number - number[0]

    def _floor_w(self, month: int) -> float:
        """Return what `month` is expected to reach whatever is done, asked once at its start."""
        if month not in self._floors:
            start = int(np.searchsorted(self.month, month))
            self._floors[month] = self.expected_peak_w(self, start)
        return self._floors[month]

    # --- what happens ---

    def _execute(self, state: State, hour: int, orders: Orders) -> float:
        """Carry out `orders` as far as the devices can; return the net power of the hour [W]."""
        site_w = self.net_kw[hour] * 1000 + self._heat_w(state, hour, orders)
        site_w += self._car_w(state, hour, orders) + self._cycles_w(state, hour, orders)
        kept = self.terms.battery
        room_w = (kept.capacity_wh - state.soc_wh) / kept.efficiency
        held_w = (state.soc_wh - kept.min_soc_wh) * kept.efficiency
        power_w = min(orders.battery_w, kept.charge_w, room_w)
        power_w = max(power_w, -kept.discharge_w, -held_w)
        each = kept.efficiency if power_w > 0 else 1 / kept.efficiency
        state.soc_wh += power_w * each
        return float(site_w + power_w)

    def _heat_w(self, state: State, hour: int, orders: Orders) -> float:
        wanted_w, kept = self.heat_kw[hour] * 1000, self.terms.heat
        power_w = wanted_w if orders.heat_w is None else orders.heat_w
        least_w = wanted_w - kept.behind_wh - state.level_wh
        most_w = wanted_w + kept.ahead_wh - state.level_wh
        power_w = max(0.0, min(max(power_w, least_w), most_w))
        state.level_wh += power_w - wanted_w
        return float(power_w)

    def _car_w(self, state: State, hour: int, orders: Orders) -> float:
        if state.car is None:
            return 0.0
        later_wh = (state.car.last - hour - 1) * self.most_w
        power_w = max(orders.car_w, state.car_wh - later_wh)
        power_w = max(0.0, min(power_w, state.car_wh, self.most_w))
        state.car_wh -= power_w
        return float(power_w)

    def _cycles_w(self, state: State, hour: int, orders: Orders) -> float:
        for name, run in tuple(state.waiting.items()):
            if name in orders.starts or run.latest <= hour:
                state.running.append((hour, state.waiting.pop(name)))
        state.running = [(at, run) for at, run in state.running if at + len(run.power_kw) > hour]
        return sum(1000 * run.power_kw[hour - at] for at, run in state.running)


def _add_daily(row: Floats, place: int, power_w: Floats, free: int) -> None:
    """Add `power_w` from `place` on, and a day later, where that is not before `free`."""
    for at in range(place, len(row), 24):
        if at >= free:
            row[at : at + len(power_w)] += power_w[: len(row) - at]


def filled(values_kw: Floats) -> Floats:
    """Return `values_kw` with holes taken from a day before: what the plant did is not known.

    >>> filled(np.array([1.0] * 24 + [np.nan]))[-1]
    np.float64(1.0)
    """
    found = values_kw.copy()
    for hour in np.flatnonzero(~np.isfinite(found)).tolist():
        before = found[hour - 24] if hour >= 24 else 0.0
        found[hour] = before if np.isfinite(before) else 0.0
    return found


def no_orders(_problem: Problem) -> Orders:
    """Leave every device to itself: at once, and the battery unused."""
    return Orders(0.0, 1e9, None, frozenset(("dishwasher", "washing_machine")))


def first_slot(power_w: Mapping[str, float], starting: frozenset[str]) -> Orders:
    """Return the orders of the first slot of a plan [W]."""
    return Orders(power_w.get(BATTERY, 0.0), power_w.get(CAR, 0.0), power_w.get(HEAT), starting)
