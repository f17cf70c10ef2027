"""What was used in intervals -> registers at full hours, with holes that stay holes.

A register goes on over a hole as if nothing had been used, since nobody knows how much was; so
each hole is told, to be marked as unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.usecases.full_hours import HourRows
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import PARTS
from balans.usecases.reading_sources import ChannelRef, Placed, numbers_of, whole_pulses

STEPS_S = (300, 600, 900, 1200, 1800, 3600)
OFTEN = 3
"""So many equal distances of neighbours, and none as in the rest of the file, are no chance."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hole:
    """A time of a metering point of which nothing is known: [start_s, end_s), Unix time."""

    point_id: int
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Registers at full hours, each channel's counted from 0, and the holes between them."""

    hours: HourRows
    holes: list[Hole]


def count_up(placed: Placed, channels: Sequence[ChannelRef], noticing: Noticing) -> Counted:
    """Return registers from what was used in equal intervals that begin at the times given.

    Raises
    ------
    InputError
        If the intervals are not of 5, 10, 15, 20, 30 or 60 minutes.
    """
    channel = numbers_of(placed, channels)[placed.period]
    order = np.lexsort((placed.time_s, channel))
    placed = _only(placed, order)
    channel = channel[order]
    single = _single(placed, channel, channels, noticing)
    placed, channel = _only(placed, single), channel[single]
    step_s = _step(placed.time_s, channel)
    apart = _of_another_step(placed, channel, channels, step_s, noticing)
    placed, channel = _only(placed, ~apart), channel[~apart]
    whole = placed.time_s % step_s == 0
    for index in np.flatnonzero(~whole).tolist():
        name = f"channel {channels[int(channel[index])].name}"
        what = f"time: expected intervals that begin every {step_s // 60} minutes"
        noticing.error(int(placed.line[index]), "time", name, what)
    return _count(_only(placed, whole), channel[whole], step_s)


def _only(placed: Placed, wanted: NDArray[np.intp] | NDArray[np.bool_]) -> Placed:
    return Placed(
        placed.periods,
        placed.period[wanted],
        placed.source[wanted],
        placed.time_s[wanted],
        placed.value[wanted],
        placed.grade[wanted],
        placed.line[wanted],
    )


def _single(
    placed: Placed, channel: Ints, channels: Sequence[ChannelRef], noticing: Noticing
) -> NDArray[np.bool_]:
    """Return which rows are the first of their channel and time; tell of the others."""
    again = np.zeros(len(channel), np.bool_)
    again[1:] = (np.diff(channel) == 0) & (np.diff(placed.time_s) == 0)
    for index in np.flatnonzero(again).tolist():
        name = f"channel {channels[int(channel[index])].name}"
        line = int(placed.line[index])
        if placed.value[index] == placed.value[index - 1]:
            noticing.warn(line, "repeated", name, "says again what an earlier line says")
        else:
            what = "another value for the same time: the first one is kept"
            noticing.warn(line, "two_values", name, what)
    return ~again


def _step(time_s: Ints, channel: Ints) -> int:
    """Return the usual distance of neighbours [s]."""
    inside = np.diff(channel) == 0
    steps, counts = np.unique(np.diff(time_s)[inside], return_counts=True)
    step_s = int(steps[np.argmax(counts)]) if len(steps) else HOUR_S
    if step_s not in STEPS_S:
        known = ", ".join(str(step // 60) for step in STEPS_S)
        raise InputError(f"intervals of {step_s / 60:g} minutes: expected {known}")
    return step_s


def _of_another_step(
    placed: Placed,
    channel: Ints,
    channels: Sequence[ChannelRef],
    step_s: int,
    noticing: Noticing,
) -> NDArray[np.bool_]:
    """Return which rows are of channels with longer intervals than the rest; tell of them.

    Else they would count as the first part of each interval, and the other parts as unknown.
    """
    found = np.zeros(len(channel), np.bool_)
    for start, end in _parts(channel):
        steps, counts = np.unique(np.diff(placed.time_s[start:end]), return_counts=True)
        usual = int(steps[np.argmax(counts)]) if len(steps) else step_s
        often = counts.max(initial=0) >= OFTEN and step_s not in steps
        if usual > step_s and usual in STEPS_S and often:
            what = f"time: intervals of {usual // 60} minutes, most of the file has"
            what += f" {step_s // 60}: import them apart"
            name = f"channel {channels[int(channel[start])].name}"
            noticing.error(int(placed.line[start]), "time", name, what)
            found[start:end] = True
    return found


def _count(placed: Placed, channel: Ints, step_s: int) -> Counted:
    parts, holes = [], []
    for start, end in _parts(channel):
        part = _only(placed, np.arange(start, end))
        register = _registers(part)
        parts.append(_hours(part, register, int(channel[start]), step_s))
        holes += _holes(part, step_s)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    empty = np.zeros(0, np.int64)
    hours = HourRows(*columns) if columns else HourRows(empty, empty, empty, empty, empty)
    return Counted(hours, holes)


def _parts(channel: Ints) -> Iterator[tuple[int, int]]:
    """Yield where the rows of each channel begin and end; they are sorted by it."""
    ends = (np.flatnonzero(np.diff(channel, append=-1)) + 1).tolist()
    yield from pairwise([0, *ends])


def _registers(part: Placed) -> Ints:
    """Return the register of one channel before its first interval and after each (n + 1)."""
    register = np.zeros(len(part.value) + 1, np.int64)
    _, begins = np.unique(part.period, return_index=True)
    for begin in np.sort(begins).tolist():  # one meter after the other
        number = int(part.period[begin])
        here = np.flatnonzero(part.period == number)
        worth = (part.periods[number].worth or Fraction(1)) * PARTS
        counted, _ = whole_pulses(np.cumsum(part.value[here]), worth)
        register[here + 1] = register[here[0]] + counted
    return register


def _hours(part: Placed, register: Ints, channel: int, step_s: int) -> tuple[Ints, ...]:
    """Return the registers of one channel at full hours: the starts of intervals, and the ends."""
    time_s = np.concatenate((part.time_s, part.time_s + step_s)) - EPOCH_UNIX_S
    values = np.concatenate((register[:-1], register[1:]))
    grade, line = np.tile(part.grade, 2), np.tile(part.line, 2)
    full = np.flatnonzero(time_s % HOUR_S == 0)
    hour, first = np.unique(time_s[full] // HOUR_S, return_index=True)
    kept = full[first]
    # A register is a sum of all before it: it is as good as the interval beside it.
    return (
        np.full(len(hour), channel, np.int64),
        hour,
        values[kept],
        grade[kept],
        line[kept],
    )


def _holes(part: Placed, step_s: int) -> list[Hole]:
    ends = part.time_s + step_s
    return [
        Hole(point, int(ends[index]), int(part.time_s[index + 1]))
        for index in np.flatnonzero(part.time_s[1:] > ends[:-1]).tolist()
        if (point := part.periods[int(part.period[index])].point_id) is not None
    ]
