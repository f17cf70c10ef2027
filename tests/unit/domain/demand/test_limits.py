"""Limits of a tree: strictest, zones and hours, energy in a period, the month's peak."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import LimitSource
from balans.domain.demand.limits import LimitTable
from balans.domain.demand.model import Limit, Node, Period, Window, Zone
from balans.domain.demand.timetable import (
    Meters,
    allowed_power,
    count_step,
    local_day,
    local_month,
    make_timetable,
)
from balans.domain.demand.tree import TreeError, make_tree

HOUR = 3600.0
NIGHT = Zone("night", Decimal("0.6"), Window(23 * 3600, 7 * 3600))
CHISINAU = ZoneInfo("Europe/Chisinau")
INFINITE = float("inf")


def moment(text: str, zone: ZoneInfo = CHISINAU) -> tuple[float, float]:
    """Return Unix seconds and seconds since local midnight."""
    local = datetime.fromisoformat(text).replace(tzinfo=zone)
    return local.timestamp(), local.hour * 3600.0 + local.minute * 60 + local.second


def test_the_strictest_of_operator_customer_and_device_holds_at_each_node() -> None:
    tree = make_tree([Node("riser"), Node("flat", "riser")])
    table = LimitTable(
        tree,
        [
            Limit("contract", 9000.0),
            Limit("own", 7000.0, LimitSource.CUSTOMER),
            Limit("fuse", 5000.0, LimitSource.DEVICE, node="flat"),
            Limit("dear", 2000.0, zone="night", node="flat"),
            Limit("line", INFINITE, node="riser", phase_a=25.0),
            Limit(
                "line evening", INFINITE, node="riser", phase_a=16.0, window=Window(64800, 79200)
            ),
        ],
        [NIGHT],
    )
    day = table.allowed({}, 0.0, 12 * HOUR)
    assert [(a.power_w, a.limit) for a in day.allowed] == [
        (7000.0, "own"), (INFINITE, ""), (5000.0, "fuse"),
    ]  # fmt: skip
    assert (day.phase_a, day.phase_limit) == ((INFINITE, 25.0, INFINITE), ("", "line", ""))
    assert table.allowed({}, 0.0, 1 * HOUR).allowed[2].limit == "dear"
    assert table.allowed({}, 0.0, 19 * HOUR).phase_a[1] == 16.0


def test_zero_is_zero_and_there_is_no_gap_between_two_schedules() -> None:
    limits = [
        Limit("off", 0.0, window=Window(0, 8 * 3600)),
        Limit("low", 1000.0, window=Window(8 * 3600, 24 * 3600)),
    ]
    table = LimitTable(make_tree([]), limits, [])
    found = {table.allowed({}, 0.0, float(second)).site.power_w for second in range(0, 86_400, 7)}
    assert found == {0.0, 1000.0}
    assert table.allowed({}, 0.0, 8 * HOUR - 1e-6).site.power_w == 0.0
    assert table.allowed({}, 0.0, 8 * HOUR).site.power_w == 1000.0


def test_a_limit_or_a_load_nowhere_is_refused() -> None:
    with pytest.raises(TreeError, match="'cellar' is no node"):
        LimitTable(make_tree([]), [Limit("x", 1.0, node="cellar")], [])
    with pytest.raises(TreeError, match="parent"):
        make_tree([Node("flat", "riser")])
    with pytest.raises(TreeError, match="hangs from itself"):
        make_tree([Node("a", "b"), Node("b", "a")])
    with pytest.raises(TreeError, match="name"):
        make_tree([Node("a"), Node("a")])


def run(limit: Limit, steps: list[tuple[float, float, float]], step_s: float = 60.0) -> Meters:
    """Count steps of (time, local second, power); return the meters."""
    table, meters = make_timetable([limit], [NIGHT]), Meters()
    for time_s, local_s, power_w in steps:
        meters = count_step(table, meters, time_s, local_s, step_s, power_w)
    return meters


def allowed(limit: Limit, meters: Meters, at: tuple[float, float], step_s: float = 60.0) -> float:
    return allowed_power(make_timetable([limit], [NIGHT]), meters, *at, step_s).power_w


def test_energy_of_a_day_is_free_until_it_is_used_up() -> None:
    limit = Limit("day", INFINITE, energy_wh=1000.0)
    start, local = moment("2026-03-10T10:00")
    meters = run(limit, [(start + k * 60, local + k * 60, 6000.0) for k in range(9)])  # 900 Wh
    assert allowed(limit, meters, (start + 540, local + 540)) == pytest.approx(6000.0)
    meters = run(limit, [(start + k * 60, local + k * 60, 6000.0) for k in range(10)])
    assert allowed(limit, meters, (start + 600, local + 600)) == 0.0
    assert allowed(limit, meters, moment("2026-03-11T00:00")) == pytest.approx(60_000.0)


def test_energy_of_a_night_goes_on_past_midnight() -> None:
    limit = Limit("night", INFINITE, zone="night", energy_wh=1000.0, period=Period.ZONE)
    start, local = moment("2026-03-10T23:30")
    meters = run(limit, [(start, local, 30_000.0)])  # 500 Wh
    assert allowed(limit, meters, moment("2026-03-11T06:00")) == pytest.approx(30_000.0)
    assert allowed(limit, meters, moment("2026-03-11T12:00")) == INFINITE
    assert allowed(limit, meters, moment("2026-03-11T23:00")) == pytest.approx(60_000.0)


def test_energy_of_a_month_begins_anew_with_the_local_month() -> None:
    limit = Limit("month", 5000.0, energy_wh=100.0, period=Period.MONTH)
    start, local = moment("2026-03-31T23:58")
    meters = run(limit, [(start, local, 6000.0)])
    assert allowed(limit, meters, moment("2026-03-31T23:59")) == 0.0
    # Local midnight comes two hours before the one of Greenwich; 100 Wh in a minute is 6 kW.
    assert allowed(limit, meters, moment("2026-04-01T00:00")) == 5000.0


def test_what_is_fed_back_or_unknown_leaves_the_energy_of_a_period_alone() -> None:
    limit = Limit("day", INFINITE, energy_wh=100.0)
    table, meters = make_timetable([limit], []), Meters()
    for power_w in (3000.0, -9000.0, None):
        meters = count_step(table, meters, 1e6, 3600.0, 60.0, power_w)
    assert meters["day"].energy_ws == 180_000.0


def test_the_months_peak_so_far_is_allowed_again_and_ends_with_the_month() -> None:
    limit = Limit("peak", 2000.0, interval_s=900, follows_peak=True)
    start, local = moment("2026-03-31T20:00")
    high = [(start + k * 60, local + k * 60, 5000.0) for k in range(15)]
    meters = run(limit, high)
    later = moment("2026-03-31T22:00")
    assert allowed(limit, meters, later) == pytest.approx(5000.0)
    assert allowed(limit, meters, moment("2026-04-01T00:00")) == pytest.approx(2000.0)
    # The peak outlives the intervals that follow it.
    meters = run(
        limit, [*high, *((later[0] + k * 60, later[1] + k * 60, 100.0) for k in range(30))]
    )
    assert allowed(limit, meters, moment("2026-03-31T23:00")) == pytest.approx(5000.0)


def test_half_an_interval_seen_makes_no_higher_peak_than_its_energy() -> None:
    limit = Limit("peak", 1000.0, interval_s=900, follows_peak=True)
    start, local = moment("2026-05-05T20:00")
    meters = run(limit, [(start + k * 60, local + k * 60, 6000.0) for k in range(5)])
    assert allowed(limit, meters, moment("2026-05-05T21:00")) == pytest.approx(2000.0)


@given(
    st.integers(1_577_836_800, 1_893_456_000),
    st.sampled_from(["Europe/Chisinau", "America/New_York", "Asia/Tokyo", "UTC"]),
)
def test_day_and_month_are_those_of_the_site(time_s: int, zone: str) -> None:
    back = datetime.fromtimestamp(time_s, ZoneInfo(zone))
    local_s = back.hour * 3600.0 + back.minute * 60 + back.second
    assert local_day(time_s, local_s) == back.date().toordinal()
    assert local_month(time_s, local_s) == back.year * 12 + back.month
