"""The loads of a site as load control knows them: contacts, timers, and who has not answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    DAY_S,
    NEVER,
    Load,
    LoadState,
    Reason,
    Recover,
)
from balans.domain.demand.restore import off_left_s
from balans.protocols.hub import LoadStatus
from balans.protocols.module import ActuatorState
from balans.usecases.run_load_control.faults import Fault, next_fault
from balans.usecases.run_load_control.orders import Detail, Order

INFINITE = float("inf")
GREEN_OFF_S = 43_200.0
"""A green load without a deadline comes back by its actuator after 12 hours at the latest."""
SHORTEST_TIMER_S = 60.0
"""Nearer to its deadline than this a load counts as past it: the next one is meant."""
SAME_SWITCHING_S = 60.0
"""An actuator may tell a switching this much later than it was ordered."""


@dataclass(slots=True)
class Loads:
    """States by load, in the order of the configuration.

    `reasons` tells why each was last switched, `before` what it was before the order that is on
    its way, `faults` what it did not obey.
    """

    loads: tuple[Load, ...]
    states: list[LoadState]
    reasons: dict[str, str]
    before: dict[str, LoadState] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    known: set[str] = field(init=False)
    _index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._index = {load.name: index for index, load in enumerate(self.loads)}
        self.known = {load.name for load in self.loads if _barrier(load)}

    def find(self, name: str) -> int | None:
        """Return the index of a load by name, None if there is none."""
        return self._index.get(name)

    def unknown(self) -> list[str]:
        """Return the loads whose actuator has not told its state."""
        return [load.name for load in self.loads if load.name not in self.known]

    def is_red(self, index: int) -> bool:
        """Tell whether the load is never to be touched."""
        return self.loads[index].load_class is LoadClass.RED

    def never_switched(self, name: str) -> Detail | None:
        """Return why nothing is ever sent to `name`, if so."""
        index = self.find(name)
        if index is None:
            return Detail.UNKNOWN_LOAD
        return _barrier(self.loads[index])

    def barred(self, why: Detail) -> set[str]:
        """Return the loads to which nothing is ever sent because of `why`."""
        return {load.name for load in self.loads if _barrier(load) is why}

    def protected_off(self) -> list[str]:
        """Return the protected loads whose contact was told to be off."""
        return [
            load.name
            for load, state in zip(self.loads, self.states, strict=True)
            if _barrier(load) is Detail.PROTECTED_LOAD and not state.on
        ]

    def indices(self, now_s: float) -> list[int]:
        """Return the loads that may be decided on: not barred, state known, and obeying."""
        return [
            index
            for index, load in enumerate(self.loads)
            if _barrier(load) is None
            and load.name in self.known
            and not self._is_left_alone(index, now_s)
        ]

    def is_failing(self, name: str, now_s: float) -> bool:
        """Tell whether the load did not do lately what was asked of it."""
        fault = self.faults.get(name)
        return fault is not None and fault.until_s > now_s

    def _is_left_alone(self, index: int, now_s: float) -> bool:
        """Tell whether what could be asked of the load is what it failed to do lately."""
        fault = self.faults.get(self.loads[index].name)
        if fault is None or fault.until_s <= now_s:
            return False
        state = self.states[index]
        return fault.holds_back == (state.on and state.setpoint_w is None)

    # --- orders ---

    def ordered(self, name: str, before: LoadState) -> None:
        """Note what `name` was before an order; it is that still if the order fails."""
        self.before.setdefault(name, before)

    def obeyed(self, name: str) -> None:
        """Note that the order on its way was carried out."""
        self.before.pop(name, None)

    def failed(self, order: Order, now_s: float, *, is_silence: bool = False) -> None:
        """Note that `order` was not carried out: the load is as before, and left alone a while."""
        before = self.before.pop(order.load, None)
        index = self.find(order.load)
        if index is None:
            return
        if before:
            self.states[index] = before
        self.faults[order.load] = next_fault(
            self.faults.get(order.load),
            holds_back=order.holds_back,
            now_s=now_s,
            is_silence=is_silence,
        )

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
        """Tell whether a contact moved without a command: by timer, or by hand.

        What was remembered over a restart counts as well as what was told before.
        """
        state = self.states[index]
        has_basis = self.loads[index].name in self.known or state.since_s > NEVER
        return has_basis and not told.command and told.on != state.on

    def moved_meanwhile(self, order: Order, told: ActuatorState) -> bool:
        """Tell, once, whether a contact moved by itself while `order` for it is on its way.

        It is on another side than before the order, or has been there and is back since.
        """
        before = self.before.get(order.load)
        if before is None or told.command:
            return False
        if told.on == before.on and told.since <= max(order.created_s, before.since_s):
            return False
        self.before[order.load] = replace(before, on=told.on, since_s=told.since)
        return True

    def adopt(self, index: int, told: ActuatorState, now_s: float) -> None:
        """Believe the actuator: its contact, and since when."""
        load, state = self.loads[index], self.states[index]
        self.known.add(load.name)
        fault = self.faults.get(load.name)
        if fault and fault.holds_back == (not told.on or told.setpoint_w is not None):
            del self.faults[load.name]
        since_s = min(told.since, now_s)
        if told.on == state.on and told.setpoint_w == state.setpoint_w:
            if not told.on and state.since_s != NEVER:
                since_s = min(since_s, state.since_s)  # no timer runs longer by what is told
            # A time of the future is one of before the clock was set back: ours is better.
            is_usable = told.since <= now_s or state.since_s == NEVER
            if is_usable and not 0 <= since_s - state.since_s <= SAME_SWITCHING_S:
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
        left_s = (load.deadline_s - local_s) % DAY_S
        return min(GREEN_OFF_S, left_s) if left_s >= SHORTEST_TIMER_S else GREEN_OFF_S

    def used_up(self, now_s: float) -> list[int]:
        """Return the yellow loads whose off time is over."""
        return [
            index
            for index in self.indices(now_s)
            if self.loads[index].load_class is LoadClass.YELLOW
            and not self.states[index].on
            and off_left_s(self.loads[index], self.states[index], now_s) <= 0
        ]

    def rebase(self, back_s: float) -> None:
        """Follow a clock that was set back by `back_s`: no timer may run longer because of it."""
        self.states[:] = [_earlier(state, back_s) for state in self.states]
        for name, before in self.before.items():
            self.before[name] = _earlier(before, back_s)
        for name, fault in self.faults.items():
            self.faults[name] = replace(fault, until_s=fault.until_s - back_s)

    def status(
        self,
        index: int,
        time_s: float,
        load_w: Mapping[str, float],
        local_s: Callable[[float], float],
    ) -> LoadStatus:
        """Return the live picture of a load at `time_s`; `load_w` is what was measured.

        Until the actuator has answered, the contact is as it was before the order.
        """
        load, state = self.loads[index], self.states[index]
        told = self.before.get(load.name, state)
        left_s = None
        if not told.on:
            timer_s = self.device_timer_s(index, local_s(told.since_s))
            left_s = min(max(timer_s - (time_s - told.since_s), 0.0), float(DAY_S))
        return LoadStatus(
            name=load.name,
            load_class=load.load_class,
            on=told.on,
            power_w=load_w.get(load.name),
            reason=self._reason(index, time_s),
            off_left_s=left_s,
            since=told.since_s if told.since_s >= 0 else None,
            ordered=state.on if state.on != told.on else None,
        )

    def _reason(self, index: int, time_s: float) -> str:
        name, state = self.loads[index].name, self.states[index]
        if name not in self.known:
            return Detail.STATE_UNKNOWN
        fault = self.faults.get(name)
        if fault and fault.until_s > time_s:
            return Detail.NOT_OBEYING
        is_held = not state.on or state.setpoint_w is not None
        return self.reasons.get(name, "") if is_held else ""


def held_w(state: LoadState) -> float:
    """Return the power that a load which is on is held to [W]."""
    return state.setpoint_w or 0.0 if state.on else 0.0


def _barrier(load: Load) -> Detail | None:
    """Return why nothing is ever sent to `load`, if so."""
    if load.load_class is LoadClass.RED:
        return Detail.RED_LOAD
    return Detail.PROTECTED_LOAD if load.protected else None


def _earlier(state: LoadState, by_s: float) -> LoadState:
    hold = state.hold and replace(state.hold, until_s=state.hold.until_s - by_s)
    return replace(
        state,
        since_s=state.since_s - by_s,
        fits_since_s=state.fits_since_s - by_s,
        hold=hold,
    )
