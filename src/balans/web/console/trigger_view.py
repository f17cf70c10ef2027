"""Triggers of demand response as pages show them."""

from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from balans.domain.response.triggers import Mode
from balans.storage import lookups
from balans.storage.response_records import ProgrammeInfo, ProgrammeState
from balans.storage.response_trigger_shown import (
    begun_on,
    changes_of_trigger,
    last_sight,
    sights_of,
)
from balans.storage.response_trigger_sight import Sight
from balans.storage.response_trigger_tried import DAYS, Tried, tried
from balans.storage.response_triggers import TriggerInfo
from balans.usecases.trigger_rules import read_settings
from balans.web.shown import response_trigger_words as trigger_words
from balans.web.shown import words
from balans.web.shown.days import full_moment, moment
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal, duration
from balans.web.shown.response_trigger_texts import (
    change_text,
    saw_text,
    watch_words,
    why_text,
    wish_text,
)

SILENT: Final = timedelta(minutes=5)
"""A trigger that has not looked for so long does not look."""


def trigger_view(trigger: TriggerInfo, programme: ProgrammeInfo, now: datetime) -> dict[str, Any]:
    """Return a trigger in words."""
    zone = lookups.node(trigger.node_id).timezone
    state, tone = _state(trigger, programme, now)
    acts = trigger.mode is Mode.ACT
    return {
        "code": trigger.code,
        "title": named(trigger.title),
        "url": reverse("response-trigger", args=[trigger.code]),
        "place": named(trigger.node_name),
        "programme": named(programme.terms.title),
        "programme_url": reverse("response-programme", args=[programme.code]),
        "watches": watch_words(trigger),
        "mode": words.word(trigger_words.MODES, trigger.mode),
        "acts": acts,
        "cap": decimal(float(trigger.cap_kw), 1) if acts else "",
        "state": state,
        "tone": tone,
        "is_on": trigger.enabled,
        "ended": full_moment(trigger.ended_at, zone) if trigger.ended_at else "",
        "looked": moment(trigger.looked_at, zone, seconds=True) if trigger.looked_at else "",
        "event": trigger.event_code,
        "event_url": reverse("response-event", args=[trigger.event_code])
        if trigger.event_code
        else "",
        "now": sight_view(last_sight(trigger), zone),
    }


def sight_view(sight: Sight | None, zone: ZoneInfo) -> dict[str, str] | None:
    """Return a look in words; None: there was none."""
    if sight is None:
        return None
    at = datetime.fromtimestamp(sight.at_s, zone)
    return {
        "at": moment(at, zone),
        "at_iso": at.isoformat(),
        "saw": saw_text(sight),
        "wish": wish_text(sight),
        "did": words.word(trigger_words.DID, sight.did),
        "tone": trigger_words.DID_TONES[sight.did],
        "why": why_text(sight),
        "event": sight.event,
        "event_url": reverse("response-event", args=[sight.event]) if sight.event else "",
    }


def figures(trigger: TriggerInfo, now: datetime) -> list[dict[str, str]]:
    """Return what a trigger sees now, as figures with their units."""
    sight, settings = last_sight(trigger), read_settings(trigger.settings)
    today = now.astimezone(lookups.node(trigger.node_id).timezone).date().isoformat()
    kilowatt = _("kW")
    found = []
    if sight is not None:
        power = None if sight.power_w is None else sight.power_w / 1000
        found.append({"name": _("Power now"), "value": decimal(power, 1), "unit": kilowatt})
        if sight.limit_w is not None:
            limit = decimal(sight.limit_w / 1000, 1)
            found.append({"name": _("Wished limit"), "value": limit, "unit": kilowatt})
        if sight.hot_c is not None:
            name = _("Hot spot, expected")
            found.append({"name": name, "value": decimal(sight.hot_c, 0), "unit": "°C"})
        if sight.price is not None:
            found.append({"name": _("Price"), "value": decimal(sight.price, 4), "unit": "/kWh"})
    count = _("%(count)s of %(most)s") % {
        "count": begun_on(trigger, today),
        "most": settings.per_day,
    }
    return [*found, {"name": _("Events today"), "value": count, "unit": ""}]


def tried_view(trigger: TriggerInfo, now: datetime) -> dict[str, str] | None:
    """Return what a trigger would have wished for in the last days; None: that is not known."""
    node, settings = lookups.node(trigger.node_id), read_settings(trigger.settings)
    found = tried(node, settings.rule, now)
    if found is None:
        return None
    return {
        "days": str(DAYS),
        "begun": decimal(found.begun, 0),
        "lasted": duration(found.wished_s),
        "highest": decimal(found.highest_w / 1000, 1),
        "most": decimal(found.most_w / 1000, 1),
        "known": decimal(100 * found.known_share, 0),
        "over_cap": "1" if _is_over_cap(trigger, found) else "",
    }


def _is_over_cap(trigger: TriggerInfo, found: Tried) -> bool:
    return trigger.mode is Mode.ACT and found.most_w > float(trigger.cap_kw * 1000)


def log_rows(trigger: TriggerInfo) -> list[dict[str, str]]:
    """Return the looks of a trigger at which something happened, the newest first."""
    zone = lookups.node(trigger.node_id).timezone
    return [row for row in (sight_view(one, zone) for one in sights_of(trigger)) if row]


def change_rows(trigger: TriggerInfo) -> list[dict[str, str]]:
    """Return who changed a trigger, the newest first."""
    zone = lookups.node(trigger.node_id).timezone
    return [
        {
            "at": full_moment(one.at, zone),
            "at_iso": one.at.isoformat(),
            "author": one.author,
            "what": words.word(trigger_words.CHANGES, one.what),
            "detail": change_text(one.before, one.after) if one.what != "made" else "",
        }
        for one in changes_of_trigger(trigger)
    ]


def _state(trigger: TriggerInfo, programme: ProgrammeInfo, now: datetime) -> tuple[str, str]:
    """Return whether a trigger watches, and the tone of that."""
    silent = trigger.looked_at is None or now - trigger.looked_at > SILENT
    checks = (
        (trigger.ended_at is not None, pgettext("trigger state", "ended"), "quiet"),
        (not trigger.enabled, pgettext("trigger state", "off"), "quiet"),
        (programme.state != ProgrammeState.OPEN, _("programme not open"), "warn"),
        (trigger.looked_at is None, _("on, has not looked yet"), "warn"),
        (silent, _("on, but does not look"), "bad"),
    )
    found = ((word, tone) for holds, word, tone in checks if holds)
    return next(found, (pgettext("trigger state", "on watch"), "good"))
