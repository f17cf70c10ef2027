"""Expected against achieved: a fleet of thermostats is asked as planned, and measured.

What the plan knows of a house is what a server knows: mean, deviation and cycle of its loads from
their hourly means of some days (`domain.response.cycles`), not the physics of the fleet.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from balans.core.words import StepKind
from balans.domain.response.cycles import cycle_s
from balans.domain.response.rotation import Turn
from balans.usecases.event_plan import Asked, EventPlan, Offer, Offered, Planned, plan_event
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
HOUSES, DAYS, TRIALS = 200, 20, 12
DOUBT_SHARE = 0.1  # of the rated power, as `storage.response_powers` has it
HOUR_S = 3600.0


@cache
def fleet() -> Fleet:
    return make_fleet(HOUSES, 1, heater_share=1.0)


@cache
def offers() -> tuple[Offer, ...]:
    """What the hourly registers of some weeks tell of each house."""
    alone = Fleet(
        **{name: getattr(fleet(), name) for name in Fleet.__dataclass_fields__ if name != "house"}
        | {"houses": len(fleet().rated_w), "house": np.arange(len(fleet().rated_w))}
    )
    hours = np.array(
        [
            simulate_event(prepare_day(alone, 100 + n, HOUR_S)).house_w.mean(axis=0)
            for n in range(DAYS)
        ]
    )
    mean_w, sd_w = hours.mean(axis=0), hours.std(axis=0, ddof=1)
    doubt_w = np.maximum(sd_w, DOUBT_SHARE * alone.rated_w)
    found = []
    for number in range(HOUSES):
        own = np.flatnonzero(fleet().house == number)
        rated = fleet().rated_w[own]
        cycles = [
            cycle_s(sd, at, mean / at, HOUR_S)
            for sd, at, mean in zip(sd_w[own], rated, mean_w[own], strict=True)
        ]
        total = mean_w[own].sum()
        offered = Offered(
            total,
            float(np.sqrt((doubt_w[own] ** 2).sum())),
            total / rated.sum(),
            float((mean_w[own] * cycles).sum() / total),
        )
        found.append(Offer(house_name(number), Offered(), offered))
    return tuple(found)


@dataclass(frozen=True)
class Trial:
    """A plan, and what was held back by slot in the mean of the trials [W]."""

    plan: Planned
    achieved_w: Floats

    @property
    def error_w(self) -> float:
        return float(self.achieved_w.mean() - np.mean(self.plan.expected_w))


def trial(length_s: float, start_s: float, release_s: float, share: float = 0.1) -> Trial:
    wanted_w = share * float(fleet().expected_w.sum())
    steps = (Asked(0.0, length_s, 0.0),)
    plan = plan_event(
        EventPlan(StepKind.LIMIT, steps, wanted_w, release_s, start_s), list(offers())
    )
    turns = [Turn(part.name, one.start_s, one.end_s) for part in plan.parts for one in part.steps]
    found = []
    for seed in range(TRIALS):
        day = prepare_day(fleet(), seed, length_s)
        off = off_times(HOUSES, turns, Spread(seed, start_s, release_s), day.steps)
        saved_w = simulate_event(day).yellow_w - simulate_event(day, off).yellow_w
        found.append(saved_w.reshape(-1, round(plan.slot_s / STEP_S)).mean(axis=1))
    return Trial(plan, np.mean(found, axis=0))


@pytest.mark.parametrize("spreads", [(0.0, 0.0), (300.0, 300.0)])
@pytest.mark.parametrize("length_s", [900.0, 1800.0, 3600.0])
def test_what_is_expected_is_achieved_within_the_band(
    length_s: float, spreads: tuple[float, float]
) -> None:
    found = trial(length_s, *spreads)
    assert found.plan.met
    band_w = float(np.mean(found.plan.sd_w))
    assert abs(found.error_w) <= band_w
    assert abs(found.error_w) <= 0.25 * float(np.mean(found.plan.expected_w))


def test_the_first_slot_counts_only_those_who_have_begun() -> None:
    found = trial(900.0, 300.0, 300.0)
    first_w, second_w = found.plan.expected_w[:2]
    assert first_w == pytest.approx(second_w / 2, rel=0.01)
    assert found.achieved_w[0] == pytest.approx(first_w, rel=0.25)


def test_what_comes_back_in_the_event_is_not_hidden() -> None:
    """All are off at once: what they would have drawn comes back in the slots after their turn."""
    steps = (Asked(0.0, HOUR_S, 0.0),)
    plan = plan_event(EventPlan(StepKind.LIMIT, steps), [offers()[0]])
    assert min(plan.expected_w) < 0 < plan.mean_w
