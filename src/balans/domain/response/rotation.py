"""Turns: how long a target is asked, and when it may be asked again.

**Yellow** is off for 7 to 15 minutes, never beyond what the load itself bears, and then rests at
least as long as it was off. The time in which it lets go is part of that: a turn that is spread
over `release_spread_s` at its end is shorter by as much, so that the last to return is still in
time. **Green** may be asked for as long as the event lasts, once. **Red** never.

Selective rotation is what network operators do where power is short (Italy's PESSE: turns of 90
minutes, never twice in a row); here turns are those of single appliances.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from balans.core.words import LoadClass, StepKind
from balans.domain.demand.model import YELLOW_OFF_MAX_S, YELLOW_OFF_MIN_S
from balans.domain.response.steps import Step

SHORTEST_S: Final = float(YELLOW_OFF_MIN_S)
LONGEST_S: Final = float(YELLOW_OFF_MAX_S)
ROUNDING_S: Final = 1e-6
"""Times of day are large numbers: a length that is the difference of two is rounded."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A target is asked in [start_s, end_s); it is expected to give `expected_w`, give or take."""

    target: str
    start_s: float
    end_s: float
    expected_w: float = 0.0
    sd_w: float = 0.0

    @property
    def length_s(self) -> float:
        """How long it is asked."""
        return self.end_s - self.start_s

    @property
    def free_again_s(self) -> float:
        """When it may be asked again: it rests at least as long as it was off."""
        return self.end_s + self.length_s

    @property
    def expected_kwmin(self) -> float:
        """What it is expected to give [kW min]."""
        return self.expected_w * self.length_s / 60_000


def turn_length_s(max_off_s: float, wanted_s: float, release_spread_s: float = 0.0) -> float | None:
    """Return how long a yellow target may be asked in one turn; None: not at all.

    Parameters
    ----------
    max_off_s
        What its loads bear.
    wanted_s
        What the event would like.
    release_spread_s
        Over which it is let go.

    >>> turn_length_s(900, 900, 300)
    600.0
    >>> turn_length_s(600, 900, 300) is None
    True
    """
    length_s = float(min(wanted_s, min(max_off_s, LONGEST_S) - release_spread_s))
    return length_s if length_s >= SHORTEST_S else None


def broken_rule(turns: Iterable[Turn], load_class: LoadClass, max_off_s: float) -> str | None:
    """Return which rule the turns of one target break, None if they keep all of them.

    >>> broken_rule([Turn("a", 0, 900), Turn("a", 1200, 2100)], LoadClass.YELLOW, 900)
    'a: asked at 1200 s, rests until 1800 s'
    """
    ordered = sorted(turns, key=lambda turn: turn.start_s)
    if load_class is LoadClass.RED and ordered:
        return f"{ordered[0].target}: red is never asked"
    for one, other in pairwise(ordered):
        if other.start_s < one.free_again_s:
            return f"{one.target}: asked at {other.start_s:g} s, rests until {one.free_again_s:g} s"
    if load_class is LoadClass.YELLOW:
        longest_s = min(max_off_s, LONGEST_S)
        for turn in ordered:
            if not SHORTEST_S - ROUNDING_S <= turn.length_s <= longest_s + ROUNDING_S:
                return (
                    f"{turn.target}: off for {turn.length_s:g} s,"
                    f" expected {SHORTEST_S:g} to {longest_s:g} s"
                )
    return None


def steps_of(turns: Iterable[Turn], kind: StepKind, value: float) -> tuple[Step, ...]:
    """Return the steps that call one target in its turns."""
    ordered = sorted(turns, key=lambda turn: turn.start_s)
    return tuple(Step(turn.start_s, turn.end_s, kind, value) for turn in ordered)
