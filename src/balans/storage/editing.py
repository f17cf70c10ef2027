"""Makes edits of registers, and tells of those that were made. Call inside a scope.

`storage.edits` lays them over what devices sent, wherever registers are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q

from balans.core.errors import BalansError
from balans.core.hours import EPOCH, hour_of, time_of
from balans.domain.metering import MISSING, EditKind
from balans.storage import access
from balans.storage.access import Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.models import MeterMounting
from balans.storage.mountings import mountings_of
from balans.storage.readings import registers
from balans.storage.records import PointInfo

REASON_MAX: Final = 500
REGISTER_MAX: Final = 2**31 - 1
HOURS_MAX: Final = 24 * 366
HOUR: Final = timedelta(hours=1)
WITH_REGISTER: Final = frozenset({EditKind.CORRECT, EditKind.ESTIMATE})


class EditRefusedError(BalansError):
    """The edit cannot be made; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Change:
    """A register of a point's channel at a full hour, as it shall count; see `EditKind`."""

    time: datetime
    kind: EditKind
    register: int | None = None


@dataclass(frozen=True, slots=True)
class EditInfo:
    """An edit as it was made; `before` is the register that counted until then."""

    channel_id: int
    time: datetime
    revision: int
    kind: EditKind
    register: int | None
    before: int | None
    author: str
    reason: str
    at: datetime


def edit(
    user: Author, point: PointInfo, changes: Sequence[Change], reason: str, now: datetime
) -> int:
    """Change registers of the channels that served `point`; return how many.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`, without the right to judge readings there.
    EditRefusedError
        ``reason``, ``empty``, ``time`` (no full hour, in the future, or named twice),
        ``register`` (none where one is needed, or out of range) or ``no_channel``. Then nothing
        was changed.
    """
    access.point_for(user, point.code, Right.JUDGE)
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise EditRefusedError("reason", f"say why, in 1 to {REASON_MAX} letters")
    if not 1 <= len(changes) <= HOURS_MAX:
        raise EditRefusedError("empty", f"{len(changes)} hours: expected 1 to {HOURS_MAX}")
    for change in changes:
        _check(change, now)
    ordered = sorted(changes, key=lambda change: change.time)
    if len({change.time for change in ordered}) < len(ordered):
        raise EditRefusedError("time", "an hour is named twice")
    channels = _channels(point, ordered)
    author = user.get_username()
    with connection.cursor() as cursor:
        for channel in sorted(set(channels)):
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_LOCK, channel])
        before = _registers(channels, ordered)
        cursor.executemany(
            _INSERT,
            [
                (
                    channel,
                    hour_of(change.time),
                    user.tenant_id,
                    change.kind.value,
                    change.register,
                    held,
                    author,
                    reason,
                    now,
                    channel,
                    hour_of(change.time),
                )
                for channel, change, held in zip(channels, ordered, before, strict=True)
            ],
        )
    _tell_balances(channels, ordered[0].time - HOUR, ordered[-1].time + HOUR)
    return len(ordered)


def edits_of(point: PointInfo, start: datetime, end: datetime) -> list[EditInfo]:
    """Return the edits of hours in [start, end) in which the channels served a point.

    The latest hour comes first, of one hour the newest edit. Where a channel went from one point
    to another, the hour of the change is told at both.
    """
    spans = [
        (m.channel_id, -((EPOCH - m.valid_from) // HOUR), hour_of(m.valid_to or end))
        for m in mountings_of([point.id], start - HOUR, end)
        if m.channel_id is not None
    ]
    columns = [list(column) for column in zip(*spans, strict=True)] or [[], [], []]
    with connection.cursor() as cursor:
        cursor.execute(_LIST, [*columns, hour_of(start), hour_of(end)])
        rows = cursor.fetchall()
    return [
        EditInfo(channel, time_of(hour), revision, EditKind(kind), *rest)
        for channel, hour, revision, kind, *rest in rows
    ]


def _tell_balances(channels: Sequence[int], start: datetime, end: datetime) -> None:
    """Mark all that the channels served: a register may end one part and begin another."""
    rows = MeterMounting.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=start),
        channel_id__in=set(channels),
        valid_from__lt=end,
    )
    mark_points(rows.values_list("point_id", flat=True), start, end)


def _check(change: Change, now: datetime) -> None:
    if time_of(hour_of(change.time)) != change.time or change.time > now:
        raise EditRefusedError(
            "time", f"{change.time.isoformat()}: expected a full hour that is not to come"
        )
    if (change.register is None) == (change.kind in WITH_REGISTER):
        raise EditRefusedError(
            "register", f"{change.kind.value}: a register is given or not as the kind says"
        )
    if change.register is not None and not 0 <= change.register <= REGISTER_MAX:
        raise EditRefusedError("register", f"{change.register}: expected 0 to {REGISTER_MAX}")


def _channels(point: PointInfo, changes: Sequence[Change]) -> list[int]:
    """Return the channel of each change; at an exchange that of the later meter."""
    first, last = changes[0].time, changes[-1].time
    mountings = mountings_of([point.id], first - HOUR, last + HOUR)[::-1]
    found = []
    for change in changes:
        channel = next(
            (
                m.channel_id
                for m in mountings
                if m.valid_from <= change.time and (m.valid_to is None or change.time <= m.valid_to)
            ),
            None,
        )
        if channel is None:
            raise EditRefusedError(
                "no_channel", f"{change.time.isoformat()}: no channel served {point.code} then"
            )
        found.append(channel)
    return found


def _registers(channels: Sequence[int], changes: Sequence[Change]) -> list[int | None]:
    unique = sorted(set(channels))
    first, last = hour_of(changes[0].time), hour_of(changes[-1].time)
    values = registers(unique, first, last + 1).values
    found = [
        int(values[unique.index(channel), hour_of(change.time) - first])
        for channel, change in zip(channels, changes, strict=True)
    ]
    return [None if value == MISSING else value for value in found]


_LOCK: Final = 0x65646974  # "edit"
_INSERT: Final = """
insert into reading_edit
  (channel_id, hour, tenant_id, kind, register, before, author, reason, at, revision)
select %s, %s, %s, %s, %s, %s, %s, %s, %s, coalesce(max(revision), 0) + 1
from reading_edit where channel_id = %s and hour = %s
"""
_LIST: Final = """
select distinct e.channel_id, hour, revision, kind, register, before, author, reason, at
from reading_edit e
join unnest(%s::int[], %s::int[], %s::int[]) as m (channel_id, first, last)
  on e.channel_id = m.channel_id and e.hour between m.first and m.last
where hour >= %s and hour < %s
order by hour desc, channel_id, revision desc
"""
