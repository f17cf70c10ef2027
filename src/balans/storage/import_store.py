"""Registers of an import on their way into the tables: what is new goes into the inbox.

What is stored already stays; it is compared here, so that a file that is imported again brings
nothing, and a register that differs is told with its line. Call inside a scope.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH_UNIX_S, HOUR_S, time_of
from balans.domain.metering import MISSING
from balans.protocols.hub import Batch, Entry, EntryKind, encode
from balans.protocols.readings import HOUR_MAX, HOUR_MIN, RECORD, Grade
from balans.storage.balance_dirty import mark_points
from balans.storage.import_hub import import_hub
from balans.storage.models import PointMark
from balans.storage.readings import registers
from balans.usecases.collected import FLAG_BITS
from balans.usecases.full_hours import HourRows
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import Progress
from balans.usecases.prepare_readings import Prepared
from balans.usecases.used_intervals import Hole

CHANNELS_AT_ONCE = 100
BATCH_READINGS = 50_000
"""800 kB, below what a message may have."""
AHEAD_S = 900
"""So far ahead of its time a register may stand: as far as it may be from its full hour."""
NEARBY_H = 400 * 24
"""So far from a file's hours the registers are looked for that what was used adds to."""
HOLE_REASON = "nothing is known of this time by the imported file"

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Compared:
    """Registers beside what is stored: which are new, how many are the same, where holes are."""

    hours: HourRows
    new: NDArray[np.bool_]
    same: int
    holes: list[Hole]


def compare(prepared: Prepared, now: datetime, noticing: Noticing, progress: Progress) -> Compared:
    """Compare registers with those that are stored; tell of what cannot be stored or differs."""
    hours = _possible(prepared, now, noticing)
    holes = list(prepared.holes)
    new = np.zeros(len(hours), np.bool_)
    same = 0
    register = hours.register.copy()
    for part, channels in _parts(hours, len(prepared.channels)):
        progress("stored", part.start, len(hours))
        ids = [prepared.channels[index].id for index in channels]
        own = hours.only(part)
        if prepared.from_zero:
            register[part], found = _rebased(own, ids, channels.start, prepared)
            holes += found
        held = _held(own, ids, channels.start)
        new[part] = held == MISSING
        same += int((held == register[part]).sum())
        for index in np.flatnonzero((held != MISSING) & (held != register[part])).tolist():
            at = time_of(int(own.hour[index])).isoformat()
            what = f"register {register[part][index]} at {at}: {held[index]} is stored and kept"
            name = prepared.names[int(own.channel[index])]
            noticing.warn(int(own.line[index]), "stored_differs", name, what)
    stored = HourRows(hours.channel, hours.hour, register, hours.grade, hours.line)
    return Compared(stored, new, same, holes)


def hand_over(
    tenant_id: int, import_id: int, prepared: Prepared, compared: Compared, received: datetime
) -> int:
    """Put what is new into the inbox, in the present transaction; return how many readings."""
    wanted = np.flatnonzero(compared.new)
    if not len(wanted):
        return 0
    hours = compared.hours.only(wanted)
    records = np.zeros(len(wanted), RECORD)
    module = np.array([channel.module for channel in prepared.channels], np.int64)
    number = np.array([channel.input for channel in prepared.channels], np.int64)
    records["module"] = module[hours.channel]
    records["input"] = number[hours.channel]
    records["grade"] = hours.grade & 0xFF
    records["flags"] = hours.grade >> FLAG_BITS
    records["hour"] = hours.hour
    records["register"] = hours.register
    hub_id = import_hub(tenant_id)
    rows = []
    for first in range(0, len(records), BATCH_READINGS):
        entry = Entry(EntryKind.READINGS, records[first : first + BATCH_READINGS].tobytes())
        batch = Batch.of(import_id, first // BATCH_READINGS, (entry,))
        rows.append((tenant_id, hub_id, import_id, batch.first, received, encode(batch)))
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)
    return len(records)


def mark_holes(tenant_id: int, holes: list[Hole], author: str, now: datetime) -> int:
    """Mark the points over `holes` as incorrect, where they are not yet; return how many marks.

    A mark that was taken back is not made again.
    """
    points = sorted({hole.point_id for hole in holes})
    there = set(
        PointMark.objects.filter(point_id__in=points, reason=HOLE_REASON).values_list(
            "point_id", "valid_from", "valid_to"
        )
    )
    rows = [
        PointMark(
            tenant_id=tenant_id,
            point_id=hole.point_id,
            valid_from=start,
            valid_to=end,
            reason=HOLE_REASON,
            author=author,
            made_at=now,
        )
        for hole in holes
        for start, end in [(_time(hole.start_s), _time(hole.end_s))]
        if (hole.point_id, start, end) not in there
    ]
    PointMark.objects.bulk_create(rows, 5_000)
    times: dict[int, list[datetime]] = defaultdict(list)
    for row in rows:
        times[row.point_id] += (row.valid_from, row.valid_to or now)
    for point, own in times.items():
        mark_points([point], min(own), max(own))
    return len(rows)


