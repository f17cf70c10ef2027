"""A site under load control, with actuators that obey like real ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from zoneinfo import ZoneInfo

import msgspec

from balans.core.words import LoadClass
from balans.domain.demand.model import Limit, Load, Recover
from balans.protocols.hub import CallReport, Command, CommandReport, LoadStatus, SiteStatus
from balans.protocols.module import ActuatorState, PowerSample, Query, Switch
from balans.usecases.run_load_control import (
    ControlledSite,
    LoadControl,
    Memory,
    Output,
)

T0 = 1_768_172_400.0  # Monday 2026-01-12 00:00 in Paris
STEP_S = 60.0
KITCHEN = Load("kitchen", LoadClass.RED, 1500.0)
HEATER = Load("heater", LoadClass.YELLOW, 2000.0, max_off_s=900, min_on_s=300)
FRIDGE = Load("fridge", LoadClass.YELLOW, 200.0, max_off_s=420, min_on_s=120, recover=Recover.LOSE)
WASHER = Load("washer", LoadClass.GREEN, 1000.0, min_on_s=0, deadline_s=7 * 3600)
FUSE = Limit("fuse", 3000.0)


def site_of(*loads: Load, limits: Sequence[Limit] = (FUSE,)) -> ControlledSite:
    return ControlledSite(tuple(loads), tuple(limits), (), ZoneInfo("Europe/Paris"))


@dataclass
class Actuators:
    """Contacts that obey an id once and come back by their own timers, a second late."""

    on: dict[str, bool] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    command: dict[str, str] = field(default_factory=dict)
    limit_s: dict[str, float] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    welded: set[str] = field(default_factory=set)

    def obey(self, switch: Switch, now_s: float) -> ActuatorState:
        load = switch.load
        if switch.id in self.seen or now_s > switch.expires:
            return self.state(load, now_s, "" if switch.id in self.seen else "expired")
        self.seen.add(switch.id)
        if load in self.welded:
            return self.state(load, now_s, "the contact does not move")
        if self.on.get(load, True) != switch.on:
            self.since[load] = now_s
        self.on[load], self.command[load] = switch.on, switch.id
        self.limit_s[load] = now_s + switch.max_off_s + 1
        return self.state(load, now_s)

    def timers(self, now_s: float) -> list[ActuatorState]:
        back = [x for x, on in self.on.items() if not on and self.limit_s[x] <= now_s]
        for load in back:
            self.on[load], self.since[load], self.command[load] = True, now_s, ""
        return [self.state(load, now_s) for load in back]

    def state(self, load: str, now_s: float, refused: str = "") -> ActuatorState:
        return ActuatorState(
            load,
            self.on.get(load, True),
            self.since.get(load, T0 - 86_400),
            now_s,
            self.command.get(load, ""),
            refused,
        )


class Bench:
    """A site under control, with actuators that answer at once unless told otherwise."""

    def __init__(self, site: ControlledSite, memory: Memory | None = None) -> None:
        self.now_s = T0
        self.site = site
        self.actuators = Actuators()
        self.reports: list[CommandReport] = []
        self.switches: list[Switch] = []
        self.statuses: list[SiteStatus] = []
        self.queries = 0
        self.deaf = False
        self.seq = 0
        self.start(memory)

    def start(self, memory: Memory | None = None) -> None:
        ids = count(len(self.switches) + 1)
        self.control = LoadControl(
            self.site, lambda: f"id{next(ids):03d}-{self.now_s:.0f}", self.now_s, memory
        )

    def restart(self) -> None:
        kept = msgspec.msgpack.encode(self.control.memory)
        self.start(msgspec.msgpack.decode(kept, type=Memory))

    def do(self, outputs: list[Output]) -> list[Output]:
        for output in outputs:
            match output:
                case Switch():
                    self.obey(output)
                case Query():
                    self.queries += 1
                    if not self.deaf:
                        self.answer_query()
                case CommandReport():
                    self.reports.append(output)
                case SiteStatus():
                    self.statuses.append(output)
                case CallReport():
                    raise AssertionError(output)  # nobody calls here
        return outputs

    def obey(self, switch: Switch) -> None:
        self.switches.append(switch)
        if not self.deaf:
            self.tell(self.actuators.obey(switch, self.now_s))

    def tell(self, state: ActuatorState) -> None:
        self.do(self.control.actuator(state, self.now_s))

    def answer_query(self) -> None:
        for load in self.site.loads:
            if load.load_class is not LoadClass.RED:
                self.tell(self.actuators.state(load.name, self.now_s))

    def tick(self, seconds: float = 0.0) -> list[Output]:
        self.now_s += seconds
        for state in self.actuators.timers(self.now_s):
            self.tell(state)
        return self.do(self.control.tick(self.now_s))

    def step(self, site_w: float, **load_w: float) -> list[str]:
        """Measure a step; return what was switched, as words such as ``heater off over_limit``.

        Loads that are not named draw nothing.
        """
        self.now_s += STEP_S
        for state in self.actuators.timers(self.now_s):
            self.tell(state)
        self.seq += 1
        before = len(self.switches)
        drawn = {load.name: load_w.get(load.name, 0.0) for load in self.site.loads}
        sample = PowerSample(self.seq, self.now_s, STEP_S, site_w, drawn)
        self.do(self.control.sample(sample, self.now_s))
        return [f"{s.load} {'on' if s.on else 'off'} {s.reason}" for s in self.switches[before:]]

    def until_switched(self, site_w: float, steps: int = 100) -> list[str]:
        """Measure the same until something is switched; return that."""
        for _ in range(steps):
            switched = self.step(site_w)
            if switched:
                return switched
        raise AssertionError(f"nothing was switched in {steps} steps")

    def command(self, name: str, *, on: bool, id_: str = "op1", lasts_s: float = 300.0) -> None:
        command = Command(id_, name, on, self.now_s, self.now_s + lasts_s, "anna", "away")
        self.do(self.control.command(command, self.now_s))

    def story(self, id_: str) -> list[str]:
        """Return the life of a command as words such as ``sent`` or ``failed red_load``."""
        told = [r for r in self.reports if r.id == id_ and r.achieved_w is None]
        return [f"{r.state} {r.detail}".strip() for r in told]

    def achieved_w(self, load: str) -> list[float]:
        """Return the effects that were measured of the switchings of a load, in turn [W]."""
        found = [r.achieved_w for r in self.reports if r.load == load]
        return [effect for effect in found if effect is not None]

    def load(self, name: str) -> LoadStatus:
        status = self.control.status(self.now_s)
        return next(load for load in status.loads if load.name == name)
