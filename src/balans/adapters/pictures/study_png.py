"""The picture of the transformer study: a day at three shares, and all shares side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from balans.adapters.pictures import style
from balans.domain.transformer import LIMITS, Loading, Paper
from balans.usecases.feeder.street import DAY_MIN, Street
from balans.usecases.feeder.study import Case, Plan

Floats = NDArray[np.float64]

RAW = "#2c8a57"
"""Raw consumption, nobody taking part."""
SOME = "#6aa9e0"
ALL = style.CONTROLLED
AVERAGE_MIN = 15
"""What is under control is drawn as means over a quarter of an hour, raw minutes are not."""
HEADLINE = 0.4
"""The share that is said to be enough; the nearest one studied is shown."""
NORMAL_C = {Paper.NON_UPGRADED: 98.0, Paper.UPGRADED: 110.0}


def draw_study(plan: Plan, cases: Sequence[Case], street: Street, path: Path) -> None:
    """Draw `cases` of `plan` to `path`; `street` is that of the first seed."""
    first = {case.share: case for case in cases if case.seed == plan.recipe.seed}
    shown = [first[share] for share in _shown_shares(plan)]
    day = _worst_day(first[0.0].site_kw, plan.limit_kw)
    with style.house_style():
        figure = Figure(figsize=(11, 10.2), layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=[6.6, 3.6], squeeze=False)[:, 0]
        power, heat = top.subplots(2, 1, sharex=True, height_ratios=[3.6, 2.2])
        hours = _hours(street, day)
        _power(power, plan, shown, day, hours)
        _heat(heat, plan, shown, day, hours)
        _sweep(bottom, plan, cases)
        top.suptitle(_title(plan), fontsize=13, fontweight="bold", x=0.01, ha="left")
        style.save(figure, path)


def _shown_shares(plan: Plan) -> list[float]:
    """Return nobody, the share nearest to the headline, and the largest."""
    others = [share for share in plan.shares if share > 0]
    if not others:
        return [0.0]
    near = min(others, key=lambda share: abs(share - HEADLINE))
    return sorted({0.0, near, max(others)})


def _worst_day(site_kw: Floats, limit_kw: float) -> slice:
    over = np.maximum(site_kw - limit_kw, 0.0).reshape(-1, DAY_MIN).sum(axis=1)
    day = int(np.argmax(over))
    return slice(day * DAY_MIN, (day + 1) * DAY_MIN)


def _title(plan: Plan) -> str:
    recipe, transformer = plan.recipe, plan.transformer
    extra = [
        f"{share:.0%} with {what}"
        for share, what in (
            (recipe.ev_share, "an electric car"),
            (recipe.heat_pump_share, "a heat pump"),
        )
        if share > 0
    ]
    homes = f"{recipe.flats} flats" + (f" ({', '.join(extra)})" if extra else "")
    return f"{homes} behind one transformer of {transformer.kva:.4g} kVA"


def _hours(street: Street, day: slice) -> Floats:
    """Return when the steps of `day` begin, in hours since the local midnight before [h]."""
    first_h = float(street.local_s[day.start]) / 3600
    return first_h + np.arange(day.stop - day.start, dtype=np.float64) / 60


def _means(values: Floats) -> Floats:
    """Return the means of quarters of an hour."""
    return np.asarray(values.reshape(-1, AVERAGE_MIN).mean(axis=1), dtype=np.float64)


def _name(case: Case) -> str:
    return "nobody takes part" if case.share == 0 else f"{case.share:.0%} of the flats take part"


def _colours(shown: Sequence[Case]) -> list[str]:
    return [RAW, SOME, ALL] if len(shown) == 3 else [RAW, ALL][: len(shown)]


def _power(axes: Axes, plan: Plan, shown: Sequence[Case], day: slice, hours: Floats) -> None:
    raw = shown[0].site_kw[day]
    fill: dict[str, Any] = {"linewidth": 0, "color": style.AVOIDED}
    above = np.maximum(raw, plan.limit_kw)
    axes.fill_between(hours, plan.limit_kw, above, label="overload, nobody taking part", **fill)
    axes.plot(hours, raw, color=RAW, linewidth=0.8, label=_name(shown[0]))
    for case, colour in list(zip(shown, _colours(shown), strict=True))[1:]:
        means = _means(case.site_kw[day])
        axes.plot(_means(hours), means, color=colour, linewidth=2.0, label=_name(case))
    label = f"limit, {plan.limit_kw:g} kW"
    axes.axhline(plan.limit_kw, color=style.LIMIT, linestyle="--", linewidth=1.4, label=label)
    axes.set_ylim(0, 1.22 * max(float(raw.max()), plan.limit_kw))
    axes.set_ylabel("power, kW")
    axes.set_title("Power from noon to noon: raw minutes, and quarter-hour means under control")
    axes.legend(loc="upper right")


def _heat(axes: Axes, plan: Plan, shown: Sequence[Case], day: slice, hours: Floats) -> None:
    for case, colour in zip(shown, _colours(shown), strict=True):
        axes.plot(hours, case.hot_spot_c[day], color=colour, linewidth=1.6)
    hottest = max(float(case.hot_spot_c[day].max()) for case in shown)
    lines = [(NORMAL_C[plan.transformer.paper], "ages at its normal rate")]
    most_c = LIMITS[Loading.NORMAL_CYCLIC].hot_spot_c
    if most_c is not None:
        lines.append((most_c, "highest allowed day by day"))
    reach = max(hottest, lines[0][0]) * 1.12
    for temperature_c, text in lines:
        if temperature_c < reach:
            axes.axhline(temperature_c, color=style.QUIET, linestyle=":", linewidth=1.2)
            axes.annotate(
                f"{temperature_c:g} °C: {text}",
                (float(hours[-1]), temperature_c),
                xytext=(-2, 3),
                textcoords="offset points",
                ha="right",
                color=style.QUIET,
                fontsize=8.5,
            )
    axes.set_ylim(min(plan.transformer.ambient_c, 20.0), reach)
    axes.set_ylabel("hot spot, °C")
    axes.set_xlabel("local time")
    axes.set_title("How hot its winding gets (IEC 60076-7)")
    ticks = range(int(np.ceil(hours[0])), int(hours[-1]) + 2, 3)
    axes.set_xticks(list(ticks), [f"{tick % 24:02d}:00" for tick in ticks])
    axes.set_xlim(float(hours[0]), float(hours[-1]))


def _sweep(figure: Any, plan: Plan, cases: Sequence[Case]) -> None:
    """Draw three figures against the share: overload, peak, ageing."""
    grid = figure.subplots(1, 3)
    shares = sorted({case.share for case in cases})
    _against(grid[0], shares, cases, "overload_kwh", 1 / plan.recipe.days)
    rest = [_median(cases, share, "unavoidable_kwh") / plan.recipe.days for share in shares]
    grid[0].plot(shares, rest, color=style.QUIET, linestyle=":", linewidth=1.4)
    grid[0].plot([], [], color=style.QUIET, linestyle=":", label="left if all they have were off")
    grid[0].legend(loc="upper right")
    grid[0].set_title("Overload, kWh a day")
    _against(grid[1], shares, cases, "peak_kw", 1.0)
    grid[1].axhline(plan.limit_kw, color=style.LIMIT, linestyle="--", linewidth=1.4)
    grid[1].set_title("Highest minute, kW")
    _against(grid[2], shares, cases, "loss_of_life_h", 1 / plan.recipe.days)
    grid[2].axhline(24.0, color=style.QUIET, linestyle=":", linewidth=1.2)
    note = {"textcoords": "offset points", "xytext": (-2, 3), "ha": "right", "fontsize": 8.5}
    grid[2].annotate("normal ageing: 24", (1.0, 24.0), color=style.QUIET, **note)
    grid[2].set_title("Insulation life used up, hours a day")
    for axes in grid:
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("share of the flats that take part")
    figure.suptitle(
        f"What each share brings: median and range of {plan.seeds} random streets",
        fontsize=11,
        fontweight="bold",
        x=0.01,
        ha="left",
    )


def _against(
    axes: Axes, shares: Sequence[float], cases: Sequence[Case], name: str, scale: float
) -> None:
    rows = [
        [(case.figures[name] or 0.0) * scale for case in cases if case.share == share]
        for share in shares
    ]
    median = [_median(cases, share, name) * scale for share in shares]
    axes.fill_between(
        shares, [min(row) for row in rows], [max(row) for row in rows], color=SOME, alpha=0.25, lw=0
    )
    axes.plot(shares, median, color=ALL, marker="o", markersize=4, linewidth=1.6, clip_on=False)
    axes.set_ylim(0, 1.15 * max(max(row) for row in rows) or 1.0)
    _callout(axes, shares, median)


def _median(cases: Sequence[Case], share: float, name: str) -> float:
    return float(np.median([case.figures[name] or 0.0 for case in cases if case.share == share]))


def _callout(axes: Axes, shares: Sequence[float], median: Sequence[float]) -> None:
    """Say what the headline share changes against nobody."""
    place = min(range(len(shares)), key=lambda index: abs(shares[index] - HEADLINE))
    if shares[place] == 0 or not median[0]:
        return
    change = median[place] / median[0] - 1
    axes.plot(shares[place], median[place], "o", markersize=9, mfc="none", mec=style.INK, mew=1.4)
    axes.annotate(
        f"{shares[place]:.0%} take part: {change:+.0%}".replace("-", "−"),
        (shares[place], median[place]),
        xytext=(8, 12),
        textcoords="offset points",
        fontweight="bold",
    )
