"""A counter read at odd times becomes a register at full hours: step tables and laws."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.domain.devices.counter import Counter, Limits, Observation, State
from balans.domain.devices.definition import AfterReset
from balans.protocols.readings import Flag, Grade

H = 228_000  # some hour
T = float(EPOCH_UNIX_S + H * HOUR_S)
LIMITS = Limits(900, 300, AfterReset.ZERO)
UNKNOWN = replace(LIMITS, after_reset=AfterReset.UNKNOWN)
BOUND = replace(LIMITS, most_per_s=Fraction(1))


def feed(counter: Counter, *values: tuple[float, float]) -> list[Observation]:
    """Let `counter` observe values at seconds after `T`."""
    return [counter.observe(T + at_s, Fraction(str(value))) for at_s, value in values]


def told(observations: list[Observation]) -> dict[int, tuple[int, int, int]]:
    """Return hour after H: register, flags, grade."""
    return {
        one.hour - H: (one.register, one.flags, one.grade)
        for seen in observations
        for one in seen.hourly
    }


@pytest.mark.parametrize(
    ("limits", "values", "expected"),
    [
        # between two values it lies on the line, rounded down
        (LIMITS, [(-100, 1000), (100, 1009)], {0: (1004, 0, Grade.MEASURED)}),
        # five minutes apart is measured, beyond it estimated
        (LIMITS, [(-200, 1000), (200, 1008)], {0: (1004, 0, Grade.ESTIMATED)}),
        # but not if nothing was counted in between
        (LIMITS, [(-400, 1000), (400, 1000)], {0: (1000, 0, Grade.MEASURED)}),
        # too far apart: the hour is missing, the next one has the energy
        (
            LIMITS,
            [(-500, 1000), (500, 2000), (3500, 2100), (3700, 2200)],
            {1: (2150, 0, Grade.MEASURED)},
        ),
        # at the full hour itself nothing has to be guessed, however long before the last value was
        (LIMITS, [(-86_000, 1000), (0, 1500)], {0: (1500, 0, Grade.MEASURED)}),
        (LIMITS, [(0, 7)], {0: (7, 0, Grade.MEASURED)}),
        # two hours between two values that may be so far apart
        (
            replace(LIMITS, max_gap_s=7200),
            [(-900, 0), (4500, 54)],
            {0: (9, 0, Grade.ESTIMATED), 1: (45, 0, Grade.ESTIMATED)},
        ),
        # told again, or late: nothing new
        (LIMITS, [(-100, 1000), (-100, 1000), (-200, 990), (100, 1010)], {0: (1005, 0, 0)}),
        # told rounded: it does not go back
        (LIMITS, [(-100, 1000), (-50, 998), (0, 999)], {0: (1000, 0, 0)}),
        # one zero is no reset
        (LIMITS, [(-100, 5000), (-50, 0), (0, 5001)], {0: (5001, 0, 0)}),
        # two values of it are: it goes on from there, and the hour is doubted
        (
            LIMITS,
            [(-300, 5000), (-50, 10), (-20, 20), (0, 30), (3600, 40)],
            {0: (5030, Flag.REVERSE_RUN, Grade.SUSPECT), 1: (5040, 0, 0)},
        ),
        # another counter: what it showed when it came is not counted
        (
            UNKNOWN,
            [(-300, 5000), (-50, 10), (-20, 20), (0, 30)],
            {0: (5020, Flag.REVERSE_RUN, Grade.SUSPECT)},
        ),
        # faster than it can count: one value is wrong, two are another counter
        (BOUND, [(-100, 5000), (-50, 9000), (0, 5050)], {0: (5050, 0, 0)}),
        (BOUND, [(-100, 5000), (-50, 9000), (0, 9010)], {0: (5010, 0, Grade.SUSPECT)}),
        # after a long silence the same is possible
        (BOUND, [(-40_000, 5000), (0, 9000)], {0: (9000, 0, 0)}),
        # neither fits: the newest waits
        (LIMITS, [(-300, 5000), (-200, 300), (-100, 10), (0, 20)], {0: (5020, 64, 2)}),
    ],
)
def test_steps(
    limits: Limits,
    values: list[tuple[float, float]],
    expected: dict[int, tuple[int, int, int]],
) -> None:
    assert told(feed(Counter(limits), *values)) == expected


def test_what_was_noticed_is_told() -> None:
    seen = feed(Counter(LIMITS), (-300, 5000), (-200, 0), (-100, 5001), (-50, 3), (0, 4))
    assert [one.findings for one in seen] == [
        (),
        ("0 pulses after 5000: waits for the next",),
        ("a wrong value of 0 pulses",),
        ("3 pulses after 5001: waits for the next",),
        ("the counter went back from 5001 to 3 pulses",),
    ]


def test_a_register_that_does_not_fit_is_not_told() -> None:
    seen = feed(Counter(LIMITS), (0, 2**31 - 1), (3600, 2**31))
    assert told(seen) == {0: (2**31 - 1, 0, 0)}
    assert "does not fit" in seen[1].findings[0]


def test_a_clock_that_was_ahead_is_forgotten_and_the_register_goes_on() -> None:
    counter = Counter(LIMITS)
    feed(counter, (10 * HOUR_S, 1000))
    counter.clock_was_ahead(T - 100)
    seen = feed(counter, (-100, 1010), (100, 1020), (3600, 1030))
    assert told(seen) == {0: (1015, Flag.CLOCK_STEP, 0), 1: (1030, 0, 0)}


def test_a_value_that_was_held_by_a_clock_ahead_silences_nothing() -> None:
    counter = Counter(LIMITS)
    feed(counter, (-200, 1000), (10**7, 0))
    counter.clock_was_ahead(T - 100)
    assert told(feed(counter, (-100, 1010), (100, 1020))) == {0: (1015, 0, 0)}


steps = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 3000)), min_size=2, max_size=60)


def sampled(pairs: list[tuple[int, int]]) -> list[tuple[float, int]]:
    """Return times [s] and values of a counter that never goes back."""
    at_s, value, points = -7000.0, 1000, []
    for step_s, grown in pairs:
        at_s, value = at_s + step_s, value + grown
        points.append((at_s, value))
    return points


@given(steps)
def test_registers_lie_between_the_values_around_them(pairs: list[tuple[int, int]]) -> None:
    points = sampled(pairs)
    registers = told(feed(Counter(LIMITS), *points))
    for hour, (register, _, _) in registers.items():
        before = max((v for t, v in points if t <= hour * HOUR_S), default=0)
        after = min(v for t, v in points if t >= hour * HOUR_S)
        assert before <= register <= after
    for (_, (one, _, _)), (_, (next_, _, _)) in pairwise(sorted(registers.items())):
        assert one <= next_


@given(steps)
def test_an_hour_is_told_just_if_values_around_it_are_near(pairs: list[tuple[int, int]]) -> None:
    points = sampled(pairs)
    expected = set()
    for (a, _), (b, _) in pairwise(points):
        inner = range(math.floor(a / HOUR_S) + 1, math.floor(b / HOUR_S) + 1)
        expected |= {h for h in inner if b - a <= LIMITS.max_gap_s or h * HOUR_S == b}
    if points[0][0] % HOUR_S == 0:
        expected.add(int(points[0][0] // HOUR_S))
    assert set(told(feed(Counter(LIMITS), *points))) == expected


@given(steps, st.data())
def test_one_wrong_value_changes_nothing(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    points = sampled(pairs)
    index = data.draw(st.integers(1, len(points) - 1))
    (before_s, _), (after_s, _) = points[index - 1], points[index]
    if after_s - before_s < 2:
        return
    wrong = (before_s + (after_s - before_s) / 2, data.draw(st.integers(0, 900)))
    spoilt = [*points[:index], wrong, *points[index:]]
    assert told(feed(Counter(LIMITS), *spoilt)) == told(feed(Counter(LIMITS), *points))


@given(steps, st.data())
def test_a_restart_changes_nothing(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    points = sampled(pairs)
    cut = data.draw(st.integers(0, len(points)))
    first = Counter(LIMITS)
    seen = feed(first, *points[:cut])
    again = Counter(LIMITS, replace(first.state))
    assert told(seen + feed(again, *points[cut:])) == told(feed(Counter(LIMITS), *points))


values = st.one_of(st.integers(0, 20), st.integers(0, 2**40))


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e9), values), max_size=40),
    st.sampled_from([LIMITS, UNKNOWN, BOUND]),
)
def test_whatever_comes_a_register_never_shrinks_and_no_hour_comes_twice(
    noise: list[tuple[float, int]], limits: Limits
) -> None:
    counter = Counter(limits, State())
    hours = [one for seen in feed(counter, *noise) for one in seen.hourly]
    assert [one.hour for one in hours] == sorted({one.hour for one in hours})
    assert [one.register for one in hours] == sorted(one.register for one in hours)
    assert all(0 <= one.register < 2**31 for one in hours)
