"""Speed of the simulator's houses: a day of 1,000 of them at a minute's step, closed loop."""

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from balans.core.words import LoadClass
from balans.simulator.plants.houses import make_houses

DAY_MIN = 1_440


def test_a_day_of_a_thousand_houses(benchmark: BenchmarkFixture) -> None:
    houses = make_houses(1_000, seed=1, day_of_year=15)
    yellow = np.array([word is LoadClass.YELLOW for word in houses.loads.load_class])

    def day() -> float:
        energy_wh = 0.0
        for minute in range(DAY_MIN):
            houses_w = houses.step(~yellow | (minute % 60 >= 10)).house_w
            energy_wh += float(houses_w.sum()) / 60
        return energy_wh

    energy_wh = benchmark.pedantic(day, rounds=3)  # type: ignore[no-untyped-call]
    assert 5_000 < energy_wh / 1_000 < 20_000
