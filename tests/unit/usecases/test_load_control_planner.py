"""The planner beside the reflex: what it is asked, what becomes of its plan, and without one."""

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from tests.unit.usecases.control_bench import HEATER, KITCHEN, STEP_S, T0, Bench, site_of

from balans.core.words import LoadClass
from balans.domain.demand.devices import Battery, Thermostat, Vehicle
from balans.domain.demand.model import DAY_S, Load, LoadKind, Window, Zone
from balans.domain.demand.plan import Plan, PlannedLoad, PlanState
from balans.domain.demand.plan.settings import PlannerSettings
from balans.protocols import hub
from balans.protocols.module import DeviceState, PowerSample
from balans.usecases.plan_site import plan_site
from balans.usecases.run_load_control import ControlledSite, LoadControl, NoPlan, Past, PlanRequest

WASHER = Load("washer", LoadClass.GREEN, 1000.0, min_on_s=0)
BATTERY = Battery(5000.0, 2000.0, 2000.0, min_soc_wh=500.0)
EV = Vehicle(0.0, 0.0, 0.0, phases=(1,))
NIGHT = (
    Zone("night", Decimal("0.1"), Window(23 * 3600, 7 * 3600)),
    Zone("day", Decimal("0.4")),
)
SETTINGS = PlannerSettings(horizon_h=24.0, scenarios=2)


def planned_site(*loads: Load) -> ControlledSite:
    site = site_of(*(loads or (HEATER, WASHER, KITCHEN)))
    return replace(site, zones=NIGHT, planner=SETTINGS)


def day_of(bench: Bench, site: ControlledSite, washer_w: float = 500.0) -> None:
    """Let a day pass in quarters of an hour, quietly."""
    for _ in range(96):
        bench.now_s += 900.0
        bench.seq += 1
        load_w = {load.name: 0.0 for load in site.loads} | {"washer": washer_w}
        sample = PowerSample(bench.seq, bench.now_s, 900.0, 800.0 + washer_w, load_w)
        bench.do(bench.control.sample(sample, bench.now_s))


@pytest.fixture
def bench() -> Bench:
    site = planned_site()
    found = Bench(site)
    found.tick()
    day_of(found, site)
    return found


def plan_of(bench: Bench, washer_w: float = 0.0, **changes: object) -> Plan:
    start_s = bench.now_s - bench.now_s % 900.0
    values: dict[str, object] = {
        "made_s": bench.now_s, "start_s": start_s, "slot_s": 900.0, "state": PlanState.OPTIMAL,
        "price": (0.4,) * 96, "expected_w": (800.0,) * 96, "limit_w": (3000.0,) * 96,
        "loads": (PlannedLoad("washer", (washer_w,) * 96, (500.0,) * 96, start_s + 36_000.0),),
    }  # fmt: skip
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def request_of(bench: Bench) -> PlanRequest:
    request = bench.control.plan_request(bench.now_s)
    assert request is not None
    return request


def test_without_a_table_planner_nothing_is_asked_and_nothing_is_missed() -> None:
    bench = Bench(site_of(HEATER))
    bench.tick()
    bench.step(1000.0)
    assert bench.control.plan_request(bench.now_s) is None
    status = bench.control.status(bench.now_s)
    assert (status.plan_state, status.guard) == ("", "")
    assert bench.control.past is None


def test_before_a_day_was_seen_there_is_no_plan_and_no_alarm() -> None:
    bench = Bench(planned_site())
    bench.tick()
    bench.step(1000.0)
    assert bench.control.plan_request(bench.now_s) is None
    status = bench.control.status(bench.now_s)
    assert (status.plan_state, status.guard) == ("none", "")


def test_what_the_planner_is_asked(bench: Bench) -> None:
    bench.step(1600.0, washer=600.0, heater=200.0)
    request = request_of(bench)
    history = request.history
    assert len(history.rest_w) == 96
    assert history.end_s <= bench.now_s < history.end_s + 900.0
    assert history.rest_w.tolist() == pytest.approx([800.0] * 96)
    assert history.bought_w.tolist() == pytest.approx([1300.0] * 96)
    assert history.now_w == pytest.approx(1000.0)
    assert list(request.devices) == ["washer"]
    assert isinstance(request.devices["washer"], Thermostat)
    assert history.demand_w["washer"].tolist() == pytest.approx([500.0] * 96)
    assert {limit.name for limit in request.site.limits} == {"fuse"}


