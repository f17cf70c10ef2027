"""The hub's side of delivery: what to publish now.

State is small: what the head-end is known to hold, and when each range was last sent. Lost
batches, lost acknowledgements and restarts of either side all end the same way: what is not
acknowledged within `resend_s` is sent again.

============  =========================  ==========================================
state         left by                    what `due` gives
============  =========================  ==========================================
introducing   any `Ack` for the journal  `Hello`, again every `resend_s`
introduced    `connected`, silence       batches of what is neither held nor in flight
============  =========================  ==========================================

Silence is a whole `resend_s` in which batches went unanswered: then a small `Hello` asks
whether anyone is there, instead of the same batches over and over.

What goes first says the rank of an entry: commands, alarms, current data, archive. Few batches of
the archive are on the way at a time, so that what is urgent never waits for more than these.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from balans.core.errors import BalansError
from balans.protocols.hub.frames import Ack, Batch, Entry, Hello, Rank
from balans.protocols.hub.ranges import Ranges


class JournalBehindError(BalansError):
    """The head-end holds entries that this journal never sent: its medium lost the tail.

    The journal needs a new identity, or new entries would pass for those already held.
    """

    code = "journal_behind"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a hub says of itself in every `Hello`; see there."""

    software: str = ""
    claim: str = ""
    site: str = ""
    trouble: str = ""


class Journal(Protocol):
    """What the sender needs of a journal."""

    @property
    def id(self) -> int:
        """Random identity of the journal."""
        ...

    @property
    def first(self) -> int:
        """Offset of the oldest entry still held."""
        ...

    @property
    def next(self) -> int:
        """Offset that the next entry will get."""
        ...

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        """Ranges inside [first, next) that can no longer be read."""
        ...

    def read(self, start: int, end: int, max_bytes: int) -> tuple[Entry, ...]:
        """Return consecutive entries from `start`, at least one, at most `max_bytes` of data.

        Nothing is returned when the entry at `start` proves unreadable; `lost` then holds it.
        """
        ...


@dataclass(frozen=True, slots=True)
class _OnTheWay:
    at_s: float
    rank: Rank


