"""Try an event on a feeder: houses are off in their turns, let go, and come back.

The houses are those of `simulate_event_fleet`; what they draw besides is given. The same seed
gives the same houses, the same water drawn and the same base load whatever is switched, so that a
run without the event beside it is what the feeder would have carried.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.response.release import Feeder, Held, comeback
from balans.domain.response.rotation import LONGEST_S, Turn
from balans.domain.response.spread import release_delay_s, start_delay_s
from balans.usecases.simulate_event_fleet import Fleet, Warmth, draws_of, first_warmth

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
STEP_S = 30.0
WARM_UP_S = 6 * 3600.0
"""Levels that were drawn are forgotten by then, but for those of full water heaters."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How widely starts and releases are spread, by the seed of the call."""

    seed: int = 0
    start_s: float = 0.0
    release_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Day:
    """The houses at the beginning of the trial, and the water that is drawn in it."""

    fleet: Fleet
    warmth: Warmth
    draws: Floats

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.draws)


@dataclass(frozen=True, slots=True)
class EventRun:
    """What the thermostatic loads draw, by step (steps,) and by house (steps, houses) [W].

    longest_off_s
        The longest time that a house was off.
    """

    yellow_w: Floats
    house_w: Floats
    longest_off_s: float


def house_name(number: int) -> str:
    """Return the name of a house, as a target."""
    return f"house-{number + 1:04d}"


def prepare_day(fleet: Fleet, seed: int, length_s: float) -> Day:
    """Return a day of `fleet` after some hours without events."""
    before, steps = round(WARM_UP_S / STEP_S), round(length_s / STEP_S)
    draws = draws_of(fleet, seed, before + steps, STEP_S)
    warmth = first_warmth(fleet, seed)
    free = np.ones(len(fleet.rated_w), dtype=np.bool_)
    decay = np.exp(-STEP_S / fleet.tau_s)
    for step in range(before):
        warmth, _ = _advance(fleet, warmth, decay, free, draws[step])
    return Day(fleet, warmth, draws[before:])


def off_times(
    houses: int, turns: Iterable[Turn], spread: Spread, steps: int, max_off_s: float = LONGEST_S
) -> Flags:
    """Return which houses are off in which steps, (steps, houses).

    Each house starts and lets go by delays of its own. Its timer, which runs from its own start,
    brings it back after `max_off_s` at the latest.

    Raises
    ------
    InputError
        If a turn is of a house that there is not.
    """
    numbers = {house_name(number): number for number in range(houses)}
    middle_s = (np.arange(steps) + 0.5) * STEP_S
    off = np.zeros((steps, houses), dtype=np.bool_)
    for turn in turns:
        if turn.target not in numbers:
            raise InputError(f"turn of {turn.target}: expected {house_name(0)} and following")
        start_s = turn.start_s + start_delay_s(spread.seed, turn.target, spread.start_s)
        end_s = turn.end_s + release_delay_s(spread.seed, turn.target, spread.release_s)
        end_s = min(end_s, start_s + max_off_s)
        off[:, numbers[turn.target]] |= (start_s <= middle_s) & (middle_s < end_s)
    return off


def simulate_event(day: Day, off: Flags | None = None) -> EventRun:
    """Return what the loads draw over the day with houses `off` by step; None: no event."""
    fleet, warmth = day.fleet, day.warmth
    decay = np.exp(-STEP_S / fleet.tau_s)
    house_w = np.zeros((day.steps, fleet.houses))
    free = np.ones(len(fleet.rated_w), dtype=np.bool_)
    for step in range(day.steps):
        supply = free if off is None else ~off[step][fleet.house]
        warmth, power_w = _advance(fleet, warmth, decay, supply, day.draws[step])
        house_w[step] = fleet.by_house(power_w)
    longest_s = 0.0 if off is None else longest_true(off) * STEP_S
    return EventRun(house_w.sum(axis=1), house_w, longest_s)


def _advance(
    fleet: Fleet, warmth: Warmth, decay: Floats, supply: Flags, drawn: Floats
) -> tuple[Warmth, Floats]:
    runs = warmth.calling & supply
    goal = np.where(runs, fleet.run_goal, fleet.rest_goal)
    level = goal + (warmth.level - goal) * decay + drawn
    calling = (warmth.calling | (level >= 1)) & (level > 0)
    return Warmth(level, calling), np.where(runs, fleet.rated_w, 0.0)


def longest_true(flags: Flags) -> int:
    """Return the longest run of true values in any column.

    >>> longest_true(np.array([[True], [True], [False], [True]]))
    2
    """
    longest = 0
    now = np.zeros(flags.shape[1], dtype=np.int64)
    for row in flags:
        now = np.where(row, now + 1, 0)
        longest = max(longest, int(now.max(initial=0)))
    return longest


def turns_of_groups(houses: int, groups: int, end_s: float, turn_s: float) -> list[Turn]:
    """Return turns of `turn_s` in which one group of houses after the other is off, until `end_s`.

    >>> [turn.start_s for turn in turns_of_groups(2, 2, 1800.0, 900.0)]
    [0.0, 900.0]
    """
    found = []
    for number in range(houses):
        after = groups - 1 - number % groups
        last_s = end_s - after * turn_s
        found.append(Turn(house_name(number), last_s - turn_s, last_s))
    return found


def release_case(
    fleet: Fleet,
    turns: Sequence[Turn],
    feeder: Feeder,
    end_s: float,
    max_off_s: float = LONGEST_S,
) -> tuple[Held, Feeder]:
    """Return who is let go at `end_s`, and the feeder with all others, for `release.judge`.

    Parameters
    ----------
    turns
        Of all houses, each at most one; those that ended before come back meanwhile, which is
        added to the feeder's base.
    feeder
        From `end_s` on; its base is what the feeder carries without any thermostatic load.
    """
    ends_s, off_s = np.full(fleet.houses, np.inf), np.zeros(fleet.houses)
    numbers = {house_name(number): number for number in range(fleet.houses)}
    for turn in turns:
        ends_s[numbers[turn.target]] = turn.end_s
        off_s[numbers[turn.target]] = turn.length_s
    held = Held.of(
        fleet.rated_w,
        fleet.duty,
        off_s[fleet.house],
        cycle_s=fleet.cycle_s,
        max_off_s=max_off_s,
    )
    of_load = ends_s[fleet.house]
    never = ~np.isfinite(of_load)
    steps, step_s = len(feeder.base_w), feeder.step_s
    base_w = feeder.base_w + fleet.expected_w[never].sum()
    variance = feeder.base_sd_w**2
    for at_s in np.unique(of_load[~never & (of_load < end_s)]).tolist():
        ahead = round((end_s - at_s) / step_s)
        back = comeback(held.only(of_load == at_s), 0.0, ahead + steps, step_s)
        base_w = base_w + back.expected_w[ahead:]
        variance = variance + back.sd_w[ahead:] ** 2
    around = Feeder(base_w, np.sqrt(variance), feeder.limit_w, step_s, feeder.z)
    return held.only(of_load == end_s), around
