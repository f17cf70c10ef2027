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
    problem: Problem, found: Columns, slots: Ints, most: Floats, price: Floats | float = 0.0
) -> Ints:
    """Add a power for each scenario and slot, one for all scenarios in the plan's first slot.

    `price` is per kW and slot.
    """
    scenarios, count = len(problem.weight), len(slots)
    upper = np.broadcast_to(most, (scenarios, count)).copy()
    cost = problem.weight[:, None] * np.broadcast_to(price, (scenarios, count))
    if count and slots[0] == 0:
        # One column stands for all scenarios; those of the others are not used.
        upper[:, 0] = upper[:, 0].max()
        cost[:, 0] = cost[:, 0].sum()
        upper[1:, 0] = 0.0
    power = found.model.columns(scenarios * count, cost.ravel(), upper.ravel())
    power = power.reshape(scenarios, count)
    if count and slots[0] == 0:
        power[:, 0] = power[0, 0]
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
    sunny = np.any(problem.rest_w < 0, axis=0) if problem.sunny is None else problem.sunny
    ahead: Floats = np.cumsum((sunny * problem.hours)[::-1])[::-1]
    return ahead


def no_waiting(problem: Problem, found: Columns) -> Floats:
    """Return what takes the price of `early_price` from a task where no sun comes before its end.

    In the dark a car that waits for the last hours meets the peak of all else that waits.
    """
    since_h = np.concatenate(([0.0], np.cumsum(problem.hours)[:-1]))
    sunny = found.tiny * found.unit * (_sun_ahead_h(problem) + DARK_SHARE * since_h)
    return (sunny - early_price(problem, found)) * problem.hours
