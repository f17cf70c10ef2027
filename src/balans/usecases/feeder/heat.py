"""What a replay does to the transformer: hot spot, and the life it uses up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.transformer import (
    ONAN_DISTRIBUTION,
    Paper,
    PhaseLoad,
    ThermalModel,
    ThermalState,
    ageing_rate,
    load_of_phases,
    simulate,
)
from balans.usecases.feeder.street import DAY_MIN, MINUTE_S

Floats = NDArray[np.float64]

POWER_FACTOR = 0.95
"""Of a street of homes; the demo's transformer is rated with it too."""
AMBIENT_C = 20.0
"""The yearly weighted ambient temperature of IEC 60076-7, at which rated load ages normally."""
AMBIENT_RANGE_C = (-50.0, 60.0)


@dataclass(frozen=True, slots=True)
class Transformer:
    """A transformer with what stands around it; `kva` is its rating."""

    kva: float
    power_factor: float = POWER_FACTOR
    ambient_c: float = AMBIENT_C
    paper: Paper = Paper.NON_UPGRADED
    model: ThermalModel = ONAN_DISTRIBUTION

    def __post_init__(self) -> None:
        if not 0 < self.kva <= 1e6:
            raise InputError(f"transformer-kva = {self.kva}: expected more than 0")
        low, high = AMBIENT_RANGE_C
        if not low <= self.ambient_c <= high:
            raise InputError(f"ambient-c = {self.ambient_c}: expected {low:g} to {high:g}")

    @property
    def rated_kw(self) -> float:
        """The power it carries for ever at its power factor [kW]."""
        return self.kva * self.power_factor

    def load_of(self, phase_w: Floats) -> PhaseLoad:
        """Return its load under `phase_w`, (3, steps) [W]."""
        return load_of_phases(phase_w.T / self.power_factor, self.kva * 1000)


@dataclass(frozen=True, slots=True)
class Heat:
    """Temperatures at the end of each step [degC], and hours of normal life used up."""

    hot_spot_c: Floats
    top_oil_c: Floats
    loss_of_life_h: float
    relative_ageing: float


def heat_of(
    transformer: Transformer,
    phase_w: Floats,
    start: ThermalState | None = None,
    step_s: float = MINUTE_S,
) -> Heat:
    """Return what the powers `phase_w` of the phases, (3, steps) [W], do to `transformer`."""
    load = transformer.load_of(phase_w)
    found = simulate(transformer.model, load, transformer.ambient_c, step_s, start)
    rate = ageing_rate(found.hot_spot_c, transformer.paper)
    loss_h = float(rate.sum()) * step_s / 3600
    return Heat(found.hot_spot_c, found.top_oil_c, loss_h, float(rate.mean()))


def warm_state(transformer: Transformer, phase_w: Floats, step_s: float = MINUTE_S) -> ThermalState:
    """Return the state at the beginning, after a day before that was like the first of `phase_w`.

    Its oil has forgotten where it began after a day: that is eight times its time constant.
    """
    steps = round(DAY_MIN * MINUTE_S / step_s)
    load = transformer.load_of(phase_w[:, :steps])
    return simulate(transformer.model, load, transformer.ambient_c, step_s).end
