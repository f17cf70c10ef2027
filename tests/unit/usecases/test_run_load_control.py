"""Load control of a site as tables of steps: what comes in, what goes out."""

from dataclasses import replace

import msgspec
import pytest
from tests.unit.usecases.control_bench import (
    FRIDGE,
    HEATER,
    KITCHEN,
    STEP_S,
    T0,
    WASHER,
    Bench,
    site_of,
)

from balans.core.errors import InputError
from balans.core.words import CommandState, LimitSource, LoadClass
from balans.domain.demand.model import Limit, Load, Recover, Window
from balans.protocols.hub import LimitSetting, SiteStatus
from balans.protocols.module import ActuatorState, PowerSample, Query, Switch
from balans.usecases.run_load_control import (
    CONTROL,
    DEVICE,
    limits_of,
)


@pytest.fixture
def bench() -> Bench:
    bench = Bench(site_of(KITCHEN, HEATER, FRIDGE, WASHER))
    bench.tick()
    return bench


def test_a_shed_is_reported_sent_confirmed_and_undone_in_time(bench: Bench) -> None:
    assert bench.step(2500, heater=2000) == []
    assert bench.step(3500, heater=2000) == ["heater off over_limit"]
    shed = bench.switches[-1]
    assert (shed.author, shed.max_off_s) == (CONTROL, 900)
    assert shed.expires == bench.now_s + 120
    assert bench.story(shed.id) == ["sent", "confirmed"]
    sent = bench.reports[0]
    assert (sent.limit, sent.expected_w, sent.reason) == ("fuse", -2000, "over_limit")
    off_since = bench.now_s
    for _ in range(14):
        assert bench.step(2900) == []
    assert bench.step(2900) == ["heater on off_time_used_up"]
    assert bench.now_s - off_since == HEATER.max_off_s
    assert bench.story(bench.switches[-1].id) == ["sent", "confirmed"]


