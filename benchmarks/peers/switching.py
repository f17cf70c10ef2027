"""What the re-implemented rules share: switching loads and noting it, as a `Rule` has to."""

from collections.abc import Sequence
from dataclasses import replace

from balans.core.words import LoadClass
from balans.domain.demand import Action, Allowed, Decision, Load, LoadState, Observation, Reason


class Board:
    """The contacts of one step: what is on, what each draws, what the site draws [W].

    A lost sensor counts as infinite power. Red loads are not on the board: no rule is given them.
    """

    def __init__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        seen: Observation,
        allowed: Allowed,
    ) -> None:
        self.loads, self.states = loads, list(states)
        self.time_s, self.allowed = seen.time_s, allowed
        self.drawn_w = [power or 0.0 for power in seen.load_w]
        self.power_w = float("inf") if seen.site_w is None else seen.site_w
        self.over_w = max(0.0, self.power_w - allowed.power_w)
        self.actions: list[Action] = []

    @property
    def switchable(self) -> list[int]:
        """The loads that may be switched at all."""
        return [
            index
            for index, load in enumerate(self.loads)
            if load.load_class is not LoadClass.RED and load.released
        ]

    def is_on(self, index: int) -> bool:
        """Whether the contact is closed, after what was switched in this step."""
        return self.states[index].on

    def off(self, index: int) -> None:
        """Open a contact; what the load drew is taken off the site's power."""
        self._switch(index, on=False, effect_w=-self.drawn_w[index], reason=Reason.OVER_LIMIT)

    def on(self, index: int, expected_w: float) -> None:
        """Close a contact; `expected_w` is added to the site's power."""
        self._switch(index, on=True, effect_w=expected_w, reason=Reason.HEADROOM_BACK)

    def hold_to(self, index: int, power_w: float) -> None:
        """Hold a modulating load to a power; infinite: let it free."""
        effect_w = min(0.0, power_w - self.drawn_w[index])
        setpoint_w = None if power_w == float("inf") else power_w
        if self.states[index].setpoint_w == setpoint_w:
            return
        self.states[index] = replace(self.states[index], setpoint_w=setpoint_w)
        self.power_w += effect_w
        self._note(index, Reason.OVER_LIMIT, effect_w)

    def _switch(self, index: int, *, on: bool, effect_w: float, reason: Reason) -> None:
        self.states[index] = replace(
            self.states[index], on=on, since_s=self.time_s, setpoint_w=None
        )
        self.power_w += effect_w
        self._note(index, reason, effect_w)

    def _note(self, index: int, reason: Reason, effect_w: float) -> None:
        state = self.states[index]
        name = self.loads[index].name
        self.actions.append(
            Action(name, state.on, state.setpoint_w, reason, self.allowed.limit, effect_w)
        )

    def decision(self) -> tuple[tuple[LoadState, ...], Decision]:
        """Return what a rule returns."""
        allowed = self.allowed
        headroom_w = allowed.power_w - self.power_w
        told = Decision(
            tuple(self.actions), allowed.power_w, headroom_w, allowed.limit, self.over_w
        )
        return tuple(self.states), told
