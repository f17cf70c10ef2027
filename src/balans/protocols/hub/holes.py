"""What a hub knows of the hours of its modules: what it has, what it misses, who is silent.

A hole is an hour between the first and the newest that the hub has of an input, or one that the
head-end wants. The module is asked for it, less and less often, until it reports the hour or says
that its ring no longer holds it. Nothing here depends on a clock being right: what is missing
follows from what came.

It lives in memory. After a restart the hub knows what its journal still holds; what is missing of
earlier hours the head-end knows, and wants.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median_low
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from balans.protocols.hub.ranges import Ranges

MODULES_MAX: Final = 2_000
"""Modules beyond these deliver all the same; their holes are left to the head-end."""
FIRST_ASK_S: Final = 10.0
"""A hole is often filled by the very next report."""
ASK_AGAIN_S: Final = 30.0
ASK_AGAIN_MOST_S: Final = 3600.0
SPANS_MAX: Final = 100
RING_H: Final = 61 * 24
"""Further back no ring reaches; a module whose clock leaps ahead makes no endless hole."""
LEAP_H: Final = 48
"""So far a report may be ahead of what its module says it holds: that may have been said before."""
SILENT_H: Final = 4
PLAUSIBLE_H: Final = 30 * 24
"""A clock further away from what modules report is not believed."""


class Question(NamedTuple):
    """Hours [start, end) to ask a module for."""

    serial: int
    input: int
    spans: tuple[tuple[int, int], ...]


class Silence(NamedTuple):
    """A module has fallen silent, or is heard again; the newest hour that it has reported."""

    serial: int
    silent: bool
    last_hour: int


@dataclass(slots=True)
class _Input:
    held: Ranges = field(default_factory=Ranges)
    wanted: Ranges = field(default_factory=Ranges)
    gone: Ranges = field(default_factory=Ranges)
    ask_s: float = -1.0
    pause_s: float = FIRST_ASK_S
    _holes: Ranges | None = None

    def changed(self) -> None:
        """Note that `held`, `wanted` or `gone` is another."""
        self._holes = None

    def holes(self) -> Ranges:
        """Return what is to be asked for; looked for only when something has changed."""
        if self._holes is None:
            self._holes = self._look()
        return self._holes

    def _look(self) -> Ranges:
        inside: tuple[tuple[int, int], ...] = ()
        if self.held.spans:
            first, last = self.held.spans[0][0], self.held.spans[-1][1]
            inside = self.held.missing(max(first, last - RING_H), last).spans
        return _without(Ranges.of((*inside, *self.wanted.spans)), self.gone)


@dataclass(slots=True)
class _Module:
    inputs: dict[int, _Input] = field(default_factory=dict)
    newest: int = -1
    silent: bool | None = None
    asked_s: float = -1.0
    heard_s: float = -1.0


class HourBook:
    """Keeps count of the hours of all modules of a hub; holds no socket, file or clock."""

    def __init__(self) -> None:
        self._modules: dict[int, _Module] = {}

    def note(self, rows: NDArray[np.void], now_s: float = 0.0) -> None:
        """Take over readings (n,) of type `readings.RECORD` that are durable here."""
        keys = (rows["module"].astype(np.int64) << 2) | rows["input"]
        order = np.argsort(keys, kind="stable")
        different, starts = np.unique(keys[order], return_index=True)
        for key, own in zip(different.tolist(), np.split(order, starts[1:]), strict=False):
            hours = np.unique(rows["hour"][own])
            module = self._module(key >> 2)
            if module is not None:
                module.newest = max(module.newest, int(hours[-1]))
                self._fill(self._input(module, key & 3), _spans(hours), now_s)

    def want(self, serial: int, number: int, spans: Iterable[tuple[int, int]]) -> None:
        """Take over hours that the head-end misses, whether they were here once or not."""
        module = self._module(serial)
        if module is None:
            return
        one = self._input(module, number)
        asked = Ranges.of(spans)
        one.wanted = Ranges.of((*one.wanted.spans, *asked.spans))
        one.gone = _without(one.gone, asked)
        one.ask_s, one.pause_s = 0.0, FIRST_ASK_S
        one.changed()

    def absent(
        self, serial: int, number: int, spans: Iterable[tuple[int, int]], newest: int | None
    ) -> tuple[tuple[int, int], ...]:
        """Take a module at its word that it does not hold hours; return those asked of it.

        What is younger than its `newest` hour is not counted out: it is still to come. What this
        book holds far beyond it was told by a clock that was wrong and has been set: it is
        forgotten, for the hours on the way there would be asked for, for ever.
        """
        module = self._modules.get(serial)
        if module is None or number not in module.inputs or newest is None:
            return ()
        one = module.inputs[number]
        holes = one.holes()
        told = Ranges.of(spans).within(0, newest + 1)
        gone = Ranges.of(span for s, e in told.spans for span in holes.within(s, e).spans)
        one.gone = Ranges.of((*one.gone.spans, *gone.spans))
        one.wanted = _without(one.wanted, gone)
        last = max((end for _, end in one.held.spans), default=0)
        if last > newest + LEAP_H and any(end > newest + 1 for _, end in spans):
            one.held = one.held.within(0, newest + 1)
            held = [end - 1 for each in module.inputs.values() for _, end in each.held.spans]
            module.newest = max(held, default=-1)
        one.changed()
        return gone.spans

    def heard(self, serial: int, now_s: float) -> None:
        """Note that a module speaks: what it has not heard of is asked for at once."""
        module = self._modules.get(serial)
        if module is None:
            return
        deaf = module.heard_s < module.asked_s
        module.heard_s = now_s
        if deaf and now_s - module.asked_s >= FIRST_ASK_S:
            for one in module.inputs.values():
                one.ask_s = min(one.ask_s, now_s)

    def due(self, now_s: float) -> list[Question]:
        """Return what to ask at `now_s` (any clock that only goes forward)."""
        return list(self._due(now_s))

    def silences(self, hour: int, most: int = MODULES_MAX) -> list[Silence]:
        """Return the modules that have fallen silent or come back, at `hour` of the hub's clock.

        At most so many; the others are left to the next call. What was told before this book was
        opened is not known, so the first call with a module tells how it is, too: one that was
        called silent by an earlier book would stay so. A clock that contradicts the modules
        themselves is not believed; then a module is silent when it is behind the others.
        """
        newest = [module.newest for module in self._modules.values() if module.newest >= 0]
        if not newest:
            return []
        middle = median_low(newest)
        reference = hour if abs(hour - middle) <= PLAUSIBLE_H else middle
        found: list[Silence] = []
        for serial, module in self._modules.items():
            silent = 0 <= module.newest < reference - SILENT_H
            if len(found) >= most:
                break
            if silent != module.silent and module.newest >= 0:
                module.silent = silent
                found.append(Silence(serial, silent, module.newest))
        return found

    def _due(self, now_s: float) -> Iterator[Question]:
        for serial, module in self._modules.items():
            for number, one in module.inputs.items():
                holes = one.holes().spans
                if not holes:
                    one.ask_s, one.pause_s = -1.0, FIRST_ASK_S
                elif one.ask_s < 0:
                    one.ask_s = now_s + one.pause_s
                elif one.ask_s <= now_s:
                    one.pause_s = min(max(2 * one.pause_s, ASK_AGAIN_S), ASK_AGAIN_MOST_S)
                    one.ask_s = now_s + one.pause_s
                    module.asked_s = now_s
                    yield Question(serial, number, holes[:SPANS_MAX])

    def _module(self, serial: int) -> _Module | None:
        if serial not in self._modules and len(self._modules) >= MODULES_MAX:
            return None
        return self._modules.setdefault(serial, _Module())

    @staticmethod
    def _input(module: _Module, number: int) -> _Input:
        return module.inputs.setdefault(number, _Input())

    @staticmethod
    def _fill(one: _Input, came: Ranges, now_s: float) -> None:
        filled = any(one.wanted.within(*span).spans for span in came.spans)
        one.held = Ranges.of((*one.held.spans, *came.spans))
        one.wanted = _without(one.wanted, came)
        one.changed()
        if filled and one.wanted.spans:
            one.pause_s, one.ask_s = ASK_AGAIN_S, now_s + ASK_AGAIN_S  # it is answering


def _without(ranges: Ranges, taken: Ranges) -> Ranges:
    if not taken.spans:
        return ranges
    return Ranges.of(span for s, e in ranges.spans for span in taken.missing(s, e).spans)


def _spans(hours: NDArray[np.int32]) -> Ranges:
    """Return sorted, different hours as ranges."""
    ends = np.flatnonzero(np.diff(hours) != 1)
    starts = np.concatenate(([0], ends + 1))
    stops = np.concatenate((ends, [len(hours) - 1]))
    return Ranges.of((int(hours[a]), int(hours[b]) + 1) for a, b in zip(starts, stops, strict=True))
