"""Reads stored registers. Call inside a scope.

Readings that were acknowledged but not flushed yet are not seen: the head-end flushes every few
seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH_DATE, hour_of, time_of
from balans.domain.metering import MISSING, Quality, Registers
from balans.storage import matrix
from balans.storage.edits import overlay
from balans.storage.records import NodeInfo

EXPORT_CHANNELS = 200
STORED = np.dtype([("module", "u4"), ("input", "u1"), ("hour", "i4"), ("register", "i4")])


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


def registers(
    channel_ids: Sequence[int] | NDArray[np.integer], start_hour: int, end_hour: int
) -> Registers:
    """Return the registers of channels at the hours [start_hour, end_hour).

    Returns
    -------
    Registers
        Arrays of shape (len(channel_ids), end_hour - start_hour), rows in the order asked for.
    """
    first_day = start_hour // 24
    days = max((end_hour + 23) // 24 - first_day, 0)
    hours = slice(start_hour - first_day * 24, max(end_hour, start_hour) - first_day * 24)
    found = matrix.read(channel_ids, first_day, days, hours)
    asked = np.asarray(channel_ids, np.int32)
    rows: slice | NDArray[np.intp] = slice(None)
    if not np.array_equal(asked, found.channels):
        rows = np.searchsorted(found.channels, asked)
    stored = Registers(
        start_hour,
        found.values[rows, hours],
        found.estimated[rows, hours],
        found.suspect[rows, hours],
    )
    return overlay(asked, stored)


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
    start: datetime | None = None,
    end: datetime | None = None,
    node: NodeInfo | None = None,
    after: tuple[int, int, datetime] | None = None,
) -> Iterator[ExportRow]:
    """Yield what is stored of [start, end), sorted by channel (module, input) and time.

    Parameters
    ----------
    start, end
        Aware; None: from the first, to the last.
    node
        Only channels that count for a metering point of this node or below it.
    after
        Only what comes after the row of this module, input and time.
    """
    span = _span(start, end)
    if span is None:
        return
    passed = (-1, -1, span[0] - 1) if after is None else (*after[:2], hour_of(after[2]))
    for channels, found in _in_chunks(node, *span, passed[:2]):
        points = _points_of([channel.id for channel in channels])
        for row, channel in enumerate(channels):
            is_passed = (channel.serial, channel.input) == passed[:2]
            for column in np.flatnonzero(found.values[row] != MISSING):
                if is_passed and span[0] + int(column) <= passed[2]:
                    continue
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
        cursor.execute(_SPAN)
        first, last = cursor.fetchone()
    if first is None:
        return None
    start_hour = (first - EPOCH_DATE).days * 24 if start is None else _hour_at_or_after(start)
    end_hour = (last - EPOCH_DATE).days * 24 + 24 if end is None else _hour_at_or_after(end)
    return start_hour, end_hour


_SPAN = """
select least(
    (select min(day) from reading_day), (select min(month) from reading_month),
    (select date '2000-01-01' + min(hour) / 24 from reading_recent)),
  greatest(
    (select max(day) from reading_day),
    (select (max(month) + interval '1 month')::date - 1 from reading_month),
    (select date '2000-01-01' + max(hour) / 24 from reading_recent))
"""


def _hour_at_or_after(time: datetime) -> int:
    hour = hour_of(time)
    return hour if time_of(hour) == time else hour + 1


def _in_chunks(
    node: NodeInfo | None, start_hour: int, end_hour: int, first: tuple[int, int] = (-1, -1)
) -> Iterator[tuple[list[_Channel], Registers]]:
    """Yield channels from (module, input) `first` on, with their registers."""
    channels = (one for one in _channels(node) if (one.serial, one.input) >= first)
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
