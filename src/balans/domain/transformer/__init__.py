"""How warm a transformer gets under its load, and how fast that ages its insulation.

`thermal` holds the difference equations of top-oil and hot-spot temperature, `data` the figures of
transformer classes, `ageing` the relative ageing rate and loss of life. All after IEC 60076-7:2018,
"Loading guide for mineral-oil-immersed power transformers".
"""

from balans.domain.transformer.ageing import Paper, ageing_rate, loss_of_life_h
from balans.domain.transformer.data import (
    LIMITS,
    ONAF_MEDIUM,
    ONAN_DISTRIBUTION,
    ONAN_MEDIUM,
    Loading,
    LoadingLimits,
    ThermalModel,
)
from balans.domain.transformer.thermal import (
    PhaseLoad,
    Temperatures,
    ThermalState,
    advance,
    load_of_phases,
    simulate,
    steady_state,
)

__all__ = [
    "LIMITS",
    "ONAF_MEDIUM",
    "ONAN_DISTRIBUTION",
    "ONAN_MEDIUM",
    "Loading",
    "LoadingLimits",
    "Paper",
    "PhaseLoad",
    "Temperatures",
    "ThermalModel",
    "ThermalState",
    "advance",
    "ageing_rate",
    "load_of_phases",
    "loss_of_life_h",
    "simulate",
    "steady_state",
]
