"""Energy of intervals: parts add up to the whole, doubts and gaps are told, never zero."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.hours import hour_of
from balans.domain.metering import MISSING, IntervalValue, Quality, calendar, interval_values
from balans.domain.metering.counter import (
    FOREVER,
    Counter,
    Mounted,
    dial_counter,
    micros,
    pulse_counter,
)

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
START = hour_of(NOON)


def us(hours: float) -> int:
    """Return an instant so many hours after NOON [µs]."""
    return int(micros([NOON + timedelta(hours=hours)])[0])


def at(*hours: float) -> list[datetime]:
    return [NOON + timedelta(hours=hour) for hour in hours]


def meter(
    registers: Sequence[int],
    mounted: Mounted | None = None,
    estimated: Sequence[int] = (),
    suspect: Sequence[int] = (),
) -> Counter:
    """A meter whose channel has `registers` from NOON on; doubts are places in it."""
    n = len(registers)
    marks = np.zeros((2, n), np.bool_)
    marks[0, list(estimated)] = True
    marks[1, list(suspect)] = True
    mounted = mounted or Mounted(us(-100), FOREVER, Fraction(1))
    return pulse_counter(mounted, START, np.array(registers, np.int32), marks[0], marks[1])


def told(values: Sequence[IntervalValue]) -> list[tuple[Fraction | int | None, str, float]]:
    return [(one.energy, one.quality.value, round(one.known_share, 6)) for one in values]


def test_a_gap_inside_loses_shape_and_no_energy() -> None:
    one = meter([10, 11, MISSING, 20, 24])
    assert told(interval_values([one], [], at(0, 4))) == [(14, "measured", 0.5)]
    assert told(interval_values([one], [], at(0, 1, 2, 3, 4))) == [
        (1, "measured", 1.0),
        (None, "missing", 0.0),
        (None, "missing", 0.0),
        (4, "measured", 1.0),
    ]


def test_an_end_that_is_missing_leaves_the_energy_unknown() -> None:
    one = meter([MISSING, 11, 12, 20, 24])
    assert told(interval_values([one], [], at(0, 4))) == [(None, "missing", 0.75)]


def test_what_lies_beyond_the_registers_is_missing() -> None:
    assert told(interval_values([meter([10, 12])], [], at(0, 2))) == [(None, "missing", 0.5)]
    assert told(interval_values([meter([])], [], at(0, 2))) == [(None, "missing", 0.0)]


def test_bounds_between_full_hours_are_not_known() -> None:
    values = interval_values([meter([10, 12, 14])], [], at(0, 0.5, 2))
    assert [one.energy for one in values] == [None, None]


def test_a_mark_makes_whatever_it_touches_unknown() -> None:
    one = meter([0, 1, 2, 3, 4])
    marks = [(us(1.5), us(2.25)), (us(2), us(2.5))]
    assert told(interval_values([one], marks, at(0, 1, 2, 3, 4))) == [
        (1, "measured", 1.0),
        (None, "incorrect", 0.5),
        (None, "incorrect", 0.5),
        (1, "measured", 1.0),
    ]
    assert told(interval_values([one], marks, at(0, 4))) == [(None, "incorrect", 0.75)]


def test_what_is_known_of_an_unknown_interval_is_told() -> None:
    one = meter([MISSING, 1, 2, MISSING, 9, 12, 20, MISSING])
    (whole,) = interval_values([one], [], at(0, 7))
    assert (whole.energy, whole.known_energy) == (None, Fraction(19))
    (marked,) = interval_values([one], [(us(4.5), us(5.5))], at(0, 7))
    assert marked.known_energy == 9 - 1
    (inside,) = interval_values([one], [(us(3), us(4))], at(1, 6))
    assert (inside.quality, inside.known_energy) == (Quality.INCORRECT, Fraction(12))
    assert interval_values([one], [], at(1, 6))[0].known_energy == 19
    assert interval_values([one], [], at(6, 7))[0].known_energy is None
    assert interval_values([], [], at(6, 7))[0].known_energy is None
    back = meter([100, 105, 50, 60], Mounted(us(-1), FOREVER, Fraction(1), 2**31))
    assert interval_values([back], [], at(0, 3))[0].known_energy == 15


def test_a_mark_outside_any_meter_stays_unmetered() -> None:
    values = interval_values([], [(us(0), FOREVER)], at(0, 1))
    assert told(values) == [(None, "unmetered", 0.0)]


def test_doubts_inside_are_told_with_their_share() -> None:
    one = meter([0, 1, 2, 3, 4, 5, 6, 7, 8], suspect=[3], estimated=[8])
    (whole,) = interval_values([one], [], at(0, 8))
    assert (whole.energy, whole.quality, whole.suspect_share) == (
        Fraction(8),
        Quality.SUSPECT,
        0.25,
    )
    assert interval_values([one], [], at(4, 8))[0].quality == Quality.ESTIMATED
    assert interval_values([one], [], at(4, 7))[0].quality == Quality.MEASURED
    assert interval_values([one], [], at(3, 4))[0].quality == Quality.SUSPECT


def test_a_register_that_went_back_is_no_energy() -> None:
    one = meter([100, 105, 50, 60], Mounted(us(-1), FOREVER, Fraction(1), 2**31))
    assert told(interval_values([one], [], at(0, 1, 2, 3))) == [
        (5, "measured", 1.0),
        (None, "suspect", 0.0),
        (10, "measured", 1.0),
    ]
    assert told(interval_values([one], [], at(0, 3))) == [(None, "suspect", 0.666667)]


def test_registers_roll_over_as_often_as_they_like() -> None:
    registers = [400 * hour % 1000 for hour in range(25)]
    one = meter(registers, Mounted(us(-1), FOREVER, Fraction(1, 3), 1000))
    assert interval_values([one], [], at(0, 24))[0].energy == Fraction(400 * 24, 3)


def test_an_exchange_within_an_interval_is_summed_from_both_meters() -> None:
    cut = 1 / 3
    old = Mounted(us(-9), us(cut), Fraction(1, 2), None, None, 1007)
    new = Mounted(us(cut), FOREVER, Fraction(2), None, 40)
    counters = [meter([1001, 0, 0], old), meter([9, 45, 46], new)]
    values = interval_values(counters, [], at(0, 1, 2))
    assert told(values) == [(13, "measured", 1.0), (2, "measured", 1.0)]
    assert interval_values(counters, [], at(0, 2))[0].energy == 15


def test_a_part_without_a_meter_is_told() -> None:
    late = Mounted(us(1.5), FOREVER, Fraction(1), None, 5)
    values = interval_values([meter([1, 2, 9, 11], late)], [], at(0, 1, 2, 3))
    assert told(values) == [
        (None, "unmetered", 0.0),
        (4, "partial", 0.5),
        (2, "measured", 1.0),
    ]
    assert told(interval_values([meter([1, 2, 9, 11], late)], [], at(0, 3))) == [
        (6, "partial", 0.5)
    ]


def test_dials_lie_on_a_line_between_two_that_were_read() -> None:
    one = dial_counter(
        us(0), FOREVER, [(us(0), 1000), (us(3), 4000), (us(6), 4001)], Fraction(1, 1000)
    )
    assert told(interval_values([one], [], at(0, 3))) == [(3, "measured", 1.0)]
    assert told(interval_values([one], [], at(0, 1))) == [(1, "estimated", 1.0)]
    assert told(interval_values([one], [], at(2, 5))) == [(1 + Fraction(2, 3000), "estimated", 1.0)]
    assert told(interval_values([one], [], at(5, 8))) == [(None, "missing", 0.333333)]


def test_a_dial_that_went_back_is_suspect() -> None:
    one = dial_counter(
        us(0), FOREVER, [(us(0), 5000), (us(2), 1000), (us(4), 3000)], Fraction(1, 1000)
    )
    assert told(interval_values([one], [], at(0, 2, 4))) == [
        (None, "suspect", 0.0),
        (2, "measured", 1.0),
    ]
    assert told(interval_values([one], [], at(0, 1))) == [(None, "missing", 0.0)]


def test_bounds_must_rise() -> None:
    with pytest.raises(ValueError, match="must rise"):
        interval_values([], [], at(1, 1))


PULSES = st.integers(0, 499)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Counter], int]:
    """Return meters one after the other over a week around a change of clocks, with gaps.

    Each has a worth, a roll-over at 1000 and a phase of its own; they are exchanged at any minute
    with both registers noted.
    """
    hours = draw(st.integers(30, 170))
    cuts = draw(st.lists(st.integers(1, hours * 60 - 1), max_size=3, unique=True).map(sorted))
    starts, ends = [-6000, *cuts], [*cuts, None]
    steps = draw(st.lists(PULSES, min_size=hours, max_size=hours))
    gaps = draw(st.sets(st.integers(1, hours - 1), max_size=hours // 2))
    true = np.concatenate(([0], np.cumsum(steps)))
    counters = []
    for start, end in zip(starts, ends, strict=True):
        offset = draw(st.integers(0, 999))
        worth = draw(st.sampled_from([Fraction(1), Fraction(5, 3), Fraction(100, 7)]))

        def register(minute: int, offset: int = offset) -> int:
            hour, rest = divmod(minute, 60)
            step = steps[hour] if hour < hours else 0
            return int(true[hour] + step * rest // 60 + offset) % 1000

        mounted = Mounted(
            us(start / 60),
            FOREVER if end is None else us(end / 60),
            worth,
            1000,
            None if start < 0 else register(start),
            None if end is None else register(end),
        )
        registers = [MISSING if h in gaps else register(60 * h) for h in range(hours + 1)]
        counters.append(meter(registers, mounted))
    return counters, hours


@given(history=histories(), data=st.data())
def test_the_parts_of_any_partition_add_up_to_the_whole(
    history: tuple[list[Counter], int], data: st.DataObject
) -> None:
    counters, hours = history
    inner = data.draw(st.sets(st.integers(1, hours - 1), max_size=12))
    bounds = at(0, *sorted(inner), hours)
    (whole,) = interval_values(counters, [], [bounds[0], bounds[-1]])
    parts = interval_values(counters, [], bounds)
    known = [part.energy for part in parts if part.energy is not None]
    if len(known) == len(parts):
        assert sum(known) == whole.energy
    elif whole.energy is not None:
        assert sum(known) <= whole.energy
    lengths = [(part.end - part.start) / HOUR for part in parts]
    covered = sum(p.known_share * length for p, length in zip(parts, lengths, strict=True))
    assert covered == pytest.approx(whole.known_share * hours)


@given(history=histories(), zone=st.sampled_from(["Europe/Paris", "America/Havana", "UTC"]))
def test_local_days_add_up_to_their_hours(history: tuple[list[Counter], int], zone: str) -> None:
    """Across the change of clocks of 29 March 2026, whatever the zone."""
    counters, hours = history
    place = ZoneInfo(zone)
    end = NOON + hours * HOUR
    days = calendar.days(NOON, end, place)[1:-1]
    for start, stop in pairwise(days):
        (day,) = interval_values(counters, [], [start, stop])
        parts = interval_values(counters, [], calendar.hours(start, stop, place))
        assert len(parts) in {23, 24, 25}
        energies = [part.energy for part in parts]
        if None not in energies:
            assert sum(e for e in energies if e is not None) == day.energy


@given(history=histories())
def test_the_whole_is_what_each_meter_counted(history: tuple[list[Counter], int]) -> None:
    """Told without any of the code under test, from the levels of each meter alone."""
    counters, hours = history
    (whole,) = interval_values(counters, [], at(0, hours))
    expected = Fraction(0)
    for one in counters:
        first, last = max(us(0), one.start), min(us(hours), one.end)
        inside = [
            int(raw)
            for time, raw in zip(one.time, one.raw, strict=True)
            if first <= time <= last and raw != MISSING
        ]
        # gaps can hide a whole turn of 1000: then nobody knows, and the rule decides
        steps = [(b - a) % 1000 for a, b in pairwise(inside)]
        expected += sum(steps) * one.worth
    clear = all(step < 500 for one in counters for step in _turns(one))
    if clear and whole.energy is not None:
        assert whole.energy == expected


def _turns(one: Counter) -> list[int]:
    known = one.raw[one.raw != MISSING].tolist()
    return [(b - a) % 1000 for a, b in pairwise(known)]


def test_bounds_of_the_calendar() -> None:
    paris = ZoneInfo("Europe/Paris")
    spring = datetime(2026, 3, 29, 12, tzinfo=paris)
    autumn = datetime(2026, 10, 25, 12, tzinfo=paris)
    for moment, hours in ((spring, 23), (autumn, 25), (NOON, 24)):
        first, last = calendar.days(moment, moment + HOUR, paris)
        assert (last - first) / HOUR == hours
        assert len(calendar.hours(first, last, paris)) == hours + 1
    months = calendar.months(datetime(2026, 1, 31, tzinfo=paris), autumn, paris)
    assert [f"{b.astimezone(paris):%d.%m %H}" for b in months] == [
        f"01.{month:02d} 00" for month in range(1, 12)
    ]
    years = calendar.years(spring, autumn, paris)
    assert [b.astimezone(paris).year for b in years] == [2026, 2027]


def test_a_day_begins_where_the_clock_jumps_over_midnight() -> None:
    """Havana goes from 23:59 on 7 March 2026 to 01:00 on 8 March."""
    havana = ZoneInfo("America/Havana")
    first, last = calendar.days(
        datetime(2026, 3, 8, 12, tzinfo=havana), datetime(2026, 3, 8, 13, tzinfo=havana), havana
    )
    assert f"{first.astimezone(havana):%d %H:%M}" == "08 01:00"
    assert (last - first) / HOUR == 23
