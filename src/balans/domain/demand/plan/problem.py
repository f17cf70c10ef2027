"""The planning problem of one site as frozen data: slots, prices, what is expected, devices.

Powers are W, energies Wh, prices per kWh; consumption is positive, production negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.devices import Battery, Device

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """A step of a tiered tariff: what is bought beyond `above_kwh` in a month costs `extra` more.

    `extra` is per kWh and not negative: tiers rise.
    """

    above_kwh: float
    extra: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """What holds all month: tiers, and the price of the month's highest interval.

    `peak_price` is per kW of the highest mean power bought over a clock-aligned interval of
    `peak_interval_s`; 0: peaks are free.
    """

    blocks: tuple[Block, ...] = ()
    peak_price: float = 0.0
    peak_interval_s: int = 3600


@dataclass(frozen=True, slots=True)
class Month:
    """What is known of a month that slots of the plan fall into.

    Parameters
    ----------
    bought_wh
        Bought so far.
    later_wh
        Expected to be bought after the end of the plan: it decides which tier energy ends in.
    peak_w
        The highest interval so far: it is paid for, so anything up to it is free.
    floor_w
        What the month is expected to reach whatever is done now; 0: no guess.
    """

    bought_wh: float = 0.0
    later_wh: float = 0.0
    peak_w: float = 0.0
    floor_w: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What to plan. Arrays run over the n slots; `rest_w` over s scenarios and the slots.

    Parameters
    ----------
    start_s, hours
        When the first slot begins, and the length of each slot [h]; the first may be a rest.
    rest_w, weight
        Scenarios of the net power of all that is not planned (production negative), and the
        probability of each.
    buy, sell
        Price of a kWh bought and sold in each slot.
    limit_w
        Power that the site may draw; infinite where no limit holds.
    month, months
        The place of each slot's month in `months`, the months in order.
    interval, counted_wh
        Number of the peak interval that each slot lies in, and what was bought in the first
        of them before the plan begins.
    devices
        What can be planned, by name of the load.
    demand_w
        What each thermostat would draw by itself (mean).
    now_known
        Whether the battery may follow each scenario from the first slot on, as it does where it
        is held to what the meter shows; else its first slot is the same in all scenarios.
    sunny
        Slots in which production may be more than expected, 0..1; None: those in which a
        scenario has a surplus.
    reserve_wh
        Energy that batteries and thermostats should be able to give at any time against what no
        scenario foresees, where peaks are priced.
    """

    start_s: float
    hours: Floats
    rest_w: Floats
    weight: Floats
    buy: Floats
    sell: Floats
    limit_w: Floats
    month: Ints
    months: tuple[Month, ...]
    interval: Ints
    tariff: Tariff = field(default_factory=Tariff)
    counted_wh: float = 0.0
    devices: Mapping[str, Device] = field(default_factory=dict)
    demand_w: Mapping[str, Floats] = field(default_factory=dict)
    now_known: bool = True
    sunny: Floats | None = None
    reserve_wh: float = 0.0

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other."""
        count = len(self.hours)
        for name in ("buy", "sell", "limit_w", "month", "interval"):
            if len(getattr(self, name)) != count:
                raise InputError(f"plan: {name} has {len(getattr(self, name))} slots, not {count}")
        if self.rest_w.shape != (len(self.weight), count):
            raise InputError(f"plan: rest_w has shape {self.rest_w.shape}, not scenarios x slots")
        if any(block.extra < 0 for block in self.tariff.blocks):
            raise InputError("plan: a block of the tariff is cheaper than the one below it")

    @property
    def begin_s(self) -> Floats:
        """When each slot begins [Unix s]."""
        return self.start_s + 3600 * np.concatenate(([0.0], np.cumsum(self.hours)[:-1]))

    @property
    def end_s(self) -> Floats:
        """When each slot ends [Unix s]."""
        return self.start_s + 3600 * np.cumsum(self.hours)

    @property
    def interval_h(self) -> float:
        """Length of a peak interval [h]."""
        return self.tariff.peak_interval_s / 3600


def share_in(problem: Problem, from_s: float, to_s: float) -> Floats:
    """Return the share of each slot that lies between two times (0..1).

    >>> import numpy as np
    >>> flat = np.zeros(2)
    >>> p = Problem(0.0, np.ones(2), np.zeros((1, 2)), np.ones(1), flat, flat, flat,
    ...             np.zeros(2, int), (Month(),), np.arange(2))
    >>> share_in(p, 1800.0, 4500.0).tolist()
    [0.5, 0.25]
    """
    inside = np.minimum(problem.end_s, to_s) - np.maximum(problem.begin_s, from_s)
    return np.clip(inside / (3600 * problem.hours), 0.0, 1.0)


def owed_per_kwh(problem: Problem) -> float:
    """Return what a kWh still owed at the end costs: nothing is gained by putting it off so far."""
    extra = sum(block.extra for block in problem.tariff.blocks)
    return max(0.0, float(np.max(problem.buy))) + extra


def lead_per_kwh(problem: Problem) -> float:
    """Return what a kWh that a thermostat is ahead at the end is worth: the least it saves."""
    return max(0.0, float(np.min(problem.buy)))


def worth_per_kwh(problem: Problem, battery: Battery) -> float:
    """Return what a kWh left in a battery is worth: what it would cost to buy it again."""
    if battery.value_per_kwh is not None:
        return battery.value_per_kwh
    return max(0.0, float(np.min(problem.buy)) * battery.efficiency)
