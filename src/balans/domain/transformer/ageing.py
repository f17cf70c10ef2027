"""Ageing of paper insulation by the temperature of the hot spot (IEC 60076-7:2018, clause 6)."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KELVIN = 273.0
"""As the standard has it."""


class Paper(StrEnum):
    """Insulation of the winding: ages at the normal rate at 98 degC, or (upgraded) at 110 degC."""

    NON_UPGRADED = "non_upgraded"
    UPGRADED = "upgraded"


def ageing_rate(hot_spot_c: Floats | float, paper: Paper = Paper.NON_UPGRADED) -> Floats:
    """Return how many times as fast as normal the paper ages at `hot_spot_c`.

    Notes
    -----
    Non-upgraded paper: ``2 ** ((hot spot - 98) / 6)``. Thermally upgraded paper:
    ``exp(15000 / (110 + 273) - 15000 / (hot spot + 273))``.

    >>> float(ageing_rate(104.0)), round(float(ageing_rate(104.0, Paper.UPGRADED)), 3)
    (2.0, 0.536)
    """
    hot = np.asarray(hot_spot_c, dtype=np.float64)
    if paper is Paper.UPGRADED:
        return np.asarray(np.exp(15_000 / (110 + KELVIN) - 15_000 / (hot + KELVIN)))
    return np.asarray(np.exp2((hot - 98) / 6))


def loss_of_life_h(hot_spot_c: Floats, step_s: float, paper: Paper = Paper.NON_UPGRADED) -> Floats:
    """Return the hours of normal life used up over the steps, the first axis.

    >>> round(float(loss_of_life_h(np.full(1440, 98.0), 60.0)), 6)
    24.0
    """
    return np.asarray(ageing_rate(hot_spot_c, paper).sum(axis=0) * step_s / 3600)
