"""Limits and overload against a naive restatement that goes step by step through plain numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.usecases.sites import site_and_profile

from balans.domain.demand.overload import Axis, limits_by_step, measure
from balans.usecases.profile import Profile
from balans.usecases.site_file import Site


def inside(window: object, local_s: float) -> bool:
    if window is None:
        return True
    begin, end = window.from_s, window.to_s  # type: ignore[attr-defined]
    return begin <= local_s < end if begin < end else not end <= local_s < begin


def naive(site: Site, profile: Profile, power_w: np.ndarray) -> tuple[float, float]:
    """Return overload [kWh] and minutes over."""
    count, step_s = len(power_w), profile.step_s
    worst = [0.0] * count
    for limit in site.limits:
        groups: dict[float, list[int]] = {}
        for k in range(count):
            local_s = float(profile.local_s[k])
            in_night = local_s >= 23 * 3600 or local_s < 7 * 3600
            zone = "night" if site.zones and in_night else "day"
            if (limit.zone is None or limit.zone == zone) and inside(limit.window, local_s):
                length = limit.interval_s or step_s
                key = float(profile.start_s[k]) - (local_s % length if limit.interval_s else 0)
                groups.setdefault(key, []).append(k)
        for steps in groups.values():
            above = {k: power_w[k] - limit.limit_w for k in steps}
            excess = max(0.0, sum(above.values()))
            upper = sum(max(0.0, value) for value in above.values())
            for k in steps:
                part = max(0.0, above[k]) / upper * excess if upper else 0.0
                worst[k] = max(worst[k], part)
    over = sum(worst) * step_s / 3.6e6
    return over, sum(step_s / 60 for value in worst if value > 1e-9)


@settings(max_examples=80, deadline=None)
@given(site_and_profile(), st.integers(0, 2**32 - 1))
def test_overload_is_what_a_naive_count_gives(case: tuple[Site, Profile], seed: int) -> None:
    site, profile = case
    axis = Axis(profile.start_s, profile.local_s, profile.step_s)
    power_w = np.random.default_rng(seed).uniform(-500, 8000, len(axis))
    found = measure(power_w, limits_by_step(site.timetable, axis))
    energy_kwh, minutes = naive(site, profile, power_w)
    assert found.energy_kwh == pytest.approx(energy_kwh, abs=1e-9)
    assert found.minutes == pytest.approx(minutes)