_INSERT = """
insert into inbox_batch (tenant_id, hub_id, journal_id, first_offset, n, received, payload)
values (%s, %s, %s, %s, 1, %s, %s)
"""


def _possible(prepared: Prepared, now: datetime, noticing: Noticing) -> HourRows:
    """Return registers of hours that can have been read; tell of the others.

    An estimate for an hour that is still to come would keep the true register out.
    """
    hours = prepared.hours
    ahead_s = hours.hour * HOUR_S + EPOCH_UNIX_S - now.timestamp()
    estimated = (hours.grade & 0xFF) == Grade.ESTIMATED
    early = (ahead_s > 0) & (ahead_s <= HOUR_S // 2) & estimated
    late = (ahead_s > AHEAD_S) & ~early
    outside = late | (hours.hour < HOUR_MIN) | (hours.hour > HOUR_MAX)
    for index in np.flatnonzero(outside | early).tolist():
        at = time_of(int(hours.hour[index])).isoformat()
        what = f"time: {at} is too long ago" if not late[index] else f"time: {at} is still to come"
        name = prepared.names[int(hours.channel[index])]
        if early[index]:
            what = f"the nearest full hour is still to come ({at}): import this again then"
            noticing.warn(int(hours.line[index]), "off_hour", name, what)
        else:
            noticing.error(int(hours.line[index]), "time", name, what)
    return hours.only(~(outside | early))


def _parts(hours: HourRows, channels: int) -> Iterator[tuple[slice, range]]:
    """Yield parts of `hours` (sorted by channel) with the channels in them."""
    for first in range(0, channels, CHANNELS_AT_ONCE):
        numbers = range(first, min(first + CHANNELS_AT_ONCE, channels))
        start, stop = np.searchsorted(hours.channel, [numbers.start, numbers.stop]).tolist()
        if stop > start:
            yield slice(start, stop), numbers


def _held(own: HourRows, ids: list[int], first: int) -> Ints:
    """Return what is stored for each of these hours, `MISSING` for nothing."""
    start, end = int(own.hour.min()), int(own.hour.max()) + 1
    found = registers(ids, start, end)
    return found.values[own.channel - first, own.hour - start].astype(np.int64)


def _rebased(
    own: HourRows, ids: list[int], first: int, prepared: Prepared
) -> tuple[Ints, list[Hole]]:
    """Return registers that go on from what is stored, and the holes between the two."""
    start, end = int(own.hour.min()), int(own.hour.max()) + 1
    begin = max(HOUR_MIN, start - NEARBY_H)
    stored = registers(ids, begin, end + NEARBY_H).values
    register = own.register.copy()
    holes = []
    for number in np.unique(own.channel).tolist():
        here = np.flatnonzero(own.channel == number)
        held = stored[number - first]
        there = np.flatnonzero(held != MISSING) + begin
        hour = own.hour[here]
        base, hole = _base(hour, own.register[here], there, held[there - begin])
        register[here] = (own.register[here] + base) % prepared.modulus[number]
        if hole is not None:
            holes += _holes(prepared, number, hole)
    return register, holes


def _base(
    hour: Ints, counted: Ints, there: Ints, held: NDArray[np.int32]
) -> tuple[int, tuple[int, int] | None]:
    """Return what is to be added, and the hours between the file and the nearest stored one."""
    if not len(there):
        return 0, None
    shared, mine, theirs = np.intersect1d(hour, there, return_indices=True)
    if len(shared):
        return int(held[theirs[0]]) - int(counted[mine[0]]), None
    before = int(np.searchsorted(there, hour[0]))
    if before:
        return int(held[before - 1]) - int(counted[0]), (int(there[before - 1]), int(hour[0]))
    return int(held[0]) - int(counted[-1]), (int(hour[-1]), int(there[0]))


def _holes(prepared: Prepared, number: int, hours: tuple[int, int]) -> list[Hole]:
    point = prepared.points.get(prepared.channels[number].id)
    start, end = (int(time_of(hour).timestamp()) for hour in hours)
    return [Hole(point, start, end)] if point is not None and end - start >= HOUR_S else []


def _time(unix_s: int) -> datetime:
    return time_of(0) + timedelta(seconds=unix_s - EPOCH_UNIX_S)
