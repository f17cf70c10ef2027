"""The form that gives a command to a load."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from balans.storage.access import Right
from balans.storage.commands import Author, CommandRefusedError, Wish, create_command
from balans.web.clock import site_clock
from balans.web.shown.people import person
from balans.web.shown.sites import SiteView

MINUTES: Final = (5, 15, 60)
REFUSALS: Final = {
    "red": _("A red load is never switched."),
    "not_released": _("Its owner has not released this load."),
    "no_actuator": _("This load has no switching adapter."),
    "no_gateway": _("This site has no gateway."),
    "reason": _("Say why, in 1 to 500 letters."),
    "ttl": _("Choose another time."),
    "not_here": _("There is no such load here, or it is not yours to switch."),
}


class SwitchForm(forms.Form):
    """Which load, on or off, why, and how long the command may take."""

    load = forms.ChoiceField()
    action = forms.ChoiceField(
        choices=[("off", _("Switch off")), ("on", _("Switch on"))],
        widget=forms.RadioSelect,
        initial="off",
    )
    reason = forms.CharField(
        max_length=500, error_messages={"required": REFUSALS["reason"]}, strip=True
    )
    minutes = forms.TypedChoiceField(coerce=int, initial=15)

    def __init__(self, view: SiteView, data: Any = None) -> None:
        super().__init__(data)
        self.view = view
        choices = [(load.name, view.title_of(load)) for load in view.switchable()]
        self._choices("load", choices)
        if refusal := view.refusal_of(self.data.get("load", "")):
            self.fields["load"].error_messages["invalid_choice"] = REFUSALS[refusal]
        self._choices(
            "minutes",
            [
                (n, ngettext("%(count)d minute", "%(count)d minutes", n) % {"count": n})
                for n in MINUTES
            ],
        )

    def _choices(self, name: str, choices: list[tuple[Any, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def give(self, user: Author) -> bool:
        """Queue the command; return False, with the reason in the form, when it is refused."""
        given = self.cleaned_data
        wish = Wish(
            load_name=given["load"],
            on=given["action"] == "on",
            reason=given["reason"],
            ttl_s=given["minutes"] * 60.0,
        )
        try:
            create_command(user, self.view.site, wish, site_clock().now())
        except CommandRefusedError as error:
            self.add_error(None, str(REFUSALS.get(error.code, error)))
            return False
        return True


def switch_form(request: HttpRequest, view: SiteView | None) -> SwitchForm | None:
    """Return the form for `view`, filled in from a POST; None where nothing can be switched.

    Raises
    ------
    PermissionDenied
        If a command is given by who may not give any here.
    """
    if request.method == "POST":
        if view is None or Right.CONTROL not in view.rights:
            raise PermissionDenied("no right to control")
        return SwitchForm(view, request.POST)
    return SwitchForm(view) if view and view.switchable() else None


def status_of(form: SwitchForm | None) -> int:
    """Return the status of HTTP for a page with `form`: 422 if it came in and cannot be done."""
    return 422 if form and form.errors else 200


def was_given(request: HttpRequest, form: SwitchForm | None) -> bool:
    """Return whether the request gave a command that was queued; it is told on the next page."""
    if request.method != "POST" or form is None or not form.is_valid():
        return False
    if not form.give(person(request)):
        return False
    text = gettext("The command is queued. Its true state appears below.")
    messages.success(request, text)
    return True
