"""Plan a site: history -> forecast -> problem -> plan. Pure: the caller brings the time.

The plan goes to the reflex as proposals (`balans.domain.demand.plan.proposals`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand import allowed_power
from balans.domain.demand.devices import Device, Production, Thermostat
from balans.domain.demand.model import DAY_S
from balans.domain.demand.plan import Month, Plan, Problem, solve
from balans.domain.demand.plan.settings import PlannerSettings
from balans.domain.demand.plan.solve import TIME_LIMIT_S
from balans.domain.demand.timetable import Meters, Timetable
from balans.domain.forecast import (
    Forecast,
    Grid,
    forecast_load,
    forecast_production,
    spread_days,
)
from balans.usecases.profile import utc_offsets
from balans.usecases.site_file import Site

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
USUAL_DAYS = 14
"""Days whose mean purchase is taken for what the rest of the month will buy."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The past of a site in slots of `slot_s` from `first_s` on; NaN where unknown [W].

    Parameters
    ----------
    rest_w
        All that is neither planned nor production.
    production_w
        PV and wind, negative.
    bought_w
        What the site bought (0 or more); tells the month's energy and peak so far.
    demand_w
        What each thermostat would have drawn by itself.
    now_w
        Rest and production as measured just now; None: not known.
    counted_wh
        What was bought in the running peak interval.
    meters
        The running limits on means.
    """

    first_s: float
    slot_s: float
    rest_w: Floats
    production_w: Floats
    bought_w: Floats
    demand_w: Mapping[str, Floats] = field(default_factory=dict)
    now_w: float | None = None
    counted_wh: float = 0.0
    meters: Meters = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """When the last slot ended."""
        return self.first_s + self.slot_s * len(self.rest_w)


def plan_site(
    site: Site,
    settings: PlannerSettings,
    devices: Mapping[str, Device],
    history: History,
    now_s: float,
    time_limit_s: float = TIME_LIMIT_S,
) -> Plan:
    """Return the plan of `site` from `now_s` on.

    Parameters
    ----------
    devices
        Each planned load as it is now; loads that are not listed are part of the rest.
    history
        Ends with the last whole slot: `now_s` lies in the slot that follows.

    Raises
    ------
    InputError
        If the history does not end in front of the slot that `now_s` lies in, or slots differ.

    Notes
    -----
    The first slot of the plan is what is left of the present one, and begins at `now_s`; the
    plan's `start_s` is the beginning of the whole slot.
    """
    problem = problem_of(site, settings, devices, history, now_s)
    return solve(problem, now_s, settings.slot_s, time_limit_s)


def problem_of(
    site: Site,
    settings: PlannerSettings,
    devices: Mapping[str, Device],
    history: History,
    now_s: float,
) -> Problem:
    """Return the planning problem of `site` from `now_s` on, with forecasts of its own past."""
    _check(settings, history, now_s)
    grid = _grid(site, settings, history)
    heat = {
        name: forecast_load(history.demand_w[name], grid)
        for name, device in devices.items()
        if isinstance(device, Thermostat) and name in history.demand_w
    }
    rest_w, weight, demand_w = _scenarios(settings, history, grid, heat)
    hours = np.full(grid.ahead, settings.slot_s / 3600)
    hours[0] = (history.end_s + settings.slot_s - now_s) / 3600
    coming_local_s = grid.local_s[grid.past :]
    table = site.timetable
    month, months = _months(settings, history, grid)
    return Problem(
        start_s=now_s,
        hours=hours,
        rest_w=rest_w,
        weight=weight,
        buy=_prices(site, table, coming_local_s),
        sell=np.full(grid.ahead, settings.sell),
        limit_w=_limits(table, coming_local_s, history.meters, now_s),
        month=month,
        months=months,
        interval=(coming_local_s // settings.tariff.peak_interval_s).astype(np.int64),
        tariff=settings.tariff,
        counted_wh=history.counted_wh,
        devices={
            name: device for name, device in devices.items() if _is_planned(device, name, demand_w)
        },
        demand_w=demand_w,
        reserve_wh=settings.reserve_wh,
    )


def _is_planned(device: Device, name: str, demand_w: Mapping[str, Floats]) -> bool:
    if isinstance(device, Thermostat):
        return name in demand_w
    return not isinstance(device, Production) or device.curtailable


def _check(settings: PlannerSettings, history: History, now_s: float) -> None:
    if history.slot_s != settings.slot_s:
        raise InputError(
            f"plan: history has slots of {history.slot_s:g} s: expected {settings.slot_s:g} s"
        )
    if not history.end_s <= now_s < history.end_s + history.slot_s:
        raise InputError(f"plan: history ends at {history.end_s:g}: expected just before {now_s:g}")


def _grid(site: Site, settings: PlannerSettings, history: History) -> Grid:
    past = len(history.rest_w)
    count = past + round(settings.horizon_h * 3600 / settings.slot_s)
    starts = history.first_s + settings.slot_s * np.arange(count, dtype=np.float64)
    return Grid(history.first_s, settings.slot_s, past, utc_offsets(starts, site.timezone))


def _scenarios(
    settings: PlannerSettings, history: History, grid: Grid, heat: Mapping[str, Forecast]
) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Return courses of rest and production together, and of each thermostat, day by day.

    What is measured now is known in all of them.
    """
    load = forecast_load(history.rest_w, grid)
    made = forecast_production(history.production_w, grid)
    days = spread_days(settings.scenarios, (load, made, *heat.values()), grid.per_day)
    rest_w = load.days(days) + made.days(days)
    if history.now_w is not None:
        rest_w[:, 0] = history.now_w
    demand_w = {name: part.days(days) for name, part in heat.items()}
    return rest_w, np.full(len(days), 1.0 / len(days)), demand_w


