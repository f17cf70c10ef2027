"""What metering points used in any intervals, through exchanges of their meters.

Call inside a scope.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from django.db.models import Q

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING, IntervalValue, Quality, interval_values
from balans.domain.metering.counter import FOREVER, Counter, micros
from balans.storage.models import PointMark
from balans.storage.mountings import counters_of, micro, mountings_of
from balans.storage.records import PointInfo

__all__ = ["HourValue", "IntervalValue", "hourly_profile", "point_intervals"]

CHUNK_POINTS: Final = 500
"""So many points at a time, which bounds the memory that their registers take."""


@dataclass(frozen=True, slots=True)
class HourValue:
    """One hour of a metering point.

    Parameters
    ----------
    start
        When the hour begins, UTC.
    energy
        What was used in it [Wh, varh or l], exactly; None where it cannot be told.
    register
        The channel's register at `start` [pulses]; None where missing.
    quality
        Why `energy` is as good as it is.
    """

    start: datetime
    energy: Fraction | None
    register: int | None
    quality: Quality


def point_intervals(
    points: Sequence[PointInfo], bounds: Sequence[datetime]
) -> dict[int, list[IntervalValue]]:
    """Return what each of `points` used between each two neighbours of `bounds`, by id.

    Parameters
    ----------
    points
        What to tell of.
    bounds
        Aware instants, rising, n + 1 for n intervals: those of `domain.metering.calendar` or any
        others. At an instant that is no full hour only what was noted of a meter at its mounting
        or removal, or a dial, is known.

    Returns
    -------
    dict
        n values for each point, missing ones too.

    Notes
    -----
    The energy of an interval is the sum over the meters mounted in it of the pulses between the
    registers at the ends of their part, times the worth of a pulse. Where a meter was exchanged,
    its registers at removal and mounting stand for the ends. A register that went back without
    rolling over leaves the energy unknown and suspect; a mark of an operator leaves it unknown
    and incorrect. A meter without a channel lives from its dials that were accepted; between two
    of them its use is even, hence estimated.

    Raises
    ------
    ValueError
        If `bounds` do not rise.
    """
    if len(bounds) < 2:
        return {point.id: [] for point in points}
    found = {}
    for first in range(0, len(points), CHUNK_POINTS):
        ids = [point.id for point in points[first : first + CHUNK_POINTS]]
        counters = _counters(ids, bounds[0], bounds[-1])
        marks = _marks(ids, bounds[0], bounds[-1])
        for point_id in ids:
            found[point_id] = interval_values(counters[point_id], marks[point_id], bounds)
    return found


def hourly_profile(point: PointInfo, start: datetime, end: datetime) -> list[HourValue]:
    """Return the hours of `point` in [start, end), one value for each, missing ones too.

    Parameters
    ----------
    point
        What to tell of.
    start, end
        Aware; taken down to the full hour.
    """
    bounds = [time_of(hour) for hour in range(hour_of(start), hour_of(end) + 1)]
    if len(bounds) < 2:
        return []
    counters = _counters([point.id], bounds[0], bounds[-1])[point.id]
    values = interval_values(counters, _marks([point.id], bounds[0], bounds[-1])[point.id], bounds)
    registers = _registers_at(counters, bounds[:-1])
    return [
        HourValue(value.start, value.energy, register, value.quality)
        for value, register in zip(values, registers, strict=True)
    ]


def _counters(ids: Sequence[int], start: datetime, end: datetime) -> dict[int, list[Counter]]:
    return counters_of(mountings_of(ids, start, end), start, end)


def _registers_at(counters: Sequence[Counter], times: Sequence[datetime]) -> Iterator[int | None]:
    """Yield the register of whichever meter was there at each of `times`."""
    known = {
        time: value
        for one in counters
        if not one.interpolated
        for time, value in zip(one.time.tolist(), one.raw.tolist(), strict=True)
        if value != MISSING and time < one.end
    }
    for time in micros(times).tolist():
        yield known.get(time)


def _marks(
    ids: Sequence[int], start: datetime, end: datetime
) -> defaultdict[int, list[tuple[int, int]]]:
    """Return the marks of points that overlap [start, end), as periods [µs]."""
    rows = PointMark.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=start),
        point_id__in=ids,
        valid_from__lt=end,
        void=False,
    )
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for point_id, valid_from, valid_to in rows.values_list("point_id", "valid_from", "valid_to"):
        until = FOREVER if valid_to is None else micro(valid_to)
        found[point_id].append((micro(valid_from), until))
    return found
