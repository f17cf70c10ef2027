"""What a gateway remembers of its server over a restart: keys, groups, versions, epochs."""

import hashlib
from dataclasses import dataclass, field

from balans.protocols.hub import Call, Fallback, Groups, Keys, TrustedKey, encode

EVENTS_MAX = 1_000
KEEP_S = 14 * 86_400.0
"""So long after its call has expired an event is remembered."""


@dataclass(slots=True)
class KnownEvent:
    """The newest epoch of an event, what its parts said, and when the last of it expires."""

    epoch: int
    until_s: float
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a place drew before a step, and what could be held back when it began [W]."""

    before_w: float | None
    holdable_w: float | None
    until_s: float


@dataclass(slots=True)
class CalledMemory:
    """What outlives the process. Losing it costs the proof against replays, until calls expire.

    `pinned` are the keys of the configuration it belongs to, `beat` the number of the newest beat,
    `ahead_s` by how much the server's time was ahead of the own clock then.
    """

    pinned: tuple[str, ...] = ()
    keys: Keys | None = None
    groups: Groups | None = None
    versions: dict[str, int] = field(default_factory=dict)
    beat: int = -1
    ahead_s: float | None = None
    events: dict[str, KnownEvent] = field(default_factory=dict)
    bases: dict[str, Basis] = field(default_factory=dict)

    def of(self, pinned: tuple[TrustedKey, ...]) -> "CalledMemory":
        """Return this, or nothing of it where it belongs to other pinned keys."""
        names = tuple(sorted(key.id for key in pinned))
        return self if self.pinned == names else CalledMemory(names)

    @property
    def fallback(self) -> Fallback:
        """What holds when the link is lost."""
        return self.groups.fallback if self.groups else Fallback()

    def note(self, call: Call, now_s: float) -> None:
        """Remember `call`, which is taken."""
        known = self.events.get(call.event)
        if known is None or known.epoch < call.epoch:
            until_s = max(call.expires, known.until_s if known else 0.0)
            known = self.events[call.event] = KnownEvent(call.epoch, until_s)
        known.until_s = max(known.until_s, call.expires)
        known.parts[call.part] = digest(call)
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        for event in [e for e, known in self.events.items() if known.until_s + KEEP_S < now_s]:
            del self.events[event]
        while len(self.events) > EVENTS_MAX:
            del self.events[min(self.events, key=lambda event: self.events[event].until_s)]
        for name in [name for name, basis in self.bases.items() if basis.until_s < now_s]:
            del self.bases[name]


def digest(call: Call) -> bytes:
    """Return what tells a repetition of `call` from another one."""
    return hashlib.sha256(encode(call)).digest()[:16]
