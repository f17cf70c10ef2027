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
from balans.storage import findings, flush_sql, live, quarantine
from balans.storage.dayrows import (
    DOUBTS,
    STAGE_COLUMNS,
    DayRows,
    by_input,
    copy_data,
    pivot,
)
from balans.storage.findings import Noticed, Severity
from balans.storage.partitions import make_partitions, month_of
from balans.storage.reports import SiteReport, apply_reports
from balans.storage.scope import system_scope
from balans.storage.unpacking import Contents, StoredBatch, unpack

ACTOR = "flush"
LOCK = 0x62616C616E73  # "balans"
OLDEST = timedelta(days=3653)
AHEAD = timedelta(days=2)
"""How far a clock may be wrong: hours outside go to quarantine and open no partitions."""

MOST_FINDINGS = 1000

_CHANNEL = np.dtype(
    [
        ("fields", ">i2"),
        *(
            (name, kind)
            for field in ("tenant", "serial", "input", "channel")
            for name, kind in (
                (f"{field}_length", ">i4"),
                (field, ">i8" if field == "serial" else ">i4"),
            )
        ),
    ]
)
"""A row of `flush_sql.CHANNELS` in binary COPY."""


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What a flush did.

    `readings` are new registers in `rows` changed rows; `duplicates` were there already or came
    more than once; `contradictions` came with another register than the one stored.
    """

    batches: int = 0
    readings: int = 0
    rows: int = 0
    duplicates: int = 0
    contradictions: int = 0
    commands: int = 0
    quarantined: int = 0

    def __add__(self, other: "FlushResult") -> "FlushResult":
        return FlushResult(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def flush_inbox(now: datetime, max_batches: int = 500, *, clock_set: bool = False) -> FlushResult:
    """Bring up to `max_batches` batches, the oldest first, into the tables and commit.

    Then what waits in quarantine and can be stored now, in a transaction of its own.

    Parameters
    ----------
    now
        The time by the clock that the readings go by: hours more than ten years before or two
        days after it are put into quarantine.
    max_batches
        Bound of one transaction. Call again while ``batches`` equals it.
    clock_set
        Whether that clock has jumped since the last flush: then what it took for an impossible
        hour is judged again.

    Raises
    ------
    UnavailableError
        If the database cannot be used now; nothing is lost, try again.
    """
    result = _flush_inbox(now, max_batches)
    try:
        return result + _flush_quarantine(now, clock_set=clock_set)
    except (DataError, IntegrityError) as error:
        _complain_of_quarantine(error, now)
        return result


def _flush_inbox(now: datetime, max_batches: int) -> FlushResult:
    try:
        return _flush(now, max_batches)
    except (DataError, IntegrityError) as error:
        if max_batches > 1:
            return _one_by_one(now, max_batches)
        _put_aside(error, now)
        return FlushResult(batches=1)


def _one_by_one(now: datetime, max_batches: int) -> FlushResult:
    total = FlushResult()
    for _ in range(max_batches):
        result = _flush_inbox(now, 1)
        if not result.batches:
            break
        total += result
    return total


def _flush(now: datetime, max_batches: int) -> FlushResult:
    with system_scope(ACTOR, durable=True):
        if not _lock():
            return FlushResult()
        batches = _open_batches(max_batches)
        contents = unpack(batches)
        result = _store_readings(contents.all_readings(), now)
        commands = _store_reports(contents)
        _settle(batches, contents, now)
    return result + FlushResult(batches=len(batches), commands=commands)


def _flush_quarantine(now: datetime, *, clock_set: bool) -> FlushResult:
    with system_scope(ACTOR, durable=True):
        if not _lock():
            return FlushResult()
        latest = now + AHEAD if clock_set else now - AHEAD
        released = quarantine.release(hour_of(now - OLDEST), hour_of(latest))
        return _store_readings(released, now)


def _lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _open_batches(limit: int) -> list[StoredBatch]:
    with connection.cursor() as cursor:
        cursor.execute(flush_sql.OPEN_BATCHES, [limit])
        return [StoredBatch(*row) for row in cursor.fetchall()]


def _store_readings(readings: NDArray[np.void], now: datetime) -> FlushResult:
    _find_channels(readings)
    known = readings["channel"] > 0
    possible = _possible(readings["hour"], now)
    kept = quarantine.keep(readings[~known], quarantine.UNKNOWN, now)
    kept += quarantine.keep(readings[known & ~possible], quarantine.IMPOSSIBLE, now)
    usable = known & possible
    good = readings if usable.all() else readings[usable]
    if not len(good):
        return FlushResult(quarantined=kept)
    rows = pivot(good)
    findings.record(_doubts(good), now)
    findings.record(_contradictions_inside(good, rows), now)
    stored = _merge(rows, now)
    return stored + FlushResult(
        duplicates=rows.repeated - len(rows.contradicting),
        contradictions=len(rows.contradicting),
        quarantined=kept,
    )


def _find_channels(readings: NDArray[np.void]) -> None:
    """Fill in the channel ids: an input counts only inside the tenant of the hub it came by."""
    rows = _channels_of(np.unique(readings["module"]).tolist())
    wanted = (readings["module"] << 2) | readings["input"]
    for tenant in np.unique(rows["tenant"]):
        own = rows[rows["tenant"] == tenant]
        keys = (own["serial"].astype(np.int64) << 2) | own["input"]
        order = np.argsort(keys)
        at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        mine = (keys[at] == wanted) & (readings["tenant"] == tenant)
        readings["channel"][mine] = own["channel"][at[mine]]


def _channels_of(serials: list[int]) -> NDArray[np.void]:
    """Return the inputs of modules; binary COPY brings 100,000 of them ten times as fast."""
    with (
        connection.cursor() as cursor,
        cursor.copy(flush_sql.CHANNELS, [serials]) as copy,
    ):
        data = b"".join(copy)
    return np.frombuffer(data, _CHANNEL, count=(len(data) - 21) // _CHANNEL.itemsize, offset=19)


def _possible(hours: NDArray[np.int32], now: datetime) -> NDArray[np.bool_]:
    return (hours >= hour_of(now - OLDEST)) & (hours <= hour_of(now + AHEAD))


def _merge(rows: DayRows, now: datetime) -> FlushResult:
    make_partitions({month_of(day_of(int(day) * 24)) for day in np.unique(rows.day)})
    days = [day_of(int(rows.day.min()) * 24), day_of(int(rows.day.max()) * 24)]
    with connection.cursor() as cursor:
        with cursor.copy(
            f"copy reading_stage ({', '.join(STAGE_COLUMNS)}) from stdin (format binary)"
        ) as copy:
            for data in copy_data(rows):
                copy.write(data)
        cursor.execute(flush_sql.COMPARE, days)
        same, other = (int(value) for value in cursor.fetchone())
        if other:
            cursor.execute(flush_sql.CONTRADICTIONS, days)
            findings.record((_contradiction(*row) for row in cursor.fetchall()), now)
        cursor.execute(flush_sql.MERGE)
        changed = cursor.rowcount
        cursor.execute("truncate reading_stage")
    return FlushResult(
        readings=rows.count - same - other, rows=changed, duplicates=same, contradictions=other
    )


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


def _settle(batches: Sequence[StoredBatch], contents: Contents, now: datetime) -> None:
    if not batches:
        return
    ids = [batch.id for batch in batches]
    notes = [contents.notes.get(batch_id) for batch_id in ids]
    with connection.cursor() as cursor:
        cursor.execute(flush_sql.SETTLE_BATCHES, [now, ids, notes])
    noticed = [
        Noticed(batch.tenant_id, f"hub {batch.hub_code}", "entries that make no sense", note)
        for batch, note in zip(batches, notes, strict=True)
        if note
    ]
    findings.record(noticed, now)


def _put_aside(error: Exception, now: datetime) -> None:
    """Mark the oldest open batch, which the database refuses, so that it blocks no others."""
    with system_scope(ACTOR, durable=True):
        for batch in _open_batches(1):
            with connection.cursor() as cursor:
                cursor.execute(
                    "update inbox_batch set note = %s where id = %s",
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
