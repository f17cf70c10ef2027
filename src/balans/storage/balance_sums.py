"""What is kept of balances: sums of hours and of local days, months and years, as rows.

They are copies: what is absent is computed from the readings. Call inside a scope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import day_of
from balans.domain.balances import Side, Sums
from balans.storage.copying import fixed_rows, literal

Slot: TypeAlias = tuple[int, Side]
"""A group and a side of it: what one sum is kept of."""

DAY_H: Final = 24


class Kept(IntEnum):
    """Local periods of which sums are kept."""

    DAY = 1
    MONTH = 2
    YEAR = 3


@dataclass(frozen=True, slots=True)
class Places:
    """Slots in order, and where each stands."""

    slots: Sequence[Slot]

    @property
    def group_ids(self) -> list[int]:
        """Each group once, ascending."""
        return sorted({group_id for group_id, _ in self.slots})

    def of(self, group: NDArray[np.integer], side: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return the places of slots that are all among these; -1 for one that is not."""
        keys = np.array([(group_id << 2) | side for group_id, side in self.slots], np.int64)
        order = np.argsort(keys)
        wanted = (group.astype(np.int64) << 2) | side.astype(np.int64)
        if not len(keys):
            return np.full(len(wanted), -1)
        at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        return np.where(keys[at] == wanted, at, -1)


def read_hours(places: Places, first_day: int, days: int) -> tuple[Sums, NDArray[np.bool_]]:
    """Return the sums of slots in the hours of UTC days, and which days are there.

    Returns
    -------
    Sums
        Shape (slots, days, 24); 0 where a day is not there.
    NDArray
        Shape (slots, days).
    """
    span = [day_of(first_day * DAY_H), day_of((first_day + days - 1) * DAY_H)]
    rows = fixed_rows(_HOURS, [*span, literal(places.group_ids)], _HOUR_ROW)
    sums = Sums.none(len(places.slots), days, DAY_H)
    there = np.zeros((len(places.slots), days), np.bool_)
    place = places.of(rows["group"], rows["side"])
    mine = place >= 0
    place, day = place[mine], rows["day"][mine] - first_day
    for name, column in zip(_COLUMNS, sums.columns, strict=True):
        column[place, day] = rows[name]["items"]["value"][mine]
    there[place, day] = True
    return sums, there


def write_hours(tenants: Sequence[int], places: Places, first_day: int, sums: Sums) -> None:
    """Keep the sums of slots, shape (slots, days, 24), in the place of what was kept.

    `tenants` are those of the slots.
    """
    days = sums.energy.shape[1]
    rows = [
        (group_id, int(side), day_of((first_day + day) * DAY_H), tenant, *_texts(sums[n, day]))
        for n, ((group_id, side), tenant) in enumerate(zip(places.slots, tenants, strict=True))
        for day in range(days)
    ]
    _put(_WRITE_HOURS, rows)


def _texts(sums: Sums) -> tuple[str | None, ...]:
    """Return a day as array literals, what goes without saying as NULL."""
    energy, expected, known, suspect, estimated = sums.columns
    alike = bool((expected == expected[0]).all())
    return (
        _literal(energy),
        _literal(expected[:1] if alike else expected),
        None if (known == expected).all() else _literal(known),
        _literal(suspect) if suspect.any() else None,
        _literal(estimated) if estimated.any() else None,
    )


def _literal(values: NDArray[np.int64]) -> str:
    return f"{{{','.join(map(str, values.tolist()))}}}"


def read_periods(
    places: Places, kept: Kept, starts: Sequence[date], bounds: Sequence[datetime]
) -> tuple[Sums, NDArray[np.bool_]]:
    """Return the sums of slots in local periods, and which are there, shape (slots, starts).

    `bounds` are the instants at which they begin and the last one ends: what is kept of a day of
    another time zone, as of a node whose zone was another, is not what is asked for.
    """
    sums = Sums.none(len(places.slots), len(starts))
    there = np.zeros((len(places.slots), len(starts)), np.bool_)
    column_of = {start: number for number, start in enumerate(starts)}
    with connection.cursor() as cursor:
        spans = list(starts), list(bounds[:-1]), list(bounds[1:])
        cursor.execute(_PERIODS, [*spans, int(kept), literal(places.group_ids)])
        found = cursor.fetchall()
    if not found:
        return sums, there
    groups, sides, days, *values = zip(*found, strict=True)
    place = places.of(np.array(groups), np.array(sides))
    mine = place >= 0
    at = place[mine], np.array([column_of[day] for day in days])[mine]
    for column, value in zip(sums.columns, values, strict=True):
        column[at] = np.array(value, np.int64)[mine]
    there[at] = True
    return sums, there


