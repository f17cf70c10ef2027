"""What an owner has set, in words: what it means, what one gives up, who set it and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.core.words import LoadClass
from balans.protocols.hub import LoadStatus, SiteStatus
from balans.storage.consents import ConsentInfo
from balans.storage.own_limits import OwnLimit
from balans.storage.records import LimitInfo, LoadInfo
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.limit_tree import limit_title
from balans.web.shown.limit_words import bounds
from balans.web.shown.numbers import decimal, duration, kw

ARRIVED, ON_ITS_WAY = "good", "warn"
SAME_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Through whose eyes a thing is told: the zone of the site, and its present time."""

    zone: ZoneInfo
    now: datetime


def limit_words(limit: LimitInfo | OwnLimit, seen: Seen) -> str:
    """Return how much a limit allows and when.

    Hours and end are local to the site.
    """
    power = _("at most %(power)s") % {"power": _bounds(limit)}
    hours = (
        _("from %(from)s to %(to)s")
        % {"from": f"{limit.from_time:%H:%M}", "to": f"{limit.to_time:%H:%M}"}
        if limit.from_time and limit.to_time
        else _("at all hours")
    )
    until = limit.until if isinstance(limit, OwnLimit) else limit.valid_to
    end = (
        _("until %(time)s") % {"time": moment(until, seen.zone)}
        if until
        else _("until you take it back")
    )
    return f"{power}, {hours}, {end}"


def _bounds(limit: LimitInfo | OwnLimit) -> str:
    if isinstance(limit, OwnLimit):
        return _("%(power)s kW") % {"power": decimal(float(limit.kw), 2)}
    return bounds(limit)


def limit_rows(
    limits: Sequence[LimitInfo], seen: Seen, status: SiteStatus | None, node: str
) -> list[dict[str, Any]]:
    """Return own limits that hold, with whether the gateway can keep them."""
    known = status is not None and any(one.name == node for one in status.nodes)
    return [
        {
            "id": limit.id,
            "words": limit_words(limit, seen),
            "author": limit.author,
            "since": moment(limit.valid_from, seen.zone),
            "measured": known,
        }
        for limit in limits
    ]


def gateway_limits(status: SiteStatus | None, node: str) -> list[str]:
    """Return the limits that were set at the gateway itself for `node`."""
    return [
        _("at most %(power)s kW") % {"power": kw(one.limit_w)}
        for one in (status.own_limits if status else ())
        if one.node == node
    ]


def other_limits(limits: Sequence[LimitInfo]) -> list[str]:
    """Return the limits of others, which hold beside the own."""
    found = []
    for limit in limits:
        text = f"{limit_title(limit.name)}: {bounds(limit)}"
        if limit.from_time and limit.to_time:
            text = f"{text} ({limit.from_time:%H:%M}–{limit.to_time:%H:%M})"
        found.append(text)
    return found


def consent_rows(
    loads: Sequence[LoadInfo],
    titles: dict[str, str],
    seen: Seen,
    status: SiteStatus | None,
) -> list[dict[str, Any]]:
    """Return what is allowed with each load, and whether the gateway goes by it already."""
    states = {load.name: load for load in status.loads} if status else {}
    return [
        {
            "name": load.name,
            "title": titles[load.name],
            "load_class": load.load_class.value,
            "class_word": words.word(words.LOAD_CLASSES, load.load_class),
            "meaning": meaning(load),
            "switchable": load.load_class != LoadClass.RED,
            "released": load.released,
            "paused": _paused(load, seen),
            "gateway": _gateway(load, states.get(load.name), seen),
        }
        for load in loads
    ]


def meaning(load: LoadInfo) -> str:
    """Return what the owner of a load gives up by releasing it."""
    if load.load_class == LoadClass.RED:
        return _("Never switched, whatever happens.")
    power = kw(load.rated_w)
    if load.load_class == LoadClass.YELLOW:
        return _(
            "May be off for at most %(off)s at a time, then it comes back by itself, and is left on"
            " for a while (at least %(on)s). You give up up to %(power)s kW for so long."
        ) % {
            "off": duration(load.max_off_s or 0),
            "on": duration(load.min_on_s),
            "power": power,
        }
    if load.deadline:
        return _(
            "May wait for hours, mostly for the night tariff, and is done by %(time)s. You give up"
            " up to %(power)s kW until then, but no energy."
        ) % {"time": f"{load.deadline:%H:%M}", "power": power}
    return _(
        "May wait for hours, mostly for the night tariff. You give up up to %(power)s kW until"
        " then, but no energy."
    ) % {"power": power}


def past_rows(
    consents: Sequence[ConsentInfo],
    limits: Sequence[LimitInfo],
    titles: dict[str, str],
    seen: Seen,
) -> list[dict[str, str]]:
    """Return who changed what and when, the newest first."""
    events = [(one.at, one.author, _consent_event(one, titles, seen)) for one in consents]
    for limit in limits:
        text = _("own limit: %(limit)s") % {"limit": limit_words(limit, seen)}
        events.append((limit.valid_from, limit.author, text))
        if limit.ended_by and limit.valid_to:
            ended = _("own limit of %(power)s kW taken back") % {
                "power": decimal(float(limit.kw or 0), 2)
            }
            events.append((limit.valid_to, limit.ended_by, ended))
    events.sort(key=lambda event: event[0], reverse=True)
    return [
        {"at": moment(at, seen.zone), "at_iso": at.isoformat(), "author": author, "what": what}
        for at, author, what in events
    ]


def _consent_event(one: ConsentInfo, titles: dict[str, str], seen: Seen) -> str:
    name = titles.get(one.load_name, one.load_name)
    if not one.released:
        return _("%(load)s: not released") % {"load": name}
    if one.paused_until and one.paused_until > one.at:
        until = moment(one.paused_until, seen.zone)
        return _("%(load)s: paused until %(time)s") % {"load": name, "time": until}
    return _("%(load)s: released to load control") % {"load": name}


def _paused(load: LoadInfo, seen: Seen) -> str:
    until = load.paused_until
    return moment(until, seen.zone) if until is not None and until > seen.now else ""


def _gateway(load: LoadInfo, state: LoadStatus | None, seen: Seen) -> dict[str, str]:
    """Return whether the gateway has what was set: its own word, not the wish.

    Whoever stands before the gateway can be stricter there than here, never looser.
    """
    if load.load_class == LoadClass.RED:
        return {}
    if state is None:
        return {"tone": "quiet", "word": _("the gateway has not reported")}
    now_s = seen.now.timestamp()
    wanted_s = max(load.paused_until.timestamp(), now_s) if load.paused_until else now_s
    told_s = max(state.paused_until, now_s) if state.paused_until else now_s
    if load.released < state.released or wanted_s > told_s + SAME_S:
        return {"tone": ON_ITS_WAY, "word": _("on its way to the gateway")}
    if load.released != state.released or told_s > wanted_s + SAME_S:
        return {"tone": ON_ITS_WAY, "word": _("held stricter at the gateway itself, or on its way")}
    return {"tone": ARRIVED, "word": _("in force")}
