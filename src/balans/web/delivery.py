"""The way of a point's readings: what was expected, when it came, what is missing and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.core.hours import hour_of
from balans.storage import access, lookups
from balans.storage.delivery import Cause, ChannelInfo, Gap, Proof, channels_of, proof
from balans.storage.quarantine import IMPOSSIBLE, UNKNOWN
from balans.web.clock import site_clock
from balans.web.points import HEADS, INPUTS, SPANS, about_point
from balans.web.shown.days import HOUR, clock_label, full_moment, moment
from balans.web.shown.names import named
from balans.web.shown.numbers import MISSING, decimal
from balans.web.shown.people import person
from balans.web.shown.periods import Period, Span, asked_period
from balans.web.shown.places import crumbs

GAPS_SHOWN: Final = 200
CAPTIONS: Final = {
    Span.DAY: lazy("What came, by hour"),
    Span.MONTH: lazy("What came, by day"),
    Span.YEAR: lazy("What came, by month"),
}
CAUSES: Final = {
    Cause.NOT_DUE: lazy("not due yet"),
    Cause.QUARANTINED: lazy("came, and is kept apart"),
    Cause.GONE: lazy("the module no longer holds it"),
    Cause.NO_MODULE: lazy("no module or hub is registered for it"),
    Cause.HUB_SILENT: lazy("the hub is silent"),
    Cause.MODULE_SILENT: lazy("the module is silent"),
    Cause.NEVER_HEARD: lazy("the module was never heard"),
    Cause.ASKED: lazy("asked for again"),
    Cause.UNEXPLAINED: lazy("missing; it will be asked for"),
}
TONES: Final = {
    Cause.NOT_DUE: "quiet",
    Cause.QUARANTINED: "warn",
    Cause.ASKED: "warn",
    Cause.UNEXPLAINED: "warn",
}
APART: Final = {
    UNKNOWN: lazy("its input was not registered"),
    IMPOSSIBLE: lazy("its hour cannot be"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A period at a place."""

    period: Period
    zone: ZoneInfo


@require_safe
def delivery(request: HttpRequest, code: str) -> HttpResponse:
    """Show the way of the readings of the metering point `code` in a day, a month or a year."""
    user = person(request)
    point = access.point_for(user, code)
    node = lookups.node(point.node_id)
    now = site_clock().now()
    period = asked_period(request, now - HOUR, node.timezone)
    if "date" not in request.GET:
        period = Period(Span.MONTH, period.first.replace(day=1), node.timezone)
    shown = Shown(period, node.timezone)
    channels = channels_of(point, period.start, period.end)
    context = {
        "point": about_point(point, node),
        "tab": "delivery",
        "crumbs": crumbs(user, node, named(point.name)),
        "path": request.path,
        "period": period,
        "input": INPUTS[period.span],
        "spans": _spans(period, now),
        "head": HEADS[period.span],
        "caption": CAPTIONS[period.span],
        "channels": [_channel(channel, shown, now) for channel in channels],
    }
    return render(request, "balans/delivery.html", context)


def _spans(period: Period, now: datetime) -> list[dict[str, Any]]:
    dates = period.others(now.astimezone(period.zone).date())
    return [
        {"name": name, "date": dates[span], "here": span == period.span}
        for span, name in SPANS.items()
    ]


def _channel(channel: ChannelInfo, shown: Shown, now: datetime) -> dict[str, Any]:
    found = proof(channel.id, shown.period.start, shown.period.end, now)
    return {"title": _("Module %(serial)s, input %(input)s") % _named(channel)} | _proof(
        found, shown
    )


def _named(channel: ChannelInfo) -> dict[str, int]:
    return {"serial": channel.serial, "input": channel.input}


def _proof(found: Proof, shown: Shown) -> dict[str, Any]:
    share = found.completeness
    return {
        "share": MISSING if share is None else decimal(100 * share, 1),
        "complete": share == 1,
        "due": decimal(found.due, 0),
        "came": decimal(int(found.came.sum()), 0),
        "late": decimal(int(found.late.sum()), 0),
        "missing": decimal(found.missing, 0),
        "duplicates": decimal(found.duplicates, 0),
        "contradictions": decimal(found.contradictions, 0) if found.contradictions else "",
        "gaps": [_gap(gap, shown.zone) for gap in found.gaps[:GAPS_SHOWN]],
        "more": max(0, len(found.gaps) - GAPS_SHOWN),
        "rows": list(_rows(found, shown)),
    }


def _gap(gap: Gap, zone: ZoneInfo) -> dict[str, Any]:
    last = gap.end - HOUR
    return {
        "first": full_moment(gap.start, zone),
        "last": "" if last == gap.start else full_moment(last, zone),
        "hours": ngettext("%(n)s hour", "%(n)s hours", gap.hours) % {"n": decimal(gap.hours, 0)},
        "cause": CAUSES[gap.cause],
        "tone": TONES.get(gap.cause, "bad"),
        "detail": _detail(gap, zone),
    }


def _detail(gap: Gap, zone: ZoneInfo) -> str:
    since = "" if gap.since is None else full_moment(gap.since, zone)
    if gap.cause == Cause.QUARANTINED:
        return str(APART.get(gap.detail, gap.detail))
    if gap.cause == Cause.GONE and gap.detail:
        oldest = full_moment(datetime.fromisoformat(gap.detail), zone)
        return _("it holds hours from %(oldest)s on, as it said on %(since)s") % {
            "oldest": oldest,
            "since": since,
        }
    if gap.cause == Cause.ASKED:
        return ngettext(
            "%(n)s time, last on %(since)s", "%(n)s times, last on %(since)s", int(gap.detail)
        ) % {
            "n": gap.detail,
            "since": since,
        }
    return _("last heard %(since)s") % {"since": since} if since else ""


def _rows(found: Proof, shown: Shown) -> Iterator[dict[str, Any]]:
    """Yield the parts of the period with what came in each; those still to come are left out."""
    bounds = shown.period.bounds
    first = hour_of(found.start)
    edges = [-((found.start - at) // HOUR) for at in bounds]
    missing = np.zeros(len(found.came), np.bool_)
    for gap in found.gaps:
        if gap.cause != Cause.NOT_DUE:
            missing[hour_of(gap.start) - first : hour_of(gap.end) - first] = True
    for at, start, end in zip(bounds, edges, edges[1:], strict=False):
        part = slice(max(start, 0), max(end, 0))
        came = int(found.came[part].sum())
        due = came + int(missing[part].sum())
        if due:
            yield {
                "label": shown.period.label(at),
                "date": shown.period.part(at),
                "due": decimal(due, 0),
                "came": decimal(came, 0),
                "late": decimal(int(found.late[part].sum()), 0),
                "missing": decimal(due - came, 0),
                "whole": due == came,
                "received": _received(found.received_s[part], shown),
            }


def _received(received_s: "np.ndarray[Any, np.dtype[np.float64]]", shown: Shown) -> str:
    """Return when the last of these came; that it is not known is said, too."""
    known = received_s[~np.isnan(received_s)]
    if not len(known):
        return MISSING
    last = datetime.fromtimestamp(float(known.max()), UTC)
    if shown.period.span == Span.DAY and shown.period.start <= last < shown.period.end:
        return clock_label(last, shown.zone)
    told = moment if last.astimezone(shown.zone).year == shown.period.first.year else full_moment
    return told(last, shown.zone)
