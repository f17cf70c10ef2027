"""Bounds of local hours, days, months and years. A day of a zone has 23, 24 or 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def hours(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the bounds of the hours that cover [start, end).

    Parameters
    ----------
    start, end
        Aware, with ``start < end``.
    zone
        Where the hours are counted; full hours of its clock.

    Returns
    -------
    list
        Rising instants in UTC, one more than there are hours. The hour that a change of clocks
        skips is not there, the one it repeats is there twice.

    >>> paris = ZoneInfo("Europe/Paris")
    >>> midnight = datetime(2026, 3, 29, tzinfo=paris)
    >>> len(hours(midnight, midnight + timedelta(days=1), paris)) - 1
    23
    """
    local = start.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    found = [start.astimezone(UTC) - into]
    while found[-1] < end:
        found.append(found[-1] + _HOUR)
    return found


def days(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the bounds of the local days that cover [start, end); see `hours`.

    >>> [str(b) for b in days(datetime(2026, 3, 29, 5, tzinfo=UTC),
    ...                       datetime(2026, 3, 29, 6, tzinfo=UTC), ZoneInfo("Europe/Paris"))]
    ['2026-03-28 23:00:00+00:00', '2026-03-29 22:00:00+00:00']
    """
    day = start.astimezone(zone).date()
    found = [midnight(day, zone)]
    while found[-1] < end:
        day += _DAY
        found.append(midnight(day, zone))
    return found


def months(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the bounds of the local months that cover [start, end); see `hours`.

    >>> [str(b) for b in months(datetime(2026, 12, 5, tzinfo=UTC),
    ...                         datetime(2026, 12, 9, tzinfo=UTC), ZoneInfo("UTC"))]
    ['2026-12-01 00:00:00+00:00', '2027-01-01 00:00:00+00:00']
    """
    first = start.astimezone(zone).date()
    return _by_months(date(first.year, first.month, 1), 1, end, zone)


def years(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the bounds of the local years that cover [start, end); see `hours`.

    >>> [b.year for b in years(datetime(2026, 12, 5, tzinfo=UTC),
    ...                        datetime(2027, 1, 9, tzinfo=UTC), ZoneInfo("UTC"))]
    [2026, 2027, 2028]
    """
    return _by_months(date(start.astimezone(zone).year, 1, 1), 12, end, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day, in UTC.

    Where the clock jumps over midnight it is the instant of the jump, where midnight comes twice
    the first of both.

    >>> midnight(date(2026, 3, 30), ZoneInfo("Europe/Paris")).isoformat()
    '2026-03-29T22:00:00+00:00'
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _by_months(first: date, step: int, end: datetime, zone: ZoneInfo) -> list[datetime]:
    found = [midnight(first, zone)]
    while found[-1] < end:
        later = first.month - 1 + step
        first = date(first.year + later // 12, later % 12 + 1, 1)
        found.append(midnight(first, zone))
    return found
