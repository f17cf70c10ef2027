"""The power of a load learned from what it draws, because what is written on it is not trusted.

The rating that counts is the power a load draws when it draws much: the `QUANTILE` of its power
over the time in which it is on, free and drawing. Powers are counted in bins, each 4 % wider than
the one before, so the result is within 4 %; what was seen fades by half in a week. Until a load has
drawn for `ENOUGH_S` its configured rating stands.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from balans.domain.demand.laws import RELIEF_SHARE
from balans.domain.demand.model import DAY_S, Load, LoadKind, LoadState, Observation

QUANTILE = 0.95
BIN_GROWTH = math.log(1.04)
LEAST_W = 5.0
"""Less than this is no drawing."""
ENOUGH_S = 600.0
HALF_LIFE_S = 7.0 * DAY_S
NOTHING_S = 1.0
MOST_HALVINGS = 4.0
"""A longer absence is most likely a clock that was put right: no more than this fades at once."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """For how long a load has drawn how much: seconds by number of the bin, fading."""

    seconds: Mapping[int, float] = field(default_factory=dict)
    at_s: float = 0.0

    def after(self, power_w: float, step_s: float, time_s: float) -> "Drawing":
        """Return this with `step_s` of `power_w` that ended at `time_s`.

        By a clock that runs backwards nothing fades.
        """
        halvings = (time_s - self.at_s) / HALF_LIFE_S
        kept = math.exp2(-min(max(0.0, halvings), MOST_HALVINGS))
        faded = {
            place: value * kept for place, value in self.seconds.items() if value * kept > NOTHING_S
        }
        place = math.floor(math.log(power_w) / BIN_GROWTH)
        faded[place] = faded.get(place, 0.0) + step_s
        return Drawing(faded, time_s)

    def earlier(self, by_s: float) -> "Drawing":
        """Return this as seen `by_s` earlier: the clock was set back by that."""
        return replace(self, at_s=self.at_s - by_s)

    @property
    def high_w(self) -> float | None:
        """The power that is high for the load; None before it has drawn for long enough [W]."""
        top = max(self.seconds, default=None)
        total_s = sum(self.seconds.values())
        if top is None or total_s < ENOUGH_S:
            return None
        floor_w = RELIEF_SHARE * math.exp(top * BIN_GROWTH)
        counted = sorted(
            (place, value)
            for place, value in self.seconds.items()
            if math.exp((place + 1) * BIN_GROWTH) > floor_w
        )
        wanted_s, seen_s = QUANTILE * sum(value for _, value in counted), 0.0
        for place, value in counted:
            seen_s += value
            if seen_s >= wanted_s:
                return math.exp((place + 0.5) * BIN_GROWTH)
        return None


Ratings = Mapping[str, Drawing]
"""What each load has drawn, by its name."""


def learn(
    ratings: Ratings, loads: Sequence[Load], states: Sequence[LoadState], seen: Observation
) -> Ratings:
    """Return `ratings` with the observed step, in which the loads were in `states`.

    Only loads with a meter teach, and only while they are on and not held to a power for the whole
    step. What a modulating load can do is set, not learned.
    """
    new: dict[str, Drawing] = {}
    for load, state, power_w in zip(loads, states, seen.load_w, strict=True):
        if power_w is None or power_w < LEAST_W or load.kind is LoadKind.MODULATING:
            continue
        if state.on and state.setpoint_w is None and state.since_s <= seen.time_s - seen.step_s:
            old = ratings.get(load.name, Drawing())
            new[load.name] = old.after(power_w, seen.step_s, seen.time_s)
    return {**ratings, **new} if new else ratings


def rated(loads: Sequence[Load], ratings: Ratings) -> tuple[Load, ...]:
    """Return `loads` with the rating that was learned, where there is one."""
    return tuple(_rated(load, ratings.get(load.name)) for load in loads)


def _rated(load: Load, drawing: Drawing | None) -> Load:
    high_w = drawing.high_w if drawing else None
    return load if high_w is None else replace(load, rated_w=high_w)
