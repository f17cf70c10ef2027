"""Electric vehicles at charging points: sessions, currents, and the taper of a full battery.

Below 6 A a charging point offers nothing (IEC 61851-1:2017, Annex A: the duty cycles of the
control pilot begin at 6 A), so a smaller set-point stops the car. Charging is at constant current
up to 80 % and then falls in a straight line with what is left to full: the two stages of
acnportal's ``Linear2StageBattery`` (transition at 0.8).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.base import HOUR_S, MAINS_V, Stateful, over

MIN_A = 6.0
TAPER_SOC = 0.8
END_RATIO = 0.03
"""Typical value: constant-voltage charging ends at about a thirtieth of the full current."""

EFFICIENCY = 0.9
"""Typical value from socket to battery of on-board chargers at 3 to 11 kW."""


@dataclass(frozen=True, slots=True)
class VehicleData:
    """Parameters of cars and their charging points, one array element each.

    Attributes
    ----------
    phases, max_a
        Phases used, 1 or 3; largest current by phase [A].
    battery_wh
        Usable energy [Wh].
    efficiency
        Battery by socket.
    """

    phases: Floats
    max_a: Floats
    battery_wh: Floats
    efficiency: Floats

    @classmethod
    def typical(cls, phases: Floats, max_a: Floats, battery_wh: Floats) -> "VehicleData":
        """Return cars with a typical charger."""
        return cls(phases, max_a, battery_wh, over(EFFICIENCY, len(phases)))

    @property
    def rated_w(self) -> Floats:
        """Largest power at the socket [W]."""
        return MAINS_V * self.phases * self.max_a

    @property
    def min_w(self) -> Floats:
        """Smallest power at the socket, at 6 A [W]."""
        return MAINS_V * self.phases * MIN_A


class Vehicles(Stateful):
    """State of many cars.

    Attributes
    ----------
    plugged
        The car is at its point.
    stored_wh, target_wh
        Energy in the battery, and what it shall hold at departure [Wh].
    charged_wh
        Energy put into the battery since the start [Wh].
    short_wh
        What was missing at departures since the start [Wh].
    """

    STATE: ClassVar = ("plugged", "stored_wh", "target_wh", "charged_wh", "short_wh")

    def __init__(self, data: VehicleData, stored_wh: Floats | None = None) -> None:
        self.data = data
        count = len(data.phases)
        self.plugged: Flags = np.zeros(count, dtype=np.bool_)
        self.stored_wh = np.array(data.battery_wh if stored_wh is None else stored_wh)
        self.target_wh = self.stored_wh.copy()
        self.charged_wh = np.zeros(count)
        self.short_wh = np.zeros(count)

    def arrive(self, which: Flags, driven_wh: Floats, target_wh: Floats) -> None:
        """Plug in the cars at `which`, having used `driven_wh` on the road [Wh]."""
        stored = np.maximum(self.stored_wh - driven_wh, 0.0)
        self.stored_wh = np.where(which, stored, self.stored_wh)
        target = np.minimum(target_wh, self.data.battery_wh)
        self.target_wh = np.where(which, np.maximum(target, self.stored_wh), self.target_wh)
        self.plugged |= which

    def depart(self, which: Flags) -> None:
        """Unplug the cars at `which` and note what they lack."""
        leave = which & self.plugged
        missing = np.maximum(self.target_wh - self.stored_wh, 0.0)
        self.short_wh += np.where(leave, missing, 0.0)
        self.plugged &= ~which

    @property
    def wants_w(self) -> Floats:
        """Power that each would draw now at its largest current [W]."""
        return self._battery_w(self.data.max_a) / self.data.efficiency

    def step(self, allowed_a: Floats, step_s: float) -> Floats:
        """Let `step_s` pass with the current limits `allowed_a` by phase [A]; return power [W]."""
        step_h = step_s / HOUR_S
        room_w = np.maximum(self.target_wh - self.stored_wh, 0.0) / step_h
        battery_w = np.minimum(self._battery_w(allowed_a), room_w)
        self.stored_wh = self.stored_wh + battery_w * step_h
        self.charged_wh = self.charged_wh + battery_w * step_h
        power_w: Floats = battery_w / self.data.efficiency
        return power_w

    def _battery_w(self, allowed_a: Floats) -> Floats:
        data = self.data
        current_a = np.where(allowed_a >= MIN_A, np.minimum(allowed_a, data.max_a), 0.0)
        most_w = data.rated_w * data.efficiency
        left = (1 - self.stored_wh / data.battery_wh) / (1 - TAPER_SOC)
        taper_w = most_w * np.clip(left, 0.0, 1.0)
        battery_w = np.minimum(MAINS_V * data.phases * current_a * data.efficiency, taper_w)
        ready = self.plugged & (self.stored_wh < self.target_wh - 1e-6)
        return np.where(ready & (taper_w > END_RATIO * most_w), battery_w, 0.0)
