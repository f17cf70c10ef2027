"""What an event asks, step by step, and which limit holds where several events meet.

A step is one of three kinds, and each becomes a limit in watts at the target's node:

======  ==================================  ==================================================
kind    value                               limit
======  ==================================  ==================================================
limit   W, 0 or more                        the value; 0 W means 0 W, never "no limit"
reduce  W, more than 0                      mean of the 15 minutes before the step, less value
eco     1, 2 or 3: 25, 50 or 100 %          the same mean, less that share of what the local
                                            controller could hold back when the step began
======  ==================================  ==================================================

Neither reduce nor eco asks a place to feed in: their limit is never below 0 W. Both are worked out
once, when the step begins, and held: a limit that followed the falling power would fall with it.

Steps stand in order and do not overlap. They may leave gaps, in which the event asks nothing:
that is how a site rests between two turns. Steps that touch leave no moment without a limit.

**Among events** at one node the higher priority decides (0 is the highest, 9 the lowest); among
equal priorities the strictest limit. So an event of higher priority may be milder than another,
and is then meant to be. Limits that do not come from an event (contract, customer, device)
hold beside it, and the strictest of all wins.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from balans.core.errors import InputError
from balans.core.words import StepKind

BEFORE_S: Final = 900.0
"""What a target drew before a step is the mean over so long [s]."""
ECO_SHARES: Final = {1: 0.25, 2: 0.5, 3: 1.0}
"""By eco level, the share of what can be held back."""
PRIORITIES: Final = range(10)


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked in [start_s, end_s), Unix seconds; `value` is watts, or the eco level.

    Raises
    ------
    InputError
        If the step has no length, or the value does not fit the kind.
    """

    start_s: float
    end_s: float
    kind: StepKind
    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)):
            raise InputError(f"step {self.start_s} to {self.end_s}: expected finite times")
        if not self.start_s < self.end_s:
            raise InputError(f"step {self.start_s:g} to {self.end_s:g}: expected an end after it")
        fits, expected = _checked(self.kind, self.value)
        if not fits:
            raise InputError(f"step of kind {self.kind}: value {self.value:g}: expected {expected}")


def _checked(kind: StepKind, value: float) -> tuple[bool, str]:
    if kind is StepKind.ECO:
        return value in ECO_SHARES, "1, 2 or 3"
    if kind is StepKind.REDUCE:
        return math.isfinite(value) and value > 0, "watts, more than 0"
    return math.isfinite(value) and value >= 0, "watts, 0 or more"


def checked_steps(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps of one target.

    Raises
    ------
    InputError
        If there is none, or one begins before the one before it ends; steps are counted from 1.
    """
    found = tuple(steps)
    if not found:
        raise InputError("steps: none given, expected at least one")
    for number, (one, other) in enumerate(pairwise(found), start=2):
        if other.start_s < one.end_s:
            raise InputError(
                f"step {number}: starts at {other.start_s:g}, before step {number - 1} ends at"
                f" {one.end_s:g}: expected steps in order that do not overlap"
            )
    return found


def step_at(steps: Sequence[Step], time_s: float) -> Step | None:
    """Return the step that holds at a time; None: nothing is asked then.

    >>> step_at([Step(0, 60, StepKind.LIMIT, 0)], 60) is None
    True
    """
    return next((step for step in steps if step.start_s <= time_s < step.end_s), None)


def limit_of(step: Step, before_w: float | None, holdable_w: float | None) -> float | None:
    """Return the limit that a step is for its target [W].

    Parameters
    ----------
    before_w
        Mean power of the target over `BEFORE_S` before the step began; None: not measured.
    holdable_w
        What its controller could hold back when the step began; None: not known.

    Returns
    -------
    float or None
        None where what was not measured is needed: the target then cannot obey and says so. It
        is not the same as 0 W.

    >>> limit_of(Step(0, 900, StepKind.ECO, 2), before_w=3000, holdable_w=2000)
    2000.0
    >>> limit_of(Step(0, 900, StepKind.LIMIT, 0), before_w=None, holdable_w=None)
    0.0
    """
    if step.kind is StepKind.LIMIT:
        return float(step.value)
    if before_w is None:
        return None
    if step.kind is StepKind.REDUCE:
        return max(0.0, before_w - step.value)
    if holdable_w is None:
        return None
    return max(0.0, before_w - ECO_SHARES[int(step.value)] * max(0.0, holdable_w))


@dataclass(frozen=True, slots=True)
class Asked:
    """What one event asks of a node now: a limit [W] and the event's priority."""

    event: str
    priority: int
    limit_w: float

    def __post_init__(self) -> None:
        """Check the priority and the limit.

        Raises
        ------
        InputError
            Naming the event.
        """
        if self.priority not in PRIORITIES:
            raise InputError(f"event {self.event}: priority {self.priority}: expected 0 to 9")
        if not self.limit_w >= 0:
            raise InputError(f"event {self.event}: limit {self.limit_w} W: expected 0 or more")


def effective(asked: Iterable[Asked]) -> Asked | None:
    """Return which of several events at one node decides; None: there is none.

    The highest priority (the smallest number), then the strictest limit, then the name, so that
    two places always agree.

    >>> effective([Asked("a", 5, 1000.0), Asked("b", 5, 0.0), Asked("c", 4, 2000.0)]).event
    'c'
    """
    return min(asked, key=lambda one: (one.priority, one.limit_w, one.event), default=None)
