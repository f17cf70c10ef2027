"""The plan of the next hours: prices, expected power, and what is put off from when to when."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from balans.protocols.hub import PlannedLoad, PlanReport, PlanState
from balans.storage.plans import StoredPlan
from balans.web.shown.charts import Series, chart, in_kw, twin
from balans.web.shown.days import HOUR, clock_label, moment
from balans.web.shown.numbers import decimal, kw_digits
from balans.web.shown.reasons import reason_text

TICK_MINUTES: Final = 120
LEAST_W: Final = 20.0
"""A smaller difference between planned and unplanned is none."""
LEAST_WH: Final = 5.0
OLD_AFTER: Final = timedelta(minutes=30)

UNMET: Final = re.compile(r"(.+): (\d+) Wh not met")
"""How the planner says what it cannot keep: the limit, or what a load needs."""
STATES: Final[dict[str, Promise]] = {
    PlanState.OPTIMAL: lazy("All limits can be kept"),
    PlanState.RELAXED: lazy("Not all limits can be kept"),
    PlanState.NONE: lazy("No plan"),
}
TONES: Final[dict[str, str]] = {
    PlanState.OPTIMAL: "good",
    PlanState.RELAXED: "warn",
    PlanState.NONE: "quiet",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a plan is read: in which zone, what loads are called, and in what is paid."""

    zone: ZoneInfo
    titles: Mapping[str, str]
    currency: str
    now: datetime


def plan_view(stored: StoredPlan | None, how: Reading) -> dict[str, Any] | None:
    """Return the plan for the page, None before the first."""
    if stored is None:
        return None
    report = stored.report
    head = {
        "state": str(STATES[report.state]),
        "tone": TONES[report.state],
        "made": moment(stored.made, how.zone),
        "is_old": how.now - stored.made > OLD_AFTER,
        "reason": _reason(report.reason, how),
        "kept": report.state == PlanState.OPTIMAL,
    }
    if not report.expected_w:
        return head | {"empty": True}
    return head | {"empty": False, **_figures(report, how), **_drawn(report, how)}


def _reason(reason: str, how: Reading) -> str:
    """Return why a plan is as it is; what it cannot keep is told in words."""
    parts = [UNMET.fullmatch(part) for part in reason.split("; ")]
    if not all(parts):
        return reason_text(reason)
    return " ".join(_unmet(part[1], float(part[2]), how) for part in parts if part)


def _unmet(what: str, energy_wh: float, how: Reading) -> str:
    energy = decimal(energy_wh / 1000, 2)
    if what == "limit":
        return _("The limit is exceeded by %(energy)s kWh.") % {"energy": energy}
    load = how.titles.get(what, what)
    return _("%(load)s gets %(energy)s kWh less than it needs.") % {"load": load, "energy": energy}


def unplanned_w(report: PlanReport) -> list[float]:
    """Return the power of the site by slot if nothing were put off [W]."""
    total = list(report.expected_w)
    for load in report.loads:
        for slot, change in enumerate(_held_back(load)):
            if slot < len(total):
                total[slot] += change
    return total


@dataclass(frozen=True, slots=True)
class Move:
    """Energy of a load that runs later, or earlier, than it would by itself.

    Slots are half-open; without `to` it is not drawn again within the plan.
    """

    load: str
    energy_wh: float
    since: tuple[int, int]
    to: tuple[int, int] | None


def moves(report: PlanReport) -> list[Move]:
    """Return what is moved, the most energy first.

    Each stretch in which a load would run and does not gives its energy to the stretches in which
    it draws more than by itself, in their order.
    """
    found = [move for load in report.loads for move in _moves_of(load, report.slot_s)]
    return sorted(found, key=lambda move: -move.energy_wh)


def _moves_of(load: PlannedLoad, slot_s: float) -> Iterator[Move]:
    held = _held_back(load)
    gaps = [(first, last, sum(held[first:last])) for first, last in _stretches(held, 1)]
    fills = [[first, last, -sum(held[first:last])] for first, last in _stretches(held, -1)]
    for first, last, power in gaps:
        left = power
        for fill in fills:
            taken = min(left, fill[2])
            if taken * slot_s / 3600 > LEAST_WH:
                yield Move(
                    load.name,
                    taken * slot_s / 3600,
                    (first, last),
                    (int(fill[0]), int(fill[1])),
                )
                left -= taken
                fill[2] -= taken
        if left * slot_s / 3600 > LEAST_WH:
            yield Move(load.name, left * slot_s / 3600, (first, last), None)


def _held_back(load: PlannedLoad) -> list[float]:
    """Return by slot how much less the load draws than by itself [W]; negative: more."""
    pairs = zip(load.unplanned_w, load.power_w, strict=False)
    return [unplanned - planned for unplanned, planned in pairs]


