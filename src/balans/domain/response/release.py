"""How widely a release must be spread so that what comes back stays under the limit.

A load that was held off has to make up for it. **Model of one load** of rated power P that is on
for the share d of its time (its duty) in cycles of length c, and was off for T: when it is let go
it wants to run with probability q, and then runs at P for r,

    q = min(1, d + T / c)            r = d T / (q - d), at least the d c of an ordinary run

after which it is back at its duty. While it is off nothing else happens, so within T the share
T / c of the loads that rested reaches the end of their rest; and (q - d) P r = d P T: all the
energy that was held back is drawn again. Where the cycle is not known (c = 0) every load wants to
run at once, q = 1, r = d T / (1 - d): the highest peak that the energy allows.

**Fleet.** Each load waits a delay of its own, uniform over the spread (`spread.py`), and is off
that much longer; but a yellow one returns by its own timer when `max_off_s` is over. At time t
after the release began, a load runs at P with the probability p(t), the mean over its delay, so

    expected(t) = base(t) + sum P p(t),      variance(t) = base_sd(t)^2 + sum P^2 p(t) (1 - p(t))

with loads independent of each other, given the time; what they have in common (the weather, a
match on television) belongs into `base_sd`. The smallest spread for which expected + z sd stays
under the limit is found by trying, since a wider one is not always better: yellow timers pile up
the rest at their end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from balans.core.errors import InputError

Floats = NDArray[np.float64]
MOST_DUTY = 0.95
"""A load that hardly ever rests takes hours to catch up; beyond this it counts as this."""
DELAYS = 60
"""So many delays stand for the uniform one."""
SPREAD_STEP_S = 60.0


def recovery_s(duty: ArrayLike, off_s: ArrayLike, cycle_s: ArrayLike = 0.0) -> Floats:
    """Return how long a load runs that wants to when it is let go [s].

    >>> float(recovery_s(0.25, 900.0))
    300.0
    """
    share = np.clip(np.asarray(duty, dtype=np.float64), 0.0, MOST_DUTY)
    off = np.asarray(off_s, dtype=np.float64)
    excess = wanting(share, off, cycle_s) - share
    run_s = np.divide(share * off, excess, out=np.zeros(np.shape(excess)), where=excess > 0)
    return np.asarray(run_s, dtype=np.float64)


def wanting(duty: ArrayLike, off_s: ArrayLike, cycle_s: ArrayLike = 0.0) -> Floats:
    """Return the probability that a load wants to run when it is let go.

    >>> float(wanting(0.25, 900.0)), float(wanting(0.25, 900.0, 3600.0))
    (1.0, 0.5)
    """
    share = np.clip(np.asarray(duty, dtype=np.float64), 0.0, MOST_DUTY)
    off, cycle = np.asarray(off_s, dtype=np.float64), np.asarray(cycle_s, dtype=np.float64)
    shape = np.broadcast(off, cycle).shape
    reached = np.divide(off, np.maximum(off, cycle), out=np.zeros(shape), where=off > 0)
    return np.asarray(np.minimum(1.0, share + reached), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Held:
    """Loads that are held off, arrays (n,).

    rated_w, duty, cycle_s
        Power when running, share of the time it runs, and length of its cycle (0: not known).
    off_s
        How long it has been off when the release begins; 0 or less: it is not off.
    max_off_s
        How long it may be off; its own timer brings it back then. Infinite for green.
    """

    rated_w: Floats
    duty: Floats
    cycle_s: Floats
    off_s: Floats
    max_off_s: Floats

    @classmethod
    def of(cls, rated_w: ArrayLike, duty: ArrayLike, off_s: ArrayLike, **more: ArrayLike) -> "Held":
        """Return loads from values that are broadcast together; see the fields.

        `more` are ``cycle_s`` (else not known) and ``max_off_s`` (else no bound).
        """
        values = np.broadcast_arrays(
            np.asarray(rated_w, dtype=np.float64),
            np.asarray(duty, dtype=np.float64),
            np.asarray(more.get("cycle_s", 0.0), dtype=np.float64),
            np.asarray(off_s, dtype=np.float64),
            np.asarray(more.get("max_off_s", np.inf), dtype=np.float64),
        )
        return cls(*(np.atleast_1d(value) for value in values))

    def only(self, chosen: NDArray[np.bool_]) -> "Held":
        """Return those that are chosen."""
        return Held(
            self.rated_w[chosen],
            self.duty[chosen],
            self.cycle_s[chosen],
            self.off_s[chosen],
            self.max_off_s[chosen],
        )


@dataclass(frozen=True, slots=True)
class Comeback:
    """What held loads draw after the release began, step by step, arrays (steps,) [W]."""

    expected_w: Floats
    sd_w: Floats


def comeback(held: Held, spread_s: float, steps: int, step_s: float) -> Comeback:
    """Return what the loads draw in each step after a release that is spread over `spread_s`."""
    middle_s = (np.arange(steps) + 0.5) * step_s
    delays = (np.arange(DELAYS) + 0.5) / DELAYS * spread_s if spread_s > 0 else np.zeros(1)
    left_s = np.maximum(held.max_off_s - held.off_s, 0.0)
    running = np.zeros((steps, len(held.rated_w)))
    for delay in delays.tolist():
        waits_s = np.minimum(delay, left_s)
        off_s = np.maximum(held.off_s, 0.0) + waits_s
        run_s = recovery_s(held.duty, off_s, held.cycle_s)
        at_once = wanting(held.duty, off_s, held.cycle_s)
        since_s = middle_s[:, None] - waits_s
        running += np.where(since_s < 0, 0.0, np.where(since_s < run_s, at_once, held.duty))
    share = running / len(delays)
    variance = (share * (1 - share)) @ held.rated_w**2
    return Comeback(share @ held.rated_w, np.sqrt(variance))


@dataclass(frozen=True, slots=True)
class Feeder:
    """What the feeder carries beside the held loads from the release on, and what it may carry.

    base_w, base_sd_w
        Expected power without the held loads, and its standard deviation, (steps,) [W]; loads
        whose turn ended before come back in it.
    z
        How many standard deviations stay free; 2.33 is the 99 % point of a normal distribution.
    """

    base_w: Floats
    base_sd_w: Floats
    limit_w: float
    step_s: float = 60.0
    z: float = 2.33


@dataclass(frozen=True, slots=True)
class Release:
    """A release: its spread, the highest power and the highest expected + z sd it leads to [W].

    `over_w` is by how much the latter exceeds the limit; 0 where it is kept.
    """

    spread_s: float
    expected_peak_w: float
    safe_peak_w: float
    over_w: float


def judge(held: Held, feeder: Feeder, spread_s: float) -> Release:
    """Return what a release spread over `spread_s` leads to."""
    back = comeback(held, spread_s, len(feeder.base_w), feeder.step_s)
    expected_w = feeder.base_w + back.expected_w
    safe_w = expected_w + feeder.z * np.hypot(feeder.base_sd_w, back.sd_w)
    highest_w = float(safe_w.max())
    over_w = max(0.0, highest_w - feeder.limit_w)
    return Release(spread_s, float(expected_w.max()), highest_w, over_w)


def release_spread(held: Held, feeder: Feeder, most_s: float = 1800.0) -> Release:
    """Return the release with the smallest spread that keeps the feeder under its limit.

    Parameters
    ----------
    most_s
        No wider spread is tried.

    Returns
    -------
    Release
        The smallest spread in whole minutes that keeps the limit; where none does, the one that
        exceeds it least, with what is over. Then turns must end earlier, one after another
        (`staggered_ends_s`), or fewer be asked in the last turn.

    Raises
    ------
    InputError
        If the feeder's arrays do not belong together.
    """
    if feeder.base_w.shape != feeder.base_sd_w.shape or not len(feeder.base_w):
        raise InputError(
            f"feeder: base of {feeder.base_w.shape} and its deviation of {feeder.base_sd_w.shape}:"
            " expected one value of each a step"
        )
    best = judge(held, feeder, 0.0)
    for number in range(1, int(most_s // SPREAD_STEP_S) + 1):
        if best.over_w == 0:
            break
        found = judge(held, feeder, number * SPREAD_STEP_S)
        if found.over_w < best.over_w:
            best = found
    return best


def staggered_ends_s(
    starts_s: Sequence[float], end_s: float, max_off_s: Sequence[float], width_s: float
) -> list[float]:
    """Return when the turn of each target should end so that they do not end together [s].

    Parameters
    ----------
    starts_s, max_off_s
        When each turn starts, and how long its loads may be off.
    end_s
        When the turns would all end.
    width_s
        Over how long before `end_s` the ends are laid, evenly, the one that was off longest first.

    Notes
    -----
    Nobody is off for longer than before, nor beyond `max_off_s`; the reduction falls in steps over
    the last `width_s`, which is the price of not having a second peak.

    >>> staggered_ends_s([0, 0, 0], 900, [900, 900, 900], 300)
    [600.0, 750.0, 900.0]
    """
    count = len(starts_s)
    order = sorted(range(count), key=lambda number: (starts_s[number], number))
    ends_s = [0.0] * count
    for place, number in enumerate(order):
        share = 1.0 if count == 1 else place / (count - 1)
        wanted_s = end_s - width_s * (1 - share)
        latest_s = starts_s[number] + max_off_s[number]
        ends_s[number] = max(starts_s[number], min(wanted_s, latest_s, end_s))
    return ends_s
