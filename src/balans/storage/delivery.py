"""Proof of completeness: what of a channel was expected, when it came, what is missing and why.

Call inside a scope.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import EPOCH, HOUR_S, hour_of, time_of
from balans.domain.metering import MISSING
from balans.protocols.hub import Ranges
from balans.storage.completeness import last_hours
from balans.storage.readings import registers
from balans.storage.records import PointInfo

DUE: Final = timedelta(hours=2)
"""An hour that is younger is not yet due."""


class Cause(StrEnum):
    """Why an hour is missing; the first that holds."""

    NOT_DUE = "not_due"
    QUARANTINED = "quarantined"
    GONE = "gone"
    NO_MODULE = "no_module"
    HUB_SILENT = "hub_silent"
    MODULE_SILENT = "module_silent"
    NEVER_HEARD = "never_heard"
    ASKED = "asked"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing hours [start, end) with one cause.

    `since` is when the cause began: the last word of a silent hub or module, when the module said
    that it no longer holds them, when they were last asked for. `detail` is more of it, as data:
    the oldest hour that the ring holds, the reason for quarantine, how often they were asked for.
    """

    start: datetime
    end: datetime
    cause: Cause
    since: datetime | None = None
    detail: str = ""

    @property
    def hours(self) -> int:
        """How many registers are missing."""
        return int((self.end - self.start).total_seconds()) // HOUR_S


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a channel's hours in [start, end).

    `start` and `end` are those asked for; arrays have an element for each of their hours.

    Parameters
    ----------
    expected
        Whether a register is expected: a meter was mounted, or one came all the same.
    came
        Whether it is there.
    received_s
        When it came [s since 1970-01-01 UTC], to the hub's arrival of that hour; NaN: not known.
    late
        Whether it came much later than those of the hub's other modules.
    gaps
        What is missing, and why.
    duplicates, contradictions
        How many registers came again since the channel exists, and with another value than the
        first, which is the one that counts.
    """

    start: datetime
    end: datetime
    expected: NDArray[np.bool_]
    came: NDArray[np.bool_]
    received_s: NDArray[np.float64]
    late: NDArray[np.bool_]
    gaps: tuple[Gap, ...]
    duplicates: int
    contradictions: int

    @property
    def missing(self) -> int:
        """How many registers are due and not there."""
        return sum(gap.hours for gap in self.gaps if gap.cause != Cause.NOT_DUE)

    @property
    def due(self) -> int:
        """How many registers should be there by now."""
        return int(np.count_nonzero(self.came)) + self.missing

    @property
    def completeness(self) -> float | None:
        """Share of what is due that is there, 0 … 1; None when nothing is due."""
        return int(np.count_nonzero(self.came)) / self.due if self.due else None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the tables say of a channel's way."""

    serial: int
    input: int
    removed_at: datetime | None
    hub_id: int | None
    hub_heard: datetime | None
    last_hour: int | None
    wanted: Ranges
    asked_at: datetime | None
    asks: int
    gone: Ranges
    gone_at: datetime | None
    oldest: int | None
    duplicates: int
    contradictions: int


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """An input of a module."""

    id: int
    serial: int
    input: int

    @property
    def title(self) -> str:
        """Its name, as in exports and ledgers."""
        return f"{self.serial}-{self.input}"


