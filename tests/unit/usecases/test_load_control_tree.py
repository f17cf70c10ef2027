"""A site with a tree of nodes: limits by node and phase, head-room, status, persons' commands."""

from dataclasses import replace

import pytest
from tests.unit.usecases.control_bench import (
    KITCHEN,
    STEP_S,
    Bench,
    site_of,
)

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand.model import Limit, Load, Node
from balans.protocols.hub import NodeStatus
from balans.protocols.module import PowerSample
from balans.usecases.run_load_control import ControlledSite

NODES = (Node("riser"), Node("flat-1", "riser"), Node("flat-2", "riser"))
HEATER_1 = Load("heater-1", LoadClass.YELLOW, 2000.0, node="flat-1", phases=(1,))
HEATER_2 = Load("heater-2", LoadClass.YELLOW, 2000.0, node="flat-2", phases=(2,))
SITE = Limit("fuse", 9000.0)
FLAT_1 = Limit("flat-1-contract", 3000.0, node="flat-1")


class TreeBench(Bench):
    """A bench whose samples tell nodes and phases."""

    def see(
        self,
        site_w: float,
        *,
        node_w: dict[str, float] | None = None,
        phase_w: tuple[float, ...] = (),
        **load_w: float,
    ) -> list[str]:
        self.now_s += STEP_S
        for state in self.actuators.timers(self.now_s):
            self.tell(state)
        self.seq += 1
        before = len(self.switches)
        drawn = {name.replace("_", "-"): power for name, power in load_w.items()}
        sample = PowerSample(
            self.seq, self.now_s, STEP_S, site_w, drawn, phase_w, node_w=node_w or {}
        )
        self.do(self.control.sample(sample, self.now_s))
        return [f"{s.load} {'on' if s.on else 'off'} {s.reason}" for s in self.switches[before:]]

    def node(self, name: str) -> NodeStatus:
        return next(n for n in self.control.status(self.now_s).nodes if n.name == name)


def bench_of(*limits: Limit, loads: tuple[Load, ...] = (HEATER_1, HEATER_2, KITCHEN)) -> TreeBench:
    site = site_of(*loads, limits=limits)
    bench = TreeBench(replace(site, nodes=NODES))
    bench.tick()
    return bench


def test_only_what_hangs_below_a_node_that_is_over_is_shed() -> None:
    bench = bench_of(SITE, FLAT_1)
    shed = bench.see(7000.0, node_w={"flat-1": 3500.0}, heater_1=2000.0, heater_2=2000.0)
    assert shed == ["heater-1 off over_limit"]
    assert bench.reports[0].limit == "flat-1-contract"


def test_a_node_without_a_meter_counts_as_the_sum_of_its_loads() -> None:
    bench = bench_of(SITE, replace(FLAT_1, limit_w=1500.0))
    assert bench.see(5000.0, heater_1=2000.0, heater_2=2000.0) == ["heater-1 off over_limit"]


def test_a_phase_that_is_over_sheds_what_draws_from_it() -> None:
    bench = bench_of(replace(SITE, limit_w=float("inf"), phase_a=16.0))
    shed = bench.see(6500.0, phase_w=(500.0, 5000.0, 1000.0), heater_1=2000.0, heater_2=2000.0)
    assert shed == ["heater-2 off over_limit"]
    site = bench.node("")
    assert site.phase_limit_a == 16.0
    assert [round(current or 0.0, 2) for current in site.phase_a] == [2.17, 21.74, 4.35]


def test_the_status_tells_every_node_parents_first() -> None:
    bench = bench_of(SITE, FLAT_1)
    bench.see(4000.0, node_w={"flat-1": 2500.0}, heater_1=2000.0, heater_2=700.0, kitchen=800.0)
    site, riser, flat_1, flat_2 = bench.control.status(bench.now_s).nodes
    assert (site.name, riser.name, riser.parent, flat_1.parent) == ("", "riser", "", "riser")
    assert (site.power_w, site.allowed_w, site.headroom_w) == (4000.0, 9000.0, 5000.0)
    assert (riser.power_w, riser.allowed_w, riser.headroom_w) == (3200.0, None, None)
    assert (flat_1.power_w, flat_1.allowed_w, flat_1.headroom_w) == (2500.0, 3000.0, 500.0)
    assert flat_1.limit == "flat-1-contract"
    assert (flat_2.power_w, flat_2.limit) == (700.0, "")
    assert bench.load("heater-1").node == "flat-1"


def test_a_node_whose_loads_are_not_measured_is_not_zero() -> None:
    bench = bench_of(SITE)
    bench.see(4000.0, heater_1=2000.0)
    assert bench.node("flat-1").power_w == 2000.0
    assert bench.node("flat-2").power_w is None
    assert bench.node("riser").power_w is None


def test_a_persons_on_waits_for_room_at_every_node_above() -> None:
    bench = bench_of(SITE, FLAT_1)
    bench.see(2000.0, node_w={"flat-1": 2100.0}, heater_1=1900.0)
    bench.now_s += 300.0
    bench.see(2000.0, node_w={"flat-1": 2100.0}, heater_1=1900.0)
    bench.command("heater-1", on=False)
    bench.see(2500.0, node_w={"flat-1": 2500.0})
    bench.command("heater-1", on=True, id_="op2", lasts_s=600.0)
    assert bench.story("op2") == ["queued no_headroom"]
    bench.see(500.0, node_w={"flat-1": 200.0})
    assert bench.story("op2") == ["queued no_headroom", "sent", "confirmed"]


