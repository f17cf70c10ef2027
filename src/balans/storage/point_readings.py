"""The registers of a metering point as they are stored, with the input each came from.

Call inside a scope.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING, Quality
from balans.storage.models import MeteringPoint, MeterMounting
from balans.storage.readings import ExportRow, export_rows, registers
from balans.storage.records import NodeInfo, PointInfo


@dataclass(frozen=True, slots=True)
class PointReading:
    """A register [pulses] of the input that counted for a point at a full hour."""

    time: datetime
    module: int
    input: int
    register: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Served:
    """An input that counted for a point from `start` until before `end`."""

    channel_id: int
    module: int
    input: int
    start: datetime
    end: datetime | None


def point_readings(point: PointInfo, start: datetime, end: datetime) -> list[PointReading]:
    """Return what is stored of `point` at the hours of [start, end), in the order of time.

    At the hour of an exchange both inputs may have one: the register that closes the old meter's
    period is told with it, the one that opens the new meter's with that. What is missing is left
    out.
    """
    first, last = _hour_at_or_after(start), _hour_at_or_after(end)
    inputs = served(point, start, end)
    found = registers(sorted({one.channel_id for one in inputs}), first, last)
    row_of = {channel: row for row, channel in enumerate(sorted({s.channel_id for s in inputs}))}
    readings = []
    for one in inputs:
        row = row_of[one.channel_id]
        for column in np.flatnonzero(found.values[row] != MISSING).tolist():
            time = time_of(first + column)
            if one.start <= time and (one.end is None or time <= one.end):
                register, quality = int(found.values[row, column]), found.quality(row, column)
                readings.append(PointReading(time, one.module, one.input, register, quality))
    return sorted(readings, key=lambda reading: reading.time)


def served(point: PointInfo, start: datetime, end: datetime) -> list[Served]:
    """Return the inputs that counted for a point in [start, end], the first first."""
    rows = MeterMounting.objects.filter(
        point_id=point.id, channel_id__isnull=False, valid_from__lt=end
    ).exclude(valid_to__lt=start)
    return [
        Served(*row)
        for row in rows.order_by("valid_from").values_list(
            "channel_id", "channel__module__serial", "channel__input", "valid_from", "valid_to"
        )
    ]


def readings_below(
    node: NodeInfo,
    start: datetime,
    end: datetime,
    after: tuple[int, int, datetime] | None,
    most: int,
) -> list[ExportRow]:
    """Return what is stored of the points of a node and all below it in [start, end).

    Sorted by module, input and time; at most `most` rows, from behind `after` on. What an input
    counted for a point elsewhere, before it came here or after it went, is left out.
    """
    rows = MeteringPoint.objects.filter(node__path__under=node.path, tenant_id=node.tenant_id)
    here = set(rows.values_list("code", flat=True))
    found = (row for row in export_rows(start, end, node, after) if row.point in here)
    return list(islice(found, most))


def _hour_at_or_after(time: datetime) -> int:
    hour = hour_of(time)
    return hour if time_of(hour) == time else hour + 1
