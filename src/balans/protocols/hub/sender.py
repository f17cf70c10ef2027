"""The hub's side of delivery: which batches to publish now.

State is small: what the head-end is known to hold, and when each range was last sent. Lost
batches, lost acknowledgements and restarts of either side all end the same way: what is not
acknowledged within `resend_s` is sent again.
"""

from dataclasses import dataclass, field
from typing import Protocol

from balans.protocols.hub.frames import Ack, Batch, Entry, Hello
from balans.protocols.hub.ranges import Ranges


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
        """Return consecutive entries from `start`, at least one, at most `max_bytes` of data."""
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
    """

    journal: Journal
    max_bytes: int = 100_000
    max_in_flight: int = 8
    resend_s: float = 10.0
    _held: Ranges = field(default_factory=Ranges)
    _sent: dict[tuple[int, int], float] = field(default_factory=dict)

    def connected(self) -> Hello:
        """Forget what was in flight and introduce the journal: the first message to send."""
        self._sent.clear()
        journal = self.journal
        return Hello(journal.id, journal.first, journal.next, journal.lost)

    def acknowledged(self, ack: Ack) -> int | None:
        """Take an acknowledgement; return the offset below which the journal may be trimmed.

        None means that nothing may be trimmed: the acknowledgement is for another journal.
        """
        if ack.journal != self.journal.id or ack.end > self.journal.next:
            return None
        held = Ranges.of(ack.holes).missing(0, ack.end)
        self._held = Ranges.of((*self._held.spans, *held.spans))
        self._sent = {
            span: at for span, at in self._sent.items() if self._held.missing(*span).spans
        }
        return ack.contiguous

    def due(self, now_s: float) -> list[Batch]:
        """Return the batches to publish at `now_s` (any clock that only goes forward)."""
        self._sent = {s: at for s, at in self._sent.items() if now_s - at < self.resend_s}
        busy = Ranges.of((*self._held.spans, *self._sent, *self.journal.lost))
        batches: list[Batch] = []
        for start, end in busy.missing(self.journal.first, self.journal.next).spans:
            at = start
            while at < end and len(self._sent) < self.max_in_flight:
                batch = Batch.of(self.journal.id, at, self.journal.read(at, end, self.max_bytes))
                self._sent[(batch.first, batch.end)] = now_s
                batches.append(batch)
                at = batch.end
        return batches

    @property
    def idle(self) -> bool:
        """True when the head-end holds everything the journal has."""
        return not self._held.missing(self.journal.first, self.journal.next).spans
