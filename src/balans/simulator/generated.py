"""Generated consumption for towns of any size: pulses by hour, from a seed.

Each channel counts a random number of pulses an hour (Poisson) around its own mean (log-normal
between flats) times the hour of the day. Means are those of a household: 350 Wh, 9 l of water,
and 8 l of gas an hour. Nothing here is measured; it is there to carry readings.

A hub's pulses at an hour depend on the seed, the hub and the hour only, so a town that is played
again, for longer, or with more modules repeats what it had.
"""

from dataclasses import dataclass, field

import numpy as np

from balans.simulator.arrays import Registers, Share
from balans.simulator.town import MODULES_MAX

INPUTS = 3
MEAN_PULSES = (350.0, 9.0, 0.8)
SPREAD = 0.6
"""Standard deviation of the logarithm of a flat's mean."""

DAY_SHAPE = np.repeat((0.4, 1.2, 0.9, 1.6, 0.9), (6, 4, 8, 4, 2))
"""By local hour: night, morning, day, evening, late evening; 0.94 on average."""


@dataclass(slots=True)
class GeneratedHub:
    """Registers of the modules of one hub, hour after hour.

    Parameters
    ----------
    seed, hub
        Seed of the town and number of the hub.
    start
        Registers at the beginning, array (modules, 3).
    """

    seed: int
    hub: int
    start: Registers
    registers: Registers = field(init=False)
    _mean: Share = field(init=False)

    def __post_init__(self) -> None:
        self.registers = self.start.copy()
        random = np.random.default_rng([self.seed, 5, self.hub])
        scale = random.lognormal(0.0, SPREAD, (MODULES_MAX, INPUTS))
        self._mean = scale * np.array(MEAN_PULSES)

    def pass_hour(self, index: int) -> None:
        """Count the pulses of the hour that begins `index` hours after a local midnight."""
        random = np.random.default_rng([self.seed, 6, self.hub, index])
        pulses = random.poisson(self._mean * DAY_SHAPE[index % 24])
        self.registers = self.registers + pulses[: len(self.registers)]
