"""Top-oil and hot-spot temperature under a load that changes.

The differential equations of IEC 60076-7:2018, 8.2.3, with load K [p.u. of rated current]:

    k11 oil_min     d(oil)/dt  = ((1 + K^2 R) / (1 + R))^x rise + ambient - oil
    k22 winding_min d(fast)/dt = k21 gradient K^y - fast
    oil_min / k22   d(slow)/dt = (k21 - 1) gradient K^y - slow
    hot spot = oil + fast - slow

The standard takes differences, ``Dt / tau`` of the way to the target in a step, for steps of half
the winding's time constant at most. Here a step goes ``1 - exp(-Dt / tau)`` of the way, which is
exact for a load that stays the same over the step, however long it is.

Time is the first axis of every array, what follows (runs, say) is carried along.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.transformer.data import ThermalModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ThermalState:
    """Top oil [degC], and the fast and the slow part of the hot spot above it [K]."""

    top_oil_c: Floats
    fast_k: Floats
    slow_k: Floats

    @property
    def hot_spot_c(self) -> Floats:
        """The hottest place of the winding [degC]."""
        return self.top_oil_c + self.fast_k - self.slow_k


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Top oil and hot spot at the end of each step [degC], and the state after the last."""

    top_oil_c: Floats
    hot_spot_c: Floats
    end: ThermalState


@dataclass(frozen=True, slots=True)
class PhaseLoad:
    """Load of an unbalanced transformer [p.u.]: what heats the oil, and the worst winding."""

    oil_pu: Floats
    winding_pu: Floats


def load_of_phases(phase_va: Floats, rated_va: float) -> PhaseLoad:
    """Return the load of a transformer whose phases carry `phase_va`, the last axis [VA].

    Notes
    -----
    Load losses go with the square of each phase's current and together heat the oil, so the oil
    sees the root of the mean square; the hot spot sits in the winding that carries most. The
    standard treats balanced load only, where both are the same.

    >>> balanced = load_of_phases(np.array([21e3, 21e3, 21e3]), 63e3)
    >>> float(balanced.oil_pu), float(balanced.winding_pu)
    (1.0, 1.0)
    """
    per_phase = np.abs(phase_va) / (rated_va / 3)
    return PhaseLoad(np.sqrt((per_phase**2).mean(axis=-1)), per_phase.max(axis=-1))


def oil_target_k(model: ThermalModel, load_pu: Floats) -> Floats:
    """Return the rise of the top oil that `load_pu` leads to in the end [K]."""
    losses = (1 + load_pu**2 * model.loss_ratio) / (1 + model.loss_ratio)
    return np.asarray(losses**model.oil_exponent * model.top_oil_rise_k, dtype=np.float64)


def winding_target_k(model: ThermalModel, load_pu: Floats) -> Floats:
    """Return by how much the hot spot is above the top oil in the end [K]."""
    rise = np.abs(load_pu) ** model.winding_exponent * model.hot_spot_gradient_k
    return np.asarray(rise, dtype=np.float64)


def steady_state(
    model: ThermalModel,
    load_pu: Floats | float,
    ambient_c: Floats | float,
    winding_pu: Floats | float | None = None,
) -> ThermalState:
    """Return the state after `load_pu` has lasted for ever (8.2.3, initial conditions).

    >>> from balans.domain.transformer.data import ONAN_DISTRIBUTION
    >>> float(steady_state(ONAN_DISTRIBUTION, 1.0, 20.0).hot_spot_c)
    98.0
    """
    load = np.asarray(load_pu, dtype=np.float64)
    winding = load if winding_pu is None else np.asarray(winding_pu, dtype=np.float64)
    gradient_k = winding_target_k(model, winding)
    return ThermalState(
        oil_target_k(model, load) + ambient_c, model.k21 * gradient_k, (model.k21 - 1) * gradient_k
    )


def advance(
    model: ThermalModel,
    state: ThermalState,
    load_pu: Floats | float,
    ambient_c: Floats | float,
    step_s: float,
) -> ThermalState:
    """Return `state` after `step_s` seconds of a load that stays the same."""
    load = np.asarray(load_pu, dtype=np.float64)
    gradient_k = winding_target_k(model, load)
    oil, fast, slow = _shares_of_the_way(model, step_s)
    oil_end_c = oil_target_k(model, load) + ambient_c
    return ThermalState(
        state.top_oil_c + oil * (oil_end_c - state.top_oil_c),
        state.fast_k + fast * (model.k21 * gradient_k - state.fast_k),
        state.slow_k + slow * ((model.k21 - 1) * gradient_k - state.slow_k),
    )


def _shares_of_the_way(model: ThermalModel, step_s: float) -> tuple[float, float, float]:
    """Return how far oil, fast and slow part go towards their targets in a step (0..1)."""
    minutes = step_s / 60
    return (
        -math.expm1(-minutes / (model.k11 * model.oil_min)),
        -math.expm1(-minutes / (model.k22 * model.winding_min)),
        -math.expm1(-minutes * model.k22 / model.oil_min),
    )


def simulate(
    model: ThermalModel,
    load: Floats | PhaseLoad,
    ambient_c: Floats | float,
    step_s: float,
    start: ThermalState | None = None,
) -> Temperatures:
    """Return the temperatures under `load`, whose first axis is time.

    Parameters
    ----------
    load
        Load of each step [p.u. of rated current], shape (steps, ...); or that of each phase.
    ambient_c
        One temperature, or one for each step [degC].
    start
        None: the steady state of the first step, which the standard calls the best one can
        usually assume.
    """
    phases = load if isinstance(load, PhaseLoad) else PhaseLoad(load, load)
    ambient = np.asarray(ambient_c, dtype=np.float64)
    if ambient.ndim == 1:
        ambient = ambient.reshape(-1, *[1] * (phases.oil_pu.ndim - 1))
    oil_end_c = oil_target_k(model, phases.oil_pu) + ambient
    gradient_k = winding_target_k(model, phases.winding_pu)
    fast_end_k, slow_end_k = model.k21 * gradient_k, (model.k21 - 1) * gradient_k
    begin = start or ThermalState(oil_end_c[0], fast_end_k[0], slow_end_k[0])
    oil, fast, slow = _shares_of_the_way(model, step_s)
    top_oil_c = _follow(oil_end_c, begin.top_oil_c, oil)
    fast_k = _follow(fast_end_k, begin.fast_k, fast)
    slow_k = _follow(slow_end_k, begin.slow_k, slow) if model.k21 != 1 else slow_end_k
    end = ThermalState(top_oil_c[-1], fast_k[-1], slow_k[-1])
    return Temperatures(top_oil_c, top_oil_c + fast_k - slow_k, end)


def _follow(target: Floats, start: Floats, share: float) -> Floats:
    """Return what goes `share` of the way to its target in each step, after each step."""
    found = share * target
    found[0] += (1 - share) * start
    keep = 1 - share
    for step in range(1, len(found)):
        found[step] += keep * found[step - 1]
    return found
