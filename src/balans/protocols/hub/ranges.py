"""Sets of offsets as half-open ranges [start, end)."""

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
        return Ranges.of((max(s, start), min(e, end)) for s, e in self.spans)

    def missing(self, start: int, end: int) -> "Ranges":
        """Return what [start, end) holds beyond these ranges.

        >>> Ranges(((0, 3), (5, 7))).missing(0, 9)
        Ranges(spans=((3, 5), (7, 9)))
        """
        gaps: list[tuple[int, int]] = []
        at = start
        for s, e in self.within(start, end).spans:
            gaps.append((at, s))
            at = e
        gaps.append((at, end))
        return Ranges.of(gaps)

    def contiguous_from(self, start: int) -> int:
        """Return the first offset at or above `start` that is not held."""
        for s, e in self.spans:
            if s <= start < e:
                return e
        return start

    def __contains__(self, offset: int) -> bool:
        return any(s <= offset < e for s, e in self.spans)
