"""Shares current on the same sessions: acnportal's LLF, EDF and round robin, and ours.

    python -m benchmarks.peers.acnportal.compare [--json] [--seeds 1 2 3] [--quick]

The first run makes a virtual environment for the peer, in the user's cache unless --venv names
another place, and installs acnportal 0.3.3 in it.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.peers.acnportal.ours import (
    HOURS,
    Floats,
    Network,
    foresight_factor,
    network_of,
    run,
)
from benchmarks.peers.acnportal.sessions import PERIOD_MIN, VEHICLE_KW, Session, make_sessions

from balans.domain.demand.ev_sharing import Order

PEER = "acnportal==0.3.3"
VENV = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "balans/peers/acnportal"
ALGORITHMS = ("LLF", "EDF", "RR")
OURS: dict[str, Order | None] = {"sLLF": Order.LAXITY, "sLLF / ratio in overload": None}
LOADS = ((30, 30.0), (50, 45.0))
"""Sessions and transformer [kW]: about a third more than fits."""
GRID = np.round(np.arange(1.0, 1.61, 0.01), 2)
SHORT_KWH = {True: 0.01, False: 0.14}
"""Who is short by no more counts as served: 8 A for one period where currents have steps."""


def peer_python(folder: Path) -> Path:
    """Return the interpreter of the peer's environment, made on first use."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603
        install = [str(python), "-m", "pip", "install", "--quiet", PEER]
        subprocess.run(install, check=True)  # noqa: S603
    return python


def run_peer(python: Path, case: dict[str, Any]) -> dict[str, Any]:
    """Run a case in the peer's environment."""
    script = Path(__file__).with_name("peer.py")
    done = subprocess.run(  # noqa: S603
        [str(python), str(script)],
        input=json.dumps(case),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""},
    )
    if done.returncode:
        raise RuntimeError(f"peer ended with {done.returncode}: {done.stderr[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(
    python: Path, count: int, transformer_kw: float, seed: int, *, continuous: bool, factors: bool
) -> dict[str, Any]:
    """Return the figures of every scheduler on one day."""
    sessions = make_sessions(count, seed)
    case = {
        "transformer_kw": transformer_kw,
        "continuous": continuous,
        "period_min": PERIOD_MIN,
        "vehicle_kw": VEHICLE_KW,
        "sessions": [asdict(one) for one in sessions],
        "runs": [],
        "factors_of": [],
    }
    network = network_of(run_peer(python, case)["network"], continuous=continuous)
    least = foresight_factor(network, sessions)
    grid = (least * GRID).tolist()
    case["runs"] = [{"algorithm": name, "factor": 1.0} for name in ALGORITHMS]
    if factors:
        case |= {"grid": grid, "short_kwh": SHORT_KWH[continuous], "factors_of": ALGORITHMS}
    told = run_peer(python, case)
    found = {one["algorithm"]: figures(network, sessions, one) for one in told["runs"]}
    for name, factor in told["factors"].items():
        found[name]["factor"] = factor and factor / least
    for name, order in OURS.items():
        found[name] = figures(network, sessions, run(network, sessions, 1.0, order))
        if factors:
            found[name]["factor"] = _least(network, sessions, order, grid, SHORT_KWH[continuous])
    return {
        "sessions": count,
        "transformer_kw": transformer_kw,
        "seed": seed,
        "continuous": continuous,
        "foresight_factor": least,
        "schedulers": found,
    }


def figures(network: Network, sessions: Sequence[Session], done: dict[str, Any]) -> dict[str, Any]:
    """Return what a run delivered, how even, how restless, how fast and how near the limits."""
    current = np.array(done["current_a"], dtype=np.float64)
    served = _served(network, sessions, current)
    asked = np.array([one.kwh for one in sessions])
    own = [_own(network, one, current) for one in sessions]
    over = np.abs(network.rows.weights @ current) / network.rows.limit[:, np.newaxis]
    step_ms = np.array(done["step_s"]) * 1000
    return {
        "delivered": float(served.sum() / asked.sum()),
        "full": int(np.count_nonzero(asked - served <= 0.01 * asked)),
        "jain": jain(served / asked),
        "starts": sum(int(np.count_nonzero((row[1:] > 0) & (row[:-1] == 0))) for row in own),
        "changes": sum(int(np.count_nonzero(np.abs(np.diff(row)) > 0.5)) for row in own),
        "step_ms": {
            "p50": float(np.median(step_ms)),
            "p99": float(np.quantile(step_ms, 0.99)),
        },
        "worst_load": float(over.max()),
    }


