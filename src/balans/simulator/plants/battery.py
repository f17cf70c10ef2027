"""Stationary batteries: state of charge, power limits, losses both ways."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balans.simulator.arrays import Floats
from balans.simulator.plants.base import HOUR_S, Stateful, over

EFFICIENCY = 0.95
"""One way. Typical value of AC-coupled lithium systems: about 90 % there and back."""

MIN_SOC = 0.1
"""Typical value: makers keep the last tenth."""


@dataclass(frozen=True, slots=True)
class BatteryData:
    """Parameters of batteries, one array element each; powers at the AC side [W]."""

    capacity_wh: Floats
    charge_w: Floats
    discharge_w: Floats
    efficiency: Floats
    min_soc: Floats

    @classmethod
    def typical(cls, capacity_wh: Floats, power_w: Floats) -> "BatteryData":
        """Return batteries with equal limits both ways."""
        count = len(capacity_wh)
        return cls(capacity_wh, power_w, power_w, over(EFFICIENCY, count), over(MIN_SOC, count))


class Batteries(Stateful):
    """State of many batteries; `lost_wh` is what conversion cost since the start [Wh]."""

    STATE: ClassVar = ("stored_wh", "lost_wh")

    def __init__(self, data: BatteryData, soc: float = 0.5) -> None:
        self.data = data
        self.stored_wh = data.capacity_wh * soc
        self.lost_wh = np.zeros(len(self.stored_wh))

    def bounds_w(self, step_s: float) -> tuple[Floats, Floats]:
        """Return least (discharging, negative) and most power for a step [W]."""
        data, step_h = self.data, step_s / HOUR_S
        above_wh = np.maximum(self.stored_wh - data.min_soc * data.capacity_wh, 0.0)
        room_wh = np.maximum(data.capacity_wh - self.stored_wh, 0.0)
        least_w = -np.minimum(data.discharge_w, above_wh * data.efficiency / step_h)
        most_w = np.minimum(data.charge_w, room_wh / data.efficiency / step_h)
        return least_w, most_w

    def step(self, setpoint_w: Floats, step_s: float) -> Floats:
        """Let `step_s` pass at `setpoint_w` as far as it can be held; return power [W]."""
        data, step_h = self.data, step_s / HOUR_S
        power_w: Floats = np.clip(setpoint_w, *self.bounds_w(step_s))
        inner_w = np.where(power_w > 0, power_w * data.efficiency, power_w / data.efficiency)
        self.stored_wh = self.stored_wh + inner_w * step_h
        self.lost_wh += (power_w - inner_w) * step_h
        return power_w
