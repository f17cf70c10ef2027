"""The recorded minutes that play the flats. Origin and licence: ``data/SOURCE.md``."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import numpy as np

from balans.simulator.arrays import Watts

MINUTE_S = 60
DAY_MIN = 1_440
WEEK_MIN = 10_080


@dataclass(frozen=True, slots=True)
class Recording:
    """Mean power by week and minute [W], arrays (weeks, 10,080), Monday 00:00 local time first.

    ``total_w`` is the whole house; the others are its sub-meters.
    """

    monday: tuple[date, ...]
    total_w: Watts
    kitchen_w: Watts
    laundry_w: Watts
    heat_w: Watts

    @property
    def weeks(self) -> int:
        """How many weeks there are."""
        return len(self.monday)

    @property
    def rest_w(self) -> Watts:
        """What no sub-meter measures [W]: lighting, electronics, plugs."""
        return self.total_w - self.kitchen_w - self.laundry_w - self.heat_w


@cache
def town_minutes() -> Recording:
    """Return the recording that the package carries; its arrays are read-only."""
    source = files("balans.simulator") / "data" / "town_minutes.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
        names = ("total_w", "kitchen_w", "laundry_w", "heat_w")
        arrays = [data[name].astype(np.int64) for name in names]
        mondays = tuple(date.fromisoformat(day) for day in data["monday"].tolist())
    for array in arrays:
        array.flags.writeable = False
    return Recording(mondays, *arrays)