def _prices(site: Site, table: Timetable, local_s: Floats) -> Floats:
    prices = {segment.zone: float(site.price(segment.zone)) for segment in table.segments}
    return np.array([prices[table.at(second % DAY_S).zone] for second in local_s.tolist()])


def _limits(table: Timetable, local_s: Floats, meters: Meters, now_s: float) -> Floats:
    """Return what is allowed in each slot: now by the running means, later by the limits."""
    limits = []
    for second in local_s.tolist():
        segment = table.at(second % DAY_S)
        means = [limit.limit_w for limit in segment.interval_limits]
        limits.append(min([segment.instant.power_w, *means]))
    first_s = float(local_s[0]) % DAY_S
    limits[0] = min(limits[0], allowed_power(table, meters, now_s, first_s).power_w)
    return np.array(limits)


def _months(
    settings: PlannerSettings, history: History, grid: Grid
) -> tuple[Ints, tuple[Month, ...]]:
    """Return the month of each coming slot, and what is known of each month."""
    number = month_numbers(grid.local_s)
    coming = number[grid.past :]
    known = np.nan_to_num(history.bought_w)
    usual_w = _usual_w(history, grid)
    months = []
    for each in range(int(coming[0]), int(coming[-1]) + 1):
        slots = np.flatnonzero(number[: grid.past] == each)
        bought_wh = float(known[slots].sum()) * settings.slot_s / 3600
        after_s = max(0.0, _month_end_s(each) - float(grid.local_s[-1]) - settings.slot_s)
        peak_w = _peak_w(known, grid, slots, settings.tariff.peak_interval_s)
        months.append(Month(bought_wh, usual_w * after_s / 3600, peak_w))
    return coming - coming[0], tuple(months)


def _usual_w(history: History, grid: Grid) -> float:
    recent = history.bought_w[-USUAL_DAYS * grid.per_day :]
    known = recent[np.isfinite(recent)]
    return float(known.mean()) if len(known) else 0.0


def _peak_w(bought_w: Floats, grid: Grid, slots: Ints, interval_s: int) -> float:
    """Return the highest mean over a whole interval among `slots`."""
    if not len(slots):
        return 0.0
    number = (grid.local_s[slots] // interval_s).astype(np.int64)
    _, place = np.unique(number, return_inverse=True)
    means = np.bincount(place, bought_w[slots]) * grid.slot_s / max(interval_s, grid.slot_s)
    return float(means.max())


def month_numbers(local_s: Floats) -> Ints:
    """Return the months since 1970-01 of times of the local clock.

    >>> month_numbers(np.array([0.0, 31 * 86400.0])).tolist()
    [0, 1]
    """
    days = (local_s // DAY_S).astype("datetime64[D]")
    return days.astype("datetime64[M]").astype(np.int64)


def _month_end_s(number: int) -> float:
    return float(np.datetime64(number + 1, "M").astype("datetime64[s]").astype(np.int64))
