"""Power from the pulses of an ordinary meter.

Between two pulses the meter has counted a known energy, so the mean power between them is known.
While no pulse comes the power is known to be small: after `t` seconds without one it cannot have
been above ``energy of a pulse / t`` on average. Before there is anything to go by, power is not
known; it is never taken for zero.

A wire that is cut looks like an empty house. Two things tell them apart: no pulse for several times
as long as the longest pause of the last day, and loads with meters of their own that have drawn
more than a pulse since the last one.
"""

from dataclasses import dataclass, field, replace

STALE_S = 3600.0
"""A meter that gives no pulse for this long may be dead, however seldom they usually come."""
STALE_GAPS, STALE_MIN_S = 4.0, 300.0
"""The same after so many times the longest pause of the last day, at least 5 minutes."""
IDLE_W = 20.0
"""Before a day has been seen a house is taken to draw at least this, its stand-by."""
UNSEEN_PULSES = 2.0
"""Loads that have drawn this many pulses without one prove that the meter is not heard."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Spacing:
    """The longest pauses between pulses, of the running day of the clock and of the one before.

    since_s
        When the first pulse was seen; None before it.
    """

    since_s: float | None = None
    day: int = 0
    longest_s: float = 0.0
    earlier_s: float = 0.0

    def after(self, time_s: float, gap_s: float) -> "Spacing":
        """Return this with a pause of `gap_s` that ended at `time_s`."""
        day, since_s = int(time_s // DAY_S), time_s if self.since_s is None else self.since_s
        if day == self.day:
            return Spacing(since_s, day, max(self.longest_s, gap_s), self.earlier_s)
        return Spacing(since_s, day, gap_s, self.longest_s)

    def earlier(self, by_s: float) -> "Spacing":
        """Return this as seen `by_s` earlier: the clock was set back by that."""
        since_s = None if self.since_s is None else self.since_s - by_s
        return replace(self, since_s=since_s, day=self.day - int(by_s // DAY_S))

    def stale_s(self, wh: float, now_s: float) -> float:
        """Return after what time without a pulse of `wh` the meter counts as silent [s].

        >>> Spacing(0.0, 1, 90.0, 40.0).stale_s(1.0, 86_400.0)
        360.0
        >>> Spacing().stale_s(10.0, 0.0)
        1800.0
        """
        least_s = STALE_MIN_S
        if self.since_s is None or now_s - self.since_s < DAY_S:
            least_s = max(least_s, wh * 3600 / IDLE_W)
        return min(STALE_S, max(least_s, STALE_GAPS * max(self.longest_s, self.earlier_s)))


@dataclass(frozen=True, slots=True)
class Pulses:
    """What the pulses have told so far.

    wh
        Energy of a pulse [Wh].
    anchor_s
        When the pulse came from which energy is counted; None before the first.
    last_s, count
        When the last pulse came, and how many came since the anchor.
    power_w
        Mean power between the pulses counted last; None before there were two.
    spacing
        How far apart they usually are.
    unseen_wh
        What loads with meters of their own have drawn in whole steps since the last pulse [Wh].
    """

    wh: float
    anchor_s: float | None = None
    last_s: float = 0.0
    count: int = 0
    power_w: float | None = None
    spacing: Spacing = field(default_factory=Spacing)
    unseen_wh: float = 0.0

    def stale_s(self, now_s: float) -> float:
        """Return after what time without a pulse the meter counts as silent [s]."""
        return self.spacing.stale_s(self.wh, now_s)

    @property
    def is_refuted(self) -> bool:
        """Whether loads have drawn what the meter should have counted, and did not."""
        return self.unseen_wh >= UNSEEN_PULSES * self.wh


@dataclass(frozen=True, slots=True)
class PulsePower:
    """An estimate of power [W], and a bound above which it cannot have been on average."""

    power_w: float | None
    most_w: float


def pulse(state: Pulses, time_s: float, count: int = 1) -> Pulses:
    """Return the state after `count` pulses, the last of which came at `time_s`.

    Several at once are what a module reports that counts by itself. A pulse from before the
    last one is not counted: it was told late, or the clock was set back; counting begins anew.
    """
    if state.anchor_s is None or time_s < state.last_s:
        spacing = state.spacing.after(time_s, 0.0)
        return replace(
            state, anchor_s=time_s, last_s=time_s, count=0, spacing=spacing, unseen_wh=0.0
        )
    spacing = state.spacing.after(time_s, (time_s - state.last_s) / count)
    return replace(state, last_s=time_s, count=state.count + count, spacing=spacing, unseen_wh=0.0)


def drawn(state: Pulses, energy_wh: float) -> Pulses:
    """Return the state after loads have drawn `energy_wh` in a step in which no pulse came."""
    return replace(state, unseen_wh=state.unseen_wh + max(0.0, energy_wh))


def read_power(state: Pulses, now_s: float) -> tuple[Pulses, PulsePower]:
    """Return the power at `now_s`, and the state from which the next step is counted.

    Notes
    -----
    With ``k`` pulses since the anchor the power is ``k E / (last - anchor)``, the mean from the
    anchor to the last pulse. Without one it is what it was before, but no more than
    ``E / (now - anchor)``. With a pulse in this step, the time since it is not looked at.

    >>> state = Pulses(wh=1.0)
    >>> for second in (0.0, 2.0, 4.0):
    ...     state = pulse(state, second)
    >>> state, power = read_power(state, 5.0)
    >>> power.power_w
    1800.0
    >>> read_power(state, 40.0)[1].power_w
    100.0
    """
    if state.anchor_s is None:
        return state, PulsePower(None, float("inf"))
    quiet_s = now_s - state.last_s
    most_w = state.wh * 3600 / quiet_s if quiet_s > 0 else float("inf")
    if state.count and state.last_s > state.anchor_s:
        power_w = state.count * state.wh * 3600 / (state.last_s - state.anchor_s)
        state = replace(state, anchor_s=state.last_s, count=0, power_w=power_w)
    if quiet_s > state.stale_s(now_s) or state.is_refuted:
        return state, PulsePower(None, most_w)
    power = None if state.power_w is None else min(state.power_w, most_w)
    return state, PulsePower(power, most_w)
