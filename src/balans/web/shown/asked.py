"""What an address asks for, checked."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from django.core.exceptions import BadRequest
from django.http import HttpRequest

from balans.web.shown.days import LocalDay, date_title

EARLIEST, LATEST = date(2000, 1, 2), date(2099, 12, 30)


@dataclass(frozen=True, slots=True)
class AskedDay:
    """A local day with what its heading and its neighbours' links need."""

    local: LocalDay

    @property
    def iso(self) -> str:
        """The date as ISO 8601."""
        return self.local.day.isoformat()

    @property
    def previous(self) -> str:
        """The date before, as ISO 8601."""
        return self.local.before().isoformat()

    @property
    def next(self) -> str:
        """The date after, as ISO 8601."""
        return self.local.after().isoformat()

    @property
    def title(self) -> str:
        """Weekday and date in the reader's language."""
        return date_title(self.local.day)


def asked_day(request: HttpRequest, default: date, zone: ZoneInfo) -> AskedDay:
    """Return the day in ``?date=``, else `default`.

    Raises
    ------
    BadRequest
        If what is asked for is no date between 2000 and 2099.
    """
    text = request.GET.get("date", "")
    try:
        day = date.fromisoformat(text) if text else default
    except ValueError as error:
        raise BadRequest("date: expected YYYY-MM-DD") from error
    if not EARLIEST <= day <= LATEST:
        raise BadRequest("date: expected 2000-01-02 to 2099-12-30")
    return AskedDay(LocalDay(day, zone))