def channels_of(point: PointInfo, start: datetime, end: datetime) -> list[ChannelInfo]:
    """Return the channels that counted `point` in [start, end), the latest first."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANNELS, [point.id, end, start])
        return [ChannelInfo(*row) for row in cursor.fetchall()]


def proof(channel_id: int, start: datetime, end: datetime, now: datetime) -> Proof:
    """Return what is known of the way of a channel's hours [start, end).

    Parameters
    ----------
    channel_id
        One that the scope sees.
    start, end
        Aware; taken down to the full hour.
    now
        By the clock of the sites.

    Raises
    ------
    LookupError
        If there is no such channel in the scope.
    """
    first, last = hour_of(start), max(hour_of(end), hour_of(start))
    facts = _facts(channel_id)
    came = registers([channel_id], first, last).values[0] != MISSING
    expected = came | _mounted(channel_id, first, last)
    if not expected.any():
        expected = came.copy()
    due = np.arange(first, last) <= hour_of(now)
    expected &= due | came
    received, late = _received(channel_id, facts.hub_id, first, last)
    received[~came] = np.nan
    return Proof(
        time_of(first),
        time_of(last),
        expected,
        came,
        received,
        late & came,
        tuple(_gaps(channel_id, facts, first, expected & ~came, now)),
        facts.duplicates,
        facts.contradictions,
    )


def _facts(channel_id: int) -> _Facts:
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [channel_id])
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"channel {channel_id}")
    serial, number, removed_at, hub_id, heard, last_hour, *rest = row
    wanted, asked_at, asks, gone, gone_at, oldest, duplicates, contradictions = rest
    return _Facts(
        serial=serial,
        input=number,
        removed_at=removed_at,
        hub_id=hub_id,
        hub_heard=heard,
        last_hour=last_hour,
        wanted=_ranges(wanted),
        asked_at=asked_at,
        asks=asks or 0,
        gone=_ranges(gone),
        gone_at=gone_at,
        oldest=oldest,
        duplicates=duplicates or 0,
        contradictions=contradictions or 0,
    )


def _mounted(channel_id: int, first: int, last: int) -> NDArray[np.bool_]:
    """Return at which of the hours [first, last) a meter was connected to the channel."""
    with connection.cursor() as cursor:
        cursor.execute(_MOUNTED, [channel_id])
        periods = cursor.fetchall()
    found = np.zeros(last - first, np.bool_)
    for start, end in periods:
        begin = max(-((EPOCH - start) // timedelta(hours=1)) - first, 0)
        stop = len(found) if end is None else min(max(hour_of(end) - first, 0), len(found))
        found[begin:stop] = True
    return found


def _received(
    channel_id: int, hub_id: int | None, first: int, last: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    received = np.full(last - first, np.nan)
    late = np.zeros(last - first, np.bool_)
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED, [hub_id, first, last])
        for hour, at in cursor.fetchall():
            received[hour - first] = at.timestamp()
        cursor.execute(_LATE, [channel_id, first, last])
        for hour, at in cursor.fetchall():
            received[hour - first] = at.timestamp()
            late[hour - first] = True
    return received, late


def _gaps(
    channel_id: int, facts: _Facts, first: int, missing: NDArray[np.bool_], now: datetime
) -> Iterator[Gap]:
    hours = (np.flatnonzero(missing) + first).tolist()
    if not hours:
        return
    why = _Why(channel_id, facts, now, hours)
    begin = previous = hours[0]
    cause = why.of(begin)
    for hour in [*hours[1:], None]:
        found = None if hour is None else why.of(hour)
        if hour != previous + 1 or found != cause:
            yield Gap(time_of(begin), time_of(previous + 1), *cause)
            begin, cause = hour, found  # type: ignore[assignment]  # the end of the list ends all
        previous = hour  # type: ignore[assignment]


class _Why:
    """Tells the cause of each missing hour."""

    def __init__(self, channel_id: int, facts: _Facts, now: datetime, hours: Sequence[int]) -> None:
        self._facts = facts
        self._due_hour = hour_of(now - DUE)
        with connection.cursor() as cursor:
            cursor.execute(_QUARANTINED, [facts.serial, facts.input, hours[0], hours[-1]])
            self._quarantined = {hour: (reason, at) for hour, reason, at in cursor.fetchall()}
            cursor.execute(_SIBLINGS, [channel_id])
            siblings = [pk for (pk,) in cursor.fetchall()]
        self._module = max(last_hours(siblings, now).values(), default=-1)

    def of(self, hour: int) -> tuple[Cause, datetime | None, str]:
        """Return cause, since when, and detail."""
        facts = self._facts
        reason, kept_at = self._quarantined.get(hour, ("", None))
        oldest = "" if facts.oldest is None else time_of(facts.oldest).isoformat()
        causes = (
            (hour > self._due_hour, (Cause.NOT_DUE, None, "")),
            (bool(reason), (Cause.QUARANTINED, kept_at, reason)),
            (hour in facts.gone, (Cause.GONE, facts.gone_at, oldest)),
            *self._on_its_way(hour),
        )
        return next(found for holds, found in causes if holds)

    def _on_its_way(self, hour: int) -> Iterator[tuple[bool, tuple[Cause, datetime | None, str]]]:
        facts, at = self._facts, time_of(hour)
        heard = self._module if facts.last_hour is None else max(self._module, facts.last_hour)
        removed = facts.removed_at is not None and at >= facts.removed_at
        yield removed or facts.hub_id is None, (Cause.NO_MODULE, facts.removed_at, "")
        hub_heard = facts.hub_heard
        yield hub_heard is None or at > hub_heard, (Cause.HUB_SILENT, hub_heard, "")
        yield heard < 0, (Cause.NEVER_HEARD, None, "")
        yield hour > heard, (Cause.MODULE_SILENT, time_of(max(heard, 0)), "")
        asked = hour in facts.wanted and facts.asks > 0
        yield asked, (Cause.ASKED, facts.asked_at, str(facts.asks))
        yield True, (Cause.UNEXPLAINED, None, "")


def _ranges(multirange: Any) -> Ranges:
    return Ranges.of((span.lower or 0, span.upper or 0) for span in multirange or ())


_CHANNELS = """
select c.id, m.serial, c.input from meter_mounting mm
join channel c on c.id = mm.channel_id join module m on m.id = c.module_id
where mm.point_id = %s and mm.valid_from < %s and (mm.valid_to is null or mm.valid_to > %s)
group by c.id, m.serial, c.input order by max(mm.valid_from) desc
"""
_FACTS = """
select m.serial, c.input, m.removed_at, m.hub_id,
  (select max(j.last_seen) from hub_journal j where j.hub_id = m.hub_id),
  n.last_hour,
  d.wanted, d.asked_at, d.asks, d.gone, d.gone_at, d.oldest, d.duplicates, d.contradictions
from channel c join module m on m.id = c.module_id
left join channel_delivery d on d.channel_id = c.id
left join module_news n
  on n.tenant_id = c.tenant_id and n.hub_id = m.hub_id and n.serial = m.serial
where c.id = %s
"""
_MOUNTED = "select valid_from, valid_to from meter_mounting where channel_id = %s"
_ARRIVED = """
select hour, first from hub_arrival where hub_id = %s and hour >= %s and hour < %s
"""
_LATE = """
select hour, received from channel_late where channel_id = %s and hour >= %s and hour < %s
"""
_SIBLINGS = """
select o.id from channel c join channel o on o.module_id = c.module_id where c.id = %s
"""
_QUARANTINED = """
select hour, reason, received from inbox_quarantine
where module = %s and input = %s and hour between %s and %s
"""
