"""Times as files write them, and the hour that comes twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.usecases.import_times import NO_TIME, check_format, to_utc, with_offset, written_times

MADRID = ZoneInfo("Europe/Madrid")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clock changes by half an hour


def local(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "time_format", "expected"),
    [
        ("2026-01-31T18:05:09", "", "2026-01-31T18:05:09"),
        ("2026-01-31 18:05", "", "2026-01-31T18:05:00"),
        (" 2026-01-31 ", "", "2026-01-31T00:00:00"),
        ("31.01.2026 18:05", "", "2026-01-31T18:05:00"),
        ("31/01/2026 18:05:09", "%d/%m/%Y %H:%M:%S", "2026-01-31T18:05:09"),
        ("1/2/2026 8:05", "%d/%m/%Y %H:%M", "2026-02-01T08:05:00"),
        ("Jan 31 2026 06:05 PM", "%b %d %Y %I:%M %p", "2026-01-31T18:05:00"),
    ],
)
def test_times_without_an_offset(text: str, time_format: str, expected: str) -> None:
    written, offset = written_times([text], time_format)
    assert written.tolist() == [local(datetime.fromisoformat(expected))]
    assert offset.tolist() == [NO_TIME]


@pytest.mark.parametrize("text", ["2026-01-31T18:00+02:00", "2026-01-31T16:00Z"])
def test_times_with_an_offset(text: str) -> None:
    found = with_offset(*written_times([text]))
    assert found.tolist() == [int(datetime(2026, 1, 31, 16, tzinfo=UTC).timestamp())]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("31/01/2026", ""),  # days or months first: nobody knows
        ("1999-12-31T23:00", ""),
        ("", ""),
        ("2026-02-30", ""),
        ("31-01-2026 18:05:09", "%d/%m/%Y %H:%M:%S"),
        ("99/01/2026 18:05:09", "%d/%m/%Y %H:%M:%S"),
    ],
)
def test_what_is_no_time(text: str, time_format: str) -> None:
    assert written_times([text], time_format)[0].tolist() == [NO_TIME]


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_time_or_none(text: str) -> None:
    for time_format in ("", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d"):
        written, offset = written_times([text], time_format)
        assert len(written) == len(offset) == 1


@pytest.mark.parametrize("time_format", ["%H:%M", "%Q", "%Y"])
def test_a_format_without_a_day_is_refused(time_format: str) -> None:
    with pytest.raises(InputError, match="time format"):
        check_format(time_format)


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        (MADRID, 15),
        (MADRID, 60),
        (LORD_HOWE, 15),
        (ZoneInfo("UTC"), 60),
        (ZoneInfo("Asia/Kolkata"), 60),
    ],
)
def test_a_year_by_the_local_clock_comes_back_as_it_was(zone: ZoneInfo, minutes: int) -> None:
    """Also when two meters take turns in the file."""
    start, step = datetime(2026, 1, 1, 0, 7, tzinfo=UTC), timedelta(minutes=minutes)
    times = [start + n * step for n in range(int(timedelta(days=366) / step))]
    written = np.array([local(t.astimezone(zone)) for t in times for _ in (1, 2)], np.int64)
    group = np.tile([0, 1], len(times))
    found = to_utc(written, group, zone)
    assert found.tolist() == [int(t.timestamp()) for t in times for _ in (1, 2)]


def test_a_format_that_takes_the_afternoon_for_the_morning_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs %p beside %I, or %H"):
        check_format("%d/%m/%Y %I:%M")
    check_format("%d/%m/%Y %I:%M %p")
    check_format("%d/%m/%Y")


@pytest.mark.parametrize("minutes", [15, 60])
def test_the_newest_may_come_first_as_many_programs_write_it(minutes: int) -> None:
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    times = [start + timedelta(minutes=n * minutes) for n in range(1440 // minutes)]
    rising = [local(t.astimezone(MADRID)) for t in times]
    written = np.array([*rising[::-1], NO_TIME, *rising], np.int64)
    group = np.repeat([0, 1], [len(times) + 1, len(times)])
    found = to_utc(written, group, MADRID)
    expected = [int(t.timestamp()) for t in times]
    assert found.tolist() == [*expected[::-1], NO_TIME, *expected]


def test_an_hour_that_the_clock_left_out_is_no_time() -> None:
    written = np.array([local(datetime.fromisoformat("2026-03-29T02:30:00"))], np.int64)
    assert to_utc(written, np.zeros(1, np.int64), MADRID).tolist() == [NO_TIME]
