"""Pumps that fill an elevated tank between two levels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.base import Stateful, over

GRAVITY_N_KG = 9.81
EFFICIENCY = 0.4
"""Typical value of small pumps with their motor."""


@dataclass(frozen=True, slots=True)
class PumpData:
    """Parameters of pumps and tanks, one array element each.

    Attributes
    ----------
    power_w, head_m, efficiency
        Electric power [W], height of delivery with losses [m], hydraulic by electric power.
    tank_l
        Contents of the tank [l].
    low, high
        Levels at which the pump starts and stops, as shares of the contents.
    """

    power_w: Floats
    head_m: Floats
    efficiency: Floats
    tank_l: Floats
    low: Floats
    high: Floats

    @classmethod
    def typical(cls, power_w: Floats, head_m: Floats, tank_l: Floats) -> "PumpData":
        """Return pumps that fill from half to full (typical float switch)."""
        count = len(power_w)
        return cls(
            power_w, head_m, over(EFFICIENCY, count), tank_l, over(0.5, count), over(0.95, count)
        )

    @property
    def flow_l_s(self) -> Floats:
        """Delivery [l/s]: hydraulic power is density · g · flow · head."""
        return self.efficiency * self.power_w / (GRAVITY_N_KG * self.head_m)


class Pumps(Stateful):
    """State of many pumps.

    Attributes
    ----------
    level_l
        Water in the tank [l].
    pumped_l, short_l
        Water delivered, and water that was wanted from an empty tank; since the start [l].
    """

    STATE: ClassVar = ("level_l", "calling", "pumped_l", "short_l")

    def __init__(self, data: PumpData, level: float = 0.75) -> None:
        self.data = data
        self.level_l = data.tank_l * level
        count = len(self.level_l)
        self.calling: Flags = np.zeros(count, dtype=np.bool_)
        self.pumped_l = np.zeros(count)
        self.short_l = np.zeros(count)
        self._ask()

    @property
    def wants_w(self) -> Floats:
        """Power that each would draw now [W]."""
        return np.where(self.calling, self.data.power_w, 0.0)

    def step(self, on: Flags, step_s: float, use_l: Floats) -> Floats:
        """Let `step_s` pass while `use_l` is drawn from the tank; return mean power [W]."""
        data = self.data
        taken_l = np.minimum(use_l, self.level_l)
        self.short_l += use_l - taken_l
        level_l = self.level_l - taken_l
        room_l = np.maximum(data.high * data.tank_l - level_l, 0.0)
        pumped_l = np.minimum(data.flow_l_s * step_s, room_l)
        pumped_l = np.where(on & self.calling, pumped_l, 0.0)
        self.level_l = level_l + pumped_l
        self.pumped_l += pumped_l
        self._ask()
        power_w: Floats = data.power_w * pumped_l / (data.flow_l_s * step_s)
        return power_w

    def _ask(self) -> None:
        data = self.data
        self.calling |= self.level_l <= data.low * data.tank_l
        self.calling &= self.level_l < data.high * data.tank_l - 1e-6
