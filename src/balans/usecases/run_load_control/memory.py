"""What load control is told of its site, and what it remembers over a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from balans.core.words import LoadClass
from balans.domain.demand.devices import Device
from balans.domain.demand.guards import Guard
from balans.domain.demand.lowest_hour import LowestHour
from balans.domain.demand.model import NEVER, Limit, Load, LoadState, Node, Zone
from balans.domain.demand.plan.settings import PlannerSettings
from balans.domain.demand.rating import Drawing
from balans.domain.demand.timetable import Meters
from balans.domain.demand.unrest import Unrest
from balans.usecases.run_load_control.commands import Commands
from balans.usecases.run_load_control.effects import Effects
from balans.usecases.run_load_control.faults import Fault
from balans.usecases.run_load_control.loads import Loads
from balans.usecases.run_load_control.sensing import METER, Sensed, Sensor


@dataclass(frozen=True, slots=True)
class ControlledSite:
    """What the configuration says of a site.

    `limits` are its own; the server and the consumer may add others. `devices` tells what loads
    are, by name, for the planner; `planner` is None where nothing is planned.
    """

    loads: tuple[Load, ...]
    limits: tuple[Limit, ...]
    zones: tuple[Zone, ...]
    timezone: ZoneInfo
    nodes: tuple[Node, ...] = ()
    devices: Mapping[str, Device] = field(default_factory=dict)
    planner: PlannerSettings | None = None
    sensor: Sensor = METER

    def local_s(self, time_s: float) -> float:
        """Return the second of the local day at `time_s` [Unix s]."""
        local = datetime.fromtimestamp(time_s, self.timezone)
        return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6


@dataclass(slots=True)
class Memory:
    """What load control remembers over a restart; all else it asks for.

    `reasons` tells by load why it was last switched, `before` what it was before the order on its
    way, `faults` what it did not obey, `effects` what its switchings achieved. `accounts` are the
    ledger of fairness by load, `guard` what the guards know, `sensed` what the sensor told,
    `ratings` what each load has drawn in `watched_s` seconds of samples, `lowest` what the rest of
    the site draws at least, `unrest` how much that changes. `time_s` is when all this was so.
    """

    states: dict[str, LoadState] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    meters: Meters = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
    before: dict[str, LoadState] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    accounts: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    guard: Guard = field(default_factory=Guard)
    sensed: Sensed = field(default_factory=Sensed)
    ratings: dict[str, Drawing] = field(default_factory=dict)
    watched_s: float = 0.0
    lowest: LowestHour = field(default_factory=LowestHour)
    unrest: Unrest = field(default_factory=Unrest)
    time_s: float = NEVER


def earlier_guard(guard: Guard, back_s: float) -> Guard:
    """Return `guard` after the clock was set back by `back_s`: no pause gets longer by that."""
    return replace(
        guard,
        switched=tuple((at_s - back_s, count) for at_s, count in guard.switched),
        pauses={
            node: pause._replace(until_s=pause.until_s - back_s)
            for node, pause in guard.pauses.items()
        },
    )


def remembered_loads(site: ControlledSite, memory: Memory) -> Loads:
    """Return the loads of `site` as remembered; of red nothing is, it may have been yellow."""
    kept = {
        load.name: memory.states[load.name]
        for load in site.loads
        if load.load_class is not LoadClass.RED and load.name in memory.states
    }
    memory.before = {name: state for name, state in memory.before.items() if name in kept}
    memory.faults = {name: fault for name, fault in memory.faults.items() if name in kept}
    states = [kept.get(load.name, LoadState()) for load in site.loads]
    return Loads(site.loads, states, memory.reasons, memory.before, memory.faults)
