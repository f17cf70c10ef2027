"""Replay a profile through load control: step by step, closed loop, one step late.

Powers are kept as whole numbers of 0.01 W, so that what is written adds up exactly:
``controlled = base + sum of the loads`` and ``demand = served + backlog + lost``.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand import (
    Allowed,
    Decision,
    Load,
    LoadState,
    Meters,
    Observation,
    allowed_power,
    count_step,
    decide,
    is_quiet,
)
from balans.domain.demand.lowest_hour import lowest_hours
from balans.domain.demand.overload import Axis, LimitsByStep, limits_by_step
from balans.domain.demand.plant import draw
from balans.domain.demand.reflex import NO_GUIDANCE, Guidance
from balans.domain.demand.unrest import margin_w, unrests_w
from balans.usecases.profile import Profile
from balans.usecases.replay_planner import ReplayPlanner
from balans.usecases.replay_plants import Moment, Plant, plant_of
from balans.usecases.site_file import Site, rate_loads
from balans.usecases.site_nodes import NodeRule, has_tree

UNITS_PER_W = 100
"""Powers are whole numbers of 1 / UNITS_PER_W watt."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Timer = Callable[[], int]
Progress = Callable[[float], None]
Rule = Callable[
    [Sequence[Load], Sequence[LoadState], Observation, Allowed],
    tuple[tuple[LoadState, ...], Decision],
]
PROGRESS_EVERY = 8192


@dataclass(frozen=True, slots=True)
class Replay:
    """A replayed profile; powers in 0.01 W per step, shape (n,) or (loads, n).

    `decision_ns` holds how long each call of the reflex took; steps on which nothing was held
    back and the limit was kept need no call.
    """

    site: Site
    loads: tuple[Load, ...]
    profile: Profile
    limits: LimitsByStep
    allowed_w: Floats
    base: Ints
    demand: Ints
    drawn: Ints
    backlog: Ints
    lost: Ints
    is_on: NDArray[np.bool_]
    decisions: tuple[tuple[int, Decision], ...]
    decision_ns: tuple[int, ...]
    plans: int = 0
    plans_failed: int = 0

    @property
    def uncontrolled_w(self) -> Floats:
        """What the site draws without control [W]."""
        return to_watts(self.base + self.demand.sum(axis=0))

    @property
    def controlled_w(self) -> Floats:
        """What the site draws under control [W]."""
        return to_watts(self.base + self.drawn.sum(axis=0))

    @property
    def red_w(self) -> Floats:
        """The part that control may never touch: the rest and the red loads [W]."""
        red = [load.load_class == "red" for load in self.loads]
        return to_watts(self.base + self.demand[red].sum(axis=0))


def to_units(power_w: Floats) -> Ints:
    """Return powers as whole numbers of 0.01 W."""
    return np.rint(power_w * UNITS_PER_W).astype(np.int64)


def to_watts(units: Ints) -> Floats:
    """Return whole numbers of 0.01 W as W."""
    return units / UNITS_PER_W


def simulate_site(
    site: Site,
    profile: Profile,
    timer: Timer,
    progress: Progress | None = None,
    rule: Rule = decide,
    *,
    every_step: bool = False,
) -> Replay:
    """Replay `profile` through the load control of `site`.

    Parameters
    ----------
    timer
        Gives nanoseconds; measures each decision.
    progress
        Is told the share done, now and then.
    rule
        Decides; another one for comparison.
    every_step
        Ask the rule also where nothing is held back and the limit is kept, as one that averages
        needs; ours has nothing to say there.

    Raises
    ------
    InputError
        If an interval limit is not a whole number of steps.

    Notes
    -----
    The decision for step k takes the observation of step k - 1 and nothing later. A load that is
    off shows 0 W: what it would want is not visible to control. Where no rated power is given the
    load behaves as if rated for the largest it wants; control knows the largest it has drawn so
    far.
    """
    _check_intervals(site, profile)
    largest = {name: float(power.max()) for name, power in profile.wanted_w.items()}
    loop = _Loop(site, profile, rate_loads(site.loads, largest), timer, rule)
    loop.every_step = every_step or bool(loop.plants) or loop.own is not decide
    loop.run(progress or (lambda _share: None))
    return loop.result()


def _check_intervals(site: Site, profile: Profile) -> None:
    for limit in site.limits:
        if limit.interval_s and limit.interval_s % profile.step_s:
            msg = (
                f"limit {limit.name!r}: interval_s = {limit.interval_s} is no whole number of "
                f"steps of {profile.step_s:g} s"
            )
            raise InputError(msg)


