"""What load control and people have decided, narrowed down and page by page."""

from datetime import date
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from balans.storage import access, decisions
from balans.storage.access import ForbiddenError, Right
from balans.storage.decisions import Asked, By
from balans.web.shown import words
from balans.web.shown.asked import EARLIEST, LATEST, SHOWN_LETTERS
from balans.web.shown.days import LocalDay
from balans.web.shown.log import log_entry
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.reasons import reason_text
from balans.web.shown.sites import SiteView, any_view

PAGE_SIZE: Final = 25
PAGE_MAX: Final = 1_000_000


class FilterForm(forms.Form):
    """Which decisions to show; what is left empty narrows nothing down."""

    load = forms.ChoiceField(required=False)
    by = forms.ChoiceField(required=False)
    reason = forms.ChoiceField(required=False)
    state = forms.ChoiceField(required=False)
    day = forms.CharField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, view: SiteView, data: Any) -> None:
        super().__init__(data)
        self._choices("load", [(load.name, view.title_of(load)) for load in view.loads])
        self._choices("by", [(By.CONTROL, gettext("load control")), (By.PEOPLE, gettext("people"))])
        reasons = [(code, reason_text(code)) for code in decisions.reasons_of(view.site)]
        self._choices("reason", sorted(reasons, key=lambda pair: pair[1]))
        self._choices("state", [(code, str(word)) for code, word in words.COMMAND_STATES.items()])

    def _choices(self, name: str, choices: list[tuple[Any, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", gettext("all")), *choices]

    def clean_day(self) -> date | None:
        """Return the day that is asked for, None for all.

        Raises
        ------
        ValidationError
            Naming what was given and what is expected.
        """
        text = self.cleaned_data["day"]
        if not text:
            return None
        try:
            found = date.fromisoformat(text)
        except ValueError:
            found = None
        if found is None or not EARLIEST <= found <= LATEST:
            shown = "".join(letter for letter in text if letter.isprintable())[:SHOWN_LETTERS]
            raise forms.ValidationError(
                gettext("“%(given)s”: give a date from %(first)s to %(last)s.")
                % {"given": shown, "first": EARLIEST, "last": LATEST}
            )
        return found

    def asked(self, view: SiteView) -> Asked:
        """Return what is asked for; what was given wrong is left out."""
        given = self.cleaned_data if self.is_valid() else getattr(self, "cleaned_data", {})
        mine = None if view.whole else [load.name for load in view.loads]
        day = LocalDay(given["day"], view.site.timezone) if given.get("day") else None
        return Asked(
            loads=[given["load"]] if given.get("load") else mine,
            by=By(given["by"]) if given.get("by") else None,
            reason=given.get("reason", ""),
            state=given.get("state", ""),
            since=day.start if day else None,
            until=day.end if day else None,
        )


@require_safe
def page(request: HttpRequest, code: str) -> HttpResponse:
    """Show the decisions about the loads of the node `code`."""
    view = any_view(person(request), access.node_for(person(request), code, Right.LIVE))
    if Right.AUDIT not in view.rights:
        raise ForbiddenError(f"node {code}: the right to audit is missing")
    form = FilterForm(view, request.GET)
    found = decisions.page(view.site, form.asked(view), _number(request), PAGE_SIZE)
    titles = {load.name: view.title_of(load) for load in view.loads}
    context = {
        "site": view.site,
        "node": view.node,
        "whole": view.whole,
        "title": view.title,
        "crumbs": crumbs(person(request), view.node, gettext("Decisions")),
        "form": form,
        "narrowed": any(request.GET.get(name) for name in form.fields),
        "found": found,
        "entries": [
            log_entry(one, titles, view.site.timezone, dated=True) for one in found.decisions
        ],
        "is_first": found.number == 1,
        "is_last": found.number == found.last,
    }
    return render(request, "balans/decisions.html", context)


def _number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return min(int(text), PAGE_MAX) if text.isascii() and text.isdigit() else 1
