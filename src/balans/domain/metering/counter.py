"""What is known of one mounted meter over time: a level that only grows, with gaps and doubts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.domain.metering.differences import MISSING, interval_pulses

Micros: TypeAlias = NDArray[np.int64]
"""Instants as microseconds since 1970-01-01 UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
FOREVER = np.iinfo(np.int64).max


def micros(times: Sequence[datetime]) -> Micros:
    """Return aware `times` as microseconds since 1970-01-01 UTC.

    >>> micros([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]).tolist()
    [1000000]
    """
    return np.array([(time - _EPOCH) // _US for time in times], np.int64)


@dataclass(frozen=True, slots=True)
class Levels:
    """What a counter shows at n instants.

    `whole` is the part of the level in full counts, `part` what interpolation adds (exact, None
    for none at all). Where `known` is false both mean nothing. A register that went back without
    an explanation begins a new `segment`: levels of different segments cannot be compared.
    """

    whole: NDArray[np.int64]
    known: NDArray[np.bool_]
    segment: NDArray[np.int64]
    estimated: NDArray[np.bool_]
    part: tuple[Fraction, ...] | None = None

    def level(self, index: int) -> Fraction:
        """Return the level at one of the instants, exactly."""
        whole = Fraction(int(self.whole[index]))
        return whole if self.part is None else whole + self.part[index]


@dataclass(frozen=True, slots=True)
class Counter:
    """A meter at a point over [start, end), and the counts that are known of it.

    Parameters
    ----------
    start, end
        Its period [µs]; `FOREVER` for no end yet.
    worth
        What one count is worth [Wh, varh or l].
    time
        Instants of the counts (k,), rising, each once [µs].
    raw
        The counts as they came (k,); `MISSING` where there is none.
    level, segment
        Counts without roll-overs (k,), comparable inside a segment.
    estimated, suspect
        How good each count is (k,).
    interpolated
        Whether the level between two counts lies on the line between them, as for dials that are
        read now and then; else it is unknown.
    """

    start: int
    end: int
    worth: Fraction
    time: Micros
    raw: NDArray[np.int64]
    level: NDArray[np.int64]
    segment: NDArray[np.int64]
    estimated: NDArray[np.bool_]
    suspect: NDArray[np.bool_]
    interpolated: bool = False

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a count (k,)."""
        return np.not_equal(self.raw, MISSING)

    def at(self, times: Micros) -> Levels:
        """Return what the counter shows at `times`; unknown outside of what is known."""
        if not len(self.time):
            none = np.zeros(len(times), np.bool_)
            zero = np.zeros(len(times), np.int64)
            return Levels(zero, none, zero, none)
        after = np.minimum(np.searchsorted(self.time, times), len(self.time) - 1)
        exact = self.time[after] == times
        if self.interpolated:
            return self._between(times, after, exact)
        return Levels(
            self.level[after],
            exact & self.known[after],
            self.segment[after],
            self.estimated[after],
        )

    def _between(self, times: Micros, after: NDArray[np.intp], exact: NDArray[np.bool_]) -> Levels:
        before = np.where(exact, after, np.maximum(after - 1, 0))
        inside = exact | ((self.time[before] < times) & (times < self.time[after]))
        same = self.segment[before] == self.segment[after]
        parts = tuple(
            Fraction(0) if exact[i] or not inside[i] else self._part(int(times[i]), int(after[i]))
            for i in range(len(times))
        )
        known = inside & same & self.known[before] & self.known[after]
        estimated = ~exact | self.estimated[after]
        return Levels(self.level[before], known, self.segment[before], estimated, parts)

    def _part(self, time: int, after: int) -> Fraction:
        width = int(self.time[after] - self.time[after - 1])
        rise = int(self.level[after] - self.level[after - 1])
        return Fraction(rise * (time - int(self.time[after - 1])), width)

    def between(self, first: int, last: int) -> int:
        """Return what was counted from the first to the last known count in [first, last].

        A return without an explanation counts for nothing.
        """
        known = np.flatnonzero(self.known)
        time = self.time[known]
        a = int(np.searchsorted(time, first, "left"))
        b = int(np.searchsorted(time, last, "right")) - 1
        return int(self.level[known[b]] - self.level[known[a]]) if a < b else 0

    def known_until(self, times: Micros) -> NDArray[np.float64]:
        """Return over how much time before `times` the course is known [µs]."""
        return self._time_until(times, self._spans_known())

    def suspect_until(self, times: Micros) -> NDArray[np.float64]:
        """Return over how much time before `times` a count at either end is suspect [µs]."""
        return self._time_until(times, self.suspect[1:] | self.suspect[:-1])

    def _spans_known(self) -> NDArray[np.bool_]:
        known = self.known
        joined: NDArray[np.bool_] = np.equal(self.segment[1:], self.segment[:-1])
        return known[1:] & known[:-1] & joined

    def _time_until(self, times: Micros, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
        if len(self.time) < 2:
            return np.zeros(len(times))
        widths = np.where(counted, np.diff(self.time), 0)
        until = np.concatenate(([0], np.cumsum(widths)))
        origin = self.time[0]  # small numbers, so that floats hold them exactly
        return np.asarray(np.interp(times - origin, self.time - origin, until), np.float64)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A meter at a point over [start, end) [µs], with what turns registers into energy.

    `worth` is that of a pulse [Wh, varh or l]. Registers of its own at the ends, where known,
    stand for the channel's of the same instant [pulses].
    """

    start: int
    end: int
    worth: Fraction
    modulus: int | None = None
    register_at_start: int | None = None
    register_at_end: int | None = None


def pulse_counter(
    mounted: Mounted,
    start_hour: int,
    raw: NDArray[np.integer],
    estimated: NDArray[np.bool_],
    suspect: NDArray[np.bool_],
) -> Counter:
    """Return the counter of a meter whose channel had the registers `raw` (n,) hour by hour.

    Parameters
    ----------
    mounted
        The meter. Registers outside its period are left out.
    start_hour
        Hour number of the first register.
    raw, estimated, suspect
        Registers [pulses], `MISSING` where there is none, and their doubts, all (n,).

    Notes
    -----
    The rule of `interval_pulses` tells a roll-over from a return, from one known register to the
    next.
    """
    hours = np.arange(start_hour, start_hour + len(raw), dtype=np.int64)
    times = (hours * HOUR_S + EPOCH_UNIX_S) * 1_000_000
    own = (mounted.register_at_start is not None, mounted.register_at_end is not None)
    first = int(np.searchsorted(times, mounted.start, "right" if own[0] else "left"))
    last = int(np.searchsorted(times, mounted.end, "left" if own[1] else "right"))
    part = slice(first, max(first, last))
    ends = [
        (time, register)
        for time, register in (
            (mounted.start, mounted.register_at_start),
            (mounted.end, mounted.register_at_end),
        )
        if register is not None and len(times) and times[0] <= time <= times[-1]
    ]
    time = np.concatenate((times[part], np.array([at for at, _ in ends], np.int64)))
    order = np.argsort(time, kind="stable")
    values = np.concatenate((raw[part], np.array([value for _, value in ends], np.int64)))[order]
    sure = np.zeros(len(ends), np.bool_)
    return _counter(
        mounted,
        time[order],
        values.astype(np.int64),
        np.concatenate((estimated[part], sure))[order],
        np.concatenate((suspect[part], sure))[order],
    )


def dial_counter(
    start: int, end: int, dials: Sequence[tuple[int, int]], worth: Fraction
) -> Counter:
    """Return the counter of a meter that is read by eye now and then.

    Parameters
    ----------
    start, end
        The period of the meter [µs].
    dials
        Instants [µs] and what the dial showed then, in steps. Of one instant the last counts.
    worth
        What a step of the dial is worth [Wh, varh or l], through transformers if there are any.
    """
    found = dict(dials)
    time = np.array(sorted(found), np.int64)
    raw = np.array([found[at] for at in time.tolist()], np.int64)
    none = np.zeros(len(time), np.bool_)
    mounted = Mounted(start, end, worth)
    return replace(_counter(mounted, time, raw, none, none), interpolated=True)


def _counter(
    mounted: Mounted,
    time: Micros,
    raw: NDArray[np.int64],
    estimated: NDArray[np.bool_],
    suspect: NDArray[np.bool_],
) -> Counter:
    known = np.flatnonzero(raw != MISSING)
    steps = interval_pulses(raw[known], mounted.modulus)
    back = np.isnan(steps)
    level = np.zeros(len(raw), np.int64)
    segment = np.zeros(len(raw), np.int64)
    if len(known):
        rise = np.cumsum(np.where(back, 0, steps).astype(np.int64))
        level[known] = raw[known[0]] + np.concatenate(([0], rise))
        segment[known] = np.concatenate(([0], np.cumsum(back)))
    return Counter(
        mounted.start, mounted.end, mounted.worth, time, raw, level, segment, estimated, suspect
    )
