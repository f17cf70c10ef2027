"""What an owner sets: a limit, a pause. Errors name the value and what is expected."""

import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from balans.core.words import LoadClass
from balans.storage.consents import PAUSE_MAX
from balans.storage.own_limits import KW_MAX, OwnLimit
from balans.storage.records import LoadInfo
from balans.web.shown.days import moment

EVERY: Final = "all"
CUSTOM: Final = "custom"
PAUSES_H: Final = (1, 3, 12, 24, 168)
SHOWN_LETTERS: Final = 32
NUMBER: Final = re.compile(r"[+-]?\d{1,9}([.,]\d{1,6})?")
KW_LEAST: Final = Decimal("0.1")


class Kilowatts(forms.CharField):
    """A power in kW, with a decimal point or comma."""

    @override
    def clean(self, value: Any) -> Decimal:
        """Return the power.

        Raises
        ------
        ValidationError
            Naming what was given and what is expected.
        """
        text = str(super().clean(value)).replace("\xa0", "").replace(" ", "")
        if not NUMBER.fullmatch(text):
            raise forms.ValidationError(
                gettext("“%(given)s” is no power: give kilowatts, such as 3.5.")
                % {"given": _short(text)}
            )
        kw = Decimal(text.replace(",", "."))
        if not KW_LEAST <= kw <= KW_MAX:
            raise forms.ValidationError(
                gettext("%(given)s kW: give from %(least)s to %(most)s kW.")
                % {"given": _short(text), "least": KW_LEAST, "most": KW_MAX}
            )
        return kw.quantize(Decimal("0.001"))


class LimitForm(forms.Form):
    """An own limit: how much, at which hours, and until when."""

    kw = Kilowatts(
        error_messages={"required": _("Give the power in kilowatts, such as 3.5.")},
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    from_time = forms.TimeField(
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"invalid": _("Give an hour such as 17:00.")},
    )
    to_time = forms.TimeField(
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"invalid": _("Give an hour such as 21:00.")},
    )
    until = forms.CharField(
        required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def __init__(self, zone: ZoneInfo, now: datetime, data: Any = None) -> None:
        super().__init__(data)
        self._zone = zone
        self._now = now

    def clean_until(self) -> datetime | None:
        """Return the end in UTC, None without one."""
        text = self.cleaned_data["until"]
        return instant(text, self._zone, self._now, timedelta(days=366)) if text else None

    @override
    def clean(self) -> dict[str, Any]:
        """Check the hours against each other."""
        given: dict[str, Any] = self.cleaned_data
        start, end = given.get("from_time"), given.get("to_time")
        if "from_time" in self.errors or "to_time" in self.errors:
            return given
        if (start is None) != (end is None):
            missing = "to_time" if end is None else "from_time"
            self.add_error(missing, gettext("Give both hours, or neither for the whole day."))
        elif start is not None and start == end:
            self.add_error(
                "to_time",
                gettext("%(time)s is also the beginning: give another end.")
                % {"time": f"{start:%H:%M}"},
            )
        return given

    def wish(self) -> OwnLimit:
        """Return what is wished for, once the form is valid."""
        given = self.cleaned_data
        return OwnLimit(
            kw=given["kw"],
            from_time=_minutes(given["from_time"]),
            to_time=_minutes(given["to_time"]),
            until=given["until"],
        )


class PauseForm(forms.Form):
    """Which loads load control shall leave alone, and until when."""

    load = forms.ChoiceField()
    hours = forms.ChoiceField(initial="3")
    until = forms.CharField(
        required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def __init__(
        self, loads: list[tuple[str, str]], zone: ZoneInfo, now: datetime, data: Any = None
    ) -> None:
        super().__init__(data, auto_id="id_pause_%s")
        self._zone = zone
        self._now = now
        self._loads = loads
        every = [(EVERY, gettext("All my loads"))] if len(loads) > 1 else []
        choose(self, "load", [*every, *loads])
        choose(self, "hours", [*_pauses(), (CUSTOM, gettext("until the time below"))])

    @override
    def clean(self) -> dict[str, Any]:
        """Work out until when."""
        given: dict[str, Any] = self.cleaned_data
        if "hours" not in given:
            return given
        if given["hours"] != CUSTOM:
            given["end"] = self._now + timedelta(hours=int(given["hours"]))
            return given
        if not given.get("until"):
            self.add_error("until", gettext("Give the time until which the pause shall last."))
            return given
        try:
            given["end"] = instant(given["until"], self._zone, self._now, PAUSE_MAX)
        except forms.ValidationError as error:
            self.add_error("until", error)
        return given

    @property
    def names(self) -> list[str]:
        """The loads that are meant."""
        name = self.cleaned_data["load"]
        return [load for load, _title in self._loads] if name == EVERY else [name]


def choose(form: forms.Form, name: str, choices: list[tuple[Any, str]]) -> None:
    """Give a field its choices."""
    field = form.fields[name]
    if isinstance(field, forms.ChoiceField):
        field.choices = choices


def instant(text: str, zone: ZoneInfo, now: datetime, most: timedelta) -> datetime:
    """Return the local time `text` in UTC; it must lie after `now` and within `most`.

    Raises
    ------
    ValidationError
        Naming what was given and what is expected.
    """
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise forms.ValidationError(
            gettext("“%(given)s” is no time: give day and hour, such as 2026-01-31 18:00.")
            % {"given": _short(text)}
        ) from error
    found = (local.replace(tzinfo=zone) if local.tzinfo is None else local).astimezone(UTC)
    if found <= now:
        raise forms.ValidationError(
            gettext("%(given)s is over: it is %(now)s there now. Give a later time.")
            % {"given": moment(found, zone), "now": moment(now, zone)}
        )
    if found > now + most:
        raise forms.ValidationError(
            gettext("%(given)s is too far away: give a time until %(last)s.")
            % {"given": moment(found, zone), "last": moment(now + most, zone)}
        )
    return found


def owned(loads: tuple[LoadInfo, ...], titles: dict[str, str]) -> list[tuple[str, str]]:
    """Return the loads that can be paused, by name and title."""
    return [(load.name, titles[load.name]) for load in loads if load.load_class != LoadClass.RED]


def _pauses() -> list[tuple[str, str]]:
    return [(str(hours), _hours_or_days(hours)) for hours in PAUSES_H]


def _hours_or_days(hours: int) -> str:
    if hours % 24 == 0:
        days = hours // 24
        return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


def _minutes(given: time | None) -> time | None:
    return given.replace(second=0, microsecond=0) if given else None


def _short(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:SHOWN_LETTERS]
