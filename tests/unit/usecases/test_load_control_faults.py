"""Load control when actuators, gateways and clocks do what they should not."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_state
from tests.unit.usecases.control_bench import (
    FRIDGE,
    HEATER,
    KITCHEN,
    T0,
    WASHER,
    Bench,
    site_of,
)

from balans.core.words import LoadClass
from balans.domain.demand.model import Limit, Load
from balans.protocols.hub import CommandReport
from balans.protocols.module import ActuatorState, Switch
from balans.usecases.run_load_control import (
    CONTROL,
    DEVICE,
    Order,
)
from balans.usecases.run_load_control.commands import Commands


@pytest.fixture
def bench() -> Bench:
    bench = Bench(site_of(KITCHEN, HEATER, FRIDGE, WASHER))
    bench.tick()
    return bench


def test_a_red_load_is_never_switched_whatever_its_actuator_tells() -> None:
    bench = Bench(site_of(KITCHEN))
    bench.tick()
    for told_on in (False, True, False):
        bench.tell(ActuatorState("kitchen", told_on, bench.now_s, bench.now_s))
        for _ in range(30):
            assert bench.step(100) == []
    assert bench.load("kitchen").on
    assert bench.reports == []


def test_nothing_of_a_load_that_became_red_or_went_away_is_carried_out(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    bench.step(3900, fridge=200, washer=800)
    bench.command("fridge", on=False)
    bench.command("washer", on=False, id_="op2")
    sent = {switch.load: switch.id for switch in bench.switches}
    bench.site = site_of(replace(HEATER, load_class=LoadClass.RED), FRIDGE)
    bench.deaf = False
    before = len(bench.switches)
    bench.restart()
    for _ in range(30):
        bench.tick(1)
    assert {s.load for s in bench.switches[before:]} <= {"fridge"}
    assert bench.story(sent["heater"])[-1] == "failed red_load"
    assert bench.story("op2")[-1] == "failed unknown_load"
    assert bench.load("heater").on


def test_the_last_barrier_sends_nothing_to_red() -> None:
    order = Order("id1", "oven", False, CONTROL, "x", T0, T0 + 60)  # noqa: FBT003
    commands = Commands(sent={"oven": order}, sent_s={"oven": T0 - 60}, red={"oven"})
    assert commands.repeat(T0) == []
    assert [type(out) for out in Commands(red={"oven"}).send(order, T0)] == [CommandReport]


@pytest.mark.parametrize("load", [HEATER, replace(WASHER, deadline_s=None)])
def test_a_protected_load_is_never_switched_and_told_where_it_is_off(load: Load) -> None:
    own = replace(load, name="own", protected=True)
    bench = Bench(site_of(own, KITCHEN))
    bench.tick()
    for _ in range(10):
        bench.step(4500.0, own=2000.0)
    for on in (False, True):
        bench.command("own", on=on, id_=f"op-{on}")
        assert bench.story(f"op-{on}") == ["failed protected_load"]
    assert bench.control.status(bench.now_s).guard == ""
    bench.actuators.on["own"], bench.actuators.since["own"] = False, bench.now_s
    bench.tell(replace_state(bench.actuators.state("own", bench.now_s), command=""))
    assert bench.reports[-1].author == DEVICE
    bench.actuators.limit_s["own"] = float("inf")
    bench.step(1000.0)
    bench.restart()
    bench.tick()
    for _ in range(20):
        bench.step(1000.0)
    assert bench.switches == []
    assert not bench.load("own").on
    assert bench.control.status(bench.now_s).guard == "protected_off:own"


def test_the_last_barrier_sends_nothing_to_a_protected_load() -> None:
    order = Order("id1", "own", False, CONTROL, "x", T0, T0 + 60)  # noqa: FBT003
    commands = Commands(sent={"own": order}, sent_s={"own": T0 - 60}, protected={"own"})
    assert commands.repeat(T0) == []
    (report,) = Commands(protected={"own"}).send(order, T0)
    assert isinstance(report, CommandReport)
    assert report.detail == "protected_load"


def test_an_order_whose_time_is_over_is_not_handed_out_again(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    order = bench.switches[-1]
    bench.now_s = order.expires + 1
    bench.restart()
    bench.tick()
    bench.tick(10)
    assert bench.switches == [order]
    assert bench.story(order.id) == ["sent", "failed no_confirmation"]


def test_a_load_that_does_not_obey_is_left_alone_and_another_takes_its_turn() -> None:
    boiler = replace(HEATER, name="boiler", rated_w=3000.0)
    bench = Bench(site_of(boiler, HEATER, limits=[Limit("fuse", 4000.0)]))
    bench.tick()
    bench.actuators.welded.add("boiler")
    over, tries = 0, 0
    for _ in range(600):
        heater_w = 2000.0 if bench.actuators.on.get("heater", True) else 0.0
        over += heater_w > 0
        tries += "boiler off over_limit" in bench.step(
            3000 + heater_w, boiler=3000, heater=heater_w
        )
    assert tries <= 7  # after 5, 10, 20, ... minutes
    assert over <= 600 / 4 + tries  # 15 minutes off, then 5 on, is the most that yellow may
    assert not [report for report in bench.reports if report.author == DEVICE]
    assert {r.state for r in bench.reports if r.load == "boiler"} == {"sent", "failed"}


def test_a_load_that_does_not_obey_shows_and_is_forgiven(bench: Bench) -> None:
    bench.actuators.welded.add("heater")
    bench.step(3500, heater=2000)
    assert (bench.load("heater").on, bench.load("heater").reason) == (True, "not_obeying")
    assert bench.step(3500, heater=2000) == []
    bench.restart()
    bench.tick()
    assert bench.load("heater").reason == "not_obeying"
    bench.actuators.welded.clear()
    for _ in range(3):
        assert bench.step(3500, heater=2000) == []
    assert bench.step(3500, heater=2000) == ["heater off over_limit"]
    assert bench.load("heater").reason == "over_limit"
    assert bench.control.memory.faults == {}


def test_a_contact_that_stays_open_is_asked_again_and_again_but_no_flood(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    bench.actuators.welded.add("heater")
    bench.actuators.limit_s["heater"] = float("inf")
    tries = 0
    for _ in range(2 * 3600):
        tries += sum(isinstance(o, Switch) and o.load == "heater" for o in bench.tick(1))
    assert 5 <= tries <= 15


def test_a_timer_that_acts_while_the_gateway_is_down_has_its_row(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    back_s = bench.now_s + 901
    bench.now_s += 2000
    bench.actuators.timers(back_s)
    bench.restart()
    bench.tick()
    rows = [report for report in bench.reports if report.author == DEVICE]
    assert [(row.load, row.on, row.time) for row in rows] == [("heater", True, back_s)]
    bench.restart()
    bench.tick()
    assert len([report for report in bench.reports if report.author == DEVICE]) == 1


def test_a_timer_that_acts_while_an_order_is_on_its_way_has_its_row(bench: Bench) -> None:
    bench.step(1000, washer=800)
    bench.command("washer", on=False)
    bench.step(200)
    bench.deaf = True
    bench.command("washer", on=True, id_="op2")
    bench.now_s += 1
    for _ in range(2):
        bench.tell(ActuatorState("washer", on=True, since=bench.now_s, time=bench.now_s))
    rows = [report for report in bench.reports if report.author == DEVICE]
    assert [(row.load, row.on) for row in rows] == [("washer", True)]
    bench.tell(ActuatorState("washer", True, bench.now_s, bench.now_s, "op2"))  # noqa: FBT003
    assert bench.story("op2") == ["sent", "confirmed"]


def test_a_contact_that_went_and_came_back_unseen_has_a_row(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    bench.actuators.obey(bench.switches[-1], bench.now_s)
    back_s = bench.now_s + 901
    bench.actuators.timers(back_s)
    bench.now_s += 2000
    bench.restart()
    bench.deaf = False
    bench.tick()
    bench.tick(10)
    rows = [report for report in bench.reports if report.author == DEVICE]
    assert [(row.load, row.on, row.time) for row in rows] == [("heater", True, back_s)]


def test_orders_on_their_way_follow_a_clock_set_back(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    order = bench.switches[-1]
    bench.now_s -= 3600
    for _ in range(13):
        bench.tick(10)
    assert bench.story(order.id) == ["sent", "failed no_confirmation"]
    assert len([s for s in bench.switches if s.load == "heater"]) > 1


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_set_back_lengthens_no_timer_without_a_sensor(
    bench: Bench, *, restarts: bool
) -> None:
    bench.step(3500, heater=2000)
    bench.tick(100)
    bench.actuators.limit_s["heater"] = float("inf")  # only the controller's timer is left
    bench.now_s -= 3600
    if restarts:
        bench.restart()
    bench.answer_query()
    seconds = 0
    while not bench.actuators.on["heater"] and seconds < 5000:
        bench.tick(1)
        seconds += 1
    assert seconds <= HEATER.max_off_s - 100


def test_loads_help_again_as_soon_as_the_bus_is_back(bench: Bench) -> None:
    """Silence of the bus is no fault of the actuators."""
    bench.deaf = True
    bench.step(3500, heater=2000)
    while "failed no_confirmation" not in bench.story(bench.switches[0].id):
        bench.tick(1)
    bench.deaf = False
    bench.answer_query()
    assert bench.step(3500, heater=2000) == ["heater off over_limit"]
    assert not bench.load("heater").on


def test_an_old_time_told_again_after_the_clock_was_set_back_prolongs_nothing(
    bench: Bench,
) -> None:
    bench.step(3500, heater=2000)
    begun_s = bench.now_s
    for _ in range(600):
        bench.tick(1)
    bench.now_s -= 450
    bench.do(bench.control.tick(bench.now_s))
    told = ActuatorState("heater", on=False, since=begun_s, time=bench.now_s, command="")
    bench.tell(told)
    passed_s = 600
    bench.actuators.limit_s["heater"] = float("inf")
    while not any(switch.on for switch in bench.switches) and passed_s < 2000:
        bench.tick(1)
        passed_s += 1
    assert passed_s <= 900
