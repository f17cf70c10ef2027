"""How far readings of a metering point hold: marks "temporarily incorrect", edits of registers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods

from balans.domain.metering import EditKind
from balans.storage import access, editing, lookups, marks
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.editing import Change, EditInfo, EditRefusedError
from balans.storage.marks import MarkRefusedError
from balans.storage.profile import HourValue, hourly_profile
from balans.storage.records import NodeInfo, PointInfo
from balans.web.clock import site_clock
from balans.web.points import about_point
from balans.web.shown import words
from balans.web.shown.asked import AskedDay, asked_day
from balans.web.shown.days import HOUR, clock_label, day_of, full_moment
from balans.web.shown.fields import LocalTime, Pulses, local_text
from balans.web.shown.mark_rows import mark_rows
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

REASON: Final = lazy("Say why, in 1 to 500 letters.")


class MarkForm(forms.Form):
    """From when to when the point is incorrect, and why."""

    reason = forms.CharField(max_length=500, error_messages={"required": REASON})

    def __init__(self, point: "Visit", data: Any = None) -> None:
        initial = {"start": local_text(point.day.local.start, point.zone)}
        super().__init__(data, initial=initial, auto_id="id_mark_%s")
        self.fields["start"] = LocalTime(point.zone)
        self.fields["end"] = LocalTime(point.zone, required=False)


class EditForm(forms.Form):
    """Which hour of the day, what counts there, and why."""

    hour = forms.ChoiceField()
    kind = forms.ChoiceField(choices=[(k.value, words.EDIT_KINDS[k]) for k in EditKind])
    register = Pulses(required=False)
    reason = forms.CharField(max_length=500, error_messages={"required": REASON})

    def __init__(self, hours: list[tuple[str, str]], data: Any = None) -> None:
        super().__init__(data, auto_id="id_edit_%s")
        field = self.fields["hour"]
        if isinstance(field, forms.ChoiceField):
            field.choices = hours

    def change(self) -> Change:
        """Return what is wanted, once the form is valid."""
        given = self.cleaned_data
        kind = EditKind(given["kind"])
        register = given["register"] if kind in editing.WITH_REGISTER else None
        return Change(datetime.fromisoformat(given["hour"]), kind, register)


@dataclass(slots=True)
class Visit:
    """One visit of one person to the page of a point."""

    request: HttpRequest
    user: Author
    point: PointInfo
    node: NodeInfo
    day: AskedDay
    now: datetime

    @property
    def zone(self) -> Any:
        """The time zone of the place."""
        return self.node.timezone

    @property
    def url(self) -> str:
        """The address of this page for the day that is shown."""
        return f"{reverse('point-validity', args=[self.point.code])}?date={self.day.iso}"


@dataclass(slots=True)
class Forms:
    """The forms of the page, filled in from what was sent."""

    mark: MarkForm
    edit: EditForm


Answer = HttpResponse | None
"""None: show the page itself, with what is wrong in its forms."""


@require_http_methods(["GET", "HEAD", "POST"])
def validity(request: HttpRequest, code: str) -> HttpResponse:
    """Show what holds of the point `code`, and let who judges readings change it."""
    user = person(request)
    point = access.point_for(user, code)
    node = lookups.node(point.node_id)
    now = site_clock().now()
    day = asked_day(request, day_of(now, node.timezone).day, node.timezone)
    visit = Visit(request, user, point, node, day, now)
    judges = Right.JUDGE in access.rights_on(user, node)
    hours = hourly_profile(point, day.local.start, day.local.end)
    form = _forms(visit, hours)
    if request.method == "POST":
        if not judges:
            raise PermissionDenied("no right to judge readings here")
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None:
            raise BadRequest("no such action")
        answer = action(visit, form)
        if answer is not None:
            return answer
    wrong = form.mark.errors or form.edit.errors
    context = _page(visit) | {
        "judges": judges,
        "mark_form": form.mark if judges else None,
        "edit_form": form.edit if judges and hours else None,
    }
    return render(request, "balans/validity.html", context, status=422 if wrong else 200)


def _forms(visit: Visit, hours: list[HourValue]) -> Forms:
    sent = visit.request.POST
    action = sent.get("action")
    choices = [
        (value.start.isoformat(), _hour_text(visit, value))
        for value in hours
        if value.start <= visit.now
    ]
    return Forms(
        MarkForm(visit, sent if action == "mark" else None),
        EditForm(choices, sent if action == "edit" else None),
    )


def _hour_text(visit: Visit, value: HourValue) -> str:
    clock = clock_label(value.start, visit.zone)
    if value.register is None:
        return f"{clock} · {_('missing')}"
    return f"{clock} · {_('%(count)s pulses') % {'count': decimal(value.register, 0)}}"


def _page(visit: Visit) -> dict[str, Any]:
    day = visit.day.local
    edits = editing.edits_of(visit.point, day.start, day.end + HOUR)
    return {
        "point": about_point(visit.point, visit.node),
        "tab": "validity",
        "crumbs": crumbs(visit.user, visit.node, named(visit.point.name)),
        "path": visit.request.path,
        "here": visit.url,
        "day": visit.day,
        "marks": mark_rows(marks.marks_of([visit.point.id], void=True), visit.zone),
        "edits": [_edit_row(visit, one) for one in edits],
    }


def _edit_row(visit: Visit, one: EditInfo) -> dict[str, str]:
    return {
        "time": clock_label(one.time, visit.zone),
        "what": words.word(words.EDIT_KINDS, one.kind),
        "register": "" if one.register is None else decimal(one.register, 0),
        "before": decimal(one.before, 0),
        "author": one.author,
        "at": full_moment(one.at, visit.zone),
        "reason": one.reason,
    }


def _mark(visit: Visit, form: Forms) -> Answer:
    if not form.mark.is_valid():
        return None
    given = form.mark.cleaned_data
    period = given["start"], given["end"]
    try:
        marks.mark_incorrect(visit.user, visit.point, period, given["reason"], visit.now)
    except MarkRefusedError as error:
        field = "reason" if error.code == "reason" else "end"
        form.mark.add_error(field, str(REFUSALS.get(error.code, error)))
        return None
    return _done(visit, _("The point is marked. No sum counts it in that time."))


def _end(visit: Visit, _form: Forms) -> Answer:
    try:
        marks.end_mark(visit.user, _mark_id(visit), visit.now, visit.now)
    except MarkRefusedError as error:
        return _not_done(visit, error)
    return _done(visit, _("The mark ends now."))


def _void(visit: Visit, _form: Forms) -> Answer:
    try:
        marks.void_mark(visit.user, _mark_id(visit), visit.now)
    except MarkRefusedError as error:
        return _not_done(visit, error)
    return _done(visit, _("The mark is taken back: its time counts again."))


def _edit(visit: Visit, form: Forms) -> Answer:
    if not form.edit.is_valid():
        return None
    change = form.edit.change()
    try:
        reason = form.edit.cleaned_data["reason"]
        editing.edit(visit.user, visit.point, [change], reason, visit.now)
    except EditRefusedError as error:
        field = error.code if error.code in form.edit.fields else "hour"
        form.edit.add_error(field, str(REFUSALS.get(error.code, error)))
        return None
    return _done(visit, _("The register is edited. All sums follow it."))


REFUSALS: Final = {
    "reason": REASON,
    "period": lazy("It must begin by now, and end later than it begins."),
    "register": lazy("Give the register in pulses."),
    "no_channel": lazy("No module counted for this point then."),
    "void": lazy("That mark was taken back already."),
}
ACTIONS: Final[dict[str, Callable[[Visit, Forms], Answer]]] = {
    "mark": _mark,
    "end": _end,
    "void": _void,
    "edit": _edit,
}


def _mark_id(visit: Visit) -> int:
    text = visit.request.POST.get("mark", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _done(visit: Visit, text: str) -> HttpResponse:
    messages.success(visit.request, text)
    return redirect(visit.url)


def _not_done(visit: Visit, error: MarkRefusedError) -> HttpResponse:
    messages.error(visit.request, str(REFUSALS.get(error.code, error)))
    return redirect(visit.url)
