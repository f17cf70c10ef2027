"""Sets of offsets as half-open ranges [start, end)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranges:
    """Sorted, disjoint, non-touching half-open ranges.

    >>> Ranges.of([(5, 7), (0, 2), (2, 3)])
    Ranges(spans=((0, 3), (5, 7)))
    """

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> "Ranges":
        """Return the union of `pairs`; empty pairs vanish."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted((s, e) for s, e in pairs if s < e):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return cls(tuple(merged))

    def add(self, start: int, end: int) -> "Ranges":
        """Return the ranges with [start, end) added."""
        return Ranges.of((*self.spans, (start, end)))

    def within(self, start: int, end: int) -> "Ranges":
        """Return the part inside [start, end)."""
        return Ranges(
            tuple((max(s, start), min(e, end)) for s, e in self._near(start, end) if start < end)
        )

    def missing(self, start: int, end: int) -> "Ranges":
        """Return what [start, end) holds beyond these ranges.

        >>> Ranges(((0, 3), (5, 7))).missing(0, 9)
        Ranges(spans=((3, 5), (7, 9)))
        """
        gaps: list[tuple[int, int]] = []
        at = start
        for s, e in self.within(start, end).spans:
            if at < s:
                gaps.append((at, s))
            at = e
        if at < end:
            gaps.append((at, end))
        return Ranges(tuple(gaps))

    def contiguous_from(self, start: int) -> int:
        """Return the first offset at or above `start` that is not held."""
        near = self._near(start, start + 1)
        return near[0][1] if near else start

    def __contains__(self, offset: int) -> bool:
        return bool(self._near(offset, offset + 1))

    def _near(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Return the spans that [start, end) touches: there may be very many others."""
        first = bisect_right(self.spans, start, key=_end_of)
        return self.spans[first : bisect_left(self.spans, (end,), first)]


def _end_of(span: tuple[int, int]) -> int:
    return span[1]