class _Loop:
    """The closed loop: observe the step before, decide, let every load draw."""

    def __init__(
        self, site: Site, profile: Profile, loads: tuple[Load, ...], timer: Timer, rule: Rule
    ) -> None:
        self.site, self.profile, self.loads = site, profile, loads
        self.timer, self.rule, self.every_step = timer, rule, False
        self.own = NodeRule(site) if rule is decide and has_tree(site) else decide
        self.known_loads = site.loads
        shape = (len(loads), len(profile.start_s))
        axis = Axis(profile.start_s, profile.local_s, profile.step_s)
        self.table = site.timetable
        self.limits = limits_by_step(self.table, axis)
        self.base = to_units(profile.base_w)
        self.demand = np.empty(shape, dtype=np.int64)
        for row, load in enumerate(loads):
            recorded = profile.wanted_w.get(load.name, np.zeros(shape[1]))
            self.demand[row] = to_units(recorded)
        # What happens while nothing is held back; the loop overwrites the other steps.
        self.drawn = self.demand.copy()
        self.backlog = np.zeros(shape, dtype=np.int64)
        self.lost = np.zeros(shape, dtype=np.int64)
        self.is_on = np.ones(shape, dtype=np.bool_)
        self.allowed_w = self.limits.instant_w.copy()
        self.states = tuple(LoadState() for _ in loads)
        self.meters: Meters = {}
        self.counted = 0
        self.decisions: list[tuple[int, Decision]] = []
        self.decision_ns: list[int] = []
        self._prepare_lists(axis)
        self.plants, self.planner = _plants(site, loads, self.wanted, profile.step_s), None
        if site.planner:
            by_name = {loads[row].name: plant for row, plant in self.plants.items()}
            self.planner = ReplayPlanner(site, site.planner, by_name, self.start_s[0])

    def _prepare_lists(self, axis: Axis) -> None:
        """Keep what the loop reads as lists: numpy is slow one number at a time."""
        site_w = to_watts(self.base + self.demand.sum(axis=0))
        self.site_w = site_w.tolist()
        unrest_w = unrests_w(self._rest_w())
        self.unrest_w = [None if value != value else value for value in unrest_w.tolist()]  # noqa: PLR0124
        free_w = self.limits.instant_w - self._most_margin_w(unrest_w)
        self.alarms = (np.flatnonzero(site_w[:-1] > free_w[1:]) + 1).tolist()
        self.wanted = [row.tolist() for row in self.demand]
        self.rated = [round(load.rated_w * UNITS_PER_W) for load in self.loads]
        self.start_s, self.local_s = axis.start_s.tolist(), axis.local_s.tolist()
        low_w = lowest_hours(axis.start_s, to_watts(self.base))
        self.low_w = [None if value != value else value for value in low_w.tolist()]  # noqa: PLR0124
        self.waiting = [0] * len(self.loads)
        self.unrated = [row for row, load in enumerate(self.site.loads) if load.rated_w <= 0]
        self.largest = dict.fromkeys(self.unrated, 0)
        self._learn_ratings(0, 1)

    def _rest_w(self) -> Floats:
        """Return what the site draws besides the loads that control may touch [W]."""
        red = [load.load_class is LoadClass.RED or not load.released for load in self.loads]
        return to_watts(self.base + self.demand[red].sum(axis=0))

    def _most_margin_w(self, unrest_w: Floats) -> Floats:
        """Return the margin that control keeps at each step, or more where ratings are learned."""
        rated_w = [
            load.rated_w
            for load in self.site.loads
            if load.load_class is not LoadClass.RED and load.released
        ]
        relief_w = sum(rated_w) / len(rated_w) if rated_w and min(rated_w) > 0 else 0.0
        return np.maximum(np.nan_to_num(margin_w(unrest_w, relief_w)), 0.0)

    def run(self, progress: Progress) -> None:
        """Go through the steps; where all loads are free, go on to the next one over a limit."""
        count, told, step = len(self.start_s), 0, 1
        self._allow(0)
        while step < count:
            if step - told >= PROGRESS_EVERY:
                progress(step / count)
                told = step
            if not self.every_step and is_quiet(self.states) and not any(self.waiting):
                quiet_from, step = step, self._next_alarm(step)
                self._learn_ratings(quiet_from, step)
            if step < count:
                self._decide(step)
                self._draw(step)
            step += 1
        progress(1.0)

    def _next_alarm(self, step: int) -> int:
        """Return the first step from `step` on at which the power before it is not allowed."""
        count = len(self.start_s)
        if not self.table.has_memory:
            place = bisect_left(self.alarms, step)
            return self.alarms[place] if place < len(self.alarms) else count
        while step < count and self.site_w[step - 1] <= self._allow(step).power_w:
            step += 1
        return step

    def _learn_ratings(self, first: int, end: int) -> None:
        """Let control know what the loads without a rating drew in the steps from `first` on."""
        for row in self.unrated:
            if end > first:
                self._note_drawn(row, int(self.drawn[row, first:end].max()))

    def _note_drawn(self, row: int, power: int) -> None:
        if power <= self.largest[row]:
            return
        self.largest[row] = power
        load = replace(self.known_loads[row], rated_w=power / UNITS_PER_W)
        self.known_loads = (*self.known_loads[:row], load, *self.known_loads[row + 1 :])

    def _allow(self, step: int) -> Allowed:
        """Return the power allowed in `step`, from what was drawn before it."""
        if not self.table.has_memory:
            return self.table.segments[int(self.limits.segment[step])].instant
        for done in range(self.counted, step):
            self.meters = count_step(
                self.table,
                self.meters,
                self.start_s[done],
                self.local_s[done],
                self.profile.step_s,
                self.site_w[done],
            )
        self.counted = step
        moment = self.start_s[step], self.local_s[step], self.profile.step_s
        allowed = allowed_power(self.table, self.meters, *moment)
        self.allowed_w[step] = allowed.power_w
        return allowed

    def _decide(self, step: int) -> None:
        allowed = self._allow(step)
        observation = Observation(
            self.start_s[step],
            self.profile.step_s,
            self.local_s[step],
            self.site_w[step - 1],
            tuple((self.drawn[:, step - 1] / UNITS_PER_W).tolist()),
            self.low_w[step],
            self.unrest_w[step],
        )
        guidance = self._guidance(step)
        begin = self.timer()
        given = self.known_loads, self.states, observation, allowed
        if self.rule is decide:
            self.states, decision = self.own(*given, guidance)
        else:
            self.states, decision = self.rule(*given)
        self.decision_ns.append(self.timer() - begin)
        if decision.actions:
            self.decisions.append((step, decision))

    def _guidance(self, step: int) -> Guidance:
        """Return what the planner proposes, when there is one and ours is the rule."""
        if self.planner is None or self.rule is not decide:
            return NO_GUIDANCE
        before = self._moment(step - 1)
        drawn = (self.drawn[:, step - 1] / UNITS_PER_W).tolist()
        load_w = {load.name: power for load, power in zip(self.loads, drawn, strict=True)}
        self.planner.see(before, self.site_w[step - 1], load_w)
        return Guidance(self.planner.proposals(self._moment(step), self.known_loads, self.meters))

    def _moment(self, step: int) -> Moment:
        return Moment(step, self.start_s[step], self.local_s[step], self.profile.step_s)

    def _draw(self, step: int) -> None:
        total = int(self.base[step])
        for row, (load, state) in enumerate(zip(self.loads, self.states, strict=True)):
            ceiling = None
            if not state.on:
                ceiling = 0
            elif state.setpoint_w is not None:
                ceiling = round(state.setpoint_w * UNITS_PER_W)
            plant = self.plants.get(row)
            power, left, lost = (
                plant.draw(step, ceiling)
                if plant
                else draw(
                    self.wanted[row][step],
                    self.waiting[row],
                    self.rated[row],
                    ceiling,
                    load.recover,
                )
            )
            self.drawn[row, step], self.backlog[row, step] = power, left
            self.lost[row, step], self.is_on[row, step] = lost, state.on
            self.waiting[row] = left
            total += power
            if row in self.largest:
                self._note_drawn(row, power)
        self.site_w[step] = total / UNITS_PER_W

    def result(self) -> Replay:
        """Return what happened."""
        return Replay(
            self.site,
            self.loads,
            self.profile,
            self.limits,
            self.allowed_w,
            self.base,
            self.demand,
            self.drawn,
            self.backlog,
            self.lost,
            self.is_on,
            tuple(self.decisions),
            tuple(self.decision_ns),
            self.planner.made if self.planner else 0,
            self.planner.failed if self.planner else 0,
        )


def _plants(
    site: Site, loads: Sequence[Load], wanted: Sequence[Sequence[int]], step_s: float
) -> dict[int, Plant]:
    """Return the plants of the appliances that need one of their own, by row."""
    found = {}
    for row, load in enumerate(loads):
        plant = plant_of(load, site.devices.get(load.name), wanted[row], step_s, UNITS_PER_W)
        if plant:
            found[row] = plant
    return found
