"""Power from the pulses of an ordinary meter.

Between two pulses the meter has counted a known energy, so the mean power between them is known.
While no pulse comes the power is known to be small: after `t` seconds without one it cannot have
been above ``energy of a pulse / t`` on average. Before there is anything to go by, power is not
known; it is never taken for zero.
"""

from dataclasses import dataclass, replace

STALE_S = 3600.0
"""A meter that gives no pulse for this long may be dead: its power is not known any more."""


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
    """

    wh: float
    anchor_s: float | None = None
    last_s: float = 0.0
    count: int = 0
    power_w: float | None = None


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
        return replace(state, anchor_s=time_s, last_s=time_s, count=0)
    return replace(state, last_s=time_s, count=state.count + count)


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
    if quiet_s > STALE_S:
        return state, PulsePower(None, most_w)
    power = None if state.power_w is None else min(state.power_w, most_w)
    return state, PulsePower(power, most_w)
