"""Forms of demand response: what a programme says, what an event asks. Times are in minutes."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from balans.core.words import LoadClass, StepKind
from balans.storage.commands import Author
from balans.storage.response_events import ECO_LEVELS, EventOrder
from balans.storage.response_programmes import RANGES
from balans.storage.response_records import ProgrammeInfo, ProgrammeTerms, StepInfo
from balans.web.console.place_field import PlaceField
from balans.web.shown import response_words, words
from balans.web.shown.fields import LocalTime, short

MINUTE_S: Final = 60
MINUTES: Final = {
    "notice_min": "notice_s",
    "longest_min": "max_event_s",
    "pause_min": "pause_s",
    "opt_out_min": "opt_out_s",
    "start_spread_min": "start_spread_s",
    "release_spread_min": "release_spread_s",
}
"""Fields in minutes, and the term in seconds that each of them sets."""
STEPS: Final = 3
CLASSES: Final = (LoadClass.GREEN, LoadClass.YELLOW)
NUMBER: Final = re.compile(r"\d{1,6}([.,]\d{1,3})?", re.ASCII)


def _minutes(term: str) -> forms.IntegerField:
    least, most = RANGES[term]
    return forms.IntegerField(min_value=-(-least // MINUTE_S), max_value=most // MINUTE_S)


def _count(term: str) -> forms.IntegerField:
    least, most = RANGES[term]
    return forms.IntegerField(min_value=least, max_value=most)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


class Power(forms.CharField):
    """A power in kW, or a level, with a decimal point or comma."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        super().__init__(widget=forms.TextInput(attrs=attrs), **options)

    @override
    def clean(self, value: Any) -> Decimal | None:
        """Return the figure, None where nothing was given.

        Raises
        ------
        ValidationError
            If that is none from 0 to a million with up to 3 decimals.
        """
        text = "".join(str(super().clean(value)).split())
        if not text:
            return None
        if not NUMBER.fullmatch(text):
            raise forms.ValidationError(
                gettext("“%(given)s”: give a figure from 0 to 999999, such as 3.5.")
                % {"given": short(text)}
            )
        return Decimal(text.replace(",", "."))


