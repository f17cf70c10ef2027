"""Ratings learned from what is drawn; a wrong one must not break the limit."""

from dataclasses import replace

import numpy as np
import pytest

from balans.core.words import LoadClass
from balans.domain.demand.model import Allowed, Load, LoadState, Observation
from balans.domain.demand.rating import Ratings, learn, rated
from balans.domain.demand.reflex import decide

HEATER = Load("heater", LoadClass.YELLOW, 2000.0)


def seen(number: int, *load_w: float | None, site_w: float = 0.0) -> Observation:
    return Observation(number * 60.0, 60.0, number * 60.0 % 86_400, site_w, load_w)


def taught(powers: list[float], load: Load = HEATER) -> Load:
    ratings: Ratings = {}
    for number, power_w in enumerate(powers, start=1):
        ratings = learn(ratings, [load], [LoadState()], seen(number, power_w))
    return rated([load], ratings)[0]


def test_the_high_power_is_learned_within_its_bin() -> None:
    rng = np.random.default_rng(1)
    powers = rng.normal(1500, 20, 200) * (rng.random(200) < 0.5)
    assert taught(powers.tolist()).rated_w == pytest.approx(1530, rel=0.05)


def test_stand_by_and_a_single_spike_teach_nothing() -> None:
    powers = [*[6.0] * 500, *[1500.0] * 60, 9000.0]
    assert taught(powers).rated_w == pytest.approx(1500, rel=0.05)


def test_the_configured_rating_stands_until_enough_is_seen() -> None:
    assert taught([900.0] * 5) == HEATER
    assert taught([900.0] * 20).rated_w == pytest.approx(900, rel=0.05)


def test_an_old_power_is_forgotten() -> None:
    assert taught([*[2000.0] * 120, *[1000.0] * 40_000]).rated_w == pytest.approx(1000, rel=0.05)


def test_what_is_held_or_just_switched_teaches_nothing() -> None:
    for state in (
        replace(LoadState(), on=False),
        replace(LoadState(), setpoint_w=500.0),
        replace(LoadState(), since_s=30.0),
    ):
        assert learn({}, [HEATER], [state], seen(1, 500.0)) == {}
    assert learn({}, [HEATER], [LoadState()], seen(1, None)) == {}


def over_kwh(factor: float, *, learning: bool) -> tuple[float, float]:
    """Return energy over the limit after the first hour, with and without control, over a day."""
    rng = np.random.default_rng(5)
    real_w = (1500.0, 1200.0, 900.0)
    loads = tuple(
        Load(f"l{n}", LoadClass.YELLOW, power_w * factor, min_on_s=300.0)
        for n, power_w in enumerate(real_w)
    )
    wants = np.repeat(rng.random((96, 3)) < 0.5, 15, axis=0)
    rest_w = np.repeat(rng.uniform(300, 2500, 144), 10)
    states: tuple[LoadState, ...] = (LoadState(),) * 3
    ratings: Ratings = {}
    backlog = np.zeros(3)
    sums = np.zeros(2)
    for number in range(1440):
        drawn = tuple(
            power_w if state.on and (want or left > 0) else 0.0
            for power_w, state, want, left in zip(
                real_w, states, wants[number], backlog, strict=True
            )
        )
        backlog = np.maximum(0.0, backlog + wants[number] * np.array(real_w) - drawn)
        site_w = float(rest_w[number] + sum(drawn))
        if number > 60:
            plain_w = rest_w[number] + float((wants[number] * np.array(real_w)).sum())
            sums += np.maximum(np.array([site_w, plain_w]) - 3500.0, 0.0) / 60_000
        now = seen(number + 1, *drawn, site_w=site_w)
        if learning:
            ratings = learn(ratings, loads, states, now)
        states, _ = decide(rated(loads, ratings), states, now, Allowed(3500.0, "fuse"))
    return float(sums[0]), float(sums[1])


def test_a_wrong_rating_does_not_break_the_limit() -> None:
    right, plain = over_kwh(1.0, learning=True)
    assert right < 0.8 * plain
    for factor in (0.5, 2.0):
        learned, _ = over_kwh(factor, learning=True)
        assert learned <= min(1.25 * right, 0.2 * plain)
    trusted, _ = over_kwh(0.5, learning=False)
    assert trusted > right  # without learning half the rating lets loads back too early