def test_limits_of_server_and_consumer_are_planned_for(bench: Bench) -> None:
    from balans.core.words import LimitSource
    from balans.usecases.run_load_control import OwnSettings

    bench.control.set_server_limits([replace(bench.site.limits[0], name="cap", limit_w=2500.0)])
    bench.control.set_own(OwnSettings((hub.LimitSetting("own", LimitSource.CUSTOMER, 2000.0),)))
    assert {limit.name for limit in request_of(bench).site.limits} == {"fuse", "cap", "own"}


def test_a_plan_moves_the_washer_into_the_night_and_the_reflex_follows(bench: Bench) -> None:
    """The real planner: green energy waits for the cheap hours."""
    bench.now_s = T0 + DAY_S + 17 * 3600.0
    bench.seq += 1
    for _ in range(2):
        bench.step(1400.0, washer=600.0)
    request = request_of(bench)
    plan = plan_site(
        request.site, request.settings, request.devices, request.history, request.now_s
    )
    report = bench.control.take_plan(plan)
    assert report is not None
    assert hub.decode(hub.encode(report)) == report
    (washer,) = report.loads
    assert report.state == "optimal"
    assert report.cost is not None
    assert report.cost_unplanned is not None
    assert report.cost < report.cost_unplanned
    assert washer.deferred_to is not None
    assert bench.step(1400.0, washer=600.0) == ["washer off plan"]
    assert bench.load("washer").reason == "plan"
    assert bench.control.status(bench.now_s).plan_state == "optimal"


def test_proposals_of_an_old_plan_expire_and_what_was_held_comes_back(bench: Bench) -> None:
    bench.control.take_plan(plan_of(bench))
    assert bench.step(1300.0, washer=500.0) == ["washer off plan"]
    words: list[str] = []
    for _ in range(60):
        words += bench.step(800.0)
    assert [word.split()[:2] for word in words] == [["washer", "on"]]
    status = bench.control.status(bench.now_s)
    assert (status.plan_state, status.guard) == ("none", "planner_lost")


@pytest.mark.parametrize("why", [NoPlan.FAILED, NoPlan.LATE])
def test_without_the_planner_the_reflex_keeps_the_limit(bench: Bench, why: NoPlan) -> None:
    bench.control.take_plan(plan_of(bench, washer_w=500.0))
    assert bench.control.plan_failed(why, bench.now_s) is None  # the old plan still holds
    assert "planner_lost" not in bench.control.status(bench.now_s).guard
    for _ in range(11):
        bench.step(1300.0, washer=500.0)
    report = bench.control.plan_failed(why, bench.now_s)
    assert report is not None
    assert (report.state, report.reason) == ("none", why)
    assert bench.step(4500.0, washer=500.0, heater=2000.0) == [
        "washer off over_limit",
        "heater off over_limit",
    ]
    assert bench.control.status(bench.now_s).guard == "planner_lost"


def test_a_plan_of_none_is_an_alarm(bench: Bench) -> None:
    bench.control.take_plan(plan_of(bench, state=PlanState.NONE, reason="no plan found in time"))
    bench.step(1000.0)
    assert bench.control.status(bench.now_s).guard == "planner_lost"


def test_the_planner_never_touches_yellow_red_or_what_is_not_released(bench: Bench) -> None:
    loads = tuple(
        PlannedLoad(name, (0.0,) * 96, (500.0,) * 96) for name in ("heater", "kitchen", "washer")
    )
    bench.control.set_consents([hub.ConsentSetting("washer", released=False)])
    bench.control.take_plan(plan_of(bench, loads=loads))
    for _ in range(5):
        assert bench.step(2500.0, heater=1000.0, kitchen=500.0, washer=500.0) == []


def test_batteries_and_vehicles_are_planned_when_they_tell_of_themselves() -> None:
    battery = BATTERY.load("battery", LoadClass.GREEN)
    ev = EV.load("ev", LoadClass.GREEN)
    site = replace(planned_site(WASHER, battery, ev), devices={"battery": BATTERY, "ev": EV})
    bench = Bench(site)
    bench.tick()
    day_of(bench, site)
    assert battery.kind is LoadKind.MODULATING
    bench.step(1000.0, washer=200.0)
    assert set(request_of(bench).devices) == {"washer"}
    leaves_s = bench.now_s + 7200.0
    bench.control.device(DeviceState("battery", bench.now_s, soc_wh=9000.0))
    bench.control.device(DeviceState("ev", bench.now_s, energy_wh=6000.0, until=leaves_s))
    bench.control.device(DeviceState("toaster", bench.now_s, soc_wh=1.0))
    found = request_of(bench).devices
    assert found["battery"] == replace(BATTERY, soc_wh=5000.0)
    assert found["ev"] == replace(EV, arrival_s=bench.now_s, departure_s=leaves_s, energy_wh=6000.0)
    bench.control.device(DeviceState("ev", bench.now_s, energy_wh=0.0))
    assert "ev" not in request_of(bench).devices
    bench.now_s += 3600.0
    bench.step(1000.0, washer=200.0)
    assert set(request_of(bench).devices) == {"washer"}  # what they told is too old


