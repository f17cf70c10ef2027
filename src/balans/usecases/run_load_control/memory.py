"""What load control is told of its site, and what it remembers over a restart."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from balans.domain.demand.model import Limit, Load, LoadState, Zone
from balans.domain.demand.timetable import Meters
from balans.usecases.run_load_control.commands import Commands


@dataclass(frozen=True, slots=True)
class ControlledSite:
    """What the configuration says of a site. `limits` are its own; the server may add others."""

    loads: tuple[Load, ...]
    limits: tuple[Limit, ...]
    zones: tuple[Zone, ...]
    timezone: tzinfo

    def local_s(self, time_s: float) -> float:
        """Return the second of the local day at `time_s` [Unix s]."""
        local = datetime.fromtimestamp(time_s, self.timezone)
        return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6


@dataclass(slots=True)
class Memory:
    """What load control remembers over a restart; all else it asks for.

    `reasons` tells by load why it was last switched; the other parts are those of the domain.
    """

    states: dict[str, LoadState] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    meters: Meters = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
