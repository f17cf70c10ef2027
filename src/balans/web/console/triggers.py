"""Triggers of demand response: what watches which place, what it saw, and who lets it act."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from balans.storage import access, lookups, response_triggers
from balans.storage.access import ForbiddenError, Right
from balans.storage.commands import Author
from balans.storage.response_programmes import programme_by_id, programmes_of
from balans.storage.response_records import (
    ProgrammeInfo,
    ProgrammeState,
    ResponseRefusedError,
)
from balans.storage.response_trigger_shown import events_of_trigger
from balans.storage.response_triggers import TriggerInfo, trigger_for
from balans.web.clock import site_clock
from balans.web.console.response_view import event_view
from balans.web.console.trigger_forms import NewTriggerForm, TriggerForm
from balans.web.console.trigger_view import change_rows, figures, log_rows, tried_view, trigger_view
from balans.web.shown import response_words, words
from balans.web.shown.days import full_moment
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import Crumb, crumbs, node_url
from balans.web.shown.response_trigger_texts import alone_texts, setting_rows

EVENTS_SHOWN: Final = 20
FIELDS: Final = {"taken": "code", "code": "code", "outside": "node", "cap_kw": "cap_kw"}
"""At which field of the form a refusal of the storage stands."""


@require_safe
def triggers(request: HttpRequest) -> HttpResponse:
    """List the triggers with what each saw last."""
    user, now = person(request), site_clock().now()
    if not access.granted_paths(user, Right.AUDIT):
        raise ForbiddenError("no right to follow events anywhere")
    found = [
        trigger_view(one, _programme_of(one), now) for one in response_triggers.triggers_of(user)
    ]
    context = {
        "rows": [one for one in found if not one["ended"]],
        "ended": [one for one in found if one["ended"]],
        "may": bool(access.granted_paths(user, Right.RESPONSE)),
    }
    return render(request, "console/response_triggers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_trigger(request: HttpRequest) -> HttpResponse:
    """Write a trigger down; it is switched on after its page has been read."""
    user = person(request)
    if not access.granted_paths(user, Right.RESPONSE):
        raise ForbiddenError("no right to call events anywhere")
    found = [one for one in programmes_of(user) if one.state != ProgrammeState.CLOSED]
    form = NewTriggerForm(user, found, programme=request.GET.get("programme", ""))
    if request.method == "POST":
        form = NewTriggerForm(user, found, request.POST)
        made = _made(user, form) if form.is_valid() else None
        if made is not None:
            messages.success(
                request, _("The trigger is written down. It is still off: read what it will do.")
            )
            return redirect(reverse("response-trigger", args=[made.code]))
    path = [_crumb(), Crumb(_("New trigger"))]
    more = {"has_programmes": bool(found)}
    return _form_page(request, form, path, _("New trigger"), more)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_trigger(request: HttpRequest, code: str) -> HttpResponse:
    """Change what the trigger `code` looks for and may do."""
    user = person(request)
    found = trigger_for(user, code, Right.RESPONSE)
    form = TriggerForm.of(found)
    if request.method == "POST":
        form = TriggerForm.of(found, request.POST)
        if form.is_valid():
            try:
                response_triggers.edit_trigger(user, code, form.order())
                messages.success(request, _("The trigger is changed."))
                return redirect(reverse("response-trigger", args=[code]))
            except ResponseRefusedError as error:
                _blame(form, error)
    back = Crumb(named(found.title), reverse("response-trigger", args=[code]))
    more = {
        "trigger": found,
        "place": named(found.node_name),
        "programme": named(_programme_of(found).terms.title),
        "has_programmes": True,
    }
    return _form_page(request, form, [_crumb(), back, Crumb(_("Change"))], named(found.title), more)


@require_http_methods(["GET", "HEAD", "POST"])
def trigger(request: HttpRequest, code: str) -> HttpResponse:
    """Show the trigger `code`; switch it on or off, or end it."""
    user, now = person(request), site_clock().now()
    found = trigger_for(user, code)
    trouble = ""
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            raise BadRequest("no such action")
        try:
            messages.success(request, action(request, user, code, now))
            return redirect(reverse("response-trigger", args=[code]))
        except ResponseRefusedError as error:
            trouble = words.word(response_words.REFUSALS, error.code)
        except forms.ValidationError as error:
            trouble = error.messages[0]
    return _page(request, user, found, now, trouble)


def _page(
    request: HttpRequest, user: Author, found: TriggerInfo, now: datetime, trouble: str
) -> HttpResponse:
    programme = _programme_of(found)
    node = lookups.node(found.node_id)
    sees = Right.VIEW in access.rights_on(user, lookups.node(programme.node_id))
    keeps = Right.RESPONSE in access.rights_on(user, node) and found.ended_at is None
    context: dict[str, Any] = {
        "trigger": trigger_view(found, programme, now),
        "crumbs": [_crumb(), Crumb(named(found.title))],
        "place_path": [*crumbs(user, node)[:-1], Crumb(named(node.name), node_url(node))],
        "figures": figures(found, now),
        "settings": setting_rows(found),
        "tried": tried_view(found, now) if found.ended_at is None else None,
        "alone": alone_texts(found, programme),
        "log": log_rows(found),
        "events": [
            event_view(one, node.timezone) for one in events_of_trigger(found, EVENTS_SHOWN)
        ],
        "changes": change_rows(found),
        "sees_programme": sees,
        "keeps": keeps,
        "now": full_moment(now, node.timezone),
        "trouble": trouble,
    }
    status = 422 if trouble else 200
    return render(request, "console/response_trigger.html", context, status=status)


def _programme_of(found: TriggerInfo) -> ProgrammeInfo:
    return programme_by_id(found.programme_id)


def _made(user: Author, form: NewTriggerForm) -> TriggerInfo | None:
    """Return the trigger of the valid form; None: it was refused, and the form says why."""
    try:
        code, now = form.cleaned_data["code"], site_clock().now()
        return response_triggers.create_trigger(user, code, form.new_order(), now)
    except ResponseRefusedError as error:
        _blame(form, error)
        return None


def _blame(form: forms.Form, error: ResponseRefusedError) -> None:
    field = FIELDS.get(error.code, "")
    text = words.word(response_words.REFUSALS, error.code)
    form.add_error(
        field if field in form.fields else None,
        text if error.code in response_words.REFUSALS else str(error),
    )


def _switch_on(_request: HttpRequest, user: Author, code: str, now: datetime) -> str:
    response_triggers.set_trigger_enabled(user, code, now, enabled=True)
    return _("The trigger is on.")


def _switch_off(_request: HttpRequest, user: Author, code: str, now: datetime) -> str:
    response_triggers.set_trigger_enabled(user, code, now, enabled=False)
    return _("The trigger is off. What it proposed is withdrawn.")


def _end(request: HttpRequest, user: Author, code: str, now: datetime) -> str:
    if request.POST.get("sure") != "on":
        trigger_for(user, code, Right.RESPONSE)
        raise forms.ValidationError(_("Tick that you know it: it cannot be switched on again."))
    response_triggers.end_trigger(user, code, now)
    return _("The trigger has ended. Its events and its history stay.")


ACTIONS: Final[dict[str, Callable[[HttpRequest, Author, str, datetime], str]]] = {
    "on": _switch_on,
    "off": _switch_off,
    "end": _end,
}


def _crumb() -> Crumb:
    return Crumb(_("Triggers"), reverse("response-triggers"))


def _form_page(
    request: HttpRequest, form: TriggerForm, path: list[Crumb], title: str, more: dict[str, Any]
) -> HttpResponse:
    context = {
        "form": form,
        "crumbs": path,
        "title": title,
        "back": path[-2].url,
        **more,
    }
    status = 422 if form.errors else 200
    return render(request, "console/response_trigger_form.html", context, status=status)
