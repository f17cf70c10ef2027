"""Caps and the futility detector: a meter that follows, one that does not, a noisy rest."""

from dataclasses import replace

import numpy as np
import pytest

from balans.core.words import LoadClass
from balans.domain.demand.guards import (
    Caps,
    Evidence,
    Guard,
    caps_for,
    decide_guarded,
)
from balans.domain.demand.model import Allowed, Load, LoadState, Observation
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import ONLY_SITE

LOADS = tuple(
    Load(f"heater{n}", LoadClass.YELLOW, 1000.0 + n, min_on_s=0.0, max_off_s=420.0)
    for n in range(12)
)
NO_CAPS = Caps()
FLEET = Fleet(LOADS, ONLY_SITE)
LIMITS = NodeLimits(ONLY_SITE, (Allowed(6000.0, "emergency"),))


def run(
    steps: int, rest_w: np.ndarray, *, meter_follows: bool, caps: Caps = NO_CAPS
) -> tuple[list[int], list[str], Guard]:
    """Return switchings off and the guard's word by step."""
    states, guard = tuple(LoadState() for _ in LOADS), Guard(caps)
    offs, words = [], []
    for number in range(1, steps + 1):
        time_s = number * 60.0
        drawn = tuple(900.0 if state.on else 0.0 for state in states)
        seen_w = rest_w[number - 1] + (sum(drawn) if meter_follows else 12 * 900.0)
        seen = Observation(time_s, 60.0, time_s, float(seen_w), drawn)
        states, decision, guard = decide_guarded(FLEET, states, seen, LIMITS, guard)
        offs.append(sum(not action.on for action in decision.actions))
        words.append(guard.word(time_s))
    return offs, words, guard


def test_shedding_stops_when_the_meter_does_not_follow_and_is_tried_again_later() -> None:
    rest_w = np.full(300, 1000.0) + np.random.default_rng(1).normal(0, 50, 300)
    rest_w[:20] = -8000.0  # inside the limit at first
    offs, words, _ = run(300, rest_w, meter_follows=False, caps=Caps(2, 4))
    assert "futile" in words
    first = words.index("futile")
    assert first < 20 + 10
    assert sum(offs[first : first + 5]) == 0
    assert sum(offs[first + 5 :]) > 0  # tried again
    # The pauses grow: in the last hour there are fewer switchings than in the first.
    assert sum(offs[-60:]) < sum(offs[20:80])


@pytest.mark.parametrize("seed", range(5))
def test_a_meter_that_follows_is_never_called_futile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rest_w = np.abs(np.cumsum(rng.normal(0, 700, 600))) % 4000 + 1000
    offs, words, _ = run(600, rest_w, meter_follows=True)
    assert sum(offs) > 50
    assert "futile" not in words


def test_a_rest_that_rises_as_fast_as_is_shed_is_no_futility() -> None:
    rest_w = np.r_[np.linspace(-6000, -5000, 20), np.linspace(-5000, 9000, 16), np.full(60, 9000)]
    _, words, _ = run(96, rest_w, meter_follows=True)
    # For a while it looks the same; the first pause of 5 minutes shows that it is not.
    assert words.count("futile") <= 5


def test_no_more_switchings_than_the_caps_allow() -> None:
    rest_w = np.full(40, 1000.0)
    offs, words, _ = run(40, rest_w, meter_follows=True, caps=Caps(2, 3))
    assert max(offs) <= 2
    assert "switch_cap" in words
    free, _, _ = run(1, rest_w, meter_follows=True)
    assert free[0] > 2


def test_timers_are_not_held_up_by_a_cap() -> None:
    states = tuple(replace(LoadState(), on=False, since_s=0.0) for _ in LOADS)
    seen = Observation(420.0, 60.0, 420.0, 9000.0, (0.0,) * len(LOADS))
    after, _, _ = decide_guarded(FLEET, states, seen, LIMITS, Guard(Caps(0, 0)))
    assert all(state.on for state in after)


def test_the_biggest_are_switched_where_not_all_may_be() -> None:
    drawn = tuple(float(100 * n + 100) for n in range(12))
    seen = Observation(60.0, 60.0, 60.0, 9000.0, drawn)
    limits = NodeLimits(ONLY_SITE, (Allowed(0.0, "all"),))
    after, _, _ = decide_guarded(FLEET, (LoadState(),) * 12, seen, limits, Guard(Caps(3, 9)))
    assert [n for n, state in enumerate(after) if not state.on] == [9, 10, 11]


def test_nothing_is_said_before_there_is_evidence() -> None:
    assert Evidence().most == float("inf")
    steady = Evidence()
    for _ in range(20):
        steady = steady.after(-1.0, 0.0)
    assert steady.most == float("inf")  # always the same: nothing to compare with


def test_caps_grow_with_the_site() -> None:
    assert caps_for(2) == Caps(4, 8)
    assert caps_for(1000) == Caps(250, 500)
