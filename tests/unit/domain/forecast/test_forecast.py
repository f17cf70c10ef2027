"""Forecasts of the site's own past: causal, robust to gaps, in step with the local clock."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.domain.forecast import Grid, forecast_load, forecast_production, spread_days
from balans.usecases.profile import utc_offsets

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_S = 3600.0


def grid_of(days: int, ahead: int = 36, first: str = "2026-01-05T00:00", hour: int = 0) -> Grid:
    """Whole days of hours from `first` (UTC), and `hour` hours of the day that has begun."""
    begin_s = float(np.datetime64(first, "s").astype(np.int64))
    past = 24 * days + hour
    starts = begin_s + HOUR_S * np.arange(past + ahead, dtype=np.float64)
    return Grid(begin_s, HOUR_S, past, utc_offsets(starts, BERLIN))


def daily(grid: Grid) -> np.ndarray:
    """A load that depends on the hour of the local clock only."""
    hour = grid.local_s // HOUR_S % 24
    return 300.0 + 40.0 * hour


def test_a_load_that_repeats_is_forecast_exactly() -> None:
    grid = grid_of(14, hour=7)
    course = daily(grid)
    found = forecast_load(course[: grid.past], grid)
    np.testing.assert_allclose(found.mean_w, course[grid.past :])
    np.testing.assert_allclose(found.members_w - course[grid.past :], 0.0, atol=1e-9)


def test_habits_follow_the_local_clock_into_summer_time() -> None:
    grid = grid_of(12, ahead=24, first="2026-03-18T00:00")
    course = daily(grid)
    assert grid.offset_s[0] != grid.offset_s[-1]
    found = forecast_load(course[: grid.past], grid)
    # The first coming hour, 02:00, was left out on the day the clocks changed.
    np.testing.assert_allclose(found.mean_w[1:], course[grid.past + 1 :])


def test_weekends_are_their_own_days() -> None:
    grid = grid_of(26, ahead=48, first="2026-01-05T00:00")
    course = np.where(grid.is_weekend(), 1000.0, 200.0)
    found = forecast_load(course[: grid.past], grid)
    weekend = grid.is_weekend()[grid.past :]
    assert weekend.any()
    assert found.mean_w[weekend].min() > 1.5 * found.mean_w[~weekend].max() or not (~weekend).any()


def test_what_comes_later_changes_nothing() -> None:
    grid = grid_of(10, hour=5)
    rng = np.random.default_rng(3)
    course = rng.uniform(0, 2000, len(grid.offset_s))
    one = forecast_load(course[: grid.past], grid)
    course[grid.past :] = 1e6
    other = forecast_load(course[: grid.past], grid)
    np.testing.assert_array_equal(one.members_w, other.members_w)


def test_a_present_above_its_usual_draws_the_next_hours_up() -> None:
    rng = np.random.default_rng(5)
    grid = grid_of(20, hour=12)
    noise = np.zeros(grid.past)
    for place in range(1, grid.past):
        noise[place] = 0.9 * noise[place - 1] + rng.normal(0, 50)
    course = daily(grid)[: grid.past] + noise
    usual = forecast_load(course, grid).mean_w
    course[-1] += 400.0
    drawn_up = forecast_load(course, grid).mean_w - usual
    assert drawn_up[0] > 100.0
    assert drawn_up[0] > drawn_up[3] > drawn_up[12] >= -1.0


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.95), st.integers(0, 20), st.integers(0, 23))
def test_gaps_never_reach_the_forecast(seed: int, share: float, days: int, hour: int) -> None:
    grid = grid_of(days, hour=hour)
    rng = np.random.default_rng(seed)
    course = rng.uniform(0, 3000, grid.past)
    course[rng.random(grid.past) < share] = np.nan
    found = forecast_load(course, grid)
    assert np.isfinite(found.mean_w).all()
    assert np.isfinite(found.members_w).all()
    seen = course[np.isfinite(course)]
    if len(seen):
        assert found.members_w.min() >= seen.min() - 1e-9
        assert found.members_w.max() <= seen.max() + 1e-9
    else:
        assert not found.mean_w.any()


def test_production_is_dark_at_night_and_no_more_than_a_clear_day() -> None:
    grid = grid_of(20)
    hour = grid.local_s // HOUR_S % 24
    clear = 4000.0 * np.clip(np.sin((hour - 7) / 10 * np.pi), 0, None) * ((hour > 7) & (hour < 17))
    rng = np.random.default_rng(1)
    clouds = np.repeat(rng.uniform(0.1, 1.0, 30), 24)[: len(hour)]
    made = -clear * clouds
    found = forecast_production(made[: grid.past], grid)
    night = clear[grid.past :] == 0
    assert not found.members_w[:, night].any()
    assert (found.members_w <= 0).all()
    assert (-found.members_w <= 1.2 * clear[grid.past :] + 1e-6).all()
    low, high = found.quantile_w(0.1), found.quantile_w(0.9)
    assert (low <= high).all()
    assert low.sum() < high.sum()


def test_a_site_without_sun_forecasts_none() -> None:
    grid = grid_of(5)
    assert not forecast_production(np.zeros(grid.past), grid).members_w.any()


def test_spread_days_reach_from_the_least_to_the_most() -> None:
    grid = grid_of(14)
    course = np.repeat(np.random.default_rng(2).permutation(14) * 100.0, 24)
    found = forecast_load(course, grid)
    days = spread_days(7, (found,), 24)
    sums = found.days(days)[:, :24].sum(axis=1)
    assert len(set(days)) == 7
    assert (np.diff(sums) >= 0).all()
    assert sums[-1] - sums[0] > 0.5 * np.ptp(found.members_w[:, :24].sum(axis=1))


def test_values_that_do_not_fit_the_grid_are_refused() -> None:
    grid = grid_of(3)
    with pytest.raises(InputError, match="expected one for each of 72"):
        forecast_load(np.zeros(5), grid)


@pytest.mark.parametrize("doubles_in_days", [30.0, -30.0])
def test_members_follow_a_trend_that_the_mean_lags_behind(doubles_in_days: float) -> None:
    """Where each day is colder than the days before, forecasts erred, and members know it."""
    rng = np.random.default_rng(8)
    grid = grid_of(28, ahead=24, hour=6)
    course = 500.0 * 2 ** (np.arange(grid.past + 24) / 24 / doubles_in_days)
    noise = rng.normal(0, 20, grid.past)
    found = forecast_load(course[: grid.past] + noise, grid)
    actual = course[grid.past :].mean()
    lag = abs(found.mean_w.mean() - actual)
    assert abs(found.members_w.mean() - actual) < max(0.6 * lag, 0.02 * actual)
    assert np.ptp(found.members_w[:, 12]) > 20.0
