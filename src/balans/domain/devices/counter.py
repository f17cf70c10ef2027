"""A counter that is read at odd times becomes a register at full hours.

Theory of operation
-------------------
The register is what the counter has counted since the first value, as the module of a pulse
meter would have counted it: it starts at the first value and never shrinks. ``base`` is what has
to be added to the counter after it went back.

A value is *plausible* if it lies between the last one and what the counter can have counted since.
An implausible one is *held* until the next one decides:

=========  ==============================================  =======================================
last       next value                                      then
=========  ==============================================  =======================================
v          plausible after v                               the held one was wrong, and is forgotten
v          plausible after the held one                    the counter went back, or jumped
v          neither                                         it is held instead
=========  ==============================================  =======================================

So one wrong value (the zero that some devices tell while they start) changes nothing. After a jump
the next register is doubted: what passed around it is not known for sure.

Between two values the register at a full hour lies on the line through them, rounded down to whole
pulses, unless they are too far apart: then that hour stays missing and no energy is lost.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.domain.devices.definition import AfterReset
from balans.protocols.readings import HOUR_MAX, HOUR_MIN, Flag, Grade

REGISTER_MAX = 2**31 - 1
DIP = 2
"""A counter may seem to go back by this because it is told rounded [pulses]."""
SLACK_S = 300.0
"""What passes in this time may come at once: counters are told in steps [s]."""


class Point(NamedTuple):
    """A value of the counter [pulses] and when it had it [Unix s]."""

    time_s: float
    value: Fraction


class Hourly(NamedTuple):
    """A register [pulses] at the instant at which an hour begins."""

    hour: int
    register: int
    flags: int
    grade: int


@dataclass(slots=True)
class State:
    """What a counter has to remember; it fits into a small file.

    base
        Added to the counter's value to get the register [pulses].
    last
        The newest value that was believed.
    held
        An implausible value that waits for the next one.
    done
        The newest hour whose register has been told.
    doubt
        The next register to be told is to be doubted.
    """

    base: Fraction = Fraction(0)
    last: Point | None = None
    held: Point | None = None
    done: int = HOUR_MIN - 1
    doubt: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What a value has brought: registers, and what was noticed."""

    hourly: tuple[Hourly, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the values of a counter are trusted.

    max_gap_s, measured_gap_s, after_reset
        As in a definition.
    most_per_s
        It cannot count faster [pulses/s]; None: not known.
    """

    max_gap_s: float
    measured_gap_s: float
    after_reset: AfterReset
    most_per_s: Fraction | None = None


class Counter:
    """One counter of a device.

    Parameters
    ----------
    limits
        How far its values are trusted.
    state
        As it was remembered.
    """

    def __init__(self, limits: Limits, state: State | None = None) -> None:
        self._limits = limits
        self.state = state or State()

    @property
    def register(self) -> Point | None:
        """The newest register [pulses, not yet rounded] and its time; None before any value."""
        state = self.state
        return state.last and Point(state.last.time_s, state.base + state.last.value)

    @property
    def newest_s(self) -> float:
        """When the newest value was, believed or held [Unix s]; 0 before any."""
        newest = self.state.held or self.state.last
        return newest.time_s if newest else 0.0

    def observe(self, time_s: float, value: Fraction) -> Observation:
        """Take a value [pulses] that the counter had at `time_s` [Unix s].

        One that is not newer than the newest changes nothing: the same value is told again and
        again by many devices.
        """
        new, state = Point(time_s, value), self.state
        if state.last is None:
            state.last = new
            return self._told(None, new)
        if new.time_s <= self.newest_s:
            return Observation()
        if self._plausible(state.last, new):
            what = f"a wrong value of {_shown(state.held.value)} pulses" if state.held else ""
            state.held = None
            return self._step(new, what)
        if state.held is not None and self._plausible(state.held, new):
            return self._jumped(state.held, new)
        state.held = new
        what = f"{_shown(new.value)} pulses after {_shown(state.last.value)}: waits for the next"
        return Observation((), (what,))

    def clock_was_ahead(self, now_s: float) -> None:
        """Forget when things were: the clock that told it was ahead of `now_s` [Unix s].

        The register goes on; its next hour is marked with a step of the clock.
        """
        state = self.state
        state.held = None
        if state.last is None or state.last.time_s <= now_s:
            return  # only what was held came by that clock
        state.last = Point(0.0, state.last.value)
        state.done = min(state.done, math.floor((now_s - EPOCH_UNIX_S) / HOUR_S))
        state.doubt |= int(Flag.CLOCK_STEP)

    def _plausible(self, old: Point, new: Point) -> bool:
        grown = new.value - old.value
        if grown < -DIP:
            return False
        most = self._limits.most_per_s
        return most is None or grown <= most * Fraction(new.time_s - old.time_s + SLACK_S)

    def _step(self, new: Point, finding: str = "") -> Observation:
        old = self.register
        assert old is not None  # noqa: S101  (only called after the first value)
        state = self.state
        if state.last is not None and new.value < state.last.value:
            new = Point(new.time_s, state.last.value)
        state.last = new
        told = self._told(old, Point(new.time_s, state.base + new.value))
        return Observation(told.hourly, (*((finding,) if finding else ()), *told.findings))

    def _jumped(self, begin: Point, new: Point) -> Observation:
        """Go on from `begin`, which was held: the counter went back, or jumped there."""
        state, old = self.state, self.register
        assert old is not None and state.last is not None  # noqa: S101, PT018
        went_back = begin.value < state.last.value
        counted = begin.value if went_back and self._from_zero else Fraction(0)
        what = "went back" if went_back else "jumped"
        finding = (
            f"the counter {what} from {_shown(state.last.value)} to {_shown(begin.value)} pulses"
        )
        register = old.value + counted
        state.base, state.last, state.held = register - begin.value, begin, None
        state.doubt |= int(Flag.REVERSE_RUN) if went_back else 0
        state.doubt |= int(Grade.SUSPECT) << 8
        first = self._told(old, Point(begin.time_s, register))
        then = self._step(new)
        return Observation(
            (*first.hourly, *then.hourly), (finding, *first.findings, *then.findings)
        )

    @property
    def _from_zero(self) -> bool:
        return self._limits.after_reset is AfterReset.ZERO

    def _told(self, old: Point | None, new: Point) -> Observation:
        """Return the registers at the full hours after `old` and up to `new` (both registers)."""
        hourly: list[Hourly] = []
        findings: list[str] = []
        for hour, exact, grade in self._hours(old, new):
            register = math.floor(exact)
            if register > REGISTER_MAX:
                findings.append(f"register {register} does not fit; at most {REGISTER_MAX} does")
                continue
            flags, doubt = self.state.doubt & 0xFF, self.state.doubt >> 8
            hourly.append(Hourly(hour, register, flags, max(grade, doubt)))
            self.state.done, self.state.doubt = hour, 0
        return Observation(tuple(hourly), tuple(findings))

    def _hours(self, old: Point | None, new: Point) -> Iterator[tuple[int, Fraction, int]]:
        """Yield hour, register [pulses] and grade of each full hour that the two values tell."""
        last_hour = math.floor((new.time_s - EPOCH_UNIX_S) / HOUR_S)
        exact = last_hour * HOUR_S + EPOCH_UNIX_S == new.time_s
        if old is not None and new.time_s - old.time_s <= self._limits.max_gap_s:
            first = math.floor((old.time_s - EPOCH_UNIX_S) / HOUR_S) + 1
            inner = last_hour - 1 if exact else last_hour
            for hour in range(max(first, self.state.done + 1, HOUR_MIN), inner + 1):
                yield hour, _between(old, new, hour), self._grade(old, new)
        if exact and max(HOUR_MIN, self.state.done + 1) <= last_hour <= HOUR_MAX:
            yield last_hour, new.value, int(Grade.MEASURED)

    def _grade(self, old: Point, new: Point) -> int:
        same = math.floor(old.value) == math.floor(new.value)
        near = new.time_s - old.time_s <= self._limits.measured_gap_s
        return int(Grade.MEASURED if same or near else Grade.ESTIMATED)


def _between(old: Point, new: Point, hour: int) -> Fraction:
    """Return the register at `hour` on the line through two of them."""
    begin, end = Fraction(old.time_s), Fraction(new.time_s)
    share = (hour * HOUR_S + EPOCH_UNIX_S - begin) / (end - begin)
    return old.value + (new.value - old.value) * share


def _shown(value: Fraction) -> str:
    return f"{float(value):g}"
