"""The picture of the transformer study: the same flats, uncoordinated and under control."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from balans.adapters.pictures import style
from balans.adapters.pictures.site_views import day_numbers
from balans.domain.demand.overload import excess_w
from balans.usecases.simulate_feeder import ShareResult
from balans.usecases.site_report import summarize

AVERAGE_S = 900
"""Curves are drawn as means over a quarter of an hour, over the raw minutes."""


def draw_feeder(results: Sequence[ShareResult], path: Path) -> None:
    """Draw the day with most overload at each share, one row each, and the overload in figures."""
    steps = _worst_day(results[0])
    with style.house_style():
        figure = Figure(figsize=(11, 1.2 + 2.3 * len(results)), layout="constrained")
        grid = figure.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)
        for axes, result in zip(grid[:, 0], results, strict=True):
            _row(axes, result, steps)
        grid[0, 0].legend(loc="upper left", ncols=4)
        grid[-1, 0].set_xlabel("local time")
        limit_kw = float(results[0].replay.allowed_w[steps].min()) / 1000
        figure.suptitle(
            f"{results[0].replay.site.name}: the same flats behind one transformer "
            f"(limit {limit_kw:g} kW)",
            fontsize=12,
            fontweight="bold",
            x=0.01,
            ha="left",
        )
        style.save(figure, path)


def _worst_day(result: ShareResult) -> slice:
    replay = result.replay
    days = day_numbers(replay)
    over = np.bincount(days, excess_w(replay.uncontrolled_w, replay.limits))
    found = np.flatnonzero(days == int(np.argmax(over)))
    return slice(int(found[0]), int(found[-1]) + 1)


def _row(axes: Axes, result: ShareResult, steps: slice) -> None:
    replay = result.replay
    first_h = float(replay.profile.local_s[steps.start]) / 3600
    count = steps.stop - steps.start
    hours = first_h + np.arange(count + 1, dtype=np.float64) * replay.profile.step_s / 3600
    limit = replay.allowed_w[steps] / 1000
    without, controlled = (
        curve[steps] / 1000 for curve in (replay.uncontrolled_w, replay.controlled_w)
    )
    axes.stairs(
        without,
        hours,
        color=style.UNCONTROLLED,
        linewidth=0.7,
        label="uncoordinated",
        baseline=None,
    )
    fill: dict[str, Any] = {"step": "post", "linewidth": 0, "color": style.REMAINING}
    axes.fill_between(
        hours[:-1], np.minimum(limit, controlled), controlled, label="above the limit", **fill
    )
    axes.stairs(
        controlled, hours, color=style.CONTROLLED, linewidth=0.9, label="as it was", baseline=None
    )
    shown = np.where(np.isfinite(limit), limit, np.nan)
    axes.stairs(
        shown, hours, color=style.LIMIT, linestyle="--", linewidth=1.3, label="limit", baseline=None
    )
    style.hours_axis(axes, float(hours[-1]))
    axes.set_xlim(float(hours[0]), float(hours[-1]))
    axes.set_ylim(bottom=min(0.0, float(controlled.min()), float(without.min())))
    axes.set_ylabel("power, kW")
    axes.set_title(_caption(result))


def _caption(result: ShareResult) -> str:
    summary = summarize(result.replay)
    over = summary["overload_kwh"]["controlled"]
    minutes, peak = summary["minutes_over"]["controlled"], summary["peak_kw"]["controlled"]
    return (
        f"{result.share:.0%} of the flats take part: {over:.1f} kWh above the limit "
        f"in {minutes:.0f} min, peak {peak:.1f} kW (whole span)"
    )
