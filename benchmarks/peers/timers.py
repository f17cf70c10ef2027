"""Puts the promise to yellow loads around any rule, as an actuator with a timer of its own does.

None of the rules of others knows a longest off time. Without it they spare the limit at the cost of
a cold boiler; with it all rules keep the same promise and can be compared on the rest.
"""

from collections.abc import Sequence
from dataclasses import replace

from balans.core.words import LoadClass
from balans.domain.demand import Allowed, Decision, Load, LoadState, Observation
from balans.usecases.simulate_site import Rule


class WithTimers:
    """A `Rule` whose yellow contacts close in time, and stay closed for their shortest on time."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._since_s: dict[int, float] = {}

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        """Return what the rule wants, as far as the actuators let it."""
        wanted, decision = self.rule(loads, states, observation, allowed)
        new = list(wanted)
        for index, load in enumerate(loads):
            if load.load_class is not LoadClass.YELLOW:
                continue
            is_on = self._obeyed(index, load, was_on=states[index].on, seen=observation)
            on = new[index].on if is_on is None else is_on
            if on != states[index].on:
                self._since_s[index] = observation.time_s
            new[index] = replace(new[index], on=on)
        return tuple(new), decision

    def _obeyed(self, index: int, load: Load, *, was_on: bool, seen: Observation) -> bool | None:
        """Return what the actuator does by itself; None: what it is told."""
        gone_s = seen.time_s - self._since_s.get(index, float("-inf"))
        if was_on:
            return True if gone_s < load.min_on_s else None
        return True if gone_s + seen.step_s > load.max_off_s else None
