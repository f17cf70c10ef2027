"""Batches from hubs, kept as they came. An acknowledgement stands for a committed row here.

What of a journal is held says one row for each journal, ``hub_journal``, locked while a batch
is stored; so batches may come twice, in any order, and cut differently when sent again.
Offsets that the hub no longer holds and that never came are *lost*: they count as settled, so
that the contiguous mark can move on, and leave a finding.

A journal has a new identity at every start of its hub, and keeps counting its offsets: a new
identity begins where the one before was settled. Only what lies between the two is missing.

Two hubs may bear one code by mistake: a card copied, a hub replaced and not switched off. Each has
a journal of its own, so nothing is lost or mixed; `balans.headend.intake` notices them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection

from balans.core.errors import BalansError
from balans.core.text import printable
from balans.core.words import DeviceKind
from balans.protocols.hub import Ack, Batch, Hello, Ranges, encode
from balans.storage import findings, found, hub_state
from balans.storage.copying import Int8s, binary_cursor
from balans.storage.findings import Noticed, Severity
from balans.storage.found import Heard
from balans.storage.import_hub import is_import_hub
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


@dataclass(slots=True)
class _Journal:
    """What is held and what is lost of a journal, and what comes to it now."""

    held: Ranges
    lost: Ranges
    new: Ranges

    def take(self, batch: Batch) -> bool:
        """Add the offsets of `batch`; return whether any of them was not held."""
        held = self.held.spans
        if len(held) == 1 and held[0][1] == batch.first and not self.new.spans:  # as it should be
            self.held = Ranges(((held[0][0], batch.end),))
            self.new = Ranges(((batch.first, batch.end),))
            return True
        if not self.held.missing(batch.first, batch.end).spans:
            return False
        self.held = self.held.add(batch.first, batch.end)
        self.new = self.new.add(batch.first, batch.end)
        return True

    def ack(self, journal: int) -> Ack:
        held, lost = self.held, self.lost
        return _ack(journal, Ranges.of((*held.spans, *lost.spans)) if lost.spans else held)


def _ack(journal: int, settled: Ranges) -> Ack:
    if len(settled.spans) == 1 and settled.spans[0][0] == 0:
        return Ack(journal, settled.spans[0][1], settled.spans[0][1])
    contiguous = settled.contiguous_from(0)
    end = max((end for _, end in settled.spans), default=0)
    return Ack(journal, contiguous, end, settled.missing(contiguous, end).spans)


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
    (ack,) = store_batches([(hub_code, batch)], received)
    if ack is None:
        raise HubUnknownError(f"hub {hub_code} is not registered")
    return ack


def store_batches(batches: Sequence[tuple[str, Batch]], received: datetime) -> list[Ack | None]:
    """Store batches of any hubs in one transaction and return, after COMMIT, what is held.

    A commit costs the same for one batch and for fifty, so a busy head-end stores those together
    that wait. Parameters and errors as `store_batch`, but for a hub that is not registered: its
    place in the result is None.
    """
    with system_scope(ACTOR, durable=True):
        hubs = _find_hubs({code for code, _ in batches}, received)
        known = [(hubs[code], batch) for code, batch in batches if code in hubs]
        journals = _lock_journals({(hub, batch.journal) for hub, batch in known}, received)
        new = [(hub, batch) for hub, batch in known if journals[hub.id, batch.journal].take(batch)]
        _insert(new, received)
        _note_received(journals)
    return [
        journals[hubs[code].id, batch.journal].ack(batch.journal) if code in hubs else None
        for code, batch in batches
    ]


def take_hello(hub_code: str, hello: Hello, received: datetime) -> Ack:
    """Return what is held of the journal that a hub introduces; parameters and errors as above.

    What the hub no longer has (below ``hello.first``, or in ``hello.lost``) and never sent is
    marked lost, with a finding unless it was settled under an earlier identity of the journal.
    """

    def step(hub: _Hub, held: Ranges, lost: Ranges) -> Ranges:
        hub_state.take_hello(hub.id, hub.tenant_id, hello, received)
        settled = Ranges.of((*held.spans, *lost.spans))
        spans = ((0, hello.first), *hello.lost)
        gone = Ranges.of(span for s, e in spans for span in settled.missing(s, e).spans)
        before = [] if settled.spans else _before(hub, hello, received)
        if gone.spans:
            _mark_lost(hub, hello.journal, gone)
            _complain_of_loss(hub, hello.journal, gone, before, received)
        return Ranges.of((*settled.spans, *gone.spans))

    try:
        return _commit(hub_code, hello.journal, received, step)
    except HubUnknownError:
        with system_scope(ACTOR, durable=True):
            found.note([_unknown(hub_code, hello)], received)
        raise


def _unknown(code: str, hello: Hello) -> Heard:
    software, claim = printable(hello.software), hello.claim
    return Heard(kind=DeviceKind.HUB, code=code, software=software, claim=claim)


def waiting() -> int:
    """Return the number of batches that are stored and not yet flushed. Opens its own scope."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute("select count(*) from inbox_batch where flushed_at is null and note is null")
        (count,) = cursor.fetchone()
    return int(count)


def take_again() -> int:
    """Let the flush try once more what it has put aside since the database refused it.

    What is refused again is put aside again, with its finding; what a new release or somebody's
    repair lets in is stored. Opens its own scope; returns how many batches those are.
    """
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(
            "update inbox_batch set note = null where flushed_at is null and note is not null"
        )
        return int(cursor.rowcount)


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
        hub = _find_hubs({code}, at).get(code)
        if hub is not None:
            found = _lock_journals({(hub, journal)}, at)[hub.id, journal]
            settled = step(hub, found.held, found.lost)
        else:
            settled = None
    if settled is None:
        raise HubUnknownError(f"hub {code} is not registered")
    return _ack(journal, settled)


