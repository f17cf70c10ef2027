"""Batches from hubs, kept as they came. An acknowledgement stands for a committed row here.

What of a journal is held says one row for each journal, ``hub_journal``, locked while a batch
is stored; so batches may come twice, in any order, and cut differently when sent again.
Offsets that the hub no longer holds and that never came are *lost*: they count as settled, so
that the contiguous mark can move on, and leave a finding.

A journal has a new identity at every start of its hub, and keeps counting its offsets: a new
identity begins where the one before was settled. Only what lies between the two is missing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection

from balans.core.errors import BalansError
from balans.protocols.hub import Ack, Batch, Hello, Ranges, encode
from balans.storage import findings
from balans.storage.findings import Noticed, Severity
from balans.storage.scope import system_scope

if TYPE_CHECKING:
    from psycopg.types.range import Range

ACTOR = "headend"
JOURNALS_KEPT = 20
"""So many journals of a hub are remembered: each start of the hub makes one."""


class HubUnknownError(BalansError):
    """No hub of this code is registered; nothing was stored, nothing may be acknowledged."""

    code = "hub_unknown"


@dataclass(frozen=True, slots=True)
class _Hub:
    code: str
    id: int
    tenant_id: int


def store_batch(hub_code: str, batch: Batch, received: datetime) -> Ack:
    """Store `batch`, commit, and return what is held of its journal.

    Parameters
    ----------
    hub_code
        The hub that sent it, from the topic.
    batch
        Decoded, with its checksum right.
    received
        When it came.

    Raises
    ------
    HubUnknownError
        If no such hub is registered; the finding is kept.
    UnavailableError
        If the database cannot be used now. Nothing was stored then: the hub sends again.
    """

    def step(hub: _Hub, held: Ranges, lost: Ranges) -> Ranges:
        if held.missing(batch.first, batch.end).spans:
            _insert(hub, batch, received)
        return Ranges.of((*held.spans, *lost.spans, (batch.first, batch.end)))

    return _commit(hub_code, batch.journal, received, step)


def take_hello(hub_code: str, hello: Hello, received: datetime) -> Ack:
    """Return what is held of the journal that a hub introduces; parameters and errors as above.

    What the hub no longer has (below ``hello.first``, or in ``hello.lost``) and never sent is
    marked lost, with a finding unless it was settled under an earlier identity of the journal.
    """

    def step(hub: _Hub, held: Ranges, lost: Ranges) -> Ranges:
        settled = Ranges.of((*held.spans, *lost.spans))
        spans = ((0, hello.first), *hello.lost)
        gone = Ranges.of(span for s, e in spans for span in settled.missing(s, e).spans)
        known = Ranges() if settled.spans else _before(hub, hello, received)
        if gone.spans:
            _mark_lost(hub, hello.journal, gone)
            _complain_of_loss(hub, hello.journal, gone, known, received)
        return Ranges.of((*settled.spans, *gone.spans))

    return _commit(hub_code, hello.journal, received, step)


def waiting() -> int:
    """Return the number of batches that are stored and not yet flushed. Opens its own scope."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute("select count(*) from inbox_batch where flushed_at is null and note is null")
        (count,) = cursor.fetchone()
    return int(count)


