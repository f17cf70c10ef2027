"""What a new key for a program shall be. Errors name the value and what is expected."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from balans.storage.api_keys import NAME_MAX, KeyOrder, Scope

SCOPE_WORDS: Final[dict[Scope, Promise]] = {
    Scope.READ_REGISTRY: _("read places, metering points and devices"),
    Scope.WRITE_REGISTRY: _("change places, metering points and devices"),
    Scope.READ_READINGS: _("read readings and consumption"),
    Scope.WRITE_READINGS: _("hand in readings"),
    Scope.ASK_READINGS: _("have meters read now"),
    Scope.READ_BALANCES: _("read balances"),
    Scope.READ_EVENTS: _("read events and findings"),
    Scope.WRITE_MARKS: _("mark points as temporarily incorrect"),
    Scope.WRITE_RESPONSE: _("call, cancel and leave events of demand response, keep triggers"),
}
LASTS: Final[dict[str, tuple[Promise, timedelta | None]]] = {
    "30": (_("30 days"), timedelta(days=30)),
    "365": (_("a year"), timedelta(days=365)),
    "never": (pgettext_lazy("key", "without end"), None),
}
CODE_MAX: Final = 64


class KeyForm(forms.Form):
    """Name, place, purposes and end of a key.

    Parameters
    ----------
    scopes
        What the person may hand on somewhere.
    place
        Code of the place that is proposed.
    """

    name = forms.CharField(
        max_length=NAME_MAX,
        error_messages={"required": _("Give it a name, such as that of the program.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    place = forms.RegexField(
        r"\A[A-Za-z0-9_.-]+\Z",
        max_length=CODE_MAX,
        error_messages={
            "required": _("Give the code of a place."),
            "invalid": _("A code has letters, digits, dots, dashes and underlines."),
        },
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "key-places"}),
    )
    scopes = forms.MultipleChoiceField(
        error_messages={"required": _("Choose at least one purpose.")},
        widget=forms.CheckboxSelectMultiple,
    )
    lasts = forms.ChoiceField(
        choices=[(value, label) for value, (label, _span) in LASTS.items()], initial="365"
    )

    def __init__(self, scopes: list[Scope], place: str, data: Any = None) -> None:
        super().__init__(data, initial={"place": place})
        choices = [(scope.value, SCOPE_WORDS[scope]) for scope in scopes]
        self.fields["scopes"].choices = choices  # type: ignore[attr-defined]  # a choice field
        for name in [one for one in self.fields if self.is_bound and one in self.errors]:
            self.fields[name].widget.attrs |= {
                "aria-invalid": "true",
                "aria-describedby": f"id_{name}_error",
            }

    def order(self, now: datetime) -> KeyOrder:
        """Return what is wished for, once the form is valid."""
        given = self.cleaned_data
        span = LASTS[given["lasts"]][1]
        scopes = frozenset(Scope(name) for name in given["scopes"])
        return KeyOrder(given["name"], given["place"], scopes, None if span is None else now + span)
