"""Calls of the operator at a site: when they hold, what they do, what is told of them."""

import pytest
from tests.unit.usecases.called_house import (
    GROUP,
    LOADS,
    SITE,
    START,
    House,
    Server,
    call,
    ready,
    step,
)

from balans.core.words import CallState, StepKind
from balans.domain.response.spread import release_delay_s, start_delay_s
from balans.protocols import hub
from balans.protocols.hub import ConsentSetting

HEARD, ACTIVE, DONE = CallState.HEARD, CallState.ACTIVE, CallState.DONE
FAILED, RELEASED, REFUSED = CallState.FAILED, CallState.RELEASED, CallState.REFUSED


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def house(server: Server) -> House:
    return ready(server)


def test_a_call_holds_from_its_start_to_its_end(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, value=3100.0))))
    house.run(-10, server)
    assert not house.off
    house.run(20, server)
    assert house.off == {"car"}
    assert house.power_w <= 3100
    assert house.bound == "event e1"
    assert house.states() == [HEARD, ACTIVE, DONE]
    house.run(1000, server)
    assert house.states() == [HEARD, ACTIVE, DONE, RELEASED]
    assert house.bound == "contract"
    house.run(2000, server)
    assert not house.off


def test_reports_tell_power_and_loads(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, value=3100.0))))
    house.run(30, server)
    done = house.reports[-1]
    assert (done.event, done.epoch, done.site, done.node) == ("e1", 10, SITE, "")
    assert done.loads == ("fridge", "boiler", "car")
    assert (done.held_loads, done.failed_loads) == (("car",), ())
    assert (done.before_w, done.now_w, done.expected_w) == (6000.0, 3000.0, 2900.0)
    assert done.time == pytest.approx(START + 20)


def test_what_begins_now_is_obeyed_before_the_next_sample(house: House, server: Server) -> None:
    house.run(5, server)
    house.hear(server.call(call(step(0, 900, value=3100.0))))
    assert house.off == {"car"}
    before = house.contacts["car"].switched
    house.hear(server.call(call(step(0, 900, value=2900.0), epoch=11)))
    assert len(house.off) == 2, "one more suffices, though nothing was measured since"
    assert house.contacts["car"].switched == before


def test_a_call_for_a_node_binds_that_node_alone(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 300, value=500.0), node="flat")))
    house.run(30, server)
    assert house.off == {"boiler"}
    flat = next(n for n in house.control.status(house.now_s).nodes if n.name == "flat")
    assert (flat.allowed_w, flat.limit) == (500.0, "event e1")
    assert house.states(node="flat") == [HEARD, ACTIVE, DONE]


def test_reduce_counts_from_the_quarter_of_an_hour_before(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, StepKind.REDUCE, 2500.0))))
    house.run(60, server)
    assert house.power_w == 3000
    assert house.bound == "event e1"
    assert house.control.status(house.now_s).limit_w == pytest.approx(3500.0)


def test_eco_is_a_share_of_what_can_be_held_back(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, StepKind.ECO, 2))))
    house.run(60, server)
    limit_w = house.control.status(house.now_s).limit_w
    assert limit_w == pytest.approx(6000 - 0.5 * (400 + 2000 + 3000))


def test_a_reduction_is_not_counted_twice_after_a_restart(house: House, server: Server) -> None:
    sent = server.call(call(step(0, 900, StepKind.REDUCE, 2500.0)))
    house.hear(sent)
    house.run(60, server)
    house.restart()
    house.run(70, server)
    assert house.bound == "contract", "after a start nothing is held before it is said again"
    house.hear(sent)
    house.run(100, server)
    assert house.control.status(house.now_s).limit_w == pytest.approx(3500.0)


def test_steps_follow_without_a_gap_and_gaps_are_rests(house: House, server: Server) -> None:
    first, second, third = step(0, 300, value=3100), step(300, 600, value=3200), step(900, 960)
    house.hear(server.call(call(first, second, third, release_spread_s=30.0)))
    bounds = []
    house.run(0, server)
    while house.true_s < START + 890:
        house.run(house.true_s - START + 10, server)
        bounds.append((house.bound, house.control.status(house.now_s).limit_w))
    assert bounds[:59] == [("event e1", 3100.0)] * 29 + [("event e1", 3200.0)] * 30
    assert bounds[64:] == [("contract", 9000.0)] * 25
    assert RELEASED not in house.states()


def test_starts_and_releases_are_spread_by_seed(house: House, server: Server) -> None:
    late_s = start_delay_s(99, f"{SITE}/", 300.0)
    after_s = release_delay_s(99, f"{SITE}/", 600.0)
    sent = call(step(0, 900, value=3100), seed=99, start_spread_s=300, release_spread_s=600)
    house.hear(server.call(sent))
    house.run(1600, server)
    times = {report.state: report.time - START for report in house.reports}
    assert late_s <= times[ACTIVE] <= late_s + 10
    assert 900 + after_s <= times[RELEASED] <= 910 + after_s


