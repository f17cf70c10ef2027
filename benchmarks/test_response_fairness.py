"""A month of daily events among 500 houses: by the ledger, and in a fixed order.

Every house has a water heater and a refrigerator, one in five an air-conditioner
(`simulate_event_fleet`). Each day an event of half an hour wants 5 to 15 % of what the yellow
loads are expected to draw. Both orders choose with the same expectations, the same rules and the
same turns, so that they are equally sure to meet it; the fixed order asks by the place in a list,
as a list of feeders or of phone numbers does. What a house gave is what it would have drawn in its
turns, by the same day without an event.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from balans.core.words import LoadClass
from balans.domain.demand.fairness import jain
from balans.domain.response.candidates import Candidate, Wanted
from balans.domain.response.selection import Rules, choose
from balans.usecases.simulate_event import (
    STEP_S,
    Spread,
    house_name,
    off_times,
    prepare_day,
    simulate_event,
)
from balans.usecases.simulate_event_fleet import Fleet, make_fleet

Floats = NDArray[np.float64]
HOUSES, DAYS = 500, 30
EVENT_S, RELEASE_S = 1800.0, 300.0
LEAST, MOST = 0.05, 0.15
PLACE_WEIGHT = 1e-3
"""So little more does the next in the list weigh: nothing but his place decides."""


@dataclass(frozen=True)
class Month:
    """What each house gave [kW min], and by day what was wanted, sure and achieved [W]."""

    given_kwmin: Floats
    wanted_w: Floats
    sure_w: Floats
    achieved_w: Floats

    def told(self, name: str) -> str:
        asked = int((self.given_kwmin > 0).sum())
        return (
            f"{name}: Jain {jain(self.given_kwmin.tolist()):.3f}, {asked} houses gave"
            f" {self.given_kwmin.mean():.1f} kW min in the mean, {self.given_kwmin.max():.1f} at"
            f" most; wanted {self.wanted_w.mean() / 1000:.1f} kW, sure"
            f" {self.sure_w.mean() / 1000:.1f}, achieved {self.achieved_w.mean() / 1000:.1f}"
        )


def candidates_of(fleet: Fleet, given_kwmin: Floats, *, fair: bool) -> list[Candidate]:
    """Return the houses as the operator knows them: mean and deviation over a quarter hour."""
    mean_w = fleet.by_house(fleet.expected_w)
    variance = fleet.by_house(fleet.rated_w**2 * fleet.duty * (1 - fleet.duty))
    duty = mean_w / fleet.by_house(fleet.rated_w)
    cycle_s = fleet.by_house(fleet.expected_w * fleet.cycle_s) / mean_w
    return [
        Candidate(
            house_name(n),
            LoadClass.YELLOW,
            mean_w[n],
            np.sqrt(variance[n]),
            1.0 if fair else 1.0 + PLACE_WEIGHT * n,
            given_kwmin[n] if fair else 0.0,
            duty=duty[n],
            cycle_s=cycle_s[n],
        )
        for n in range(fleet.houses)
    ]


def month(houses: int = HOUSES, days: int = DAYS, *, fair: bool) -> Month:
    fleet = make_fleet(houses, 1, heater_share=1.0)
    given, told = np.zeros(houses), []
    rules = Rules() if fair else Rules(fairness=0.0)
    for number in range(days):
        share = np.random.default_rng([number, 9]).uniform(LEAST, MOST)
        wanted_w = share * float(fleet.expected_w.sum())
        wanted = Wanted(0.0, np.full(6, wanted_w), release_spread_s=RELEASE_S)
        chosen = choose(candidates_of(fleet, given, fair=fair), wanted, rules)
        day = prepare_day(fleet, number, EVENT_S)
        off = off_times(houses, chosen.turns, Spread(number, 0.0, RELEASE_S), day.steps)
        run, twin = simulate_event(day, off), simulate_event(day)
        assert run.longest_off_s <= 900.0
        given += (twin.house_w * off).sum(axis=0) * STEP_S / 60_000
        achieved_w = float((twin.yellow_w - run.yellow_w).mean())
        told.append((wanted_w, float(chosen.sure_w.mean()), achieved_w))
    wanted_ws, sure_ws, achieved_ws = np.array(told).T
    return Month(given, wanted_ws, sure_ws, achieved_ws)


def test_a_month_of_events_is_fair(benchmark: BenchmarkFixture) -> None:
    fair: Month = benchmark.pedantic(month, kwargs={"fair": True}, rounds=1)  # type: ignore[no-untyped-call]
    fixed = month(fair=False)
    print("\n" + fair.told("by the ledger"))
    print(fixed.told("fixed order"))
    assert jain(fair.given_kwmin.tolist()) >= 0.9
    assert jain(fixed.given_kwmin.tolist()) < jain(fair.given_kwmin.tolist())
    assert fair.achieved_w.mean() >= 0.97 * fixed.achieved_w.mean()
