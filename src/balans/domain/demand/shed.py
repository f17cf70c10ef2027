"""Which loads to hold back when power is above what is allowed.

Green goes before yellow, reducing before stopping. Within a class the fewest loads that suffice
are taken, and among those the set with the least price (`laws.price_wh`: what they have given up
already, what will come back, for how long they can stay away): one never sheds twenty loads where
one is enough, and the same load is not always the victim. Up to `EXACT_MOST` candidates all sets
are looked at; beyond, the biggest are taken and then exchanged one by one for cheaper ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from balans.domain.demand import laws
from balans.domain.demand.arithmetic import ONE
from balans.domain.demand.model import Load, LoadState, Observation
from balans.domain.demand.rows import LoadRow

EXACT_MOST = 16
"""Up to this many candidates the best set is searched for among all."""
SETS_MOST = 13_000
"""No more sets than this are looked at: one size of set of 16 candidates."""
PLAIN_SETS = 200
"""Up to this many sets plain numbers are faster than arrays."""
EXCHANGES_MOST = 256
"""A greedy choice is made cheaper by at most this many exchanges."""
TINY_W = 1e-6
Floats = NDArray[np.float64]
Reliefs = Sequence[Sequence[float]]
"""By candidate: the power it gives up in each channel (`rooms`) [W]."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A load that may be held back: the power it gives up, and what it has given already."""

    index: int
    relief_w: float
    given_wh: float


def choose(candidates: Sequence[Candidate], over_w: float) -> list[Candidate]:
    """Return the fewest candidates whose relief covers `over_w`, all of them if none suffice.

    Among sets of that size the one that has given up least is preferred, then the smaller relief.

    >>> heater, fridge = Candidate(0, 2000, 50.0), Candidate(1, 150, 0.0)
    >>> [c.index for c in choose([heater, fridge], 100)]
    [1]
    >>> [c.index for c in choose([heater, fridge], 1000)]
    [0]
    """
    reliefs = [(candidate.relief_w,) for candidate in candidates]
    prices = [candidate.given_wh for candidate in candidates]
    return [candidates[place] for place in best_set(reliefs, prices, [over_w])]


def best_set(reliefs: Reliefs, prices: Sequence[float], over_w: Sequence[float]) -> list[int]:
    """Return the places of the candidates to hold back.

    Parameters
    ----------
    reliefs
        What each candidate gives up in each channel [W].
    prices
        What holding each back costs [Wh].
    over_w
        What each channel is above what is allowed; infinite: all that can be had [W].

    Notes
    -----
    What cannot be covered is covered as far as it goes. Candidates that relieve no channel that
    is over are left alone.
    """
    channels = [channel for channel, over in enumerate(over_w) if over > TINY_W]
    useful = [
        place for place, row in enumerate(reliefs) if any(row[channel] > 0 for channel in channels)
    ]
    if not useful:
        return []
    table = [[reliefs[place][channel] for channel in channels] for place in useful]
    wanted = [
        min(over_w[channel], sum(row[place] for row in table))
        for place, channel in enumerate(channels)
    ]
    costs = [prices[place] for place in useful]
    found = _exact(table, costs, wanted) if len(useful) <= EXACT_MOST else None
    if found is None:
        found = _greedy(np.array(table), np.array(costs), np.array(wanted))
    return [useful[place] for place in found]


# --- few candidates: all sets ---


def _exact(table: Reliefs, costs: Sequence[float], wanted: Sequence[float]) -> list[int] | None:
    """Return the best set of the smallest size that covers; None if there are too many sets."""
    size, looked = _least_size(table, wanted), 0
    while size < len(table):
        sets = comb(len(table), size)
        looked += sets
        if looked > SETS_MOST:
            return None
        search = _plain_search if sets <= PLAIN_SETS else _array_search
        found = search(size, table, costs, wanted)
        if found is not None:
            return found
        size += 1
    return list(range(len(table)))


def _least_size(table: Reliefs, wanted: Sequence[float]) -> int:
    """Return how many of the biggest each channel needs at least; with one channel, exactly."""
    sizes = []
    for channel, want in enumerate(wanted):
        covered, size = 0.0, 0
        for relief in sorted((row[channel] for row in table), reverse=True):
            if covered >= want - TINY_W:
                break
            covered, size = covered + relief, size + 1
        sizes.append(size)
    return max(sizes)


def _plain_search(
    size: int, table: Reliefs, costs: Sequence[float], wanted: Sequence[float]
) -> list[int] | None:
    best: tuple[float, float, tuple[int, ...]] | None = None
    for some in combinations(range(len(table)), size):
        sums = [sum(table[place][channel] for place in some) for channel in range(len(wanted))]
        if all(total >= want - TINY_W for total, want in zip(sums, wanted, strict=True)):
            key = (sum(costs[place] for place in some), sums[0], some)
            best = key if best is None or key < best else best
    return None if best is None else list(best[2])