def test_nothing_holds_after_the_call_expires(house: House, server: Server) -> None:
    sent = call(step(0, 900), expires=START + 910, release_spread_s=3600.0, seed=1)
    house.hear(server.call(sent))
    house.run(920, server)
    assert house.states()[-1] is RELEASED
    assert house.bound == "contract"


def test_a_cancelled_call_is_let_go_with_its_spread(house: House, server: Server) -> None:
    house.hear(server.call(call(seed=5, release_spread_s=100.0)))
    house.run(60, server)
    after_s = release_delay_s(5, f"{SITE}/", 100.0)
    end = call(epoch=11, cancelled=True, targets=(), seed=5, release_spread_s=100.0)
    assert not house.hear(server.call(end))
    house.run(60 + after_s - 11, server)
    assert house.bound == "event e1"
    house.run(60 + after_s + 20, server)
    assert (house.bound, house.reports[-1].detail) == ("contract", "cancelled")


def test_a_newer_epoch_replaces_what_was_asked(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, value=3100))))
    house.run(60, server)
    house.hear(server.call(call(step(0, 900, value=500), epoch=11, seed=3, start_spread_s=600)))
    house.tick()
    assert house.control.status(house.now_s).limit_w == 500, "without a gap"
    house.hear(server.call(call(epoch=12, site="house-2")))
    house.run(120, server)
    assert (house.bound, house.reports[-1].detail) == ("contract", "replaced")


def test_fewer_parts_end_those_that_are_not_named(house: House, server: Server) -> None:
    house.hear(server.call(call(node="flat", part=1, parts=2)))
    house.hear(server.call(call(part=0, parts=2)))
    house.run(60, server)
    assert house.states(node="flat")[:2] == [HEARD, ACTIVE]
    house.hear(server.call(call(epoch=11)))
    house.run(120, server)
    assert house.states(node="flat")[-1] is RELEASED
    assert house.bound == "event e1"


def test_the_higher_priority_decides_then_the_strictest(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, value=1000), event="peak", priority=5)))
    house.hear(server.call(call(step(0, 900, value=3100), event="overload", priority=1)))
    house.run(60, server)
    assert (house.bound, house.control.status(house.now_s).limit_w) == ("event overload", 3100)
    house.hear(server.call(call(step(0, 900, value=2000), event="other", priority=1)))
    house.run(120, server)
    assert house.bound == "event other"
    assert any(r.detail.startswith("overruled by overload") for r in house.reports)


def test_own_limits_hold_beside_a_call(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, value=8000))))
    house.run(60, server)
    assert house.bound == "event e1"
    house.hear(server.call(call(step(0, 900, value=9500), epoch=11)))
    house.run(120, server)
    assert house.bound == "contract"


def test_yellow_comes_back_by_its_timer_whatever_is_called(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 3600, value=0.0))))
    house.run(3600, server)
    assert house.contacts["clock"].switched == 0
    assert 0 < house.contacts["fridge"].longest_off_s <= 420
    assert 0 < house.contacts["boiler"].longest_off_s <= 900


def test_it_fails_when_nothing_is_left_and_says_by_how_much(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 300, value=0.0))))
    house.run(120, server)
    assert house.states() == [HEARD, ACTIVE, FAILED]
    failed = house.reports[-1]
    assert failed.detail == "nothing_left: 600 W above"
    assert failed.held_loads == ("fridge", "boiler", "car")


def test_it_is_done_after_all_when_the_rest_falls(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 300, value=200.0))))
    house.run(120, server)
    assert house.states()[-1] is FAILED
    house.rest_w = 0.0
    house.run(150, server)
    assert house.states()[-1] is DONE


def test_a_node_that_the_site_does_not_have_is_refused_once(house: House, server: Server) -> None:
    sent = server.call(call(node="cellar"))
    house.hear(sent)
    house.hear(sent)
    assert [(r.state, r.detail) for r in house.reports] == [(REFUSED, "unknown_node")]
    house.run(60, server)
    assert not house.off


def test_a_repetition_changes_nothing(house: House, server: Server) -> None:
    for _ in range(3):
        assert not house.hear(server.call(call(step(0, 900, value=3100))))
    house.run(60, server)
    assert house.states() == [HEARD, ACTIVE, DONE]


def test_a_place_whose_turn_is_over_tells_no_more_of_it(house: House, server: Server) -> None:
    """The call is repeated every minute while the turns of others last."""
    told = call(step(0, 300, value=1000.0))
    for time_s in range(0, 1200, 60):
        house.hear(server.call(told))
        house.run(time_s, server)
    assert [one.state for one in house.reports].count(RELEASED) == 1
    assert [one.state for one in house.reports].count(HEARD) == 1
    house.hear(server.call(call(step(1260, 1500, value=1000.0), epoch=11)))
    house.run(1300, server)
    assert house.off


