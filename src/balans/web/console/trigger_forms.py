"""The form of a trigger: what it watches, from when on it wishes, and what it may do alone.

Times are in minutes, shares in per cent, hours those of the place. What the chosen kinds do not
need is not asked for, and not looked at.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from balans.domain.response.triggers import Mode
from balans.domain.transformer import Loading
from balans.storage.commands import Author
from balans.storage.response_records import ProgrammeInfo
from balans.storage.response_triggers import TriggerInfo, TriggerOrder
from balans.web.console.place_field import PlaceField
from balans.web.shown import response_trigger_words as trigger_words
from balans.web.shown.fields import short

WINDOWS: Final = 3
KW_MOST: Final = 1_000_000
DAY_MIN: Final = 1440
FIGURE: Final = re.compile(r"[-−]?\d{1,7}([.,]\d{1,4})?", re.ASCII)
CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):[0-5]\d", re.ASCII)
NEEDS: Final = {
    "overload": ("limit_kw", "begin_pct", "end_pct", "held_min", "lead_min"),
    "thermal": ("kva", "power_factor", "ambient_c", "loading"),
    "peak": ("peak_limit_kw", "weekdays"),
    "price": ("price_begin", "price_end", "price_limit_kw"),
    "act": ("cap_kw",),
}
"""Which fields belong to a choice; all of them are needed with it."""
OPTIONAL: Final = {"price_end"}
USUAL: Final[dict[str, Any]] = {
    "watch": ["overload"],
    "begin_pct": 100,
    "end_pct": 90,
    "held_min": 2,
    "lead_min": 30,
    "power_factor": Decimal("0.95"),
    "ambient_c": 20,
    "loading": Loading.NORMAL_CYCLIC.value,
    "weekdays": [str(day) for day in range(5)],
    "from_1": "17:00",
    "to_1": "21:00",
    "mode": Mode.PROPOSE.value,
    "least_min": 15,
    "most_min": 240,
    "per_day": 3,
    "pause_min": 30,
}


class Between(forms.CharField):
    """A figure from `least` to `most`, with a decimal point or comma."""

    def __init__(self, least: float, most: float, *, whole: bool = False, **options: Any) -> None:
        mode = "text" if least < 0 else "numeric" if whole else "decimal"
        attrs = {"inputmode": mode, "autocomplete": "off"}
        options.setdefault("required", False)
        super().__init__(widget=forms.TextInput(attrs=attrs), max_length=20, **options)
        self.least, self.most, self.whole = least, most, whole

    @override
    def clean(self, value: Any) -> Decimal | None:
        """Return the figure, None where nothing was given.

        Raises
        ------
        ValidationError
            If that is no figure in the range.
        """
        text = "".join(str(super().clean(value)).split())
        if not text:
            return None
        found = None
        if FIGURE.fullmatch(text):
            found = Decimal(text.replace(",", ".").replace("−", "-"))
        fits = found is not None and self.least <= found <= self.most
        if found is None or not fits or (self.whole and found != int(found)):
            raise forms.ValidationError(self.expected() % {"given": short(text)})
        return found

    def expected(self) -> str:
        """Return what is expected, for a refusal and for a field that was left empty."""
        bounds = {"least": f"{self.least:g}", "most": f"{self.most:g}"}
        if self.whole:
            text = gettext("“%(given)s”: give a whole number from %(least)s to %(most)s.")
        else:
            text = gettext("“%(given)s”: give a figure from %(least)s to %(most)s.")
        return text % {"given": "%(given)s", **bounds}

    @override
    def prepare_value(self, value: Any) -> Any:
        """Return a figure as it is typed: without needless digits."""
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class Clock(forms.CharField):
    """A time of the day."""

    def __init__(self) -> None:
        super().__init__(
            required=False, max_length=8, widget=forms.TimeInput(attrs={"type": "time"})
        )

    @override
    def clean(self, value: Any) -> str:
        """Return it as ``HH:MM``, "" where nothing was given; ValidationError for other text."""
        text = str(super().clean(value))
        if text and not CLOCK.fullmatch(text):
            raise forms.ValidationError(
                gettext("“%(given)s” is no time of day: give one such as 17:30.")
                % {"given": short(text)}
            )
        return text.zfill(5) if text else ""


class TriggerForm(forms.Form):
    """What a trigger looks for and may do."""

    title = forms.CharField(max_length=200)
    watch = forms.MultipleChoiceField(
        choices=list(trigger_words.WATCHES.items()),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one thing to watch.")},
    )
    limit_kw = Between(0.001, KW_MOST)
    begin_pct = Between(10, 300)
    end_pct = Between(10, 300)
    held_min = Between(0, 60)
    lead_min = Between(0, DAY_MIN)
    thermal = forms.BooleanField(required=False)
    kva = Between(0.1, KW_MOST)
    power_factor = Between(0.1, 1)
    ambient_c = Between(-50, 60)
    loading = forms.ChoiceField(choices=list(trigger_words.LOADINGS.items()), required=False)
    peak_limit_kw = Between(0.001, KW_MOST)
    weekdays = forms.MultipleChoiceField(
        choices=[(str(day), word) for day, word in trigger_words.WEEKDAYS.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    price_begin = Between(-KW_MOST, KW_MOST)
    price_end = Between(-KW_MOST, KW_MOST)
    price_limit_kw = Between(0.001, KW_MOST)
    mode = forms.ChoiceField(choices=list(trigger_words.MODES.items()), widget=forms.RadioSelect)
    cap_kw = Between(0.001, KW_MOST)
    least_min = Between(1, DAY_MIN, whole=True, required=True)
    most_min = Between(1, DAY_MIN, whole=True, required=True)
    per_day = Between(1, 96, whole=True, required=True)
    pause_min = Between(0, DAY_MIN, whole=True, required=True)

    def __init__(self, data: Any = None, *, initial: Mapping[str, Any] = USUAL) -> None:
        super().__init__(data, initial=dict(initial))
        for number in range(1, WINDOWS + 1):
            self.fields[f"from_{number}"] = Clock()
            self.fields[f"to_{number}"] = Clock()
        self.explain()

    def explain(self) -> None:
        """Give the fields their labels, and what is explained below them."""
        for name, (label, text) in trigger_words.FIELDS.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, text

    @classmethod
    def of(cls, trigger: TriggerInfo, data: Any = None) -> "TriggerForm":
        """Return the form filled with what `trigger` is."""
        return cls(data, initial=filled(trigger))

    @property
    def windows(self) -> list[tuple[int, Any, Any]]:
        """The numbered pairs of hours."""
        return [(n, self[f"from_{n}"], self[f"to_{n}"]) for n in range(1, WINDOWS + 1)]

    @property
    def watches(self) -> list[tuple[Any, Any]]:
        """What can be watched: the box, and what it means."""
        return [(box, trigger_words.WATCH_HELP[box.data["value"]]) for box in self["watch"]]

    @property
    def modes(self) -> list[tuple[Any, Any]]:
        """How it may act: the button, and what it means."""
        return [(one, trigger_words.MODE_HELP[one.data["value"]]) for one in self["mode"]]

    @property
    def chosen(self) -> frozenset[str]:
        """The choices that are made, of `NEEDS`."""
        given = self.cleaned_data
        found = set(given.get("watch", []))
        if "overload" in found and given.get("thermal"):
            found.add("thermal")
        if given.get("mode") == Mode.ACT:
            found.add("act")
        return frozenset(found)

    @override
    def clean(self) -> dict[str, Any]:
        """Check what the choices need, and what concerns several fields."""
        chosen = self.chosen
        for choice, names in NEEDS.items():
            for name in names:
                if choice not in chosen:
                    self.errors.pop(name, None)
                elif self.cleaned_data.get(name) in (None, "", []) and name not in self.errors:
                    self._demand(name)
        self._check_order("end_pct", "begin_pct", "overload", strictly=True)
        self._check_order("price_end", "price_begin", "price")
        self._check_order("least_min", "most_min", "")
        self._check_windows(is_asked="peak" in chosen)
        return self.cleaned_data

    def _demand(self, name: str) -> None:
        if name in OPTIONAL:
            return
        if name == "weekdays":
            self.add_error(name, _("Choose at least one day."))
        else:
            self.add_error(name, _("Give a value."))

    def _check_order(self, low: str, high: str, choice: str, *, strictly: bool = False) -> None:
        if choice and choice not in self.chosen:
            return
        less, more = self.cleaned_data.get(low), self.cleaned_data.get(high)
        if less is None or more is None or less < more or (less == more and not strictly):
            return
        self.add_error(low, str(trigger_words.ORDER_ERRORS[low]))

    def _check_windows(self, *, is_asked: bool) -> None:
        given, whole = self.cleaned_data, 0
        for number in range(1, WINDOWS + 1):
            first, last = f"from_{number}", f"to_{number}"
            if not is_asked:
                self.errors.pop(first, None)
                self.errors.pop(last, None)
            elif given.get(first) and given.get(last):
                whole += 1
            elif given.get(first) or given.get(last):
                lacking = last if given.get(first) else first
                if lacking not in self.errors:
                    self.add_error(lacking, _("Give both hours, or none."))
        if is_asked and not whole and not {"from_1", "to_1"} & set(self.errors):
            self.add_error("from_1", _("Give the hours of the peak tariff."))

    def settings(self) -> dict[str, Any]:
        """Return the settings of the valid form, as `usecases.trigger_rules` reads them."""
        given, chosen = self.cleaned_data, self.chosen
        found: dict[str, Any] = {
            "least_s": _seconds(given["least_min"]),
            "most_s": _seconds(given["most_min"]),
            "per_day": int(given["per_day"]),
            "pause_s": _seconds(given["pause_min"]),
        }
        if "overload" in chosen:
            found["overload"] = {
                "limit_kw": float(given["limit_kw"]),
                "begin_share": float(given["begin_pct"] / 100),
                "end_share": float(given["end_pct"] / 100),
                "held_for_s": _seconds(given["held_min"]),
                "lead_s": _seconds(given["lead_min"]),
            }
        if "thermal" in chosen:
            numbers = {name: float(given[name]) for name in ("kva", "power_factor", "ambient_c")}
            found["transformer"] = {**numbers, "loading": given["loading"]}
        if "peak" in chosen:
            pairs = [[given[f"from_{n}"], given[f"to_{n}"]] for n in range(1, WINDOWS + 1)]
            found["peak"] = {
                "limit_kw": float(given["peak_limit_kw"]),
                "weekdays": sorted(int(day) for day in given["weekdays"]),
                "windows": [pair for pair in pairs if all(pair)],
            }
        if "price" in chosen:
            end = given["price_end"]
            found["price"] = {
                "limit_kw": float(given["price_limit_kw"]),
                "begin": float(given["price_begin"]),
                "end": float(given["price_begin"] if end is None else end),
            }
        return found

    def order(self, programme: str = "", node: str = "", *, enabled: bool = False) -> TriggerOrder:
        """Return what the valid form asks for."""
        given = self.cleaned_data
        acts = given["mode"] == Mode.ACT
        return TriggerOrder(
            programme=programme,
            node=node,
            title=given["title"],
            settings=self.settings(),
            mode=Mode(given["mode"]),
            cap_kw=given["cap_kw"].quantize(Decimal("0.001")) if acts else Decimal(0),
            enabled=enabled,
        )


class NewTriggerForm(TriggerForm):
    """A trigger that begins: also its code, its programme and its place."""

    code = forms.CharField(max_length=64)
    programme = forms.ChoiceField()

    def __init__(
        self, user: Author, programmes: list[ProgrammeInfo], data: Any = None, programme: str = ""
    ) -> None:
        super().__init__(data, initial={**USUAL, "programme": programme})
        self.fields["node"] = PlaceField(user, required=False, empty=_("the whole programme"))
        choices = [(one.code, one.terms.title) for one in programmes]
        self.fields["programme"].choices = choices  # type: ignore[attr-defined]
        self.explain()

    def new_order(self) -> TriggerOrder:
        """Return what the valid form asks for; it is switched on after it has been read."""
        given = self.cleaned_data
        return self.order(given["programme"], given["node"])


def filled(trigger: TriggerInfo) -> dict[str, Any]:
    """Return the values of the form for `trigger`; what it does not use has the usual ones."""
    settings = trigger.settings
    parts = {name: settings.get(name) or {} for name in ("overload", "peak", "price")}
    parts |= {"": settings, "transformer": settings.get("transformer") or {}}
    peak = parts["peak"]
    found = dict(USUAL) | {
        "title": trigger.title,
        "watch": [name for name in trigger_words.WATCHES if settings.get(name)],
        "thermal": bool(parts["transformer"]),
        "mode": trigger.mode.value,
        "cap_kw": trigger.cap_kw or None,
        "per_day": settings.get("per_day", USUAL["per_day"]),
    }
    if loading := parts["transformer"].get("loading"):
        found["loading"] = loading
    for name, part, key in _FIGURES:
        there = parts[part]
        found |= {name: _figure(there[key])} if key in there else {}
    for name, part, key, scale in _SCALED:
        there = parts[part]
        found |= {name: _figure(round(there[key] * scale, 3))} if key in there else {}
    if peak:
        found |= {"weekdays": [str(day) for day in peak.get("weekdays", range(5))]}
        found |= {"from_1": "", "to_1": ""}
        for number, (first, last) in enumerate(peak["windows"][:WINDOWS], 1):
            found |= {f"from_{number}": first[:5], f"to_{number}": last[:5]}
    return found


_FIGURES: Final = (
    ("limit_kw", "overload", "limit_kw"),
    ("peak_limit_kw", "peak", "limit_kw"),
    ("price_limit_kw", "price", "limit_kw"),
    ("price_begin", "price", "begin"),
    ("price_end", "price", "end"),
    ("kva", "transformer", "kva"),
    ("power_factor", "transformer", "power_factor"),
    ("ambient_c", "transformer", "ambient_c"),
)
_SCALED: Final = (
    ("begin_pct", "overload", "begin_share", 100),
    ("end_pct", "overload", "end_share", 100),
    ("held_min", "overload", "held_for_s", 1 / 60),
    ("lead_min", "overload", "lead_s", 1 / 60),
    ("least_min", "", "least_s", 1 / 60),
    ("most_min", "", "most_s", 1 / 60),
    ("pause_min", "", "pause_s", 1 / 60),
)
"""Field, part of the settings, name there, and what one there is worth in the field."""


def _figure(value: float) -> Decimal:
    return Decimal(str(value))


def _seconds(minutes: Decimal) -> int:
    return round(minutes * 60)
