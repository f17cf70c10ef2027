"""Guards around the reflex: not too many switchings, and none that are of no use.

*Cap.* Switchings by choice are counted by pass and by minute. Timers, deadlines and wishes of
persons are not held up by it: they must be.

*Futility.* Where loads are shed again and again and the meter does not follow, what causes the
overload is not among them, or the meter stands still. At every node the change of the measured
power, `d`, is set against the change that the last pass should have made, `e`, step by step, also
where nothing was done; a straight line through these points has the slope

    b = cov(e, d) / var(e)

which is 1 where switching does what it should and 0 where it does nothing; that the rest of the
node rises and falls by itself does not change it. A jump of the rest is cut to three standard
deviations beyond what is plausible. Shedding at a node is called futile once it was tried
`TRIALS` times and even the upper end of the confidence interval, ``b + 2 s`` with the standard
error ``s``, lies below `WORTH`. Then nothing is shed for that node for a while, each time
longer. A rest that rises just as fast as loads are shed looks the same while it lasts; but
in the pause it goes on rising, the slope goes up, and no second pause follows.

All that a guard knows is in its value, which can be kept over a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from balans.domain.demand.model import Decision, LoadState, Observation, Reason
from balans.domain.demand.reflex import NO_GUIDANCE, Guidance, decide_tree
from balans.domain.demand.rooms import NodeLimits
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import SITE

WORTH = 0.5
"""Less than this share of the expected effect is no effect worth a switching."""
TRIALS = 3
"""So many passes must have shed before anything is said about their use."""
STEADY_STEPS, LEAST_SPREAD_KW = 5.0, 0.03
"""After so many steps a jump of the rest is cut; its spread is taken for at least this [kW]."""
FADING = 0.97
"""What a step counts after each further one: about half an hour of minutes is looked at."""
PAUSE_S, PAUSE_MAX_S = 300.0, 3600.0
"""Futile: nothing is shed for 5 min, 10 min, … up to an hour."""
MINUTE_S = 60.0
CHOSEN = frozenset(
    {Reason.OVER_LIMIT, Reason.SENSOR_LOST, Reason.HEADROOM_BACK, Reason.NIGHT_ZONE,
     Reason.STAGGER, Reason.PLAN}
)  # fmt: skip
INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Caps:
    """The most switchings by choice in a pass and in a minute."""

    per_pass: float = INFINITE
    per_minute: float = INFINITE


def caps_for(loads: int) -> Caps:
    """Return caps for a site of so many loads: a quarter of them a pass, half of them a minute.

    >>> caps_for(20)
    Caps(per_pass=5, per_minute=10)
    """
    return Caps(max(4, loads // 4), max(8, loads // 2))


class Evidence(NamedTuple):
    """Fading sums over steps of expected (e) and measured (d) changes [kW], and trials."""

    steps: float = 0.0
    e: float = 0.0
    d: float = 0.0
    ee: float = 0.0
    ed: float = 0.0
    dd: float = 0.0
    trials: float = 0.0

    def after(self, expected_kw: float, moved_kw: float) -> "Evidence":
        """Return the sums with one more step."""
        is_trial = expected_kw < 0
        if self.steps >= STEADY_STEPS:
            slack_kw = 3 * max(LEAST_SPREAD_KW, (self.dd / self.steps) ** 0.5)
            highest, lowest = max(0.0, expected_kw) + slack_kw, min(0.0, expected_kw) - slack_kw
            moved_kw = min(highest, max(lowest, moved_kw))
        return Evidence(
            self.steps * FADING + 1,
            self.e * FADING + expected_kw,
            self.d * FADING + moved_kw,
            self.ee * FADING + expected_kw * expected_kw,
            self.ed * FADING + expected_kw * moved_kw,
            self.dd * FADING + moved_kw * moved_kw,
            self.trials * FADING + is_trial,
        )

    @property
    def most(self) -> float:
        """The upper end of the confidence interval of the slope; infinite while unknown."""
        if self.steps < TRIALS:
            return INFINITE
        var_e = self.ee - self.e * self.e / self.steps
        if var_e <= 1e-9:
            return INFINITE
        slope = (self.ed - self.e * self.d / self.steps) / var_e
        var_d = max(0.0, self.dd - self.d * self.d / self.steps)
        residual = max(0.0, var_d - slope * slope * var_e) / max(1.0, self.steps - 2)
        return float(slope + 2 * (residual / var_e) ** 0.5)


class Pause(NamedTuple):
    """A node is left alone until `until_s`, for the `times`-th time in a row."""

    until_s: float
    times: int


@dataclass(frozen=True, slots=True)
class Guard:
    """What the guards know.

    switched
        When in the last minute how many loads were switched by choice.
    evidence, pauses
        By node: whether shedding helps, and where it is paused.
    before_w, expected_w
        By node: power measured before the last pass, and the change that pass should have made.
    capped
        Whether the last pass was held up by a cap.
    """

    caps: Caps = Caps()
    switched: tuple[tuple[float, int], ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    before_w: Mapping[str, float] = field(default_factory=dict)
    expected_w: Mapping[str, float] = field(default_factory=dict)
    capped: bool = False

    def budget(self, time_s: float) -> float:
        """Return how many loads may be switched by choice in a pass at `time_s`."""
        lately = sum(count for at_s, count in self.switched if at_s > time_s - MINUTE_S)
        return max(0.0, min(self.caps.per_pass, self.caps.per_minute - lately))

    def futile(self, time_s: float) -> frozenset[str]:
        """Return the nodes for which nothing is shed at `time_s`."""
        return frozenset(name for name, pause in self.pauses.items() if pause.until_s > time_s)

    def word(self, time_s: float) -> str:
        """Return what a person should know: "futile", "switch_cap", or nothing."""
        if self.futile(time_s):
            return "futile"
        return "switch_cap" if self.capped else ""


def decide_guarded(
    fleet: Fleet,
    states: tuple[LoadState, ...],
    observation: Observation,
    limits: NodeLimits,
    guard: Guard,
    guidance: Guidance = NO_GUIDANCE,
) -> tuple[tuple[LoadState, ...], Decision, Guard]:
    """Return what `reflex.decide_tree` does under the guards, and the guard for the next pass."""
    time_s = observation.time_s
    guard = judge(guard, observation)
    budget = guard.budget(time_s)
    told = replace(
        guidance,
        budget=min(guidance.budget, budget),
        futile=guidance.futile | guard.futile(time_s),
    )
    after, decision = decide_tree(fleet, states, observation, limits, told)
    return after, decision, note(guard, fleet, decision, observation, budget)


def judge(guard: Guard, seen: Observation) -> Guard:
    """Return the guard after it has seen what the last pass has brought about."""
    now_w = _measured(seen)
    evidence, pauses = dict(guard.evidence), dict(guard.pauses)
    for name, power_w in now_w.items():
        if name not in guard.before_w:
            continue
        moved_kw = (power_w - guard.before_w[name]) / 1000
        expected_kw = guard.expected_w.get(name, 0.0) / 1000
        found = evidence.get(name, Evidence()).after(expected_kw, moved_kw)
        pause = pauses.get(name)
        is_futile = found.trials >= TRIALS - 0.5 and found.most < WORTH
        if pause and found.most >= WORTH:
            del pauses[name]
        elif is_futile and (pause is None or (pause.until_s <= seen.time_s and expected_kw < 0)):
            earlier = pause.times if pause else 0
            pause_s = min(PAUSE_MAX_S, PAUSE_S * 2 ** min(earlier, 10))
            pauses[name] = Pause(seen.time_s + pause_s, earlier + 1)
        evidence[name] = found
    return replace(guard, evidence=evidence, pauses=pauses)


def _measured(seen: Observation) -> dict[str, float]:
    told = {SITE: seen.site_w, **seen.node_w}
    return {name: power for name, power in told.items() if power is not None}


def note(guard: Guard, fleet: Fleet, decision: Decision, seen: Observation, budget: float) -> Guard:
    """Return the guard after a pass that was given `budget`."""
    tree, places = fleet.tree, None
    expected_w: dict[str, float] = {}
    chosen = 0
    for action in decision.actions:
        if places is None:
            places = {load.name: node for load, node in zip(fleet.loads, fleet.nodes, strict=True)}
        chosen += action.reason in CHOSEN and action.setpoint_w is None
        for node in tree.paths[places[action.load]]:
            name = tree.names[node]
            expected_w[name] = expected_w.get(name, 0.0) + action.effect_w
    lately = tuple(item for item in guard.switched if item[0] > seen.time_s - MINUTE_S)
    return replace(
        guard,
        switched=(*lately, (seen.time_s, chosen)) if chosen else lately,
        before_w=_measured(seen),
        expected_w=expected_w,
        capped=chosen >= budget and decision.headroom_w < 0,
    )
