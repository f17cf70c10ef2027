"""Reads stored registers. Call inside a scope.

Readings that were acknowledged but not flushed yet are not seen: the head-end flushes every few
seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import islice

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH_DATE, day_of, hour_of, time_of
from balans.domain.metering import MISSING
from balans.storage.dayrows import HOURS
from balans.storage.records import NodeInfo, PointInfo

EXPORT_CHANNELS = 200
STORED = np.dtype([("module", "u4"), ("input", "u1"), ("hour", "i4"), ("register", "i4")])


class Quality(StrEnum):
    """How good a value is; the first that applies, from the bottom."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    SUSPECT = "suspect"  # the module doubted its line
    PARTIAL = "partial"  # a meter was there for a part of the hour only
    MISSING = "missing"  # a reading is not there (yet)
    UNMETERED = "unmetered"  # no meter was mounted


@dataclass(frozen=True, slots=True)
class Registers:
    """Registers of channels (rows) at hours (columns); `MISSING` where there is none."""

    start_hour: int
    values: NDArray[np.int32]
    estimated: NDArray[np.bool_]
    suspect: NDArray[np.bool_]

    def quality(self, row: int, column: int) -> Quality:
        """Return how good a register is."""
        if self.values[row, column] == MISSING:
            return Quality.MISSING
        if self.suspect[row, column]:
            return Quality.SUSPECT
        return Quality.ESTIMATED if self.estimated[row, column] else Quality.MEASURED


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A stored register as it stands in an export."""

    channel: str
    point: str
    time: datetime
    register: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class _Channel:
    id: int
    serial: int
    input: int


def registers(channel_ids: Sequence[int], start_hour: int, end_hour: int) -> Registers:
    """Return the registers of channels at the hours [start_hour, end_hour).

    Returns
    -------
    Registers
        Arrays of shape (len(channel_ids), end_hour - start_hour), rows in the order asked for.
    """
    first, days = start_hour // 24, (end_hour + 23) // 24 - start_hour // 24
    shape = (len(channel_ids), days * 24)
    values = np.full(shape, MISSING, np.int32)
    masks = np.zeros((2, *shape), np.bool_)
    row_of = {channel: row for row, channel in enumerate(channel_ids)}
    for channel, day, *masks_and_hours in _day_rows(channel_ids, start_hour, end_hour):
        row, column = row_of[channel], ((day - day_of(first * 24)).days) * 24
        values[row, column : column + 24] = masks_and_hours[2:]
        for kind in (0, 1):
            if masks_and_hours[kind]:
                masks[kind, row, column : column + 24] = _bits(masks_and_hours[kind])
    part = slice(start_hour - first * 24, end_hour - first * 24)
    return Registers(start_hour, values[:, part], masks[0][:, part], masks[1][:, part])


def _day_rows(
    channel_ids: Sequence[int], start_hour: int, end_hour: int
) -> list[tuple[int, date, int, int]]:
    if end_hour <= start_hour:
        return []
    hours = ", ".join(f"coalesce({hour}, {MISSING})" for hour in HOURS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select channel_id, day, coalesce(est, 0), coalesce(suspect, 0), {hours}"
            " from reading_day where channel_id = any(%s) and day between %s and %s",
            [list(channel_ids), day_of(start_hour), day_of(end_hour - 1)],
        )
        rows: list[tuple[int, date, int, int]] = cursor.fetchall()
    return rows


def _bits(mask: int) -> NDArray[np.bool_]:
    return np.array([mask >> hour & 1 for hour in range(24)], np.bool_)


def last_reading(point: PointInfo) -> datetime | None:
    """Return the time of the newest stored register of a point's channels, None without any."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select day, {', '.join(f'{hour} is not null' for hour in HOURS)} from reading_day"
            " where channel_id in (select channel_id from meter_mounting where point_id = %s)"
            f" and num_nonnulls({', '.join(HOURS)}) > 0 order by day desc limit 30",
            [point.id],
        )
        rows = cursor.fetchall()
    hours = [
        (day - EPOCH_DATE).days * 24 + hour
        for day, *there in rows
        for hour, is_there in enumerate(there)
        if is_there
    ]
    return time_of(max(hours)) if hours else None


