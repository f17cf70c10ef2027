"""Our load control beside no control, the plain threshold rule, and perfect foresight."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from balans.domain.demand.foresight import foresight_bound, is_bounded
from balans.domain.demand.overload import excess_w
from balans.domain.demand.threshold import decide_by_threshold
from balans.usecases.control_figures import control_figures
from balans.usecases.profile import Profile
from balans.usecases.simulate_site import (
    UNITS_PER_W,
    Progress,
    Replay,
    Timer,
    simulate_site,
)
from balans.usecases.site_file import Site
from balans.usecases.site_report import summarize

WEEK_S = 7 * 86_400


def compare_control(
    site: Site, profile: Profile, timer: Timer, progress: Progress | None = None
) -> dict[str, Any]:
    """Return overload, cost and switching of ours and of what it is measured against.

    Notes
    -----
    The bound by foresight is computed for limits that hold at every step. It is null where a
    limit on the mean of an interval applies.
    """
    ours_replay = simulate_site(site, profile, timer, progress)
    rule_replay = simulate_site(site, profile, timer, progress, rule=decide_by_threshold)
    ours, rule = summarize(ours_replay), summarize(rule_replay)
    figures = {
        "ours": control_figures(ours_replay),
        "threshold_rule": control_figures(rule_replay),
    }
    bound = _foresight(ours_replay)
    over = {
        "uncontrolled": ours["overload_kwh"]["uncontrolled"],
        "ours": ours["overload_kwh"]["controlled"],
        "threshold_rule": rule["overload_kwh"]["controlled"],
        "foresight": bound["kwh"],
        "unavoidable": ours["overload_kwh"]["unavoidable"],
    }
    return {
        "site": site.name,
        "steps": ours["steps"],
        "step_s": ours["step_s"],
        "overload_kwh": over,
        "ratio": {
            f"ours_to_{name}": _ratio(over["ours"], over[name])
            for name in ("uncontrolled", "threshold_rule", "foresight", "unavoidable")
        },
        "foresight": bound,
        "cost": {
            "uncontrolled": ours["cost"]["uncontrolled"],
            "ours": ours["cost"]["controlled"],
            "threshold_rule": rule["cost"]["controlled"],
        },
        "switches": {"ours": ours["switches"], "threshold_rule": rule["switches"]},
        "backlog_kwh": {"ours": _backlog(ours), "threshold_rule": _backlog(rule)},
        "longest_yellow_off_s": {"ours": _longest(ours), "threshold_rule": _longest(rule)},
        "weeks_worse_than_uncontrolled": {
            "ours": worse_weeks(ours_replay),
            "threshold_rule": worse_weeks(rule_replay),
        },
        "decision_us": ours["decision_us"],
        "figures": figures,
    }


def _foresight(replay: Replay) -> dict[str, Any]:
    if replay.limits.table.interval_limits:
        return {"kwh": None, "exact": False, "method": "none: a limit on a mean applies"}
    bound = foresight_bound(
        list(replay.loads),
        replay.demand,
        replay.red_w,
        replay.limits.instant_w,
        replay.profile.step_s,
        UNITS_PER_W,
    )
    counted = [load.name for load in replay.loads if is_bounded(load)]
    method = f"dynamic programming over {', '.join(counted) or 'no load'}"
    free = [load.name for load in replay.loads if load.load_class != "red" and not is_bounded(load)]
    if free:
        method += f"; counted as never adding overload: {', '.join(free)}"
    if len(counted) > 1:
        method += "; each load alone, summed (a lower bound)"
    kwh = bound.overload_w * replay.profile.step_s / 3.6e6
    return {"kwh": round(kwh, 4), "exact": bound.is_exact, "method": method}


def _ratio(value: float, other: float | None) -> float | None:
    return round(value / other, 4) if other else None


def _backlog(summary: dict[str, Any]) -> float:
    return round(sum(float(load["backlog_kwh"]) for load in summary["loads"].values()), 6)


def _longest(summary: dict[str, Any]) -> float:
    yellow = [load for load in summary["loads"].values() if load["class"] == "yellow"]
    return float(max((load["longest_off_s"] for load in yellow), default=0.0))


def worse_weeks(replay: Replay) -> int:
    """Return in how many weeks, counted from the start, control made overload worse."""
    week = ((replay.profile.start_s - replay.profile.start_s[0]) // WEEK_S).astype(np.int64)

    def by_week(curve: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(week, excess_w(curve, replay.limits)).astype(np.float64)

    margin = 1e-6
    return int(
        np.count_nonzero(by_week(replay.controlled_w) > by_week(replay.uncontrolled_w) + margin)
    )
