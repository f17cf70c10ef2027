from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from balans.core.hours import EPOCH, EPOCH_UNIX_S, day_of, hour_of, time_of


@given(st.integers(-200_000, 876_600))
def test_hour_and_time_are_inverse(hour: int) -> None:
    assert hour_of(time_of(hour)) == hour
    assert hour_of(time_of(hour) + timedelta(seconds=3599.999)) == hour
    assert day_of(hour) == time_of(hour).date()


def test_the_zone_of_the_argument_does_not_matter() -> None:
    utc = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    local = utc.astimezone(timezone(timedelta(hours=3)))
    assert hour_of(local) == hour_of(utc)


def test_epoch_in_unix_seconds() -> None:
    assert EPOCH.timestamp() == EPOCH_UNIX_S
