"""Runs acnportal's own schedulers on its own network; in its own environment, without Balans.

Reads a case as JSON on standard input and prints what happened as JSON. See ``compare.py``.
"""

import json
import sys
import time
import warnings
from datetime import datetime, timezone
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")  # pandas deprecations inside the peer

from acnportal import acnsim, algorithms  # type: ignore[import-not-found]  # noqa: E402
from acnportal.acnsim.models import EV, Battery  # type: ignore[import-not-found]  # noqa: E402

SORTS = {
    "LLF": algorithms.least_laxity_first,
    "EDF": algorithms.earliest_deadline_first,
    "RR": algorithms.first_come_first_served,
}


def network_of(case: dict[str, Any], factor: float) -> Any:
    """Return their Caltech network with all limits multiplied by `factor`."""
    network = acnsim.sites.caltech_acn(
        basic_evse=case["continuous"], transformer_cap=case["transformer_kw"]
    )
    network.magnitudes = network.magnitudes * factor
    return network


def describe(network: Any) -> dict[str, Any]:
    """Return the network as numbers: what Balans must keep to as well."""
    return {
        "stations": network.station_ids,
        "rows": list(network.constraint_index),
        "matrix": np.asarray(network.constraint_matrix, dtype=float).tolist(),
        "limit_a": network.magnitudes.tolist(),
        "phase_deg": network._phase_angles.tolist(),  # noqa: SLF001  # only in a table otherwise
        "volt": network._voltages.tolist(),  # noqa: SLF001
        "max_a": network.max_pilot_signals.tolist(),
        "allowed_a": [list(map(float, rates)) for rates in network.allowable_rates],
    }


def run(case: dict[str, Any], name: str, factor: float) -> dict[str, Any]:
    """Run one scheduler over all sessions; return the currents drawn and the time of each step."""
    network = network_of(case, factor)
    family = algorithms.RoundRobin if name == "RR" else algorithms.SortedSchedulingAlgo
    scheduler = family(SORTS[name])
    step_s: list[float] = []
    schedule = scheduler.schedule

    def timed(sessions: Any) -> Any:
        begin = time.perf_counter()
        found = schedule(sessions)
        if sessions:
            step_s.append(time.perf_counter() - begin)
        return found

    scheduler.schedule = timed
    events = [acnsim.PluginEvent(one["arrival"], vehicle(one, case)) for one in case["sessions"]]
    simulator = acnsim.Simulator(
        network,
        scheduler,
        acnsim.EventQueue(events),
        datetime(2026, 1, 12, tzinfo=timezone.utc),  # noqa: UP017  # Python 3.9 of the peer
        period=case["period_min"],
        verbose=False,
    )
    simulator.run()
    return {
        "algorithm": name,
        "factor": factor,
        "current_a": np.round(simulator.charging_rates, 4).tolist(),
        "step_s": step_s,
    }


def least_factor(case: dict[str, Any], name: str) -> float | None:
    """Return the least factor of the grid that serves everyone in full, by bisection."""
    grid, low, high = case["grid"], 0, len(case["grid"]) - 1
    if not serves_all(case, name, grid[high]):
        return None
    while low < high:
        middle = (low + high) // 2
        if serves_all(case, name, grid[middle]):
            high = middle
        else:
            low = middle + 1
    return float(grid[low])


def serves_all(case: dict[str, Any], name: str, factor: float) -> bool:
    """Tell whether nobody is short by more than what the case allows."""
    done = run(case, name, factor)
    network = describe(network_of(case, 1.0))
    kwh_a = case["period_min"] / 60 / 1000
    for one in case["sessions"]:
        at = network["stations"].index(one["station"])
        drawn_kwh = sum(done["current_a"][at]) * network["volt"][at] * kwh_a
        if one["kwh"] - drawn_kwh > case["short_kwh"]:
            return False
    return True


def vehicle(one: dict[str, Any], case: dict[str, Any]) -> Any:
    """Return a vehicle whose battery takes exactly what it asks for."""
    battery = Battery(one["kwh"], 0.0, case["vehicle_kw"])
    return EV(one["arrival"], one["departure"], one["kwh"], one["station"], one["session"], battery)


def main() -> None:
    case = json.load(sys.stdin)
    network = describe(network_of(case, 1.0))
    runs = [run(case, one["algorithm"], one["factor"]) for one in case["runs"]]
    factors = {name: least_factor(case, name) for name in case["factors_of"]}
    json.dump({"network": network, "runs": runs, "factors": factors}, sys.stdout)


if __name__ == "__main__":
    main()
