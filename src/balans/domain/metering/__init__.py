"""Registers, the profiles that follow from them, and what is missing in them."""

from balans.domain.metering.differences import (
    MISSING,
    completeness,
    interval_energy,
    interval_pulses,
)
from balans.domain.metering.intervals import IntervalValue, interval_values
from balans.domain.metering.registers import Registers
from balans.domain.metering.words import (
    EditKind,
    EventKind,
    ManualSource,
    ManualState,
    Quality,
)

__all__ = [
    "MISSING",
    "EditKind",
    "EventKind",
    "IntervalValue",
    "ManualSource",
    "ManualState",
    "Quality",
    "Registers",
    "completeness",
    "interval_energy",
    "interval_pulses",
    "interval_values",
]
