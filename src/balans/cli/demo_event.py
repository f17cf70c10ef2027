"""What the events of a demo run amounted to: the ``event`` of its report.

============= =====================================================================================
target_kw     mean excess over the limit that the replay has without control, in the minutes of the
              events in which it has one: what had to be held back
achieved_kw   mean of what was held back in the same minutes: replay without control less what was
asked_kw      what the trigger asked to be held back when it called, the largest of its events
coverage      share of the places that were asked and whose gateways have answered
latency_s     from the call (or the start of a place's step, if later) to the gateway's word that it
              is obeyed, in time of the site; the median of the events' medians, and the largest of
              their 95th percentiles
rebound_kw    highest minute in the hour after the end of an event less the limit; 0 or less: no
              second peak. The largest of the events; None: the run ended with the event
minutes_over  minutes of the events in which the site lay over the limit all the same
detected_s    from the first minute over the limit to the announcement of the first event
events        how many there were
============= =====================================================================================
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import numpy as np

from balans.simulator.recording import MINUTE_S
from balans.simulator.result import TownResult

REBOUND_MIN: Final = 60


@dataclass(frozen=True, slots=True)
class Called:
    """An event of the run; times in Unix seconds, `ended_s` None while it lasts."""

    announced_s: float
    active_s: float
    ended_s: float | None
    asked_kw: float
    places: int
    heard: int
    p50_s: float | None
    p95_s: float | None


def called_events(start_s: float, end_s: float) -> list[Called]:
    """Return the events that were active between two times, in order."""
    from balans.storage.response_events import events_between
    from balans.storage.response_progress import progress_of
    from balans.storage.scope import system_scope

    start, end = (datetime.fromtimestamp(at, UTC) for at in (start_s, end_s))
    with system_scope("demo"):
        found = []
        for event in events_between(start, end):
            progress = progress_of(event)
            found.append(
                Called(
                    announced_s=_unix(event.announced_at),
                    active_s=_unix(event.active_at),
                    ended_s=None if event.ended_at is None else event.ended_at.timestamp(),
                    asked_kw=float(event.wanted_kw or 0),
                    places=progress.targets,
                    heard=progress.heard,
                    p50_s=progress.latency_s.p50,
                    p95_s=progress.latency_s.p95,
                )
            )
    return found


def event_report(result: TownResult, events: Sequence[Called]) -> dict[str, Any] | None:
    """Return the ``event`` of the report; None without any event."""
    if not events:
        return None
    limit_w, reference_w, site_w = result.limit_w, result.uncontrolled_w, result.controlled_w
    held = np.zeros(len(site_w), dtype=bool)
    for one in events:
        last = len(site_w) if one.ended_s is None else _minute(result, one.ended_s)
        held[_minute(result, one.active_s) : last] = True
    needed = held & (reference_w > limit_w)
    target = (reference_w - limit_w)[needed]
    achieved = (reference_w - site_w)[needed]
    places = sum(one.places for one in events)
    rebounds = [kw for one in events if (kw := _rebound_kw(result, one)) is not None]
    return {
        "target_kw": round(float(target.mean()) / 1000, 3) if len(target) else 0.0,
        "achieved_kw": round(float(achieved.mean()) / 1000, 3) if len(target) else 0.0,
        "asked_kw": max(one.asked_kw for one in events),
        "coverage": round(sum(one.heard for one in events) / places, 4) if places else None,
        "latency_s": {
            "p50": _over([one.p50_s for one in events], median),
            "p95": _over([one.p95_s for one in events], max),
        },
        "rebound_kw": round(max(rebounds), 3) if rebounds else None,
        "minutes_over": int((held & (site_w > limit_w)).sum()),
        "detected_s": _detected_s(result, events[0]),
        "events": len(events),
    }


def event_line(event: Mapping[str, Any]) -> str:
    """Return the part of the report in a line for the terminal."""
    told = f"{event['achieved_kw']:.1f} kW held back where {event['target_kw']:.1f} kW were needed"
    if event["latency_s"]["p50"] is not None:
        told += f", {event['latency_s']['p50']:.0f} s after the call"
    if event["rebound_kw"] is None:
        return f"{told}; not over yet"
    return f"{told}; afterwards {event['rebound_kw']:+.1f} kW against the limit"


def event_faults(report: Mapping[str, Any]) -> dict[str, bool]:
    """Return what of the events is not as the product promises: message, and whether it is so."""
    event = report["event"]
    if event is None:
        was_over = report["site"]["minutes_over"]["uncontrolled"] > 2
        return {"the transformer was overloaded and no event was called": was_over}
    rebound_kw, needed = event["rebound_kw"], 0.9 * event["target_kw"]
    return {
        f"only {event['coverage'] or 0:.0%} of the places were reached": event["coverage"] != 1,
        f"{event['achieved_kw']} kW were held back, {event['target_kw']} kW were needed": (
            event["achieved_kw"] < needed
        ),
        f"a second peak lay {rebound_kw} kW over the limit": (rebound_kw or 0) > 0,
        "no place confirmed that it held back": event["latency_s"]["p50"] is None,
    }


def _unix(at: datetime | None) -> float:
    return math.nan if at is None else at.timestamp()


def _minute(result: TownResult, at_s: float) -> int:
    """Return the place of the minute that begins at or after `at_s`."""
    return min(max(math.ceil((at_s - result.start_s) / MINUTE_S), 0), len(result.controlled_w))


def _rebound_kw(result: TownResult, event: Called) -> float | None:
    if event.ended_s is None:
        return None
    first = _minute(result, event.ended_s)
    after = result.controlled_w[first : first + REBOUND_MIN]
    return float(after.max() - result.limit_w) / 1000 if len(after) else None


def _detected_s(result: TownResult, first: Called) -> float | None:
    over = np.flatnonzero(result.controlled_w > result.limit_w)
    if not len(over):
        return None
    return max(0.0, first.announced_s - (result.start_s + float(over[0]) * MINUTE_S))


def _over(values: Sequence[float | None], how: Any) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(how(known)), 3) if known else None