def write_periods(
    tenants: Sequence[int],
    places: Places,
    kept: Kept,
    starts: Sequence[date],
    bounds: Sequence[datetime],
    sums: Sums,
) -> None:
    """Keep the sums of slots, shape (slots, starts), in the place of what was kept."""
    spans = list(zip(starts, bounds[:-1], bounds[1:], strict=True))
    rows = [
        (group_id, int(kept), *span, int(side), tenant, *(c[n, at].item() for c in sums.columns))
        for n, ((group_id, side), tenant) in enumerate(zip(places.slots, tenants, strict=True))
        for at, span in enumerate(spans)
    ]
    _put(_WRITE_PERIODS, rows)


def drop_periods(group_ids: Sequence[int], days: Sequence[date]) -> None:
    """Forget the local periods of groups that a UTC day touches; as many groups as days."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP_PERIODS, [list(group_ids), list(days)])


def drop_groups(group_ids: Sequence[int]) -> None:
    """Forget all that is kept of groups."""
    with connection.cursor() as cursor:
        for table in ("balance_hour", "balance_period"):
            cursor.execute(f"delete from {table} where group_id = any(%s)", [list(group_ids)])


def _put(statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])


_COLUMNS: Final = ("energy", "expected", "known", "suspect", "estimated")


def _array(name: str, kind: str) -> list[tuple[Any, ...]]:
    """Return the layout of an array of `DAY_H` elements in binary.

    References
    ----------
    PostgreSQL source, array_send: dimensions, whether NULLs are inside, type, length, lower bound.
    """
    head = [(part, ">i4") for part in ("dimensions", "nulls", "type", "length", "lower")]
    items = ("items", [("length", ">i4"), ("value", kind)], (DAY_H,))
    return [(f"{name}_length", ">i4"), (name, [*head, items])]


_HOUR_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("group_length", ">i4"),
        ("group", ">i4"),
        ("day_length", ">i4"),
        ("day", ">i4"),
        ("side_length", ">i4"),
        ("side", ">i2"),
        *(one for name in _COLUMNS for one in _array(name, ">i8" if name == "energy" else ">i4")),
    ]
)
_NONE: Final = f"array_fill(0, array[{DAY_H}])"
_HOURS: Final = f"""
select group_id, day, side, energy, expected, coalesce(known, expected),
  coalesce(suspect, {_NONE}), coalesce(estimated, {_NONE})
from (
  select group_id, day, side, energy, known, suspect, estimated,
    case cardinality(expected) when 1 then array_fill(expected[1], array[{DAY_H}])
      else expected end as expected
  from balance_hour where day between %s and %s and group_id = any(%s::int[])) h
"""
_WRITE_HOURS: Final = f"""
insert into balance_hour as h (group_id, side, day, tenant_id, {", ".join(_COLUMNS)})
select group_id, side, day, tenant_id, energy::bigint[], expected::int[], known::int[],
  suspect::int[], estimated::int[]
from unnest(%s::int[], %s::smallint[], %s::date[], %s::int[], %s::text[], %s::text[], %s::text[],
  %s::text[], %s::text[]) as x (group_id, side, day, tenant_id, {", ".join(_COLUMNS)})
on conflict (group_id, day, side) do update set
  {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
"""
_PERIODS: Final = f"""
select group_id, side, start, {", ".join(_COLUMNS)}
from unnest(%s::date[], %s::timestamptz[], %s::timestamptz[]) as w (start, since, until)
join balance_period using (start, since, until)
where step = %s and group_id = any(%s::int[])
"""
_WRITE_PERIODS: Final = f"""
insert into balance_period
  (group_id, step, start, since, until, side, tenant_id, {", ".join(_COLUMNS)})
select * from unnest(%s::int[], %s::smallint[], %s::date[], %s::timestamptz[], %s::timestamptz[],
  %s::smallint[], %s::int[], %s::bigint[], %s::int[], %s::int[], %s::int[], %s::int[])
on conflict (group_id, step, start, side) do update set
  since = excluded.since, until = excluded.until,
  {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
"""
_DROP_PERIODS: Final = """
delete from balance_period p using unnest(%s::int[], %s::date[]) as x (group_id, day)
where p.group_id = x.group_id and p.start <= x.day + 1
  and (p.start + make_interval(days => (p.step = 1)::int, months => (p.step = 2)::int,
                               years => (p.step = 3)::int))::date >= x.day - 1
"""
"""A day more at either side, for a local day is not a UTC day."""
