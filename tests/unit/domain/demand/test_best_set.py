"""Sets of loads to hold back: exact search against brute force, greedy against exact."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.domain.demand import shed
from balans.domain.demand.shed import TINY_W, best_set

rows_of_one = st.lists(st.tuples(st.integers(1, 3000)), min_size=1, max_size=9)
rows_of_four = st.lists(
    st.tuples(st.integers(100, 3000), st.sampled_from([(), (0,), (1,), (2,), (0, 1, 2)])).map(
        lambda row: (
            float(row[0]),
            *(row[0] / max(1, len(row[1])) if phase in row[1] else 0.0 for phase in range(3)),
        )
    ),
    min_size=1,
    max_size=8,
)


def brute(
    reliefs: list[tuple[float, ...]], prices: list[float], over: list[float]
) -> tuple[float, ...]:
    """Return size, price and relief of the best set, by looking at all."""
    channels = [c for c, value in enumerate(over) if value > TINY_W]
    wanted = {c: min(over[c], sum(row[c] for row in reliefs)) for c in channels}
    for size in range(len(reliefs) + 1):
        found = []
        for some in combinations(range(len(reliefs)), size):
            if all(sum(reliefs[i][c] for i in some) >= wanted[c] - TINY_W for c in channels):
                price = sum(prices[i] for i in some)
                found.append((price, sum(reliefs[i][channels[0]] for i in some)))
        if found:
            return (size, *min(found))
    raise AssertionError("all together are always enough")


def judged(
    chosen: list[int],
    reliefs: list[tuple[float, ...]],
    prices: list[float],
    over: list[float],
) -> tuple[float, ...]:
    first = next(c for c, value in enumerate(over) if value > TINY_W)
    return len(chosen), sum(prices[i] for i in chosen), sum(reliefs[i][first] for i in chosen)


@given(rows_of_one, st.data())
def test_one_channel_is_solved_as_by_brute_force(
    reliefs: list[tuple[float, ...]], data: st.DataObject
) -> None:
    prices = [float(data.draw(st.integers(0, 300))) for _ in reliefs]
    over = [float(data.draw(st.integers(1, 12_000)))]
    chosen = best_set(reliefs, prices, over)
    assert judged(chosen, reliefs, prices, over) == brute(reliefs, prices, over)


@settings(deadline=None)
@given(rows_of_four, st.data())
def test_phases_are_solved_as_by_brute_force(
    reliefs: list[tuple[float, ...]], data: st.DataObject
) -> None:
    prices = [float(data.draw(st.integers(0, 300))) for _ in reliefs]
    over = [float(data.draw(st.sampled_from([0, 500, 1500, 4000]))) for _ in range(4)]
    if max(over) <= 0:
        assert best_set(reliefs, prices, over) == []
        return
    chosen = best_set(reliefs, prices, over)
    size, price, _ = judged(chosen, reliefs, prices, over)
    best = brute(reliefs, prices, over)
    assert (size, round(price, 6)) == (best[0], round(best[1], 6))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(6, 16))
def test_greedy_takes_as_few_as_the_exact_and_costs_little_more(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    relief = rng.integers(100, 3000, count).astype(float)
    prices = rng.integers(0, 1000, count).astype(float)
    over = float(rng.uniform(0.1, 0.9) * relief.sum())
    exact = best_set([(value,) for value in relief], prices.tolist(), [over])
    greedy = shed._greedy(relief[:, None], prices, np.array([over]))
    assert relief[greedy].sum() >= over - TINY_W
    assert len(greedy) == len(exact)
    assert prices[greedy].sum() >= prices[exact].sum() - 1e-9


def test_greedy_costs_little_more_than_the_exact_on_average() -> None:
    rng = np.random.default_rng(7)
    ratios = []
    for _ in range(300):
        count = int(rng.integers(8, 17))
        relief = rng.integers(100, 3000, count).astype(float)
        prices = rng.integers(1, 1000, count).astype(float)
        over = float(rng.uniform(0.2, 0.7) * relief.sum())
        exact = best_set([(value,) for value in relief], prices.tolist(), [over])
        greedy = shed._greedy(relief[:, None], prices, np.array([over]))
        ratios.append(prices[greedy].sum() / prices[exact].sum())
    assert 1.0 <= np.mean(ratios) < 1.03


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_greedy_covers_every_phase_and_takes_nobody_needless(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(20, 60))
    power = rng.integers(100, 3000, count).astype(float)
    phase = rng.integers(0, 4, count)
    table = np.zeros((count, 4))
    table[:, 0] = power
    for place in range(count):
        table[place, 1:] = power[place] / 3 if phase[place] == 3 else 0.0
        if phase[place] < 3:
            table[place, 1 + phase[place]] = power[place]
    over = rng.uniform(0, 0.5, 4) * table.sum(axis=0)
    chosen = best_set(table.tolist(), rng.uniform(0, 100, count).tolist(), over.tolist())
    assert (table[chosen].sum(axis=0) >= over - TINY_W).all()
    for one in chosen:
        rest = [place for place in chosen if place != one]
        assert (table[rest].sum(axis=0) < over - TINY_W).any()


def test_a_load_on_another_phase_is_left_alone() -> None:
    reliefs = [(2000.0, 2000.0, 0.0, 0.0), (900.0, 0.0, 900.0, 0.0)]
    assert best_set(reliefs, [500.0, 0.0], [0.0, 300.0, 0.0, 0.0]) == [0]


def test_no_sensor_takes_all_that_draw() -> None:
    reliefs = [(2000.0,), (0.0,), (300.0,)]
    assert best_set(reliefs, [0.0, 0.0, 0.0], [float("inf")]) == [0, 2]
