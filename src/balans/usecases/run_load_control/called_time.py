"""The server's time as a gateway knows it, and whether the server is heard at all.

Own clocks are wrong now and then, so what is called for is obeyed by the server's time: a beat
tells it, and between beats a clock counts that never steps. A beat that was held up tells a time
that is too early; so the latest time told counts, until it is ten minutes old and twenty beats have
said otherwise. Over a restart, when the steady clock begins anew, the own clock bridges the gap: it
was told before by how much it is wrong.
"""

from dataclasses import dataclass, field

from balans.protocols.hub import Fallback

WINDOW_S, BEATS = 600.0, 20
QUIET_S = 120.0
"""The fallback limit is let go when beats have been back for so long."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by three clocks [s].

    now_s
        The site's own clock, which may be wrong and may step (Unix).
    steady_s
        One that only goes on; its zero is anywhere.
    link_s
        One that goes at the pace of real time, by which silence of the link is measured.
    """

    now_s: float
    steady_s: float
    link_s: float

    @classmethod
    def at(cls, time_s: float) -> "Moment":
        """Return the moment at which all three show `time_s`."""
        return cls(time_s, time_s, time_s)


@dataclass(frozen=True, slots=True)
class _Told:
    """By how much the server's time is ahead of the steady one, as a beat told it."""

    steady_s: float
    ahead_s: float
    number: int


@dataclass(slots=True)
class ServerClock:
    """The time of the server, from its beats."""

    known: bool = False
    """Whether a beat was heard since the start."""
    _told: list[_Told] = field(default_factory=list)
    """What no later beat surpasses, the most first."""
    _heard: int = 0

    def bridge(self, moment: Moment, ahead_s: float) -> None:
        """Believe what an earlier run found: the server is `ahead_s` ahead of the own clock."""
        self._told = [_Told(moment.steady_s, moment.now_s + ahead_s - moment.steady_s, 0)]

    def take(self, beat_s: float, steady_s: float) -> None:
        """Note that a beat told the time `beat_s`."""
        self.known = True
        self._heard += 1
        told = _Told(steady_s, beat_s - steady_s, self._heard)
        self._told = [
            one for one in self._told if one.ahead_s > told.ahead_s and not self._is_old(one, told)
        ]
        self._told.append(told)

    @staticmethod
    def _is_old(one: _Told, told: _Told) -> bool:
        return told.steady_s - one.steady_s > WINDOW_S and told.number - one.number >= BEATS

    def now_s(self, moment: Moment) -> float:
        """Return the server's time; as long as nothing tells it, that of the own clock [Unix s]."""
        return moment.steady_s + self._told[0].ahead_s if self._told else moment.now_s

    def ahead_s(self, moment: Moment) -> float:
        """Return by how much the server's time is ahead of the own clock."""
        return self.now_s(moment) - moment.now_s


@dataclass(slots=True)
class LinkWatch:
    """Whether the link is lost, and whether the fallback limit holds because of it.

    =========  ============================================  =========
    state      what happens                                  becomes
    =========  ============================================  =========
    heard      no beat for `Fallback.after_s`                lost
    lost       a beat                                        back
    back       no beat for `Fallback.after_s`                lost
    back       120 s of beats, and `Fallback.hold_s` over    heard
    =========  ============================================  =========

    The fallback limit holds while lost and while back.
    """

    heard_s: float
    lost_s: float | None = None
    back_s: float | None = None

    def beat(self, link_s: float, fallback: Fallback) -> None:
        """Note that a beat was heard."""
        self.holds(link_s, fallback)
        self.heard_s = link_s
        if self.lost_s is not None and self.back_s is None:
            self.back_s = link_s

    def holds(self, link_s: float, fallback: Fallback) -> bool:
        """Tell whether the fallback holds at `link_s`."""
        if link_s - self.heard_s > fallback.after_s:
            self.back_s = None
            if self.lost_s is None:
                self.lost_s = self.heard_s + fallback.after_s
        elif self.back_s is not None and self.lost_s is not None:
            quiet, held = link_s - self.back_s, link_s - self.lost_s
            if quiet >= QUIET_S and held >= fallback.hold_s:
                self.lost_s = self.back_s = None
        return self.lost_s is not None
