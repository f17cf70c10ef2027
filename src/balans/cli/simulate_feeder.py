"""``balans simulate feeder``: flats behind one transformer, uncoordinated and under control."""

import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from balans.cli.common import AsJson, print_json
from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.usecases.feeder.heat import Transformer
    from balans.usecases.feeder.study import Case, Plan, Studio

EXAMPLE = (
    "Example: balans simulate feeder --flats 100 --ev-share 0.3 --transformer-kva 250 --out out/"
)
KW_PER_FLAT = 2.5
"""The limit where none is given: that of the demo's building, 60 kW for 24 flats."""
SHARES = "0,0.2,0.4,0.6,0.8,1"


def feeder(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    flats: Annotated[int, typer.Option(help="Flats behind the transformer, 1 to 1000.")] = 100,
    participation: Annotated[
        str,
        typer.Option(
            metavar="LIST", help="Shares of the flats that take part, 0 to 1 or 0 to 100%."
        ),
    ] = SHARES,
    days: Annotated[int, typer.Option(help="Days from Monday noon, 1 to 7.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 1,
    seeds: Annotated[
        int, typer.Option(help="How many seeds, from --seed on: median and range of all.")
    ] = 5,
    ev_share: Annotated[float, typer.Option(help="Share of the flats with a vehicle.")] = 0.0,
    heat_pump_share: Annotated[
        float, typer.Option(help="Share of the flats with a heat pump.")
    ] = 0.0,
    limit_kw: Annotated[
        float | None,
        typer.Option(help="What the transformer shall carry; else its rating at 0.95."),
    ] = None,
    transformer_kva: Annotated[
        float | None, typer.Option(help="Its rating; else the limit at a power factor of 0.95.")
    ] = None,
    per_phase: Annotated[
        bool, typer.Option("--per-phase", help="Keep each phase below its third as well.")
    ] = False,
    flat_limit_kw: Annotated[
        float | None, typer.Option(help="Own limit of each flat, kept where it takes part.")
    ] = None,
    ambient_c: Annotated[
        float, typer.Option(metavar="DEGC", help="Air around the transformer.")
    ] = 20.0,
    upgraded_paper: Annotated[
        bool, typer.Option("--upgraded-paper", help="Thermally upgraded insulation.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; else one for each processor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Study what load control does for a transformer: overload, peak, hot spot, ageing.

    Flats are made of recorded weeks by a seed. Writes summary.json, trace.csv and plot.png.
    """
    from balans.cli.simulate import all_or_nothing
    from balans.usecases.feeder.street import Recipe
    from balans.usecases.feeder.study import Plan

    limit, transformer = ratings(flats, limit_kw, transformer_kva, ambient_c, upgraded_paper)
    plan = Plan(
        Recipe(flats, days, seed, ev_share, heat_pump_share),
        seeds,
        shares_of(participation),
        limit,
        transformer,
        per_phase,
        above_zero("flat-limit-kw", flat_limit_kw),
    )
    with all_or_nothing(out) as folder:
        cases = play(plan, jobs or os.cpu_count() or 1)
        summary = write_all(folder, plan, cases)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary, out)


def ratings(
    flats: int,
    limit_kw: float | None,
    kva: float | None,
    ambient_c: float,
    upgraded_paper: bool,
) -> tuple[float, "Transformer"]:
    """Return the limit and the transformer: what is not given follows from what is.

    >>> ratings(24, None, 63.0, 20.0, False)[0]
    59.85

    Raises
    ------
    InputError
        If one is no number above 0.
    """
    from balans.domain.transformer import Paper
    from balans.usecases.feeder.heat import POWER_FACTOR, Transformer

    above_zero("limit-kw", limit_kw)
    above_zero("transformer-kva", kva)
    if not math.isfinite(ambient_c):
        raise InputError(f"--ambient-c {ambient_c:g}: expected a number")
    if limit_kw is None:
        limit_kw = round(kva * POWER_FACTOR, 6) if kva else KW_PER_FLAT * flats
    paper = Paper.UPGRADED if upgraded_paper else Paper.NON_UPGRADED
    rating = kva or round(max(limit_kw, 1e-3) / POWER_FACTOR, 6)
    return limit_kw, Transformer(rating, ambient_c=ambient_c, paper=paper)


def above_zero(name: str, value: float | None) -> float | None:
    """Return `value`, of the option `name`; raise InputError if it is no number above 0."""
    if value is not None and not 0 < value < 1e6:
        raise InputError(f"--{name} {value:g}: expected a number above 0")
    return value


def shares_of(text: str) -> tuple[float, ...]:
    """Return the shares in a list such as ``0,0.4,1`` or ``0%,40%,100%``.

    >>> shares_of("0, 40%, 1")
    (0.0, 0.4, 1.0)

    Raises
    ------
    InputError
        Naming the part that is no share.
    """
    found = []
    for part in text.split(","):
        number, percent = part.strip().removesuffix("%"), part.strip().endswith("%")
        try:
            share = float(number) / 100 if percent else float(number)
        except ValueError:
            share = math.nan
        if not 0 <= share <= 1:
            raise InputError(f"--participation {part.strip()!r}: expected 0 to 1, or 0% to 100%")
        found.append(share)
    return tuple(sorted(set(found)))


def play(plan: "Plan", jobs: int) -> list["Case"]:
    """Play all cases of `plan`, in as many processes as there is work for."""
    from balans.cli.simulate import progress_line

    cases: list[Case] = []
    with progress_line() as tell:
        for case in _played(plan, min(jobs, len(plan.cases))):
            cases.append(case)
            tell(len(cases) / len(plan.cases))
    return cases


def _played(plan: "Plan", jobs: int) -> Iterator["Case"]:
    if jobs == 1:
        for seed, share in plan.cases:
            yield studio(plan).play(seed, share)
        return
    # Cases of one seed stay together where there are seeds enough: they share their street.
    chunk = len(plan.cases) // plan.seeds if plan.seeds >= jobs else 1
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_play, [(plan, *case) for case in plan.cases], chunksize=chunk)


def _play(case: tuple["Plan", int, float]) -> "Case":
    plan, seed, share = case
    return studio(plan).play(seed, share)


@cache
def studio(plan: "Plan") -> "Studio":
    """Return the studio of this process for `plan`; it keeps the street it made last."""
    from balans.simulator.recording import town_minutes
    from balans.simulator.town import MONDAY, TIMEZONE
    from balans.usecases.feeder.street import Weeks
    from balans.usecases.feeder.study import Place, Studio

    minutes = town_minutes()
    weeks = Weeks(minutes.rest_w, minutes.kitchen_w, minutes.laundry_w, minutes.heat_w)
    return Studio(plan, weeks, Place(ZoneInfo(TIMEZONE), MONDAY.timestamp()))


def write_all(folder: Path, plan: "Plan", cases: list["Case"]) -> dict[str, Any]:
    """Write the three files into `folder`; return the summary."""
    from balans.adapters.pictures.study_png import draw_study
    from balans.usecases.feeder.study import summary_of, trace_lines

    summary = summary_of(plan, cases)
    street = studio(plan).street(plan.recipe.seed)
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    with (folder / "trace.csv").open("w", encoding="utf-8", newline="\n") as trace:
        trace.writelines(trace_lines(plan, cases, street))
    draw_study(plan, cases, street, folder / "plot.png")
    return summary


def _print_summary(summary: dict[str, Any], out: Path) -> None:
    kva = summary["transformer"]["kva"]
    print(
        f"{summary['flats']} flats, limit {summary['limit_kw']:g} kW, transformer {kva:g} kVA, "
        f"days: {summary['days']}, seeds: {len(summary['seeds'])}; medians"
    )
    print(
        f"{'take part':>9}{'kWh over':>10}{'minutes':>9}{'peak kW':>9}{'hot spot C':>11}"
        f"{'ageing x':>10}{'switches':>9}{'fairness':>9}"
    )
    for row in summary["participation"]:
        fairness = row["fairness_jain"]["median"]
        print(
            f"{row['share']:9.0%}{row['overload_kwh']['median']:10.1f}"
            f"{row['minutes_over']['median']:9.0f}{row['peak_kw']['median']:9.1f}"
            f"{row['hot_spot_c']['median']:11.1f}{row['relative_ageing']['median']:10.3f}"
            f"{row['switches']['median']:9.0f}{'-' if fairness is None else f'{fairness:.2f}':>9}"
        )
    print(f"written to {out}: summary.json, trace.csv, plot.png")
