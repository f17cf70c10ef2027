"""Events of demand response as pages show them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _

from balans.domain.response.life import EventState, TargetState
from balans.storage import lookups
from balans.storage.response_events import changes_of
from balans.storage.response_progress import Progress, targets_of
from balans.storage.response_records import EventInfo, TargetInfo
from balans.storage.response_shown import CurveMinute, curve_of, expected_now
from balans.web.shown import response_words, words
from balans.web.shown.charts import Series, chart, twin
from balans.web.shown.days import clock_label, full_moment, moment
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal, duration, kw_digits
from balans.web.shown.response_texts import detail_text, step_text
from balans.web.shown.response_trigger_texts import author_text, reason_text

QUARTER: Final = timedelta(minutes=15)
BAND: Final = 1.64
"""So many standard deviations to either side hold 90 % of a normal distribution."""
TARGETS_SHOWN: Final = 200


def event_view(event: EventInfo, zone: ZoneInfo) -> dict[str, Any]:
    """Return an event in words."""
    return {
        "code": event.code,
        "url": reverse("response-event", args=[event.code]),
        "programme": named(event.programme_title),
        "programme_url": reverse("response-programme", args=[event.programme_code]),
        "place": named(event.node_name),
        "state": words.word(response_words.EVENT_STATES, event.state),
        "tone": response_words.EVENT_TONES[event.state],
        "starts": full_moment(event.starts, zone),
        "ends": clock_label(event.ends, zone),
        "steps": [step_text(event.kind, step, zone) for step in event.steps],
        "reason": reason_text(event.reason),
        "author": author_text(event.author),
        "approver": event.approver,
        "trigger": event.trigger_code,
        "priority": str(event.priority),
        "emergency": event.emergency,
        "expected": expected_text(event),
        "wanted": "" if event.wanted_kw is None else decimal(float(event.wanted_kw), 1),
        "achieved": _achieved(event.result or {}),
        "needs_approval": event.needs_approval,
    }


def expected_text(event: EventInfo) -> str:
    """Return what an event is expected to hold back, with its band; "–" before the preview."""
    if event.expected_kw is None:
        return decimal(None, 1)
    band = decimal(BAND * (event.expected_sd_kw or 0.0), 1)
    return f"{decimal(event.expected_kw, 1)} ± {band}"


def preview_view(event: EventInfo, zone: ZoneInfo) -> dict[str, Any] | None:
    """Return what was computed before the event is announced, with its chart and table."""
    found = event.preview
    if found is None:
        return None
    step = timedelta(seconds=found["slot_s"])
    times = [event.starts + n * step for n in range(len(found["expected_kw"]))]
    low, high = _band(found)
    digits = kw_digits(1000 * max(high, default=0.0))
    series = [
        Series(_("Expected"), "planned", found["expected_kw"]),
        Series(_("At least (90 %)"), "unplanned", low),
        Series(_("At most (90 %)"), "unplanned", high),
    ]
    if event.wanted_kw is not None:
        series.append(Series(_("Wanted"), "ceiling", [float(event.wanted_kw)] * len(times)))
    closed = [Series(one.name, one.style, [*one.values, *one.values[-1:]]) for one in series]
    whole = [*times, times[-1] + step] if times else []
    drawn = chart(whole, closed, zone, unit=_("kW"), digits=digits, tick_minutes=_ticks(event))
    drawn["ticks"] = [tick for tick in drawn["ticks"] if tick[0] < event.ends.timestamp()]
    return {
        "chart": drawn,
        "twin": twin(
            times, series, zone, caption=_("Held back, kW"), digits=digits, step=max(step, QUARTER)
        ),
        "expected": expected_text(event),
        "peak": decimal(found["peak_kw"], 1),
        "places": str(found["places"]),
        "able": str(found["able"]),
        "missing": _missing(found),
        "discomfort": decimal(found["discomfort"], 0),
        "made": moment(datetime.fromisoformat(found["made"]), zone),
        "left_out": [
            (words.word(response_words.LEFT_OUT, code), str(count))
            for code, count in sorted(found["refused"].items(), key=lambda one: -one[1])
        ],
    }


def live_view(event: EventInfo, progress: Progress, now: datetime) -> dict[str, Any]:
    """Return how an event goes."""
    latency, result = progress.latency_s, event.result or {}
    is_active = event.state == EventState.ACTIVE
    held_kw = progress.now_kw if is_active else result.get("achieved_kw", progress.achieved_kw)
    held_word = _("Held back now") if is_active else _("Achieved")
    known = (progress.now_known, progress.holding)
    if not is_active:
        known = progress.known, progress.targets
    target_kw = event.wanted_kw if event.wanted_kw is not None else event.expected_kw
    slot_kw = expected_now(event, now) if is_active and event.wanted_kw is None else target_kw
    return {
        "target": decimal(None if slot_kw is None else float(slot_kw), 1),
        "held": "" if event.state == EventState.ANNOUNCED else decimal(held_kw, 1),
        "held_word": _measured(held_word, *known),
        "share": _share(held_kw, slot_kw),
        "coverage": _percent(progress.coverage),
        "heard": str(progress.heard),
        "targets": str(progress.targets),
        "p50": "" if latency.p50 is None else duration(latency.p50),
        "p95": _seconds(latency.p95),
        "rebound": decimal(result["rebound_kw"], 1) if result.get("rebound_kw") is not None else "",
        "given": decimal(result["given_kwmin"], 0) if "given_kwmin" in result else "",
        "states": [
            {
                "word": words.word(response_words.TARGET_STATES, state),
                "tone": response_words.TARGET_TONES[state],
                "count": str(progress.states[state]),
            }
            for state in TargetState
            if state in progress.states
        ],
        **_countdown(event, now),
    }


def curve_view(event: EventInfo, zone: ZoneInfo, now: datetime) -> dict[str, Any] | None:
    """Return the chart of target against achieved, and the table beside it; None: no data yet."""
    curve = curve_of(event, now)
    if not any(one.held_kw is not None for one in curve):
        return None
    times = [one.start for one in curve]
    series = [
        Series(_("Held back"), "load", [one.held_kw for one in curve]),
        Series(_("Target"), "ceiling", _targets_kw(event, curve)),
    ]
    digits = kw_digits(1000 * max(abs(one.held_kw or 0.0) for one in curve))
    drawn = chart(times, series, zone, unit=_("kW"), digits=digits, tick_minutes=_ticks(event))
    caption = _("Means of 15 minutes, kW")
    return {
        "chart": drawn | {"width": 60},
        "twin": twin(times, series, zone, caption=caption, digits=digits, step=QUARTER),
    }


def target_rows(event: EventInfo, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the places that an event asks, each with its state and its loads."""
    found = targets_of(event, n=TARGETS_SHOWN)
    told = {name for one in found for name in (*one.held_loads, *one.failed_loads)}
    titles = _titles(event, told) if told else {}
    return [_target(one, zone, titles) for one in found]


