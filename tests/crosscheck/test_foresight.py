"""The bound by foresight against trying every allowed way of switching."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand import Load
from balans.domain.demand.foresight import foresight_bound

OFF, ON = 2, 2  # steps; a step here is 300 s, so off at most 600 s and on at least 600 s
RATED = 4


def allowed(pattern: tuple[bool, ...]) -> bool:
    """Tell whether no run of off exceeds OFF and every inner run of on lasts ON."""
    runs: list[list[int]] = []
    for is_on in pattern:
        if runs and runs[-1][0] == is_on:
            runs[-1][1] += 1
        else:
            runs.append([is_on, 1])
    off_fit = all(length <= OFF for is_on, length in runs if not is_on)
    inner = runs[1:-1]
    return off_fit and all(length >= ON for is_on, length in inner if is_on)


def overload(pattern: tuple[bool, ...], wanted: list[int], red: list[int], limit: int) -> int:
    backlog = total = 0
    for is_on, want, rest in zip(pattern, wanted, red, strict=True):
        power = max(want, min(RATED, want + backlog)) if is_on else 0
        backlog += want - power
        total += max(0, rest + power - limit)
    return total


curves = st.integers(1, 11).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, RATED), min_size=n, max_size=n),
        st.lists(st.integers(0, 8), min_size=n, max_size=n),
    )
)


@settings(max_examples=120, deadline=None)
@given(curves, st.integers(0, 9))
def test_no_way_of_switching_is_better(case: tuple[list[int], list[int]], limit: int) -> None:
    wanted, red = case
    patterns = filter(allowed, product([True, False], repeat=len(wanted)))
    best = min(overload(pattern, wanted, red, limit) for pattern in patterns)
    load = Load("l", LoadClass.YELLOW, RATED, max_off_s=OFF * 300, min_on_s=ON * 300)
    bound = foresight_bound(
        [load],
        np.array([wanted]),
        np.array(red, dtype=np.float64),
        np.full(len(red), float(limit)),
        step_s=300.0,
        units_per_w=1,
    )
    assert bound.is_exact
    assert bound.overload_w == pytest.approx(best)


def test_several_loads_give_a_bound_and_say_so() -> None:
    loads = [
        Load("a", LoadClass.YELLOW, 4.0, max_off_s=600, min_on_s=600),
        Load("b", LoadClass.YELLOW, 4.0, max_off_s=600, min_on_s=600),
        Load("c", LoadClass.GREEN, 4.0),
    ]
    bound = foresight_bound(
        loads, np.full((3, 6), 4), np.full(6, 3.0), np.full(6, 5.0), step_s=300.0, units_per_w=1
    )
    assert not bound.is_exact
    assert bound.overload_w > 0
