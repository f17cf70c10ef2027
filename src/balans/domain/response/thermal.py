"""How much a transformer may carry for a while: the load that keeps its hot spot below a limit.

A transformer warms in hours and its winding in minutes, so a peak that is over soon needs no
reduction although it exceeds the rating, and one that lasts needs it before the rating is reached
(IEC 60076-7:2018, clauses 7 and 8).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.transformer import LIMITS, Loading, ThermalModel, ThermalState, simulate

Floats = NDArray[np.float64]
CLOSE_PU = 1e-3


@dataclass(frozen=True, slots=True)
class Heating:
    """A transformer as it is now.

    rated_va, ambient_c
        What it is built for [VA], and the temperature around it [degC].
    loading
        Kind of loading beyond the rating that is accepted; its limits are the standard's.
    """

    model: ThermalModel
    state: ThermalState
    rated_va: float
    ambient_c: float
    loading: Loading = Loading.NORMAL_CYCLIC


def highest_hot_spot_c(heating: Heating, load_va: Floats, step_s: float) -> float:
    """Return the highest hot spot [degC] under `load_va` (n,), steps of `step_s` from now on."""
    load_pu = np.abs(np.asarray(load_va, dtype=np.float64)) / heating.rated_va
    found = simulate(heating.model, load_pu, heating.ambient_c, step_s, heating.state)
    return float(found.hot_spot_c.max())


def allowed_va(heating: Heating, load_va: Floats, step_s: float) -> float:
    """Return the highest power that `load_va` must be cut to so that the limits hold [VA].

    Parameters
    ----------
    load_va
        What is expected without a reduction, shape (n,).
    step_s
        Length of its steps.

    Returns
    -------
    float
        At most the greatest current that the kind of loading allows; 0 where even no load at all
        is too hot at first, since then only time helps.

    Notes
    -----
    The hot spot rises with the load at every step, so bisection finds the cut. Where the limit of
    temperature is none (short-time emergency), the current alone decides.
    """
    limits = LIMITS[heating.loading]
    most_pu = limits.current_pu
    load_pu = np.abs(np.asarray(load_va, dtype=np.float64)) / heating.rated_va
    if limits.hot_spot_c is None or _is_cool(heating, np.minimum(load_pu, most_pu), step_s):
        return most_pu * heating.rated_va
    low, high = 0.0, most_pu
    while high - low > CLOSE_PU:
        middle = (low + high) / 2
        if _is_cool(heating, np.minimum(load_pu, middle), step_s):
            low = middle
        else:
            high = middle
    return low * heating.rated_va


def _is_cool(heating: Heating, load_pu: Floats, step_s: float) -> bool:
    limits = LIMITS[heating.loading]
    found = simulate(heating.model, load_pu, heating.ambient_c, step_s, heating.state)
    too_hot = limits.hot_spot_c is not None and found.hot_spot_c.max() > limits.hot_spot_c
    oil_hot = limits.top_oil_c is not None and found.top_oil_c.max() > limits.top_oil_c
    return not (too_hot or oil_hot)
