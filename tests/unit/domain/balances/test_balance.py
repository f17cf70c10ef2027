"""An imbalance is told only where everything is known."""

import numpy as np

from balans.domain.balances import Sums, balances


def sums(energy: int, expected: int, known: int, suspect: int = 0) -> Sums:
    return Sums(*(np.array([value]) for value in (energy, expected, known, suspect, 0)))


def test_all_known() -> None:
    (one,) = balances(sums(1000, 3, 3), sums(900, 60, 60, 2), [None])
    assert (one.inflow, one.outflow, one.imbalance, one.completeness) == (1000, 900, 100, 1.0)
    assert one.share == 0.1
    assert one.suspect == 2
    assert one.loss is None


def test_a_technical_loss_is_taken_off() -> None:
    (one,) = balances(sums(1000, 3, 3), sums(900, 60, 60), [40])
    assert one.imbalance == 60


def test_a_missing_point_is_no_loss() -> None:
    (one,) = balances(sums(1000, 3, 3), sums(880, 60, 59), [40])
    assert (one.outflow, one.outflow_known, one.imbalance) == (None, 880, None)
    assert one.completeness == 62 / 63
    (one,) = balances(sums(600, 3, 2), sums(900, 60, 60), [None])
    assert (one.inflow, one.outflow, one.imbalance) == (None, 900, None)


def test_without_a_meter_on_a_side_nothing_is_claimed() -> None:
    (one,) = balances(Sums.none(1), sums(900, 60, 60), [None])
    assert (one.inflow, one.imbalance) == (None, None)
    (one,) = balances(Sums.none(1), Sums.none(1), [None])
    assert one.completeness is None


def test_a_difference_needs_all_of_both() -> None:
    left = sums(900, 60, 60).minus(sums(100, 2, 1))
    assert (left.energy.item(), left.expected.item(), left.known.item()) == (800, 62, 61)
