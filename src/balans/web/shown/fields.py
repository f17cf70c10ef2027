"""Fields of forms: local times and figures. Errors name what was given and what is expected."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

SHOWN_LETTERS: Final = 32
FIGURE: Final = re.compile(r"\d{1,12}([.,]\d{1,3})?", re.ASCII)
WHOLE: Final = re.compile(r"\d{1,10}", re.ASCII)
LOCAL: Final = "%Y-%m-%dT%H:%M"


class LocalTime(forms.CharField):
    """A time as the clock of a place shows it; of an hour that comes twice the first is meant."""

    def __init__(self, zone: ZoneInfo, **options: Any) -> None:
        options.setdefault("error_messages", {"required": _("Give day and hour.")})
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
        super().__init__(widget=widget, **options)
        self._zone = zone

    @override
    def clean(self, value: Any) -> datetime | None:
        """Return the time in UTC, None where nothing was given.

        Raises
        ------
        ValidationError
            If that is no time.
        """
        text = str(super().clean(value))
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
            local = found.replace(tzinfo=self._zone) if found.tzinfo is None else found
            return local.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise forms.ValidationError(
                gettext("“%(given)s” is no time: give day and hour, such as 2026-01-31 18:00.")
                % {"given": short(text)}
            ) from error


class Figure(forms.CharField):
    """What a dial shows, in the unit of the resource, with a decimal point or comma."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("error_messages", {"required": _("Give what the meter shows.")})
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        super().__init__(widget=forms.TextInput(attrs=attrs), **options)

    @override
    def clean(self, value: Any) -> Decimal | None:
        """Return the figure, None where nothing was given.

        Raises
        ------
        ValidationError
            If that is no figure of at most 12 digits and 3 decimals.
        """
        text = _bare(super().clean(value))
        if not text:
            return None
        if not FIGURE.fullmatch(text):
            raise forms.ValidationError(
                gettext("“%(given)s” is no reading: give up to 12 digits, such as 1234.567.")
                % {"given": short(text)}
            )
        return Decimal(text.replace(",", "."))


class Pulses(forms.CharField):
    """A register of a channel."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off"}
        super().__init__(widget=forms.TextInput(attrs=attrs), **options)

    @override
    def clean(self, value: Any) -> int | None:
        """Return the pulses, None where nothing was given.

        Raises
        ------
        ValidationError
            If that is no whole number from 0 to 2147483647.
        """
        text = _bare(super().clean(value))
        if not text:
            return None
        if not WHOLE.fullmatch(text) or int(text) >= 2**31:
            raise forms.ValidationError(
                gettext("“%(given)s” is no register: give whole pulses from 0 to 2147483647.")
                % {"given": short(text)}
            )
        return int(text)


def local_text(instant: datetime, zone: ZoneInfo) -> str:
    """Return what a field of type datetime-local begins with."""
    return instant.astimezone(zone).strftime(LOCAL)


def short(text: str) -> str:
    """Return the beginning of `text`, as far as it can be shown."""
    return "".join(letter for letter in text if letter.isprintable())[:SHOWN_LETTERS]


def _bare(value: Any) -> str:
    return re.sub(r"[\s'’]", "", str(value))
