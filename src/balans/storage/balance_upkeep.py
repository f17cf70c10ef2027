"""Keeps the sums of balances true: what changed is computed again, what is absent, at first sight.

Order of locks, which all keep: `READERS` while news or people change groups, then
`COMPUTING` from before registers are read until the sums are committed, then rows of
`balance_dirty`. A flush holds `READERS` shared and only then rows of `balance_dirty`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH_DATE, day_of, hour_of, time_of
from balans.domain.balances import Side, Sums, summed
from balans.storage import balance_sql as sql
from balans.storage.balance_cells import point_cells
from balans.storage.balance_dirty import READERS
from balans.storage.balance_groups import sync_groups
from balans.storage.balance_sums import (
    DAY_H,
    Kept,
    Places,
    drop_periods,
    read_hours,
    read_periods,
    write_hours,
    write_periods,
)
from balans.storage.copying import Int4s, arrays, literal

COMPUTING: Final = 0x62616C616E64
"""Advisory lock: one at a time, so that sums of older registers never replace newer ones."""

CHUNK_CELLS: Final = 4_000_000
"""So many hours of points at a time, which bounds memory."""

Marks: TypeAlias = list[tuple[int, int]]
"""Groups and UTC days whose registers changed."""


def take_news(*, wait: bool) -> bool:
    """Let what changed in the registry reach the groups; return whether it did.

    Parameters
    ----------
    wait
        Until flushes that are under way have been committed; else nothing is done while one is.
        Only for the first thing of a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from balance_news)")
        if not cursor.fetchone()[0]:
            return True
        cursor.execute(sql.LOCK if wait else sql.TRY_LOCK, [READERS])
        if not wait and not cursor.fetchone()[0]:
            return False
        cursor.execute(sql.TREE_NEWS)
        tenants = {tenant for (tenant,) in cursor.fetchall()}
    for tenant in sorted(tenants):
        sync_groups(tenant)
    with connection.cursor() as cursor:
        cursor.execute(sql.POINT_NEWS)
    return True


def take_marks(limit: int) -> Marks:
    """Take up to `limit` marks, the oldest days first, and leave those a flush is setting."""
    _lock()
    with connection.cursor() as cursor:
        cursor.execute(sql.TAKE_MARKS, [limit])
        return [(group_id, (day - EPOCH_DATE).days) for group_id, day in cursor.fetchall()]


def settle(places: Places, first_day: int, last_day: int) -> None:
    """Compute again what changed of groups on UTC days from `first_day` to `last_day`."""
    span: Sequence[str | date] = [
        literal(places.group_ids),
        day_of(first_day * DAY_H),
        day_of((last_day + 1) * DAY_H),
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SEE_MARKS, span)
        if not cursor.fetchone()[0]:
            return
        _lock()
        cursor.execute(sql.TAKE_THESE_MARKS, span)
        marks = [(group_id, (day - EPOCH_DATE).days) for group_id, day in cursor.fetchall()]
    compute_marks(marks)


def compute_marks(marks: Marks) -> None:
    """Compute the sums of hours that marks are about, and forget the periods they touch.

    A register at the first hour of a day ends the last interval of the day before.
    """
    days_of: dict[int, set[int]] = defaultdict(set)
    for group_id, day in marks:
        days_of[group_id] |= {day - 1, day}
    drop_periods([group for group, _ in marks], [day_of(day * DAY_H) for _, day in marks])
    _compute_days(days_of)


def hours(places: Places, first_day: int, days: int) -> Sums:
    """Return the sums of slots in the hours of UTC days, shape (slots, days, 24), up to date."""
    settle(places, first_day, first_day + days - 1)
    sums, there = read_hours(places, first_day, days)
    if there.all():
        return sums
    _lock()
    sums, there = read_hours(places, first_day, days)
    absent: dict[int, set[int]] = defaultdict(set)
    for place, day in zip(*(axis.tolist() for axis in np.nonzero(~there)), strict=True):
        absent[places.slots[place][0]].add(first_day + day)
    _compute_days(absent)
    return read_hours(places, first_day, days)[0]


