"""What a site and its planned loads drew, slot by slot: the planner's memory.

Slots follow each other without a gap; what was measured for less than half a slot is not known.
Of each load what it drew is kept, and what it would have drawn had it not been held back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KEPT_DAYS = 42
"""Four weeks of similar days, and the whole of the running month."""
DAY_S = 86_400.0
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Past:
    """The slots of a site, and the slot that runs.

    Parameters
    ----------
    slot_s
        Length of a slot.
    names
        The loads that are kept.
    end_s
        When the last whole slot ended.
    rows
        One row a slot: power of the site, then drawn and wanted of each load; NaN: not known [W].
    """

    slot_s: float
    names: tuple[str, ...]
    end_s: float = 0.0
    rows: list[list[float]] = field(default_factory=list)
    _sums: list[float] = field(default_factory=list)
    _seconds: list[float] = field(default_factory=list)

    def see(
        self,
        end_s: float,
        step_s: float,
        site_w: float,
        load_w: Mapping[str, float],
        wanted_w: Mapping[str, float],
    ) -> None:
        """Take in a step that ended at `end_s`; it counts for the slot it began in."""
        self.close(end_s - step_s)
        found = [site_w]
        for name in self.names:
            drawn_w = load_w.get(name, float("nan"))
            found += [drawn_w, wanted_w.get(name, drawn_w)]
        for place, power_w in enumerate(found):
            if power_w == power_w:  # noqa: PLR0124  (NaN: not measured)
                self._sums[place] += power_w * step_s
                self._seconds[place] += step_s

    def close(self, now_s: float) -> None:
        """End the slots that are over at `now_s`."""
        if self.end_s - now_s >= self.slot_s:  # less is a sample that came late
            self.set_back(now_s)
        if not self.rows and not self._sums:
            self.end_s = now_s - now_s % self.slot_s
        keep = round(KEPT_DAYS * DAY_S / self.slot_s)
        self._begin()
        if now_s >= self.end_s + self.slot_s * (keep + 1):  # away for longer than is remembered
            self.rows, self.end_s = [], now_s - now_s % self.slot_s
            self._sums = []
            self._begin()
        while now_s >= self.end_s + self.slot_s:
            self.rows.append(
                [
                    total / seconds if seconds >= self.slot_s / 2 else float("nan")
                    for total, seconds in zip(self._sums, self._seconds, strict=True)
                ]
            )
            self.end_s += self.slot_s
            self._sums = []
            self._begin()
        del self.rows[:-keep]

    def set_back(self, now_s: float) -> None:
        """Forget the slots that end after `now_s`: the clock was wrong when they were counted."""
        if self.end_s <= now_s:
            return
        ahead = int(np.ceil((self.end_s - now_s) / self.slot_s))
        self.rows = self.rows[: max(0, len(self.rows) - ahead)]
        self.end_s -= ahead * self.slot_s
        self._sums, self._seconds = [], []

    def fits(self, slot_s: float, names: tuple[str, ...]) -> bool:
        """Tell whether this is of slots of `slot_s` with `names`, and whole."""
        width = 1 + 2 * len(names)
        return (
            (self.slot_s, self.names) == (slot_s, names)
            and all(len(row) == width for row in self.rows)
            and len(self._sums) == len(self._seconds)
            and len(self._sums) in {0, width}
        )

    def _begin(self) -> None:
        if not self._sums:
            self._sums = [0.0] * (1 + 2 * len(self.names))
            self._seconds = [0.0] * len(self._sums)

    @property
    def first_s(self) -> float:
        """When the first slot began."""
        return self.end_s - self.slot_s * len(self.rows)

    def _columns(self, names: Sequence[str], of_load: int) -> Floats:
        table = np.array(self.rows, dtype=np.float64).reshape(len(self.rows), -1)
        places = [1 + 2 * self.names.index(name) + of_load for name in names]
        return table[:, places]

    def site_w(self) -> Floats:
        """Return the power of the site in each slot [W]."""
        table = np.array(self.rows, dtype=np.float64).reshape(len(self.rows), -1)
        return table[:, 0] if len(self.rows) else np.zeros(0)

    def drawn_w(self, names: Sequence[str]) -> Floats:
        """Return what `names` drew together in each slot [W]."""
        if not names or not self.rows:
            return np.zeros(len(self.rows))
        found: Floats = self._columns(names, 0).sum(axis=1)
        return found

    def wanted_w(self, name: str) -> Floats:
        """Return what a load would have drawn by itself in each slot [W]."""
        return self._columns([name], 1)[:, 0] if self.rows else np.zeros(0)

    def wanted_since_s(self, name: str, owed_wh: float, now_s: float) -> float:
        """Return when a load began to want what it is owed, as what is oldest is given back first.

        At the earliest it is the beginning of what is known.
        """
        since_s = now_s
        for back, wanted_w in enumerate(reversed(self.wanted_w(name).tolist()), 1):
            if owed_wh <= 0:
                break
            since_s = self.end_s - back * self.slot_s
            owed_wh -= wanted_w * self.slot_s / 3600 if np.isfinite(wanted_w) else 0.0
        return since_s

    def bought_wh(self, since_s: float) -> float:
        """Return what was bought from `since_s` on, as far as it is known [Wh]."""
        found = 0.0
        for back, row in enumerate(reversed(self.rows), 1):
            if self.end_s - back * self.slot_s < since_s:
                break
            found += max(row[0], 0.0) * self.slot_s / 3600 if row[0] == row[0] else 0.0
        if self._sums and self.end_s >= since_s:
            found += max(self._sums[0], 0.0) / 3600
        return found
