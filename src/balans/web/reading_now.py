"""Reading a metering point now: a button, and what became of it, on the page of the point."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_http_methods

from balans.protocols.hub import BUSY, NO_ANSWER, NO_INPUT, ReadState
from balans.storage import access, lookups, read_requests
from balans.storage.dials import dial_of
from balans.storage.events import KINDS
from balans.storage.read_requests import ReadRefusedError, ReadRequest
from balans.storage.records import NodeInfo, PointInfo
from balans.web.shown import words
from balans.web.shown.days import full_moment
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.usage import DIGITS, in_unit

STATES: Final = {
    ReadState.QUEUED: pgettext_lazy("reading now", "on its way"),
    ReadState.SENT: pgettext_lazy("reading now", "asked, waiting for the answer"),
    ReadState.DONE: pgettext_lazy("reading now", "read"),
    ReadState.FAILED: pgettext_lazy("reading now", "failed"),
    ReadState.EXPIRED: pgettext_lazy("reading now", "no answer in time"),
}
TONES: Final = {
    ReadState.QUEUED: "quiet",
    ReadState.SENT: "warn",
    ReadState.DONE: "good",
    ReadState.FAILED: "bad",
    ReadState.EXPIRED: "bad",
}
DETAILS: Final = {
    NO_ANSWER: lazy("The module does not answer its hub."),
    NO_INPUT: lazy("The module has no such input."),
    BUSY: lazy("The hub has too much to ask just now. Try again."),
    read_requests.NEVER_SENT: lazy("The server could not reach the hub."),
    read_requests.NO_ANSWER: lazy("Neither hub nor module has answered."),
    read_requests.TOO_LATE: lazy("The answer came after its time."),
}
REFUSALS: Final = {
    "no_channel": lazy("No module counts this point now, so it cannot be read from here."),
    "no_hub": lazy("No hub is known for the module of this point, so it cannot be read now."),
}


@require_http_methods(["GET", "HEAD", "POST"])
def read_now(request: HttpRequest, code: str) -> HttpResponse:
    """Ask for the present register of the point `code`; else tell how far that is."""
    user = person(request)
    point = access.point_for(user, code)
    if request.method == "POST":
        try:
            read_requests.create(user, code)
        except ReadRefusedError as error:
            messages.error(request, REFUSALS.get(error.code, str(error)))
        return redirect(f"{reverse('point', args=[code])}#read-now")
    node = lookups.node(point.node_id)
    context = {"point": {"code": point.code}, "reading": reading_part(point, node)}
    response = render(request, "balans/parts/read_now.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


def reading_part(point: PointInfo, node: NodeInfo) -> dict[str, Any]:
    """Return what `balans/parts/read_now.html` shows as ``reading``."""
    refusal = read_requests.refusal_of(point)
    latest = read_requests.latest(point)
    return {
        "refusal": "" if refusal is None else REFUSALS[refusal.code],
        "open": latest is not None and not latest.state.is_final,
        "last": None if latest is None else _shown(latest, point, node),
    }


def _shown(one: ReadRequest, point: PointInfo, node: NodeInfo) -> dict[str, Any]:
    dial = None
    if one.register is not None and one.read_at is not None:
        dial = dial_of(point, one.register, one.read_at)
    took = None if one.done_at is None else (one.done_at - one.created).total_seconds()
    return {
        "state": STATES[one.state],
        "tone": TONES[one.state],
        "open": not one.state.is_final,
        "author": one.author,
        "asked_at": full_moment(one.created, node.timezone),
        "detail": DETAILS.get(one.detail, one.detail),
        "took": "" if took is None else _("after %(seconds)s s") % {"seconds": decimal(took, 0)},
        "register": "" if one.read_at is None else decimal(one.register, 0),
        "read_at": full_moment(one.read_at, node.timezone) if one.read_at else "",
        "dial": "" if dial is None else decimal(in_unit(dial), DIGITS),
        "unit": words.word(words.UNITS, point.unit),
        "flags": [words.EVENT_KINDS[kind] for flag, kind in KINDS.items() if one.flags & flag],
    }
