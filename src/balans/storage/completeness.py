"""How far metering points have delivered: newest register, and the last 24 hours.

Call inside a scope. One answer for many points at once, in a fixed number of queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from django.db import connection
from django.db.models import Q

from balans.core.hours import EPOCH_DATE, hour_of, time_of
from balans.domain.metering import MISSING
from balans.storage.dayrows import HOURS
from balans.storage.models import MeterMounting
from balans.storage.readings import registers
from balans.storage.records import PointInfo

WINDOW_H: Final = 24


@dataclass(frozen=True, slots=True)
class PointState:
    """What a metering point has delivered.

    `expected` counts the hours of the window since the point's first register ever; `known` are
    those of them that are there.
    """

    last: datetime | None = None
    register: int | None = None
    known: int = 0
    expected: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    first_hour: int
    last_hour: int
    last_register: int


def point_states(points: Sequence[PointInfo], now: datetime) -> dict[int, PointState]:
    """Return the state of each of `points` at `now`, by id; without a channel it is empty.

    The window ends with the last full hour before `now`.
    """
    channels = _channels(points, now)
    ids = sorted(set(channels.values()))
    spans = _spans(ids)
    end = hour_of(now) + 1
    window = registers(ids, end - WINDOW_H, end)
    present = dict(zip(ids, window.values != MISSING, strict=True))
    states = {}
    for point in points:
        span = spans.get(channels.get(point.id, -1))
        if span is None:
            states[point.id] = PointState()
            continue
        expected = min(WINDOW_H, max(0, end - span.first_hour))
        known = int(np.count_nonzero(present[channels[point.id]]))
        last = time_of(span.last_hour)
        states[point.id] = PointState(last, span.last_register, known, expected)
    return states


def _channels(points: Sequence[PointInfo], now: datetime) -> dict[int, int]:
    """Return the channel that serves each point at `now`."""
    rows = MeterMounting.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=now),
        point_id__in=[point.id for point in points],
        channel_id__isnull=False,
        valid_from__lte=now,
    )
    return dict(rows.values_list("point_id", "channel_id"))


def _spans(channel_ids: Sequence[int]) -> dict[int, _Span]:
    """Return the first and the last hour that each channel has, and its last register."""
    with connection.cursor() as cursor:
        cursor.execute(_SPANS, [list(channel_ids)])
        rows = cursor.fetchall()
    return {
        channel: _Span(
            (first_day - EPOCH_DATE).days * 24 + first,
            (last_day - EPOCH_DATE).days * 24 + last,
            register,
        )
        for channel, first_day, first, last_day, last, register in rows
    }


_ANY = f"num_nonnulls({', '.join(HOURS)}) > 0"
_FIRST = " ".join(f"when {hour} is not null then {n}" for n, hour in enumerate(HOURS))
_LAST = " ".join(
    f"when {hour} is not null then {n}" for n, hour in reversed(list(enumerate(HOURS)))
)
_SPANS = f"""
select c.id, f.day, f.hour, l.day, l.hour, l.register
from unnest(%s::int[]) as c (id)
cross join lateral (
  select day, case {_FIRST} end as hour from reading_day
  where channel_id = c.id and {_ANY} order by day limit 1) f
cross join lateral (
  select day, case {_LAST} end as hour, coalesce({", ".join(reversed(HOURS))}) as register
  from reading_day where channel_id = c.id and {_ANY} order by day desc limit 1) l
"""
