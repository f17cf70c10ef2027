"""Demand response at one's own place: what is asked, what was given, programmes to join or leave.

Who decides here is the consumer alone; others who see the place look on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.core.words import NodeKind
from balans.domain.response.life import FINAL_EVENTS, EventState, TargetState
from balans.storage import access, response_acts, response_places, response_shown
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.records import NodeInfo
from balans.storage.response_programmes import programmes_at
from balans.storage.response_progress import OwnEvent
from balans.storage.response_progress import own_events as own_events_of
from balans.storage.response_records import EnrolmentInfo, ProgrammeInfo, ResponseRefusedError
from balans.web.clock import site_clock
from balans.web.shown import response_words, words
from balans.web.shown.days import full_moment, moment
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal, duration
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.response_texts import step_text, term_rows
from balans.web.shown.response_trigger_texts import reason_text

OTHERS_LEAST: Final = 3
"""A mean of fewer others would tell too much of one."""


@dataclass(slots=True)
class Visit:
    """One visit of one person to a place."""

    request: HttpRequest
    user: Author
    node: NodeInfo
    now: datetime

    def given(self, name: str) -> str:
        """Return what the form gave."""
        return self.request.POST.get(name, "").replace("\0", "")[:500]


@require_http_methods(["GET", "HEAD", "POST"])
def own_events(request: HttpRequest, code: str) -> HttpResponse:
    """Show what is asked of the place `code`, and take what its consumer decides."""
    user = person(request)
    node = access.node_for(user, code, Right.AUDIT)
    visit = Visit(request, user, node, site_clock().now())
    may = Right.CONSENT in access.rights_on(user, node)
    trouble = ""
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            raise BadRequest("no such action")
        if not may:
            raise PermissionDenied("only the consumer decides")
        try:
            messages.success(request, action(visit))
            return redirect(reverse("own-events", args=[code]))
        except ResponseRefusedError as error:
            trouble = words.word(response_words.REFUSALS, error.code)
    rows = [_event(one, visit, may=may) for one in own_events_of(user, code)]
    joined = response_places.enrolments_at(node)
    kinds = response_shown.exemptions_at(node)
    context: dict[str, Any] = {
        "node": node,
        "site": node,
        "whole": node.kind == NodeKind.BUILDING,
        "title": named(node.name),
        "crumbs": crumbs(user, node, _("Demand response")),
        "coming": [row for row in rows if not row["is_over"]][::-1],
        "past": [row for row in rows if row["is_over"]],
        "programmes": [
            _programme(one, joined.get(one.code), node.timezone) for one in programmes_at(node)
        ],
        "exempt": [words.word(response_words.EXEMPTIONS, kind) for kind in kinds],
        "may": may,
        "trouble": trouble,
        "now": moment(visit.now, node.timezone),
    }
    status = 422 if trouble else 200
    return render(request, "cabinet/events.html", context, status=status)


def _event(own: OwnEvent, visit: Visit, *, may: bool) -> dict[str, Any]:
    """Return an event as its consumer sees it: only what concerns the place."""
    event, target, zone = own.event, own.target, visit.node.timezone
    steps = target.steps if target is not None and target.steps else event.steps
    asked_s = sum((step.end - step.start).total_seconds() for step in steps)
    is_over = event.state in FINAL_EVENTS
    left = own.opted_out_at is not None or (
        target is not None and target.state == TargetState.OPTED_OUT
    )
    given = response_shown.given_in(event, target.node_code) if target is not None else None
    state = words.word(response_words.EVENT_STATES, event.state)
    tone = response_words.EVENT_TONES[event.state]
    if left:
        state = words.word(response_words.TARGET_STATES, TargetState.OPTED_OUT)
        tone = response_words.TARGET_TONES[TargetState.OPTED_OUT]
    return {
        "code": event.code,
        "programme": named(event.programme_title),
        "reason": reason_text(event.reason),
        "day": full_moment(steps[0].start, zone),
        "steps": [step_text(event.kind, step, zone) for step in steps],
        "length": duration(asked_s),
        "state": state,
        "tone": tone,
        "is_over": is_over,
        "emergency": event.emergency,
        "opts_out": may and not is_over and not left and not event.emergency,
        "given": decimal(own.given_kwmin, 1),
        "others": (
            decimal(given.others_kwmin, 1) if given and given.others >= OTHERS_LEAST else ""
        ),
        "begins": (
            duration((steps[0].start - visit.now).total_seconds())
            if event.state == EventState.ANNOUNCED and not left
            else ""
        ),
    }


def _programme(one: ProgrammeInfo, joined: EnrolmentInfo | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "code": one.code,
        "title": named(one.terms.title),
        "incentive": one.terms.incentive,
        "needs_consent": one.terms.consent_needed,
        "terms": term_rows(one.terms),
        "joined": full_moment(joined.joined_at, zone) if joined else "",
    }


def _opt_out(visit: Visit) -> str:
    code, why = visit.given("event"), visit.given("why")
    response_acts.opt_out(visit.user, code, visit.node.code, visit.now, why)
    return _("You have left this event. Nothing more is asked of you in it.")


def _join(visit: Visit) -> str:
    response_places.join(visit.user, visit.given("programme"), visit.node.code, visit.now)
    return _("You take part now. You can leave any time.")


def _leave(visit: Visit) -> str:
    response_places.leave(visit.user, visit.given("programme"), visit.node.code, visit.now)
    return _("You take part no more.")


ACTIONS: Final[dict[str, Callable[[Visit], str]]] = {
    "opt_out": _opt_out,
    "join": _join,
    "leave": _leave,
}
