"""Weather of a day, made from a climate and a seed; sun and sky.

Each day depends on the seed and its number only. The mean of a day wanders around the season's;
between two noons it changes in a straight line, so that temperature has no step at midnight.
Clouds and wind are Ornstein-Uhlenbeck processes at a minute's step, each begun in its stationary
state.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from balans.simulator.arrays import Floats

DAY_MIN = 1_440
YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Climate:
    """A climate in few numbers (typical values, rounded from common climate tables).

    Attributes
    ----------
    mean_c, season_k, day_k
        Mean of the year [°C]; half the difference of the warmest and the coldest month's mean;
        half the difference of a day's warmest and coldest hour.
    wander_k
        Standard deviation of a day's mean around the season's.
    cloud
        Mean cloudiness, 0 to 1.
    wind_m_s
        Mean wind at hub height of a small turbine.
    """

    name: str
    latitude_deg: float
    mean_c: float
    season_k: float
    day_k: float
    wander_k: float
    cloud: float
    wind_m_s: float


TEMPERATE = Climate("temperate", 49.0, 10.5, 9.0, 4.0, 3.5, 0.65, 4.5)
CONTINENTAL = Climate("continental", 47.0, 9.5, 12.5, 5.0, 4.0, 0.55, 4.0)
MEDITERRANEAN = Climate("mediterranean", 40.0, 16.0, 8.5, 5.0, 2.5, 0.4, 4.0)
CLIMATES = {climate.name: climate for climate in (TEMPERATE, CONTINENTAL, MEDITERRANEAN)}

COLDEST_DAY = 20
"""20 January: a month behind the shortest day (typical value at middle latitudes)."""

WARMEST_MIN = 15 * 60
CLOUD_H, WIND_H = 3.0, 4.0
"""Memory of clouds and of wind [h], typical values."""

CLOUD_SPREAD, CLOUD_SEASON = 2.2, 0.1
"""Spread of the log odds: skies are mostly clear or overcast, seldom between; and how much
cloudier mid-winter is than the mean (both chosen so that a kilowatt peak yields about 1,100 kWh a
year in the temperate climate, a common figure of central Europe)."""

WIND_SHAPE = 2.0
"""Weibull shape: 2 is the Rayleigh distribution that IEC 61400-1 takes as standard."""

WATER_SWING, WATER_LAG_DAYS = 0.5, 30
"""Mains water: half the swing of the air, a month later (typical value of buried pipes)."""


@dataclass(frozen=True)
class Weather:
    """One day of weather, by minute of local solar time.

    Parameters
    ----------
    day
        Number of the day; day 0 is 1 January of the first year.
    """

    climate: Climate
    seed: int
    day: int

    @cached_property
    def outdoor_c(self) -> Floats:
        """Temperature of the air by minute [°C]."""
        minute = np.arange(DAY_MIN)
        noon = [self._mean_c(day) for day in (self.day - 1, self.day, self.day + 1)]
        mean_c = np.interp(minute, (-DAY_MIN / 2, DAY_MIN / 2, 3 * DAY_MIN / 2), noon)
        turn = np.cos(2 * np.pi * (minute - WARMEST_MIN) / DAY_MIN)
        outdoor_c: Floats = mean_c + self.climate.day_k * turn
        return outdoor_c

    @cached_property
    def cold_water_c(self) -> float:
        """Temperature of the mains water [°C]."""
        swing = _season(self.day - WATER_LAG_DAYS)
        return self.climate.mean_c - WATER_SWING * self.climate.season_k * swing

    @cached_property
    def cloud(self) -> Floats:
        """Cloudiness by minute, 0 to 1."""
        mean = min(max(self.climate.cloud + CLOUD_SEASON * _season(self.day), 0.02), 0.98)
        # The mean of a logistic normal: D. J. C. MacKay's approximation of its integral.
        odds = np.log(mean / (1 - mean)) * np.sqrt(1 + np.pi / 8 * CLOUD_SPREAD**2)
        wander = _wander(self._random(1), CLOUD_H) * CLOUD_SPREAD
        cloud: Floats = 1 / (1 + np.exp(-odds - wander))
        return cloud

    @cached_property
    def wind_m_s(self) -> Floats:
        """Wind speed by minute [m/s]: Rayleigh distributed around the climate's mean."""
        random = self._random(2)
        two = _wander(random, WIND_H), _wander(random, WIND_H)
        wind: Floats = self.climate.wind_m_s * np.hypot(*two) * np.sqrt(2 / np.pi)
        return wind

    @cached_property
    def sun(self) -> tuple[Floats, Floats]:
        """Elevation and azimuth of the sun by minute [rad], azimuth 0 south, west positive.

        Declination after P. I. Cooper, Solar Energy 12 (1969) 333: 23.45°·sin(360°·(284 + n)/365).
        """
        declination = np.radians(23.45) * np.sin(2 * np.pi * (285 + self.day) / YEAR_DAYS)
        latitude = np.radians(self.climate.latitude_deg)
        hour_angle = 2 * np.pi * (np.arange(DAY_MIN) + 0.5) / DAY_MIN - np.pi
        up = np.sin(latitude) * np.sin(declination)
        up = up + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
        west = np.cos(declination) * np.sin(hour_angle)
        south = np.sin(latitude) * np.cos(declination) * np.cos(hour_angle)
        south = south - np.cos(latitude) * np.sin(declination)
        return np.arcsin(np.clip(up, -1.0, 1.0)), np.arctan2(west, south)

    @cached_property
    def horizontal_w_m2(self) -> Floats:
        """Irradiance on the level ground under the day's clouds [W/m²]."""
        clear = clear_sky_w_m2(np.sin(self.sun[0]))
        return cloudy_w_m2(clear, self.cloud)

    def _mean_c(self, day: int) -> float:
        random = np.random.default_rng([self.seed, 20, day % 2**32])
        wander = self.climate.wander_k * float(random.standard_normal())
        return self.climate.mean_c - self.climate.season_k * _season(day) + wander

    def _random(self, part: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 20 + part, self.day % 2**32])


