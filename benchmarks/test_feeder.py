"""Speed of the transformer study: 1,000 houses over a day of minutes, together and one by one."""

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from balans.domain.transformer import ONAN_DISTRIBUTION, simulate
from balans.simulator.recording import town_minutes
from balans.simulator.town import MONDAY, TIMEZONE
from balans.usecases.feeder.control import Limits
from balans.usecases.feeder.run import Run, replay
from balans.usecases.feeder.street import Recipe, Street, Weeks, make_street

HOUSES, PROCESSES = 1000, 2
OWN_W = 5000.0
"""The limit of a house of its own; below it the transformer's share is 2.4 kW."""
SITE_W = 2375.0 * HOUSES


@cache
def houses() -> Street:
    """Return 1,000 homes, a third with a vehicle, a fifth with a heat pump; 2,533 loads."""
    minutes = town_minutes()
    weeks = Weeks(minutes.rest_w, minutes.kitchen_w, minutes.laundry_w, minutes.heat_w)
    recipe = Recipe(HOUSES, 1, 1, ev_share=0.333, heat_pump_share=0.2)
    return make_street(weeks, recipe, ZoneInfo(TIMEZONE), MONDAY.timestamp())


def over_kwh(run: Run, limit_w: float) -> float:
    return float(np.maximum(run.site_w - limit_w, 0).sum()) / 60_000


def house_day(number: int) -> float:
    """Replay one house with a controller and a limit of its own; return what is over [kWh]."""
    return over_kwh(replay(houses().only(number), 1.0, Limits(OWN_W)), OWN_W)


def all_house_days() -> float:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(house_day, range(HOUSES), chunksize=50))


def test_a_thousand_houses_each_with_a_controller_of_its_own(benchmark: BenchmarkFixture) -> None:
    before = sum(
        over_kwh(replay(houses().only(number), 0.0, Limits(OWN_W)), OWN_W)
        for number in range(HOUSES)
    )
    after = benchmark.pedantic(all_house_days, rounds=1)  # type: ignore[no-untyped-call]
    assert after < 0.5 * before


@pytest.mark.parametrize(
    "limits",
    [Limits(SITE_W), Limits(SITE_W, SITE_W / 3, OWN_W)],
    ids=["transformer", "transformer, phases and houses"],
)
def test_a_thousand_houses_behind_one_transformer(
    benchmark: BenchmarkFixture, limits: Limits
) -> None:
    street = houses()
    before = over_kwh(replay(street, 0.0, limits), SITE_W)
    run = benchmark.pedantic(  # type: ignore[no-untyped-call]
        replay, args=(street, 1.0, limits), rounds=1
    )
    assert over_kwh(run, SITE_W) < 0.2 * before


def test_a_year_of_minutes_of_twenty_transformers(benchmark: BenchmarkFixture) -> None:
    """Thermal loading alone: 525,600 steps, twenty runs side by side."""
    load = np.random.default_rng(1).uniform(0.1, 1.4, (525_600, 20))
    found = benchmark.pedantic(  # type: ignore[no-untyped-call]
        simulate, args=(ONAN_DISTRIBUTION, load, 20.0, 60.0), rounds=1
    )
    assert found.hot_spot_c.shape == load.shape