def _find_hubs(codes: set[str], at: datetime) -> dict[str, _Hub]:
    """Return the registered hubs among `codes`; keep a finding for each other.

    Nobody sends in the name of an import.
    """
    with connection.cursor() as cursor:
        cursor.execute("select code, id, tenant_id from hub where code = any(%s)", [list(codes)])
        rows = cursor.fetchall()
    found = {row[0]: _Hub(*row) for row in rows if not is_import_hub(row[0])}
    unknown = sorted(codes - found.keys())
    findings.record([Noticed(None, f"hub {code}", "hub is not registered") for code in unknown], at)
    return found


def _lock_journals(wanted: set[tuple[_Hub, int]], at: datetime) -> dict[tuple[int, int], _Journal]:
    """Return what was received and what is lost of journals, and hold their rows locked."""
    if not wanted:
        return {}
    rows = [(hub.tenant_id, hub.id, journal) for hub, journal in wanted]
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_JOURNALS, [at, at, *map(list, zip(*rows, strict=True))])
        found = cursor.fetchall()
    return {
        (hub_id, journal): _Journal(_ranges(received), _ranges(lost), Ranges())
        for hub_id, journal, received, lost in found
    }


def _insert(batches: Sequence[tuple[_Hub, Batch]], received: datetime) -> None:
    if not batches:
        return
    numbers = np.array(
        [
            (hub.tenant_id, hub.id, batch.journal, batch.first, len(batch.entries), batch.rank)
            for hub, batch in batches
        ],
        np.int64,
    )
    payloads = [encode(batch) for _, batch in batches]
    with binary_cursor() as cursor:
        cursor.execute(_INSERT_BATCHES, [received, *map(Int8s, numbers.T), payloads])


def _note_received(journals: dict[tuple[int, int], _Journal]) -> None:
    rows = [
        (hub_id, journal, "{" + ",".join(f"[{start},{end})" for start, end in one.new.spans) + "}")
        for (hub_id, journal), one in journals.items()
        if one.new.spans
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_RECEIVED, [list(column) for column in zip(*rows, strict=True)])


def _before(hub: _Hub, hello: Hello, at: datetime) -> list[Ranges]:
    """Return what was settled under each earlier identity of a journal that is new here.

    The beginning of a hub of which nothing is known was settled elsewhere: by another server, or
    by this one before it lost its memory.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_JOURNALS, [hub.id, hub.id, hello.journal, JOURNALS_KEPT])
        cursor.execute(_OTHER_JOURNALS, [hub.id, hello.journal])
        earlier = [_ranges(settled) for (settled,) in cursor.fetchall()]
    if earlier:
        return earlier
    if hello.first:
        what = "the hub comes with a journal whose beginning was settled elsewhere"
        detail = f"journal {hello.journal}: entries 0 to {hello.first - 1} never came here"
        _notice(hub, what, detail, at)
    return [Ranges.of([(0, hello.first)])]


def _mark_lost(hub: _Hub, journal: int, gone: Ranges) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "update hub_journal set lost = lost + int8multirange(int8range(%s, %s))"
            " where hub_id = %s and journal_id = %s",
            [(start, end, hub.id, journal) for start, end in gone.spans],
        )


def _complain_of_loss(
    hub: _Hub, journal: int, gone: Ranges, before: Sequence[Ranges], at: datetime
) -> None:
    """Keep a finding of what no earlier identity has settled.

    There is one that went before, the one that has settled the most of it: others may be those of
    another hub with this code.
    """
    left = [
        [span for start, end in gone.spans for span in known.missing(start, end).spans]
        for known in before or [Ranges()]
    ]
    lost = min(left, key=lambda spans: sum(end - start for start, end in spans))
    if lost:
        what = "entries of the journal never came and are no longer held by the hub"
        spans = ", ".join(f"[{start}, {end})" for start, end in lost)
        _notice(hub, what, f"journal {journal}: {spans}", at)


def _notice(hub: _Hub, what: str, detail: str, at: datetime) -> None:
    noticed = Noticed(hub.tenant_id, f"hub {hub.code}", what, detail[:500], Severity.WARNING)
    findings.record([noticed], at)


_LOCK_JOURNALS = """
insert into hub_journal (first_seen, last_seen, tenant_id, hub_id, journal_id)
select %s, %s, * from unnest(%s::int[], %s::bigint[], %s::bigint[]) as j (tenant, hub, journal)
order by hub, journal
on conflict (hub_id, journal_id) do update set last_seen = excluded.last_seen
returning hub_id, journal_id, received, lost
"""
"""In order, so that two who lock several wait for each other and do not lock each other out."""
_INSERT_BATCHES = """
insert into inbox_batch
  (received, tenant_id, hub_id, journal_id, first_offset, n, rank, payload)
select %b::timestamptz, * from unnest(%b::int[], %b::bigint[], %b::bigint[], %b::bigint[],
  %b::int[], %b::smallint[], %b::bytea[])
"""
_NOTE_RECEIVED = """
update hub_journal j set received = j.received + n.received::int8multirange
from unnest(%s::bigint[], %s::bigint[], %s::text[]) as n (hub_id, journal_id, received)
where j.hub_id = n.hub_id and j.journal_id = n.journal_id
"""
_OTHER_JOURNALS = """
select received + lost from hub_journal where hub_id = %s and journal_id <> %s
"""
_FORGET_JOURNALS = """
delete from hub_journal where hub_id = %s and journal_id in
  (select journal_id from hub_journal where hub_id = %s and journal_id <> %s
   order by last_seen desc offset %s)
"""


def _ranges(multirange: "Iterable[Range[int]]") -> Ranges:
    return Ranges.of((span.lower or 0, span.upper or 0) for span in multirange)
