"""Events of demand response: those under way, those that wait, those that were; a new one."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from balans.domain.response.life import FINAL_EVENTS, EventState
from balans.storage import access, lookups, response_events, response_preview, response_shown
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.response_programmes import programmes_of
from balans.storage.response_records import (
    EventInfo,
    ProgrammeInfo,
    ProgrammeState,
    ResponseRefusedError,
)
from balans.web.clock import site_clock
from balans.web.console.response_forms import EventForm
from balans.web.console.response_view import event_view
from balans.web.shown import response_words, words
from balans.web.shown.days import moment
from balans.web.shown.fields import local_text
from balans.web.shown.people import person
from balans.web.shown.places import Crumb

SHOWN: Final = 200
FIELDS: Final = {
    "reason": "reason",
    "outside": "node",
    "not_open": "programme",
    "priority": "priority",
    "wanted_kw": "wanted_kw",
    "past": "starts",
    "length": "minutes_1",
    "steps": "value_1",
}
"""At which field of the form a refusal stands."""


@require_safe
def events(request: HttpRequest) -> HttpResponse:
    """List what waits, what is under way, and the history by state and programme."""
    user = person(request)
    if not access.granted_paths(user, Right.AUDIT):
        raise ForbiddenError("no right to follow events anywhere")
    calls = bool(access.granted_paths(user, Right.RESPONSE))
    state, programme = request.GET.get("state", ""), request.GET.get("programme", "")
    chosen = [EventState(state)] if state in set(EventState) else list(FINAL_EVENTS)
    asked = programme.replace("\0", "")[:32]
    under_way = [one for one in EventState if one not in FINAL_EVENTS]
    waiting = response_shown.waiting_events(user)
    ids = {one.id for one in waiting}
    live = [one for one in response_events.events_of(user, states=under_way) if one.id not in ids][
        ::-1
    ]
    history = response_events.events_of(user, states=chosen, programme=asked, n=SHOWN)
    context = {
        "waiting": _rows(waiting),
        "live": _rows(live),
        "history": _rows(history),
        "states": [
            (one.value, words.word(response_words.EVENT_STATES, one), one.value == state)
            for one in (EventState.ENDED, EventState.CANCELLED)
        ],
        "programmes": [
            (one.code, one.terms.title, one.code == programme)
            for one in programmes_of(user, Right.AUDIT)
        ],
        "calls": calls,
    }
    return render(request, "console/response_events.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_event(request: HttpRequest) -> HttpResponse:
    """Write an event down and compute whom it would ask: step 1 of 2."""
    user = person(request)
    if not access.granted_paths(user, Right.RESPONSE):
        raise ForbiddenError("no right to call events anywhere")
    found = [one for one in programmes_of(user) if one.state == ProgrammeState.OPEN]
    now = site_clock().now()
    zone = _zone(found, request.POST.get("programme", ""))
    form = EventForm(user, found, zone)
    form.initial["starts"] = local_text(now, zone)
    form.initial["programme"] = request.GET.get("programme", "")
    if request.method == "POST":
        form = EventForm(user, found, zone, request.POST)
        if form.is_valid():
            try:
                event = response_events.draft_event(user, form.order(), now)
                response_preview.preview(user, event.code, now)
                return redirect(reverse("response-event", args=[event.code]))
            except (NotVisibleError, ForbiddenError):
                form.add_error("node", _("You look after no such place."))
            except ResponseRefusedError as error:
                text = words.word(response_words.REFUSALS, error.code)
                shown = text if error.code in response_words.REFUSALS else str(error)
                form.add_error(FIELDS.get(error.code), shown)
    context: dict[str, Any] = {
        "form": form,
        "has_programmes": bool(found),
        "crumbs": [Crumb(_("Demand response"), reverse("response")), Crumb(_("New event"))],
        "now": moment(now, zone),
    }
    status = 422 if form.errors else 200
    return render(request, "console/response_new.html", context, status=status)


def _zone(programmes: list[ProgrammeInfo], code: str) -> ZoneInfo:
    """Return the zone of the programme `code`, or of the first one."""
    chosen = next((one for one in programmes if one.code == code), None)
    first = chosen or next(iter(programmes), None)
    return lookups.node(first.node_id).timezone if first else ZoneInfo("UTC")


def _rows(events: list[EventInfo]) -> list[dict[str, Any]]:
    return [event_view(one, lookups.node(one.node_id).timezone) for one in events]
