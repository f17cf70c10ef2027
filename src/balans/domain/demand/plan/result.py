"""The plan: what each load is to draw when, what that costs, and what cannot be met."""

from dataclasses import dataclass
from enum import StrEnum


class PlanState(StrEnum):
    """Whether there is a plan, and whether it keeps everything asked for."""

    OPTIMAL = "optimal"
    RELAXED = "relaxed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Unmet:
    """What a relaxed plan does not keep: ``limit`` or the name of a load, and how much [Wh]."""

    what: str
    energy_wh: float


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """A load's mean power by slot, planned and as it would be unplanned [W].

    `deferred_to_s` is when the greater part of what is put off is to be drawn, None where
    nothing is put off.
    """

    name: str
    power_w: tuple[float, ...]
    unplanned_w: tuple[float, ...]
    deferred_to_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan made at `made_s` for slots of `slot_s`, the first of which began at `start_s`.

    `expected_w` is the mean over the scenarios; `limit_w` is infinite where no limit holds.
    `cost` and `cost_unplanned` are energy, tiers and peaks of the plan's hours by the same
    forecast, less the worth of what is left in the batteries. `peak_w` is the highest interval
    that is expected to be bought in the first month. `soc_wh` is the energy in each battery at
    the end of each slot.
    """

    made_s: float
    start_s: float
    slot_s: float
    state: PlanState
    reason: str = ""
    price: tuple[float, ...] = ()
    expected_w: tuple[float, ...] = ()
    limit_w: tuple[float, ...] = ()
    loads: tuple[PlannedLoad, ...] = ()
    cost: float = 0.0
    cost_unplanned: float = 0.0
    peak_w: float = 0.0
    soc_wh: tuple[tuple[str, tuple[float, ...]], ...] = ()
    unmet: tuple[Unmet, ...] = ()

    def load(self, name: str) -> PlannedLoad | None:
        """Return the plan of the load called `name`."""
        return next((load for load in self.loads if load.name == name), None)
