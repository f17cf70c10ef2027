"""One event of demand response: its preview, its second person, how it goes, what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.domain.response.life import FINAL_EVENTS, EventState
from balans.storage import access, lookups, response_acts, response_preview
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.response_events import event_for
from balans.storage.response_progress import progress_of
from balans.storage.response_records import EventInfo, ResponseRefusedError
from balans.web.clock import site_clock
from balans.web.console.response_view import (
    TARGETS_SHOWN,
    change_rows,
    curve_view,
    event_view,
    live_view,
    preview_view,
    target_rows,
)
from balans.web.shown import response_words, words
from balans.web.shown.days import full_moment
from balans.web.shown.people import person
from balans.web.shown.places import Crumb


@dataclass(slots=True)
class Visit:
    """One visit of one person to an event."""

    request: HttpRequest
    user: Author
    code: str
    now: datetime


@require_http_methods(["GET", "HEAD", "POST"])
def event(request: HttpRequest, code: str) -> HttpResponse:
    """Show the event `code`, or do what a form of the page asks for."""
    visit = Visit(request, person(request), code, site_clock().now())
    trouble = ""
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            raise BadRequest("no such action")
        event_for(visit.user, code)
        try:
            messages.success(request, action(visit))
            return redirect(reverse("response-event", args=[code]))
        except ResponseRefusedError as error:
            trouble = words.word(response_words.REFUSALS, error.code)
    return _page(visit, trouble)


def _page(visit: Visit, trouble: str) -> HttpResponse:
    found = event_for(visit.user, visit.code)
    node = lookups.node(found.node_id)
    zone = node.timezone
    view = event_view(found, zone)
    is_draft = found.state == EventState.DRAFT
    context: dict[str, Any] = {
        "event": view,
        "crumbs": [Crumb(_("Demand response"), reverse("response")), Crumb(view["code"])],
        "is_draft": is_draft,
        "is_over": found.state in FINAL_EVENTS,
        "preview": preview_view(found, zone) if found.preview else None,
        "progress": None if is_draft else live_view(found, progress_of(found), visit.now),
        "curve": None if is_draft else curve_view(found, zone, visit.now),
        "targets": target_rows(found, zone),
        "targets_shown": TARGETS_SHOWN,
        "changes": change_rows(found, zone),
        "now": full_moment(visit.now, zone),
        "trouble": trouble,
        **_may(visit, found, access.rights_on(visit.user, node)),
    }
    status = 422 if trouble else 200
    return render(visit.request, "console/response_event.html", context, status=status)


def _may(visit: Visit, found: EventInfo, rights: frozenset[Right]) -> dict[str, bool]:
    """Return what the person can do with the event now."""
    is_draft, calls = found.state == EventState.DRAFT, Right.RESPONSE in rights
    lacks_second = found.needs_approval and not found.approver
    is_author = found.user_id == visit.user.pk
    return {
        "announces": is_draft and calls and found.preview is not None and not lacks_second,
        "approves": is_draft and lacks_second and Right.APPROVE in rights and not is_author,
        "waits": is_draft and lacks_second and is_author,
        "previews": is_draft and calls,
        "cancels": calls and found.state not in FINAL_EVENTS,
    }


def _announce(visit: Visit) -> str:
    found = event_for(visit.user, visit.code, Right.RESPONSE)
    if found.emergency and visit.request.POST.get("sure") != "on":
        raise ResponseRefusedError("sure", "an emergency is confirmed once more")
    response_acts.announce(visit.user, visit.code, visit.now)
    return _("The event is announced: its places are being told.")


def _approve(visit: Visit) -> str:
    response_acts.approve(visit.user, visit.code, visit.now)
    return _("The event is approved. It can be announced now.")


def _preview(visit: Visit) -> str:
    response_preview.preview(visit.user, visit.code, visit.now)
    return _("The preview is computed anew.")


def _cancel(visit: Visit) -> str:
    response_acts.cancel(visit.user, visit.code, visit.request.POST.get("why", ""), visit.now)
    return _("The event is cancelled.")


ACTIONS: Final[dict[str, Callable[[Visit], str]]] = {
    "announce": _announce,
    "approve": _approve,
    "preview": _preview,
    "cancel": _cancel,
}
