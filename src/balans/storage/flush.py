"""Brings the inbox into the tables: readings into day rows, reports into commands.

One transaction for a number of batches, by one process at a time. Repeating it changes nothing:
a register that is stored stays, whatever comes later for the same hour; a different one leaves a
finding. Pages see readings a few seconds after they were acknowledged, since the head-end
flushes every few seconds; nothing reads the inbox itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import DataError, IntegrityError, connection
from numpy.typing import NDArray

from balans.core.hours import day_of, hour_of, time_of
from balans.core.text import printable
from balans.protocols.readings import Flag
from balans.storage import (
    arrivals,
    channels,
    findings,
    flush_sql,
    live,
    news,
    quarantine,
    recent,
    sealing,
    supply_reports,
)
from balans.storage.balance_dirty import mark_channels
from balans.storage.copying import Int8s, binary_cursor, write
from balans.storage.dayrows import (
    DOUBTS,
    HANDED_OVER,
    STAGE_COLUMNS,
    DayRows,
    by_input,
    copy_data,
    distinct,
    pivot,
)
from balans.storage.events import note_flags
from balans.storage.findings import Noticed, Severity
from balans.storage.partitions import make_partitions, month_of
from balans.storage.reports import SiteReport, apply_reports
from balans.storage.response_reports import HeardReport, take_call_reports
from balans.storage.scope import system_scope
from balans.storage.unpacking import Contents, StoredBatch, unpack
from balans.storage.writer import try_to_write

ACTOR = "flush"
OLDEST = timedelta(days=3653)
AHEAD = timedelta(days=2)
"""How far a clock may be wrong: hours outside go to quarantine and open no partitions."""

MOST_FINDINGS = 1000


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What a flush did.

    `readings` are new registers in `rows` changed rows; `duplicates` were there already or came
    more than once; `contradictions` came with another register than the one stored. `refused`
    batches were put aside, see `balans.storage.inbox.take_again`.
    """

    batches: int = 0
    readings: int = 0
    rows: int = 0
    duplicates: int = 0
    contradictions: int = 0
    commands: int = 0
    quarantined: int = 0
    refused: int = 0

    def __add__(self, other: "FlushResult") -> "FlushResult":
        return FlushResult(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def flush_inbox(now: datetime, max_batches: int = 500, *, clock_set: bool = False) -> FlushResult:
    """Bring up to `max_batches` batches, the urgent and the oldest first, into the tables; commit.

    Then what waits in quarantine and can be stored now, in a transaction of its own.

    Parameters
    ----------
    now
        The time by the clock that the readings go by: hours more than ten years before or two
        days after it are put into quarantine.
    max_batches
        Bound of one transaction. Call again until no batches are left.
    clock_set
        Whether that clock has jumped since the last flush: then what it took for an impossible
        hour is judged again.

    Raises
    ------
    UnavailableError
        If the database cannot be used now; nothing is lost, try again.
    """
    result = _flush_inbox(now, max_batches) + _end_days(now)
    try:
        return result + _flush_quarantine(now, clock_set=clock_set)
    except (DataError, IntegrityError) as error:
        _complain_of_quarantine(error, now)
        return result


def _flush_inbox(now: datetime, max_batches: int) -> FlushResult:
    taken: list[StoredBatch] = []
    try:
        return _flush(now, max_batches, taken)
    except (DataError, IntegrityError) as error:
        if max_batches > 1:
            return _one_by_one(now, max_batches)
        if not taken:
            raise
        _put_aside(taken, error, now)
        return FlushResult(batches=1, refused=1)


def _one_by_one(now: datetime, max_batches: int) -> FlushResult:
    total = FlushResult()
    for _ in range(max_batches):
        result = _flush_inbox(now, 1)
        if not result.batches:
            break
        total += result
    return total


def _flush(now: datetime, max_batches: int, taken: list[StoredBatch]) -> FlushResult:
    """Flush up to `max_batches`, which are added to `taken` first."""
    with system_scope(ACTOR, durable=True):
        if not try_to_write():
            return FlushResult()
        batches = _open_batches(max_batches)
        taken += batches
        contents = unpack(batches)
        result = _store_readings(contents.all_readings(), now, contents.received_s())
        commands = _store_reports(contents)
        news.store(contents.news, now)
        supply_reports.store(contents.supplies, now)
        _store_call_reports(contents)
        _settle(batches, contents, now)
    return result + FlushResult(batches=len(batches), commands=commands)


def _flush_quarantine(now: datetime, *, clock_set: bool) -> FlushResult:
    with system_scope(ACTOR, durable=True):
        if not try_to_write():
            return FlushResult()
        latest = now + AHEAD if clock_set else now - AHEAD
        released = quarantine.release(hour_of(now - OLDEST), hour_of(latest))
        return _store_readings(released, now)


def _open_batches(limit: int) -> list[StoredBatch]:
    with binary_cursor() as cursor:
        cursor.execute(flush_sql.OPEN_BATCHES, [limit])
        return [StoredBatch(*row) for row in cursor.fetchall()]


def _store_readings(
    readings: NDArray[np.void], now: datetime, received_s: NDArray[np.int64] | None = None
) -> FlushResult:
    """Store readings (n,); `received_s` (n,) is when they came, None for those in quarantine."""
    if not len(readings):
        return FlushResult()
    channels.find(readings)
    known = readings["channel"] > 0
    possible = _possible(readings, now)
    kept = quarantine.keep(readings[~known], quarantine.UNKNOWN, now)
    kept += quarantine.keep(readings[known & ~possible], quarantine.IMPOSSIBLE, now)
    usable = known & possible
    good = readings if usable.all() else readings[usable]
    if not len(good):
        return FlushResult(quarantined=kept)
    if received_s is not None:
        arrivals.note(good, received_s[usable])
    rows = pivot(good)
    if rows.repeated:
        arrivals.count_inside(good, rows.contradicting)
    findings.record(_doubts(good), now)
    findings.record(_contradictions_inside(good, rows), now)
    note_flags(good)
    stored = _place(rows, now)
    return stored + FlushResult(
        duplicates=rows.repeated - len(rows.contradicting),
        contradictions=len(rows.contradicting),
        quarantined=kept,
    )


def _possible(readings: NDArray[np.void], now: datetime) -> NDArray[np.bool_]:
    handed_over = (readings["flags"] & HANDED_OVER) != 0
    old = (readings["hour"] < hour_of(now - OLDEST)) & ~handed_over
    possible: NDArray[np.bool_] = ~old & (readings["hour"] <= hour_of(now + AHEAD))
    return possible


def _place(rows: DayRows, now: datetime) -> FlushResult:
    """Put rows where registers of their days stand; tell who computes from them."""
    days = np.array(distinct(rows.day), np.int32)
    recently = np.isin(rows.day, days[recent.takes(rows, days, now)])
    result = FlushResult()
    if recently.any():
        result += _keep_recent(rows.where(recently) if not recently.all() else rows, now)
    if not recently.all():
        result += _merge(rows.where(~recently) if recently.any() else rows, now)
    mark_channels(rows.channel, rows.day)
    return result


def _keep_recent(rows: DayRows, now: datetime) -> FlushResult:
    kept = recent.keep(rows)
    arrivals.add(kept.again)
    findings.record(_clashes(kept.clashes), now)
    return FlushResult(
        readings=kept.readings,
        rows=kept.blocks,
        duplicates=kept.same,
        contradictions=len(kept.clashes),
    )


def _end_days(now: datetime) -> FlushResult:
    """Make day rows of the recent hours of days that are over, each part in a transaction."""
    total = FlushResult()
    while True:
        with system_scope(ACTOR, durable=True):
            rows = recent.take_over(now) if try_to_write() else None
            if rows is None:
                return total
            merged = _merge(rows, now)
        total += FlushResult(duplicates=merged.duplicates, contradictions=merged.contradictions)


def _merge(rows: DayRows, now: datetime) -> FlushResult:
    make_partitions({month_of(day_of(day * 24)) for day in distinct(rows.day)})
    sealing.reopen(rows.channel, rows.day)
    days = [day_of(int(rows.day.min()) * 24), day_of(int(rows.day.max()) * 24)]
    write("reading_stage", STAGE_COLUMNS, copy_data(rows))
    with connection.cursor() as cursor:
        cursor.execute(flush_sql.COMPARE, days)
        same, other = (int(value) for value in cursor.fetchone())
        if same or other:
            cursor.execute(flush_sql.AGAIN, days)
            arrivals.add(cursor.fetchall())
        if other:
            cursor.execute(flush_sql.CONTRADICTIONS, days)
            findings.record((_contradiction(*row) for row in cursor.fetchall()), now)
        cursor.execute(flush_sql.MERGE)
        changed = cursor.rowcount
        cursor.execute("truncate reading_stage")
    return FlushResult(
        readings=rows.count - same - other, rows=changed, duplicates=same, contradictions=other
    )


def _clashes(clashes: Sequence[recent.Clash]) -> list[Noticed]:
    shown = clashes[:MOST_FINDINGS]
    with connection.cursor() as cursor:
        cursor.execute(flush_sql.INPUTS, [[one.channel_id for one in shown]])
        names = {channel: (serial, number) for channel, serial, number in cursor.fetchall()}
    return [
        _contradiction(one.tenant_id, *names[one.channel_id], time_of(one.hour), one.held, one.sent)
        for one in shown
        if one.channel_id in names
    ]


def _contradictions_inside(readings: NDArray[np.void], rows: DayRows) -> list[Noticed]:
    return [
        _contradiction(
            int(one["tenant"]),
            int(one["module"]),
            int(one["input"]),
            time_of(int(one["hour"])),
            None,
            int(one["register"]),
        )
        for one in readings[rows.contradicting[:MOST_FINDINGS]]
    ]


def _contradiction(
    tenant: int, module: int, number: int, time: datetime, held: int | None, sent: int
) -> Noticed:
    first = "another register in the same flush" if held is None else f"register {held}"
    return Noticed(
        tenant,
        f"module {module} input {number}",
        "same hour, other register",
        f"at {time.replace(tzinfo=UTC).isoformat()}: {first} is kept, {sent} came later",
    )


def _doubts(readings: NDArray[np.void]) -> list[Noticed]:
    """Return a finding for each input and each flag that doubts its register."""
    doubted = readings[(readings["flags"] & DOUBTS) != 0]
    found = []
    for flag in Flag:
        for one, n in by_input(doubted[(doubted["flags"] & flag & DOUBTS) != 0]):
            place = f"module {one['module']} input {one['input']}"
            what = str(flag.name).lower().replace("_", " ")
            detail = f"at {time_of(int(one['hour'])).isoformat()}"
            found.append(Noticed(int(one["tenant"]), place, what, detail, Severity.WARNING, n))
    return found


def _store_reports(contents: Contents) -> int:
    reports = [
        SiteReport(stored.tenant_id, stored.site_id, report) for stored, report in contents.reports
    ]
    apply_reports(reports)
    with connection.cursor() as cursor:
        for site_id in sorted({report.site_id for report in reports}):
            cursor.execute("select pg_notify(%s, %s)", [live.CHANNEL, str(site_id)])
    return len(reports)


def _store_call_reports(contents: Contents) -> None:
    take_call_reports(
        [
            HeardReport(stored.tenant_id, stored.site_id, report, stored.received)
            for stored, report in contents.calls
        ]
    )


def _settle(batches: Sequence[StoredBatch], contents: Contents, now: datetime) -> None:
    if not batches:
        return
    notes = contents.notes
    with binary_cursor() as cursor:
        ids = Int8s(np.array([batch.id for batch in batches]))
        cursor.execute(flush_sql.SETTLE_BATCHES, [now, ids])
        if notes:
            cursor.execute(flush_sql.NOTE_BATCHES, [list(notes), list(notes.values())])
    noticed = [
        Noticed(
            batch.tenant_id, f"hub {batch.hub_code}", "entries that make no sense", notes[batch.id]
        )
        for batch in batches
        if batch.id in notes
    ]
    findings.record(noticed, now)


def _put_aside(batches: Sequence[StoredBatch], error: Exception, now: datetime) -> None:
    """Mark batches that the database refuses, so that they block no others."""
    with system_scope(ACTOR, durable=True):
        for batch in batches:
            with connection.cursor() as cursor:
                cursor.execute(
                    "update inbox_batch set note = %s where id = %s and flushed_at is null",
                    [printable(f"cannot be flushed: {error}")[:500], batch.id],
                )
            what = "a batch that the database refuses"
            detail = f"batch {batch.id}: {error}"[:500]
            findings.record([Noticed(batch.tenant_id, f"hub {batch.hub_code}", what, detail)], now)


def _complain_of_quarantine(error: Exception, now: datetime) -> None:
    """Say that readings stay in quarantine, though they might be stored: no batch is to blame."""
    with system_scope(ACTOR, durable=True):
        what = "readings in quarantine that the database refuses"
        findings.record([Noticed(None, "quarantine", what, str(error)[:500])], now)
