"""A day, month or year of a place, asked for by ``?date=2026-01-31``, ``2026-01`` or ``2026``."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from balans.domain.metering import calendar
from balans.web.shown.asked import EARLIEST, LATEST, SHOWN_LETTERS, UnreadableError
from balans.web.shown.days import clock_label, date_title

ASKED: Final = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)


class Span(StrEnum):
    """How much a page shows; each is divided into the next smaller."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """A local day, month or year that begins on `first`."""

    span: Span
    first: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return calendar.midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it, in UTC."""
        return calendar.midnight(self._moved(1), self.zone)

    @property
    def bounds(self) -> list[datetime]:
        """The bounds of its hours, days or months."""
        divide = {Span.DAY: calendar.hours, Span.MONTH: calendar.days, Span.YEAR: calendar.months}
        return divide[self.span](self.start, self.end, self.zone)

    @property
    def iso(self) -> str:
        """What an address names it by."""
        return self._named(self.first)

    @property
    def previous(self) -> str:
        """The one before, for an address."""
        return self._named(self._moved(-1))

    @property
    def next(self) -> str:
        """The one after, for an address."""
        return self._named(self._moved(1))

    @property
    def title(self) -> str:
        """Its name in the reader's language."""
        if self.span == Span.DAY:
            return date_title(self.first)
        form = "F Y" if self.span == Span.MONTH else "Y"
        return date_format(self.first, form).capitalize()

    @property
    def day_iso(self) -> str:
        """Its first day, for whatever wants one."""
        return self.first.isoformat()

    def label(self, instant: datetime) -> str:
        """Return the name of the part that begins at `instant`, as it stands in a table."""
        local = instant.astimezone(self.zone)
        if self.span == Span.DAY:
            return clock_label(instant, self.zone)
        if self.span == Span.MONTH:
            return f"{date_format(local.date(), 'D')} {local.day}"
        return date_format(local.date(), "F").capitalize()

    def tick(self, instant: datetime) -> str:
        """Return the same as short as an axis wants it."""
        local = instant.astimezone(self.zone)
        if self.span == Span.DAY:
            return f"{local:%H:%M}"
        return str(local.day) if self.span == Span.MONTH else date_format(local.date(), "M")

    def part(self, instant: datetime) -> str:
        """Return what names the part that begins at `instant` in an address; none for an hour."""
        local = instant.astimezone(self.zone).date()
        if self.span == Span.DAY:
            return ""
        return local.isoformat() if self.span == Span.MONTH else f"{local:%Y-%m}"

    def others(self, today: date) -> dict[Span, str]:
        """Return what names the day, month and year around it, those around `today` if it can."""
        inside = self.first <= today < self._moved(1)
        day = today if inside else self.first
        return {
            Span.DAY: day.isoformat(),
            Span.MONTH: f"{day:%Y-%m}",
            Span.YEAR: f"{day:%Y}",
        }

    def _moved(self, by: int) -> date:
        first = self.first
        if self.span == Span.DAY:
            return first + timedelta(days=by)
        if self.span == Span.YEAR:
            return date(first.year + by, 1, 1)
        later = first.year * 12 + first.month - 1 + by
        return date(later // 12, later % 12 + 1, 1)

    def _named(self, first: date) -> str:
        if self.span == Span.DAY:
            return first.isoformat()
        return f"{first:%Y-%m}" if self.span == Span.MONTH else f"{first:%Y}"


def asked_period(request: HttpRequest, default: datetime, zone: ZoneInfo) -> Period:
    """Return the period in ``?date=``, else the local day of `default`.

    Raises
    ------
    UnreadableError
        If what is asked for is no date between 2000 and 2099.
    """
    text = request.GET.get("date", "")
    if not text:
        return Period(Span.DAY, default.astimezone(zone).date(), zone)
    found = ASKED.fullmatch(text)
    try:
        if found is None:
            raise _unreadable(text)
        year, month, day = found.groups()
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError as error:
        raise _unreadable(text) from error
    span = Span.DAY if day else Span.MONTH if month else Span.YEAR
    period = Period(span, first, zone)
    lowest = EARLIEST if span == Span.DAY else EARLIEST.replace(day=1)
    if not lowest <= first <= LATEST:
        raise _unreadable(text)
    return period


def until(period: Period, last: datetime | None, now: datetime) -> datetime:
    """Return up to when a period can be known by `now`, at most its end.

    That is the full hour before `now`, or the last reading while the one of that hour is due.
    """
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if last is not None and hour - timedelta(hours=3) <= last <= hour:
        hour = last
    return min(period.end, hour)


def _unreadable(given: str) -> UnreadableError:
    shown = "".join(letter for letter in given if letter.isprintable())[:SHOWN_LETTERS]
    return UnreadableError(
        _("“%(given)s” cannot be shown. Give a day, a month or a year from %(first)s to %(last)s.")
        % {"given": shown, "first": EARLIEST.isoformat(), "last": LATEST.isoformat()}
    )