def purge(now: datetime, keep: timedelta = timedelta(days=7)) -> int:
    """Delete batches flushed longer than `keep` ago, but those with a note; return how many."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(
            "delete from inbox_batch where flushed_at < %s and note is null", [now - keep]
        )
        return int(cursor.rowcount)


def _commit(
    code: str, journal: int, at: datetime, step: Callable[[_Hub, Ranges, Ranges], Ranges]
) -> Ack:
    """Run `step` with the journal locked and return, after COMMIT, what it says is settled."""
    with system_scope(ACTOR, durable=True):
        hub = _find_hub(code, at)
        settled = step(hub, *_lock_journal(hub, journal, at)) if hub else None
    if settled is None:
        raise HubUnknownError(f"hub {code} is not registered")
    contiguous = settled.contiguous_from(0)
    end = max((end for _, end in settled.spans), default=0)
    return Ack(journal, contiguous, end, settled.missing(contiguous, end).spans)


def _find_hub(code: str, at: datetime) -> _Hub | None:
    """Return the hub, or None after keeping a finding."""
    with connection.cursor() as cursor:
        cursor.execute("select id, tenant_id from hub where code = %s", [code])
        row = cursor.fetchone()
    if row is None:
        findings.record([Noticed(None, f"hub {code}", "hub is not registered")], at)
        return None
    return _Hub(code, *row)


def _lock_journal(hub: _Hub, journal: int, at: datetime) -> tuple[Ranges, Ranges]:
    """Return what was received and what is lost of a journal, and hold its row locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into hub_journal (tenant_id, hub_id, journal_id, first_seen, last_seen)"
            " values (%s, %s, %s, %s, %s)"
            " on conflict (hub_id, journal_id) do update set last_seen = excluded.last_seen"
            " returning received, lost",
            [hub.tenant_id, hub.id, journal, at, at],
        )
        received, lost = cursor.fetchone()
    return _ranges(received), _ranges(lost)


def _insert(hub: _Hub, batch: Batch, received: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into inbox_batch"
            " (tenant_id, hub_id, journal_id, first_offset, n, received, payload)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [
                hub.tenant_id,
                hub.id,
                batch.journal,
                batch.first,
                len(batch.entries),
                received,
                encode(batch),
            ],
        )
        cursor.execute(
            "update hub_journal set received = received + int8multirange(int8range(%s, %s))"
            " where hub_id = %s and journal_id = %s",
            [batch.first, batch.end, hub.id, batch.journal],
        )


def _before(hub: _Hub, hello: Hello, at: datetime) -> Ranges:
    """Return what of a journal that is new here was settled under its identity before.

    That is what the hub's latest other journal has settled. The beginning of a hub of which
    nothing is known was settled elsewhere: by another server, or by this one before it lost its
    memory.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_JOURNALS, [hub.id, hub.id, hello.journal, JOURNALS_KEPT])
        cursor.execute(_LATEST_JOURNAL, [hub.id, hello.journal])
        row = cursor.fetchone()
    if row is not None:
        return _ranges(row[0])
    if hello.first:
        what = "the hub comes with a journal whose beginning was settled elsewhere"
        detail = f"journal {hello.journal}: entries 0 to {hello.first - 1} never came here"
        _notice(hub, what, detail, at)
    return Ranges.of([(0, hello.first)])


def _mark_lost(hub: _Hub, journal: int, gone: Ranges) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "update hub_journal set lost = lost + int8multirange(int8range(%s, %s))"
            " where hub_id = %s and journal_id = %s",
            [(start, end, hub.id, journal) for start, end in gone.spans],
        )


def _complain_of_loss(hub: _Hub, journal: int, gone: Ranges, known: Ranges, at: datetime) -> None:
    lost = [span for start, end in gone.spans for span in known.missing(start, end).spans]
    if lost:
        what = "entries of the journal never came and are no longer held by the hub"
        spans = ", ".join(f"[{start}, {end})" for start, end in lost)
        _notice(hub, what, f"journal {journal}: {spans}", at)


def _notice(hub: _Hub, what: str, detail: str, at: datetime) -> None:
    noticed = Noticed(hub.tenant_id, f"hub {hub.code}", what, detail[:500], Severity.WARNING)
    findings.record([noticed], at)


_LATEST_JOURNAL = """
select received + lost from hub_journal where hub_id = %s and journal_id <> %s
order by last_seen desc, upper(received + lost) desc nulls last limit 1
"""
_FORGET_JOURNALS = """
delete from hub_journal where hub_id = %s and journal_id in
  (select journal_id from hub_journal where hub_id = %s and journal_id <> %s
   order by last_seen desc offset %s)
"""


def _ranges(multirange: "Iterable[Range[int]]") -> Ranges:
    return Ranges.of((span.lower or 0, span.upper or 0) for span in multirange)
