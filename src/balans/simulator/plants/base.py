"""What all plants share: state by name, and physical constants."""

from typing import ClassVar

import numpy as np

from balans.simulator.arrays import Floats, Snapshot

HOUR_S = 3_600.0
WATER_WH_L_K = 1.163
"""Heat capacity of water, Wh/(l·K): 4.187 kJ/(kg·K) at 15 °C, 1 kg/l."""

MAINS_V = 230.0
"""Nominal voltage to neutral (EN 50160, 4.2.2)."""


class Stateful:
    """A plant whose state is the arrays named in `STATE`, the first axis being the unit."""

    STATE: ClassVar[tuple[str, ...]] = ()

    def snapshot(self) -> Snapshot:
        """Return copies of the arrays of the state."""
        return {name: np.array(getattr(self, name)) for name in self.STATE}

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot`."""
        for name in self.STATE:
            setattr(self, name, state[name].astype(getattr(self, name).dtype))


def over(value: float | Floats, count: int) -> Floats:
    """Return `value` as an array over `count` units."""
    return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)))
