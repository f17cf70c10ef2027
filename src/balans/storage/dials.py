"""What the face of a meter shows, from the registers of its channel, and the other way round.

Call inside a scope.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np

from balans.core.hours import hour_of, time_of
from balans.domain.metering import ManualState, interval_pulses
from balans.domain.metering.counter import Counter, micros
from balans.storage.models import ManualReading
from balans.storage.mountings import DIAL_PARTS, Mounting, counters_of, mountings_of
from balans.storage.records import PointInfo

HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)


def dial_at(point: PointInfo, time: datetime) -> Fraction | None:
    """Return what the meter of `point` shows at `time` [Wh, varh or l], None where unknown.

    Between two full hours it is taken to move evenly. A meter with a channel needs the dial that
    was noted when it was mounted; one without is known between two of its accepted dials.
    """
    mounting = _mounting(point, time)
    if mounting is None:
        return None
    if mounting.channel_id is None:
        (counter,) = counters_of([mounting], time, time)[point.id]
        found = counter.at(micros([time]))
        return found.level(0) / DIAL_PARTS if found.known[0] else None
    if mounting.dial_at_mount is None:
        return None
    (counter,) = counters_of([mounting], mounting.valid_from, time + HOUR)[point.id]
    rise = _rise(counter, time)
    return None if rise is None else Fraction(mounting.dial_at_mount) + rise * mounting.pulse_weight


def dial_of(point: PointInfo, register: int, time: datetime) -> Fraction | None:
    """Return what the meter of `point` shows when its channel stands at `register` at `time`.

    Returns
    -------
    Fraction or None
        [Wh, varh or l]; None where the dial or the register at mounting is not known.
    """
    known = _known_at_mounting(point, time)
    if known is None:
        return None
    mounting, counter = known
    held = np.flatnonzero(counter.known & (counter.time <= micros([time])[0]))[-1]
    since = interval_pulses(np.array([counter.raw[held], register]), mounting.register_modulus)[0]
    if counter.segment[held] != counter.segment[0] or np.isnan(since):
        return None
    rise = int(counter.level[held] - counter.level[0]) + int(since)
    return Fraction(mounting.dial_at_mount or 0) + rise * mounting.pulse_weight


def register_of(
    point: PointInfo, time: datetime, dial: Fraction, now: datetime
) -> tuple[datetime, int] | None:
    """Return the full hour nearest to `time`, and the register then that belongs to `dial`.

    Parameters
    ----------
    dial
        What the meter showed at `time` [Wh, varh or l].
    now
        The hour is not later than this.

    Returns
    -------
    tuple or None
        None where the channel or the dial at mounting is not known, the meter was not there at
        that hour, or the dial showed more when it was mounted.
    """
    known = _known_at_mounting(point, time)
    if known is None:
        return None
    mounting, counter = known
    hour = time_of(hour_of(min(time + HALF, now)))
    rise = dial - Fraction(mounting.dial_at_mount or 0)
    there = mounting.valid_from <= hour and (mounting.valid_to is None or hour <= mounting.valid_to)
    if rise < 0 or not there:
        return None
    pulses = round(rise / mounting.pulse_weight)
    return hour, (int(counter.raw[0]) + pulses) % mounting.register_modulus


def _known_at_mounting(point: PointInfo, time: datetime) -> tuple[Mounting, Counter] | None:
    """Return the meter at `time`, and what it counted since the dial and register at mounting."""
    mounting = _mounting(point, time)
    if mounting is None or mounting.channel_id is None or mounting.dial_at_mount is None:
        return None
    (counter,) = counters_of([mounting], mounting.valid_from, time + HOUR)[point.id]
    return None if _origin(counter) is None else (mounting, counter)


def neighbours(point_id: int, time: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the accepted dials before and after `time`: what lies between hangs on it.

    None where there is none on that side.
    """
    rows = ManualReading.objects.filter(point_id=point_id, state=ManualState.ACCEPTED.value)
    times = rows.exclude(at=time).values_list("at", flat=True)
    return (
        times.filter(at__lt=time).order_by("-at").first(),
        times.filter(at__gt=time).order_by("at").first(),
    )


def _mounting(point: PointInfo, time: datetime) -> Mounting | None:
    found = mountings_of([point.id], time, time + timedelta(microseconds=1))
    return found[0] if found else None


def _origin(counter: Counter) -> int | None:
    """Return the place of the first register of a counter within the hour of its mounting."""
    if not len(counter.time) or not counter.known[0]:
        return None
    return 0 if int(counter.time[0]) - counter.start <= HOUR / timedelta(microseconds=1) else None


def _rise(counter: Counter, time: datetime) -> Fraction | None:
    """Return what was counted from mounting until `time` [pulses]."""
    origin = _origin(counter)
    found = replace(counter, interpolated=True).at(micros([time]))
    if origin is None or not found.known[0] or found.segment[0] != counter.segment[origin]:
        return None
    return found.level(0) - int(counter.level[origin])
