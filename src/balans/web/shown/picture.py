"""The live picture of a site as a flat table of texts.

The page is rendered from it and the stream sends what changed in it, so both always agree.
Keys are ``site.…``, ``guard.…``, ``load.<name>.…`` and ``node.<name>.…``; an empty text hides what
shows it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from balans.core.words import LoadClass
from balans.protocols.hub import LoadStatus, SiteStatus
from balans.usecases.judge_load import level
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.guards import guard_texts
from balans.web.shown.levels import gauge
from balans.web.shown.limit_tree import limit_title, node_texts
from balans.web.shown.numbers import MISSING, decimal, duration, duration_forms, kw, kw_digits
from balans.web.shown.reasons import reason_text

STALE_AFTER: Final = 3
DEAD_AFTER: Final = 9

LOAD_TONES: Final = {"on": "good", "off": "warn", "switching": "warn", "unknown": "quiet"}
ATTENTION: Final = frozenset({"off", "switching"})
"""States of loads that stand first in a list and are kept when it is narrowed down."""

Picture = dict[str, str]


@dataclass(frozen=True, slots=True)
class Heard:
    """A status of a site, and how long ago it came [s of the wall clock]."""

    status: SiteStatus
    age_s: float

    @property
    def freshness(self) -> str:
        """How far the status can be trusted: fresh, stale (3 intervals) or dead (9)."""
        if self.age_s < STALE_AFTER * self.status.valid_s:
            return "fresh"
        return "stale" if self.age_s < DEAD_AFTER * self.status.valid_s else "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What a reader sees of a site: some of its loads, or with `whole` its power and limit too.

    `node` is where the reader stands in the tree of limits; "" is the site itself.
    """

    loads: tuple[str, ...]
    whole: bool
    zone: ZoneInfo
    node: str = ""


def picture(heard: Heard | None, reader: Reader, speed: float) -> Picture:
    """Return the texts of a site for `reader`.

    Parameters
    ----------
    heard
        The last status; None before the first.
    reader
        Nothing else is mentioned.
    speed
        Seconds of the site's clock in a second of the reader's, for counting down.
    """
    texts = _freshness(heard, reader.zone)
    texts["speed"] = f"{speed:g}"
    texts.update({f"form.{size}": form for size, form in duration_forms().items()})
    states = {load.name: load for load in heard.status.loads} if heard else {}
    dead = heard is None or heard.freshness == "dead"
    off = 0
    for name in reader.loads:
        state = states.get(name)
        off += state is not None and not state.on
        texts.update(_load(name, state, reader.zone, dead=dead))
    texts["site.off"] = _off_count(off)
    texts.update(guard_texts(None if heard is None or dead else heard.status, reader.zone))
    if heard and (reader.whole or reader.node):
        texts.update(node_texts(heard.status, reader.node, dead=dead))
    if reader.whole:
        texts.update(_site(heard))
    texts["announce"] = _announcement(texts)
    return texts


def changes(before: Picture, after: Picture) -> Picture:
    """Return what of `after` differs from `before`."""
    return {key: text for key, text in after.items() if before.get(key) != text}


def _freshness(heard: Heard | None, zone: ZoneInfo) -> Picture:
    state = heard.freshness if heard else "waiting"
    return {
        "site.freshness": state,
        "site.freshness_word": words.word(words.FRESHNESS, state),
        "site.freshness_tone": words.FRESHNESS_TONES[state],
        "site.age_s": f"{heard.age_s:.0f}" if heard else "",
        "site.stale_s": f"{STALE_AFTER * heard.status.valid_s:.0f}" if heard else "",
        "site.time": moment(datetime.fromtimestamp(heard.status.time, UTC), zone) if heard else "",
    }


def _site(heard: Heard | None) -> Picture:
    if heard is None:
        return _site_texts(None, None, "", ()) | {"site.sensor_silent": ""}
    status = heard.status
    shown_w = status.site_w if status.sensor_ok else None
    texts = _site_texts(shown_w, status.limit_w, status.limit, status.phase_w)
    texts["site.sensor_silent"] = "" if status.sensor_ok else "1"
    if heard.freshness != "fresh":
        texts["site.level_tone"] = "quiet"
    if heard.freshness == "dead":
        word = _("Unknown now; last: %(level)s")
        texts["site.level_word"] = word % {"level": texts["site.level_word"].lower()}
    return texts


