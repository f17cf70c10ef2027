"""Small streets for tests, of weeks made up here so that nothing depends on the recording."""

from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from balans.usecases.feeder.street import Recipe, Street, Weeks, make_street

PARIS = ZoneInfo("Europe/Paris")
MONDAY_S = 1_768_172_400.0
"""Monday 2026-01-12 00:00 in Paris."""
WEEK_MIN = 10_080


@cache
def weeks(count: int = 4, seed: int = 0) -> Weeks:
    """Return weeks with an evening peak of everything."""
    random = np.random.default_rng(seed)
    minute = np.arange(WEEK_MIN) % 1440
    evening = np.exp(-(((minute - 19.5 * 60) / 90) ** 2))
    shape = (count, WEEK_MIN)

    def runs(rate: float, length: int, power_w: int) -> np.ndarray:
        starts = random.random(shape) < rate * (0.1 + evening)
        kernel = np.ones(length)
        rows = [np.convolve(row, kernel)[:WEEK_MIN] > 0 for row in starts]
        return (np.array(rows) * power_w).astype(np.int64)

    rest = (200 + 900 * evening * random.random(shape)).astype(np.int64)
    return Weeks(rest, runs(0.01, 20, 1500), runs(0.002, 60, 2000), runs(0.03, 25, 1800))


def street(
    flats: int = 12,
    seed: int = 1,
    days: int = 1,
    *,
    ev_share: float = 0.5,
    heat_pump_share: float = 0.5,
) -> Street:
    """Return a street with everything in it."""
    recipe = Recipe(flats, days, seed, ev_share, heat_pump_share)
    return make_street(weeks(), recipe, PARIS, MONDAY_S)
