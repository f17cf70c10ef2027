"""How far metering points have delivered: newest register, and the last 24 hours.

Call inside a scope. One answer for many points at once, in a few queries.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection
from django.db.models import Q

from balans.core.hours import EPOCH_DATE, day_of, hour_of, time_of
from balans.domain.metering import MISSING, ManualState
from balans.storage.dayrows import HOURS
from balans.storage.models import ManualReading, MeterMounting
from balans.storage.readings import registers
from balans.storage.records import PointInfo

WINDOW_H: Final = 24
RECENT_H: Final = 96
"""What is older than this stands in day rows and sealed months only."""


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
class _Delivered:
    """Of a channel: its last hour and register, and the first hour, as far back as matters."""

    first_hour: int
    last_hour: int
    last_register: int
    known: int = 0


def point_states(points: Sequence[PointInfo], now: datetime) -> dict[int, PointState]:
    """Return the state of each of `points` at `now`, by id; without a channel it is empty.

    The window ends with the last full hour before `now`.
    """
    channels = _channels(points, now)
    delivered = _delivered(sorted(set(channels.values())), now)
    end = hour_of(now) + 1
    states = {}
    for point in points:
        found = delivered.get(channels.get(point.id, -1))
        if found is None:
            states[point.id] = PointState()
            continue
        expected = min(WINDOW_H, end - found.first_hour)
        last = time_of(found.last_hour)
        states[point.id] = PointState(last, found.last_register, found.known, expected)
    return states


def last_reading(point: PointInfo, now: datetime) -> datetime | None:
    """Return the time of the newest register or accepted dial of a point, None without any."""
    rows = MeterMounting.objects.filter(point_id=point.id, channel_id__isnull=False)
    channels = sorted(set(rows.values_list("channel_id", flat=True)))
    hours = [found.last_hour for found in _delivered(channels, now).values()]
    dials = ManualReading.objects.filter(point_id=point.id, state=ManualState.ACCEPTED.value)
    newest = dials.order_by("-at").values_list("at", flat=True).first()
    times = [time_of(max(hours))] if hours else []
    return max([*times, newest] if newest else times, default=None)


def last_hours(channel_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Return the newest hour that each channel has delivered by `now`; without any it is left out.

    Hours are numbers since 2000-01-01, as in `balans.core.hours`.
    """
    return {channel: one.last_hour for channel, one in _delivered(channel_ids, now).items()}


def _channels(points: Sequence[PointInfo], now: datetime) -> dict[int, int]:
    """Return the channel that serves each point at `now`."""
    rows = MeterMounting.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=now),
        point_id__in=[point.id for point in points],
        channel_id__isnull=False,
        valid_from__lte=now,
    )
    return dict(rows.values_list("point_id", "channel_id"))


def _delivered(channel_ids: Sequence[int], now: datetime) -> dict[int, _Delivered]:
    """Return what channels have delivered by `now`; those without a register are left out."""
    if not channel_ids:
        return {}
    end = hour_of(now) + 1
    start = (end - RECENT_H) // 24 * 24
    values = registers(channel_ids, start, end).values
    there = values != MISSING
    older = _older(channel_ids, day_of(start))
    found: dict[int, _Delivered] = {}
    silent = []
    for row, channel in enumerate(channel_ids):
        hours = np.flatnonzero(there[row])
        if not len(hours):
            silent.append(channel)
            continue
        last = int(hours[-1])
        first = start - WINDOW_H if channel in older else start + int(hours[0])
        known = int(np.count_nonzero(there[row, -WINDOW_H:]))
        found[channel] = _Delivered(first, start + last, int(values[row, last]), known)
    return found | _last_of(silent, older)


def _last_of(
    channel_ids: Iterable[int], older: dict[int, tuple[date, timedelta]]
) -> dict[int, _Delivered]:
    """Return the newest register of channels that are silent, period by period."""
    periods: defaultdict[tuple[date, timedelta], list[int]] = defaultdict(list)
    for channel in channel_ids:
        if channel in older:
            periods[older[channel]].append(channel)
    found = {}
    for (first, length), channels in periods.items():
        start = (first - EPOCH_DATE).days * 24
        values = registers(channels, start, start + length // timedelta(hours=1)).values
        for row, channel in enumerate(channels):
            hours = np.flatnonzero(values[row] != MISSING)
            if len(hours):
                last = int(hours[-1])
                found[channel] = _Delivered(start, start + last, int(values[row, last]))
    return found


def _older(channel_ids: Sequence[int], before: date) -> dict[int, tuple[date, timedelta]]:
    """Return the newest day or sealed month before a day that channels have registers in."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [list(channel_ids), before, before])
        rows = cursor.fetchall()
    found = {}
    for channel, day, month in rows:
        if day is not None and (month is None or day >= month):
            found[channel] = (day, timedelta(days=1))
        elif month is not None:
            found[channel] = (month, timedelta(days=31))
    return found


_NEWEST = f"""
select c.id, d.day, m.month
from unnest(%s::int[]) as c (id)
left join lateral (
  select day from reading_day where channel_id = c.id and day < %s
    and num_nonnulls({", ".join(HOURS)}) > 0 order by day desc limit 1) d on true
left join lateral (
  select month from reading_month where channel_id = c.id and month < %s
  order by month desc limit 1) m on true
where d.day is not null or m.month is not null
"""
