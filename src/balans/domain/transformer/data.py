"""Figures of transformer classes: temperature rises, time constants, exponents, limits."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ThermalModel:
    """What the difference equations need to know of a transformer (IEC 60076-7:2018, 8.2).

    top_oil_rise_k
        Rise of the top oil over ambient at rated losses, steady [K].
    hot_spot_gradient_k
        Hot spot over top oil at rated current, steady [K]: hot-spot factor times the gradient of
        the winding over the oil.
    loss_ratio
        Load losses at rated current over no-load losses.
    oil_exponent, winding_exponent
        x and y.
    k11, k21, k22
        Shape of the exponentials.
    oil_min, winding_min
        Time constants of oil and winding [min].
    """

    name: str
    top_oil_rise_k: float
    hot_spot_gradient_k: float
    loss_ratio: float
    oil_exponent: float
    winding_exponent: float
    k11: float
    k21: float
    k22: float
    oil_min: float
    winding_min: float


ONAN_DISTRIBUTION = ThermalModel(
    "distribution ONAN", 55.0, 23.0, 5.0, 0.8, 1.6, 1.0, 1.0, 2.0, 180.0, 4.0
)
"""Up to 2,500 kVA, oil and air move by themselves. Exponents, constants and time constants: the
standard's table of recommended thermal characteristics; rises and loss ratio: its table of
characteristics used for the load diagrams. Hot spot 98 degC at rated load and 20 degC ambient."""

ONAN_MEDIUM = ThermalModel(
    "medium power ONAN", 52.0, 26.0, 6.0, 0.8, 1.3, 0.5, 2.0, 2.0, 210.0, 10.0
)
"""Up to 100 MVA; same tables."""

ONAF_MEDIUM = ThermalModel(
    "medium power ONAF", 52.0, 26.0, 6.0, 0.8, 1.3, 0.5, 2.0, 2.0, 150.0, 7.0
)
"""Up to 100 MVA, with fans; same tables."""


class Loading(StrEnum):
    """Kinds of loading beyond the rating (IEC 60076-7:2018, clause 4)."""

    NORMAL_CYCLIC = "normal_cyclic"
    LONG_EMERGENCY = "long_emergency"
    SHORT_EMERGENCY = "short_emergency"


@dataclass(frozen=True, slots=True)
class LoadingLimits:
    """What must not be exceeded: current [p.u.], hot spot and top oil [degC]; None: no limit."""

    current_pu: float
    hot_spot_c: float | None
    top_oil_c: float | None


LIMITS = {
    Loading.NORMAL_CYCLIC: LoadingLimits(1.5, 120.0, 105.0),
    Loading.LONG_EMERGENCY: LoadingLimits(1.8, 140.0, 115.0),
    Loading.SHORT_EMERGENCY: LoadingLimits(2.0, None, None),
}
"""For distribution transformers: the standard's table of recommended limits."""
