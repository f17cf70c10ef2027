"""Many houses: determinism, books, closed loop, restart, plausible amounts."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.simulator.plants.groups import MachineGroup
from balans.simulator.plants.houses import HouseDay, HouseError, Houses, make_houses
from balans.simulator.plants.kinds import KINDS, SHARES
from balans.simulator.plants.people import Households, awake, weekday

ALL = dict.fromkeys(KINDS, 1.0)


@pytest.fixture(scope="module")
def winter() -> HouseDay:
    return make_houses(300, seed=4, day_of_year=15).run_day()


def mean_kwh(day: HouseDay, kind: str) -> float:
    return float(day.load_w[day.loads.of_kind(kind)].sum(axis=1).mean()) / 60_000


def test_the_same_seed_gives_the_same_day() -> None:
    one, same = (make_houses(20, 3, 100, ALL, warm_up=False).run_day() for _ in range(2))
    other = make_houses(20, 4, 100, ALL, warm_up=False).run_day()
    assert (one.load_w == same.load_w).all()
    assert (one.base_w == same.base_w).all()
    assert one.loads.name == same.loads.name
    assert (one.load_w != other.load_w).any()


def test_loads_are_a_table(winter: HouseDay) -> None:
    loads = winter.loads
    assert winter.base_w.shape == (300, 1_440)
    assert winter.load_w.shape == (len(loads), 1_440)
    assert len(set(loads.name)) == len(loads)
    for kind, share in SHARES.items():
        assert loads.of_kind(kind).sum() == round(share * 300)
    assert LoadClass.RED not in loads.load_class
    yellow = np.array([word is LoadClass.YELLOW for word in loads.load_class])
    assert (loads.max_off_s[yellow] == 900).all()
    assert set(loads.phases.tolist()) == {1, 3}


def test_a_larger_share_holds_the_plants_of_a_smaller_one() -> None:
    few, more = (make_houses(30, 3, 60, {"ev": share}, warm_up=False) for share in (0.2, 0.7))
    one, other = few.loads, more.loads
    at = {name: row for row, name in enumerate(other.name)}
    rows = [at[name] for name in one.name]
    assert len(at) == len(one) + 15
    assert (one.rated_w == other.rated_w[rows]).all()
    for _ in range(240):
        load_w, same_w = few.step().load_w, more.step().load_w[rows]
        # A battery follows its house, which may have a car now.
        alike = ~one.of_kind("battery")
        assert (load_w[alike] == same_w[alike]).all()


def test_power_is_within_its_bounds(winter: HouseDay) -> None:
    loads = winter.loads
    most = np.where(loads.of_kind("fridge") | loads.of_kind("freezer"), 1.05, 1.0) * loads.rated_w
    assert (winter.load_w <= most[:, None] + 1e-6).all()
    assert (winter.load_w >= np.minimum(loads.min_w, 0)[:, None] - 1e-6).all()
    assert (winter.base_w > 0).all()


def test_amounts_are_those_of_households(winter: HouseDay) -> None:
    """Wide ranges of common knowledge: they catch a wrong unit or a factor of three."""
    ranges = {
        "water_heater": (3, 8),
        "fridge": (0.4, 0.9),
        "freezer": (0.5, 1.1),
        "heat_pump": (7, 25),
        "washing_machine": (0.25, 0.8),
        "dishwasher": (0.3, 1.0),
        "dryer": (0.5, 1.6),
        "ev": (3, 10),
    }
    for kind, (low, high) in ranges.items():
        assert low < mean_kwh(winter, kind) < high, kind
    assert 2 < winter.base_w.sum(axis=1).mean() / 60_000 < 5
    assert mean_kwh(winter, "air_conditioner") == 0


def test_summer_cools_and_does_not_heat() -> None:
    shares = {"heat_pump": 1.0, "heater": 1.0, "air_conditioner": 1.0, "pv": 1.0}
    day = make_houses(60, 2, 200, shares, "mediterranean").run_day()
    assert mean_kwh(day, "heat_pump") < 0.5
    assert mean_kwh(day, "heater") < 0.3
    assert mean_kwh(day, "air_conditioner") > 1
    assert mean_kwh(day, "pv") < -10


def test_evening_is_busier_than_the_night(winter: HouseDay) -> None:
    whole = winter.base_w.sum(axis=0)
    assert whole[19 * 60 : 20 * 60].mean() > 2 * whole[3 * 60 : 4 * 60].mean()


def test_first_of_january_2026_is_a_thursday() -> None:
    for day in (0, 14, 58, 364):
        assert weekday(day) == (date(2026, 1, 1) + timedelta(day)).weekday()
    assert (awake(0) != awake(2)).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 50), st.floats(0, 1))
def test_the_books_balance_whatever_is_switched(seed: int, on_share: float) -> None:
    houses = make_houses(5, seed, 30, ALL, warm_up=False)
    random = np.random.default_rng(seed)
    for _ in range(120):
        on = random.random(len(houses.loads)) < on_share
        wants = houses.wants_w
        minute = houses.step(on)
        by_house = np.bincount(houses.loads.house, minute.load_w, 5)
        np.testing.assert_allclose(minute.house_w, minute.base_w + by_house, atol=1e-6)
        # Without supply nothing is drawn, nor fed in.
        assert (minute.load_w[~on] == 0).all()
        # Who wants nothing draws nothing; the battery sees what others really drew.
        quiet = (wants == 0) & ~houses.loads.of_kind("battery")
        assert (minute.load_w[quiet] == 0).all()


def test_a_battery_takes_up_the_surplus_of_its_house() -> None:
    houses = make_houses(10, 2, 170, {"pv": 1.0, "battery": 1.0}, "mediterranean", warm_up=False)
    battery, charged, discharged = houses.loads.of_kind("battery"), 0.0, 0.0
    for _ in range(1_440):
        minute = houses.step()
        other = minute.house_w.copy()
        np.subtract.at(other, houses.loads.house[battery], minute.load_w[battery])
        assert (minute.load_w[battery] * other[houses.loads.house[battery]] <= 1e-6).all()
        charged += minute.load_w[battery].clip(min=0).sum()
        discharged -= minute.load_w[battery].clip(max=0).sum()
    assert charged > 0
    assert discharged > 0


def test_limits_in_watts_are_kept() -> None:
    houses = make_houses(10, 2, 170, ALL, warm_up=False)
    loads = houses.loads
    limit_w = np.full(len(loads), np.nan)
    limit_w[loads.of_kind("ev")] = 8 * 230.0 * loads.phases[loads.of_kind("ev")]
    limit_w[loads.of_kind("pv") | loads.of_kind("wind")] = -500.0
    limit_w[loads.of_kind("battery")] = 300.0
    most = np.zeros(len(loads))
    for _ in range(1_440):
        load_w = houses.step(limit_w=limit_w).load_w
        most = np.maximum(most, np.abs(load_w))
    cars = loads.of_kind("ev")
    assert (most[cars] <= limit_w[cars] + 1e-6).all()
    assert (most[cars] >= limit_w[cars] - 1e-6).sum() >= 5
    assert (most[loads.of_kind("pv")] == 500).all()
    assert (most[loads.of_kind("wind")] <= 500).all()
    assert most[loads.of_kind("wind")].max() > 0
    assert (most[loads.of_kind("battery")] <= 300 + 1e-6).all()


@pytest.mark.parametrize("cut", [1, 1_439, 1_440, 1_450])
def test_a_restored_state_goes_on(cut: int) -> None:
    through, first, second = (make_houses(3, 5, 20, ALL, warm_up=False) for _ in range(3))
    random = np.random.default_rng(1)
    supply = random.random((1_460, len(through.loads))) < 0.8
    expected = [through.step(on).load_w for on in supply]
    found = [first.step(on).load_w for on in supply[:cut]]
    second.restore(first.snapshot())
    found += [second.step(on).load_w for on in supply[cut:]]
    assert (np.array(found) == np.array(expected)).all()


def test_shedding_for_a_quarter_makes_a_rebound() -> None:
    free, held = (make_houses(400, 6, 15) for _ in range(2))
    yellow = np.array([word is LoadClass.YELLOW for word in free.loads.load_class])
    for _ in range(19 * 60):
        free.step()
        held.step()
    cut = [(free.step().load_w[yellow], held.step(~yellow).load_w[yellow]) for _ in range(15)]
    after = [(free.step().load_w[yellow], held.step().load_w[yellow]) for _ in range(60)]
    missed = sum(one.sum() - other.sum() for one, other in cut)
    back = sum(other.sum() - one.sum() for one, other in after)
    assert all(other.sum() == 0 for _, other in cut)
    assert after[5][1].sum() > 1.3 * after[5][0].sum()
    assert 0.5 < back / missed < 1.05


def test_a_machine_cut_in_the_middle_is_counted() -> None:
    houses = make_houses(50, 7, 15, {"washing_machine": 1.0}, warm_up=False)
    group = houses.plant("washing_machine")
    assert isinstance(group, MachineGroup)
    rows = houses.loads.of_kind("washing_machine")
    for minute in range(1_440):
        houses.step(~rows | (minute % 60 != 0))
    assert group.plant.lost.sum() > 10
    assert group.plant.lost_wh.sum() > 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"count": 0}, "count: 0"),
        ({"count": 1, "day_of_year": 367}, "day_of_year: 367"),
        ({"count": 1, "seed": -1}, "seed: -1"),
        ({"count": 1, "shares": {"toaster": 1.0}}, "'toaster'"),
        ({"count": 1, "shares": {"ev": 1.1}}, "ev 1.1"),
        ({"count": 1, "climate": "lunar"}, "'lunar'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(HouseError, match=named):
        make_houses(**arguments)  # type: ignore[arg-type]


def test_kinds_are_checked_and_houses_may_be_bare() -> None:
    around = make_houses(1, warm_up=False).around
    with pytest.raises(HouseError, match="'toaster'"):
        Houses(Households.draw(1, 1), {"toaster": [0]}, around)
    bare = Houses(Households.draw(3, 1), {}, around)
    assert bare.step().house_w.shape == (3,)
    with pytest.raises(HouseError, match="no house has one"):
        bare.plant("ev")
