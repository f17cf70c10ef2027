"""Events of the inputs below a node or of one metering point, and marks, in a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from balans.domain.metering import EventKind
from balans.domain.metering.calendar import midnight
from balans.storage import access, events, lookups, marks
from balans.storage.access import Right
from balans.storage.events import EventInfo, EventQuery
from balans.storage.records import NodeInfo, PointInfo
from balans.web.clock import site_clock
from balans.web.points import about_point
from balans.web.shown import words
from balans.web.shown.days import full_moment
from balans.web.shown.mark_rows import mark_rows
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

PAGE: Final = 50
DEFAULT: Final = timedelta(days=30)
DAY: Final = timedelta(days=1)
MARKS_MAX: Final = 200


class EventFilter(forms.Form):
    """Which kind, and the first and last local day."""

    kind = forms.ChoiceField(required=False)
    first = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    after = forms.RegexField(
        r"^-?\d{1,9}\.\d{1,10}\.[a-z_]{1,24}$", required=False, widget=forms.HiddenInput
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        kinds = [(kind.value, words.EVENT_KINDS[kind]) for kind in EventKind]
        field = self.fields["kind"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", lazy("all")), *kinds]


@dataclass(frozen=True, slots=True)
class Place:
    """What the events are of: a node with all below it, or one metering point."""

    node: NodeInfo
    point: PointInfo | None = None

    def events(self, query: EventQuery, now: datetime) -> list[EventInfo]:
        """Return the events there."""
        if self.point is not None:
            return events.events_of(self.point, query, now)
        return events.events_below(self.node, query, now)

    def marks(self, query: EventQuery) -> list[marks.MarkInfo]:
        """Return the marks there that overlap the period."""
        if self.point is not None:
            return marks.marks_of([self.point.id], query.start, query.end)
        return marks.marks_below(self.node, query.start, query.end, MARKS_MAX)


@require_safe
def node_events(request: HttpRequest, code: str) -> HttpResponse:
    """Show what happened at the node `code` and below it."""
    node = access.node_for(person(request), code, Right.READINGS)
    context = {
        "node": {"code": node.code, "name": named(node.name)},
        "judges": Right.JUDGE in access.rights_on(person(request), node),
        "crumbs": crumbs(person(request), node, _("Events")),
    }
    return _page(request, Place(node), context)


@require_safe
def point_events(request: HttpRequest, code: str) -> HttpResponse:
    """Show what happened at the metering point `code`."""
    point = access.point_for(person(request), code)
    node = lookups.node(point.node_id)
    context = {
        "point": about_point(point, node),
        "tab": "events",
        "crumbs": crumbs(person(request), node, named(point.name)),
    }
    return _page(request, Place(node, point), context)


def _page(request: HttpRequest, place: Place, context: dict[str, Any]) -> HttpResponse:
    now = site_clock().now()
    form = EventFilter(request.GET)
    query = _query(form, place.node, now)
    found = place.events(query, now)
    zone = place.node.timezone
    context |= {
        "form": form,
        "filtered": any(request.GET.get(name) for name in ("kind", "first", "last")),
        "path": request.path,
        "period": _("%(first)s – %(last)s")
        % {"first": full_moment(query.start, zone), "last": full_moment(min(query.end, now), zone)},
        "rows": _rows(found[:PAGE], place),
        "older": _older(request, found) if len(found) > PAGE else "",
        "newest": _newest(request) if query.after else "",
        "marks": [] if query.after else mark_rows(place.marks(query), zone),
    }
    return render(request, "console/events.html", context, status=200 if form.is_valid() else 422)


def _query(form: EventFilter, node: NodeInfo, now: datetime) -> EventQuery:
    form.is_valid()
    given = form.cleaned_data
    first, last, kind = given.get("first"), given.get("last"), given.get("kind")
    end = midnight(last + DAY, node.timezone) if last else now + timedelta(hours=1)
    start = midnight(first, node.timezone) if first else min(now, end) - DEFAULT
    if first and last and first > last:
        form.add_error("last", _("The last day lies before the first."))
    after = given.get("after") or ""
    hour, channel, name = after.split(".") if after else ("0", "0", "")
    return EventQuery(
        start=start,
        end=max(start, end),
        kinds=[EventKind(kind)] if kind else tuple(EventKind),
        limit=PAGE + 1,
        after=(int(hour), int(channel), name) if after else None,
    )


def _rows(found: Sequence[EventInfo], place: Place) -> list[dict[str, Any]]:
    zone = place.node.timezone
    return [
        {
            "kind": words.word(words.EVENT_KINDS, one.kind),
            "tone": words.EVENT_TONES[one.kind],
            "start": full_moment(one.start, zone),
            "start_iso": one.start.isoformat(),
            "end": "" if one.lasts else full_moment(one.end, zone),
            "point": named(one.point_name),
            "point_code": one.point_code,
            "date": one.start.astimezone(zone).date().isoformat(),
            "place": named(one.node_name),
            "module": f"{one.module}-{one.input}",
        }
        for one in found
    ]


def _older(request: HttpRequest, found: Sequence[EventInfo]) -> str:
    hour, channel, kind = found[PAGE - 1].cursor
    return f"?{_without_page(request)}&after={hour}.{channel}.{kind}".replace("?&", "?")


def _newest(request: HttpRequest) -> str:
    return f"?{_without_page(request)}"


def _without_page(request: HttpRequest) -> str:
    kept = [(k, request.GET[k]) for k in ("kind", "first", "last") if request.GET.get(k)]
    return urlencode(kept)
