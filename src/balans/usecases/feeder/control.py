"""Control of a street: the product's reflex on the tree of transformer and flats."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand import Allowed, Decision, Load, LoadState, Observation
from balans.domain.demand.model import Node
from balans.domain.demand.reflex import decide_table, decide_tree, is_quiet
from balans.domain.demand.rooms import VOLT, NodeLimits
from balans.domain.demand.table import Fleet, StateTable
from balans.domain.demand.tree import make_tree
from balans.usecases.feeder.street import MINUTE_S, UNITS_PER_W

Wide = NDArray[np.int64]
Floats = NDArray[np.float64]
FREE = np.iinfo(np.int64).max
"""A ceiling that holds nothing back."""
MANY_LOADS = 50
"""From this many on states are kept as arrays; the decisions are the same."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What control keeps: power of the transformer, of each phase, of each flat taking part [W].

    `phase_w` and `flat_w` are infinite where they are not kept.
    """

    site_w: float
    phase_w: float = math.inf
    flat_w: float = math.inf

    def __post_init__(self) -> None:
        for name in ("site_w", "phase_w", "flat_w"):
            value = getattr(self, name)
            if not value >= 0:
                raise InputError(f"{name} = {value}: expected 0 or more")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured over the step before `time_s`; powers in W.

    `flat_w` is by flat taking part, in the order of their numbers; `phase_w` that of the site.
    """

    time_s: float
    local_s: float
    site_w: float
    phase_w: Floats
    flat_w: Floats
    load_w: Floats
    low_w: float | None
    unrest_w: float | None


class Control(Protocol):
    """Decides at the start of a step what each load is held to: `ceiling` [0.01 W], 0 is off."""

    ceiling: Wide

    @property
    def quiet(self) -> bool:
        """Whether nothing is held back or owed, so that steps inside the limits may be skipped."""

    def decide(self, seen: Seen) -> None:
        """Set `ceiling` for the coming step."""


class Reflex:
    """The reflex of the product; a flat is a node of the tree only where it has a limit."""

    def __init__(self, loads: tuple[Load, ...], limits: Limits) -> None:
        flats = sorted({load.node for load in loads}) if limits.flat_w < math.inf else []
        tree = make_tree(Node(name) for name in flats)
        self.ceiling: Wide = np.full(len(loads), FREE, dtype=np.int64)
        self._flats = flats
        hung = loads if flats else tuple(replace(load, node="") for load in loads)
        self._fleet = Fleet(hung, tree)
        allowed = [Allowed(limits.site_w, "transformer")]
        allowed += [Allowed(limits.flat_w, "flat")] * len(flats)
        phase_a: tuple[float, ...] = ()
        if limits.phase_w < math.inf:
            phase_a = (limits.phase_w / VOLT, *[math.inf] * len(flats))
        names = ("phase",) * len(phase_a)
        self._limits = NodeLimits(tree, tuple(allowed), phase_a, names)
        self._place = {load.name: index for index, load in enumerate(loads)}
        self._states = _Many(self._fleet) if len(loads) >= MANY_LOADS else _Few(self._fleet)

    @property
    def quiet(self) -> bool:
        """Whether every load is free."""
        return self._states.quiet

    def decide(self, seen: Seen) -> None:
        """Let the reflex decide, and note what it switched."""
        phase_a = {"": tuple((seen.phase_w / VOLT).tolist())} if self._limits.phase_a else {}
        observation = Observation(
            seen.time_s,
            float(MINUTE_S),
            seen.local_s,
            seen.site_w,
            tuple(seen.load_w.tolist()),
            seen.low_w,
            seen.unrest_w,
            node_w=dict(zip(self._flats, seen.flat_w.tolist(), strict=False)),
            phase_a=phase_a,
        )
        for action in self._states.decide(observation, self._limits).actions:
            held = _held_to(action.on, action.setpoint_w)
            self.ceiling[self._place[action.load]] = held


class _Few:
    """States of some loads, one by one."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._states: tuple[LoadState, ...] = tuple(LoadState() for _ in fleet.loads)

    @property
    def quiet(self) -> bool:
        return is_quiet(self._states)

    def decide(self, seen: Observation, limits: NodeLimits) -> Decision:
        self._states, decision = decide_tree(self._fleet, self._states, seen, limits)
        return decision


class _Many:
    """States of many loads, as arrays."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._states = StateTable.fresh(len(fleet))

    @property
    def quiet(self) -> bool:
        return self._states.is_quiet

    def decide(self, seen: Observation, limits: NodeLimits) -> Decision:
        self._states, decision = decide_table(self._fleet, self._states, seen, limits)
        return decision


def _held_to(on: bool, setpoint_w: float | None) -> int:  # noqa: FBT001
    if not on:
        return 0
    return FREE if setpoint_w is None else round(setpoint_w * UNITS_PER_W)
