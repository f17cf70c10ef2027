"""What a trigger looks for, may do, and saw, in sentences."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.domain.response.triggers import Mode, Overload
from balans.storage.response_records import ProgrammeInfo
from balans.storage.response_trigger_sight import Did, Sight
from balans.storage.response_triggers import TriggerInfo
from balans.usecases.trigger_rules import Rated, Settings, read_settings
from balans.web.shown import response_trigger_words as trigger_words
from balans.web.shown import response_words, words
from balans.web.shown.days import clock_label
from balans.web.shown.numbers import decimal, duration

NEVER: Final = "–"
TOLD: Final = re.compile(
    r"(?P<causes>[a-z ,]+): [^:;]*, expected up to (?P<expected>[\d.]+) kW,"
    r" limit (?P<limit>[\d.]+) kW(; .*)?"
)
"""The reason of an event as a trigger writes it: `storage.response_trigger_work.told`."""
BY_TRIGGER: Final = "trigger "


def watch_words(trigger: TriggerInfo) -> list[str]:
    """Return what a trigger watches."""
    return [str(word) for name, word in trigger_words.WATCHES.items() if trigger.settings.get(name)]


def saw_text(sight: Sight) -> str:
    """Return what a look saw."""
    if sight.did == Did.FAILED:
        return NEVER
    parts = [_("power unknown") if sight.power_w is None else f"{_kw(sight.power_w)} {_('kW')}"]
    if sight.held_w:
        parts.append(_("up to %(kw)s kW held back") % {"kw": _kw(sight.held_w)})
    if sight.hot_c is not None:
        parts.append(_("hot spot up to %(degrees)s °C") % {"degrees": decimal(sight.hot_c, 0)})
    if sight.price is not None:
        parts.append(_("price %(price)s per kWh") % {"price": decimal(sight.price, 4)})
    return ", ".join(parts)


def wish_text(sight: Sight) -> str:
    """Return what a look wished for, and why; empty: nothing."""
    if sight.limit_w is None or sight.expected_w is None:
        return ""
    values = {"limit": _kw(sight.limit_w), "expected": _kw(sight.expected_w)}
    causes = ", ".join(words.word(trigger_words.CAUSES, cause) for cause in sight.causes)
    text = _("hold the place to %(limit)s kW; up to %(expected)s kW are expected") % values
    return f"{causes}: {text}"


def reason_text(reason: str) -> str:
    """Return why an event was called or called off: a person's own words, or a trigger's."""
    told = TOLD.fullmatch(reason)
    if told is None:
        return words.word(trigger_words.CALLED_OFF, reason)
    causes = [cause.replace(" ", "_") for cause in told["causes"].split(", ")]
    values = {
        "causes": ", ".join(words.word(trigger_words.CAUSES, cause) for cause in causes),
        "expected": decimal(float(told["expected"]), 1),
        "limit": decimal(float(told["limit"]), 1),
    }
    return _("%(causes)s: up to %(expected)s kW expected, limit %(limit)s kW") % values


def author_text(author: str) -> str:
    """Return who did something with an event: a person, the product itself, or a trigger."""
    if author.startswith(BY_TRIGGER):
        return _("trigger %(code)s") % {"code": author.removeprefix(BY_TRIGGER)}
    return words.word(response_words.AUTHORS, author)


def why_text(sight: Sight) -> str:
    """Return why a look came to no more."""
    table = trigger_words.WHY if sight.did == Did.PROPOSES else trigger_words.REFUSED
    return "; ".join(words.word(table, code) for code in sight.why)


def setting_rows(trigger: TriggerInfo) -> list[tuple[str, str]]:
    """Return what a trigger looks for, line by line."""
    settings = read_settings(trigger.settings)
    rule = settings.rule
    rows: list[tuple[str, str]] = []
    if rule.overload is not None:
        rows += _overload_rows(rule.overload)
        rows += [] if settings.rated is None else [_rated_row(settings.rated)]
    if rule.peak is not None:
        peak = trigger.settings["peak"]
        when = _("%(days)s: %(hours)s; at most %(kw)s kW") % {
            "days": _days(peak.get("weekdays", range(5))),
            "hours": ", ".join(f"{first[:5]}–{last[:5]}" for first, last in peak["windows"]),
            "kw": _kw(rule.peak.limit_w),
        }
        rows.append((str(trigger_words.WATCHES["peak"]), when))
    if rule.price is not None:
        values = {
            "begin": decimal(rule.price.begin, 4),
            "end": decimal(rule.price.end, 4),
            "kw": _kw(rule.price.limit_w),
        }
        text = _("from %(begin)s per kWh on, until it is below %(end)s; at most %(kw)s kW") % values
        rows.append((str(trigger_words.WATCHES["price"]), text))
    lasts = {"least": duration(rule.least_s), "most": duration(rule.most_s)}
    return [*rows, (_("An event lasts"), _("%(least)s to %(most)s") % lasts)]


def alone_texts(trigger: TriggerInfo, programme: ProgrammeInfo) -> list[str]:
    """Return what happens without a person while the trigger is on, sentence by sentence."""
    settings = read_settings(trigger.settings)
    if trigger.mode is not Mode.ACT:
        return [
            _("Nothing is switched without a person: it writes a draft, a person announces it."),
            _("A draft that nobody decides on is made anew while it is wanted, then withdrawn."),
            _("When what it wished for is over, it ends the event that came of its draft earlier."),
        ]
    return [*_acting_texts(trigger, settings, programme), *_bound_texts()]


def _acting_texts(trigger: TriggerInfo, settings: Settings, programme: ProgrammeInfo) -> list[str]:
    values = {
        "kw": decimal(float(trigger.cap_kw), 1),
        "count": settings.per_day,
        "pause": duration(settings.pause_s),
        "most": duration(settings.rule.most_s),
    }
    found = [
        _(
            "It announces events by itself, without asking anybody: gateways then hold back loads"
            " within seconds."
        ),
        _(
            "It asks for at most %(kw)s kW, at most %(count)s times a day with at least %(pause)s"
            " between two events, and for up to %(most)s each time."
        )
        % values,
        _(
            "At a place of one site it lengthens its event while the wish lasts, and asks for more"
            " where more is needed, up to the cap."
        ),
        _("What would need more than the cap is written as a draft and waits for a person."),
    ]
    second = programme.terms.second_person_kw
    if second is not None:
        text = _("Above %(kw)s kW the programme wants a second person: that waits as a draft too.")
        found.append(text % {"kw": decimal(float(second), 1)})
    if programme.terms.notice_s:
        text = _("Events begin %(notice)s after they are announced, as the programme promises.")
        found.append(text % {"notice": duration(programme.terms.notice_s)})
    return found


def _bound_texts() -> list[str]:
    return [
        _("Red loads are never switched, yellow ones return after 15 minutes at the latest."),
        _(
            "You can cancel its event at any time, or switch the trigger off: then it calls no"
            " more, and an event that runs goes on to its end."
        ),
    ]


def change_text(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what of a trigger was changed; empty where nothing is worth telling."""
    parts = []
    if "mode" in after:
        parts.append(words.word(trigger_words.MODES, after["mode"]))
    if "cap_kw" in before:
        values = {"before": decimal(float(before["cap_kw"]), 1)}
        values["after"] = decimal(float(after["cap_kw"]), 1)
        parts.append(_("cap %(before)s → %(after)s kW") % values)
    if "settings" in before:
        parts.append(_("what it looks for"))
    return ", ".join(parts)


