"""The past and the coming slots of a site on one uniform grid that knows the local clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY_S = 86_400
THURSDAY = 3
"""The weekday, Monday being 0, of 1970-01-01."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Slots of `slot_s` seconds from `first_s` on: `past` of them are over, the others come.

    `offset_s` is what the local clock adds to UTC at the beginning of each slot.
    """

    first_s: float
    slot_s: float
    past: int
    offset_s: Floats

    @property
    def ahead(self) -> int:
        """How many slots are to be forecast."""
        return len(self.offset_s) - self.past

    @property
    def per_day(self) -> int:
        """Slots in a day."""
        return round(DAY_S / self.slot_s)

    @property
    def local_s(self) -> Floats:
        """Local clock at the beginning of each slot, as seconds since 1970-01-01 00:00."""
        count = len(self.offset_s)
        return self.first_s + self.slot_s * np.arange(count) + self.offset_s

    def is_weekend(self) -> NDArray[np.bool_]:
        """Tell which slots lie on a Saturday or Sunday of the local clock."""
        weekday = (np.floor(self.local_s / DAY_S) + THURSDAY) % 7
        return np.asarray(weekday >= 5)

    def days_back(self, days: int) -> Ints:
        """Return the places of the slots 1 to `days` days before each slot of the coming day.

        Shape (days, per_day). The hour of the local clock is the same, also over a change to or
        from summer time; -1 where there is no such past slot.
        """
        coming = self.past + np.arange(self.per_day)
        place = coming - np.arange(1, days + 1)[:, None] * self.per_day
        last = len(self.offset_s) - 1
        before_s = self.offset_s[np.clip(place, 0, last)]
        differ_s = self.offset_s[np.minimum(coming, last)] - before_s
        place = place + np.rint(differ_s / self.slot_s).astype(np.int64)
        return np.where((place >= 0) & (place < self.past), place, -1)
