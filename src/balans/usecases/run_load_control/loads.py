"""The loads of a site as load control knows them: contacts, timers, and who has not answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    DAY_S,
    Load,
    LoadState,
    Reason,
    Recover,
)
from balans.domain.demand.restore import off_left_s
from balans.protocols.hub import LoadStatus
from balans.protocols.module import ActuatorState
from balans.usecases.run_load_control.orders import Detail

INFINITE = float("inf")
GREEN_OFF_S = 43_200.0
"""A green load without a deadline comes back by its actuator after 12 hours at the latest."""
SAME_SWITCHING_S = 60.0
"""An actuator may tell a switching this much later than it was ordered."""


@dataclass(slots=True)
class Loads:
    """States by load, in the order of the configuration; `reasons` why each was last switched."""

    loads: tuple[Load, ...]
    states: list[LoadState]
    reasons: dict[str, str]
    known: set[str] = field(init=False)
    _index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._index = {load.name: index for index, load in enumerate(self.loads)}
        self.known = {load.name for load in self.loads if load.load_class is LoadClass.RED}

    def find(self, name: str) -> int | None:
        """Return the index of a load by name, None if there is none."""
        return self._index.get(name)

    def unknown(self) -> list[str]:
        """Return the loads whose actuator has not told its state."""
        return [load.name for load in self.loads if load.name not in self.known]

    def indices(self) -> list[int]:
        """Return the loads that may be decided on: those whose state is known."""
        return [index for index, load in enumerate(self.loads) if load.name in self.known]

    def put(self, index: int, *, on: bool, since_s: float, setpoint_w: float | None = None) -> None:
        """Note that a load was switched; what a person wished is done with."""
        self.states[index] = replace(
            self.states[index],
            on=on,
            since_s=since_s,
            setpoint_w=setpoint_w,
            fits_since_s=INFINITE,
            hold=None,
        )

    def moved_by_itself(self, index: int, told: ActuatorState) -> bool:
        """Tell whether a contact known so far moved without a command: by timer, or by hand."""
        is_known = self.loads[index].name in self.known
        return is_known and not told.command and told.on != self.states[index].on

    def adopt(self, index: int, told: ActuatorState, now_s: float) -> None:
        """Believe the actuator: its contact, and since when."""
        load, state = self.loads[index], self.states[index]
        self.known.add(load.name)
        since_s = min(told.since, now_s)
        if told.on == state.on and told.setpoint_w == state.setpoint_w:
            if not 0 <= since_s - state.since_s <= SAME_SWITCHING_S:
                self.states[index] = replace(state, since_s=since_s)
            return
        if told.on and not state.on and not told.command:
            self.reasons[load.name] = Reason.OFF_TIME_USED_UP
        if not told.on:
            self._presume_owing(index, now_s - since_s)
        self.put(index, on=told.on, since_s=since_s, setpoint_w=told.setpoint_w)

    def _presume_owing(self, index: int, off_s: float) -> None:
        """Presume that a load found off would have drawn its rated power all the time."""
        load = self.loads[index]
        owed_wh = load.rated_w * max(0.0, off_s) / 3600 if load.recover is Recover.DEFER else 0.0
        self.states[index] = replace(
            self.states[index], demand_w=load.rated_w, owed_wh=owed_wh, gain=1.0
        )

    def device_timer_s(self, index: int, local_s: float) -> float:
        """Return after what time the actuator itself is to end a shed that begins now [s]."""
        load = self.loads[index]
        if load.load_class is LoadClass.YELLOW:
            return load.max_off_s
        if load.deadline_s is None:
            return GREEN_OFF_S
        return min(GREEN_OFF_S, max(1.0, (load.deadline_s - local_s) % DAY_S))

    def used_up(self, now_s: float) -> list[int]:
        """Return the yellow loads whose off time is over."""
        return [
            index
            for index in self.indices()
            if self.loads[index].load_class is LoadClass.YELLOW
            and not self.states[index].on
            and off_left_s(self.loads[index], self.states[index], now_s) <= 0
        ]

    def status(self, index: int, time_s: float, load_w: Mapping[str, float]) -> LoadStatus:
        """Return the live picture of a load at `time_s`; `load_w` is what was measured."""
        load, state = self.loads[index], self.states[index]
        is_held = not state.on or state.setpoint_w is not None
        reason = self.reasons.get(load.name, "") if is_held else ""
        left_s = None
        if not state.on:
            left_s = min(max(off_left_s(load, state, time_s), 0.0), float(DAY_S))
        return LoadStatus(
            name=load.name,
            load_class=load.load_class,
            on=state.on,
            power_w=load_w.get(load.name),
            reason=reason if load.name in self.known else Detail.STATE_UNKNOWN,
            off_left_s=left_s,
            since=state.since_s if state.since_s >= 0 else None,
        )
