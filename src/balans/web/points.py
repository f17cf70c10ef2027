"""A metering point: what was used each hour of a day, as chart, table and CSV."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.storage import access, lookups
from balans.storage.profile import HourValue, hourly_profile
from balans.storage.readings import Quality, last_reading
from balans.storage.records import NodeInfo, PointInfo
from balans.web.clock import site_clock
from balans.web.shown import words
from balans.web.shown.asked import AskedDay, asked_day, day_to_come
from balans.web.shown.charts import Series, chart
from balans.web.shown.days import HOUR, clock_label, day_of
from balans.web.shown.names import named
from balans.web.shown.numbers import MISSING, decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

PER_UNIT = 1000
"""Wh, varh or l in the unit that is shown: kWh, kvarh or m³."""
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """The point and the day that an address names, as far as the reader may see them."""

    point: PointInfo
    node: NodeInfo
    day: AskedDay
    values: list[HourValue]
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the place."""
        return self.node.timezone

    @property
    def hours(self) -> list[HourValue]:
        """The hours of the day; `values` holds one more, for the register at its end."""
        return self.values[:-1]

    def is_due(self, value: HourValue) -> bool:
        """Return whether an hour is over, so that its reading could be there."""
        return value.start + HOUR <= self.now


@require_safe
def point(request: HttpRequest, code: str) -> HttpResponse:
    """Show one day of the metering point `code`."""
    asked = _asked(request, code)
    # The register that closes the day may be the first ever, and then opens the next day only.
    has_data = any(value.register is not None for value in asked.hours)
    context = {
        "point": _about(asked),
        "crumbs": crumbs(person(request), asked.node, named(asked.point.name)),
        "day": asked.day,
        "path": request.path,
        "profile": _profile(asked) if has_data else None,
        "empty": None if has_data else _empty(asked),
    }
    return render(request, "balans/point.html", context)


@require_safe
def point_csv(request: HttpRequest, code: str) -> HttpResponse:
    """Give the same day as a file: decimal points, times with offset, an empty cell for a gap."""
    asked = _asked(request, code)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"{asked.point.code}-{asked.day.iso}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    writer.writerow(["start", "end", "register_pulses", "used", "unit", "quality"])
    for value in asked.hours:
        start, end = (t.astimezone(asked.zone) for t in (value.start, value.start + HOUR))
        used = "" if value.energy is None else f"{float(value.energy) / PER_UNIT:.{DIGITS}f}"
        register = "" if value.register is None else value.register
        cells = [start.isoformat(), end.isoformat(), register, used, asked.point.unit]
        writer.writerow([*cells, value.quality])
    return response


def _asked(request: HttpRequest, code: str) -> Asked:
    found = access.point_for(person(request), code)
    node = lookups.node(found.node_id)
    now = site_clock().now()
    last = last_reading(found) or now
    # A reading at midnight closes the day before; the newest day with an hour in it is shown.
    day = asked_day(request, day_of(last - HOUR, node.timezone).day, node.timezone)
    hours = day.local.hours
    values = hourly_profile(found, hours[0], hours[-1] + 2 * HOUR)
    return Asked(found, node, day, values, now)


def _about(asked: Asked) -> dict[str, str]:
    point = asked.point
    about = [
        words.word(words.RESOURCES, point.resource),
        words.word(words.POINT_ROLES, point.role),
        words.word(words.PHASES, point.phase) if point.phase else "",
        named(asked.node.name),
    ]
    return {
        "code": point.code,
        "name": named(point.name),
        "unit": words.word(words.UNITS, point.unit),
        "about": " · ".join(part for part in about if part),
    }


def _profile(asked: Asked) -> dict[str, Any]:
    used = [None if v.energy is None else float(v.energy) / PER_UNIT for v in asked.hours]
    known = [value for value in used if value is not None]
    count = sum(asked.is_due(value) for value in asked.hours)
    closing = asked.values[-1].register
    bars = Series(_("Used"), "bar", used)
    times = [value.start for value in asked.hours]
    unit = words.word(words.UNITS, asked.point.unit)
    return {
        "total": decimal(sum(known), DIGITS) if known else MISSING,
        "complete": len(known) == count,
        "register": "" if closing is None else decimal(closing, 0),
        "coverage": ngettext(
            "%(known)s of %(total)s hour known", "%(known)s of %(total)s hours known", count
        )
        % {"known": len(known), "total": count},
        "chart": chart(times, [bars], asked.zone, unit=unit, digits=DIGITS)
        | {"width": HOUR.total_seconds()},
        "rows": list(_rows(asked)),
    }


def _rows(asked: Asked) -> Iterator[dict[str, Any]]:
    for value in asked.hours:
        energy = None if value.energy is None else float(value.energy) / PER_UNIT
        yield {
            "label": clock_label(value.start, asked.zone),
            "register": decimal(value.register, 0),
            "used": decimal(energy, DIGITS),
            "quality": _quality(asked, value),
            "missing": value.energy is None,
        }


def _quality(asked: Asked, value: HourValue) -> str:
    if value.quality == Quality.MISSING and not asked.is_due(value):
        return _("not yet")
    return words.word(words.QUALITIES, value.quality)


def _empty(asked: Asked) -> dict[str, str]:
    if asked.day.is_to_come(asked.now):
        return day_to_come()
    if last_reading(asked.point) is None:
        return {
            "kind": "waiting",
            "title": _("Waiting for the first reading"),
            "text": _("The meter is registered. Its first hour appears here as soon as it is in."),
        }
    return {
        "kind": "none",
        "title": _("No data on this day"),
        "text": _("Nothing was delivered for it, or no meter was mounted then."),
    }