@dataclass(slots=True)
class BatchSender:
    """Decides what to send; holds no socket, file or clock.

    Parameters
    ----------
    journal
        Where entries come from.
    max_bytes, max_in_flight
        Bound of one batch, and of batches sent but not acknowledged (back-pressure).
    max_archive
        Bound of the batches of them that are archive.
    resend_s
        A range not acknowledged for this long is sent again.
    introduction
        What the hub says of itself.
    """

    journal: Journal
    max_bytes: int = 100_000
    max_in_flight: int = 8
    max_archive: int = 2
    resend_s: float = 10.0
    introduction: Introduction = Introduction()
    _held: Ranges = field(default_factory=Ranges, init=False)
    _sent: dict[tuple[int, int], _OnTheWay] = field(default_factory=dict, init=False)
    _ranked: dict[Rank, list[tuple[int, int]]] = field(default_factory=dict, init=False)
    _hello: Hello | None = field(default=None, init=False)
    _hello_s: float = field(default=0.0, init=False)
    _told: bool = field(default=False, init=False)
    _introduced: bool = field(default=False, init=False)
    _heard: bool = field(default=False, init=False)
    _known_end: int = field(init=False)

    def __post_init__(self) -> None:
        self._known_end = self.journal.next

    def connected(self) -> None:
        """Forget what was in flight or held: a new connection, a `Poll`, or a new identity."""
        self._sent.clear()
        self._held = Ranges()
        self._hello = None
        self._introduced = False

    def ranked(self, first: int, ranks: Sequence[Rank]) -> None:
        """Note the ranks of the entries from `first` on, which follow all that were told of.

        What is not told of is archive.
        """
        for at, rank in enumerate(ranks, first):
            if rank == Rank.ARCHIVE:
                continue
            own = self._ranked.setdefault(rank, [])
            if own and own[-1][1] == at:
                own[-1] = (own[-1][0], at + 1)
            else:
                own.append((at, at + 1))

    def trouble(self, what: str) -> None:
        """Note what keeps the hub from working, "" for nothing; news are told with a `Hello`."""
        if what != self.introduction.trouble:
            self.introduction = replace(self.introduction, trouble=what)
            self._told = False

    def acknowledged(self, ack: Ack) -> int | None:
        """Take an acknowledgement; return the offset below which the journal may be trimmed.

        None means that nothing may be trimmed: the acknowledgement is for another journal.

        Raises
        ------
        JournalBehindError
            If the head-end holds more than this journal ever sent.
        """
        if ack.journal != self.journal.id:
            return None
        if ack.end > self._known_end:
            msg = f"head-end holds entries up to {ack.end}, the journal sent {self._known_end}"
            raise JournalBehindError(msg)
        self._introduced = self._heard = True
        held = Ranges.of(ack.holes).missing(0, ack.end)
        self._held = Ranges.of((*self._held.spans, *held.spans))
        self._sent = {
            span: way for span, way in self._sent.items() if self._held.missing(*span).spans
        }
        for own in self._ranked.values():
            del own[: bisect_right(own, ack.contiguous, key=lambda span: span[1])]
        if ack.contiguous < self.journal.first:
            self._told = False  # it has forgotten what was settled, or this is an old answer
        return ack.contiguous

    def due(self, now_s: float) -> list[Hello | Batch]:
        """Return what to publish at `now_s` (any clock that only goes forward)."""
        self._expire(now_s)
        hello = self._due_hello(now_s)
        if not self._introduced:
            return [hello] if hello else []
        return [*([hello] if hello else []), *self._due_batches(now_s)]

    @property
    def idle(self) -> bool:
        """True when the head-end has settled everything: it is stored, or known to be lost."""
        return self.unsettled == 0

    @property
    def unsettled(self) -> int:
        """How many entries the head-end is not known to have settled."""
        waiting = self._held.missing(self.journal.first, self.journal.next)
        return sum(end - start for start, end in waiting.spans)

    def _expire(self, now_s: float) -> None:
        """Take overdue batches back; after a silence go back to introducing."""
        fresh = {s: way for s, way in self._sent.items() if now_s - way.at_s < self.resend_s}
        if len(fresh) == len(self._sent):
            return
        self._sent = fresh
        if not self._heard:
            self.connected()
        self._heard = False

    def _due_hello(self, now_s: float) -> Hello | None:
        journal, said = self.journal, self._hello
        if said is not None and said.lost == journal.lost:
            is_fresh = now_s - self._hello_s < self.resend_s
            if is_fresh or (self._introduced and self._told):
                return None
        own = self.introduction
        self._hello = Hello(
            journal.id,
            journal.first,
            journal.next,
            journal.lost,
            software=own.software,
            claim=own.claim,
            site=own.site,
            trouble=own.trouble,
        )
        self._hello_s, self._told = now_s, True
        self._known_end = max(self._known_end, *(end for _, end in journal.lost), journal.first)
        return self._hello

    def _due_batches(self, now_s: float) -> list[Hello | Batch]:
        batches: list[Hello | Batch] = []
        busy = Ranges.of((*self._held.spans, *self._sent, *self.journal.lost))
        for rank in Rank:
            for start, end in self._waiting(rank, busy):
                at = start
                while at < end and self._has_room(rank):
                    entries = self.journal.read(at, end, self.max_bytes)
                    if not entries:
                        break  # proved unreadable: told in the next Hello
                    batch = Batch.of(self.journal.id, at, entries, rank)
                    self._sent[(batch.first, batch.end)] = _OnTheWay(now_s, rank)
                    self._known_end = max(self._known_end, batch.end)
                    batches.append(batch)
                    at = batch.end
        return batches

    def _waiting(self, rank: Rank, busy: Ranges) -> Iterator[tuple[int, int]]:
        """Yield what of a rank is neither held nor on its way, as long as there is room for it.

        Of two ranks that take turns there are as many spans as entries, tens of thousands after
        a long outage: none is looked at that cannot be sent now.
        """
        journal = self.journal
        if rank == Rank.ARCHIVE and self._has_room(rank):
            others = Ranges.of(span for own in self._ranked.values() for span in own)
            own = list(others.missing(journal.first, journal.next).spans)
        else:
            own = self._ranked.get(rank, [])
        for start, end in own:
            if not self._has_room(rank):
                return
            yield from busy.missing(max(start, journal.first), min(end, journal.next)).spans

    def _has_room(self, rank: Rank) -> bool:
        if rank == Rank.ARCHIVE:
            archive = sum(way.rank == Rank.ARCHIVE for way in self._sent.values())
            if archive >= self.max_archive:
                return False
        return len(self._sent) < self.max_in_flight
