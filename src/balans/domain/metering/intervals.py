"""What a metering point used over any intervals: hours, local days, months, years.

The energy of an interval is the difference of the counters at its two ends, meter after meter.
So a reading that is missing inside loses shape, never energy, and the parts of any interval add
up to it exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from balans.domain.metering.counter import Counter, Levels, Micros, micros
from balans.domain.metering.words import Quality


@dataclass(frozen=True, slots=True)
class IntervalValue:
    """What a metering point used in [start, end).

    Parameters
    ----------
    energy
        Exactly [Wh, varh or l]; None where it cannot be told. Missing is never zero.
    quality
        How good that is.
    known_share
        Over how much of the interval the course is known, 0 … 1: hours that are missing inside
        leave `energy` known and this below 1.
    suspect_share
        Over how much of it the device doubted what it counted, 0 … 1.
    known_energy
        Where `energy` is unknown, what is known of it [Wh, varh or l]: counted from the first to
        the last register inside, outside of marks; at least so much was used. None without any.
    """

    start: datetime
    end: datetime
    energy: Fraction | None
    quality: Quality
    known_share: float
    suspect_share: float = 0.0
    known_energy: Fraction | None = None


def interval_values(
    counters: Sequence[Counter], marks: Sequence[tuple[int, int]], bounds: Sequence[datetime]
) -> list[IntervalValue]:
    """Return what a point used between each two neighbours of `bounds`.

    Parameters
    ----------
    counters
        The meters that were at the point, one after the other.
    marks
        Periods [start, end) over which an operator calls the point incorrect [µs].
    bounds
        Aware, rising, n + 1 for n intervals.

    Raises
    ------
    ValueError
        If `bounds` do not rise.
    """
    edges = micros(bounds)
    if (np.diff(edges) <= 0).any():
        raise ValueError("bounds of intervals must rise")
    tally = _Tally(edges[:-1], edges[1:])
    joined = _joined(marks)
    for one in counters:
        tally.add(one, joined)
    for mark in joined:
        tally.marked |= (tally.start < mark[1]) & (tally.end > mark[0])
    energies = tally.energies()
    columns = zip(
        bounds[:-1],
        bounds[1:],
        energies,
        tally.qualities(),
        tally.share(tally.known),
        tally.share(tally.doubted),
        _known_energies(energies, tally, counters, joined),
        strict=True,
    )
    return [IntervalValue(*column) for column in columns]


def _known_energies(
    energies: Sequence[Fraction | None],
    tally: "_Tally",
    counters: Sequence[Counter],
    marks: Sequence[tuple[int, int]],
) -> Iterator[Fraction | None]:
    """Yield what is known of each interval, the energy itself where that is known."""
    spans = zip(tally.start.tolist(), tally.end.tolist(), strict=True)
    for energy, known, span in zip(energies, tally.known.tolist(), spans, strict=True):
        if energy is not None or not known > 0:
            yield energy
            continue
        pieces = list(_outside(span, marks))
        yield sum(
            (
                one.between(max(start, one.start), min(end, one.end)) * one.worth
                for one in counters
                for start, end in pieces
            ),
            Fraction(0),
        )


def _outside(span: tuple[int, int], marks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what is left of `span` without `marks`."""
    at, end = span
    for first, last in marks:
        if first >= end or last <= at:
            continue
        if first > at:
            yield at, first
        at = max(at, last)
    if at < end:
        yield at, end


def _joined(marks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of `marks` as periods that do not overlap."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


@dataclass(slots=True)
class _Tally:
    """Sums over the meters of a point, each (n,); times in microseconds."""

    start: Micros
    end: Micros
    energy: list[Fraction] = field(init=False)
    covered: NDArray[np.int64] = field(init=False)
    known: NDArray[np.float64] = field(init=False)
    doubted: NDArray[np.float64] = field(init=False)
    unknown: NDArray[np.bool_] = field(init=False)
    broken: NDArray[np.bool_] = field(init=False)
    estimated: NDArray[np.bool_] = field(init=False)
    marked: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.start)
        self.energy = [Fraction(0)] * n
        self.covered = np.zeros(n, np.int64)
        self.known, self.doubted = np.zeros(n), np.zeros(n)
        self.unknown, self.broken = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        self.estimated, self.marked = np.zeros(n, np.bool_), np.zeros(n, np.bool_)

    def add(self, one: Counter, marks: Sequence[tuple[int, int]]) -> None:
        """Add what a meter counted in its part of each interval."""
        first = np.maximum(self.start, one.start)
        last = np.minimum(self.end, one.end)
        here = np.flatnonzero(first < last)
        first, last = first[here], last[here]
        before, after = one.at(first), one.at(last)
        both = before.known & after.known
        same = before.segment == after.segment
        self.covered[here] += last - first
        self.unknown[here] |= ~both
        self.broken[here] |= both & ~same
        self.estimated[here] |= before.estimated | after.estimated
        self.known[here] += one.known_until(last) - one.known_until(first)
        self.doubted[here] += one.suspect_until(last) - one.suspect_until(first)
        for start, end in marks:
            a, b = np.clip(first, start, end), np.clip(last, start, end)
            self.known[here] -= one.known_until(b) - one.known_until(a)
        self._add_energy(one, before, after, here, np.flatnonzero(both & same))

    def _add_energy(
        self,
        one: Counter,
        before: Levels,
        after: Levels,
        here: NDArray[np.intp],
        told: NDArray[np.intp],
    ) -> None:
        """Add the energy of the intervals `here` whose places are `told`."""
        above, below = one.worth.numerator, one.worth.denominator
        counts = (after.whole - before.whole)[told].tolist()
        for i, place, count in zip(told.tolist(), here[told].tolist(), counts, strict=True):
            if one.interpolated:
                energy = (after.level(i) - before.level(i)) * one.worth
            else:
                energy = Fraction(count * above, below)
            so_far = self.energy[place]
            self.energy[place] = so_far + energy if so_far else energy

    def energies(self) -> list[Fraction | None]:
        """Return the energy of each interval, None where it cannot be told."""
        told = ~(self.unknown | self.broken | self.marked) & (self.covered > 0)
        return [
            energy if known else None
            for energy, known in zip(self.energy, told.tolist(), strict=True)
        ]

    def share(self, time: NDArray[np.float64]) -> list[float]:
        """Return what part of each interval `time` is."""
        shares: list[float] = np.clip(time / (self.end - self.start), 0.0, 1.0).tolist()
        return shares

    def qualities(self) -> list[Quality]:
        """Return how good each value is."""
        reasons = (
            (self.covered == 0, Quality.UNMETERED),
            (self.marked, Quality.INCORRECT),
            (self.unknown, Quality.MISSING),
            (self.broken, Quality.SUSPECT),
            (self.covered < self.end - self.start, Quality.PARTIAL),
            (self.doubted > 0, Quality.SUSPECT),
            (self.estimated, Quality.ESTIMATED),
        )
        holds = [condition for condition, _ in reasons]
        first = np.select(holds, list(range(len(reasons))), len(reasons))
        names = [*(quality for _, quality in reasons), Quality.MEASURED]
        return [names[place] for place in first.tolist()]