def periods(places: Places, kept: Kept, starts: Sequence[date], bounds: Sequence[datetime]) -> Sums:
    """Return the sums of slots in local periods that are over, shape (slots, starts).

    Parameters
    ----------
    starts
        Their first local days, one after the other.
    bounds
        Where they begin, and where the last ends: one more.
    """
    settle(places, _day_number(bounds[0]), _day_number(bounds[-1]))
    sums, there = read_periods(places, kept, starts, bounds)
    if there.all():
        return sums
    _lock()
    sums, there = read_periods(places, kept, starts, bounds)
    for run in runs(np.flatnonzero(~there.all(axis=0)).tolist()):
        some = sorted(
            {places.slots[n][0] for n in np.flatnonzero(~there[:, run].all(axis=1)).tolist()}
        )
        for part in members(some).parts(_hours_between(bounds[run[0]], bounds[run[-1] + 1])):
            span = bounds[run[0] : run[-1] + 2]
            chosen = [starts[n] for n in run]
            write_periods(part.tenants, part.places, kept, chosen, span, part.sums(span))
    return read_periods(places, kept, starts, bounds)[0]


def directly(places: Places, bounds: Sequence[datetime]) -> Sums:
    """Return the sums of slots between any bounds, from the registers; shape (slots, n)."""
    sums = Sums.none(len(places.slots), len(bounds) - 1)
    place_of = {slot: number for number, slot in enumerate(places.slots)}
    for part in members(places.group_ids).parts(_hours_between(bounds[0], bounds[-1])):
        fresh = part.sums(bounds)
        mine = [(n, place_of[slot]) for n, slot in enumerate(part.places.slots) if slot in place_of]
        for column, new in zip(sums.columns, fresh.columns, strict=True):
            column[[at for _, at in mine]] = new[[n for n, _ in mine]]
    return sums


@dataclass(frozen=True, slots=True)
class Members:
    """The points that groups sum themselves, in the order of group and side.

    `place` (m,) says which slot each of `point` (m,) goes into, `tenants` whose the slots are.
    """

    places: Places
    tenants: list[int]
    place: NDArray[np.intp]
    point: NDArray[np.int64]

    def sums(self, bounds: Sequence[datetime]) -> Sums:
        """Return the sums of the slots between neighbours of `bounds`."""
        points, row = np.unique(self.point, return_inverse=True)
        cells = point_cells(points, bounds)
        if len(row) != len(points) or (np.diff(row) != 1).any():
            cells = cells.take(row)
        return summed(cells, self.place, len(self.places.slots))

    def parts(self, columns: int) -> Iterator["Members"]:
        """Yield members of whole slots, so few that `columns` of them fit into memory."""
        size = max(1, CHUNK_CELLS // max(1, columns))
        count = np.bincount(self.place, minlength=len(self.places.slots))
        first, ends = 0, np.cumsum(count)
        while first < len(count):
            before = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + size, "right")))
            rows = slice(before, int(ends[last - 1]))
            yield Members(
                Places(self.places.slots[first:last]),
                self.tenants[first:last],
                self.place[rows] - first,
                self.point[rows],
            )
            first = last


def members(group_ids: Iterable[int]) -> Members:
    """Return the points that groups sum themselves."""
    groups = np.array(list(group_ids), np.int64)
    group, side, point, tenant = (
        column.astype(np.int64)
        for column in arrays(sql.MEMBERS, [Int4s(groups)], "int4", "int2", "int8", "int4")
    )
    begins = np.ones(len(group), np.bool_)
    begins[1:] = (group[1:] != group[:-1]) | (side[1:] != side[:-1])
    first = np.flatnonzero(begins)
    pairs = zip(group[first].tolist(), side[first].tolist(), strict=True)
    places = Places([(group_id, Side(of)) for group_id, of in pairs])
    return Members(places, tenant[first].tolist(), np.cumsum(begins) - 1, point)


def _compute_days(days_of: dict[int, set[int]]) -> None:
    """Compute and keep the sums of hours of groups on UTC days."""
    groups_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for group_id, days in days_of.items():
        for run in runs(sorted(days)):
            groups_of[run[0], run[-1]].append(group_id)
    for (first, last), groups in sorted(groups_of.items()):
        for part in members(groups).parts((last - first + 1) * DAY_H):
            bounds = [time_of(hour) for hour in range(first * DAY_H, (last + 1) * DAY_H + 1)]
            sums = part.sums(bounds)
            shape = (len(part.places.slots), last - first + 1, DAY_H)
            by_day = Sums(*(column.reshape(shape) for column in sums.columns))
            write_hours(part.tenants, part.places, first, by_day)


LONGEST_RUN: Final = 31


def runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Yield numbers that ascend as runs without gaps, of at most `LONGEST_RUN`.

    >>> list(runs([1, 2, 5]))
    [[1, 2], [5]]
    """
    run: list[int] = []
    for number in numbers:
        if run and (number != run[-1] + 1 or len(run) == LONGEST_RUN):
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _hours_between(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(hours=1) + 1


def _day_number(time: datetime) -> int:
    return hour_of(time) // DAY_H


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK, [COMPUTING])
