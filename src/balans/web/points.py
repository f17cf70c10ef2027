"""A metering point: what was used in a day, a month or a year, as chart, table and CSV."""

import csv
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from balans.domain.metering import EditKind
from balans.storage import access, editing, lookups, marks
from balans.storage.access import Right
from balans.storage.completeness import last_reading
from balans.storage.dials import dial_at
from balans.storage.records import NodeInfo, PointInfo
from balans.web.clock import site_clock
from balans.web.reading_now import reading_part
from balans.web.shown import words
from balans.web.shown.asked import day_to_come
from balans.web.shown.days import HOUR, moment
from balans.web.shown.mark_rows import mark_rows
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.periods import Period, Span, asked_period, until
from balans.web.shown.places import crumbs
from balans.web.shown.usage import DIGITS, PER_UNIT, Usage, in_unit, shown, usage_of

SPANS: Final = {Span.DAY: lazy("Day"), Span.MONTH: lazy("Month"), Span.YEAR: lazy("Year")}
INPUTS: Final = {Span.DAY: "date", Span.MONTH: "month", Span.YEAR: "number"}
HEADS: Final = {Span.DAY: lazy("Hour"), Span.MONTH: lazy("Day"), Span.YEAR: lazy("Month")}
CHARTS: Final = {
    Span.DAY: lazy("Use by hour"),
    Span.MONTH: lazy("Use by day"),
    Span.YEAR: lazy("Use by month"),
}
CAPTIONS: Final = {
    Span.DAY: lazy("The same by hour"),
    Span.MONTH: lazy("The same by day"),
    Span.YEAR: lazy("The same by month"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The point and the period that an address names, as far as the reader may see them."""

    point: PointInfo
    node: NodeInfo
    period: Period
    usage: Usage
    last: datetime | None
    now: datetime


@require_safe
def point(request: HttpRequest, code: str) -> HttpResponse:
    """Show a day, month or year of the metering point `code`."""
    asked = _asked(request, code)
    period, has_data = asked.period, asked.usage.has_data
    context = {
        "point": about_point(asked.point, asked.node),
        "tab": "readings",
        "judges": Right.JUDGE in access.rights_on(person(request), asked.node),
        "crumbs": crumbs(person(request), asked.node, named(asked.point.name)),
        "period": period,
        "input": INPUTS[period.span],
        "spans": _spans(asked),
        "path": request.path,
        "head": HEADS[period.span],
        "caption": CAPTIONS[period.span],
        "chart_label": CHARTS[period.span],
        "profile": shown(asked.usage, _edited(asked)) | _dial(asked) if has_data else None,
        "marks": mark_rows(_marks(asked), asked.node.timezone),
        "reading": reading_part(asked.point, asked.node),
        "empty": None if has_data else _empty(asked),
    }
    return render(request, "balans/point.html", context)


@require_safe
def point_csv(request: HttpRequest, code: str) -> HttpResponse:
    """Give the same as a file: decimal points, times with offset, an empty cell for a gap."""
    asked = _asked(request, code)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"{asked.point.code}-{asked.period.iso}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    writer.writerow(["start", "end", "register_pulses", "used", "unit", "quality"])
    for part in asked.usage.parts:
        start, end = (t.astimezone(asked.node.timezone) for t in (part.start, part.end))
        used = "" if part.energy is None else f"{float(part.energy) / PER_UNIT:.{DIGITS}f}"
        register = "" if part.register is None else part.register
        cells = [start.isoformat(), end.isoformat(), register, used, asked.point.unit]
        writer.writerow([*cells, part.quality])
    return response


def point_by_either(user: access.Person, code: str, other: Right) -> PointInfo:
    """Return the point `code` for who sees its readings, or has the right `other` alone."""
    try:
        return access.point_for(user, code)
    except access.ForbiddenError:
        return access.point_for(user, code, other)


def about_point(point: PointInfo, node: NodeInfo) -> dict[str, str]:
    """Return what the head of every page about a point says."""
    about = [
        words.word(words.RESOURCES, point.resource),
        words.word(words.POINT_ROLES, point.role),
        words.word(words.PHASES, point.phase) if point.phase else "",
        named(node.name),
    ]
    return {
        "code": point.code,
        "name": named(point.name),
        "unit": words.word(words.UNITS, point.unit),
        "about": " · ".join(part for part in about if part),
    }


def _asked(request: HttpRequest, code: str) -> Asked:
    found = access.point_for(person(request), code)
    node = lookups.node(found.node_id)
    now = site_clock().now()
    last = last_reading(found, now)
    # A reading at midnight closes the day before; the newest day with an hour in it is shown.
    period = asked_period(request, (last or now) - HOUR, node.timezone)
    usage = usage_of(found, period, until(period, last, now))
    return Asked(found, node, period, usage, last, now)


def _spans(asked: Asked) -> list[dict[str, Any]]:
    newest = (asked.last or asked.now) - HOUR
    dates = asked.period.others(newest.astimezone(asked.node.timezone).date())
    return [
        {"name": name, "date": dates[span], "here": span == asked.period.span}
        for span, name in SPANS.items()
    ]


def _dial(asked: Asked) -> dict[str, str]:
    """Return what the face of the meter shows at the end of the period, where it is known."""
    if asked.usage.until <= asked.period.start:
        return {"dial": "", "dial_at": ""}
    found = dial_at(asked.point, asked.usage.until)
    return {
        "dial": "" if found is None else decimal(in_unit(found), DIGITS),
        "dial_at": moment(asked.usage.until, asked.node.timezone),
    }


def _edited(asked: Asked) -> set[datetime]:
    """Return the hours of a day whose registers are edited now."""
    if asked.period.span != Span.DAY:
        return set()
    found = editing.edits_of(asked.point, asked.period.start, asked.period.end)
    newest = {(one.channel_id, one.time): one for one in reversed(found)}
    return {one.time for one in newest.values() if one.kind != EditKind.WITHDRAW}


def _marks(asked: Asked) -> list[marks.MarkInfo]:
    return marks.marks_of([asked.point.id], asked.period.start, asked.period.end)


def _empty(asked: Asked) -> dict[str, str]:
    if asked.period.start > asked.now:
        if asked.period.span == Span.DAY:
            return day_to_come()
        return {
            "kind": "none",
            "title": _("This time has not come yet"),
            "text": _("What happens in it appears here as it comes in."),
        }
    if asked.last is None:
        return {
            "kind": "waiting",
            "title": _("Waiting for the first reading"),
            "text": _("The meter is registered. Its first hour appears here as soon as it is in."),
        }
    return {
        "kind": "none",
        "title": _("No data on this day")
        if asked.period.span == Span.DAY
        else _("No data in this time"),
        "text": _("Nothing was delivered for it, or no meter was mounted then."),
    }
