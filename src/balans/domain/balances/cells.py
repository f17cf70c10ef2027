"""What points used in intervals, for thousands of points in one go.

For a point with one meter all the time this says what `balans.domain.metering.interval_values`
says, which handles the others; a test holds both together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.balances.words import State
from balans.domain.metering import MISSING


@dataclass(frozen=True, slots=True)
class Course:
    """Registers of p points at h consecutive full hours, shape (p, h) each.

    `modulus` (p,) is where each register rolls over [pulses].
    """

    registers: NDArray[np.int32]
    estimated: NDArray[np.bool_]
    suspect: NDArray[np.bool_]
    modulus: NDArray[np.int64]


def intervals(
    course: Course, edges: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return pulses and `State` between neighbouring edges, shape (p, len(edges) - 1) each.

    Parameters
    ----------
    edges
        Columns of `course`, rising.

    Notes
    -----
    The pulses of an interval are the register at its end less that at its start, unwrapped over
    all registers between them: what is missing inside costs nothing. A fall is a roll-over where,
    wrapped, it is below half of the modulus, else the register went back and the energy is
    unknown, as after a rise by half of it or more. A suspect register makes every interval
    suspect that it lies in or ends.
    """
    consecutive = len(edges) > 1 and int(edges[-1] - edges[0]) == len(edges) - 1
    if consecutive:
        part = slice(int(edges[0]), int(edges[-1]) + 1)
        course = _part(course, part)
        pulses, back = _steps(course.registers[:, :-1], course.registers[:, 1:], course.modulus)
        doubted = course.suspect[:, :-1] | course.suspect[:, 1:]
        edges = np.arange(course.registers.shape[1])
    else:
        pulses, back = _unwrapped(course, edges)
        doubted = _any_between(course.suspect, edges)
    known = course.registers[:, edges] != MISSING
    estimated = course.estimated[:, edges]
    state = np.full(pulses.shape, State.MEASURED, np.uint8)
    for where, what in (
        (estimated[:, :-1] | estimated[:, 1:], State.ESTIMATED),
        (doubted, State.SUSPECT),
        (back, State.BROKEN),
        (~(known[:, :-1] & known[:, 1:]), State.MISSING),
    ):
        np.copyto(state, np.uint8(what), where=where)
    np.copyto(pulses, 0, where=state >= State.PARTIAL)
    return pulses, state


def _part(course: Course, part: slice) -> Course:
    if part == slice(0, course.registers.shape[1]):
        return course
    return Course(
        course.registers[:, part],
        course.estimated[:, part],
        course.suspect[:, part],
        course.modulus,
    )


def _steps(
    before: NDArray[np.int32], after: NDArray[np.int32], modulus: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return differences without roll-overs, and where the register went back.

    That is after a fall, or a rise by half of the modulus or more. Differences of what is never
    below -1 fit into 32 bits; as unsigned numbers falls are those from 2^31 on.
    """
    difference = after - before
    half = np.minimum((modulus + 1) // 2, 1 << 31).astype(np.uint32)
    back = difference.view(np.uint32) >= half[:, np.newaxis]
    pulses = difference.astype(np.int64)
    if not back.any():
        return pulses, back
    row, column = np.nonzero(back)
    wrapped = pulses[row, column] + modulus[row]
    rolled = 2 * wrapped < modulus[row]
    rolled &= wrapped >= 0
    pulses[row[rolled], column[rolled]] = wrapped[rolled]
    back[row[rolled], column[rolled]] = False
    return pulses, back


def _unwrapped(
    course: Course, edges: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    held = course.registers
    known = held != MISSING
    last = np.maximum.accumulate(np.where(known, np.arange(held.shape[1]), 0), axis=1)
    filled = np.take_along_axis(held, last, axis=1)
    first = np.argmax(known, axis=1)
    leading = np.arange(held.shape[1])[None, :] < first[:, None]
    filled = np.where(leading, np.take_along_axis(held, first[:, None], axis=1), filled)
    steps, back = _steps(filled[:, :-1], filled[:, 1:], course.modulus)
    level, segment = _running(np.where(back, 0, steps)), _running(back.astype(np.int64))
    pulses = np.diff(level[:, edges], axis=1)
    broken = np.diff(segment[:, edges], axis=1) > 0
    return pulses, broken


def _running(values: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros((values.shape[0], values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total


def _any_between(marks: NDArray[np.bool_], edges: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return where there is a mark at either end or between two edges."""
    count = _running(marks.astype(np.int64))
    found: NDArray[np.bool_] = count[:, edges[1:] + 1] > count[:, edges[:-1]]
    return found
