"""Balances of groups: what flowed in, what flowed out, what is missing, and why. Call in a scope.

Sums of groups are kept (`balance_upkeep`); a balance adds them, however large the region.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from balans.core.errors import InputError
from balans.core.hours import hour_of, time_of
from balans.domain.balances import (
    Balance,
    Reach,
    Sums,
    Term,
    Terms,
    balances,
)
from balans.domain.metering import calendar
from balans.storage import balance_loss, lookups
from balans.storage.balance_groups import (
    GroupInfo,
    by_id,
    forest_of,
    forest_of_nodes,
    slots_of,
    zones_of,
)
from balans.storage.balance_sums import DAY_H, Kept, Places, Slot
from balans.storage.balance_upkeep import (
    Marks,
    compute_marks,
    directly,
    hours,
    periods,
    runs,
    take_marks,
    take_news,
)
from balans.storage.records import NodeInfo
from balans.storage.scope import system_scope

MOST_INTERVALS: Final = 20_000
YEARS: Final = 1900, 2200


class Step(StrEnum):
    """How long the intervals of a balance are, in the time zone of the group."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Line:
    """The balance of [start, end)."""

    start: datetime
    end: datetime
    balance: Balance


@dataclass(frozen=True, slots=True)
class Report:
    """Balances of a group, interval after interval.

    `uncovered`: there are points of consumption or production before any inflow meter of the
    group, which no balance can contain.
    """

    group: GroupInfo
    zone: ZoneInfo
    step: Step
    reach: Reach
    terms: Terms
    lines: tuple[Line, ...]
    uncovered: bool = False


def refresh(now: datetime, limit: int = 500) -> int:
    """Compute again up to `limit` days of groups that changed; return how many, and commit.

    What changed in the registry reaches the groups first. Call again while it returns `limit`.
    Opens a scope of its own.

    Parameters
    ----------
    now
        Local days that were over by then are computed as well, and the last month and year.
    limit
        Bound of one transaction.

    Raises
    ------
    UnavailableError
        If the database cannot be used now; nothing is lost, try again.
    """
    with system_scope("balances", durable=True):
        take_news(wait=True)
        marks = take_marks(limit)
        compute_marks(marks)
        _fill(marks, now)
    return len(marks)


def _fill(marks: Marks, now: datetime) -> None:
    """Compute the local days that marks touch, and the last month and year of their groups."""
    groups = by_id({group_id for group_id, _ in marks})
    zones = zones_of(groups.values())
    by_zone: dict[ZoneInfo, list[int]] = defaultdict(list)
    for group in groups.values():
        by_zone[zones[group.node_id]].append(group.id)
    for zone, group_ids in by_zone.items():
        places = Places(slots_of(group_ids))
        mine = set(group_ids)
        days = sorted({day for group_id, day in marks if group_id in mine})
        for run in runs(days):
            first, last = time_of(run[0] * DAY_H), time_of((run[-1] + 1) * DAY_H)
            _fill_periods(places, Kept.DAY, calendar.days(first, last, zone), zone, now)
        for kept, cut, back in (
            (Kept.MONTH, calendar.months, timedelta(days=32)),
            (Kept.YEAR, calendar.years, timedelta(days=366)),
        ):
            _fill_periods(places, kept, cut(now - back, now, zone), zone, now)


def _fill_periods(
    places: Places, kept: Kept, bounds: Sequence[datetime], zone: ZoneInfo, now: datetime
) -> None:
    """Compute those of the periods that are over, of months and years the last one only."""
    over = [bound for bound in bounds if bound <= now]
    if kept is not Kept.DAY:
        over = over[-2:]
    if len(over) > 1:
        periods(places, kept, [bound.astimezone(zone).date() for bound in over[:-1]], over)


def balance(
    group: GroupInfo,
    bounds: Sequence[datetime],
    step: Step,
    now: datetime,
    reach: Reach = Reach.METERS,
) -> Report:
    """Return the balances of a group between neighbours of `bounds`.

    Parameters
    ----------
    bounds
        From `bounds_of`.
    now
        Periods that are not over by then are told from the registers alone.
    """
    take_news(wait=False)
    node = lookups.node(group.node_id)
    terms = forest_of(group, node).terms(group.id, reach)
    sums = Summed.of(_places([terms]), bounds, step, now, node.timezone)
    losses = balance_loss.losses(terms.segments, bounds)
    found = balances(sums.total(terms.inflow), sums.total(terms.outflow), losses)
    lines = (
        Line(start, end, one) for (start, end), one in zip(pairwise(bounds), found, strict=True)
    )
    uncovered = bool(_present(terms.uncovered))
    return Report(group, node.timezone, step, reach, terms, tuple(lines), uncovered)


def balances_of(
    groups: Sequence[GroupInfo],
    node: NodeInfo,
    span: tuple[datetime, datetime],
    now: datetime,
    reach: Reach = Reach.METERS,
) -> dict[int, Balance]:
    """Return the balances of groups of one resource over one period, by id, in one go.

    Parameters
    ----------
    groups
        Groups of `node` or of nodes below it.
    span
        Start and end, at best of a local day, month or year.
    """
    if not groups:
        return {}
    take_news(wait=False)
    forest = forest_of_nodes(node, groups[0].resource)
    terms = [forest.terms(group.id, reach) for group in groups]
    step = _step_of(span, node.timezone)
    sums = Summed.of(_places(terms), span, step, now, node.timezone)
    found = {}
    for group, one in zip(groups, terms, strict=True):
        losses = balance_loss.losses(one.segments, span)
        (found[group.id],) = balances(sums.total(one.inflow), sums.total(one.outflow), losses)
    return found


