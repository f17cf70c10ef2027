"""Dials read by eye: handed in with a photo, and judged by the operator."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe
from typing_extensions import override

from balans.adapters.pictures.photo import UPLOAD_MAX, PhotoError, plain_photo
from balans.domain.metering import ManualState
from balans.storage import access, lookups, manual
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.dials import dial_at, register_of
from balans.storage.manual import Dial, ManualInfo, ManualRefusedError
from balans.storage.records import NodeInfo, PointInfo
from balans.web.clock import site_clock
from balans.web.points import about_point, point_by_either
from balans.web.shown import words
from balans.web.shown.days import full_moment
from balans.web.shown.fields import Figure, LocalTime, local_text
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.usage import DIGITS, PER_UNIT, in_unit

WAITING_MAX: Final = 30
PHOTO_ERRORS: Final = {
    "size": lazy(
        "The photo is too large: at most 20 MB and 60 million pixels, "
        "25 million unless it is a JPEG."
    ),
    "format": lazy("Give a photo as JPEG, PNG or WebP."),
}
REFUSALS: Final = {
    "time": lazy("Give a time up to now, at most 400 days ago."),
    "no_meter": lazy("No meter was mounted here at that time."),
    "too_many": lazy("Twenty readings wait already: let the operator judge them first."),
    "state": lazy("It was judged so already."),
    "same_time": lazy("Another reading of the same time was accepted."),
    "reason": lazy("Say why, in 1 to 500 letters."),
    "no_register": lazy("What the meter showed when it was mounted is not known."),
}


class DialForm(forms.Form):
    """What the meter shows, when, a photo and a note."""

    dial = Figure()
    photo = forms.FileField(
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        error_messages={"empty": PHOTO_ERRORS["format"]},
    )
    note = forms.CharField(max_length=500, required=False)

    def __init__(self, zone: ZoneInfo, now: datetime, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files, initial={"at": local_text(now, zone)}, auto_id="id_dial_%s")
        self.fields["at"] = LocalTime(zone)
        self.now = now

    def clean_photo(self) -> bytes | None:
        """Return the photo made plain."""
        file = self.cleaned_data.get("photo")
        if file is None:
            return None
        if file.size > UPLOAD_MAX:
            raise forms.ValidationError(PHOTO_ERRORS["size"])
        try:
            return plain_photo(file.read())
        except PhotoError as error:
            raise forms.ValidationError(PHOTO_ERRORS[error.code]) from error

    @override
    def clean(self) -> dict[str, Any]:
        """Take the present minute, which has seconds, for now."""
        given: dict[str, Any] = self.cleaned_data
        at = given.get("at")
        if (
            at is not None
            and at > self.now
            and local_text(at, ZoneInfo("UTC")) == local_text(self.now, ZoneInfo("UTC"))
        ):
            given["at"] = self.now
        return given

    def wish(self) -> Dial:
        """Return what is handed in, once the form is valid."""
        given = self.cleaned_data
        return Dial(
            at=given["at"],
            value=given["dial"] * PER_UNIT,
            note=given["note"],
            photo=given["photo"],
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at which point."""

    user: Author
    point: PointInfo
    node: NodeInfo
    rights: frozenset[Right]
    now: datetime


