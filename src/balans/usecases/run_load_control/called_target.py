"""A place that is called on: when its steps hold there, and what each of them allows.

Steps that touch make a *run*. A run begins later than its first step by the place's share of the
start spread, and ends later than its last step by its share of the release spread; in between one
step follows the other without a gap. A place that holds a step already goes on holding it when a
new epoch says so. Nothing holds after the call expires, reckoned by a clock that never steps.
"""

from dataclasses import dataclass

from balans.core.words import CallState, StepKind
from balans.domain.response.spread import release_delay_s, start_delay_s
from balans.domain.response.steps import Step, limit_of
from balans.protocols.hub import Call, CallStep, CallTarget
from balans.usecases.run_load_control.called_memory import Basis

INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Run:
    """Steps that touch, held in [begin_s, end_s) of the server's time."""

    begin_s: float
    end_s: float
    steps: tuple[CallStep, ...]

    def step_at(self, time_s: float) -> CallStep:
        """Return the step that holds at a time inside the run."""
        begun = [step for step in self.steps if step.start <= time_s]
        return begun[-1] if begun else self.steps[0]


def runs_of(call: Call, target: CallTarget) -> tuple[Run, ...]:
    """Return when the steps of `target` hold."""
    late_s = start_delay_s(call.seed, target.name, call.start_spread_s)
    after_s = release_delay_s(call.seed, target.name, call.release_spread_s)
    chains: list[list[CallStep]] = []
    for step in target.steps:
        if chains and chains[-1][-1].end == step.start:
            chains[-1].append(step)
        else:
            chains.append([step])
    return tuple(
        Run(
            min(chain[0].start + late_s, chain[-1].end),
            min(chain[-1].end + after_s, call.expires),
            tuple(chain),
        )
        for chain in chains
    )


@dataclass(slots=True)
class Target:
    """One place of one event.

    `until_s` is when it ends at the latest, by the steady clock; `withdrawn_s` when it ends by the
    server's time because it was cancelled or replaced, and `why` says which. `step` holds now and
    allows `limit_w`; None: nobody knows yet, since it depends on what was not measured.
    `over_s` is since when the place has drawn more without a break, `told` the last state that was
    reported.
    """

    call: Call
    node: str
    name: str
    runs: tuple[Run, ...]
    until_s: float
    withdrawn_s: float = INFINITE
    why: str = ""
    step: CallStep | None = None
    limit_w: float | None = None
    basis: Basis | None = None
    over_s: float | None = None
    told: CallState | None = None

    @classmethod
    def of(cls, call: Call, target: CallTarget, until_s: float) -> "Target":
        """Return the place as `call` names it."""
        return cls(call, target.node, target.name, runs_of(call, target), until_s)

    def renewed(self, call: Call, target: CallTarget, until_s: float) -> None:
        """Follow a newer epoch; what holds goes on to hold where it still is asked for."""
        self.call, self.runs = call, runs_of(call, target)
        self.until_s, self.withdrawn_s, self.why = until_s, INFINITE, ""

    def withdraw(self, why: str, now_s: float) -> None:
        """End it, with the spread where it holds now."""
        if self.withdrawn_s < INFINITE:
            return
        after_s = 0.0
        if self.step is not None:
            after_s = release_delay_s(self.call.seed, self.name, self.call.release_spread_s)
        self.withdrawn_s, self.why = now_s + after_s, why

    def step_now(self, now_s: float) -> CallStep | None:
        """Return the step that holds at `now_s` of the server's time; None: nothing is asked."""
        if now_s >= self.withdrawn_s:
            return None
        for run in reversed(self.runs):
            goes_on = self._goes_on(run)
            begin_s = run.steps[0].start if goes_on else run.begin_s
            if begin_s <= now_s < run.end_s and (goes_on or self.withdrawn_s == INFINITE):
                return run.step_at(now_s)
        return None

    def _goes_on(self, run: Run) -> bool:
        """Tell whether the place holds a step of `run` already, as an earlier epoch began it."""
        return self.step is not None and any(one.start == self.step.start for one in run.steps)

    def is_over(self, now_s: float, steady_s: float) -> bool:
        """Tell whether nothing will be asked of the place any more."""
        if steady_s >= self.until_s:
            self.why = self.why or "expired"
            return True
        return now_s >= min(self.withdrawn_s, max(run.end_s for run in self.runs))

    def key(self, step: CallStep) -> str:
        """Return under what the basis of `step` is remembered."""
        return f"{self.call.event}/{self.node}/{step.start:.0f}"


def needs_basis(step: CallStep) -> bool:
    """Tell whether what a step allows depends on what the place drew before."""
    return step.kind is not StepKind.LIMIT


def allowed_w(step: CallStep, basis: Basis | None) -> float | None:
    """Return what `step` allows on `basis`; None: it cannot be told [W]."""
    before_w, holdable_w = (basis.before_w, basis.holdable_w) if basis else (None, None)
    plain = Step(step.start, step.end, step.kind, step.value)
    return limit_of(plain, before_w, holdable_w)
