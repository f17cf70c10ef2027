"""Electric water heaters: tanks of two nodes with draws.

Model: two fully mixed nodes one above the other, as the two-node heater of GridLAB-D
(``residential/waterheater.cpp``) and K. Diao et al., "Electric water heater modeling and control
strategies for demand response", IEEE PES General Meeting 2012, but with fixed volumes. A draw
takes water from the upper node, which refills from the lower one, which refills with cold water.
The element heats the lower node; as soon as that is warmer than the upper one both mix. The
thermostat sits at the lower node; it opens within a step, and closes at the end of one.

Each step is a sequence of exact part steps (draw, loss, heat), so energy is kept to rounding:

    stored' = stored + electric − lost − drawn
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.base import HOUR_S, WATER_WH_L_K, Stateful, over

USE_C = 40.0
"""Temperature of the mixed water that people draw: 35.5 to 40.4 °C at showers in two houses
(A. Marszal-Pomianowska et al., Energies 14 (2021) 3314, abstract)."""

SET_C = 60.0
"""Typical value: storage at 60 °C or more is the usual rule against legionella."""

DEADBAND_K = 5.0
"""Typical value of a capillary thermostat."""

TEST_LIFT_K = 45.0
"""Standing loss is stated for water of 65 °C in a room of 20 °C (EN 60379)."""

UPPER_SHARE = 0.5
"""Typical value: halves; the element of a vertical tank sits near its bottom."""

PART = 0.5
"""A draw is cut so that each part is at most this share of a node."""


def standing_loss_w(volume_l: Floats, energy_class: str = "C") -> Floats:
    """Return the standing loss [W] in the middle of an energy class for tanks of `volume_l`.

    The bounds are a + b·V^0.4 (Regulation (EU) 812/2013, Annex II, Table 2, storage tanks).
    """
    bounds = {"B": ((8.5, 4.25), (12.0, 5.93)), "C": ((12.0, 5.93), (16.66, 8.33))}
    (low_a, low_b), (high_a, high_b) = bounds[energy_class]
    power = volume_l**0.4
    loss: Floats = ((low_a + high_a) + (low_b + high_b) * power) / 2
    return loss


@dataclass(frozen=True, slots=True)
class TankData:
    """Parameters of tanks, one array element each.

    Attributes
    ----------
    volume_l, element_w
        Contents [l]; power of the element [W].
    loss_w_k
        Standing loss by difference to the room [W/K].
    set_c, deadband_k
        The thermostat opens at `set_c` and closes `deadband_k` below.
    room_c
        Temperature around the tank [°C].
    """

    volume_l: Floats
    element_w: Floats
    loss_w_k: Floats
    set_c: Floats
    deadband_k: Floats
    room_c: Floats

    @classmethod
    def typical(cls, volume_l: Floats, element_w: Floats) -> "TankData":
        """Return tanks of class C at typical settings."""
        count = len(volume_l)
        return cls(
            volume_l=volume_l,
            element_w=element_w,
            loss_w_k=standing_loss_w(volume_l) / TEST_LIFT_K,
            set_c=over(SET_C, count),
            deadband_k=over(DEADBAND_K, count),
            room_c=over(20.0, count),
        )


class WaterTanks(Stateful):
    """State of many tanks.

    Attributes
    ----------
    upper_c, lower_c
        Temperatures of the nodes [°C].
    calling
        The thermostat is closed.
    drawn_wh, lost_wh, short_wh
        Heat carried away by water, heat lost to the room, and heat that was missing because
        the tank was colder than `USE_C`; since the start [Wh].
    """

    STATE: ClassVar = ("upper_c", "lower_c", "calling", "drawn_wh", "lost_wh", "short_wh")

    def __init__(self, data: TankData, start_c: Floats | None = None) -> None:
        self.data = data
        self.upper_c = np.array(data.set_c if start_c is None else start_c, dtype=np.float64)
        self.lower_c = self.upper_c.copy()
        self.calling: Flags = np.zeros(len(self.upper_c), dtype=np.bool_)
        self.drawn_wh = np.zeros(len(self.upper_c))
        self.lost_wh = np.zeros(len(self.upper_c))
        self.short_wh = np.zeros(len(self.upper_c))
        self._upper_wh_k = WATER_WH_L_K * UPPER_SHARE * data.volume_l
        self._lower_wh_k = WATER_WH_L_K * (1 - UPPER_SHARE) * data.volume_l
        self._part_l = PART * min(UPPER_SHARE, 1 - UPPER_SHARE) * data.volume_l
        self._ask()

    @property
    def wants_w(self) -> Floats:
        """Power that each would draw now [W]."""
        return np.where(self.calling, self.data.element_w, 0.0)

    @property
    def stored_wh(self) -> Floats:
        """Heat stored above 0 °C [Wh]."""
        stored: Floats = self._upper_wh_k * self.upper_c + self._lower_wh_k * self.lower_c
        return stored

    def step(self, on: Flags, step_s: float, draw_l: Floats, cold_c: float) -> Floats:
        """Let `step_s` pass.

        Parameters
        ----------
        on
            Supply by unit.
        draw_l
            Mixed water of `USE_C` that people draw in this step [l].
        cold_c
            Temperature of the mains water [°C].

        Returns
        -------
        Floats
            Mean electric power over the step [W].
        """
        self._draw(draw_l, cold_c)
        self._lose(step_s)
        power_w = self._heat(on, step_s)
        self._ask()
        return power_w

    def _draw(self, draw_l: Floats, cold_c: float) -> None:
        if not draw_l.any():
            return
        parts = int(np.ceil(np.max(draw_l / self._part_l)))
        for _ in range(parts):
            lift = np.maximum(self.upper_c - cold_c, 1e-9)
            share = np.clip((USE_C - cold_c) / lift, 0.0, 1.0)
            hot_wh_k = draw_l / parts * share * WATER_WH_L_K
            self.drawn_wh += hot_wh_k * (self.upper_c - cold_c)
            self.short_wh += hot_wh_k * np.maximum(USE_C - self.upper_c, 0.0)
            self.upper_c += hot_wh_k / self._upper_wh_k * (self.lower_c - self.upper_c)
            self.lower_c += hot_wh_k / self._lower_wh_k * (cold_c - self.lower_c)

    def _lose(self, step_s: float) -> None:
        """Cool both nodes; each has the share of the surface that it has of the volume."""
        data, before = self.data, self.stored_wh
        whole_wh_k = self._upper_wh_k + self._lower_wh_k
        kept = np.exp(-data.loss_w_k / whole_wh_k * step_s / HOUR_S)
        self.upper_c = data.room_c + (self.upper_c - data.room_c) * kept
        self.lower_c = data.room_c + (self.lower_c - data.room_c) * kept
        self._mix()
        self.lost_wh += before - self.stored_wh

    def _heat(self, on: Flags, step_s: float) -> Floats:
        data = self.data
        to_set_wh = self._lower_wh_k * np.maximum(data.set_c - self.lower_c, 0.0)
        to_set_wh += self._upper_wh_k * np.maximum(data.set_c - self.upper_c, 0.0)
        heat_wh = np.minimum(data.element_w * step_s / HOUR_S, to_set_wh)
        heat_wh = np.where(on & self.calling, heat_wh, 0.0)
        self.lower_c = self.lower_c + heat_wh / self._lower_wh_k
        self._mix()
        power_w: Floats = heat_wh * HOUR_S / step_s
        return power_w

    def _mix(self) -> None:
        """Water that is warmer below rises."""
        whole = self._upper_wh_k + self._lower_wh_k
        mean = (self._upper_wh_k * self.upper_c + self._lower_wh_k * self.lower_c) / whole
        rises = self.lower_c > self.upper_c
        self.upper_c = np.where(rises, mean, self.upper_c)
        self.lower_c = np.where(rises, mean, self.lower_c)

    def _ask(self) -> None:
        data = self.data
        self.calling |= self.lower_c <= data.set_c - data.deadband_k
        self.calling &= self.lower_c < data.set_c - 1e-6
