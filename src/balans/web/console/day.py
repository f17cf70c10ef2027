"""A day of a building: its load with control, beside what it would have been without."""

from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.storage import live as stored
from balans.usecases.judge_load import LoadVerdict, judge_load
from balans.web.clock import site_clock
from balans.web.shown.asked import AskedDay, asked_day, day_to_come
from balans.web.shown.curves import MINUTE, Curves, on_grid, power_chart
from balans.web.shown.days import HOUR, clock_label, day_of
from balans.web.shown.numbers import MISSING, decimal, kw_digits
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.sites import SiteView, site_view

STEP_S: Final = 60.0


@require_safe
def day(request: HttpRequest, code: str) -> HttpResponse:
    """Show one day of the site `code`."""
    view = site_view(person(request), code)
    zone = view.site.timezone
    last = stored.last_minute(view.site.id)
    asked = asked_day(request, day_of(last or site_clock().now(), zone).day, zone)
    minutes = stored.minutes(view.site.id, asked.local.start, asked.local.end)
    curves = on_grid(minutes, asked.local.start, asked.local.end)
    has_data = any(minute.power_w is not None for minute in minutes)
    context = {
        "site": view.site,
        "crumbs": crumbs(person(request), view.site, _("Day")),
        "day": asked,
        "path": request.path,
        "story": _story(view, asked, curves) if has_data else None,
        "empty": None if has_data else _empty(asked, waiting=last is None),
    }
    return render(request, "console/day.html", context)


def _empty(asked: AskedDay, *, waiting: bool) -> dict[str, str]:
    if asked.is_to_come(site_clock().now()):
        return day_to_come()
    if waiting:
        return {
            "kind": "waiting",
            "title": _("Waiting for first data"),
            "text": _("The gateway of this building has not reported yet."),
        }
    return {
        "kind": "none",
        "title": _("No data on this day"),
        "text": _("The gateway reported nothing then. Days with data are reached by the arrows."),
    }


def _story(view: SiteView, asked: AskedDay, curves: Curves) -> dict[str, Any]:
    after, before = _verdicts(curves, slice(None))
    count = _due(asked, curves)
    coverage = ngettext(
        "%(known)s of %(total)s minute known", "%(known)s of %(total)s minutes known", count
    )
    return {
        "figures": list(_figures(after, before)),
        "coverage": coverage % {"known": decimal(after.steps, 0), "total": decimal(count, 0)},
        "has_reference": before.steps > 0,
        "chart": power_chart(curves, view.site.timezone),
        "hours": list(_hours(view, asked, curves)),
    }


def _due(asked: AskedDay, curves: Curves) -> int:
    """Return how many minutes of the day are over."""
    over = (site_clock().now() - asked.local.start) // MINUTE
    return max(0, min(len(curves.power_w), over))


def _verdicts(curves: Curves, part: slice) -> tuple[LoadVerdict, LoadVerdict]:
    limit = curves.limit_w[part]
    return (
        judge_load(curves.power_w[part], limit, STEP_S),
        judge_load(curves.reference_w[part], limit, STEP_S),
    )


def _figures(after: LoadVerdict, before: LoadVerdict) -> Iterator[dict[str, str]]:
    peak = 1000 * max(after.peak_kw or 0, before.peak_kw or 0)
    rows = (
        (_("Overload"), "overload_kwh", _("kWh"), 2),
        (_("Peak"), "peak_kw", _("kW"), kw_digits(peak)),
        (_("Over the limit for"), "minutes_over", _("min"), 0),
        (_("Energy"), "energy_kwh", _("kWh"), 1),
    )
    for title, name, unit, digits in rows:
        reference = getattr(before, name)
        yield {
            "title": title,
            "unit": unit,
            "after": decimal(getattr(after, name), digits),
            "before": "" if reference is None else decimal(reference, digits),
        }


def _hours(view: SiteView, asked: AskedDay, curves: Curves) -> Iterator[dict[str, Any]]:
    """Return the table beside the chart. In zones off the full hour the rows begin at :30."""
    for hour in asked.local.hours:
        first = int((hour - curves.start).total_seconds() // STEP_S)
        part = slice(first, first + int(HOUR.total_seconds() // STEP_S))
        after, before = _verdicts(curves, part)
        limits = [limit for limit in curves.limit_w[part] if limit is not None]
        kilowatts = (
            min(limits) / 1000 if limits else None,
            after.mean_kw,
            before.mean_kw,
            after.peak_kw,
            before.peak_kw,
            after.overload_kwh,
            before.overload_kwh,
        )
        yield {
            "label": clock_label(hour, view.site.timezone),
            "cells": [MISSING if value is None else decimal(value, 2) for value in kilowatts],
            "missing": after.steps == 0,
        }
