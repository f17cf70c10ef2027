"""plot.png: load with and without control, the limit, and what was off when."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from balans.adapters.pictures import style
from balans.adapters.pictures.site_views import View, off_runs, period_labels, telling_view
from balans.domain.demand.overload import excess_w
from balans.usecases.simulate_site import Replay

Floats = NDArray[np.float64]

MOST_LOADS = 12
"""More rows than this make the strip unreadable."""


def draw_site(replay: Replay, summary: dict[str, Any], path: Path) -> None:
    """Draw `replay` with its `summary` and write the picture to `path`."""
    view = telling_view(replay)
    whole = view.last - view.first == len(replay.base)
    shown = _shown_loads(replay)
    strip = 0.4 + 0.28 * max(1, len(shown))
    heights = [4.2 + strip] if whole else [4.0 + strip, 2.6]
    with style.house_style():
        figure = Figure(figsize=(11, 0.5 + sum(heights)), layout="constrained")
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        curves, off = parts[0].subplots(2, 1, sharex=True, height_ratios=[3.8, strip])
        _curves(curves, replay, view)
        _strip(off, replay, view, shown)
        if not whole:
            left, right = parts[1].subplots(1, 2)
            _periods(left, replay)
            _duration(right, replay)
        _title(figure, summary)
        style.save(figure, path)


def _shown_loads(replay: Replay) -> list[int]:
    """Return the loads that may be switched; of many those that were off longest."""
    rows = [row for row, load in enumerate(replay.loads) if load.load_class != "red"]
    by_time_off = sorted(rows, key=lambda row: int(replay.is_on[row].sum()))
    return sorted(by_time_off[:MOST_LOADS])


def _title(figure: Figure, summary: dict[str, Any]) -> None:
    over = summary["overload_kwh"]
    text = (
        f"{summary['name']}: energy above the limit {over['uncontrolled']:.1f} kWh without, "
        f"{over['controlled']:.1f} kWh with control"
    )
    figure.suptitle(text, fontsize=12, fontweight="bold", x=0.01, ha="left")


def _hours(replay: Replay, view: View) -> Floats:
    """Return the edges of the steps of `view`, in hours since its local midnight."""
    first_h = float(replay.profile.local_s[view.first]) / 3600
    count = view.last - view.first
    return first_h + np.arange(count + 1, dtype=np.float64) * (replay.profile.step_s / 3600)


def _curves(axes: Axes, replay: Replay, view: View) -> None:
    edges = _hours(replay, view)
    without = replay.uncontrolled_w[view.steps] / 1000
    controlled = replay.controlled_w[view.steps] / 1000
    limit = replay.allowed_w[view.steps] / 1000
    limit = np.where(np.isfinite(limit), limit, np.nan)
    mid = edges[:-1]
    above = np.nan_to_num(limit, nan=np.inf)
    options: dict[str, Any] = {"step": "post", "linewidth": 0}
    axes.fill_between(
        mid,
        np.minimum(above, without),
        without,
        where=without > above,
        color=style.AVOIDED,
        label="overload without control",
        **options,
    )
    axes.fill_between(
        mid,
        np.minimum(above, controlled),
        controlled,
        where=controlled > above,
        color=style.REMAINING,
        label="overload that remains",
        **options,
    )
    axes.stairs(
        without,
        edges,
        color=style.UNCONTROLLED,
        linewidth=1.1,
        label="without control",
        baseline=None,
    )
    axes.stairs(
        controlled,
        edges,
        color=style.CONTROLLED,
        linewidth=1.3,
        label="with control",
        baseline=None,
    )
    axes.stairs(
        limit, edges, color=style.LIMIT, linewidth=1.4, linestyle="--", label="limit", baseline=None
    )
    axes.set_title(view.title)
    axes.set_ylabel("power, kW")
    axes.set_ylim(bottom=min(0.0, float(without.min()), float(controlled.min())))
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.0), ncols=5, columnspacing=1.2)
    axes.set_ylim(top=1.14 * max(float(without.max()), float(controlled.max()), 0.1))


def _strip(axes: Axes, replay: Replay, view: View, rows: list[int]) -> None:
    edges = _hours(replay, view)
    for place, row in enumerate(rows):
        load = replay.loads[row]
        colour = style.CLASS_COLOURS[load.load_class]
        runs = off_runs(replay.is_on[row, view.steps])
        spans = [(edges[first], edges[last] - edges[first]) for first, last in runs]
        axes.broken_barh(spans, (place - 0.32, 0.64), facecolors=colour, linewidth=0)
    names = [f"{replay.loads[row].name} ({replay.loads[row].load_class})" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4 if rows else 1, -0.6)
    style.hours_axis(axes, float(edges[-1]))
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.grid(visible=False, axis="y")
    axes.set_title(_strip_title(replay, len(rows)))


def _strip_title(replay: Replay, shown: int) -> str:
    switchable = sum(1 for load in replay.loads if load.load_class != "red")
    if shown < switchable:
        return f"Switched off: the {shown} of {switchable} loads that were off longest"
    return "Switched off" if shown else "No load may be switched"


def _periods(axes: Axes, replay: Replay) -> None:
    period, labels, word = period_labels(replay)
    kwh = replay.profile.step_s / 3.6e6
    bars = (
        ("without control", replay.uncontrolled_w, style.AVOIDED),
        ("with control", replay.controlled_w, style.CONTROLLED),
        ("part that may not be switched", replay.red_w, style.UNAVOIDABLE),
    )
    for place, (name, curve, colour) in enumerate(bars):
        energy = np.bincount(period, excess_w(curve, replay.limits), len(labels)) * kwh
        x = np.arange(len(labels)) + (place - 1) * 0.27
        axes.bar(x, energy, width=0.25, color=colour, label=name)
    every = max(1, len(labels) // 12)
    axes.set_xticks(range(0, len(labels), every), labels[::every])
    axes.set_ylabel("kWh above the limit")
    axes.set_title(f"Overload by {word}")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper center", fontsize=8)


def _duration(axes: Axes, replay: Replay) -> None:
    step_h = replay.profile.step_s / 3600
    count = len(replay.base)
    shown = max(2, min(count, int(count * 0.1)))
    hours = np.arange(shown) * step_h
    for name, curve, colour in (
        ("without control", replay.uncontrolled_w, style.UNCONTROLLED),
        ("with control", replay.controlled_w, style.CONTROLLED),
    ):
        axes.plot(hours, np.sort(curve)[::-1][:shown] / 1000, color=colour, label=name)
    finite = replay.allowed_w[np.isfinite(replay.allowed_w)]
    if len(finite) and np.ptp(finite) == 0:
        axes.axhline(finite[0] / 1000, color=style.LIMIT, linestyle="--", label="limit")
    axes.set_xlim(0, hours[-1])
    axes.set_xlabel(
        "hours of the year above this power" if count * step_h > 8000 else "hours above"
    )
    axes.set_ylabel("power, kW")
    axes.set_title("Load duration: the highest tenth")
    axes.legend(loc="upper right")
