"""Similar days: the same hour of the days before, the newer the heavier, drawn to the present.

The mean of the coming slot j is that of the same hour on the days d before, weighted by
``2 ** (-d / half life)`` and by whether the day is of the same kind (workday, weekend). What the
present differs from its own mean fades with the correlation measured from slot to slot::

    mean[j] = profile[j] + r ** (j + 1) * (seen now - profile now)

The spread comes from the days themselves: each of the newest days gives one member, what it
differed from the profile of the days before *it*, narrowed at first by what the present tells,
``sqrt(1 - r ** (2 j + 2))``. So they err as forecasts have erred of late, also to one side, as
they do in autumn when each day is a little colder than the ones before. Members are whole days, so
that what belongs together stays together in load and production.

Production is forecast as the share of a clear day, the upper envelope of the last weeks at each
hour: clouds are what is uncertain, the sun's way is not. Sources: the ensemble of analogue days
follows L. Delle Monache et al., Probabilistic weather prediction with an analog ensemble, Monthly
Weather Review 141 (2013) 3498-3516; the clear-sky index J. L. Bosch et al., Solar Energy 2012.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.forecast.grid import Floats, Grid, Ints

DAYS = 28
"""How far back similar days are taken from."""
HALF_LIVES_D = (1.0, 2.0, 5.0, 12.0)
"""Half lives tried on the site's own past; the one that erred least is taken."""
OTHER_KIND = 0.4
"""Weight of a workday for a weekend, and the other way round."""
ERRORS = 14
"""Newest days whose errors are the spread of the coming one."""
CLEAR_DAYS = 15
"""Days whose upper envelope counts as a clear day: the sun moves little in a fortnight."""
CLEAR_QUANTILE = 0.9
NIGHT_SHARE = 0.02
"""Less than this share of the best hour is night: its ratio to a clear day says nothing."""
MOST_SHARE = 1.2
"""Clouds at the edge of the sun can lift PV above the clear day for a short while."""
MOST_KEPT = 0.98
ENOUGH = 24
"""Pairs of slots below which a correlation is not believed."""
WHOLE_SHARE = 0.8
"""A day that misses more of its slots is no member, unless all do."""


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Mean power of the coming slots [W], shape (n,), and members of its spread, (members, n).

    `days_before` tells which day each member is drawn from.
    """

    mean_w: Floats
    members_w: Floats
    days_before: tuple[int, ...]

    def days(self, chosen: Sequence[int]) -> Floats:
        """Return the members drawn from the days `chosen`; the mean for a day without one."""
        rows = {day: row for row, day in enumerate(self.days_before)}
        found = [self.members_w[rows[day]] if day in rows else self.mean_w for day in chosen]
        return np.array(found)

    @property
    def may_produce(self) -> Floats:
        """1.0 for the slots in which some member produces, else 0.0."""
        found: Floats = np.any(self.members_w < 0, axis=0).astype(np.float64)
        return found

    def quantile_w(self, share: float) -> Floats:
        """Return the power that is not exceeded with the probability `share` [W]."""
        found: Floats = np.quantile(self.members_w, share, axis=0)
        return found


def forecast_load(values_w: Floats, grid: Grid, members: int = DAYS) -> Forecast:
    """Return the forecast of a load from its past.

    Parameters
    ----------
    values_w
        Mean power of each past slot [W]; NaN where unknown.
    grid
        The slots, past and coming.
    members
        How many days the spread is drawn from, at most.

    Raises
    ------
    InputError
        If there is not one value for each past slot.

    Notes
    -----
    A member lies within what has been seen. Without any past the forecast is 0 W.
    """
    past = _checked(values_w, grid)
    mean, spread, days = _forecast(past, grid, members)
    seen = past[np.isfinite(past)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    return Forecast(np.clip(mean, low, high), np.clip(spread, low, high), days)


def forecast_production(values_w: Floats, grid: Grid, members: int = DAYS) -> Forecast:
    """Return the forecast of PV from its past; production is negative, in and out.

    Notes
    -----
    The envelope of `CLEAR_DAYS` days is the clear day; night is 0 W. Wind has no clear day: use
    `forecast_load`.
    """
    past = -_checked(values_w, grid)
    clear = _clear_day(past, grid)
    places = np.arange(len(grid.offset_s)) - grid.past
    by_slot = clear[places % grid.per_day]
    is_day = by_slot > NIGHT_SHARE * max(float(clear.max()), 1.0)
    share = np.full(grid.past, np.nan)
    lit = is_day[: grid.past]
    share[lit] = np.clip(past[lit] / by_slot[: grid.past][lit], 0.0, MOST_SHARE)
    mean, spread, days = _forecast(share, grid, members)
    coming = np.where(is_day[grid.past :], -by_slot[grid.past :], 0.0)
    return Forecast(
        np.clip(mean, 0.0, MOST_SHARE) * coming, np.clip(spread, 0.0, MOST_SHARE) * coming, days
    )


def _checked(values_w: Floats, grid: Grid) -> Floats:
    past = np.asarray(values_w, dtype=np.float64)
    if past.shape != (grid.past,):
        raise InputError(f"forecast: {past.shape} values: expected one for each of {grid.past}")
    return past


def _clear_day(past: Floats, grid: Grid) -> Floats:
    """Return the clear day: a high quantile of each slot of the day over the last days."""
    days = min(CLEAR_DAYS, grid.past // grid.per_day)
    if not days:
        return np.zeros(grid.per_day)
    rows = past[grid.past - days * grid.per_day :].reshape(days, grid.per_day)
    known = np.isfinite(rows).any(axis=0)
    clear = np.zeros(grid.per_day)
    clear[known] = np.nanquantile(rows[:, known], CLEAR_QUANTILE, axis=0)
    return np.maximum(clear, 0.0)


def _forecast(past: Floats, grid: Grid, members: int) -> tuple[Floats, Floats, tuple[int, ...]]:
    """Return mean, members and the days the members are drawn from; missing slots have no say."""
    days = min(DAYS, grid.past // grid.per_day)
    slots = np.arange(grid.ahead) % grid.per_day
    if not days or not np.isfinite(past).any():
        level = float(np.nanmean(past)) if np.isfinite(past).any() else 0.0
        return np.full(grid.ahead, level), np.full((1, grid.ahead), level), (0,)
    place = grid.days_back(days)
    seen = np.where(place >= 0, past[place], np.nan)
    weekend = grid.is_weekend()
    is_weekend = weekend[place] & (place >= 0)
    half_life = min(HALF_LIVES_D, key=lambda half: _error_of(seen, is_weekend, half))
    target = weekend[grid.past :]
    mean = _profile(seen[:, slots], is_weekend[:, slots], target, half_life)
    errors = _errors(seen, is_weekend, half_life, min(ERRORS, days - 1))
    kept = _correlation(errors)
    fade = kept ** (1.0 + np.arange(grid.ahead))
    mean = mean + _lead(errors) * fade
    if not len(errors):
        return mean, mean[None, :], (1,)
    chosen = _most_whole(errors, members)
    spread = np.nan_to_num(errors[chosen])
    spread = mean + spread[:, slots] * np.sqrt(1.0 - fade**2)
    return mean, spread, tuple(int(day) + 1 for day in chosen)


def _profile(
    seen: Floats, is_weekend: NDArray[np.bool_], target: NDArray[np.bool_], half_life: float
) -> Floats:
    """Return the weighted mean of each column; 0 where nothing is known of it."""
    age = np.exp2(-np.arange(len(seen)) / half_life)[:, None]
    weight = age * np.where(is_weekend == target, 1.0, OTHER_KIND) * np.isfinite(seen)
    total = weight.sum(axis=0)
    value = (weight * np.nan_to_num(seen)).sum(axis=0)
    overall = np.nanmean(seen) if np.isfinite(seen).any() else 0.0
    found: Floats = np.where(total > 0, value / np.maximum(total, 1e-300), overall)
    return found


def _errors(seen: Floats, is_weekend: NDArray[np.bool_], half_life: float, days: int) -> Floats:
    """Return what the newest `days` days differed from the profile of the days before each."""
    rows = [
        seen[day] - _profile(seen[day + 1 :], is_weekend[day + 1 :], is_weekend[day], half_life)
        for day in range(days)
    ]
    return np.array(rows) if rows else np.zeros((0, seen.shape[1]))


def _error_of(seen: Floats, is_weekend: NDArray[np.bool_], half_life: float) -> float:
    errors = _errors(seen, is_weekend, half_life, min(7, len(seen) - 1))
    known = errors[np.isfinite(errors)]
    return float(np.mean(np.abs(known))) if len(known) else 0.0


def _in_order(errors: Floats) -> Floats:
    """Return the errors as they followed each other: the oldest day first."""
    return errors[::-1].ravel()


def _correlation(errors: Floats) -> float:
    """Return the correlation of errors from slot to slot, 0 to `MOST_KEPT`."""
    line = _in_order(errors)
    one, next_one = line[:-1], line[1:]
    known = np.isfinite(one) & np.isfinite(next_one)
    if known.sum() < ENOUGH:
        return 0.0
    square = float(np.mean(line[np.isfinite(line)] ** 2))
    product = float(np.mean(one[known] * next_one[known]))
    return min(max(product / square, 0.0), MOST_KEPT) if square > 0 else 0.0


def _lead(errors: Floats) -> float:
    """Return by how much the present differs from its profile; 0 where it is not known."""
    line = _in_order(errors)
    return float(line[-1]) if len(line) and np.isfinite(line[-1]) else 0.0


def _most_whole(seen: Floats, members: int) -> Ints:
    """Return the newest days that miss the least, as places in `seen`, newest first."""
    share = np.isfinite(seen).mean(axis=1)
    whole = np.flatnonzero(share >= min(WHOLE_SHARE, float(share.max())))
    return whole[:members]


def spread_days(count: int, parts: Sequence[Forecast], slots: int) -> tuple[int, ...]:
    """Return `count` of the days that the members of `parts` are drawn from, spread evenly.

    Days are put in order of what they draw in all in the first `slots` slots, and parted into
    `count` groups of one size; the middle of each stands for its group. A few days then tell
    of the dark as of the sunny ones. Days that not every part has are left out where possible.
    """
    common = set(parts[0].days_before).intersection(*(part.days_before for part in parts))
    days = sorted(common or set(parts[0].days_before))
    total = sum(part.days(days)[:, :slots].sum(axis=1) for part in parts)
    order = np.argsort(total, kind="stable")
    count = min(count, len(days))
    places = order[((np.arange(count) + 0.5) * len(days) / count).astype(np.int64)]
    return tuple(days[place] for place in places.tolist())
