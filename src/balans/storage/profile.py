"""From registers to what a metering point used each hour, through exchanges of its meter.

Call inside a scope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import numpy as np
from django.db.models import Q

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING, interval_pulses
from balans.storage.models import MeterMounting
from balans.storage.readings import Quality, Registers, registers
from balans.storage.records import PointInfo


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


@dataclass(frozen=True, slots=True)
class Mounting:
    """A meter at a point for a period, with all that turns registers into energy."""

    channel_id: int | None
    valid_from: datetime
    valid_to: datetime | None
    register_at_mount: int | None
    register_at_removal: int | None
    pulse_worth: Fraction
    register_modulus: int


@dataclass(frozen=True, slots=True)
class Source:
    """Registers of the channels that served a point, one row each."""

    channels: tuple[int, ...]
    found: Registers

    def at(self, mounting: Mounting, time: datetime) -> tuple[int | None, Quality]:
        """Return the register of a mounting at an end of its period or at a full hour."""
        if time == mounting.valid_from and mounting.register_at_mount is not None:
            return mounting.register_at_mount, Quality.MEASURED
        if time == mounting.valid_to and mounting.register_at_removal is not None:
            return mounting.register_at_removal, Quality.MEASURED
        hour = hour_of(time)
        if mounting.channel_id is None or time_of(hour) != time:
            return None, Quality.MISSING
        row, column = self.channels.index(mounting.channel_id), hour - self.found.start_hour
        value = int(self.found.values[row, column])
        return (None if value == MISSING else value), self.found.quality(row, column)


def hourly_profile(point: PointInfo, start: datetime, end: datetime) -> list[HourValue]:
    """Return the hours of `point` in [start, end), one value for each, missing ones too.

    Parameters
    ----------
    point
        What to tell of.
    start, end
        Aware; taken down to the full hour.

    Notes
    -----
    The energy of an hour is the sum over the meters mounted in it of the pulses between the
    registers at its ends, times the worth of a pulse. Where a meter was exchanged within the hour
    its registers at removal and mounting stand for the ends. A register that went back without
    rolling over leaves the energy unknown and suspect.
    """
    hours = range(hour_of(start), hour_of(end))
    mountings = _mountings(point, start, end)
    channels = tuple({m.channel_id: None for m in mountings if m.channel_id is not None})
    source = Source(channels, registers(channels, hours.start, hours.stop + 1))
    return [hour_value(mountings, source, time_of(hour), time_of(hour + 1)) for hour in hours]


def hour_value(
    mountings: Sequence[Mounting], source: Source, start: datetime, end: datetime
) -> HourValue:
    """Return the value of the hour [start, end) from the meters mounted in it."""
    energy = Fraction(0)
    covered = 0.0
    quality = Quality.MEASURED
    register = None
    for mounting in mountings:
        first = max(start, mounting.valid_from)
        last = end if mounting.valid_to is None else min(end, mounting.valid_to)
        if first >= last:
            continue
        covered += (last - first).total_seconds()
        (before, doubt), (after, later_doubt) = (
            source.at(mounting, first),
            source.at(mounting, last),
        )
        if first == start:
            register = before
        if before is None or after is None:
            return HourValue(start, None, register, Quality.MISSING)
        (pulses,) = interval_pulses(np.array([before, after]), mounting.register_modulus)
        if np.isnan(pulses):
            return HourValue(start, None, register, Quality.SUSPECT)
        energy += int(pulses) * mounting.pulse_worth
        quality = max(quality, doubt, later_doubt, key=_RANK.index)
    if not covered:
        return HourValue(start, None, None, Quality.UNMETERED)
    if covered < (end - start).total_seconds():
        quality = Quality.PARTIAL
    return HourValue(start, energy, register, quality)


_RANK = list(Quality)


def _mountings(point: PointInfo, start: datetime, end: datetime) -> list[Mounting]:
    rows = MeterMounting.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=start), point_id=point.id, valid_from__lt=end
    )
    return [
        Mounting(
            channel_id=row.channel_id,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            register_at_mount=row.register_at_mount,
            register_at_removal=row.register_at_removal,
            pulse_worth=row.meter.pulse_weight * row.meter.transformer_ratio,
            register_modulus=row.meter.register_modulus,
        )
        for row in rows.select_related("meter").order_by("valid_from")
    ]
