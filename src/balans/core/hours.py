"""Hours and days counted from 2000-01-01 00:00 UTC.

PostgreSQL stores a date as days since 2000-01-01, so ``hour // 24`` is its binary date.
An hour number is also the natural key of a reading: the register *at* that instant.
"""

from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
EPOCH_DATE = EPOCH.date()
EPOCH_UNIX_S = 946_684_800
HOUR_S = 3600


def hour_of(time: datetime) -> int:
    """Return the number of the hour that contains `time` (aware).

    >>> hour_of(datetime(2000, 1, 2, 1, 59, tzinfo=UTC))
    25
    """
    return int((time - EPOCH).total_seconds() // HOUR_S)


def time_of(hour: int) -> datetime:
    """Return the instant at which hour number `hour` begins, in UTC.

    >>> time_of(25).isoformat()
    '2000-01-02T01:00:00+00:00'
    """
    return EPOCH + timedelta(hours=hour)


def day_of(hour: int) -> date:
    """Return the UTC day of hour number `hour`.

    >>> day_of(-1).isoformat()
    '1999-12-31'
    """
    return EPOCH_DATE + timedelta(days=hour // 24)
