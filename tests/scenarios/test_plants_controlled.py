"""Load control over a town of plants, without a wire: the loop is closed by physics.

The controller sees the samples of the town one minute late and its orders go to the contacts of
the town, as over the site bus; only the broker is left out.
"""

from dataclasses import replace
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from balans.core.words import LoadClass
from balans.domain.demand.model import Limit, Load, LoadKind
from balans.protocols.module import Query, Switch
from balans.simulator.driven import with_plants
from balans.simulator.faults import FaultPlan
from balans.simulator.plants.groups import MachineGroup, TankGroup
from balans.simulator.result import TownResult
from balans.simulator.town import demo_town
from balans.simulator.world import Wire, World
from balans.usecases.run_load_control import ControlledSite, LoadControl, Output

MINUTES = 1_440
LIMIT_W = 45_000
"""Well below the peak of 72 kW; the red part alone exceeds it in the busiest minutes."""

TOWN = with_plants(demo_town())
SPEC = replace(TOWN, sites=(replace(TOWN.sites[0], limit_w=LIMIT_W),))


def controlled_loads() -> tuple[Load, ...]:
    return tuple(
        Load(
            name=load.name,
            load_class=load.load_class,
            rated_w=float(load.rated_w),
            max_off_s=float(load.max_off_s) if load.load_class is LoadClass.YELLOW else 0.0,
            min_on_s=float(load.min_on_s),
            kind=LoadKind.CYCLE if load.kind == "wash" else LoadKind.SWITCH,
        )
        for load in SPEC.loads
        if load.module is not None
    )


class Loop:
    """A town and the controller of its site, joined in one process."""

    def __init__(self, faults: FaultPlan | None = None) -> None:
        self.world = World(SPEC, faults)
        site = ControlledSite(
            controlled_loads(), (Limit("transformer", float(LIMIT_W)),), (), ZoneInfo(SPEC.timezone)
        )
        ids = count()
        self.control = LoadControl(site, lambda: f"{next(ids):032x}", float(self.world.now_s))
        self.ordered: set[str] = set()

    def play(self, minutes: int) -> TownResult:
        for _ in range(minutes):
            now_s = float(self.world.now_s)
            for state in self.world.tick():
                self.do(self.control.actuator(state, now_s), now_s)
            sample = self.world.advance()
            now_s = float(self.world.now_s)
            self.do(self.control.sample(sample, now_s), now_s)
            self.do(self.control.tick(now_s), now_s)
        return self.world.result(Wire())

    def do(self, outputs: list[Output], now_s: float) -> None:
        for output in outputs:
            match output:
                case Switch():
                    self.ordered.add(output.load)
                    state = self.world.obey(output.load, output, now_s)
                    if state is not None:
                        self.do(self.control.actuator(state, now_s), now_s)
                case Query():
                    for state in self.world.bank.states(now_s):
                        self.do(self.control.actuator(state, now_s), now_s)
                case _:
                    pass

    def machines(self) -> MachineGroup:
        assert self.world.plant.driven is not None
        group = self.world.plant.driven.houses.plant("washing_machine")
        assert isinstance(group, MachineGroup)
        return group


@pytest.fixture(scope="module")
def day() -> tuple[Loop, TownResult]:
    loop = Loop()
    return loop, loop.play(MINUTES)


def test_the_limit_is_kept_better_than_without_control(day: tuple[Loop, TownResult]) -> None:
    result = day[1]
    free = result.overload_kwh(result.uncontrolled_w)
    assert free > 3
    held = result.overload_kwh(result.controlled_w)
    unavoidable = result.overload_kwh(result.unavoidable_w)
    assert held - unavoidable < 0.7 * (free - unavoidable)


def test_people_notice_nothing(day: tuple[Loop, TownResult]) -> None:
    loop, result = day
    assert result.red_interruptions == 0
    assert result.yellow.interruptions > 0
    assert result.yellow.longest_off_s <= 900
    assert loop.world.plant.driven is not None
    tanks, twins = (
        side.plant("water_heater")
        for side in (loop.world.plant.driven.houses, loop.world.plant.driven.twins)
    )
    assert isinstance(tanks, TankGroup)
    assert isinstance(twins, TankGroup)
    # A quarter of an hour off leaves the water hot: of a day's heat less than 1 % is missed.
    missed_wh = (tanks.plant.short_wh - twins.plant.short_wh).sum()
    assert missed_wh < 0.01 * twins.plant.drawn_wh.sum()


def test_no_programme_is_cut_in_the_middle(day: tuple[Loop, TownResult]) -> None:
    machines = day[0].machines().plant
    assert machines.lost.sum() == 0
    assert machines.done.sum() > 5


def test_energy_comes_back(day: tuple[Loop, TownResult]) -> None:
    result = day[1]
    bought, wanted = result.controlled_w.sum() / 60_000, result.uncontrolled_w.sum() / 60_000
    assert bought == pytest.approx(wanted, rel=0.02)


def test_with_faults_yellow_is_still_never_off_too_long() -> None:
    heat = [load.name for load in SPEC.loads if load.kind == "heat"]
    welded = frozenset(heat[::6])
    loop = Loop(FaultPlan(lost_command=0.2, stuck_relays=welded, seed=3))
    result = loop.play(12 * 60)
    assert result.yellow.longest_off_s <= 900
    assert result.red_interruptions == 0
    index = {load.name: at for at, load in enumerate(SPEC.loads)}
    assert welded & loop.ordered
    assert all(result.load_on[:, index[name]].all() for name in welded)
    assert np.asarray(result.load_on).mean() < 1