def _array_search(
    size: int, table: Reliefs, costs: Sequence[float], wanted: Sequence[float]
) -> list[int] | None:
    sets = _all_sets(len(table), size)
    sums = np.array(table)[sets].sum(axis=1)
    covers = np.flatnonzero((sums >= np.array(wanted) - TINY_W).all(axis=1))
    if not len(covers):
        return None
    cost = np.array(costs)[sets[covers]].sum(axis=1)
    best = np.lexsort((sums[covers, 0], cost))[0]
    found: list[int] = sets[covers[best]].tolist()
    return found


@lru_cache(maxsize=64)
def _all_sets(count: int, size: int) -> NDArray[np.intp]:
    return np.array(list(combinations(range(count), size)), dtype=np.intp)


# --- many candidates: the biggest, then exchanges ---


def _greedy(table: Floats, costs: Floats, wanted: Floats) -> list[int]:
    """Cover one channel after the other, the one that needs most of its candidates first."""
    left = wanted.copy()
    chosen = np.zeros(len(table), dtype=np.bool_)
    order = np.argsort(-wanted / table.sum(axis=0), kind="stable")
    for channel in order.tolist():
        if left[channel] > TINY_W:
            waiting = np.flatnonzero(~chosen & (table[:, channel] > 0))
            picked = waiting[_cover(table[waiting, channel], costs[waiting], float(left[channel]))]
            chosen[picked] = True
            left = left - table[picked].sum(axis=0)
    if len(wanted) > 1:
        _drop_needless(chosen, table, costs, wanted)
    found: list[int] = np.flatnonzero(chosen).tolist()
    return found


def _cover(relief: Floats, costs: Floats, want: float) -> NDArray[np.intp]:
    """Return the fewest that cover `want`, made cheaper by exchanges."""
    biggest = np.lexsort((costs, -relief))
    covered = np.cumsum(relief[biggest])
    count = int(np.searchsorted(covered, want - TINY_W)) + 1
    if count >= len(relief):
        return biggest
    chosen = biggest[:count].copy()
    rest = biggest[count:]
    rest = rest[np.lexsort((relief[rest], costs[rest]))]
    _exchange(chosen, rest, relief, costs, float(covered[count - 1]) - want)
    return chosen


def _exchange(
    chosen: NDArray[np.intp], rest: NDArray[np.intp], relief: Floats, costs: Floats, spare_w: float
) -> None:
    """Put cheaper ones in the place of chosen ones, the dearest first, while all is covered."""
    waiting, price = relief[rest].copy(), costs[rest]
    dearest = np.lexsort((-relief[chosen], -costs[chosen]))[:EXCHANGES_MOST]
    for place in dearest.tolist():
        own = int(chosen[place])
        cheaper = int(np.searchsorted(price, costs[own], side="left"))
        suits = waiting[:cheaper] >= relief[own] - spare_w - TINY_W
        first = int(suits.argmax()) if cheaper else 0
        if cheaper and suits[first]:
            spare_w -= float(relief[own] - waiting[first])
            waiting[first] = -np.inf
            chosen[place] = rest[first]


def _drop_needless(chosen: NDArray[np.bool_], table: Floats, costs: Floats, wanted: Floats) -> None:
    """Let go those without whom every channel is still covered, the dearest first."""
    spare = table[chosen].sum(axis=0) - wanted
    places = np.flatnonzero(chosen)
    for place in places[np.argsort(-costs[places], kind="stable")].tolist():
        if (table[place] <= spare + TINY_W).all():
            chosen[place] = False
            spare = spare - table[place]


# --- single loads, for those who ask from outside a pass ---


def gain_of_shedding(relief_w: float, over_w: float, least: float) -> float | None:
    """Return the share of the held-back energy that is overload now, or None: better not shed."""
    won: float = laws.gain(ONE, relief_w, over_w)
    return won if laws.pays(ONE, won, least) else None


def least_loss(load: Load, allowed_w: float, low_w: float | None) -> float:
    """Return the share of deferred energy that is overload even in the quietest hour (0..1)."""
    row = LoadRow(load, LoadState(), 0.0)
    least: float = laws.least_loss(ONE, row, allowed_w, low_w)
    return least


def may_shed(
    load: Load, state: LoadState, time_s: float, step_s: float, drawn_w: float = 0.0
) -> bool:
    """Tell whether the rules of class and kind let `load` be switched off for the coming step.

    `drawn_w` is what it draws: a cycle that runs is not cut.
    """
    row = LoadRow(load, state, time_s)
    row.expected_w = drawn_w
    seen = Observation(time_s, step_s, 0.0, None, ())
    return bool(laws.may_stop(ONE, row, seen))
