"""Weather, sun and producers."""

import numpy as np
import pytest

from balans.simulator.plants.production import (
    PvData,
    curtailed_w,
    diffuse_share,
    plane_w_m2,
    pv_w,
    wind_w,
)
from balans.simulator.plants.weather import (
    CLIMATES,
    TEMPERATE,
    Climate,
    Weather,
    clear_sky_w_m2,
    cloudy_w_m2,
)

SOUTH = PvData(np.array([1_000.0]), np.radians([30.0]), np.zeros(1))


def test_a_day_depends_on_seed_and_number_only() -> None:
    one, same, other = (
        Weather(TEMPERATE, 1, 40),
        Weather(TEMPERATE, 1, 40),
        Weather(TEMPERATE, 2, 40),
    )
    for name in ("outdoor_c", "cloud", "wind_m_s"):
        assert (getattr(one, name) == getattr(same, name)).all()
        assert (getattr(one, name) != getattr(other, name)).any()


def test_no_step_at_midnight() -> None:
    for day in range(30):
        last, first = Weather(TEMPERATE, 1, day), Weather(TEMPERATE, 1, day + 1)
        assert abs(last.outdoor_c[-1] - first.outdoor_c[0]) < 0.1


def test_sun_at_the_solstices_and_on_the_equinox() -> None:
    for day, height in ((171, 90 - 49 + 23.45), (354, 90 - 49 - 23.45), (80, 90 - 49)):
        elevation, azimuth = Weather(TEMPERATE, 1, day).sun
        assert np.degrees(elevation.max()) == pytest.approx(height, abs=0.7)
        assert abs(azimuth[elevation.argmax()]) < 0.01
        assert azimuth[600] < 0 < azimuth[840]


def test_clear_sky_by_hand() -> None:
    assert clear_sky_w_m2(np.array([1.0]))[0] == pytest.approx(1_098 * np.exp(-0.059))
    assert clear_sky_w_m2(np.array([-0.1, 0.0])).tolist() == [0, 0]
    assert cloudy_w_m2(np.array([800.0]), np.array([1.0]))[0] == pytest.approx(200)


def test_a_level_plane_sees_the_level_sun() -> None:
    weather = Weather(TEMPERATE, 1, 171)
    flat = PvData(np.array([1_000.0]), np.zeros(1), np.zeros(1))
    up = np.sin(weather.sun[0]) > 0.06
    np.testing.assert_allclose(plane_w_m2(flat, weather)[0][up], weather.horizontal_w_m2[up])


def test_diffuse_share_is_whole_under_clouds_and_small_under_the_sun() -> None:
    share = diffuse_share(np.array([10.0, 1_200.0]), np.ones(2))
    assert share[0] > 0.99
    assert share[1] == pytest.approx(0.165)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("temperate", 950, 1_250), ("mediterranean", 1_350, 1_700)]
)
def test_a_kilowatt_peak_yields_what_is_common_there(name: str, low: float, high: float) -> None:
    days = range(0, 365, 5)
    sums = [-pv_w(SOUTH, Weather(CLIMATES[name], 1, day)).sum() / 60_000 for day in days]
    assert low < np.mean(sums) * 365 < high
    assert all(total >= 0 for total in sums)


def test_year_and_wind_have_the_climate_s_means() -> None:
    days = [Weather(TEMPERATE, 3, day) for day in range(365)]
    assert np.mean([day.outdoor_c.mean() for day in days]) == pytest.approx(10.5, abs=0.7)
    winds = np.concatenate([day.wind_m_s for day in days])
    assert winds.mean() == pytest.approx(4.5, rel=0.05)
    # Rayleigh: the standard deviation is 0.523 of the mean.
    assert winds.std() / winds.mean() == pytest.approx(0.523, abs=0.03)


def test_wind_power_by_its_curve() -> None:
    storm = Weather(Climate("storm", 49, 10, 9, 4, 3, 0.5, 60.0), 1, 1)
    power = wind_w(np.array([5_000.0]), storm)[0]
    assert (power[storm.wind_m_s > 25] == 0).all()
    between = (storm.wind_m_s > 11) & (storm.wind_m_s < 25)
    assert (power[between] == -5_000).all()
    calm = Weather(Climate("calm", 49, 10, 9, 4, 3, 0.5, 0.5), 1, 1)
    assert (wind_w(np.array([5_000.0]), calm) == 0).all()


def test_production_is_held_back() -> None:
    produced = np.array([-3_000.0, -500.0, 0.0])
    assert curtailed_w(produced, np.full(3, -1_000.0)).tolist() == [-1_000, -500, 0]
    assert curtailed_w(produced, np.zeros(3)).tolist() == [0, 0, 0]
