"""Triggers in words: what they watch, how they act, what they saw, and why they did not more."""

from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from balans.domain.response.triggers import Cause, Mode
from balans.domain.transformer import Loading
from balans.storage.response_trigger_sight import Did
from balans.web.shown import response_words

WATCHES: Final[dict[str, Promise]] = {
    "overload": _("Overload of the place"),
    "peak": _("Hours of the peak tariff"),
    "price": _("Price of energy"),
}
WATCH_HELP: Final[dict[str, Promise]] = {
    "overload": _(
        "A network, a transformer or a building draws more than it can carry, or soon will."
    ),
    "peak": _("By the calendar, on the days and at the hours that you give."),
    "price": _("The price of the tariff zone that holds now reaches a mark."),
}
MODES: Final[dict[str, Promise]] = {
    Mode.PROPOSE: _("It proposes"),
    Mode.ACT: _("It acts by itself"),
}
MODE_HELP: Final[dict[str, Promise]] = {
    Mode.PROPOSE: _(
        "It writes a draft that waits in the list of events. Nothing is switched before a person"
        " has announced it."
    ),
    Mode.ACT: _(
        "It announces events without asking anybody, by day and by night, up to the cap. What would"
        " need more waits for a person, as a draft."
    ),
}
LOADINGS: Final[dict[str, Promise]] = {
    Loading.NORMAL_CYCLIC: _("normal cyclic: hot spot up to 120 °C, 1.5 times the rated current"),
    Loading.LONG_EMERGENCY: _("long emergency: hot spot up to 140 °C, 1.8 times the rated current"),
    Loading.SHORT_EMERGENCY: _(
        "short emergency: 2 times the rated current, no limit of temperature"
    ),
}
WEEKDAYS: Final[dict[int, Promise]] = {
    0: pgettext_lazy("weekday", "Mon"),
    1: pgettext_lazy("weekday", "Tue"),
    2: pgettext_lazy("weekday", "Wed"),
    3: pgettext_lazy("weekday", "Thu"),
    4: pgettext_lazy("weekday", "Fri"),
    5: pgettext_lazy("weekday", "Sat"),
    6: pgettext_lazy("weekday", "Sun"),
}
ORDER_ERRORS: Final[dict[str, Promise]] = {
    "end_pct": _("It must lie below the mark at which it begins, or the event would flutter."),
    "price_end": _("It must not lie above the price at which it begins."),
    "least_min": _("It must not be longer than the longest event."),
}
CAUSES: Final[dict[str, Promise]] = {
    Cause.PEAK_TARIFF: pgettext_lazy("cause", "peak tariff"),
    Cause.MEASURED: pgettext_lazy("cause", "overload, measured"),
    Cause.FORECAST: pgettext_lazy("cause", "overload, forecast"),
    Cause.HOT_SPOT: pgettext_lazy("cause", "hot spot of the transformer"),
    Cause.PRICE: pgettext_lazy("cause", "price"),
}
DID: Final[dict[str, Promise]] = {
    Did.NOTHING: pgettext_lazy("trigger", "wishes nothing"),
    Did.CALLED: pgettext_lazy("trigger", "has called an event"),
    Did.FOLLOWS: pgettext_lazy("trigger", "follows its event"),
    Did.CHANGED: pgettext_lazy("trigger", "has changed its event"),
    Did.PROPOSES: pgettext_lazy("trigger", "proposes an event"),
    Did.WITHDREW: pgettext_lazy("trigger", "has withdrawn its proposal"),
    Did.REFUSED: pgettext_lazy("trigger", "wishes an event and may not"),
    Did.FAILED: pgettext_lazy("trigger", "could not look"),
}
DID_TONES: Final[dict[str, str]] = {
    Did.NOTHING: "good",
    Did.CALLED: "warn",
    Did.FOLLOWS: "warn",
    Did.CHANGED: "warn",
    Did.PROPOSES: "warn",
    Did.WITHDREW: "quiet",
    Did.REFUSED: "bad",
    Did.FAILED: "bad",
}
WHY: Final[dict[str, Promise]] = {
    "proposes": _("it only proposes"),
    "cap": _("more would be needed than its cap"),
    "per_day": _("it has begun as many events today as it may"),
    "pause": _("its last event ended too short a time ago"),
    "approval": _("more is expected than one person may call"),
}
REFUSED: Final[dict[str, Promise]] = {
    **response_words.REFUSALS,
    "wanted_kw": _("There is nothing to be held back."),
    "bad_input": _("Its settings cannot be read."),
}
CALLED_OFF: Final[dict[str, Promise]] = {
    "made anew: nobody has decided": _("made anew: nobody has decided"),
    "no longer wanted": _("no longer wanted"),
    "its trigger was switched off": _("its trigger was switched off"),
    "its trigger has ended": _("its trigger has ended"),
}
"""What the storage writes when a trigger takes its draft back."""
CHANGES: Final[dict[str, Promise]] = {
    "made": pgettext_lazy("trigger change", "made"),
    "changed": pgettext_lazy("trigger change", "changed"),
    "on": pgettext_lazy("trigger change", "switched on"),
    "off": pgettext_lazy("trigger change", "switched off"),
    "ended": pgettext_lazy("trigger change", "ended for good"),
}
FIELDS: Final[dict[str, tuple[Any, Any]]] = {
    "title": (_("Title"), _("What colleagues call it, such as “Transformer of Linden Street”.")),
    "code": (_("Code"), _("Latin letters, digits, dots and dashes. It cannot be changed later.")),
    "programme": (_("Programme"), _("Its events are called by the rules of this programme.")),
    "limit_kw": (_("The place can carry, kW"), ""),
    "begin_pct": (_("Begins above, % of that"), ""),
    "end_pct": (_("Ends below, % of that"), ""),
    "held_min": (
        _("Beyond a mark for, min"),
        _("A kettle calls no event: the power must stay beyond the mark for so long."),
    ),
    "lead_min": (_("Looks ahead, min"), _("How early the forecast may begin an event.")),
    "kva": (_("Rated power, kVA"), ""),
    "power_factor": (_("Power factor"), ""),
    "ambient_c": (_("Temperature around it, °C"), _("Of the hottest time that you expect.")),
    "loading": (_("Kind of loading that is accepted"), ""),
    "peak_limit_kw": (_("At most in these hours, kW"), ""),
    "price_begin": (_("An event begins from, per kWh"), _("In the currency of the tariff.")),
    "price_end": (_("It ends below, per kWh"), _("Empty: the same price.")),
    "price_limit_kw": (_("At most while it is dear, kW"), ""),
    "cap_kw": (
        _("Cap: so much it may ask for by itself, kW"),
        _("What has to be given up at the highest moment. More waits for a person."),
    ),
    "least_min": (_("An event lasts at least, min"), ""),
    "most_min": (_("… and at most, min"), _("The programme may allow less.")),
    "per_day": (_("Events a day at most"), ""),
    "pause_min": (_("Between two events, min"), ""),
}
"""Labels of the form, and what is explained below a field."""
