"""Laws of sharing current among vehicles, and cases worked by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.domain.demand.ev_rows import Rows, Station, tree_rows
from balans.domain.demand.ev_sharing import Charging, Order, is_overloaded, share_current, shortage
from balans.domain.demand.model import Limit, Node

STEP_S = 300.0
INFINITE = float("inf")


def charging(
    left_h: list[float],
    need_kwh: list[float],
    *,
    watt_per_a: float = 230.0,
    min_a: float = 0.0,
    max_a: float = 32.0,
    step_a: float = 0.0,
) -> Charging:
    ones = np.ones(len(left_h))
    need_wh = np.array(need_kwh) * 1000
    return Charging(
        np.array(left_h) * 3600,
        need_wh,
        need_wh,
        watt_per_a * ones,
        max_a * ones,
        min_a * ones,
        step_a * ones,
    )


def one_row(count: int, limit_a: float) -> Rows:
    return Rows(("feeder",), np.ones((1, count)), np.array([limit_a]))


def laxity_after(cars: Charging, current_a: np.ndarray, step_s: float = STEP_S) -> np.ndarray:
    return cars.laxity_s() - step_s + step_s * current_a / cars.max_a


# --- by hand ---


def test_all_get_their_most_where_the_limit_allows() -> None:
    cars = charging([4, 2], [20, 10])
    assert share_current(cars, one_row(2, 64), STEP_S).tolist() == [32, 32]


def test_the_one_without_time_goes_first() -> None:
    # 7.36 kW: the first needs 1 h of its 1 h, the second 1 h of its 5 h.
    cars = charging([1, 5], [7.36, 7.36])
    assert share_current(cars, one_row(2, 32), STEP_S) == pytest.approx([32, 0])


def test_equals_share_equally() -> None:
    cars = charging([3, 3], [15, 15])
    assert share_current(cars, one_row(2, 32), STEP_S) == pytest.approx([16, 16])


def test_laxity_is_levelled_out_within_one_step() -> None:
    # The second may wait 150 s longer: half a step at the largest rate evens that out.
    cars = charging([3, 3 + 150 / 3600], [15, 15])
    shared = share_current(cars, one_row(2, 32), STEP_S)
    assert shared == pytest.approx([24, 8])
    after = laxity_after(cars, shared)
    assert after[0] == pytest.approx(after[1])


def test_who_is_full_or_gone_gets_nothing() -> None:
    cars = charging([3, 3, 0], [0, 15, 15])
    assert share_current(cars, one_row(3, 32), STEP_S).tolist() == [0, 32, 0]


def test_nobody_gets_more_than_makes_it_full() -> None:
    cars = charging([3], [0.23])  # 230 Wh in 300 s: 12 A
    assert share_current(cars, one_row(1, 32), STEP_S) == pytest.approx([12])


def test_no_cars_no_currents() -> None:
    assert share_current(charging([], []), one_row(0, 32), STEP_S).tolist() == []


def test_zero_means_zero() -> None:
    cars = charging([1, 2], [10, 10], min_a=6)
    assert share_current(cars, one_row(2, 0), STEP_S).tolist() == [0, 0]


def test_below_the_minimum_the_most_urgent_ones_charge() -> None:
    # 13 A among three alike would be 4.33 A each: two can have 6 A, and share the rest.
    cars = charging([3, 3.001, 3.002], [15, 15, 15], min_a=6)
    shared = share_current(cars, one_row(3, 13), STEP_S)
    assert shared[2] == 0
    assert sum(shared) == pytest.approx(13)
    assert min(shared[:2]) >= 6


def test_a_minimum_does_not_take_from_the_urgent() -> None:
    cars = charging([1, 9, 9], [7.36, 10, 10], min_a=6)
    shared = share_current(cars, one_row(3, 36), STEP_S)
    assert shared == pytest.approx([32, 0, 0])


def test_nearly_full_gets_the_minimum() -> None:
    cars = charging([3], [0.01], min_a=6)
    assert share_current(cars, one_row(1, 32), STEP_S).tolist() == [6]


def test_whole_amperes() -> None:
    cars = charging([3, 3, 3], [15, 15, 15], min_a=6, step_a=1)
    shared = share_current(cars, one_row(3, 32), STEP_S)
    assert sorted(shared.tolist()) == [10, 11, 11]


def test_coarse_steps() -> None:
    cars = charging([3, 3], [15, 15], min_a=8, step_a=8)
    assert sorted(share_current(cars, one_row(2, 40), STEP_S).tolist()) == [16, 24]


def test_a_branch_at_its_limit_leaves_the_rest_to_others() -> None:
    rows = Rows(("site", "pod"), np.array([[1.0, 1, 1], [1, 1, 0]]), np.array([60.0, 20]))
    cars = charging([2, 2, 2], [14, 14, 14])
    assert share_current(cars, rows, STEP_S) == pytest.approx([10, 10, 32])


def test_phases_of_a_tree() -> None:
    # Two on L1 and one on all three phases below a fuse of 3 x 30 A.
    stations = [Station("a", "garage", (1,)), Station("b", "garage", (1,)), Station("c", "garage")]
    rows = tree_rows(
        stations, [Node("garage")], [Limit("fuse", INFINITE, node="garage", phase_a=30)]
    )
    assert rows.names == ("fuse L1", "fuse L2", "fuse L3")
    assert rows.load(np.array([10.0, 5, 12])).tolist() == [27, 12, 12]
    cars = replace(
        charging([2, 2, 2], [14, 14, 42]), watt_per_a=np.array([s.watt_per_a for s in stations])
    )
    assert share_current(cars, rows, STEP_S) == pytest.approx([10, 10, 10])


def test_power_of_a_node_above() -> None:
    nodes = [Node("house"), Node("garage", "house")]
    rows = tree_rows(
        [Station("a", "garage", (2,)), Station("b", "house")], nodes, [Limit("house", 6900.0)]
    )
    assert rows.load(np.array([10.0, 5])).tolist() == [2300 + 3450]
    cars = replace(charging([3, 3], [10, 30]), watt_per_a=np.array([230.0, 690]))
    shared = share_current(cars, rows, STEP_S)
    assert shared == pytest.approx([7.5, 7.5])


def test_what_others_use_is_taken_off() -> None:
    rows = one_row(2, 32).less(np.array([22.0]))
    assert share_current(charging([3, 3], [15, 15]), rows, STEP_S) == pytest.approx([5, 5])
    assert one_row(1, 32).less(np.array([50.0])).limit.tolist() == [0]
    assert one_row(1, 32).less(np.array([-8.0])).limit.tolist() == [40]


def test_phasors_of_stations_between_phases() -> None:
    # AB at 30 and CA at 150 degrees: what flows in line A is AB - CA, of 60 degrees to each other.
    turn = np.exp(1j * np.deg2rad([30.0, 150.0]))
    rows = Rows(("line A",), (np.array([[1, -1]]) * turn), np.array([30.0]))
    shared = share_current(charging([3, 3], [15, 15]), rows, STEP_S)
    assert rows.load(shared) == pytest.approx([30])
    assert shared == pytest.approx([30 / np.sqrt(3)] * 2)


def test_in_overload_the_ratio_of_laxity_is_levelled_out() -> None:
    # Asked for 1.25 h and 0.625 h at the largest rate, with 45 and 7.5 minutes to spare.
    cars = charging([2, 0.75], [9.2, 4.6])
    rows = one_row(2, 20)
    assert shortage(cars, rows) == pytest.approx(1.5)
    assert is_overloaded(cars, rows)
    shared = share_current(cars, rows, STEP_S)
    assert shared == pytest.approx([0, 20])  # 0.6 against 0.2: the second catches up
    near = charging([2, 1 + 1 / 120], [9.2, 4.6])
    shared = share_current(near, rows, STEP_S)
    assert sum(shared) == pytest.approx(20)
    ratio = laxity_after(near, shared) / 3600 / np.array([1.25, 0.625])
    assert ratio[0] == pytest.approx(ratio[1])


def test_the_ratio_serves_more_equal_shares_than_laxity() -> None:
    """Half of what is asked for can be delivered, to cars that ask for 2 to 30 kWh."""
    share = {order: served_shares(order) for order in Order}
    jain = {order: x.sum() ** 2 / len(x) / (x @ x) for order, x in share.items()}
    assert jain[Order.RATIO] > jain[Order.LAXITY] + 0.05


def served_shares(order: Order) -> np.ndarray:
    """Return the served share of each of 120 cars that come and go over a day."""
    rng = np.random.default_rng(1)
    steps, count, stay = 288, 120, 48
    come = rng.integers(0, steps - stay, count)
    asked_wh = rng.uniform(2_000, 30_000, count)
    missing = asked_wh.copy()
    limit_a = asked_wh.sum() / 2 / 230 / (steps * STEP_S / 3600)
    for step in range(steps):
        here = np.flatnonzero((come <= step) & (step < come + stay))
        full = np.full(len(here), 32.0)
        none = np.zeros(len(here))
        left_s = (come[here] + stay - step).astype(np.float64) * STEP_S
        watt = np.full(len(here), 230.0)
        cars = Charging(left_s, missing[here], asked_wh[here], watt, full, none, none)
        shared = share_current(cars, one_row(len(here), limit_a), STEP_S, order)
        missing[here] -= np.minimum(shared * 230 * STEP_S / 3600, missing[here])
    return 1 - missing / asked_wh


def test_ratio_only_where_it_is_certain() -> None:
    assert not is_overloaded(charging([2, 2], [4.6, 2.3]), one_row(2, 16))
    assert is_overloaded(charging([1], [10]), one_row(1, 40))  # more than its own largest rate
    assert shortage(charging([1], [0]), one_row(1, 40)) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_a": np.array([0.0])}, "more than 0"),
        ({"min_a": np.array([40.0])}, "0 to max_a"),
        ({"energy_wh": np.zeros(2)}, "one place per vehicle"),
    ],
)
def test_nonsense_is_refused(change: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(InputError, match=told):
        replace(charging([1], [1]), **change)


@pytest.mark.parametrize(
    ("stations", "nodes", "limits"),
    [
        ([Station("a", "nowhere")], [], []),
        ([Station("a", "x")], [Node("x", "y"), Node("y", "x")], []),
        ([Station("a", phases=(4,))], [], []),
        ([Station("a")], [], [Limit("l", 1.0, node="nowhere")]),
    ],
)
def test_a_tree_that_is_none_is_refused(
    stations: list[Station], nodes: list[Node], limits: list[Limit]
) -> None:
    with pytest.raises(InputError):
        tree_rows(stations, nodes, limits)


def test_rows_are_checked() -> None:
    with pytest.raises(InputError, match="0 or more"):
        one_row(1, -1)
    with pytest.raises(InputError, match="one of each"):
        Rows(("a",), np.ones((2, 1)), np.ones(2))
    assert one_row(2, 5).of(np.array([True, False])).weights.shape == (1, 1)


# --- laws ---


@st.composite
def cases(draw: st.DrawFn, *, phasors: bool = True, minimum: bool = True) -> tuple[Charging, Rows]:
    count = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    min_a = draw(st.sampled_from([0.0, 6.0])) if minimum else 0.0
    cars = Charging(
        left_s=rng.uniform(0, 8, count) * 3600,
        energy_wh=np.where(rng.random(count) < 0.1, 0, rng.uniform(10, 30_000, count)),
        asked_wh=rng.uniform(30_000, 40_000, count),
        watt_per_a=rng.choice([230.0, 690.0], count),
        max_a=rng.choice([16.0, 32.0], count),
        min_a=np.full(count, min_a),
        step_a=np.full(count, draw(st.sampled_from([0.0, 1.0])) if minimum else 0.0),
    )
    height = draw(st.integers(1, 5))
    weights = (rng.random((height, count)) < 0.6) * rng.choice([1.0, 230.0], (height, 1))
    limit = weights.sum(axis=1) * rng.uniform(0, 25, height)
    if phasors and draw(st.booleans()):
        signs = rng.choice([-1, 1], (height, count))
        turn = np.exp(1j * np.deg2rad(rng.choice([30.0, -90, 150], count)))
        return cars, Rows(tuple("abcde"[:height]), weights * signs * turn, limit)
    return cars, Rows(tuple("abcde"[:height]), weights, limit)


@given(cases(), st.sampled_from([None, *Order]))
@settings(max_examples=300, deadline=None)
def test_never_over_a_limit_and_never_below_the_minimum(
    case: tuple[Charging, Rows], order: Order | None
) -> None:
    cars, rows = case
    shared = share_current(cars, rows, STEP_S, order)
    assert np.all(rows.load(shared) <= rows.limit * (1 + 1e-8) + 1e-8)
    assert np.all(shared <= cars.max_a)
    assert np.all((shared == 0) | (shared >= cars.min_a - 1e-9))
    assert np.all(shared[(cars.energy_wh <= 0) | (cars.left_s <= 0)] == 0)
    if cars.step_a.any():
        assert shared == pytest.approx(np.round(shared), abs=1e-6)


@given(cases(phasors=False, minimum=False), st.floats(1, 3))
def test_more_resource_never_lowers_the_least_laxity(
    case: tuple[Charging, Rows], factor: float
) -> None:
    cars, rows = case
    shared = share_current(cars, rows, STEP_S, Order.LAXITY)
    more = share_current(cars, replace(rows, limit=rows.limit * factor), STEP_S, Order.LAXITY)
    wants = (cars.energy_wh > 0) & (cars.left_s > 0)
    if wants.any():
        before, after = (laxity_after(cars, x)[wants].min() for x in (shared, more))
        assert after >= before - 1e-6


@given(cases(phasors=False, minimum=False), st.floats(0, 3))
def test_one_limit_every_current_grows_with_it(case: tuple[Charging, Rows], factor: float) -> None:
    cars, _ = case
    count = len(cars.left_s)
    small, large = sorted([20.0 * count, 20.0 * count * factor])
    less = share_current(cars, one_row(count, small), STEP_S, Order.LAXITY)
    more = share_current(cars, one_row(count, large), STEP_S, Order.LAXITY)
    assert np.all(more >= less - 1e-6)


@given(cases(phasors=False, minimum=False))
def test_nothing_is_left_over_that_someone_could_take(case: tuple[Charging, Rows]) -> None:
    cars, rows = case
    shared = share_current(cars, rows, STEP_S)
    most = np.minimum(cars.max_a, cars.energy_wh / cars.watt_per_a * 3600 / STEP_S)
    full = rows.load(shared) >= rows.limit * (1 - 1e-6) - 1e-6
    for car in np.flatnonzero((shared < most - 1e-6) & (cars.left_s > 0)):
        assert full[rows.weights[:, car] > 0].any()


@given(cases(phasors=False, minimum=False))
@settings(max_examples=25, deadline=None)
def test_agrees_with_filling_in_small_steps(case: tuple[Charging, Rows]) -> None:
    """An independent, slow filling: raise whoever is lowest by a little, until nobody can."""
    cars, rows = case
    shared = share_current(cars, rows, STEP_S, Order.LAXITY)
    slow = fill_slowly(cars, rows)
    assert shared == pytest.approx(slow, abs=0.25)


def fill_slowly(cars: Charging, rows: Rows, little_a: float = 0.02) -> np.ndarray:
    current = np.zeros(len(cars.left_s))
    most = np.minimum(cars.max_a, cars.energy_wh / cars.watt_per_a * 3600 / STEP_S)
    most[(cars.left_s <= 0) | (cars.energy_wh <= 0)] = 0
    may = most > 0
    while may.any():
        after = np.where(may, laxity_after(cars, current), INFINITE)
        car = int(after.argmin())
        then = current.copy()
        then[car] = min(most[car], current[car] + little_a * cars.max_a[car] / 32)
        if np.all(rows.load(then) <= rows.limit + 1e-9):
            current = then
            may[car] = current[car] < most[car]
        else:
            may[car] = False
    return current


def replay(cars: Charging, rows: Rows, steps: int, order: Order | None = None) -> np.ndarray:
    """Return what is missing [Wh] after `steps` steps."""
    for _ in range(steps):
        shared = share_current(cars, rows, STEP_S, order)
        drawn = np.minimum(shared * cars.watt_per_a * STEP_S / 3600, cars.energy_wh)
        cars = replace(cars, left_s=cars.left_s - STEP_S, energy_wh=cars.energy_wh - drawn)
    return cars.energy_wh


@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(0.2, 0.9))
@settings(max_examples=60, deadline=None)
def test_what_can_be_delivered_is_delivered_with_slightly_more(
    count: int, seed: int, tightness: float
) -> None:
    """Vehicles that are all there: a schedule exists by construction, 1 % more suffices to find it.

    Each draws at random shares of the limit until its departure; the sum is what it asks for.
    """
    rng = np.random.default_rng(seed)
    steps = rng.integers(6, 48, count)
    limit_a = 32.0 * count * tightness
    energy_as = np.zeros(count)
    for step in range(int(steps.max())):
        wish = rng.uniform(0, 32, count) * (steps > step)
        energy_as += wish * min(1.0, limit_a / max(wish.sum(), 1e-9)) * STEP_S
    cars = charging((steps * STEP_S / 3600).tolist(), (energy_as * 230 / 3.6e6).tolist())
    rows = one_row(count, limit_a * 1.01)
    assert shortage(cars, rows) <= 1
    assert replay(cars, rows, int(steps.max())).max() <= 0.001 * cars.asked_wh.max()