def clock_text(at_s: float, zone: ZoneInfo) -> str:
    """Return the local time of a look."""
    return clock_label(datetime.fromtimestamp(at_s, UTC), zone)


def _overload_rows(rule: Overload) -> list[tuple[str, str]]:
    values = {
        "limit": _kw(rule.limit_w),
        "begin": _kw(rule.begin_share * rule.limit_w),
        "end": _kw(rule.end_share * rule.limit_w),
        "held": duration(rule.held_for_s),
        "lead": duration(rule.lead_s),
    }
    return [
        (str(trigger_words.WATCHES["overload"]), _("limit %(limit)s kW") % values),
        (
            _("Measured"),
            _("begins above %(begin)s kW for %(held)s, ends below %(end)s kW for as long") % values,
        ),
        (_("Forecast"), _("looks %(lead)s ahead, from the third day of history on") % values),
    ]


def _rated_row(rated: Rated) -> tuple[str, str]:
    values = {
        "kva": decimal(rated.kva, 0),
        "factor": decimal(rated.power_factor, 2),
        "ambient": decimal(rated.ambient_c, 0),
        "loading": words.word(trigger_words.LOADINGS, rated.loading),
    }
    text = _("%(kva)s kVA, power factor %(factor)s, %(ambient)s °C around it; %(loading)s") % values
    return (_("Hot spot of the transformer"), text)


def _days(days: Any) -> str:
    return ", ".join(str(trigger_words.WEEKDAYS[day]) for day in sorted(days))


def _kw(power_w: float) -> str:
    return decimal(power_w / 1000, 1)
