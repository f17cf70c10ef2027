"""How long the cycles of a load are, from how much the means of equal hours differ.

A load that runs the share d of its time at the power P draws P d in the mean. What it draws in a
window of length H differs from that by chance, and the more so the fewer cycles fall into it: not
at all where there are many, by ``P sqrt(d (1 - d))`` where a cycle is much longer than the window.
For a load that starts and stops by chance, at the rate L in all, the variance of the mean over H is

    P^2 d (1 - d) 2 / x^2 (x - 1 + exp(-x)),    x = L H

(the integral of the autocorrelation ``exp(-L t)``, as for any process of two states without a
memory), and since L = 1 / on + 1 / off, its cycle lasts ``on + off = 1 / (L d (1 - d))``. Hourly
registers tell so how long the cycles of water heaters are; the steady ones of a refrigerator are
lost in them, and count as long as `SHORTEST_S`.
"""

from typing import Final

import numpy as np

SHORTEST_S: Final = 3600.0
"""What differs from hour to hour says nothing of cycles within an hour."""
LONGEST_S: Final = 86_400.0
DUTY_MIN: Final = 0.02
_X: Final = np.logspace(-3, 3, 600)
_SHARES: Final = 2 / _X**2 * (_X - 1 + np.exp(-_X))


def cycle_s(sd_w: float, rated_w: float, duty: float, window_s: float) -> float:
    """Return how long the cycles of a load are [s].

    Parameters
    ----------
    sd_w
        Standard deviation of its mean power over a window of `window_s`, from window to window.
    rated_w, duty
        Power when it runs, and the share of the time in which it does.

    >>> round(cycle_s(500.0, 2000.0, 0.25, 3600.0))
    4045
    >>> cycle_s(0.0, 2000.0, 0.25, 3600.0)
    3600.0
    """
    share = min(max(duty, DUTY_MIN), 1 - DUTY_MIN)
    whole = rated_w**2 * share * (1 - share)
    if whole <= 0:
        return SHORTEST_S
    # np.interp wants rising values: the share of the variance falls with x.
    rate = float(np.interp(-(sd_w**2) / whole, -_SHARES, _X)) / window_s
    return min(max(1 / (rate * share * (1 - share)), SHORTEST_S), LONGEST_S)
