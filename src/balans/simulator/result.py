"""What a run of the town amounted to, measured by the town itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from balans.core.words import LoadClass
from balans.simulator.actuators import ContactMove
from balans.simulator.arrays import Flags, Share, Watts
from balans.simulator.spec import LoadSpec

WMIN_PER_KWH = 60_000


class Contacts(NamedTuple):
    """How the contacts of one class of loads moved."""

    interruptions: int
    longest_off_s: float
    shortest_on_s: float | None


def contacts_of(
    moves: Sequence[ContactMove], loads: Sequence[LoadSpec], load_class: LoadClass, end_s: float
) -> Contacts:
    """Return how the loads of `load_class` were switched until `end_s`.

    ``shortest_on_s`` lies between two interruptions; None when no load had two.
    """
    opened: dict[int, float] = {}
    closed: dict[int, float] = {}
    off_s: list[float] = []
    on_s: list[float] = []
    for move in moves:
        if loads[move.load].load_class is not load_class:
            continue
        if move.on:
            off_s.append(move.time_s - opened.pop(move.load))
            closed[move.load] = move.time_s
        else:
            opened[move.load] = move.time_s
            if move.load in closed:
                on_s.append(move.time_s - closed.pop(move.load))
    interruptions = len(off_s) + len(opened)
    off_s += [end_s - since_s for since_s in opened.values()]
    return Contacts(interruptions, max(off_s, default=0.0), min(on_s, default=None))


@dataclass(frozen=True, slots=True)
class TownResult:
    """A finished run; arrays are by minute, in the order of time.

    Parameters
    ----------
    start_s, end_s
        Unix seconds between which it ran.
    uncontrolled_w, controlled_w, unavoidable_w
        Mean power of the site: as recorded, as it was, and of the red part alone.
    load_names, load_on
        Names of the loads; whether each was on, array (minutes, loads).
    red_interruptions
        How often a red load drew less than it wanted.
    yellow, green
        How the contacts of these classes moved.
    green_late_kwh
        Deferred energy that was still owed at a deadline.
    backlog_kwh
        Energy still owed at the end, all loads.
    obeyed, refused
        Commands executed, and refusals by reason.
    reaction_s
        Wall time from the publication of a power sample to each command it led to.
    unanswered
        Samples for which no gateway answered in time.
    readings, unconfirmed
        Readings recorded by all modules since the town began, and those no hub has confirmed.
    drained
        Whether all hubs had confirmed everything before the run ended.
    """

    start_s: float
    end_s: float
    limit_w: int
    uncontrolled_w: Watts
    controlled_w: Watts
    unavoidable_w: Watts
    load_names: tuple[str, ...]
    load_on: Flags
    red_interruptions: int
    yellow: Contacts
    green: Contacts
    green_late_kwh: float
    backlog_kwh: float
    obeyed: int
    refused: dict[str, int]
    reaction_s: Share
    unanswered: int
    readings: int
    unconfirmed: int
    drained: bool

    @property
    def hours(self) -> float:
        """Simulated hours of this run."""
        return (self.end_s - self.start_s) / 3600

    def overload_kwh(self, power_w: Watts) -> float:
        """Return the energy of `power_w` above the limit of the site."""
        return float(np.clip(power_w - self.limit_w, 0, None).sum()) / WMIN_PER_KWH

    def minutes_over(self, power_w: Watts) -> int:
        """Return how many minutes of `power_w` lie above the limit of the site."""
        return int((power_w > self.limit_w).sum())

    def peak_kw(self, power_w: Watts) -> float:
        """Return the largest minute of `power_w`."""
        return float(power_w.max(initial=0)) / 1_000

    def reaction_quantile_s(self, share: float) -> float | None:
        """Return the quantile of the reaction times, None when nothing was switched."""
        return float(np.quantile(self.reaction_s, share)) if len(self.reaction_s) else None