def test_the_past_outlives_a_restart_and_is_dropped_when_the_site_is_another(bench: Bench) -> None:
    past = bench.control.past
    assert past is not None
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(past), type=Past)
    again = LoadControl(bench.site, str, bench.now_s, None, kept)
    assert again.past == past
    other = LoadControl(planned_site(WASHER, HEATER), str, bench.now_s, None, kept)
    assert other.past == past
    more = replace(WASHER, name="dryer")
    changed = LoadControl(planned_site(WASHER, more), str, bench.now_s, None, kept)
    assert changed.past is not None
    assert changed.past.rows == []


def test_slots_with_gaps_are_not_known() -> None:
    past = Past(900.0, ("a",))
    for minute in range(1, 16):
        past.see(60.0 * minute, 60.0, 1000.0, {"a": 100.0}, {})
    for minute in range(16, 20):  # four minutes of the second slot
        past.see(60.0 * minute, 60.0, 1000.0, {}, {})
    for minute in range(31, 46):
        past.see(60.0 * minute, 60.0, 500.0, {"a": 0.0}, {"a": 300.0})
    past.close(2700.0)
    assert past.first_s == 0.0
    assert past.site_w().tolist() == pytest.approx([1000.0, float("nan"), 500.0], nan_ok=True)
    assert past.drawn_w(["a"]).tolist() == pytest.approx([100.0, float("nan"), 0.0], nan_ok=True)
    assert past.wanted_w("a").tolist() == pytest.approx([100.0, float("nan"), 300.0], nan_ok=True)
    assert past.bought_wh(1800.0) == pytest.approx(125.0)
    assert past.bought_wh(2700.0) == 0.0


def test_after_a_very_long_absence_the_past_begins_anew() -> None:
    past = Past(900.0, ())
    past.see(60.0, 60.0, 1000.0, {}, {})
    past.see(60.0 + 100 * DAY_S, 60.0, 1000.0, {}, {})
    assert past.rows == []
    assert past.end_s == 100 * DAY_S
    past.close(100 * DAY_S + 900.0)
    assert len(past.rows) == 1


def test_a_step_of_the_replay_is_one_of_the_past() -> None:
    bench = Bench(planned_site())
    bench.tick()
    bench.step(1000.0, washer=100.0)
    past = bench.control.past
    assert past is not None
    past.close(T0 + 900.0)
    assert past.first_s == T0
    assert STEP_S == 60.0


def test_a_green_load_waits_until_its_deadline_or_for_eight_hours() -> None:
    due = replace(WASHER, name="dryer", deadline_s=7 * 3600)
    site = planned_site(WASHER, due, KITCHEN)
    bench = Bench(site)
    bench.tick()
    day_of(bench, site)
    bench.step(1600.0, washer=600.0, dryer=300.0)
    now_s = bench.now_s
    washer, dryer = (request_of(bench).devices[name] for name in ("washer", "dryer"))
    assert isinstance(washer, Thermostat)
    assert isinstance(dryer, Thermostat)
    assert (washer.delay_s, washer.due_s) == (8 * 3600.0, ())
    assert washer.owed_until_s == now_s + 8 * 3600.0
    first_s = T0 + DAY_S + 7 * 3600.0
    assert now_s < first_s
    assert dryer.due_s == pytest.approx((first_s, first_s + DAY_S))


def test_what_is_owed_keeps_its_time_from_one_plan_to_the_next(bench: Bench) -> None:
    """Else each new plan would put it off by another eight hours."""
    started_s = bench.now_s
    bench.control.take_plan(plan_of(bench))
    assert bench.step(1300.0, washer=500.0) == ["washer off plan"]
    for _ in range(4 * 60):
        bench.control.take_plan(plan_of(bench))  # a plan in which the washer waits
        bench.step(800.0)
    washer = request_of(bench).devices["washer"]
    assert isinstance(washer, Thermostat)
    assert washer.level_wh == pytest.approx(-4 * 500.0, rel=0.05)
    assert washer.owed_until_s == pytest.approx(started_s + 8 * 3600.0, abs=2 * 900.0)
