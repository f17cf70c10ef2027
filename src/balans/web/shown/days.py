"""Local days. Labels are made here, once, so that no browser's zone decides anything."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import get_language

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A day of a zone: half-open [start, end), 23, 24 or 25 hours long."""

    day: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """The first instant of the day, in UTC."""
        return datetime.combine(self.day, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first instant of the next day, in UTC."""
        return LocalDay(self.day + timedelta(days=1), self.zone).start

    @property
    def hours(self) -> list[datetime]:
        """Every full UTC hour that begins within the day."""
        first = self.start.replace(minute=0, second=0, microsecond=0)
        if first < self.start:
            first += HOUR
        return [first + n * HOUR for n in range(-((first - self.end) // HOUR))]

    def before(self) -> date:
        """Return the date of the day before."""
        return self.day - timedelta(days=1)

    def after(self) -> date:
        """Return the date of the day after."""
        return self.day + timedelta(days=1)


def day_of(instant: datetime, zone: ZoneInfo) -> LocalDay:
    """Return the local day that contains `instant`."""
    return LocalDay(instant.astimezone(zone).date(), zone)


def clock_label(instant: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """Return the local clock time of `instant`; an hour that comes twice carries its offset.

    >>> zone = ZoneInfo("Europe/Paris")
    >>> clock_label(datetime(2026, 10, 25, 0, 0, tzinfo=UTC), zone)
    '02:00 (+02:00)'
    >>> clock_label(datetime(2026, 10, 25, 1, 0, tzinfo=UTC), zone)
    '02:00 (+01:00)'
    >>> clock_label(datetime(2026, 10, 25, 2, 0, tzinfo=UTC), zone)
    '03:00'
    """
    local = instant.astimezone(zone)
    text = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return text
    offset = local.strftime("%z")
    return f"{text} ({offset[:3]}:{offset[3:]})"


def moment(instant: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """Return local date and clock time for people."""
    day = _in_sentence(instant.astimezone(zone), "j E")
    return f"{day}, {clock_label(instant, zone, seconds=seconds)}"


def full_moment(instant: datetime, zone: ZoneInfo) -> str:
    """Return local date with its year, and clock time, for what may lie years back."""
    day = _in_sentence(instant.astimezone(zone), "j E Y")
    return f"{day}, {clock_label(instant, zone)}"


def date_title(day: date) -> str:
    """Return weekday and date for a heading."""
    return f"{date_format(day, 'l').capitalize()}, {_in_sentence(day, 'j E Y')}"


def _in_sentence(day: date, form: str) -> str:
    """Return a date with its month as it is written within a sentence."""
    text = date_format(day, form)
    return text if (get_language() or "en").startswith("en") else text.lower()
