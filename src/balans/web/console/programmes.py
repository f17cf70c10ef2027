"""Programmes of demand response: what each says, who takes part, who is never asked."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.storage import access, lookups, response_places, response_programmes
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.response_events import events_of
from balans.storage.response_records import (
    ExemptionKind,
    ProgrammeInfo,
    ProgrammeState,
    ProgrammeTerms,
    ResponseRefusedError,
)
from balans.web.clock import site_clock
from balans.web.console.programme_marks import DEEDS, decide_mark, mark_view, tell_waiting
from balans.web.console.response_forms import MINUTES, ExemptForm, NewProgrammeForm, ProgrammeForm
from balans.web.console.response_view import event_view
from balans.web.shown import response_words, words
from balans.web.shown.days import full_moment
from balans.web.shown.names import named
from balans.web.shown.numbers import duration
from balans.web.shown.people import person
from balans.web.shown.places import Crumb
from balans.web.shown.response_texts import term_rows

EVENTS_SHOWN: Final = 10
FIELDS: Final = {term: name for name, term in MINUTES.items()} | {
    "fallback_w": "fallback_kw",
    "taken": "code",
}
"""Where a refusal of the storage is shown in the form, if not at the field of its name."""


@require_http_methods(["GET", "HEAD", "POST"])
def programmes(request: HttpRequest) -> HttpResponse:
    """List the programmes and the places that are never asked; add a place, or end it."""
    user = person(request)
    _demand(user)
    trouble, form = "", ExemptForm(user)
    if request.method == "POST":
        form = ExemptForm(user, request.POST)
        trouble = _change_exemptions(request, user, form)
        if not trouble:
            return redirect(f"{reverse('response-programmes')}#exempt")
    rows = [
        {
            **_head(one),
            "members": str(len(response_places.enrolments_of(one))),
            "notice": duration(one.terms.notice_s) if one.terms.notice_s else _("none"),
            "incentive": one.terms.incentive,
        }
        for one in response_programmes.programmes_of(user)
    ]
    context = {
        "rows": rows,
        "exemptions": _exemptions(user),
        "kinds": list(response_words.EXEMPTIONS.items()),
        "form": form,
        "trouble": trouble,
    }
    status = 422 if trouble else 200
    return render(request, "console/response_programmes.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def new_programme(request: HttpRequest) -> HttpResponse:
    """Draft a programme."""
    user = person(request)
    _demand(user)
    plain = ProgrammeTerms(title="")
    form: forms.Form = NewProgrammeForm(user, plain)
    if request.method == "POST":
        sent = form = NewProgrammeForm(user, plain, request.POST)
        if sent.is_valid():
            try:
                code, node = sent.cleaned_data["code"], sent.cleaned_data["node"]
                now = site_clock().now()
                response_programmes.create_programme(user, node, code, sent.terms(plain), now)
                return redirect(reverse("response-programme", args=[code]))
            except (NotVisibleError, ForbiddenError):
                sent.add_error("node", _("You look after no such place."))
            except ResponseRefusedError as error:
                _blame(sent, error)
    path = [_programmes_crumb(), Crumb(_("New programme"))]
    return _form_page(request, form, path, _("New programme"))


@require_http_methods(["GET", "HEAD", "POST"])
def edit_programme(request: HttpRequest, code: str) -> HttpResponse:
    """Change what the programme `code` says."""
    user = person(request)
    found = response_programmes.programme_for(user, code, Right.RESPONSE)
    form = ProgrammeForm.of(found.terms)
    if request.method == "POST":
        form = ProgrammeForm(request.POST)
        if form.is_valid():
            try:
                now = site_clock().now()
                response_programmes.edit_programme(user, code, form.terms(found.terms), now)
                messages.success(request, _("The programme is changed."))
                tell_waiting(request, found)
                return redirect(reverse("response-programme", args=[code]))
            except ResponseRefusedError as error:
                _blame(form, error)
    back = Crumb(named(found.terms.title), reverse("response-programme", args=[code]))
    path = [_programmes_crumb(), back, Crumb(_("Change"))]
    return _form_page(request, form, path, named(found.terms.title))


@require_http_methods(["GET", "HEAD", "POST"])
def programme(request: HttpRequest, code: str) -> HttpResponse:
    """Show the programme `code`, and open or close it."""
    user = person(request)
    found = response_programmes.programme_for(user, code)
    trouble = ""
    if request.method == "POST":
        marks = request.POST.get("do") in DEEDS
        trouble = decide_mark(request, user, found) if marks else _set_state(request, user, found)
        if not trouble:
            return redirect(reverse("response-programme", args=[code]))
    node = lookups.node(found.node_id)
    zone = node.timezone
    context = {
        "programme": _head(found),
        "crumbs": [_programmes_crumb(), Crumb(named(found.terms.title))],
        "terms": term_rows(found.terms),
        "mark": mark_view(user, found, zone),
        "members": [
            {
                "place": named(one.node_name),
                "url": reverse("node", args=[one.node_code]),
                "since": full_moment(one.joined_at, zone),
                "author": one.joined_by,
            }
            for one in response_places.enrolments_of(found)
        ],
        "events": [
            event_view(one, zone) for one in events_of(user, programme=code, n=EVENTS_SHOWN)
        ],
        "may": Right.RESPONSE in access.rights_on(user, node),
        "opens": found.state != ProgrammeState.OPEN,
        "closes": found.state == ProgrammeState.OPEN,
        "trouble": trouble,
    }
    status = 422 if trouble else 200
    return render(request, "console/response_programme.html", context, status=status)


def _set_state(request: HttpRequest, user: Author, found: ProgrammeInfo) -> str:
    """Open or close a programme; return what is wrong."""
    opens = request.POST.get("do") == "open"
    wanted = ProgrammeState.OPEN if opens else ProgrammeState.CLOSED
    try:
        response_programmes.set_programme_state(user, found.code, wanted, site_clock().now())
    except ResponseRefusedError as error:
        return words.word(response_words.REFUSALS, error.code)
    if opens:
        tell_waiting(request, found)
    return ""


def _demand(user: Author) -> None:
    if not access.granted_paths(user, Right.RESPONSE):
        raise ForbiddenError("no right to call events anywhere")


def _head(one: ProgrammeInfo) -> dict[str, Any]:
    return {
        "code": one.code,
        "title": named(one.terms.title),
        "url": reverse("response-programme", args=[one.code]),
        "place": named(one.node_name),
        "state": words.word(response_words.PROGRAMME_STATES, one.state),
        "tone": response_words.PROGRAMME_TONES[one.state],
        "text": one.terms.incentive,
    }


def _programmes_crumb() -> Crumb:
    return Crumb(_("Programmes"), reverse("response-programmes"))


def _form_page(
    request: HttpRequest, form: forms.Form, path: list[Crumb], title: str
) -> HttpResponse:
    context = {"form": form, "crumbs": path, "title": title, "back": path[-2].url}
    status = 422 if form.errors else 200
    return render(request, "console/response_programme_form.html", context, status=status)


def _blame(form: forms.Form, error: ResponseRefusedError) -> None:
    field = FIELDS.get(error.code, error.code)
    text = words.word(response_words.REFUSALS, error.code)
    form.add_error(
        field if field in form.fields else None,
        text if error.code in response_words.REFUSALS else str(error),
    )


def _exemptions(user: Author) -> list[Mapping[str, str]]:
    return [
        {
            "place": named(one.node_name),
            "url": reverse("node", args=[one.node_code]),
            "node": one.node_code,
            "kind": one.kind.value,
            "kind_word": words.word(response_words.EXEMPTIONS, one.kind),
            "reason": one.reason,
            "author": one.author,
            "at": full_moment(one.at, lookups.node(one.node_id).timezone),
        }
        for one in response_places.exemptions_of(user)
    ]


def _change_exemptions(request: HttpRequest, user: Author, form: ExemptForm) -> str:
    """Exempt a place or end that; return what is wrong."""
    if not form.is_valid():
        return _("Not saved yet: see what is marked.")
    given, now = form.cleaned_data, site_clock().now()
    try:
        kind = ExemptionKind(given["kind"])
        if request.POST.get("do") == "end":
            response_places.end_exemption(user, given["node"], kind, now)
        else:
            response_places.exempt(user, given["node"], kind, given["reason"], now)
    except ValueError:
        return _("Choose why.")
    except (NotVisibleError, ForbiddenError):
        return _("You look after no such place.")
    except ResponseRefusedError as error:
        return words.word(response_words.REFUSALS, error.code)
    messages.success(request, _("The list is changed."))
    return ""
