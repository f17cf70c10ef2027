"""Registers at full hours: what the rules promise, and that nothing is made up beyond them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.protocols.readings import Grade
from balans.usecases.full_hours import HourRows, Noted, Rows, Rules, at_full_hours, sorted_rows

BASE = EPOCH_UNIX_S + 230_000 * HOUR_S
MODULUS = 1000
RULES = Rules()


def rows(*readings: tuple[float, int], channel: int = 0, grade: int = 0) -> Rows:
    """Return rows of one channel from (hours since the base, register)."""
    n = len(readings)
    return Rows(
        np.full(n, channel, np.int64),
        np.array([BASE + round(hours * HOUR_S) for hours, _ in readings], np.int64),
        np.array([register for _, register in readings], np.int64),
        np.full(n, grade, np.int64),
        np.arange(2, n + 2),
        np.array([MODULUS], np.int64),
    )


def at(*readings: tuple[float, int], rules: Rules = RULES) -> dict[int, tuple[int, int]]:
    """Return register and grade by hour since the base."""
    found, _ = at_full_hours(sorted_rows(rows(*readings)), rules)
    return by_hour(found)


def by_hour(found: HourRows) -> dict[int, tuple[int, int]]:
    hours = (found.hour - 230_000).tolist()
    return dict(
        zip(hours, zip(found.register.tolist(), found.grade.tolist(), strict=True), strict=True)
    )


def noted(*readings: tuple[float, int]) -> Noted:
    return at_full_hours(sorted_rows(rows(*readings)))[1]


MEASURED, ESTIMATED = int(Grade.MEASURED), int(Grade.ESTIMATED)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([(0, 5), (1, 7)], {0: (5, MEASURED), 1: (7, MEASURED)}),
        ([(59 / 3600, 5), (0.5, 9)], {0: (5, MEASURED)}),  # within a minute of the hour
        ([(0.5, 10), (1.5, 20)], {1: (15, ESTIMATED)}),
        ([(0.25, 10), (1.25, 13)], {1: (12, ESTIMATED)}),  # 12.25, rounded down
        ([(0.5, 10), (1.5, 10)], {1: (10, MEASURED)}),  # it stood still, so it is known
        ([(0.5, 10), (3.4, 39)], {1: (15, ESTIMATED), 2: (25, ESTIMATED), 3: (35, ESTIMATED)}),
        ([(0, 10), (3, 40)], {0: (10, MEASURED), 3: (40, MEASURED)}),  # 1 and 2 were not read
        ([(0.4, 10), (5.6, 20)], {0: (10, ESTIMATED), 6: (20, ESTIMATED)}),  # too far apart
        ([(0.5, 990), (1.5, 10)], {1: (0, ESTIMATED)}),  # rolled over at 1000
        ([(0.4, 600), (1.4, 200)], {0: (600, ESTIMATED), 1: (200, ESTIMATED)}),  # went back
        ([(0.4, 2), (1.4, 990)], {0: (2, ESTIMATED), 1: (990, ESTIMATED)}),  # back through 0
        ([(0.4, 10), (0.9, 11), (1.4, 500), (1.9, 12)], {1: (11, ESTIMATED)}),
        ([(0, 10), (1, 500), (2, 11)], {0: (10, 0), 1: (500, 0), 2: (11, 0)}),  # as it was read
    ],
)
def test_rules(readings: list[tuple[float, int]], expected: dict[int, tuple[int, int]]) -> None:
    found = at(*readings)
    assert {hour: found.get(hour) for hour in expected} == expected
    assert set(found) == set(expected)


def test_what_was_noticed_is_told_by_row() -> None:
    found = noted((0, 5), (0, 5), (1, 6), (1, 7), (2, 8), (3, 90), (4, 9), (5, 3), (40, 4))
    assert found.repeated.tolist() == [1]
    assert found.other_value.tolist() == [3]
    assert found.out_of_line.tolist() == [5]
    assert found.went_back.tolist() == [6, 7]
    assert found.after_gap.tolist() == [8]
    assert found.gap_s.tolist() == [35 * HOUR_S]
    assert not found.off_hour.any()


def test_of_two_counters_in_turn_the_other_one_stands_out() -> None:
    found = noted((0, 100), (1, 300), (1.1, 101), (2, 301), (2.1, 102), (3, 302), (3.1, 103))
    assert found.out_of_line.tolist() == [1, 3, 5]


def test_a_gap_may_be_as_long_as_the_rules_say() -> None:
    apart = [(0.5, 10), (6.5, 16)]
    assert set(at(*apart)) == {1, 7} or set(at(*apart)) == {0, 6}
    assert set(at(*apart, rules=Rules(max_gap_s=6 * HOUR_S))) == {1, 2, 3, 4, 5, 6}


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 300), st.integers(0, MODULUS - 1), max_size=60))
def test_hourly_registers_stay_as_they_are(registers: dict[int, int]) -> None:
    """An export that is imported brings the same registers at the same hours and no others."""
    found = at(*((float(hour), register) for hour, register in registers.items()))
    assert found == {hour: (register, MEASURED) for hour, register in registers.items()}


READINGS = st.lists(
    st.tuples(st.integers(0, 30 * HOUR_S), st.integers(0, MODULUS - 1)), max_size=40
)


@settings(deadline=None)
@given(READINGS, st.sampled_from([0, 1800, HOUR_S, 3 * HOUR_S, 9 * HOUR_S]))
def test_nothing_is_made_up(readings: list[tuple[int, int]], max_gap_s: int) -> None:
    """Each register was read, or lies between two that were, near enough to it."""
    given_rows = sorted_rows(rows(*((second / HOUR_S, value) for second, value in readings)))
    found, _ = at_full_hours(given_rows, Rules(max_gap_s=max_gap_s))
    times = given_rows.time_s - BASE
    for hour, (register, grade) in by_hour(found).items():
        here = hour * HOUR_S
        near = np.abs(times - here)
        assert near.min() <= max(max_gap_s, HOUR_S // 2)
        if grade == MEASURED:
            assert register in given_rows.register
        elif near.min() > HOUR_S // 2:  # it lies between two, neither of them half an hour away
            assert (times < here).any()
            assert (times > here).any()


@settings(deadline=None)
@given(READINGS)
def test_an_hour_has_one_register(readings: list[tuple[int, int]]) -> None:
    given_rows = sorted_rows(rows(*((second / HOUR_S, value) for second, value in readings)))
    found, _ = at_full_hours(given_rows)
    assert len(set(found.hour.tolist())) == len(found)
    assert bool(len(found)) == bool(readings)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(60, 2 * HOUR_S), st.integers(0, 9)), min_size=1, max_size=50),
    st.integers(0, HOUR_S),
)
def test_no_use_is_lost_or_made(steps: list[tuple[int, int]], first_s: int) -> None:
    """Of a rising register the hours tell what was used between the first and the last."""
    times = first_s + np.cumsum([step for step, _ in steps])
    values = np.cumsum([used for _, used in steps])
    given_rows = sorted_rows(rows(*zip((times / HOUR_S).tolist(), values.tolist(), strict=True)))
    found, seen = at_full_hours(given_rows)
    registers = found.register
    assert not len(seen.went_back)
    assert (np.diff(registers) >= 0).all()
    assert registers[0] >= values[0]
    assert registers[-1] <= values[-1]
    # what is missing at the ends was used within half an hour, or an hour, of them
    late = times[-1] - (found.hour[-1] * HOUR_S - 230_000 * HOUR_S)
    assert late < HOUR_S


def test_channels_do_not_touch_each_other() -> None:
    one, other = rows((0.5, 10), (1.5, 20)), rows((0.5, 500), (1.5, 520))
    both = sorted_rows(
        Rows(
            np.array([1, 0, 0, 1], np.int64),
            np.concatenate((other.time_s[:1], one.time_s, other.time_s[1:])),
            np.concatenate((other.register[:1], one.register, other.register[1:])),
            np.zeros(4, np.int64),
            np.arange(4),
            np.array([MODULUS, MODULUS], np.int64),
        )
    )
    found, seen = at_full_hours(both)
    assert list(zip(found.channel.tolist(), found.register.tolist(), strict=True)) == [
        (0, 15),
        (1, 510),
    ]
    assert not len(seen.went_back)


def test_the_worse_grade_of_two_neighbours_counts() -> None:
    found, _ = at_full_hours(rows((0.5, 10), (1.5, 20), grade=Grade.SUSPECT))
    assert found.grade.tolist() == [Grade.SUSPECT]
    assert found.line.tolist() == [3]


def test_no_rows_no_hours() -> None:
    found, seen = at_full_hours(rows())
    assert len(found) == len(seen.repeated) == 0
