"""Heated and cooled homes: two thermal nodes, and a unit that keeps the temperature.

Model: equivalent thermal parameters with two resistances and two capacities (GridLAB-D wiki,
"Tech:Residential", section "House"):

    C_air dT_air/dt   = U_out·(T_out − T_air) + U_mass·(T_mass − T_air) + unit + gains
    C_mass dT_mass/dt = U_mass·(T_air − T_mass)

solved by the trapezoidal rule, so heat is kept to rounding whatever the step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.base import HOUR_S, Stateful, over

MASS_WH_K_M2 = 165_000 / HOUR_S
"""Heat capacity by floor area, class "medium" (ISO 13790:2008, Table 12: 165 kJ/(m²·K))."""

SURFACE_RATIO, MASS_RATIO = 4.5, 2.5
"""Inner surface, and effective mass area of class "medium", by floor area (ISO 13790:2008,
7.2.2.2 and Table 12)."""

AIR_SURFACE_W_K_M2, SURFACE_MASS_W_K_M2 = 3.45, 9.1
"""Air to surface and surface to mass, W/(m²·K) (ISO 13790:2008, 7.2.2.2 and 12.2.2)."""

AIR_WH_K_M2 = 4.0
"""Typical value: air of 2.5 m height is 0.8 Wh/(m²·K); furniture and plaster that follow the air
within minutes make it about five times that."""

DEADBAND_K = 1.0
"""Typical value of a room thermostat, ±0.5 K."""

MIN_RUN_S, MIN_REST_S = 300.0, 300.0
"""Typical value of compressor protection."""

HEAT_PUMP_QUALITY = 0.85
"""From laboratory to field (O. Ruhnau, L. Hirth, A. Praktiknjo, "Time series of heat demand and
heat pump efficiency for energy system modeling", Scientific Data 6 (2019) 189, methods)."""

Cop = Callable[[float], float]


def heat_pump_cop(outdoor_c: float) -> float:
    """Return the coefficient of performance of an air-source heat pump on radiators.

    6.08 − 0.09·ΔT + 0.0005·ΔT² for air, with radiators of 40 °C − T_out, ΔT at least 15 K
    (Ruhnau et al. 2019, equations for COP and for sink temperatures).
    """
    lift_k = max(40.0 - outdoor_c - outdoor_c, 15.0)
    return HEAT_PUMP_QUALITY * (6.08 - 0.09 * lift_k + 0.0005 * lift_k**2)


def air_conditioner_eer(outdoor_c: float) -> float:
    """Return the energy efficiency ratio of a split air-conditioner.

    Typical value: 3.5 at 35 °C outdoors (the rating point of EN 14511) and 2.5 % less for each
    kelvin above, more below, up to 6.
    """
    return min(max(3.5 * (1 - 0.025 * (outdoor_c - 35.0)), 1.5), 6.0)


def heater_cop(outdoor_c: float) -> float:
    """Return 1: a heater turns electricity into heat."""
    del outdoor_c
    return 1.0


@dataclass(frozen=True, slots=True)
class RoomData:
    """Parameters of homes and their units, one array element each.

    Attributes
    ----------
    out_w_k, mass_w_k
        Conductance from air to outdoors, and from air to mass [W/K].
    air_wh_k, mass_wh_k
        Heat capacities [Wh/K].
    power_w
        Electric power of the unit [W].
    set_c, deadband_k
        Middle of the two switching temperatures, and their distance.
    """

    out_w_k: Floats
    mass_w_k: Floats
    air_wh_k: Floats
    mass_wh_k: Floats
    power_w: Floats
    set_c: Floats
    deadband_k: Floats

    @classmethod
    def typical(
        cls, floor_m2: Floats, out_w_k: Floats, power_w: Floats, set_c: Floats
    ) -> "RoomData":
        """Return homes of class "medium" with the given loss, unit and set temperature."""
        air_surface = AIR_SURFACE_W_K_M2 * SURFACE_RATIO
        surface_mass = SURFACE_MASS_W_K_M2 * MASS_RATIO
        return cls(
            out_w_k=out_w_k,
            mass_w_k=floor_m2 / (1 / air_surface + 1 / surface_mass),
            air_wh_k=AIR_WH_K_M2 * floor_m2,
            mass_wh_k=MASS_WH_K_M2 * floor_m2,
            power_w=power_w,
            set_c=set_c,
            deadband_k=over(DEADBAND_K, len(set_c)),
        )


class Rooms(Stateful):
    """State of many homes with one kind of unit.

    Parameters
    ----------
    cop
        Heat moved by electricity, from the outdoor temperature [°C].
    cooling
        The unit takes heat away.
    start_c
        Temperature of air and mass at the start [°C]; default: the set temperature.

    Attributes
    ----------
    air_c, mass_c
        Temperatures [°C].
    calling, running
        The thermostat is closed; the unit runs.
    phase_s
        Time since the unit started or stopped [s].
    out_wh, unit_wh
        Heat that came from outdoors, and that the unit brought, since the start [Wh].
    """

    STATE: ClassVar = ("air_c", "mass_c", "calling", "running", "phase_s", "out_wh", "unit_wh")

    def __init__(
        self, data: RoomData, cop: Cop, *, cooling: bool = False, start_c: Floats | None = None
    ) -> None:
        self.data, self.cop, self._sign = data, cop, -1.0 if cooling else 1.0
        self.air_c = np.array(data.set_c if start_c is None else start_c, dtype=np.float64)
        self.mass_c = self.air_c.copy()
        count = len(self.air_c)
        self.calling: Flags = np.zeros(count, dtype=np.bool_)
        self.running: Flags = np.zeros(count, dtype=np.bool_)
        self.phase_s = np.full(count, max(MIN_RUN_S, MIN_REST_S))
        self.out_wh = np.zeros(count)
        self.unit_wh = np.zeros(count)
        self._ask()

    @property
    def wants_w(self) -> Floats:
        """Power that each would draw now [W]."""
        return np.where(self._able, self.data.power_w, 0.0)

    @property
    def stored_wh(self) -> Floats:
        """Heat stored above 0 °C [Wh]."""
        stored: Floats = self.data.air_wh_k * self.air_c + self.data.mass_wh_k * self.mass_c
        return stored

    @property
    def _able(self) -> Flags:
        """Which units would run: called and rested, or not yet long enough on."""
        start = self.calling & (self.phase_s >= MIN_REST_S)
        keep = self.calling | (self.phase_s < MIN_RUN_S)
        return np.where(self.running, keep, start)

    def step(self, on: Flags, step_s: float, outdoor_c: float, gains_w: Floats) -> Floats:
        """Let `step_s` pass and return the electric power over it [W].

        Parameters
        ----------
        on
            Supply by unit.
        outdoor_c
            Outdoor temperature [°C].
        gains_w
            Heat of sun, people and appliances [W].
        """
        run = on & self._able
        power_w = np.where(run, self.data.power_w, 0.0)
        heat_w = self._sign * self.cop(outdoor_c) * power_w
        self._advance(step_s / HOUR_S, outdoor_c, heat_w + gains_w)
        self.unit_wh += heat_w * step_s / HOUR_S
        self.phase_s = np.where(run == self.running, self.phase_s + step_s, step_s)
        self.running = run
        self._ask()
        return power_w

    def _advance(self, step_h: float, outdoor_c: float, heat_w: Floats) -> None:
        data, air_c, mass_c = self.data, self.air_c, self.mass_c
        half_h = step_h / 2
        air = half_h / data.air_wh_k
        mass = half_h * data.mass_w_k / data.mass_wh_k
        out, exchange = data.out_w_k * air, data.mass_w_k * air
        right_air = air_c * (1 - out - exchange) + exchange * mass_c
        right_air += 2 * (out * outdoor_c + air * heat_w)
        right_mass = mass_c * (1 - mass) + mass * air_c
        left_air, left_mass = 1 + out + exchange, 1 + mass
        self.air_c = (right_air * left_mass + exchange * right_mass) / (
            left_air * left_mass - exchange * mass
        )
        self.mass_c = (right_mass + mass * self.air_c) / left_mass
        mean_air_c = (air_c + self.air_c) / 2
        self.out_wh += data.out_w_k * (outdoor_c - mean_air_c) * step_h

    def _ask(self) -> None:
        data = self.data
        away = self._sign * (data.set_c - self.air_c)
        self.calling |= away >= data.deadband_k / 2
        self.calling &= away > -data.deadband_k / 2
