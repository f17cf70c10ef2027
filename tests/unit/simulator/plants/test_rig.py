"""A simple controller over houses with every fault at once, and what holds all the same."""

import numpy as np
import pytest

from balans.core.words import LoadClass
from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.faults import (
    ClockOffset,
    DropOut,
    Late,
    Line,
    LostCommand,
    Welded,
    WrongRating,
)
from balans.simulator.plants.houses import make_houses
from balans.simulator.plants.rig import Rig

LIMIT_W = 25_000.0


def rig(*, honest: bool) -> Rig:
    houses = make_houses(40, seed=8, day_of_year=15, warm_up=False)
    if honest:
        return Rig(houses, start_s=1_000.0)
    line = Line(
        (LostCommand(0.2, seed=1),),
        (DropOut(0.02, 5.0, seed=2), Late(1), ClockOffset(20.0, seed=3)),
    )
    return Rig(houses, line, (Welded(0.05, 4), Welded(0.02, 5, closed=False)), WrongRating(0.3, 6))


def shed_largest(told_w: Floats, yellow: Flags, rated_w: Floats) -> Flags:
    """Return contacts: above the limit the yellow loads that draw most go off, as a rule of thumb.

    A site that is not read counts as overloaded.
    """
    on = np.ones(len(yellow), dtype=np.bool_)
    over_w = np.inf if np.isnan(told_w[-1]) else told_w[-1] - LIMIT_W
    for load in np.argsort(-rated_w):
        if over_w <= 0:
            break
        if yellow[load]:
            on[load] = False
            over_w -= rated_w[load]
    return on


def play(rig: Rig, minutes: int = 180) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return site power, longest off time by load and share of readings that were missing."""
    yellow = np.array([word is LoadClass.YELLOW for word in rig.houses.loads.load_class])
    on, longest, site, missing = np.ones(len(yellow), dtype=np.bool_), np.zeros(len(yellow)), [], []
    for _ in range(minutes):
        read = rig.step(on)
        assert rig.truth is not None
        longest = np.maximum(longest, rig.off_s)
        site.append(rig.truth.house_w.sum())
        missing.append(np.isnan(read.power_w).mean())
        on = shed_largest(read.power_w, yellow, rig.told_rated_w)
    return np.array(site), longest, np.array(missing)


def test_an_honest_rig_reads_the_truth() -> None:
    parts = rig(honest=True)
    read = parts.step(np.ones(len(parts.houses.loads), dtype=np.bool_))
    assert parts.truth is not None
    np.testing.assert_allclose(read.power_w[:-1], parts.truth.load_w)
    assert read.power_w[-1] == pytest.approx(parts.truth.house_w.sum())
    assert (read.time_s == 1_060).all()
    assert (parts.told_rated_w == parts.houses.loads.rated_w).all()


@pytest.mark.parametrize("honest", [True, False])
def test_a_yellow_contact_comes_back_by_its_own_timer(*, honest: bool) -> None:
    parts = rig(honest=honest)
    most_s, off = parts.houses.loads.max_off_s, np.zeros(len(parts.houses.loads), dtype=np.bool_)
    longest = np.zeros(len(off))
    for _ in range(60):
        parts.step(off)
        longest = np.maximum(longest, parts.off_s)
    welded_open = np.zeros(len(off), dtype=np.bool_)
    for fault in parts.welded:
        welded_open |= fault.stuck(len(off)) & (not fault.closed)
    timed = (most_s > 0) & ~welded_open
    assert (longest[timed] <= 900).all()
    assert (longest[timed] == 900).any()
    # Green has no timer here, and what is welded open stays so: the rig hides nothing.
    assert (longest[(most_s == 0) & ~welded_open].max()) > 900
    assert honest or longest[welded_open].min() == 3_600


def test_faults_are_the_same_for_the_same_seeds_and_do_harm() -> None:
    one, other, honest = (play(rig(honest=flag)) for flag in (False, False, True))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
    assert one[2].mean() == pytest.approx(0.02 * 5 / (1 + 0.02 * 4), rel=0.5)
    assert honest[2].max() == 0
    assert (one[0] != honest[0]).any()


def test_ratings_are_told_wrong_and_stay_so() -> None:
    parts = rig(honest=False)
    ratio = parts.told_rated_w / np.where(parts.houses.loads.rated_w, parts.houses.loads.rated_w, 1)
    used = parts.houses.loads.rated_w > 0
    assert np.log(ratio[used]).std() == pytest.approx(0.3, rel=0.2)
    np.testing.assert_array_equal(parts.told_rated_w, rig(honest=False).told_rated_w)
