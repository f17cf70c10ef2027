"""Registers of several channels over the same hours, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.domain.metering.differences import MISSING
from balans.domain.metering.words import Quality


@dataclass(frozen=True, slots=True)
class Registers:
    """Registers of channels (rows) at hours (columns); `MISSING` where there is none."""

    start_hour: int
    values: NDArray[np.int32]
    estimated: NDArray[np.bool_]
    suspect: NDArray[np.bool_]

    def quality(self, row: int, column: int) -> Quality:
        """Return how good a register is."""
        if self.values[row, column] == MISSING:
            return Quality.MISSING
        if self.suspect[row, column]:
            return Quality.SUSPECT
        return Quality.ESTIMATED if self.estimated[row, column] else Quality.MEASURED
