"""What the rows of a plan share: where columns stand, powers, and which of two equals is taken."""

from dataclasses import dataclass, field

import numpy as np

from balans.core.words import LoadClass
from balans.domain.demand.devices import Battery
from balans.domain.demand.plan.linear import INFINITE, Floats, Ints, LinearModel
from balans.domain.demand.plan.problem import Problem

DARK_SHARE = 0.01
"""How much less an hour counts in which there is no sun to wait for."""


@dataclass(slots=True)
class Columns:
    """Where the columns of interest stand; `battery` and `grid` have shape (scenarios, slots)."""

    model: LinearModel
    power: dict[str, tuple[Ints, Ints, Floats]] = field(default_factory=dict)
    buy: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    sell: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    charge: dict[str, Ints] = field(default_factory=dict)
    discharge: dict[str, Ints] = field(default_factory=dict)
    level: dict[str, Ints] = field(default_factory=dict)
    slack: dict[str, Ints] = field(default_factory=dict)
    starts: dict[str, Ints] = field(default_factory=dict)
    runs: dict[str, tuple[Ints, Ints, Ints]] = field(default_factory=dict)
    spans: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    other_whole: bool = False
    tiny: float = 0.0
    balance: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    unit: float = 1.0


def at_most(model: LinearModel, column: Ints, binary: Ints, factor: float, top: float) -> None:
    """``column <= factor * binary + top``, element by element."""
    rows = model.rows(column.size, -INFINITE, top).reshape(column.shape)
    model.put(rows, column, 1.0)
    model.put(rows, binary, -factor)


def most_kw(problem: Problem) -> float:
    """Return more than the site could ever draw or yield in a slot [kW]."""
    most = float(np.max(np.abs(problem.rest_w), initial=0.0))
    for name, device in problem.devices.items():
        most += float(np.max(problem.demand_w.get(name, 0.0), initial=0.0))
        if isinstance(device, Battery):
            most += max(device.charge_w, device.discharge_w)
        else:
            most += device.load(name, LoadClass.GREEN).rated_w
    return most / 1000 + 1.0


def join(found: Columns, name: str, power: Ints, slots: Ints, share: Floats) -> None:
    """Let a load draw `share` of the power in `power` (scenarios x slots) at `slots`."""
    found.power[name] = (power, slots, share)
    found.model.put(found.balance[:, slots], power, -share)


def powers(
    problem: Problem,
    found: Columns,
    slots: Ints,
    most: Floats,
    price: Floats | float = 0.0,
    shared_slots: int = 1,
) -> Ints:
    """Add a power for each scenario and slot, one for all scenarios in the plan's first slots.

    `price` is per kW and slot.
    """
    scenarios, count = len(problem.weight), len(slots)
    upper = np.broadcast_to(most, (scenarios, count)).copy()
    cost = problem.weight[:, None] * np.broadcast_to(price, (scenarios, count))
    shared = slots < shared_slots
    # One column stands for all scenarios; those of the others are not used.
    upper[0, shared] = upper[:, shared].max(axis=0)
    upper[1:, shared] = 0.0
    cost[0, shared] = cost[:, shared].sum(axis=0)
    power = found.model.columns(scenarios * count, cost.ravel(), upper.ravel())
    power = power.reshape(scenarios, count)
    power[:, shared] = power[0, shared]
    return power


def early_price(problem: Problem, found: Columns) -> Floats:
    """Return a tiny price of an exchange with the network by slot, so that it waits for the sun.

    What is bought before hours in which the sun may shine might have been had for nothing, and
    what is sold before them is gone: a surplus is stored while it is there, and stores are kept
    low else. Without any sun sooner is safer.
    """
    since_h = np.concatenate(([0.0], np.cumsum(problem.hours)[:-1]))
    sun_h = _sun_ahead_h(problem)
    price = since_h[-1] - since_h if sun_h[0] > 0 else DARK_SHARE * since_h
    return found.tiny * found.unit * price


def _sun_ahead_h(problem: Problem) -> Floats:
    """Return how many hours with sun, from the slot on, may still come within the plan."""
    ahead: Floats = np.cumsum((sunny_slots(problem) * problem.hours)[::-1])[::-1]
    return ahead


def no_waiting(problem: Problem, found: Columns) -> Floats:
    """Return what takes the price of `early_price` from a task where no sun comes before its end.

    In the dark a car that waits for the last hours meets the peak of all else that waits.
    """
    since_h = np.concatenate(([0.0], np.cumsum(problem.hours)[:-1]))
    sunny = found.tiny * found.unit * (_sun_ahead_h(problem) + DARK_SHARE * since_h)
    return (sunny - early_price(problem, found)) * problem.hours


def dark_slots(problem: Problem) -> int:
    """Return how many slots there are before the sun may come, at least 1.

    In them a task draws the same in all scenarios. Were it free to differ, each plan would leave
    most of it for later, when all is known; but it never is.
    """
    sun = np.flatnonzero(sunny_slots(problem))
    return max(1, int(sun[0])) if len(sun) else problem.rest_w.shape[1]


def sunny_slots(problem: Problem) -> Floats:
    """Return for each slot whether the sun may shine, 0..1."""
    if problem.sunny is not None:
        return problem.sunny
    found: Floats = np.any(problem.rest_w < 0, axis=0).astype(np.float64)
    return found