def test_without_a_sensor_nobody_switches_anything_on() -> None:
    bench = bench_of(SITE)
    for _ in range(7):
        bench.see(2000.0, heater_1=1900.0)
    bench.command("heater-1", on=False)
    bench.tick(STEP_S * 4)
    bench.command("heater-1", on=True, id_="op2")
    assert bench.story("op2") == ["queued no_headroom"]
    assert bench.control.status(bench.now_s).guard == "sensor_lost"


CARRIED: dict[str, float] = {"flat-1": 2900.0}


def see_flat(bench: TreeBench, node_w: dict[str, float]) -> list[str]:
    """Let both heaters draw 2 kW while they are on."""
    first, second = (2000.0 * bench.actuators.on.get(f"heater-{n}", True) for n in (1, 2))
    return bench.see(5000.0, node_w=node_w, heater_1=first, heater_2=second)


def test_a_node_that_falls_silent_counts_as_overload_there_only() -> None:
    bench = bench_of(SITE, FLAT_1)
    assert see_flat(bench, CARRIED) == []
    assert [see_flat(bench, {}) for _ in range(2)] == [[], []]
    assert see_flat(bench, {}) == ["heater-1 off sensor_lost"]
    flat, site = bench.node("flat-1"), bench.node("")
    assert (flat.power_w, flat.headroom_w, site.power_w) == (None, None, 5000.0)
    status = bench.control.status(bench.now_s)
    assert (status.sensor_ok, status.guard) == (True, "node_silent:flat-1")
    bench.command("heater-1", on=True, lasts_s=120.0)
    assert bench.story("op1") == ["queued no_headroom"]
    assert "heater-2" not in bench.actuators.on
    assert see_flat(bench, {"flat-1": 700.0}) == ["heater-1 on away"]
    assert bench.control.status(bench.now_s).guard == ""


def test_a_node_that_was_silent_before_a_restart_is_silent_after_it() -> None:
    bench = bench_of(SITE, FLAT_1)
    see_flat(bench, CARRIED)
    see_flat(bench, {})
    bench.restart()
    bench.tick()
    assert [see_flat(bench, {}) for _ in range(2)] == [[], ["heater-1 off sensor_lost"]]


def test_a_node_that_never_told_or_misses_a_sample_is_the_sum_of_its_loads() -> None:
    bench = bench_of(SITE, FLAT_1)
    for step in range(20):
        assert see_flat(bench, CARRIED if step % 3 == 0 and step > 9 else {}) == []
    assert bench.control.status(bench.now_s).guard == ""


@pytest.mark.parametrize("left", [(), (3600.0,)])
def test_phases_that_fall_silent_count_as_overload(left: tuple[float, ...]) -> None:
    bench = bench_of(replace(SITE, limit_w=40_000.0, phase_a=16.0))
    told = (3600.0, 1900.0, 0.0)
    assert bench.see(5500.0, phase_w=told, heater_1=2000.0) == []
    quiet = [bench.see(5500.0, phase_w=left, heater_1=2000.0) for _ in range(3)]
    assert quiet[:2] == [[], []]
    assert "heater-1 off sensor_lost" in quiet[2]
    assert bench.node("").phase_a == (None, None, None)
    assert bench.control.status(bench.now_s).guard == "phases_silent"


def test_a_meter_of_one_phase_leaves_the_rest_to_the_others() -> None:
    bench = bench_of(replace(SITE, limit_w=float("inf"), phase_a=16.0))
    assert bench.see(3000.0, phase_w=(1000.0,), heater_1=900.0) == []
    assert bench.node("").phase_a == pytest.approx((1000 / 230, 1000 / 230, 1000 / 230))
    assert bench.see(1000.0, phase_w=(1000.0,), heater_1=900.0) == []
    assert bench.node("").phase_a == (1000 / 230, 0.0, 0.0)


def test_words_of_many_silent_nodes_fit_the_wire() -> None:
    names = [f"flat-{'x' * 50}-{number}" for number in range(20)]
    bench = TreeBench(replace(site_of(KITCHEN), nodes=tuple(map(Node, names))))
    bench.see(100.0, node_w=dict.fromkeys(names, 1.0))
    for _ in range(3):
        bench.see(100.0)
    words = bench.control.status(bench.now_s).guard
    assert 400 < len(words) <= 500
    assert {word.removeprefix("node_silent:") for word in words.split()} < set(names)


def test_a_load_that_may_not_be_touched_still_counts_at_its_node() -> None:
    loads = (replace(HEATER_1, released=False), replace(HEATER_2, node="flat-1"))
    bench = bench_of(SITE, replace(FLAT_1, limit_w=3900.0), loads=loads)
    assert bench.see(5000.0, heater_1=2000.0, heater_2=2000.0) == ["heater-2 off over_limit"]


def test_server_limits_at_nodes_hold_too() -> None:
    bench = bench_of(SITE)
    bench.control.set_server_limits([replace(FLAT_1, name="own limit", limit_w=1000.0)])
    assert bench.see(3000.0, heater_1=2000.0) == ["heater-1 off over_limit"]


def test_energy_of_the_day_at_a_node_counts_over_a_restart() -> None:
    norm = Limit("norm", float("inf"), node="flat-1", energy_wh=100.0)
    bench = bench_of(SITE, norm)
    for _ in range(2):  # 33 Wh a minute
        bench.see(3000.0, heater_1=2000.0)
    assert bench.actuators.on == {}
    bench.restart()
    bench.tick()
    assert bench.see(3000.0, heater_1=2000.0) == ["heater-1 off over_limit"]
    assert bench.reports[-1].limit == "norm"


def test_a_node_that_is_not_there_is_refused_at_the_start() -> None:
    site = ControlledSite((HEATER_1,), (), (), site_of().timezone)
    with pytest.raises(InputError, match="'flat-1' is no node"):
        Bench(site)