def test_every_decision_ends_with_the_status_of_its_sample(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    status = bench.statuses[-1]
    assert (status.seq, status.time, status.step_s) == (1, bench.now_s, STEP_S)
    assert (status.site_w, status.limit_w, status.limit) == (3500, 3000, "fuse")
    heater = next(load for load in status.loads if load.name == "heater")
    assert (heater.on, heater.ordered, heater.reason) == (True, False, "over_limit")
    answered = bench.load("heater")
    assert (answered.on, answered.ordered, answered.off_left_s) == (False, None, 900)
    assert answered.since == bench.now_s
    kitchen = status.loads[0]
    assert (kitchen.load_class, kitchen.on, kitchen.reason) == (LoadClass.RED, True, "")


def test_a_sample_told_twice_is_answered_twice_and_decided_once(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    sample = PowerSample(bench.seq, bench.now_s, STEP_S, 9000, {"heater": 2000})
    again = bench.control.sample(sample, bench.now_s)
    assert [type(output) for output in again] == [SiteStatus]
    assert len(bench.switches) == 1


@pytest.mark.parametrize("shift_s", [-60.0, -120.0, 3600.0, -3600.0])
def test_samples_that_are_old_or_of_another_time_are_dropped(bench: Bench, shift_s: float) -> None:
    bench.step(2000)
    sample = PowerSample(77, bench.now_s + shift_s, STEP_S, 9000, {"heater": 2000})
    assert bench.control.sample(sample, bench.now_s) == []
    assert bench.control.dropped_samples == 1


def test_a_clock_set_back_lengthens_no_timer(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    bench.now_s -= 3600
    bench.step(2900)
    assert bench.load("heater").off_left_s == HEATER.max_off_s


# --- what is unknown ---


def test_a_load_whose_state_is_unknown_is_never_shed() -> None:
    bench = Bench(site_of(KITCHEN, HEATER))
    bench.deaf = True
    assert bench.tick() == [Query(bench.now_s)]
    assert bench.tick(9) == []
    assert bench.tick(1) == [Query(bench.now_s)]
    assert bench.tick(19) == []
    assert bench.tick(1) == [Query(bench.now_s)]
    assert bench.step(9000, heater=2000) == []
    assert bench.load("heater").reason == "state_unknown"
    bench.deaf = False
    bench.answer_query()
    assert bench.step(9000, heater=2000) == ["heater off over_limit"]


def test_a_restart_in_the_middle_of_a_shed_goes_on_with_its_timer(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    off_since = bench.now_s
    for _ in range(5):
        bench.step(2900)
    bench.restart()
    bench.tick()
    assert bench.until_switched(2900) == ["heater on off_time_used_up"]
    assert bench.now_s - off_since == HEATER.max_off_s


def test_a_start_without_memory_believes_the_actuator_and_presumes_it_owes(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    bench.now_s += 300
    bench.start()
    bench.tick()
    state = bench.control.memory.states["heater"]
    assert not state.on
    assert state.since_s == T0 + STEP_S
    assert state.owed_wh == pytest.approx(HEATER.rated_w * 300 / 3600)
    assert bench.load("heater").off_left_s == 600


def test_a_switching_without_confirmation_is_repeated_then_failed_then_asked_about(
    bench: Bench,
) -> None:
    bench.deaf = True
    assert bench.step(3500, heater=2000) == ["heater off over_limit"]
    order = bench.switches[-1]
    bench.tick(10)
    assert bench.switches[-1] == order
    assert len(bench.switches) == 2
    assert bench.tick(5)[:1] == []
    outputs = bench.tick(105)
    assert bench.story(order.id) == ["sent", "failed no_confirmation"]
    assert any(isinstance(output, Switch | Query) for output in outputs)
    assert bench.load("heater").reason == "state_unknown"
    bench.deaf = False
    bench.tick(10)
    assert bench.load("heater").on


def test_a_switching_confirmed_after_a_restart_is_not_forgotten(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    order = bench.switches[-1]
    bench.actuators.obey(order, bench.now_s)
    bench.restart()
    bench.deaf = False
    bench.tick()
    assert bench.story(order.id) == ["sent", "confirmed"]


def test_a_refusal_fails_the_order_and_the_load_counts_as_the_actuator_says(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    order = bench.switches[-1]
    bench.tell(bench.actuators.state("heater", bench.now_s, "the contact does not move"))
    assert bench.story(order.id) == ["sent", "failed refused: the contact does not move"]
    assert bench.load("heater").on


def test_feedback_of_old_and_foreign_loads_changes_nothing(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    bench.tell(bench.actuators.state("heater", bench.now_s - 1))  # told before the order came
    assert (bench.load("heater").on, bench.load("heater").ordered) == (True, False)
    assert (
        bench.control.actuator(ActuatorState("sauna", on=True, since=T0, time=T0), bench.now_s)
        == []
    )


def test_a_load_brought_back_by_its_own_timer_is_taken_as_on(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    bench.now_s += 500
    bench.tell(ActuatorState("heater", on=True, since=bench.now_s, time=bench.now_s))
    assert bench.load("heater").on
    row = bench.reports[-1]
    assert (row.author, row.on, row.state) == (DEVICE, True, CommandState.CONFIRMED)
    assert (row.reason, row.time) == ("off_time_used_up", bench.now_s)


def test_a_second_order_for_a_load_supersedes_the_first(bench: Bench) -> None:
    bench.deaf = True
    bench.step(3500, heater=2000)
    first = bench.switches[-1]
    while bench.now_s - first.issued < HEATER.max_off_s:
        bench.now_s += STEP_S / 2
        bench.step(2900)
    orders = {switch.id: switch for switch in bench.switches}
    last = list(orders.values())[-1]
    assert last.on
    assert bench.story(first.id)[-1].startswith("failed")


# --- the sensor ---


def test_a_silent_sensor_counts_as_overload_within_the_rules(bench: Bench) -> None:
    bench.step(1000, heater=800, fridge=150)
    assert bench.tick(179) == []
    bench.tick(1)
    assert {(s.load, s.on, s.reason) for s in bench.switches} == {
        ("heater", False, "sensor_lost"),
        ("fridge", False, "sensor_lost"),
        ("washer", False, "sensor_lost"),
    }
    status = bench.statuses[-1]
    assert (status.sensor_ok, status.site_w, status.seq) == (False, None, 1)
    off_s = blind_off_times(bench, 120)
    assert off_s["heater"] <= HEATER.max_off_s
    assert off_s["fridge"] <= FRIDGE.max_off_s
    assert bench.step(1000, heater=0) is not None
    assert bench.statuses[-1].sensor_ok


def blind_off_times(bench: Bench, minutes: int) -> dict[str, float]:
    """Let time pass without samples; return the longest off time of each load."""
    longest: dict[str, float] = {}
    for _ in range(minutes * 6):
        bench.tick(10)
        for load, on in bench.actuators.on.items():
            if not on:
                off_s = bench.now_s - bench.actuators.since[load]
                longest[load] = max(longest.get(load, 0.0), off_s)
    return longest


def test_a_jump_of_the_clock_alone_is_no_lost_sensor(bench: Bench) -> None:
    bench.step(1000, heater=800)
    bench.now_s += 7200
    assert bench.do(bench.control.tick(bench.now_s, sensor_silent=False)) == []


def test_yellow_comes_back_between_two_samples(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    for _ in range(14):
        bench.step(2900)
    bench.actuators.limit_s["heater"] += 1000  # its own timer fails
    bench.now_s += 59
    bench.do(bench.control.tick(bench.now_s, sensor_silent=False))
    assert not bench.actuators.on.get("heater")
    bench.now_s += 1
    bench.do(bench.control.tick(bench.now_s, sensor_silent=False))
    assert bench.actuators.on["heater"]
    assert bench.switches[-1].reason == "off_time_used_up"


# --- timers in the actuators ---


@pytest.mark.parametrize(
    ("load", "timer_s"),
    [
        (HEATER, 900),
        (WASHER, 7 * 3600 - STEP_S),
        (replace(WASHER, deadline_s=20 * 3600), 12 * 3600),
        (replace(WASHER, deadline_s=None), 12 * 3600),
        (replace(WASHER, deadline_s=0), 12 * 3600),
        (replace(WASHER, deadline_s=60), 12 * 3600),
    ],
)
def test_every_shed_carries_a_timer_for_the_actuator(load: Load, timer_s: float) -> None:
    bench = Bench(site_of(load))
    bench.tick()
    bench.step(3500, **{load.name: 1000})
    assert [(s.on, s.max_off_s) for s in bench.switches] == [(False, timer_s)]


# --- operators ---


def test_an_operator_switches_a_load_off_within_its_timer(bench: Bench) -> None:
    bench.step(1000, heater=800)
    bench.command("heater", on=False)
    assert bench.story("op1") == ["sent", "confirmed"]
    switch = bench.switches[-1]
    assert (switch.id, switch.author, switch.reason) == ("op1", "anna", "away")
    assert switch.max_off_s == HEATER.max_off_s
    assert bench.load("heater").reason == "operator"
    off_since = bench.now_s
    assert bench.until_switched(200) == ["heater on off_time_used_up"]
    assert bench.now_s - off_since == HEATER.max_off_s
    assert bench.step(1000, heater=800) == []


def test_an_operator_switches_a_green_load_off_and_on_again(bench: Bench) -> None:
    bench.step(1000, washer=800)
    bench.command("washer", on=False)
    assert [bench.step(200, washer=0) for _ in range(30)] == [[]] * 30
    bench.command("washer", on=True, id_="op2")
    assert bench.story("op2") == ["sent", "confirmed"]
    assert bench.actuators.on["washer"]


@pytest.mark.parametrize(
    ("name", "lasts_s", "story"),
    [
        ("kitchen", 300.0, ["failed red_load"]),
        ("sauna", 300.0, ["failed unknown_load"]),
        ("heater", 0.0, ["expired arrived_expired"]),
        ("heater", -5.0, ["expired arrived_expired"]),
    ],
)
def test_commands_that_cannot_be_obeyed_are_refused(
    bench: Bench, name: str, lasts_s: float, story: list[str]
) -> None:
    bench.step(1000)
    bench.command(name, on=False, lasts_s=lasts_s)
    assert bench.story("op1") == story
    assert bench.switches == []


def test_a_command_that_comes_twice_is_obeyed_once(bench: Bench) -> None:
    bench.step(1000, washer=800)
    bench.command("washer", on=False)
    bench.command("washer", on=True, id_="op2")
    bench.command("washer", on=False)
    bench.restart()
    bench.command("washer", on=False)
    assert bench.actuators.on["washer"]
    assert bench.story("op1") == ["sent", "confirmed"]


def test_a_command_for_what_is_so_already_is_confirmed_without_switching(bench: Bench) -> None:
    bench.step(1000)
    bench.command("heater", on=True)
    assert bench.story("op1") == ["confirmed already_so"]
    assert bench.switches == []


def test_off_waits_for_the_minimum_on_time(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    assert bench.until_switched(2900) == ["heater on off_time_used_up"]
    bench.command("heater", on=False, lasts_s=1000)
    assert bench.story("op1") == ["queued min_on_time"]
    back_since = bench.now_s
    bench.tick(HEATER.min_on_s - 1)
    assert bench.actuators.on.get("heater")
    bench.tick(1)
    assert not bench.actuators.on["heater"]
    assert bench.now_s - back_since == HEATER.min_on_s
    assert bench.story("op1") == ["queued min_on_time", "sent", "confirmed"]


def test_on_waits_for_headroom_and_expires_without(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    bench.command("heater", on=True, lasts_s=130)
    assert bench.story("op1") == ["queued no_headroom"]
    bench.step(2900)
    bench.step(2900)
    bench.tick(10)
    assert bench.story("op1") == ["queued no_headroom", "expired no_headroom"]
    bench.command("heater", on=True, id_="op2")
    bench.step(500, heater=0)
    assert bench.story("op2") == ["queued no_headroom", "sent", "confirmed"]


def test_several_commands_share_the_headroom() -> None:
    heaters = [replace(HEATER, name=f"heater{n}") for n in range(4)]
    bench = Bench(site_of(*heaters, limits=[Limit("fuse", 5000.0)]))
    bench.tick()
    for load in heaters:
        bench.command(load.name, on=False, id_=f"off-{load.name}")
    bench.step(500)
    for load in heaters:
        bench.command(load.name, on=True, id_=f"on-{load.name}")
    assert sum(bench.actuators.on[load.name] for load in heaters) == 2
    assert bench.story("on-heater2") == ["queued no_headroom"]


def test_a_newer_command_ends_the_one_that_waits(bench: Bench) -> None:
    bench.step(3500, heater=2000)
    bench.until_switched(2900)
    bench.command("heater", on=False, lasts_s=1000)
    bench.command("fridge", on=False, id_="op2", lasts_s=1000)
    bench.command("heater", on=True, id_="op3")
    assert bench.story("op1") == ["queued min_on_time", "failed superseded"]
    assert bench.story("op3") == ["confirmed already_so"]
    before = len(bench.switches)
    bench.now_s += HEATER.min_on_s
    bench.do(bench.control.tick(bench.now_s, sensor_silent=False))
    assert "heater" not in {switch.load for switch in bench.switches[before:]}
    assert bench.story("op2") == ["sent", "confirmed"]


@pytest.mark.parametrize(
    ("deadline_s", "left_s"), [(None, 12 * 3600), (7 * 3600, 7 * 3600 - 60), (0, 12 * 3600)]
)
def test_green_shows_when_it_must_be_back(deadline_s: int | None, left_s: float) -> None:
    bench = Bench(site_of(replace(WASHER, deadline_s=deadline_s)))
    bench.tick()
    bench.step(3500, washer=800)
    assert bench.load("washer").off_left_s == left_s
    bench.step(3500)
    assert bench.load("washer").off_left_s == left_s - STEP_S


def test_commands_wait_until_the_state_is_known() -> None:
    bench = Bench(site_of(HEATER))
    bench.deaf = True
    bench.tick()
    bench.command("heater", on=False)
    assert bench.story("op1") == ["queued state_unknown"]
    bench.deaf = False
    bench.tick(10)
    assert bench.story("op1") == ["queued state_unknown", "sent", "confirmed"]


# --- limits of the server ---


def test_the_strictest_of_own_and_server_limits_wins(bench: Bench) -> None:
    bench.step(1500, heater=800)
    bench.control.set_server_limits([Limit("fuse", 1000.0), Limit("wide", 9000.0)])
    assert bench.step(1500, heater=800) == ["heater off over_limit"]
    assert bench.statuses[-1].limit == "fuse (server)"
    assert bench.reports[-1].limit == "fuse (server)"
    bench.control.set_server_limits([])
    bench.step(1500)
    assert (bench.statuses[-1].limit, bench.statuses[-1].limit_w) == ("fuse", 3000)


def test_a_limit_of_zero_watts_means_zero() -> None:
    lamp = Load("lamp", LoadClass.YELLOW, 100, min_on_s=60, recover=Recover.LOSE)
    bench = Bench(site_of(lamp, limits=[]))
    bench.tick()
    bench.step(100, lamp=100)
    assert bench.statuses[-1].limit_w is None
    bench.control.set_server_limits(limits_of([LimitSetting("cap", LimitSource.OPERATOR, 0.0)]))
    assert bench.step(100, lamp=100) == ["lamp off over_limit"]
    assert bench.statuses[-1].limit_w == 0.0


def test_settings_become_limits() -> None:
    setting = LimitSetting("evening", LimitSource.CUSTOMER, 2500.0, 900, "day", "17:00", "21:30")
    expected = Limit("evening", 2500.0, LimitSource.CUSTOMER, 900, "day", Window(17 * 3600, 77_400))
    assert limits_of([setting]) == (expected,)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"limit_w": -1.0}, "limit 'x': limit_w -1 is negative"),
        ({"from_time": "25:00", "to_time": "07:00"}, "limit 'x': from_time: '25:00' is no time"),
        ({"from_time": "07:00"}, "limit 'x': to_time: None is no time"),
        ({"from_time": "07:00", "to_time": "soon"}, "limit 'x': to_time: 'soon'"),
    ],
)
def test_settings_that_make_no_sense_are_named(changes: dict[str, object], says: str) -> None:
    setting = LimitSetting("x", LimitSource.OPERATOR, 1.0)
    with pytest.raises(InputError, match=says):
        limits_of([msgspec.structs.replace(setting, **changes)])
