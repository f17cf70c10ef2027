"""EMHASS 0.18.7 as a controller of the recorded house: the same forecasts, the same meter.

What it cannot express, and what is done instead:

- a comfort band told in electricity around what a heat pump wants (its thermal loads need
  temperatures, a building model and a COP that the record does not have): the heat pump runs as
  recorded;
- several scenarios: it is given their mean;
- tiers of a month: it is given the price of the tier that the month is in, or is expected to
  end in;
- a worth of what is left in the battery: its charge at the end of the horizon is set to its
  charge now, its own default, or, with `may_empty`, to the least.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from balans.domain.demand.devices import Cycle, Vehicle
from balans.domain.demand.plan import Problem
from balans.usecases.house_replay import BATTERY, CAR, HEAT, HORIZON_H, Orders
from balans.usecases.house_terms import Terms

PEER = "emhass==0.18.7"
LOADS = (CAR, "dishwasher", "washing_machine")
CYCLE_W = {"dishwasher": 700.0, "washing_machine": 500.0}
"""About what the runs of the record draw in the mean hour: EMHASS has one power a load."""
RUNS_W = 1.0


def peer_python(folder: Path) -> Path:
    """Return the interpreter of the peer's environment, made on first use."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603
        install = [str(python), "-m", "pip", "install", "--quiet", PEER]
        subprocess.run(install, check=True)  # noqa: S603
    return python


class Emhass:
    """A running peer; call it with the problem of an hour."""

    def __init__(self, python: Path, terms: Terms, *, may_empty: bool = False) -> None:
        self.failed = 0
        self._may_empty = may_empty
        script = Path(__file__).with_name("peer.py")
        self._peer = subprocess.Popen(  # noqa: S603
            [str(python), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        kept, car_w = terms.battery, Vehicle(0, 0, 0, max_a=terms.vehicle_a, phases=(1,)).max_w
        most = {CAR: car_w, **CYCLE_W}
        case = {
            "loads": [{"most_w": most[name], "whole": name != CAR} for name in LOADS],
            "charge_w": kept.charge_w,
            "discharge_w": kept.discharge_w,
            "efficiency": kept.efficiency,
            "capacity_wh": kept.capacity_wh,
            "least_soc": kept.min_soc_wh / kept.capacity_wh,
            "peak_price": terms.tariff.peak_price,
            "hours": HORIZON_H,
        }
        self._car_w = car_w
        self._capacity_wh = kept.capacity_wh
        self._least_soc = kept.min_soc_wh / kept.capacity_wh
        self._ask(case)

    def _ask(self, case: dict[str, Any]) -> dict[str, Any]:
        if self._peer.stdin is None or self._peer.stdout is None:
            raise RuntimeError("the peer has no pipes")
        print(json.dumps(case), file=self._peer.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._peer.stdout.readline())
        return answer

    def __call__(self, problem: Problem) -> Orders:
        """Return what EMHASS does in the first hour; as without a plan where it finds none."""
        answer = self._ask(self._hour(problem))
        if answer["status"] != "ok":
            self.failed += 1
            return Orders(0.0, self._car_w)
        power = dict(zip(LOADS, answer["loads_w"], strict=True))
        starts = frozenset(name for name in CYCLE_W if power[name] > RUNS_W)
        return Orders(answer["battery_w"], power[CAR], None, starts)

    def _hour(self, problem: Problem) -> dict[str, Any]:
        net_w = problem.weight @ (problem.rest_w + problem.demand_w[HEAT])
        month = problem.months[0]
        ends_kwh = (month.bought_wh + month.later_wh) / 1000
        extra = sum(b.extra for b in problem.tariff.blocks if ends_kwh > b.above_kwh)
        battery = problem.devices[BATTERY]
        soc = getattr(battery, "soc_wh", 0.0) / self._capacity_wh
        hours, ends = zip(*(self._task(problem, name) for name in LOADS), strict=True)
        return {
            "load_w": np.maximum(net_w, 0.0).tolist(),
            "pv_w": np.maximum(-net_w, 0.0).tolist(),
            "buy": (problem.buy + extra).tolist(),
            "sell": problem.sell.tolist(),
            "soc": soc,
            "soc_final": min(soc, self._least_soc) if self._may_empty else soc,
            "peak_w": max(month.peak_w, 1.0),
            "hours": hours,
            "end": ends,
        }

    def _task(self, problem: Problem, name: str) -> tuple[float, int]:
        """Return how many hours a load must run, and by the end of which."""
        device = problem.devices.get(name)
        if isinstance(device, Vehicle):
            end = round((device.departure_s - problem.start_s) / 3600)
            return device.energy_wh / self._car_w, min(end, HORIZON_H)
        if isinstance(device, Cycle):
            length = len(device.profile_w)
            end = round((device.latest_s - problem.start_s) / 3600) + length
            return float(length), min(end, HORIZON_H)
        return 0.0, 0

    def close(self) -> None:
        """End the peer."""
        if self._peer.stdin:
            self._peer.stdin.close()
        self._peer.wait(timeout=30)
