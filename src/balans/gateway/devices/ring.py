"""The last hours of the virtual modules: what was lost behind the journal can be told again."""

from collections.abc import Iterable, Sequence

from balans.protocols.module import HoursAbsent, HoursWanted
from balans.protocols.readings import PackedReadingsError, Reading, pack, readings_of

RING_HOURS = 61 * 24
"""As long as a module's."""
SPANS_MAX = 500
"""So many spans fit into an answer; of the rest the hub asks again."""


class Ring:
    """Readings by input and hour, the newest `RING_HOURS` hours of each.

    Parameters
    ----------
    data
        Packed readings; if they make no sense the ring is empty.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._held: dict[tuple[int, int], dict[int, Reading]] = {}
        try:
            self.add(readings_of(data))
        except PackedReadingsError:
            self._held = {}

    def add(self, readings: Iterable[Reading]) -> None:
        """Keep `readings`; what was told first for an hour stays."""
        for reading in readings:
            hours = self._held.setdefault((reading.module, reading.input), {})
            hours.setdefault(reading.hour, reading)
            while len(hours) > RING_HOURS:
                del hours[min(hours)]

    def packed(self) -> bytes:
        """Return all of it as packed readings."""
        return pack(reading for hours in self._held.values() for reading in hours.values())

    def wanted(self, question: HoursWanted) -> tuple[list[Reading], HoursAbsent | None]:
        """Return what the ring holds of the hours wanted, and which of them it does not hold."""
        hours = self._held.get((question.serial, question.input), {})
        found: list[Reading] = []
        absent: list[tuple[int, int]] = []
        for start, end in question.spans:
            there = sorted(hour for hour in hours if start <= hour < end)
            found += [hours[hour] for hour in there]
            absent += _between(start, end, there)
        if not absent:
            return found, None
        newest, oldest = max(hours, default=None), min(hours, default=None)
        return found, HoursAbsent(
            question.serial, question.input, tuple(absent[:SPANS_MAX]), oldest=oldest, newest=newest
        )


def _between(start: int, end: int, there: Sequence[int]) -> list[tuple[int, int]]:
    """Return the spans of [start, end) without the hours in `there`, which are sorted."""
    spans = []
    at = start
    for hour in there:
        if hour > at:
            spans.append((at, hour))
        at = hour + 1
    return [*spans, (at, end)] if at < end else spans
