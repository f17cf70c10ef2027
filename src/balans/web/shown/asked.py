"""What an address asks for, checked."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.translation import gettext as _

from balans.web.shown.days import LocalDay, date_title

EARLIEST, LATEST = date(2000, 1, 2), date(2099, 12, 30)
SHOWN_LETTERS = 32


class UnreadableError(BadRequest):
    """An address that asks for what cannot be; the text tells the reader what is wrong."""


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

    def is_to_come(self, now: datetime) -> bool:
        """Return whether the day has not begun yet."""
        return self.local.start > now


def day_to_come() -> dict[str, str]:
    """Return what a page shows of a day that has not begun."""
    return {
        "kind": "none",
        "title": _("This day has not come yet"),
        "text": _("What happens on it appears here as it comes in."),
    }


def asked_day(request: HttpRequest, default: date, zone: ZoneInfo) -> AskedDay:
    """Return the day in ``?date=``, else `default`.

    Raises
    ------
    UnreadableError
        If what is asked for is no date between 2000 and 2099.
    """
    text = request.GET.get("date", "")
    try:
        day = date.fromisoformat(text) if text else default
    except ValueError as error:
        raise _unreadable(text) from error
    if not EARLIEST <= day <= LATEST:
        raise _unreadable(text)
    return AskedDay(LocalDay(day, zone))


def _unreadable(given: str) -> UnreadableError:
    shown = "".join(letter for letter in given if letter.isprintable())[:SHOWN_LETTERS]
    return UnreadableError(
        _("The day “%(given)s” cannot be shown. Give a date from %(first)s to %(last)s.")
        % {"given": shown, "first": EARLIEST.isoformat(), "last": LATEST.isoformat()}
    )
