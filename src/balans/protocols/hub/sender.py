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
"""

from dataclasses import dataclass, field
from typing import Protocol

from balans.core.errors import BalansError
from balans.protocols.hub.frames import Ack, Batch, Entry, Hello
from balans.protocols.hub.ranges import Ranges


class JournalBehindError(BalansError):
    """The head-end holds entries that this journal never sent: its medium lost the tail.

    The journal needs a new identity, or new entries would pass for those already held.
    """

    code = "journal_behind"


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


@dataclass(slots=True)
class BatchSender:
    """Decides what to send; holds no socket, file or clock.

    Parameters
    ----------
    journal
        Where entries come from.
    max_bytes, max_in_flight
        Bound of one batch, and of batches sent but not acknowledged (back-pressure).
    resend_s
        A range not acknowledged for this long is sent again.
    software
        Name and version to introduce the hub with.
    """

    journal: Journal
    max_bytes: int = 100_000
    max_in_flight: int = 8
    resend_s: float = 10.0
    software: str = ""
    _held: Ranges = field(default_factory=Ranges, init=False)
    _sent: dict[tuple[int, int], float] = field(default_factory=dict, init=False)
    _hello: Hello | None = field(default=None, init=False)
    _hello_s: float = field(default=0.0, init=False)
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
            span: at for span, at in self._sent.items() if self._held.missing(*span).spans
        }
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
        fresh = {s: at for s, at in self._sent.items() if now_s - at < self.resend_s}
        if len(fresh) == len(self._sent):
            return
        self._sent = fresh
        if not self._heard:
            self.connected()
        self._heard = False

    def _due_hello(self, now_s: float) -> Hello | None:
        journal = self.journal
        told = self._hello is not None and self._hello.lost == journal.lost
        if told and (self._introduced or now_s - self._hello_s < self.resend_s):
            return None
        self._hello = Hello(journal.id, journal.first, journal.next, journal.lost, self.software)
        self._hello_s = now_s
        self._known_end = max(self._known_end, *(end for _, end in journal.lost), journal.first)
        return self._hello

    def _due_batches(self, now_s: float) -> list[Hello | Batch]:
        batches: list[Hello | Batch] = []
        busy = Ranges.of((*self._held.spans, *self._sent, *self.journal.lost))
        for start, end in busy.missing(self.journal.first, self.journal.next).spans:
            at = start
            while at < end and len(self._sent) < self.max_in_flight:
                entries = self.journal.read(at, end, self.max_bytes)
                if not entries:
                    break  # proved unreadable: told in the next Hello
                batch = Batch.of(self.journal.id, at, entries)
                self._sent[(batch.first, batch.end)] = now_s
                self._known_end = max(self._known_end, batch.end)
                batches.append(batch)
                at = batch.end
        return batches
