"""What a site draws, besides its loads, in the quietest hour of the last day.

It tells whether a load can ever come back inside the limit. Hours are whole hours of the steady
clock; a step belongs to the hour in which it begins.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HOURS = 24


class _Hour(NamedTuple):
    number: int
    seconds: float
    energy_ws: float


@dataclass(frozen=True, slots=True)
class LowestHour:
    """The means of the last hours, and the hour being counted."""

    means_w: tuple[float, ...] = ()
    current: _Hour | None = None

    @property
    def low_w(self) -> float | None:
        """Mean power of the quietest of the last 24 hours; None before 24 have been seen [W]."""
        return min(self.means_w) if len(self.means_w) == HOURS else None

    def add(self, start_s: float, step_s: float, rest_w: float) -> "LowestHour":
        """Return the state after a step of mean power `rest_w` that began at `start_s`."""
        number = int(start_s // 3600)
        hour = self.current
        if hour and hour.number == number:
            grown = _Hour(number, hour.seconds + step_s, hour.energy_ws + rest_w * step_s)
            return LowestHour(self.means_w, grown)
        means_w = self.means_w
        if hour:
            means_w = (*means_w, hour.energy_ws / hour.seconds)[-HOURS:]
        return LowestHour(means_w, _Hour(number, step_s, rest_w * step_s))


def lowest_hours(start_s: NDArray[np.float64], rest_w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what `LowestHour.low_w` is before each of uniform steps (n,); NaN while unknown.

    Parameters
    ----------
    start_s
        When each step begins [s].
    rest_w
        Mean power of each step [W].
    """
    number = (start_s // 3600).astype(np.int64)
    first = np.flatnonzero(np.r_[True, np.diff(number) != 0])
    means = np.add.reduceat(rest_w, first) / np.diff(np.r_[first, len(rest_w)])
    low = np.full(len(means) + 1, np.nan)
    if len(means) >= HOURS:
        windows = np.lib.stride_tricks.sliding_window_view(means, HOURS)
        low[HOURS:] = windows.min(axis=1)
    hour_index = np.cumsum(np.r_[False, np.diff(number) != 0])
    return np.concatenate([[np.nan], low[hour_index][:-1]])
