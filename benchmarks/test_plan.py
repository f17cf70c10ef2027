"""Speed of planning one house, and a short comparison of the planner with perfect foresight."""

import gzip
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from balans.domain.demand.devices import (
    Battery,
    Cycle,
    Device,
    Production,
    Pump,
    Thermostat,
    Vehicle,
)
from balans.domain.demand.plan import Block, Month, PlanState, Problem, Tariff, solve
from balans.usecases.compare_plan import compare_plan
from balans.usecases.house_record import read_house
from balans.usecases.house_replay import HouseReplay
from balans.usecases.house_terms import Terms

SLOT_S, SLOTS, SCENARIOS = 900.0, 96, 6
HOUR_S = 3600.0
RECORD = Path("../shared/data/household_de_1h_appliances/household_data_60min_residential4.csv.gz")


def house(seed: int) -> Problem:
    """Return ten loads over 24 h of quarters, in six courses, under a night tariff and a peak."""
    rng = np.random.default_rng(seed)
    hour = np.arange(SLOTS) / 4
    sun = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi))
    rest = 350 + 250 * np.exp(-((hour - 19) ** 2) / 6) + rng.uniform(0, 300, (SCENARIOS, SLOTS))
    pv = -6000 * sun * rng.uniform(0.2, 1.0, (SCENARIOS, 1))
    devices: dict[str, Device] = {
        "battery": Battery(10_000, 4_000, 4_000, 0.95, 4_000, 1_000),
        "car": Vehicle(0.0, 7 * HOUR_S, 9_000.0),
        "second car": Vehicle(18 * HOUR_S, 31 * HOUR_S, 14_000.0, phases=(1,)),
        "heat pump": Thermostat(2_700, 2_000, 2_000),
        "boiler": Thermostat(2_000, 1_500, 1_500),
        "air-conditioner": Thermostat(1_500, 500, 500),
        "dishwasher": Cycle((900.0, 1800.0, 300.0, 1200.0), SLOT_S, 0.0, 16 * HOUR_S),
        "washing machine": Cycle((1900.0, 500.0, 400.0), SLOT_S, 8 * HOUR_S, 20 * HOUR_S),
        "pump": Pump(750, 1_500, 0.0, 20 * HOUR_S),
        "pv": Production(8_000, curtailable=True),
    }
    wanted = {
        "heat pump": rng.uniform(200, 1_500, (SCENARIOS, SLOTS)),
        "boiler": rng.uniform(0, 600, (SCENARIOS, SLOTS)),
        "air-conditioner": rng.uniform(0, 500, (SCENARIOS, SLOTS)),
        "pv": pv,
    }
    return Problem(
        start_s=0.0,
        hours=np.full(SLOTS, 0.25),
        rest_w=rest + pv,
        weight=np.full(SCENARIOS, 1 / SCENARIOS),
        buy=np.where((hour >= 23) | (hour < 7), 0.2, 0.35),
        sell=np.full(SLOTS, 0.08),
        limit_w=np.full(SLOTS, 9_000.0),
        month=np.zeros(SLOTS, dtype=np.int64),
        months=(Month(120_000.0, 60_000.0, 2_000.0),),
        interval=np.arange(SLOTS) // 4,
        tariff=Tariff((Block(250.0, 0.04),), 2.5, 3600),
        devices=devices,
        demand_w=wanted,
    )


def test_plan_of_a_house(benchmark: BenchmarkFixture) -> None:
    """Each round plans another house."""
    seeds = iter(range(1_000))
    plan = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda problem: solve(problem, 0.0, SLOT_S),
        setup=lambda: ((house(next(seeds)),), {}),
        rounds=15,
    )
    assert plan.state is not PlanState.NONE


@pytest.mark.skipif(not RECORD.exists(), reason="the recorded house is not there")
def test_a_winter_week_beside_foresight(benchmark: BenchmarkFixture) -> None:
    """The whole comparison is ``balans bench plan``; this is a week of it."""
    zone = ZoneInfo("Europe/Berlin")
    text = gzip.decompress(RECORD.read_bytes()).decode()
    replay = HouseReplay(read_house(text, RECORD.name, zone), Terms(), zone, SCENARIOS)
    first, last = replay.hours_of(np.datetime64("2016-01-11"), 7)
    found = benchmark.pedantic(  # type: ignore[no-untyped-call]
        compare_plan, (replay, first, last), rounds=1
    )
    bills = found["bills"]
    print({name: (row["total"], row["gap"]) for name, row in bills.items()})
    assert bills["foresight"]["total"] <= bills["ours"]["total"] < bills["no_control"]["total"]
