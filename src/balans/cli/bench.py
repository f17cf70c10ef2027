"""``balans bench``: measure control quality and speed."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from balans.cli import bench_chaos, bench_ingest, bench_plan
from balans.cli.common import AsJson, new_app, print_json

app = new_app("Measure control quality and speed.")
app.command("plan", epilog=bench_plan.EXAMPLE)(bench_plan.plan)
app.command("ingest", epilog=bench_ingest.EXAMPLE)(bench_ingest.ingest)
app.command("chaos", epilog=bench_chaos.EXAMPLE)(bench_chaos.chaos)


@app.callback()
def group() -> None:
    """Measure control quality and speed."""


@app.command(epilog="Example: balans bench control house/SITE.toml --json")
def control(
    file: Annotated[Path, typer.Argument(metavar="SITE.toml", help="Site, limits and loads.")],
    as_json: AsJson = False,
) -> None:
    """Compare load control with none, a plain threshold rule, and perfect foresight."""
    from balans.cli.simulate import progress_line, read_site
    from balans.usecases.compare_control import compare_control

    site, profile = read_site(file)
    began_s = time.monotonic()
    with progress_line() as tell:
        result = compare_control(site, profile, time.thread_time_ns, tell)
    result["wall_s"] = round(time.monotonic() - began_s, 3)
    if as_json:
        print_json(result)
    else:
        _print_table(result)


def _print_table(result: dict[str, Any]) -> None:
    over = result["overload_kwh"]
    names = {
        "uncontrolled": "no control",
        "threshold_rule": "threshold rule",
        "ours": "ours",
        "foresight": "perfect foresight" + ("" if result["foresight"]["exact"] else " (bound)"),
        "unavoidable": "red part alone",
    }
    print(f"{result['site']}: energy above the limit, {result['steps']} steps")
    for key, name in names.items():
        shown = "not computed" if over[key] is None else f"{over[key]:10.2f} kWh"
        print(f"  {name:28}{shown}")
    if result["ratio"]["ours_to_foresight"]:
        print(f"  ours to foresight           {result['ratio']['ours_to_foresight']:10.3f}")
    print(f"  foresight: {result['foresight']['method']}")
    _print_figures(result["figures"])


def _print_figures(figures: dict[str, dict[str, Any]]) -> None:
    names = {
        "minutes_over": "minutes over",
        "peak_kw": "peak kW",
        "yellow_violations": "yellow off too long",
        "red_switchings": "red switchings",
        "switches": "switchings",
        "restore_overshoot_kwh": "overshoot of restores kWh",
        "unserved_kwh": "unserved kWh",
        "jain_loads": "Jain index over loads",
        "jain_shares": "Jain index of shares",
        "jain_flats": "Jain index over nodes",
        "cost": "cost",
    }
    ours, rule = figures["ours"], figures["threshold_rule"]
    print(f"  {'':28}{'ours':>12}{'threshold':>12}")
    for key, name in names.items():
        cells = ("-" if one[key] is None else f"{one[key]:.12g}" for one in (ours, rule))
        print(f"  {name:28}" + "".join(f"{cell:>12}" for cell in cells))
