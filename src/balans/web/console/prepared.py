"""A list prepared at the desk: taken whole or with its faults by line; labels to print from it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import segno
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from balans.core.errors import Finding
from balans.core.words import DeviceKind, PreparedState
from balans.storage import prepared as stored
from balans.storage.prepared import Outcome, PreparedInfo
from balans.usecases.prepared_list import COLUMNS, parse_prepared
from balans.usecases.qr_text import Label, label_text
from balans.web.clock import site_clock
from balans.web.shown import words
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import Crumb

BYTES_MAX: Final = 2_000_000
FINDINGS_SHOWN: Final = 200
LABELS_MAX: Final = 600
OPEN: Final = {PreparedState.WAITING, PreparedState.FAULTY}
STATES: Final = {
    PreparedState.WAITING: (gettext_lazy("waiting"), "quiet"),
    PreparedState.ACCEPTED: (gettext_lazy("accepted"), "good"),
    PreparedState.FAULTY: (gettext_lazy("cannot be mounted so"), "bad"),
    PreparedState.WITHDRAWN: (gettext_lazy("withdrawn"), "quiet"),
}
EXAMPLE: Final = (
    "code;place;input;resource;meter;pulse_weight\n"
    "4711;flat-12;1;electricity;E100200;1600/kWh\n"
    "4711;flat-12;2;cold_water;W300400;10 l\n"
    "4712;flat-13;;;;\n"
)


@require_http_methods(["GET", "HEAD", "POST"])
def prepared(request: HttpRequest) -> HttpResponse:
    """Show what is prepared; take a list, or withdraw a line of it."""
    user = person(request)
    text = ""
    findings: list[Finding] = []
    if request.method == "POST":
        if request.POST.get("action") == "withdraw":
            return _withdraw(request)
        text, findings = _given(request)
        if not findings and (done := _kept(request, text, findings)):
            return done
    context = {
        "crumbs": [Crumb(_("Found devices"), reverse("found")), Crumb(_("Prepared list"))],
        "rows": [_row(one) for one in stored.listed(user)],
        "text": text,
        "findings": [_line(one) for one in findings[:FINDINGS_SHOWN]],
        "more": max(0, len(findings) - FINDINGS_SHOWN),
        "columns": ", ".join(COLUMNS),
        "example": EXAMPLE,
    }
    return render(request, "console/prepared.html", context, status=422 if findings else 200)


@require_safe
def labels(request: HttpRequest) -> HttpResponse:
    """Show the labels of what waits, to print: the text as a QR code, and in letters."""
    rows = [
        one
        for one in stored.listed(person(request))
        if one.state in OPEN and one.kind == DeviceKind.MODULE
    ]
    cards = [_card(one) for one in rows[:LABELS_MAX]]
    crumbs = [Crumb(_("Prepared list"), reverse("prepared")), Crumb(_("Labels"))]
    return render(request, "console/labels.html", {"cards": cards, "crumbs": crumbs})


def _kept(request: HttpRequest, text: str, findings: list[Finding]) -> HttpResponse | None:
    """Keep the list; None where something is wrong with it, then `findings` say what."""
    parsed = parse_prepared(text)
    findings += parsed.findings
    if findings:
        return None
    outcome = stored.prepare(person(request), parsed.devices, site_clock().now())
    findings += outcome.findings
    if findings:
        return None
    messages.success(request, _told(outcome))
    return redirect("prepared")


def _given(request: HttpRequest) -> tuple[str, list[Finding]]:
    """Return the text of the file, or of the field, and what is wrong with it as a text."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return request.POST.get("text", "")[:BYTES_MAX], []
    if (file.size or 0) > BYTES_MAX:
        megabytes = decimal(BYTES_MAX / 1e6, 0)
        return "", [Finding("list", _("larger than %(size)s MB") % {"size": megabytes})]
    try:
        return file.read().decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        what = _("byte %(place)s is no UTF-8 text: save the list as CSV UTF-8")
        return "", [Finding("list", what % {"place": error.start})]


def _withdraw(request: HttpRequest) -> HttpResponse:
    text = request.POST.get("prepared", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest("no such line")
    if stored.withdraw(person(request), int(text), site_clock().now()):
        messages.success(request, _("The line is withdrawn."))
    else:
        messages.error(request, _("That line waits no more."))
    return redirect("prepared")


def _told(outcome: Outcome) -> str:
    parts = [
        ngettext("%(count)s device prepared", "%(count)s devices prepared", outcome.prepared)
        % {"count": outcome.prepared}
    ]
    if outcome.accepted:
        parts.append(
            ngettext(
                "%(count)s of them accepted at once",
                "%(count)s of them accepted at once",
                outcome.accepted,
            )
            % {"count": outcome.accepted}
        )
    if outcome.unchanged:
        parts.append(
            ngettext("%(count)s was so already", "%(count)s were so already", outcome.unchanged)
            % {"count": outcome.unchanged}
        )
    return ", ".join(parts) + "."


def _line(finding: Finding) -> dict[str, str]:
    where, _space, number = finding.where.partition(" ")
    place = _("line %(number)s") % {"number": number} if where == "line" else _("list")
    return {"where": place, "what": finding.what}


def _row(one: PreparedInfo) -> dict[str, Any]:
    word, tone = STATES[one.state]
    return {
        "id": one.id,
        "kind": _("Hub") if one.kind == DeviceKind.HUB else _("Module"),
        "code": one.code,
        "place": named(one.place_name),
        "inputs": list(_inputs(one)),
        "state": word,
        "tone": tone,
        "detail": one.detail,
        "author": one.author,
        "open": one.state in OPEN,
    }


def _inputs(one: PreparedInfo) -> Iterator[str]:
    for order in one.inputs:
        resource = words.word(words.RESOURCES, order.resource)
        yield f"{order.number}: {resource}, {order.meter}"


def _card(one: PreparedInfo) -> dict[str, Any]:
    label = Label(
        kind=one.kind,
        code=one.code,
        inputs=2 if one.has_adapter else 3,
        has_adapter=one.has_adapter,
        place=one.place,
        meters=one.inputs,
    )
    return {
        "svg": _picture(label_text(label)),
        "code": one.code,
        "place": named(one.place_name),
        "inputs": list(_inputs(one)),
    }


def _picture(text: str) -> SafeString:
    """Return a QR code as a picture that is part of the page: its policy allows no other."""
    matrix: Sequence[bytearray] = segno.make(text, error="m", micro=False).matrix
    size = len(matrix) + 8
    runs = "".join(
        f"M{x + 4} {y + 4}h1v1h-1z"
        for y, row in enumerate(matrix)
        for x, dark in enumerate(row)
        if dark
    )
    return format_html(
        '<svg viewBox="0 0 {size} {size}" role="img" aria-label="{text}"'
        ' shape-rendering="crispEdges">'
        '<rect width="{size}" height="{size}" fill="#fff"/><path d="{runs}" fill="#000"/></svg>',
        size=size,
        text=text,
        runs=runs,
    )
