"""Houses behind a line with faults: what a controller commands, and what it gets to see.

The order is that of real parts: command, radio, adapter with its own timer, contact, plant, meter,
radio. A yellow contact closes by itself before its longest off time has passed, so a lost command
cannot hold it open; only a contact that is welded open can.
"""

from dataclasses import dataclass, field

import numpy as np

from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.faults import Line, Reading, Welded, WrongRating
from balans.simulator.plants.groups import STEP_S
from balans.simulator.plants.houses import Houses, Minute


@dataclass(slots=True)
class Rig:
    """Houses, the line to them, and the ratings that are told.

    Parameters
    ----------
    houses
        The plants.
    line
        Faults of radio and meters.
    welded
        Faults of contacts, behind the timers.
    rating
        How wrong the rated powers are that a controller is told.
    start_s
        Time at the beginning [Unix s].

    Attributes
    ----------
    truth
        What really happened in the last minute.
    off_s
        How long each contact has been open [s].
    """

    houses: Houses
    line: Line = field(default_factory=Line)
    welded: tuple[Welded, ...] = ()
    rating: WrongRating | None = None
    start_s: float = 0.0
    truth: Minute | None = None
    off_s: Floats = field(init=False)
    _begin: int = field(init=False)

    def __post_init__(self) -> None:
        self.off_s = np.zeros(len(self.houses.loads))
        self._begin = self.houses.minute

    @property
    def told_rated_w(self) -> Floats:
        """Rated powers as told to the controller [W]."""
        rated_w = self.houses.loads.rated_w
        return self.rating.told_w(rated_w) if self.rating else rated_w

    @property
    def now_s(self) -> float:
        """Time at the present end of a minute [Unix s]."""
        return self.start_s + (self.houses.minute - self._begin) * STEP_S

    def step(self, wanted_on: Flags, limit_w: Floats | None = None) -> Reading:
        """Let a minute pass with contacts commanded to `wanted_on`; return what meters tell.

        The reading holds one value for each load, and last the sum over all houses, red part
        included: the meter of the site.
        """
        arrived = self.line.contacts(wanted_on)
        most_s = self.houses.loads.max_off_s
        timer = (most_s > 0) & (self.off_s + STEP_S > most_s)
        contacts = arrived | timer
        for fault in self.welded:
            contacts = fault.contacts(contacts)
        self.off_s = np.where(contacts, 0.0, self.off_s + STEP_S)
        self.truth = self.houses.step(contacts, limit_w)
        metered_w = np.append(self.truth.load_w, self.truth.house_w.sum())
        return self.line.reading(self.now_s, metered_w)
