"""The figures that rules of load control are judged by, from one replay each."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from balans.core.words import LoadClass
from balans.domain.demand import Load
from balans.domain.demand.overload import excess_w
from balans.usecases.simulate_site import UNITS_PER_W, Replay, to_watts
from balans.usecases.site_report import summarize

Floats = NDArray[np.float64]
RESTORED_S = 300.0
"""For how long after a restore what is above the limit counts as its overshoot."""


def control_figures(replay: Replay, flat_of: Callable[[Load], str] | None = None) -> dict[str, Any]:
    """Return overload, broken promises, switching, fairness and cost of a replay.

    Parameters
    ----------
    flat_of
        To whom a load belongs, for fairness among flats; default: its node.

    Notes
    -----
    `given_up_kwmin` is what each load wanted and did not draw while it was held back, energy that
    came back later included. Loads that wanted nothing all the time do not count in Jain's index.
    `jain_shares` is of what each gave up as a share of what it wanted, `jain_loads` and
    `jain_flats` of kW minutes.
    """
    summary = summarize(replay)
    given = given_up_kwmin(replay)
    counted = [
        row
        for row, load in enumerate(replay.loads)
        if load.load_class is not LoadClass.RED and replay.demand[row].any()
    ]
    groups: dict[str, float] = {}
    for row in counted:
        name = flat_of(replay.loads[row]) if flat_of else replay.loads[row].node
        groups[name] = groups.get(name, 0.0) + float(given[row])
    return {
        "overload_kwh": summary["overload_kwh"]["controlled"],
        "minutes_over": summary["minutes_over"]["controlled"],
        "peak_kw": summary["peak_kw"]["controlled"],
        "yellow_violations": yellow_violations(replay),
        "longest_yellow_off_s": _longest_yellow(summary),
        "red_switchings": red_switchings(replay),
        "switches": summary["switches"],
        "restore_overshoot_kwh": round(restore_overshoot_kwh(replay), 4),
        "unserved_kwh": round(_sum(summary, "backlog_kwh") + _sum(summary, "lost_kwh"), 4),
        "worst_backlog_kwh": round(_kwh(replay, replay.backlog.sum(axis=0).max(initial=0)), 4),
        "late_kwh": round(_sum(summary, "late_kwh"), 4),
        "given_up_kwmin": round(float(given[counted].sum()), 2),
        "jain_loads": _jain(given[counted]),
        "jain_shares": _jain(given[counted] / replay.demand[counted].sum(axis=1)),
        "jain_flats": _jain(np.array(list(groups.values()))) if len(groups) > 1 else None,
        "cost": summary["cost"]["controlled"],
        "decision_us": summary["decision_us"],
    }


def given_up_kwmin(replay: Replay) -> Floats:
    """Return what each load wanted and did not draw, step by step, shape (loads,) [kW min]."""
    missed = np.maximum(replay.demand - replay.drawn, 0).sum(axis=1)
    return np.asarray(missed / UNITS_PER_W / 1000 * replay.profile.step_s / 60)


def yellow_violations(replay: Replay) -> int:
    """Return how often a yellow load was off for longer than it may be."""
    step_s = replay.profile.step_s
    return sum(
        int(np.count_nonzero(_runs(~replay.is_on[row]) * step_s > load.max_off_s + 1e-6))
        for row, load in enumerate(replay.loads)
        if load.load_class is LoadClass.YELLOW
    )


def red_switchings(replay: Replay) -> int:
    """Return how often a red load was switched."""
    red = [load.load_class is LoadClass.RED for load in replay.loads]
    return int(np.count_nonzero(np.diff(replay.is_on[red], axis=1)))


def restore_overshoot_kwh(replay: Replay) -> float:
    """Return the overload that loads caused which were switched on less than 5 minutes before.

    In every step it is the power above the limit, at most what those loads draw.
    """
    step_s = replay.profile.step_s
    steps = max(1, round(RESTORED_S / step_s))
    came_back = np.zeros_like(replay.is_on)
    came_back[:, 1:] = replay.is_on[:, 1:] & ~replay.is_on[:, :-1]
    recent = came_back.copy()
    for late in range(1, steps):
        recent[:, late:] |= came_back[:, :-late]
    by_them = to_watts((replay.drawn * (recent & replay.is_on)).sum(axis=0))
    over = np.minimum(excess_w(replay.controlled_w, replay.limits), np.maximum(by_them, 0.0))
    return float(over.sum()) * step_s / 3.6e6


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    return edges[1::2] - edges[::2]


def _jain(given: Floats | Sequence[float]) -> float | None:
    """Return Jain's index: 1 where all have given alike, 1 / n where one has given it all."""
    values = np.asarray(given, dtype=np.float64)
    squares = float(values @ values)
    return round(float(values.sum()) ** 2 / (len(values) * squares), 4) if squares > 0 else None


def _longest_yellow(summary: dict[str, Any]) -> float:
    yellow = [load for load in summary["loads"].values() if load["class"] == "yellow"]
    return float(max((load["longest_off_s"] for load in yellow), default=0.0))


def _sum(summary: dict[str, Any], key: str) -> float:
    return sum(float(load[key]) for load in summary["loads"].values())


def _kwh(replay: Replay, units: np.int64) -> float:
    return float(units) * replay.profile.step_s / (UNITS_PER_W * 3.6e6)
