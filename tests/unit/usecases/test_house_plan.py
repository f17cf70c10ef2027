"""The planner on a recorded house: what it may know, that the meter is right, and the bound."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from balans.core.errors import InputError
from balans.usecases.compare_plan import by_plan, compare_plan
from balans.usecases.house_record import PARTS, House, Run, read_house
from balans.usecases.house_replay import CAR, HouseReplay, Orders, State, no_orders
from balans.usecases.house_terms import Terms

ZONE = ZoneInfo("Europe/Berlin")
DAYS = 34
FIRST = np.datetime64("2015-11-02")


def record(seed: int = 1) -> str:
    """Return counters of a house with sun, a car every third night and a washer."""
    rng = np.random.default_rng(seed)
    hours = 24 * DAYS
    clock = np.arange(hours) % 24
    pv = np.maximum(0, np.sin((clock - 7) / 10 * np.pi)) * 4 * np.repeat(rng.random(DAYS), 24)
    heat = rng.uniform(0.2, 1.0, hours)
    night = np.arange(hours) // 24 % 3 == 0
    ev = np.where(night & (clock >= 20) & (clock < 23), 2.5, 0.0)
    wash = np.where(clock == 12, 0.8, 0.0)
    rest = rng.uniform(0.1, 0.6, hours)
    net = rest + heat + ev + wash - pv
    power = {
        "dishwasher": np.zeros(hours),
        "ev": ev,
        "grid_export": np.maximum(-net, 0),
        "grid_import": np.maximum(net, 0),
        "heat_pump": heat,
        "pv": pv,
        "washing_machine": wash,
    }
    begin = datetime(2015, 10, 1, tzinfo=UTC)
    lines = [",".join(["utc_timestamp", *(f"house_{part}" for part in PARTS)])]
    counters = {part: np.concatenate(([0.0], np.cumsum(power[part]))) for part in PARTS}
    for hour in range(hours + 1):
        values = [f"{counters[part][hour]:.4f}" for part in PARTS]
        lines.append(",".join([f"{begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}", *values]))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def house() -> House:
    return read_house(record(), "house.csv", ZONE)


def replay_of(house: House) -> HouseReplay:
    return HouseReplay(house, Terms(), ZONE, 3)


def test_the_bound_lies_below_the_planner_and_the_planner_below_none(house: House) -> None:
    replay = replay_of(house)
    found = compare_plan(replay, *replay.hours_of(FIRST - np.timedelta64(1, "D"), 2))
    bills = found["bills"]
    assert bills["foresight"]["total"] <= bills["ours"]["total"] < bills["no_control"]["total"]
    assert bills["ours"]["total"] < bills["battery_rule"]["total"]
    assert {row["unmet_kwh"] for row in bills.values()} == {0.0}
    assert bills["foresight"]["gap"] == 0.0


def test_a_period_before_the_record_says_what_is_expected(house: House) -> None:
    with pytest.raises(InputError, match="28 days after it begins"):
        replay_of(house).hours_of(np.datetime64("2015-10-05"), 2)


def test_without_orders_the_house_draws_what_was_recorded(house: House) -> None:
    replay = replay_of(house)
    first, last = replay.hours_of(FIRST, 1)
    net_kw = replay.run(first, last, no_orders).net_kw
    recorded = replay.uncontrolled_kw()[first:last]
    # A car charges as soon as it is plugged in, here hours before it was recorded to.
    assert net_kw.sum() == pytest.approx(recorded.sum(), abs=0.01)


def test_a_controller_cannot_know_what_comes(house: House) -> None:
    """Two houses that differ from one hour on get the same orders until then."""
    first, last = replay_of(house).hours_of(FIRST, 1)
    change = first + 8

    def orders(of: House) -> list[Orders]:
        given: list[Orders] = []

        def controller(problem: object) -> Orders:
            given.append(by_plan(problem))  # type: ignore[arg-type]
            return given[-1]

        replay_of(of).run(first, last, controller)
        return given[: change - first]

    later = house.rest_kw.copy()
    later[change:] += 3.0
    pv_kw = house.pv_kw.copy()
    pv_kw[change:] = 0.0
    other = replace(
        house,
        rest_kw=later,
        pv_kw=pv_kw,
        sessions=tuple(
            one if one.first < change else replace(one, energy_kwh=1.0) for one in house.sessions
        ),
        runs=tuple(one for one in house.runs if one.first < change),
    )
    assert orders(house) == orders(other)


def test_cars_and_cycles_to_come_are_those_of_the_days_before(house: House) -> None:
    replay = replay_of(house)
    hour = replay.hours_of(FIRST, 1)[0] + 10
    gone = [one for one in house.sessions if one.first < hour - 1][-1]
    day = (hour - gone.first) // 24 + 1
    state = State(replay.terms.battery.soc_wh)
    (row,) = replay._to_come_w(state, hour, [day])
    wash_wh = sum(1000 * sum(run.power_kw) for run in house.runs if _is_of(run, hour, day))
    place = gone.first + 24 * day - hour
    inside = min(gone.last - gone.first, len(row) - place) / (gone.last - gone.first)
    assert row[:24].sum() + row[24:].sum() >= 1000 * gone.energy_kwh * inside - 1.0
    assert row[:place].sum() <= wash_wh + 1.0
    # While a car is there no other comes.
    there = replace(gone, first=hour - 1, last=hour + 36)
    busy = replace_car(state, there)
    (alone,) = replay._to_come_w(busy, hour, [day])
    assert alone.sum() <= 2 * wash_wh + 1.0
    assert CAR in replay.problem(busy, hour, np.zeros(hour), np.zeros(0)).devices


def _is_of(run: Run, hour: int, day: int) -> bool:
    return 0 < run.first - (hour - 24 * day) < 24


def replace_car(state: State, car: object) -> State:
    return replace(state, car=car, car_wh=1000.0)  # type: ignore[arg-type]