def jain(shares: Floats) -> float:
    """Return Jain's index of fairness: 1 when all are equal, 1 / n when one has it all.

    >>> jain(np.array([1.0, 0.0]))
    0.5
    """
    return float(shares.sum() ** 2 / (len(shares) * (shares @ shares)))


def _own(network: Network, one: Session, current: Floats) -> Floats:
    """Return the current of a session over its stay, from before it until it is full."""
    row = current[network.stations.index(one.station), one.arrival : one.departure]
    last = int(np.flatnonzero(row > 0)[-1]) + 1 if (row > 0).any() else 0
    return np.concatenate([[0.0], row[:last]])


def _served(network: Network, sessions: Sequence[Session], current: Floats) -> Floats:
    rows = [network.stations.index(one.station) for one in sessions]
    return np.asarray(current[rows].sum(axis=1) * network.volt[rows] * HOURS / 1000)


def _least(
    network: Network,
    sessions: Sequence[Session],
    order: Order | None,
    grid: list[float],
    short_kwh: float,
) -> float | None:
    """Return the least factor that serves all, over the one of perfect foresight."""
    asked = np.array([one.kwh for one in sessions])
    low, high = 0, len(grid)
    while low < high:
        middle = (low + high) // 2
        current = run(network, sessions, grid[middle], order)["current_a"]
        if np.all(asked - _served(network, sessions, current) <= short_kwh):
            high = middle
        else:
            low = middle + 1
    return grid[low] / grid[0] if low < len(grid) else None


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the mean over the seeds, one line for each scheduler of each load."""
    keys = list(dict.fromkeys((r["sessions"], r["transformer_kw"], r["continuous"]) for r in rows))
    head = "delivered  full   Jain  starts  changes  ms p50/p99     factor"
    for count, kw, continuous in keys:
        same = [r for r in rows if (r["sessions"], r["continuous"]) == (count, continuous)]
        kind = "any current" if continuous else "steps from 6 or 8 A"
        least = np.mean([r["foresight_factor"] for r in same])
        print(f"\n{count} sessions, {kw:g} kW, {kind}, {len(same)} days; foresight {least:.3f}")
        print(f"{'':26}{head}")
        for name in same[0]["schedulers"]:
            print(f"{name:26}{_line([r['schedulers'][name] for r in same])}")


def _line(found: list[dict[str, Any]]) -> str:
    def mean(key: str) -> float:
        return float(np.mean([one[key] for one in found]))

    factors = [one["factor"] for one in found if one.get("factor")]
    missed = sum("factor" in one and one["factor"] is None for one in found)
    factor = f"{np.mean(factors):.3f} (largest {max(factors):.2f})" if factors else "-"
    factor += f", {missed} above {GRID[-1]}" if missed else ""
    p50 = np.mean([one["step_ms"]["p50"] for one in found])
    p99 = np.mean([one["step_ms"]["p99"] for one in found])
    return (
        f"{mean('delivered'):9.3f} {mean('full'):5.1f} {mean('jain'):6.3f} {mean('starts'):7.1f} "
        f"{mean('changes'):8.1f}  {p50:6.2f}/{p99:6.2f}  {factor}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=VENV)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--quick", action="store_true", help="without the factors, which take long")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    python = peer_python(options.venv.absolute())
    rows = [
        compare(python, count, kw, seed, continuous=continuous, factors=not options.quick)
        for count, kw in LOADS
        for continuous in (True, False)
        for seed in options.seeds
    ]
    if options.json:
        json.dump(rows, sys.stdout, indent=1)
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