class ProgrammeForm(forms.Form):
    """What a programme says. What the form does not know keeps its value."""

    title = forms.CharField(max_length=200)
    incentive = forms.CharField(
        max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    load_classes = forms.MultipleChoiceField(
        choices=[(one.value, words.LOAD_CLASSES[one]) for one in CLASSES],
        widget=forms.CheckboxSelectMultiple,
    )
    tariffs = forms.CharField(max_length=500, required=False)
    benefits = forms.CharField(max_length=500, required=False)
    consent_needed = forms.BooleanField(required=False)
    priority = _count("priority")
    notice_min = _minutes("notice_s")
    longest_min = _minutes("max_event_s")
    max_per_day = _count("max_per_day")
    max_per_month = _count("max_per_month")
    pause_min = _minutes("pause_s")
    opt_out_min = _minutes("opt_out_s")
    opt_out_within = forms.BooleanField(required=False)
    second_person_kw = Power(required=False)
    start_spread_min = _minutes("start_spread_s")
    release_spread_min = _minutes("release_spread_s")
    fallback_kw = Power(required=False)

    @classmethod
    def of(cls, terms: ProgrammeTerms) -> "ProgrammeForm":
        """Return the form filled with what `terms` say."""
        return cls(initial=cls.values_of(terms))

    @staticmethod
    def values_of(terms: ProgrammeTerms) -> dict[str, Any]:
        """Return the values of the form that say `terms`."""
        plain = ["title", "incentive", "consent_needed", "priority", "max_per_day"]
        plain += ["max_per_month", "opt_out_within", "second_person_kw"]
        initial = {name: getattr(terms, name) for name in plain}
        initial |= {name: getattr(terms, term) // MINUTE_S for name, term in MINUTES.items()}
        initial["load_classes"] = [one.value for one in terms.load_classes]
        initial["tariffs"] = ", ".join(terms.tariffs)
        initial["benefits"] = ", ".join(terms.benefits)
        if terms.fallback_w is not None:
            initial["fallback_kw"] = Decimal(str(terms.fallback_w)) / 1000
        return initial

    def terms(self, before: ProgrammeTerms) -> ProgrammeTerms:
        """Return the terms of the valid form; `before` says what it leaves open."""
        given = self.cleaned_data
        seconds = {term: given[name] * MINUTE_S for name, term in MINUTES.items()}
        fallback = given["fallback_kw"]
        return ProgrammeTerms(
            title=given["title"],
            load_classes=tuple(LoadClass(word) for word in given["load_classes"]),
            tariffs=_words(given["tariffs"]),
            benefits=_words(given["benefits"]),
            incentive=given["incentive"],
            consent_needed=given["consent_needed"],
            priority=given["priority"],
            max_per_day=given["max_per_day"],
            max_per_month=given["max_per_month"],
            opt_out_within=given["opt_out_within"],
            second_person_kw=given["second_person_kw"],
            fallback_w=None if fallback is None else float(fallback) * 1000,
            fallback_after_s=before.fallback_after_s,
            fallback_hold_s=before.fallback_hold_s,
            **seconds,
        )


class NewProgrammeForm(ProgrammeForm):
    """A programme that begins: also its code and its place."""

    code = forms.CharField(max_length=32)

    def __init__(self, user: Author, terms: ProgrammeTerms, data: Any = None) -> None:
        super().__init__(data, initial=self.values_of(terms))
        self.fields["node"] = PlaceField(user)
        self.order_fields(("code", "node"))


class ExemptForm(forms.Form):
    """A place that shall never be asked."""

    reason = forms.CharField(max_length=500, required=False)
    kind = forms.CharField(max_length=32, required=False)

    def __init__(self, user: Author, data: Any = None) -> None:
        super().__init__(data, auto_id="id_exempt_%s")
        self.fields["node"] = PlaceField(user)


class EventForm(forms.Form):
    """What an event asks: up to three steps, one after the other, each as long as it says."""

    programme = forms.ChoiceField()
    kind = forms.ChoiceField(choices=[(one.value, response_words.KINDS[one]) for one in StepKind])
    reason = forms.CharField(max_length=500)
    wanted_kw = Power(required=False)
    priority = forms.IntegerField(min_value=0, max_value=9, required=False)
    emergency = forms.BooleanField(required=False)

    def __init__(
        self, user: Author, programmes: list[ProgrammeInfo], zone: ZoneInfo, data: Any = None
    ) -> None:
        super().__init__(data, initial={"minutes_1": 60})
        self.fields["node"] = PlaceField(user, required=False, empty=_("the whole programme"))
        self.fields["starts"] = LocalTime(zone)
        choices = [(one.code, one.terms.title) for one in programmes]
        self.fields["programme"].choices = choices  # type: ignore[attr-defined]
        for number in range(1, STEPS + 1):
            self.fields[f"minutes_{number}"] = forms.IntegerField(
                min_value=1, max_value=1440, required=number == 1
            )
            self.fields[f"value_{number}"] = Power(required=number == 1)

    @property
    def step_fields(self) -> list[tuple[int, Any, Any]]:
        """The numbered pairs of length and value."""
        return [(n, self[f"minutes_{n}"], self[f"value_{n}"]) for n in range(1, STEPS + 1)]

    @override
    def clean(self) -> dict[str, Any]:
        """Check what concerns several fields."""
        given = self.cleaned_data
        for number in range(1, STEPS + 1):
            minutes, value = given.get(f"minutes_{number}"), given.get(f"value_{number}")
            if number > 1 and (minutes is None) != (value is None):
                lacking = "value" if value is None else "minutes"
                self.add_error(f"{lacking}_{number}", _("Give both length and value, or none."))
            is_eco = given.get("kind") == StepKind.ECO
            if is_eco and value is not None and float(value) not in ECO_LEVELS:
                self.add_error(f"value_{number}", _("Give level 1, 2 or 3."))
        return given

    def order(self) -> EventOrder:
        """Return what the valid form asks for."""
        given = self.cleaned_data
        kind = StepKind(given["kind"])
        scale = 1.0 if kind == StepKind.ECO else 1000.0
        steps, at = [], given["starts"]
        for number in range(1, STEPS + 1):
            minutes, value = given[f"minutes_{number}"], given[f"value_{number}"]
            if minutes is not None and value is not None:
                end = at + timedelta(minutes=minutes)
                steps.append(StepInfo(at, end, float(value) * scale))
                at = end
        return EventOrder(
            programme=given["programme"],
            kind=kind,
            steps=tuple(steps),
            reason=given["reason"],
            node=given["node"],
            wanted_kw=given["wanted_kw"],
            priority=given["priority"],
            emergency=given["emergency"],
        )
