from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.demand import (
    Limit,
    Meters,
    Window,
    Zone,
    allowed_power,
    count_step,
    make_timetable,
    zone_at,
)
from balans.domain.demand.timetable import IntervalMeter

NIGHT = Zone("night", Decimal("0.6"), Window(23 * 3600, 7 * 3600))
DAY = Zone("day", Decimal(1))


def hours(value: float) -> float:
    return value * 3600


def test_zones_cross_midnight_and_the_rest_is_day() -> None:
    found = [zone_at(hours(h), [NIGHT, DAY]) for h in (0, 6.99, 7, 22.99, 23)]
    assert found == ["night", "night", "day", "day", "night"]


def test_the_strictest_limit_holds_where_zone_and_hours_hold() -> None:
    limits = [
        Limit("fuse", 9000.0),
        Limit("evening", 4000.0, window=Window(17 * 3600, 21 * 3600)),
        Limit("night", 6000.0, zone="night"),
        Limit("late", 2000.0, zone="night", window=Window(22 * 3600, 24 * 3600)),
    ]
    table = make_timetable(limits, [NIGHT, DAY])
    found = {h: table.at(hours(h)).instant.limit for h in (3, 12, 17, 20.99, 21, 22.5, 23.5)}
    assert found == {
        3: "night", 12: "fuse", 17: "evening", 20.99: "evening", 21: "fuse", 22.5: "fuse",
        23.5: "late",
    }  # fmt: skip


def test_no_limit_is_infinite_and_zero_is_zero() -> None:
    assert make_timetable([], []).at(0).instant.power_w == float("inf")
    table = make_timetable([Limit("zero", 0.0), Limit("fuse", 5000.0)], [])
    assert table.at(0).instant.power_w == 0.0


def test_cheapest_needs_two_prices() -> None:
    assert make_timetable([], [NIGHT, DAY]).at(0).instant.cheapest
    assert not make_timetable([], [NIGHT, DAY]).at(hours(12)).instant.cheapest
    assert not make_timetable([], []).at(0).instant.cheapest


def test_an_interval_allows_what_would_exactly_use_it_up() -> None:
    table = make_timetable([Limit("mean", 4000.0, interval_s=900)], [])
    # Five minutes at 7 kW leave 4 x 15 - 7 x 5 = 25 kW min for ten minutes: 2.5 kW.
    meters = count_step(table, {}, 1800.0, 1800.0, 300.0, 7000.0)
    assert allowed_power(table, meters, 2100.0, 2100.0).power_w == pytest.approx(2500.0)
    assert allowed_power(table, meters, 2700.0, 2700.0).power_w == 4000.0  # a new interval


def test_an_interval_that_cannot_be_kept_allows_less_than_nothing() -> None:
    table = make_timetable([Limit("mean", 1000.0, interval_s=900)], [])
    meters = {"mean": IntervalMeter(0.0, 600.0, 1000.0 * 900 + 600_000)}
    assert allowed_power(table, meters, 600.0, 600.0).power_w == pytest.approx(-2000.0)


def test_unknown_power_neither_helps_nor_hurts() -> None:
    table = make_timetable([Limit("mean", 4000.0, interval_s=900)], [])
    meters = count_step(table, {}, 0.0, 0.0, 300.0, None)
    assert allowed_power(table, meters, 300.0, 300.0).power_w == pytest.approx(4000.0)


def test_the_strictest_of_instant_and_mean_holds() -> None:
    limits = [Limit("fuse", 3000.0), Limit("mean", 4000.0, interval_s=900)]
    table = make_timetable(limits, [])
    assert allowed_power(table, {}, 0.0, 0.0).limit == "fuse"
    meters = count_step(table, {}, 0.0, 0.0, 300.0, 9000.0)
    assert allowed_power(table, meters, 300.0, 300.0).limit == "mean"


@given(st.lists(st.floats(0, 9000), min_size=14, max_size=14))
def test_drawing_what_is_allowed_keeps_the_mean(powers: list[float]) -> None:
    """Whatever came before, drawing the allowed power to the end meets the limit exactly."""
    table = make_timetable([Limit("mean", 4000.0, interval_s=900)], [])
    meters: Meters = {}
    energy_ws = 0.0
    for minute, power_w in enumerate(powers):
        meters = count_step(table, meters, minute * 60.0, minute * 60.0, 60.0, power_w)
        energy_ws += power_w * 60
    last_w = allowed_power(table, meters, 840.0, 840.0).power_w
    assert (energy_ws + last_w * 60) / 900 == pytest.approx(4000.0)


@given(st.integers(0, 86_399), st.integers(0, 86_399), st.integers(0, 86_399))
def test_a_window_and_its_opposite_share_the_day(begin: int, end: int, second: int) -> None:
    if begin != end:
        assert Window(begin, end).holds(second) is not Window(end, begin).holds(second)