def test_a_late_joiner_learns_what_holds(server: Server) -> None:
    house = ready(server)
    house.run(450, server)
    house.hear(server.call(call(step(0, 900, value=3100))))
    house.run(470, server)
    assert house.states() == [HEARD, ACTIVE, DONE]


def test_consent_that_is_taken_back_brings_a_load_back(house: House, server: Server) -> None:
    house.hear(server.call(call(step(0, 900, value=3100))))
    house.run(30, server)
    assert house.off == {"car"}
    house.control.set_consents([ConsentSetting("car", released=False)])
    house.tick()
    assert "car" not in house.off
    house.run(900, server)
    assert "car" not in house.off


# --- wrong clocks ---


@pytest.mark.parametrize("ahead_s", [-86_400.0 * 365, -3600.0, 3600.0, 86_400.0])
def test_a_wrong_clock_changes_nothing_once_a_beat_was_heard(
    server: Server, ahead_s: float
) -> None:
    house = ready(server)
    house.run(-30, server)
    house.set_clock(ahead_s)
    house.hear(server.call(call(step(60, 900, value=3100))))
    house.run(900, server)
    times = {report.state: report.time - START for report in house.reports}
    assert times[ACTIVE] == pytest.approx(60, abs=11)
    house.run(940, server)
    assert house.states()[-1] is RELEASED


def test_a_clock_that_is_wrong_at_the_start_is_put_right_by_a_beat(server: Server) -> None:
    house = House()
    house.set_clock(5_000 - START)
    house.restart()
    assert not house.hear(server.groups(GROUP))
    sent = server.call(call(issued=house.true_s))
    assert house.hear(sent) == "from_future"
    assert not house.hear(server.beat(house.true_s))
    assert not house.hear(sent)


def test_a_beat_held_up_sets_the_time_back_by_nothing_for_ten_minutes(server: Server) -> None:
    house = ready(server)
    house.hear(server.call(call(step(0, 900, value=3100))))
    house.run(0, server)
    while house.true_s < START + 560:
        if house.true_s % 30 < 10:
            house.hear(server.beat(house.true_s - 400))
        house.tick()
        house.measure()
        assert house.calls.server_s(house.now_s) == pytest.approx(house.true_s, abs=1e-3)


def test_beats_held_up_for_longer_do_not_let_a_call_outlive_its_expiry(server: Server) -> None:
    house = ready(server)
    house.hear(server.call(call(step(0, 900), expires=START + 900)))
    begin_s = house.true_s
    while house.true_s < START + 950:
        if house.true_s % 30 < 10:
            house.hear(server.beat(begin_s + (house.true_s - begin_s) / 2))
        house.tick()
        house.measure()
    assert house.bound == "contract"
    assert house.reports[-1].detail == "expired"


# --- the link ---


def fallback(server: Server, **changes: float) -> House:
    house = ready(server)
    house.hear(server.groups(GROUP, version=2, after_s=120.0, **changes))
    house.run(0, server)
    return house


def test_the_fallback_holds_after_a_silence_and_until_beats_are_back(server: Server) -> None:
    house = fallback(server, limit_w=3500.0)
    house.run(80)
    assert not house.off
    house.run(110)
    assert (house.bound, house.off) == ("fallback", {"car"})
    house.run(600)
    house.run(700, server)
    assert house.bound == "fallback", "beats must have been back for two minutes"
    house.run(760, server)
    assert house.bound == "contract"


def test_the_fallback_is_held_for_its_time(server: Server) -> None:
    house = fallback(server, limit_w=3500.0, hold_s=1800.0)
    house.run(160)
    house.run(1800, server)
    assert house.bound == "fallback"
    house.run(1960, server)
    assert house.bound == "contract"


def test_a_known_schedule_goes_on_without_the_link(server: Server) -> None:
    house = fallback(server)
    house.hear(server.call(call(step(60, 400, value=3100), step(400, 700, value=2500))))
    house.run(690)
    assert (house.bound, house.control.status(house.now_s).limit_w) == ("event e1", 2500)
    house.run(760)
    assert house.bound == "contract"


def test_the_fallback_outlives_a_restart_of_the_gateway(server: Server) -> None:
    house = fallback(server, limit_w=3500.0)
    house.restart()
    house.run(100)
    assert house.bound == "contract"
    house.run(180)
    assert house.bound == "fallback"


def test_two_houses_with_a_link_of_their_own_know_the_same_keys() -> None:
    assert hub.key_id(Server().key.public) == House().pinned[0].id
    assert {load.name for load in LOADS} == {"clock", "fridge", "boiler", "car"}