def clear_sky_w_m2(sine_of_elevation: Floats) -> Floats:
    """Return global irradiance under a clear sky: 1098·s·exp(−0.059/s).

    B. Haurwitz, Journal of Meteorology 2 (1945) 154, with the constants of M. Reno, C. Hansen,
    J. Stein, SAND2012-2389 (2012), as in ``pvlib.clearsky.haurwitz``.
    """
    sine = np.maximum(sine_of_elevation, 1e-3)
    clear: Floats = np.where(sine_of_elevation > 0, 1_098 * sine * np.exp(-0.059 / sine), 0.0)
    return clear


def cloudy_w_m2(clear_w_m2: Floats, cloud: Floats) -> Floats:
    """Return irradiance under cloudiness 0 to 1: clear·(1 − 0.75·cloud^3.4).

    F. Kasten, G. Czeplak, Solar Energy 24 (1980) 177.
    """
    cloudy: Floats = clear_w_m2 * (1 - 0.75 * cloud**3.4)
    return cloudy


def _season(day: int) -> float:
    """Return 1 on the coldest day of the year, −1 half a year later."""
    return float(np.cos(2 * np.pi * (day + 1 - COLDEST_DAY) / YEAR_DAYS))


def _wander(random: np.random.Generator, memory_h: float) -> Floats:
    """Return a stationary first-order process by minute, standard normal at each minute."""
    kept = float(np.exp(-1 / (60 * memory_h)))
    noise = random.standard_normal(DAY_MIN) * np.sqrt(1 - kept**2)
    noise[0] = random.standard_normal()
    weights = kept ** np.arange(DAY_MIN)
    # Closed form of the recursion, in blocks so that the inverse weights stay finite.
    block, value, parts = 240, 0.0, []
    for start in range(0, DAY_MIN, block):
        part = noise[start : start + block]
        sums = np.cumsum(part / weights[: len(part)]) * weights[: len(part)]
        parts.append(sums + value * weights[: len(part)] * kept)
        value = float(parts[-1][-1])
    return np.concatenate(parts)