def _step_of(span: tuple[datetime, datetime], zone: ZoneInfo) -> Step:
    """Return the step of which `span` is one interval, or the day."""
    for step in (Step.DAY, Step.MONTH, Step.YEAR):
        if getattr(calendar, f"{step}s")(*span, zone) == list(span):
            return step
    return Step.DAY


def _places(terms: Sequence[Terms]) -> Places:
    """Return the slots that balances consist of, as far as there are points in them."""
    return Places(_present([term for one in terms for term in (*one.inflow, *one.outflow)]))


def _present(terms: Sequence[Term]) -> list[Slot]:
    wanted = {_slot(term) for term in terms}
    group_ids = sorted({group_id for group_id, _ in wanted})
    return [slot for slot in slots_of(group_ids) if slot in wanted]


def bounds_of(start: datetime, end: datetime, step: Step, zone: ZoneInfo) -> list[datetime]:
    """Return the bounds of the intervals of [start, end); the first and the last may be parts.

    Raises
    ------
    InputError
        If there is no interval, there are too many, or a year is outside 1900 to 2200.
    """
    for time in (start, end):
        if not YEARS[0] <= time.year <= YEARS[1]:
            raise InputError(f"{time.isoformat()}: expected a year from {YEARS[0]} to {YEARS[1]}")
    # in one zone, two readings of a clock that was set may be the same instant
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if start >= end:
        raise InputError(f"from {start.isoformat()} to {end.isoformat()}: the end is not later")
    if (end - start) / _SHORTEST[step] > MOST_INTERVALS:
        raise InputError(
            f"from {start.isoformat()} to {end.isoformat()}: more than {MOST_INTERVALS}"
            f" intervals of a {step}; ask for less, or for longer ones"
        )
    cut = getattr(calendar, f"{step}s")(start, end, zone)
    inside = [bound for bound in cut if start < bound < end]
    return [start, *inside, end]


_SHORTEST: Final = {
    Step.HOUR: timedelta(hours=1),
    Step.DAY: timedelta(hours=23),
    Step.MONTH: timedelta(days=28),
    Step.YEAR: timedelta(days=365),
}


@dataclass(frozen=True, slots=True)
class Summed:
    """Sums of slots between bounds."""

    places: Places
    sums: Sums

    @classmethod
    def of(
        cls,
        places: Places,
        bounds: Sequence[datetime],
        step: Step,
        now: datetime,
        zone: ZoneInfo,
    ) -> "Summed":
        """Return the sums from what is kept or, where nothing can be, from registers."""
        if not places.slots:
            return cls(places, Sums.none(0, len(bounds) - 1))
        if step is Step.HOUR:
            return cls(places, _hourly(places, bounds))
        return cls(places, _by_periods(places, bounds, step, now, zone))

    def total(self, terms: Sequence[Term]) -> Sums:
        """Return the sum of `terms`, shape (n,)."""
        place_of = {slot: number for number, slot in enumerate(self.places.slots)}
        total = Sums.none(self.sums.energy.shape[1])
        plus = [
            at for term in terms if term.sign > 0 and (at := place_of.get(_slot(term))) is not None
        ]
        for at in plus:
            total += self.sums[at]
        for term in terms:
            at = place_of.get(_slot(term))
            if term.sign < 0 and at is not None:
                total = total.minus(self.sums[at])
        return total


def _slot(term: Term) -> Slot:
    return term.group_id, term.side


def _hourly(places: Places, bounds: Sequence[datetime]) -> Sums:
    first, last = hour_of(bounds[0]), hour_of(bounds[-1])
    if [time_of(hour) for hour in range(first, last + 1)] != list(bounds):
        return directly(places, bounds)  # not full hours
    first_day = first // DAY_H
    days = (last - 1) // DAY_H - first_day + 1
    found = hours(places, first_day, days)
    flat = Sums(*(c.reshape(len(places.slots), days * DAY_H) for c in found.columns))
    return flat[:, first - first_day * DAY_H : last - first_day * DAY_H]


def _by_periods(
    places: Places, bounds: Sequence[datetime], step: Step, now: datetime, zone: ZoneInfo
) -> Sums:
    kept = Kept[step.name]
    parts = []
    for run, whole in _stretches(bounds, step, now, zone):
        if whole:
            starts = [bound.astimezone(zone).date() for bound in run[:-1]]
            parts.append(periods(places, kept, starts, run))
        else:
            parts.append(directly(places, run))
    columns = zip(*(part.columns for part in parts), strict=True)
    return Sums(*(np.concatenate(column, axis=1) for column in columns))


def _stretches(
    bounds: Sequence[datetime], step: Step, now: datetime, zone: ZoneInfo
) -> Iterator[tuple[list[datetime], bool]]:
    """Yield runs of bounds whose intervals are whole periods that are over, or are not."""
    periods_there = set(pairwise(getattr(calendar, f"{step}s")(bounds[0], bounds[-1], zone)))
    run: list[datetime] = []
    kind = False
    for start, end in pairwise(bounds):
        whole = (start, end) in periods_there and end <= now
        if run and whole != kind:
            yield run, kind
            run = []
        run = [*run, end] if run else [start, end]
        kind = whole
    yield run, kind