def _site_texts(
    site_w: float | None, limit_w: float | None, limit: str, phase_w: tuple[float, ...]
) -> Picture:
    digits = kw_digits(max(site_w or 0, limit_w or 0))
    at = level(site_w, limit_w)
    known = site_w is not None and limit_w is not None
    fill, mark = gauge(site_w, limit_w)
    texts = {
        "site.load": kw(site_w, digits),
        "site.limit": kw(limit_w, digits),
        "site.limit_name": limit_title(limit),
        "site.headroom": kw((limit_w or 0) - (site_w or 0), digits) if known else MISSING,
        "site.share": _share(site_w, limit_w),
        "site.level": at,
        "site.level_word": words.word(words.LEVELS, at),
        "site.level_tone": words.LEVEL_TONES[at],
        "site.gauge_fill": fill,
        "site.gauge_mark": mark,
    }
    for phase in range(3):
        texts[f"site.L{phase + 1}"] = (
            kw(phase_w[phase], digits) if phase < len(phase_w) else MISSING
        )
    return texts


def _share(site_w: float | None, limit_w: float | None) -> str:
    if site_w is None or not limit_w:
        return ""
    return f"{decimal(100 * site_w / limit_w, 0)} %"


def _load(name: str, state: LoadStatus | None, zone: ZoneInfo, *, dead: bool) -> Picture:
    known = state is not None and not dead
    left_s = state.off_left_s if known and state is not None else None
    code = _state_code(state, known=known)
    return {
        f"load.{name}.state": code,
        f"load.{name}.word": _state_word(state, known=known),
        f"load.{name}.tone": LOAD_TONES[code],
        f"load.{name}.busy": "true" if code == "switching" else "false",
        f"load.{name}.on": "false" if code in ATTENTION else "true",
        f"load.{name}.power": _power(state, known=known),
        f"load.{name}.reason": reason_text(state.reason) if known and state is not None else "",
        f"load.{name}.consent": consent_text(state, zone) if known and state is not None else "",
        f"load.{name}.left_s": "" if left_s is None else f"{left_s:.0f}",
        f"load.{name}.left": "" if left_s is None else duration(left_s),
    }


def _state_code(state: LoadStatus | None, *, known: bool) -> str:
    if state is None or not known:
        return "unknown"
    if state.ordered is not None and state.ordered != state.on:
        return "switching"
    return "on" if state.on else "off"


def _state_word(state: LoadStatus | None, *, known: bool) -> str:
    if state is None:
        return _("No data yet")
    if _state_code(state, known=known) == "switching":
        return _("Switching on…") if state.ordered else _("Switching off…")
    if known:
        return _("On") if state.on else _("Switched off")
    return _("Unknown, last on") if state.on else _("Unknown, last off")


def _power(state: LoadStatus | None, *, known: bool) -> str:
    if not known or state is None or state.power_w is None:
        return MISSING
    return f"{kw(state.power_w, 2)} {_('kW')}"


def consent_text(state: LoadStatus, zone: ZoneInfo) -> str:
    """Return why load control leaves a load alone by its owner's wish, or ""."""
    if state.load_class == LoadClass.RED:
        return ""
    if not state.released:
        return _("not released by its owner")
    if state.paused_until is None:
        return ""
    until = moment(datetime.fromtimestamp(state.paused_until, UTC), zone)
    return _("paused until %(time)s") % {"time": until}


def _off_count(off: int) -> str:
    return ngettext("%(count)d load is off", "%(count)d loads are off", off) % {"count": off}


def _announcement(texts: Picture) -> str:
    """Return one sentence for screen readers."""
    if texts["site.freshness"] != "fresh":
        return texts["site.freshness_word"]
    if "site.load" not in texts:
        return texts["site.off"]
    return _("%(level)s: load %(load)s kW, limit %(limit)s kW. %(off)s.") % {
        "level": texts["site.level_word"],
        "load": texts["site.load"],
        "limit": texts["site.limit"],
        "off": texts["site.off"],
    }
