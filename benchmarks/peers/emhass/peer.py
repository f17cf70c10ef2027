"""Runs EMHASS's own rolling optimization, hour by hour; in its own environment, without Balans.

Reads one case as JSON a line on standard input (the first holds what does not change), and answers
each hour's case with what EMHASS plans for its first hour. See ``compare.py``.
"""

import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

warnings.filterwarnings("ignore")  # deprecations inside the peer

import emhass  # type: ignore[import-not-found]  # noqa: E402
from emhass.optimization import Optimization  # type: ignore[import-not-found]  # noqa: E402

COST, PRICE = "unit_load_cost", "unit_prod_price"
PV, LOAD = "pv", "load"


def settings(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return EMHASS's three tables of settings: its defaults, and what the case tells."""
    path = Path(emhass.__file__).parent / "data" / "config_defaults.json"
    conf = json.loads(path.read_text())
    conf.update(
        optimization_time_step=pd.Timedelta(hours=1),
        time_zone="UTC",
        sensor_power_photovoltaics=PV,
        sensor_power_load_no_var_loads=LOAD,
        costfun="profit",
        number_of_deferrable_loads=len(case["loads"]),
        nominal_power_of_deferrable_loads=[load["most_w"] for load in case["loads"]],
        minimum_power_of_deferrable_loads=[0.0] * len(case["loads"]),
        operating_hours_of_each_deferrable_load=[0] * len(case["loads"]),
        start_timesteps_of_each_deferrable_load=[0] * len(case["loads"]),
        end_timesteps_of_each_deferrable_load=[0] * len(case["loads"]),
        treat_deferrable_load_as_semi_cont=[load["whole"] for load in case["loads"]],
        set_deferrable_load_single_constant=[load["whole"] for load in case["loads"]],
        set_deferrable_startup_penalty=[0.0] * len(case["loads"]),
        is_electric_load=[True] * len(case["loads"]),
        cost_forecast_per_deferrable_load=[None] * len(case["loads"]),
        set_use_battery=True,
        set_use_pv=True,
        set_nodischarge_to_grid=True,
        battery_discharge_power_max=case["discharge_w"],
        battery_charge_power_max=case["charge_w"],
        battery_discharge_efficiency=case["efficiency"],
        battery_charge_efficiency=case["efficiency"],
        battery_nominal_energy_capacity=case["capacity_wh"],
        battery_minimum_state_of_charge=case["least_soc"],
        battery_maximum_state_of_charge=1.0,
        maximum_power_from_grid=20_000,
        maximum_power_to_grid=20_000,
        inverter_is_hybrid=False,
        capacity_cost_per_kw=case["peak_price"],
        capacity_charge_interval_timesteps=1,
        delta_forecast_daily=pd.Timedelta(hours=case["hours"]),
        num_threads=1,
        lp_solver_mip_rel_gap=0.01,
    )
    for key in ("def_minimum_on_time", "def_minimum_off_time", "set_deferrable_max_startups"):
        conf[key] = [0] * len(case["loads"])
    conf["deferrable_load_max_cost"] = [0.0] * len(case["loads"])
    return conf, conf, conf


def answer(optimizer: Any, hour: dict[str, Any]) -> dict[str, Any]:
    """Return what EMHASS plans for the first hour of `hour`."""
    index = pd.date_range("2016-01-01", periods=len(hour["load_w"]), freq="1h", tz="UTC")
    table = pd.DataFrame({COST: hour["buy"], PRICE: hour["sell"]}, index=index)
    found = optimizer.perform_naive_mpc_optim(
        table,
        pd.Series(hour["pv_w"], index=index),
        pd.Series(hour["load_w"], index=index),
        len(index),
        soc_init=hour["soc"],
        soc_final=hour["soc_final"],
        current_period_peak=hour["peak_w"],
        def_total_hours=hour["hours"],
        def_start_timestep=[0] * len(hour["hours"]),
        def_end_timestep=hour["end"],
    )
    if found is None or "P_batt" not in found or not str(optimizer.optim_status).startswith("Opt"):
        return {"status": str(optimizer.optim_status)}
    first = found.iloc[0]
    loads = [float(first[f"P_deferrable{place}"]) for place in range(len(hour["hours"]))]
    return {"status": "ok", "battery_w": -float(first["P_batt"]), "loads_w": loads}


def main() -> None:
    """Answer every line of standard input."""
    # The solver prints a banner to standard output: answers go out by a copy of it.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logger = logging.getLogger("peer")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    lines = iter(sys.stdin)
    case = json.loads(next(lines))
    tables = settings(case)
    optimizer = Optimization(
        *tables, COST, PRICE, "profit", {}, logger, opt_time_delta=case["hours"]
    )
    print(json.dumps({"status": "ready"}), file=answers, flush=True)
    for line in lines:
        print(json.dumps(answer(optimizer, json.loads(line))), file=answers, flush=True)


main()
