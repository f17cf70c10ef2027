"""The reflex: from what was measured over the last step to what each load does in the next.

Theory of operation
-------------------
One pass runs at the start of every step, in this order, on an estimate of the power of the
coming step (what the sensor showed, corrected for loads switched in the middle of the step):

1. *Track*: each load that is off or catching up is debited or credited with energy.
2. *Must*: loads whose off time would end within the step come back, whatever the limit says; so
   do loads that need every second left to meet a deadline, and loads a person wants on.
3. *Wish*: loads that a person wants off are shed.
4. *Over*: if the estimate exceeds what is allowed, loads are reduced or shed until it does not:
   green before yellow, the fewest that suffice, turn by turn. A lost sensor counts as overload.
5. *Back*: otherwise loads come back whose full power fits into head-room that has lasted.

What keeps the rebound small is 5. Deferred energy comes back at rated power for as long as the
load has to stay on, so a dip of one minute in the rest of the site is no place for it. The
head-room must have lasted as long as the load will at least stay on (`restore.settle_s`).

==========  ======================  =====================================================
state       leaves by               when
==========  ======================  =====================================================
on, free    shed                    over the limit, draws, on for at least `min_on_s`
on, owes    shed                    the same; green not while a deadline needs it
on, owes    on, free                draws clearly less than it could: it has caught up
off         back (must)             off time used up, deadline, wish of a person, release
off         back (may)              fits, and has fitted for `settle_s`
held low    raised, free            the same, up to the head-room
==========  ======================  =====================================================

Red has no row: it is never touched. The pass is a pure function: the same inputs give the same
decision, and nothing but its arguments is known to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from balans.core.words import LoadClass
from balans.domain.demand.model import (
    Action,
    Allowed,
    Decision,
    Load,
    LoadKind,
    LoadState,
    Observation,
    Reason,
)
from balans.domain.demand.restore import (
    can_wait,
    due_reason,
    fits,
    must_run,
    off_left_s,
    released_early,
    restores_per_pass,
    settle_s,
)
from balans.domain.demand.shed import (
    RELIEF_SHARE,
    TINY_W,
    Candidate,
    choose,
    gain_of_shedding,
    is_wanted,
    least_loss,
    may_shed,
    reducible_w,
)
from balans.domain.demand.track import (
    come_back_w,
    drawn_w,
    is_held_back,
    is_settled,
    remembered_wh,
    track,
)

INFINITE = float("inf")


def is_quiet(states: Sequence[LoadState]) -> bool:
    """Tell whether every load is free: inside the limit there is then nothing to decide."""
    return all(state.free for state in states)


def decide(
    loads: Sequence[Load],
    states: Sequence[LoadState],
    observation: Observation,
    allowed: Allowed,
) -> tuple[tuple[LoadState, ...], Decision]:
    """Return the states for the coming step and what to switch, with reasons.

    Parameters
    ----------
    loads, states
        The loads of the site and what is known of each, in the same order.
    observation
        The step before; ``observation.time_s`` is the start of the coming step.
    allowed
        The power allowed in the coming step (`timetable.allowed_power`).

    Notes
    -----
    Quiet states inside the limit come back unchanged, so a caller may skip such steps.
    """
    site_w = observation.site_w
    if site_w is not None and site_w <= allowed.power_w and is_quiet(states):
        headroom_w = allowed.power_w - site_w
        return tuple(states), Decision((), allowed.power_w, headroom_w, allowed.limit, 0.0)
    work = _Pass(tuple(loads), list(states), observation, allowed)
    work.track()
    work.bring_back_due()
    work.obey_wishes()
    over_w = work.over_w()
    work.relieve(over_w)
    work.watch_fit()
    if over_w <= TINY_W:
        work.release_early()
        work.bring_back_willing()
    return tuple(work.states), work.decision(over_w)


@dataclass(slots=True)
class _Pass:
    """One pass over the loads: the states being rewritten and the power expected next."""

    loads: tuple[Load, ...]
    states: list[LoadState]
    observation: Observation
    allowed: Allowed
    expected_w: list[float] = field(default_factory=list)
    projected_w: float | None = None
    actions: list[Action] = field(default_factory=list)
    returned: set[int] = field(default_factory=set)
    yellow_back_w: float | None = None

    def track(self) -> None:
        """Take in what was measured, and estimate the power of the coming step."""
        seen = self.observation
        correction_w = 0.0
        for index, load in enumerate(self.loads):
            measured = seen.load_w[index]
            state = self.states[index]
            if not state.free:
                state = track(load, state, measured, seen)
            drawn = expected = drawn_w(load, state, measured)
            if not is_settled(state, seen):
                expected = max(come_back_w(load, state), drawn) if state.on else 0.0
                correction_w += expected - drawn
            self.states[index] = state
            self.expected_w.append(expected)
        if seen.site_w is not None:
            self.projected_w = seen.site_w + correction_w

    def over_w(self) -> float:
        """Return by how much the coming step would exceed what is allowed [W]."""
        if self.projected_w is None:
            return INFINITE
        return max(0.0, self.projected_w - self.allowed.power_w)

    def headroom_w(self) -> float:
        """Return what is left of the allowed power; minus infinity without a sensor [W]."""
        return -INFINITE if self.projected_w is None else self.allowed.power_w - self.projected_w

    # --- 2 and 3: what must be ---

    def bring_back_due(self) -> None:
        """Switch on, or free, every load whose time has come."""
        for index in self._held():
            load, state = self.loads[index], self.states[index]
            if not state.on:
                reason = due_reason(load, state, self.observation)
                if reason:
                    self._let_back(index, reason, at_full=must_run(load, state, self.observation))
            elif must_run(load, state, self.observation):
                self._let_back(index, Reason.DEADLINE, at_full=True)

    def obey_wishes(self) -> None:
        """Switch off what a person wants off, within the rules of its class."""
        for index, state in enumerate(self.states):
            if state.hold and not state.hold.on and self._may_shed(index):
                self._hold_back(Candidate(index, self.expected_w[index], 0.0), Reason.OPERATOR)

    # --- 4: over the limit ---

    def relieve(self, over_w: float) -> None:
        """Reduce, then stop, first green and then yellow, until `over_w` is covered."""
        reason = Reason.SENSOR_LOST if over_w == INFINITE else Reason.OVER_LIMIT
        for load_class in (LoadClass.GREEN, LoadClass.YELLOW):
            for candidates in (self._reducible, self._stoppable):
                if over_w <= TINY_W:
                    return
                for candidate in choose(candidates(load_class, over_w), over_w):
                    over_w -= self._hold_back(candidate, reason, over_w)

    def _reducible(self, load_class: LoadClass, _over_w: float) -> list[Candidate]:
        found = []
        for index in self._sheddable(load_class):
            load = self.loads[index]
            spare_w = reducible_w(load, self.expected_w[index])
            if spare_w > RELIEF_SHARE * load.rated_w:
                found.append(Candidate(index, spare_w, self._given_wh(index), is_stop=False))
        return found

    def _stoppable(self, load_class: LoadClass, over_w: float) -> list[Candidate]:
        found = []
        for index in self._sheddable(load_class):
            load, relief_w = self.loads[index], self.expected_w[index]
            if relief_w <= RELIEF_SHARE * load.rated_w or not self._may_shed(index):
                continue
            gain = gain_of_shedding(relief_w, over_w, self._least_loss(load))
            if gain is not None:
                found.append(Candidate(index, relief_w, self._given_wh(index), gain))
        return found

    def _sheddable(self, load_class: LoadClass) -> list[int]:
        """Return the loads of a class that are on and neither just back, wished nor due."""
        return [
            index
            for index, load in enumerate(self.loads)
            if load.load_class is load_class
            and self.states[index].on
            and index not in self.returned
            and not is_wanted(self.states[index])
            and not must_run(load, self.states[index], self.observation)
            and can_wait(load, self.states[index], self.expected_w[index], self.observation)
        ]

    def _may_shed(self, index: int) -> bool:
        seen = self.observation
        return index not in self.returned and may_shed(
            self.loads[index], self.states[index], seen.time_s, seen.step_s
        )

    def _given_wh(self, index: int) -> float:
        return remembered_wh(self.states[index], self.observation.time_s)

    def _hold_back(self, candidate: Candidate, reason: Reason, over_w: float = INFINITE) -> float:
        """Stop the candidate, or reduce it by no more than `over_w`; return the relief [W]."""
        index = candidate.index
        state, time_s = self.states[index], self.observation.time_s
        relief_w = candidate.relief_w if candidate.is_stop else min(candidate.relief_w, over_w)
        left_w = self.expected_w[index] - relief_w
        held_before = is_held_back(state)
        self.states[index] = replace(
            state,
            on=not candidate.is_stop,
            since_s=time_s if candidate.is_stop else state.since_s,
            setpoint_w=None if candidate.is_stop else left_w,
            demand_w=state.demand_w if held_before else self.expected_w[index],
            gain=candidate.gain,
            given_wh=self._given_wh(index) if candidate.is_stop else state.given_wh,
            fits_since_s=INFINITE,
        )
        self._expect(index, left_w)
        self._note(index, reason, -relief_w)
        return relief_w

    # --- 5: inside the limit ---

    def watch_fit(self) -> None:
        """Note since when each load that is held back would fit."""
        seen = self.observation
        for index in self._held():
            state = self.states[index]
            since_s = INFINITE
            if not state.hold and self._fits(index):
                since_s = min(state.fits_since_s, seen.time_s - seen.step_s)
            if since_s != state.fits_since_s:
                self.states[index] = replace(state, fits_since_s=since_s)

    def release_early(self) -> None:
        """Let some of the yellow loads back before their timers end together."""
        seen = self.observation
        yellow = sorted(
            (off_left_s(self.loads[index], self.states[index], seen.time_s), index)
            for index in self._yellow_off()
            if not self.states[index].hold
        )
        count = released_early([left for left, _ in yellow], seen.step_s)
        for _, index in yellow[:count]:
            self._let_back(index, Reason.STAGGER)

    def bring_back_willing(self) -> None:
        """Bring back, one by one, loads whose full power has fitted for long enough."""
        time_s = self.observation.time_s
        willing = [
            index
            for index in self._held()
            if time_s - self.states[index].fits_since_s >= settle_s(self.loads[index], self.allowed)
        ]
        left = restores_per_pass(len(self.loads)) - len(self.returned)
        for index in sorted(willing, key=self._urgency):
            if left > 0 and self._fits(index):
                self._let_back(index, self._back_reason(index))
                left -= 1

    def _urgency(self, index: int) -> tuple[bool, float]:
        """Yellow first, then what has been off longest."""
        load, state = self.loads[index], self.states[index]
        is_green = load.load_class is LoadClass.GREEN
        return is_green, off_left_s(load, state, self.observation.time_s)

    def _fits(self, index: int) -> bool:
        load, state = self.loads[index], self.states[index]
        headroom_w = self.headroom_w()
        if load.load_class is LoadClass.GREEN:
            headroom_w -= self._yellow_back_w()
        if state.on:
            return headroom_w > RELIEF_SHARE * load.rated_w
        return fits(load, state, headroom_w, self._least_loss(load))

    def _yellow_back_w(self) -> float:
        """Return the power that will soon come back with the yellow loads that are off [W]."""
        if self.yellow_back_w is None:
            self.yellow_back_w = sum(
                come_back_w(self.loads[index], self.states[index]) for index in self._yellow_off()
            )
        return self.yellow_back_w

    def _back_reason(self, index: int) -> Reason:
        is_green = self.loads[index].load_class is LoadClass.GREEN
        return Reason.NIGHT_ZONE if is_green and self.allowed.cheapest else Reason.HEADROOM_BACK

    # --- common ---

    def _least_loss(self, load: Load) -> float:
        return least_loss(load, self.allowed.power_w, self.observation.low_w)

    def _held(self) -> list[int]:
        """Return the loads that are off or held to a power: never red, whatever is told."""
        return [
            index
            for index, state in enumerate(self.states)
            if (not state.on or state.setpoint_w is not None)
            and self.loads[index].load_class is not LoadClass.RED
        ]

    def _yellow_off(self) -> list[int]:
        return [
            index
            for index, state in enumerate(self.states)
            if not state.on and self.loads[index].load_class is LoadClass.YELLOW
        ]

    def _let_back(self, index: int, reason: Reason, *, at_full: bool = False) -> None:
        """Switch a load on, or raise it, as far as it may be."""
        load, state = self.loads[index], self.states[index]
        before_w = self.expected_w[index]
        power_w = come_back_w(load, state)
        if state.on:
            power_w = before_w + max(0.0, self.headroom_w())
        is_free = at_full or load.kind is LoadKind.SWITCH or power_w >= load.rated_w
        if is_free:
            power_w = load.rated_w if load.kind is LoadKind.MODULATING else power_w
        self.states[index] = replace(
            state,
            on=True,
            since_s=state.since_s if state.on else self.observation.time_s,
            setpoint_w=None if is_free else power_w,
            given_wh=state.given_wh if state.on else self._given_wh(index),
            fits_since_s=INFINITE,
        )
        self.returned.add(index)
        self._expect(index, power_w)
        self._note(index, reason, power_w - before_w)

    def _expect(self, index: int, power_w: float) -> None:
        if self.projected_w is not None:
            self.projected_w += power_w - self.expected_w[index]
        self.expected_w[index] = power_w
        self.yellow_back_w = None

    def _note(self, index: int, reason: Reason, effect_w: float) -> None:
        """Add the action, in the place of an earlier one of this pass for the same load."""
        load, state = self.loads[index], self.states[index]
        earlier = next((a for a in self.actions if a.load == load.name), None)
        if earlier:
            self.actions.remove(earlier)
            effect_w += earlier.effect_w
        self.actions.append(
            Action(load.name, state.on, state.setpoint_w, reason, self.allowed.limit, effect_w)
        )

    def decision(self, over_w: float) -> Decision:
        """Return what this pass decided."""
        return Decision(
            tuple(self.actions),
            self.allowed.power_w,
            self.headroom_w(),
            self.allowed.limit,
            over_w,
        )