def _stretches(values: Sequence[float], sign: int) -> Iterator[tuple[int, int]]:
    """Return where `values` have this sign, as half-open ranges."""
    first = None
    for slot, value in enumerate((*values, 0.0)):
        there = sign * value > LEAST_W
        if there and first is None:
            first = slot
        elif not there and first is not None:
            yield first, slot
            first = None


def _times(report: PlanReport) -> list[datetime]:
    return [
        datetime.fromtimestamp(report.start + slot * report.slot_s, UTC)
        for slot in range(len(report.expected_w))
    ]


def _figures(report: PlanReport, how: Reading) -> dict[str, Any]:
    costs = report.cost, report.cost_unplanned
    saved = None if None in costs else (report.cost_unplanned or 0) - (report.cost or 0)
    found = moves(report)
    later_wh = sum(move.energy_wh for move in found if move.to is None)
    return {
        "currency": how.currency,
        "cost": decimal(report.cost, 2),
        "cost_unplanned": decimal(report.cost_unplanned, 2),
        "saved": decimal(saved, 2),
        "moved": decimal(sum(move.energy_wh for move in found) / 1000, 1),
        "moved_out": decimal(later_wh / 1000, 1) if later_wh > LEAST_WH else "",
        "peak": decimal(max(report.expected_w) / 1000, _digits(report)),
        "peak_unplanned": decimal(max(unplanned_w(report)) / 1000, _digits(report)),
        "moves": [_row(move, report, how) for move in found],
    }


def _row(move: Move, report: PlanReport, how: Reading) -> dict[str, str]:
    return {
        "load": how.titles.get(move.load, move.load),
        "energy": decimal(move.energy_wh / 1000, 2),
        "since": _span(move.since, report, how.zone),
        "to": _span(move.to, report, how.zone) if move.to else "",
        "price": _prices(move, report),
    }


def _span(slots: tuple[int, int], report: PlanReport, zone: ZoneInfo) -> str:
    start, end = (
        clock_label(datetime.fromtimestamp(report.start + slot * report.slot_s, UTC), zone)
        for slot in slots
    )
    return f"{start}–{end}"


def _prices(move: Move, report: PlanReport) -> str:
    before = _mean(report.price[slice(*move.since)])
    after = _mean(report.price[slice(*move.to)]) if move.to else None
    if before is None:
        return ""
    return f"{decimal(before, 3)} → {decimal(after, 3)}"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _digits(report: PlanReport) -> int:
    limits = [limit for limit in report.limit_w if limit is not None]
    return kw_digits(max([*report.expected_w, *unplanned_w(report), *limits], default=None))


def _drawn(report: PlanReport, how: Reading) -> dict[str, Any]:
    times, digits = _times(report), _digits(report)
    limits = [*report.limit_w, *[None] * (len(times) - len(report.limit_w))]
    lines = [
        Series(_("Without the plan"), "unplanned", in_kw(unplanned_w(report))),
        Series(_("Planned"), "planned", in_kw(report.expected_w)),
        Series(_("Limit"), "ceiling", in_kw(limits[: len(times)])),
    ]
    drawn = chart(times, lines, how.zone, unit=_("kW"), digits=digits, tick_minutes=TICK_MINUTES)
    caption = _("Means of an hour, kW")
    return {
        "chart": drawn | {"width": report.slot_s},
        "twin": twin(times, lines, how.zone, caption=caption, digits=digits, step=HOUR),
        **_priced(report, times, how),
    }


def _priced(report: PlanReport, times: list[datetime], how: Reading) -> dict[str, Any]:
    """Return the chart of prices and their table; nothing where there are no prices."""
    if not report.price:
        return {"prices": None}
    values: list[float | None] = [*report.price, *[None] * len(times)][: len(times)]
    unit = _("%(currency)s per kWh") % {"currency": how.currency} if how.currency else _("per kWh")
    line = Series(_("Price"), "price", values)
    drawn = chart([*times], [line], how.zone, unit=unit, digits=3, tick_minutes=TICK_MINUTES)
    return {
        "prices": drawn | {"width": report.slot_s},
        "price_unit": unit,
        "steps": list(_price_steps(values, report, how.zone)),
    }


def _price_steps(
    values: Sequence[float | None], report: PlanReport, zone: ZoneInfo
) -> Iterator[dict[str, str]]:
    """Return from when to when which price holds."""
    first = 0
    for slot in range(1, len(values) + 1):
        if slot == len(values) or values[slot] != values[first]:
            yield {
                "span": _span((first, slot), report, zone),
                "price": decimal(values[first], 3),
            }
            first = slot
