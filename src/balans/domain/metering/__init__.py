"""Registers, the profiles that follow from them, and what is missing in them."""

from balans.domain.metering.differences import (
    MISSING,
    completeness,
    interval_energy,
    interval_pulses,
)

__all__ = ["MISSING", "completeness", "interval_energy", "interval_pulses"]
