"""The fast path says what the exact functions of metering say."""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.hours import time_of
from balans.domain.balances import Cells, Course, State, intervals, state_of, summed
from balans.domain.metering import MISSING, interval_values
from balans.domain.metering.counter import FOREVER, Mounted, micros, pulse_counter

HOURS = 12
WORTHS = (Fraction(1), Fraction(5, 3), Fraction(1, 600), Fraction(10))


@st.composite
def courses(draw: st.DrawFn) -> Course:
    points = draw(st.integers(1, 4))
    modulus = np.array([draw(st.sampled_from([1000, 2**31])) for _ in range(points)], np.int64)
    value = st.one_of(st.just(MISSING), st.integers(0, 999))
    flag = st.booleans()

    def matrix(of: Any, kind: type) -> Any:
        rows = [[draw(of) for _ in range(HOURS)] for _ in range(points)]
        return np.array(rows, kind)

    registers = matrix(value, np.int32)
    if draw(st.booleans()):  # rising, as registers do
        registers = np.where(registers == MISSING, MISSING, np.sort(registers, axis=1) % 1000)
    there = registers != MISSING
    return Course(
        registers.astype(np.int32), matrix(flag, np.bool_) & there, matrix(flag, np.bool_) & there,
        modulus,
    )  # fmt: skip


edges = st.sets(st.integers(0, HOURS - 1), min_size=2).map(sorted)


@settings(max_examples=300)
@given(courses(), edges, st.data())
def test_the_fast_path_is_the_exact_one(
    course: Course, chosen: list[int], data: st.DataObject
) -> None:
    pulses, state = intervals(course, np.array(chosen, np.intp))
    bounds = [time_of(hour) for hour in chosen]
    times = micros([time_of(hour) for hour in range(HOURS)])
    for row in range(len(pulses)):
        worth = data.draw(st.sampled_from(WORTHS))
        one = pulse_counter(
            Mounted(int(times[0]) - 1, FOREVER, worth, int(course.modulus[row])),
            0,
            course.registers[row],
            course.estimated[row],
            course.suspect[row],
        )
        for column, value in enumerate(interval_values([one], [], bounds)):
            known = value.energy is not None
            assert state[row, column] == state_of(value.quality, known=known, expected=True)
            if known:
                assert pulses[row, column] * worth == value.energy
            else:
                assert pulses[row, column] == 0


@given(courses(), st.data())
def test_sums_are_exact_and_rounded_once(course: Course, data: st.DataObject) -> None:
    pulses, state = intervals(course, np.arange(HOURS))
    points = len(pulses)
    kind = np.array([data.draw(st.integers(0, 3)) for _ in range(points)])
    slot = np.array([data.draw(st.integers(0, 2)) for _ in range(points)])
    exact = {}
    for row, column in data.draw(
        st.sets(st.tuples(st.integers(0, points - 1), st.integers(0, HOURS - 2)), max_size=3)
    ):
        exact[row, column] = data.draw(st.fractions(-100, 100, max_denominator=50))
        pulses[row, column], state[row, column] = 0, State.SUSPECT
    cells = Cells(pulses, WORTHS, kind, state, exact)
    sums = summed(cells, slot, 3)
    for number in range(3):
        rows = np.flatnonzero(slot == number).tolist()
        for column in range(HOURS - 1):
            found = [cells.energy(row, column) for row in rows]
            total = sum((energy for energy in found if energy is not None), Fraction(0))
            assert sums.energy[number, column] == (total * 1000 + Fraction(1, 2)).__floor__()
            assert sums.expected[number, column] == len(rows)
            assert sums.known[number, column] == sum(energy is not None for energy in found)
            assert sums.suspect[number, column] == sum(
                state[row, column] == State.SUSPECT for row in rows
            )


def test_sums_beyond_64_bits_on_the_way_are_exact() -> None:
    pulses = np.full((2, 1), 2**31 - 2, np.int64)
    worth = (Fraction(10**6, 7), Fraction(10**6, 11))
    slot = np.zeros(2, np.intp)
    sums = summed(Cells(pulses, worth, np.arange(2), np.ones((2, 1), np.uint8)), slot, 1)
    total = (2**31 - 2) * (worth[0] + worth[1]) * 1000
    assert abs(Fraction(int(sums.energy[0, 0])) - total) <= Fraction(1, 2)


def test_no_points_make_no_sums() -> None:
    empty = Cells(np.zeros((0, 3), np.int64), (), np.zeros(0, np.intp), np.zeros((0, 3), np.uint8))
    sums = summed(empty, np.zeros(0, np.intp), 2)
    assert sums.energy.shape == (2, 3)
    assert not sums.is_complete.any()


def test_nonsense_beyond_all_tables_stands_at_the_edge() -> None:
    cells = Cells(
        np.full((1, 1), 2**31), (Fraction(10**12),), np.zeros(1, int), np.ones((1, 1), np.uint8)
    )
    assert summed(cells, np.zeros(1, np.intp), 1).energy.item() == 2**63 - 1
