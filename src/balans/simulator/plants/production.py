"""Producers: photovoltaic arrays and small wind turbines. Production counts negative."""

from dataclasses import dataclass

import numpy as np

from balans.simulator.arrays import Floats
from balans.simulator.plants.weather import Weather

STANDARD_W_M2, STANDARD_C = 1_000.0, 25.0
"""Standard test conditions (IEC 61215)."""

LOSSES = 0.14
"""Soiling, shading, mismatch, wiring and so on: the default factors of A. P. Dobos, "PVWatts
Version 5 Manual", NREL (2014), as in ``pvlib.pvsystem.pvwatts_losses``, multiply to 14 %."""

INVERTER = 0.96
"""Nominal inverter efficiency of PVWatts version 5."""

DERATING_K = 0.0047
"""Loss of power by cell temperature above 25 °C [1/K]: standard module of PVWatts version 5."""

CELL_RISE_K = 30.0
"""Typical value: cells are about 30 K above the air at 1,000 W/m² (nominal operating cell
temperature of 45 to 47 °C at 800 W/m² and 20 °C)."""

ALBEDO = 0.2
"""Typical value of grass and roofs."""


@dataclass(frozen=True, slots=True)
class PvData:
    """Photovoltaic arrays: peak power [W], tilt from level and azimuth from south [rad]."""

    peak_w: Floats
    tilt_rad: Floats
    azimuth_rad: Floats


def plane_w_m2(data: PvData, weather: Weather) -> Floats:
    """Return irradiance on tilted planes by unit and minute [W/m²].

    Beam and diffuse parts by D. G. Erbs, S. A. Klein, J. A. Duffie, Solar Energy 28 (1982) 293;
    isotropic sky after B. Liu, R. Jordan, Solar Energy 4 (1960) 1.
    """
    elevation, azimuth = weather.sun
    sine = np.sin(elevation)
    level = weather.horizontal_w_m2
    diffuse = level * diffuse_share(level, sine)
    beam = np.where(sine > 0.05, (level - diffuse) / np.maximum(sine, 0.05), 0.0)
    tilt, turn = data.tilt_rad[:, None], data.azimuth_rad[:, None]
    incidence = np.cos(tilt) * sine + np.sin(tilt) * np.cos(elevation) * np.cos(azimuth - turn)
    sky, ground = (1 + np.cos(tilt)) / 2, ALBEDO * (1 - np.cos(tilt)) / 2
    plane: Floats = beam * np.maximum(incidence, 0.0) + diffuse * sky + level * ground
    return plane


def diffuse_share(level_w_m2: Floats, sine_of_elevation: Floats) -> Floats:
    """Return the diffuse share of global irradiance from the clearness index (Erbs et al. 1982)."""
    outside = 1_361.0 * np.maximum(sine_of_elevation, 0.05)
    index = np.clip(level_w_m2 / outside, 0.0, 1.0)
    middle = 0.9511 - 0.1604 * index + 4.388 * index**2 - 16.638 * index**3 + 12.336 * index**4
    share: Floats = np.where(index <= 0.22, 1 - 0.09 * index, np.where(index > 0.8, 0.165, middle))
    return share


def pv_w(data: PvData, weather: Weather) -> Floats:
    """Return the power of each array at each minute [W], negative."""
    plane = plane_w_m2(data, weather)
    cell_c = weather.outdoor_c + CELL_RISE_K * plane / STANDARD_W_M2
    warm = 1 - DERATING_K * (cell_c - STANDARD_C)
    direct = data.peak_w[:, None] * plane / STANDARD_W_M2 * np.maximum(warm, 0.0)
    power: Floats = -direct * (1 - LOSSES) * INVERTER
    return power


CUT_IN_M_S, RATED_M_S, CUT_OUT_M_S = 3.0, 11.0, 25.0
"""Typical values of small turbines (class of IEC 61400-2)."""


def wind_w(rated_w: Floats, weather: Weather) -> Floats:
    """Return the power of turbines by unit and minute [W], negative.

    Between cut-in and rated speed power grows with v³, the kinetic power of the wind.
    """
    wind = weather.wind_m_s
    cubes = CUT_IN_M_S**3, RATED_M_S**3
    share = np.clip((wind**3 - cubes[0]) / (cubes[1] - cubes[0]), 0.0, 1.0)
    share = np.where(wind < CUT_OUT_M_S, share, 0.0)
    power: Floats = -rated_w[:, None] * share
    return power


def curtailed_w(produced_w: Floats, least_w: Floats) -> Floats:
    """Return production held above `least_w` (negative): 0 lets nothing through [W]."""
    held: Floats = np.maximum(produced_w, np.minimum(least_w, 0.0))
    return held
