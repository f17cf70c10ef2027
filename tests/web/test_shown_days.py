"""Local days: 23, 24 or 25 hours, and labels that tell the repeated hour apart."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.web.shown.days import HOUR, LocalDay, clock_label, day_of

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 1, 12), 24), (date(2026, 10, 25), 25)],
)
def test_a_day_has_its_true_number_of_hours(day: date, hours: int) -> None:
    assert len(LocalDay(day, PARIS).hours) == hours


def test_labels_of_the_long_day_are_all_different() -> None:
    labels = [clock_label(hour, PARIS) for hour in LocalDay(date(2026, 10, 25), PARIS).hours]
    assert len(set(labels)) == 25
    assert labels[2:4] == ["02:00 (+02:00)", "02:00 (+01:00)"]


def test_the_skipped_hour_of_spring_has_no_label() -> None:
    labels = [clock_label(hour, PARIS) for hour in LocalDay(date(2026, 3, 29), PARIS).hours]
    assert labels[1:3] == ["01:00", "03:00"]


def test_half_hour_zones_keep_full_utc_hours() -> None:
    hours = LocalDay(date(2026, 1, 12), ZoneInfo("Asia/Kolkata")).hours
    assert len(hours) == 24
    assert {hour.minute for hour in hours} == {0}
    assert clock_label(hours[0], ZoneInfo("Asia/Kolkata")) == "00:30"


@given(
    instant=st.integers(0, 20 * 366 * 24 * 60).map(
        lambda minutes: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    zone=st.sampled_from(
        ["Europe/Paris", "Europe/Chisinau", "America/New_York", "Asia/Kolkata", "UTC"]
    ).map(ZoneInfo),
)
def test_days_follow_each_other_without_gap(instant: datetime, zone: ZoneInfo) -> None:
    day = day_of(instant, zone)
    assert day.start <= instant < day.end
    assert day.end == LocalDay(day.after(), zone).start
    assert day.end - day.start in {timedelta(hours=h) for h in (23, 24, 25)}
    both = day.hours + LocalDay(day.after(), zone).hours
    assert all(later - earlier == HOUR for earlier, later in pairwise(both))