def count_stored(hub_code: str | None = None) -> int:
    """Return the number of stored registers the scope sees, or those of the modules of a hub."""
    only = (
        " where channel_id in (select c.id from channel c join module m on m.id = c.module_id"
        " join hub h on h.id = m.hub_id where h.code = %s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"select coalesce(sum(num_nonnulls({', '.join(HOURS)})), 0) from reading_day"
            + (only if hub_code is not None else ""),
            [hub_code] if hub_code is not None else [],
        )
        return int(cursor.fetchone()[0])


def stored_readings(start_hour: int, end_hour: int) -> NDArray[np.void]:
    """Return what is stored of the hours [start_hour, end_hour) as an array (n,) of `STORED`.

    It is sorted by module, input and hour, and has no hour twice, as the table has not.
    """
    parts = []
    for channels, found in _in_chunks(None, start_hour, end_hour):
        row, column = np.nonzero(found.values != MISSING)
        part = np.zeros(len(row), STORED)
        part["module"] = np.array([c.serial for c in channels], np.uint32)[row]
        part["input"] = np.array([c.input for c in channels], np.uint8)[row]
        part["hour"] = column + start_hour
        part["register"] = found.values[row, column]
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros(0, STORED)


def export_rows(
    start: datetime | None = None, end: datetime | None = None, node: NodeInfo | None = None
) -> Iterator[ExportRow]:
    """Yield what is stored of [start, end), sorted by channel (module, input) and time.

    Parameters
    ----------
    start, end
        Aware; None: from the first, to the last.
    node
        Only channels that count for a metering point of this node or below it.
    """
    span = _span(start, end)
    if span is None:
        return
    for channels, found in _in_chunks(node, *span):
        points = _points_of([channel.id for channel in channels])
        for row, channel in enumerate(channels):
            for column in np.flatnonzero(found.values[row] != MISSING):
                at = time_of(span[0] + int(column))
                yield ExportRow(
                    f"{channel.serial}-{channel.input}",
                    _point_at(points.get(channel.id, []), at),
                    at,
                    int(found.values[row, column]),
                    found.quality(row, int(column)),
                )


def _span(start: datetime | None, end: datetime | None) -> tuple[int, int] | None:
    with connection.cursor() as cursor:
        cursor.execute("select min(day), max(day) from reading_day")
        first, last = cursor.fetchone()
    if first is None:
        return None
    start_hour = (first - EPOCH_DATE).days * 24 if start is None else _hour_at_or_after(start)
    end_hour = (last - EPOCH_DATE).days * 24 + 24 if end is None else _hour_at_or_after(end)
    return start_hour, end_hour


def _hour_at_or_after(time: datetime) -> int:
    hour = hour_of(time)
    return hour if time_of(hour) == time else hour + 1


def _in_chunks(
    node: NodeInfo | None, start_hour: int, end_hour: int
) -> Iterator[tuple[list[_Channel], Registers]]:
    channels = iter(_channels(node))
    while chunk := list(islice(channels, EXPORT_CHANNELS)):
        yield chunk, registers([channel.id for channel in chunk], start_hour, end_hour)


def _channels(node: NodeInfo | None) -> list[_Channel]:
    below = (
        " where c.id in (select mm.channel_id from meter_mounting mm"
        " join metering_point p on p.id = mm.point_id join node n on n.id = p.node_id"
        " where n.path <@ %s::ltree)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.id, m.serial, c.input from channel c join module m on m.id = c.module_id"
            + (below if node else "")
            + " order by m.serial, c.input",
            [node.path] if node else [],
        )
        return [_Channel(*row) for row in cursor.fetchall()]


_Periods = list[tuple[datetime, datetime | None, str]]


def _points_of(channel_ids: Sequence[int]) -> dict[int, _Periods]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select mm.channel_id, mm.valid_from, mm.valid_to, p.code from meter_mounting mm"
            " join metering_point p on p.id = mm.point_id where mm.channel_id = any(%s)",
            [list(channel_ids)],
        )
        found: dict[int, _Periods] = {}
        for channel, start, end, code in cursor.fetchall():
            found.setdefault(channel, []).append((start, end, code))
    return found


def _point_at(periods: _Periods, at: datetime) -> str:
    return next(
        (code for start, end, code in periods if start <= at and (end is None or at < end)), ""
    )
