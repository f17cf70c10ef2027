"""All rules on the same inputs in one run: ours, the plain threshold, and those of others.

    python -m benchmarks.compare_rules [--year FILE.csv.gz] [--json] [--quick] [--rules ours evcc]

Without the recorded year (UCI "Individual household electric power consumption", 2008, minutes) the
24 weeks of the same house that the package carries are taken.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.peers.evcc import EvccCircuits
from benchmarks.peers.ilc import LoadControl
from benchmarks.peers.plb import PowerLoadBalancer
from benchmarks.peers.timers import WithTimers
from benchmarks.sites import HEAT, WASH, Case, flats_case, house_case
from benchmarks.with_ledger import WithLedger

from balans.domain.demand import decide
from balans.domain.demand.foresight import foresight_bound
from balans.domain.demand.overload import measure
from balans.domain.demand.threshold import decide_by_threshold
from balans.usecases.control_figures import control_figures
from balans.usecases.simulate_site import UNITS_PER_W, Replay, Rule, simulate_site

RULES: dict[str, Callable[[Case], Rule]] = {
    "ours": lambda _: decide,
    "ours +ledger": lambda case: WithLedger(case.flats),
    "threshold": lambda _: decide_by_threshold,
    "evcc": lambda _: EvccCircuits(),
    "evcc +timer": lambda _: WithTimers(EvccCircuits()),
    "evcc dims +timer": lambda _: WithTimers(EvccCircuits(dims_green=True)),
    "PLB": lambda _: PowerLoadBalancer(),
    "PLB +timer": lambda _: WithTimers(PowerLoadBalancer()),
    "PLB, task only": lambda _: PowerLoadBalancer(balances_up=False),
    "ILC": lambda _: LoadControl(),
    "ILC +timer": lambda _: WithTimers(LoadControl()),
    "ILC at limit": lambda _: LoadControl(threshold_share=0.0),
    "ILC at limit +timer": lambda _: WithTimers(LoadControl(threshold_share=0.0)),
}
"""Each as published, and with the longest off time of yellow kept by the actuators.

Ours as a replay of a site runs it, and with the ledger of the gateway.
"""
ASKED_ALWAYS = ("ILC", "ours +ledger")
JUDGED = ("overload_kwh", "yellow_violations", "switches", "jain_loads")
"""What ours is to be ahead in, of each rule, all together."""
COLUMNS = {
    "overload_kwh": ("over kWh", "9.2f"),
    "minutes_over": ("min over", "9.0f"),
    "peak_kw": ("peak kW", "8.2f"),
    "yellow_violations": ("violat.", "8d"),
    "longest_yellow_off_s": ("longest s", "10.0f"),
    "red_switchings": ("red", "4d"),
    "switches": ("switches", "9d"),
    "switches_a_kwh": ("per kWh", "8.1f"),
    "restore_overshoot_kwh": ("overshoot", "10.2f"),
    "unserved_kwh": ("unserved", "9.2f"),
    "worst_backlog_kwh": ("backlog", "8.2f"),
    "late_kwh": ("late", "7.2f"),
    "given_up_kwmin": ("given kWmin", "12.0f"),
    "jain_loads": ("Jain", "6.3f"),
    "jain_shares": ("shares", "7.3f"),
    "jain_flats": ("flats", "6.3f"),
    "cost": ("cost", "9.2f"),
}


def cases(year: Path | None, *, quick: bool) -> list[Case]:
    """Return the cases; the quick ones are a week of flats alone."""
    flats = [flats_case(60.0), flats_case(50.0)]
    if quick:
        return flats[:1]
    sets = ((HEAT,), (HEAT, WASH))
    return [house_case(year, loads, kw) for loads in sets for kw in (4.0, 5.0, 6.0)] + flats


def compare(case: Case, rules: Sequence[str] = tuple(RULES)) -> dict[str, Any]:
    """Return the figures of no control, of ours and of `rules`, and of perfect foresight."""
    ours = _replay(case, "ours")
    none = _curve(ours, ours.uncontrolled_w)
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(("ours", *rules)):
        replay = ours if name == "ours" else _replay(case, name)
        figures = control_figures(replay, lambda load: case.flats.get(load.name, load.name))
        avoided = none["overload_kwh"] - figures["overload_kwh"]
        figures["switches_a_kwh"] = figures["switches"] / avoided if avoided > 0 else None
        found[name] = figures
    return {
        "case": case.name,
        "steps": len(case.profile.start_s),
        "no_control": none,
        "red_alone": _curve(ours, ours.red_w),
        "foresight_kwh": _foresight_kwh(ours),
        "rules": found,
        "ahead": {name: ahead_of(found["ours"], other) for name, other in found.items()},
    }


def _replay(case: Case, name: str) -> Replay:
    return simulate_site(
        case.site,
        case.profile,
        time.thread_time_ns,
        rule=RULES[name](case),
        every_step=name.startswith(ASKED_ALWAYS),
    )


def ahead_of(ours: dict[str, Any], other: dict[str, Any]) -> dict[str, bool]:
    """Return in which of the judged figures ours is at least as good as the other rule."""
    return {
        key: ours[key] >= (other[key] or 0.0) if key == "jain_loads" else ours[key] <= other[key]
        for key in JUDGED
    }


def _curve(replay: Replay, curve: np.ndarray) -> dict[str, float]:
    found = measure(curve, replay.limits)
    return {
        "overload_kwh": round(found.energy_kwh, 4),
        "minutes_over": found.minutes,
        "peak_kw": found.peak_kw,
    }


def _foresight_kwh(replay: Replay) -> float:
    bound = foresight_bound(
        list(replay.loads),
        replay.demand,
        replay.red_w,
        replay.limits.instant_w,
        replay.profile.step_s,
        UNITS_PER_W,
    )
    return round(bound.overload_w * replay.profile.step_s / 3.6e6, 4)


def print_table(result: dict[str, Any]) -> None:
    """Print one case."""
    none, red = result["no_control"], result["red_alone"]
    print(
        f"\n{result['case']}, {result['steps']} minutes: no control {none['overload_kwh']:.2f} kWh "
        f"({none['minutes_over']:.0f} min, peak {none['peak_kw']:.2f} kW), red alone "
        f"{red['overload_kwh']:.2f}, foresight {result['foresight_kwh']:.2f}"
    )
    print(f"{'':20}" + "".join(f"{head:>{_width(form)}}" for head, form in COLUMNS.values()))
    for name, figures in result["rules"].items():
        cells = "".join(_cell(figures[key], form) for key, (_, form) in COLUMNS.items())
        print(f"{name:20}{cells}")
    for name, ahead in result["ahead"].items():
        behind = [key for key, is_ahead in ahead.items() if not is_ahead]
        if behind:
            print(f"  ours is behind {name} in {', '.join(behind)}")


def _width(form: str) -> int:
    return int(form.split(".", maxsplit=1)[0].rstrip("df"))


def _cell(value: float | None, form: str) -> str:
    return f"{'-':>{_width(form)}}" if value is None else format(value, form)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--year", type=Path, help="household_power_2008.csv.gz")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one week of flats")
    parser.add_argument("--cases", default="", help="those whose name holds this")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    options = parser.parse_args()
    results = []
    chosen = [c for c in cases(options.year, quick=options.quick) if options.cases in c.name]
    for case in chosen:
        results.append(compare(case, options.rules))
        if not options.json:
            print_table(results[-1])
            sys.stdout.flush()
    if options.json:
        json.dump(results, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