def change_rows(event: EventInfo, zone: ZoneInfo) -> list[dict[str, str]]:
    """Return who did what with an event, the newest first."""
    return [
        {
            "at": full_moment(one.at, zone),
            "at_iso": one.at.isoformat(),
            "author": author_text(one.author),
            "what": words.word(response_words.CHANGES, one.what),
            "reason": reason_text(one.reason),
        }
        for one in reversed(changes_of(event))
    ]


def _titles(event: EventInfo, names: set[str]) -> dict[str, str]:
    """Return the titles of loads by name; of a name that means several things, none."""
    found: dict[str, set[str]] = defaultdict(set)
    for load in lookups.loads_of_node(lookups.node(event.node_id)):
        if load.name in names:
            found[load.name].add(named(load.title))
    return {name: min(titles) for name, titles in found.items() if len(titles) == 1}


def _target(one: TargetInfo, zone: ZoneInfo, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "place": named(one.node_name),
        "code": one.node_code,
        "url": reverse("node", args=[one.node_code]),
        "state": words.word(response_words.TARGET_STATES, one.state),
        "tone": response_words.TARGET_TONES[one.state],
        "from": clock_label(one.steps[0].start, zone) if one.steps else "–",
        "to": clock_label(one.steps[-1].end, zone) if one.steps else "–",
        "expected": decimal(one.expected_w / 1000, 2),
        "achieved": decimal(None if one.achieved_w is None else one.achieved_w / 1000, 2),
        "measured": one.measured,
        "detail": detail_text(one.detail),
        "held": ", ".join(titles.get(name, name) for name in one.held_loads),
        "failed": ", ".join(titles.get(name, name) for name in one.failed_loads),
    }


def _band(found: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    pairs = list(zip(found["expected_kw"], found["sd_kw"], strict=True))
    low = [round(max(0.0, mean - BAND * sd), 3) for mean, sd in pairs]
    return low, [round(mean + BAND * sd, 3) for mean, sd in pairs]


def _achieved(result: Mapping[str, Any]) -> str:
    """Return what an event achieved, and at how many places that was measured."""
    told = decimal(result.get("achieved_kw"), 1)
    places = result.get("targets", 0)
    return _measured(told, result.get("known", places), places)


def _measured(text: str, known: int, places: int) -> str:
    """Return `text` with the number of places that it is measured at, where not at all."""
    if known >= places:
        return text
    told = {"what": text, "known": known, "places": places}
    return _("%(what)s (measured: %(known)s of %(places)s places)") % told


def _missing(found: Mapping[str, Any]) -> str:
    most = max(found["missing_kw"], default=0.0)
    return decimal(most, 1) if most > 0.05 else ""


def _targets_kw(event: EventInfo, curve: Sequence[CurveMinute]) -> list[float | None]:
    """Return what shall be held back in each minute [kW]."""
    if event.wanted_kw is None:
        return [expected_now(event, one.start) for one in curve]
    wanted = float(event.wanted_kw)
    return [wanted if event.starts <= one.start < event.ends else None for one in curve]


def _countdown(event: EventInfo, now: datetime) -> dict[str, str]:
    if event.state == EventState.ANNOUNCED:
        left_s = (event.starts - now).total_seconds()
        return {"left": duration(left_s), "left_word": _("Begins in")}
    if event.state == EventState.ACTIVE:
        left_s = (event.ends - now).total_seconds()
        return {"left": duration(left_s), "left_word": _("Ends in")}
    return {}


def _share(held_kw: float | None, target_kw: Any) -> str:
    if held_kw is None or not target_kw:
        return ""
    return _percent(held_kw / float(target_kw))


def _percent(share: float | None) -> str:
    return decimal(None if share is None else 100 * share, 0)


def _seconds(seconds: float | None) -> str:
    return decimal(None, 0) if seconds is None else duration(seconds)


def _ticks(event: EventInfo) -> int:
    length_s = (event.ends - event.starts).total_seconds()
    return 15 if length_s <= 2 * 3600 else 60