@require_http_methods(["GET", "HEAD", "POST"])
def point_dials(request: HttpRequest, code: str) -> HttpResponse:
    """Show what was read of the point `code` by eye, and take another reading."""
    visit = _visit(request, code)
    zone = visit.node.timezone
    form = None
    if Right.REPORT in visit.rights:
        sent = request.POST if request.method == "POST" else None
        form = DialForm(zone, visit.now, sent, request.FILES if sent is not None else None)
    if request.method == "POST":
        access.point_for(visit.user, code, Right.REPORT)
        if form is not None and form.is_valid() and _handed_in(visit, form):
            messages.success(request, _("Thank you. The reading waits for the operator."))
            return redirect(reverse("point-dials", args=[code]))
    sees_all = Right.READINGS in visit.rights
    rows = [
        one
        for one in manual.dials_of(visit.point)
        if sees_all or one.author == visit.user.get_username()
    ]
    context = {
        "point": about_point(visit.point, visit.node),
        "tab": "dials",
        "sees_all": sees_all,
        "crumbs": crumbs(visit.user, visit.node, named(visit.point.name)),
        "form": form,
        "dials": dial_rows(rows, zone),
        "judges": Right.JUDGE in visit.rights,
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "balans/dials.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def node_dials(request: HttpRequest, code: str) -> HttpResponse:
    """Show what waits to be judged at the node `code` and below it."""
    user = person(request)
    node = access.node_for(user, code, Right.JUDGE)
    now = site_clock().now()
    error: tuple[int, str] | None = None
    if request.method == "POST":
        error = _judged(request, user, now)
        if error is None:
            return redirect(reverse("node-dials", args=[code]))
    found = manual.dials_below(node, limit=WAITING_MAX + 1)
    rows = dial_rows(found[:WAITING_MAX], node.timezone, compare=True)
    for row in rows:
        row["error"] = error[1] if error and error[0] == row["id"] else ""
    context = {
        "node": {"code": node.code, "name": named(node.name)},
        "judges": True,
        "crumbs": crumbs(user, node, _("Read by eye")),
        "dials": rows,
        "more": len(found) > WAITING_MAX,
        "path": request.path,
    }
    return render(request, "console/dials.html", context, status=422 if error else 200)


@require_safe
def photo(request: HttpRequest, reading_id: int) -> HttpResponse:
    """Give the photo of a reading."""
    found = manual.photo_of(person(request), reading_id)
    if found is None:
        raise Http404(f"reading {reading_id} has no photo")
    response = HttpResponse(found, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


def dial_rows(
    found: Iterable[ManualInfo], zone: ZoneInfo, *, compare: bool = False
) -> list[dict[str, Any]]:
    """Return readings in the reader's language; with `compare` beside what the registers say."""
    return [
        {
            "id": one.id,
            "point": named(one.point.name),
            "point_code": one.point.code,
            "place_code": one.point.node_code,
            "dial": decimal(in_unit(Fraction(one.dial)), DIGITS),
            "unit": words.word(words.UNITS, one.point.unit),
            "at": full_moment(one.at, zone),
            "at_iso": one.at.isoformat(),
            "source": words.word(words.MANUAL_SOURCES, one.source),
            "state": words.word(words.MANUAL_STATES, one.state),
            "tone": words.MANUAL_TONES[one.state],
            "waits": one.state == ManualState.PROPOSED,
            "note": one.note,
            "author": one.author,
            "reviewer": one.reviewer,
            "reason": one.reason,
            "has_photo": one.has_photo,
            **(_compared(one) if compare else {}),
        }
        for one in found
    ]


def _compared(one: ManualInfo) -> dict[str, Any]:
    settable = register_of(one.point, one.at, Fraction(one.dial), site_clock().now()) is not None
    expected = dial_at(one.point, one.at)
    if expected is None:
        return {"expected": "", "deviation": "", "settable": settable}
    apart = in_unit(Fraction(one.dial) - expected) or 0.0
    sign = "+" if apart > 0 else "−" if apart < 0 else "±"
    return {
        "expected": decimal(in_unit(expected), DIGITS),
        "deviation": f"{sign}{decimal(abs(apart), DIGITS)}",
        "settable": settable,
    }


def _visit(request: HttpRequest, code: str) -> Visit:
    user = person(request)
    point = point_by_either(user, code, Right.REPORT)  # who mounts meters reads them, too
    node = lookups.node(point.node_id)
    return Visit(user, point, node, access.rights_on(user, node), site_clock().now())


def _handed_in(visit: Visit, form: DialForm) -> bool:
    try:
        manual.hand_in(visit.user, visit.point, form.wish(), visit.now)
    except ManualRefusedError as error:
        field = {"time": "at", "no_meter": "at", "dial": "dial", "photo": "photo"}.get(error.code)
        form.add_error(field, str(REFUSALS.get(error.code, error)))
        return False
    return True


def _judged(request: HttpRequest, user: Author, now: datetime) -> tuple[int, str] | None:
    """Do what a button says; return which reading and what is wrong, if it cannot be done."""
    text = request.POST.get("reading", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    reason = request.POST.get("reason", "")
    action = request.POST.get("action")
    try:
        if action == "accept":
            with_register = request.POST.get("set_register") == "yes"
            manual.accept(user, number, now, reason, set_register=with_register)
            messages.success(request, _("The reading is accepted."))
        elif action == "refuse":
            manual.refuse(user, number, now, reason)
            messages.success(request, _("The reading is refused."))
        else:
            raise BadRequest("no such action")
    except ManualRefusedError as error:
        return number, str(REFUSALS.get(error.code, error))
    return None
