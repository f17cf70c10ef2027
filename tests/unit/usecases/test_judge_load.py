"""Laws of the verdict on a load curve."""

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.usecases.judge_load import judge_load

watts = st.none() | st.floats(0, 1e6)
curves = st.lists(st.tuples(watts, watts), min_size=1, max_size=50)


def test_a_day_by_hand() -> None:
    verdict = judge_load([1000, 5000, 4000, None], [4000, 4000, 4000, 4000], 900)
    assert astuple(verdict) == pytest.approx((3, 2.5, 5.0, 10 / 3, 0.25, 15.0))


def test_nothing_known_is_not_zero() -> None:
    assert astuple(judge_load([None, None], [4000, 4000], 60)) == (0, None, None, None, None, None)


def test_without_a_limit_there_is_no_overload_to_speak_of() -> None:
    verdict = judge_load([1000, 9000], [None, None], 60)
    assert (verdict.overload_kwh, verdict.minutes_over) == (None, None)
    assert verdict.peak_kw == 9


@given(curves)
def test_overload_is_energy_above_the_limit(curve: list[tuple[float | None, float | None]]) -> None:
    power, limit = (list(column) for column in zip(*curve, strict=True))
    verdict = judge_load(power, limit, 60)
    if verdict.overload_kwh is not None and verdict.energy_kwh is not None:
        assert 0 <= verdict.overload_kwh <= verdict.energy_kwh * (1 + 1e-9)
        assert verdict.minutes_over is not None
        assert verdict.minutes_over <= verdict.steps


@given(curves, st.integers(1, 49))
def test_parts_add_up_to_the_whole(
    curve: list[tuple[float | None, float | None]], cut: int
) -> None:
    power, limit = (list(column) for column in zip(*curve, strict=True))
    whole = judge_load(power, limit, 60)
    parts = [judge_load(power[part], limit[part], 60) for part in (slice(cut), slice(cut, None))]
    for name in ("energy_kwh", "overload_kwh", "minutes_over"):
        total = sum(getattr(part, name) or 0 for part in parts)
        assert (getattr(whole, name) or 0) == pytest.approx(total)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="zip"):
        judge_load([1, 2], [1], 60)
