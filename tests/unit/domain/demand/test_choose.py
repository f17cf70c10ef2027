"""The shed set against an exhaustive search."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from balans.domain.demand.shed import Candidate, choose

candidates = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(0, 500)), min_size=1, max_size=8
).map(lambda rows: [Candidate(i, float(r), float(g)) for i, (r, g) in enumerate(rows)])


def total_w(chosen: list[Candidate] | tuple[Candidate, ...]) -> float:
    return sum(candidate.relief_w for candidate in chosen)


@given(candidates, st.integers(1, 12_000))
def test_the_fewest_that_suffice(found: list[Candidate], over_w: int) -> None:
    chosen = choose(found, over_w)
    assert len(set(chosen)) == len(chosen)
    if total_w(found) < over_w:
        assert sorted(c.index for c in chosen) == [c.index for c in found]
        return
    assert total_w(chosen) >= over_w
    fewer = combinations(found, len(chosen) - 1)
    assert all(total_w(some) < over_w for some in fewer)


@given(candidates, st.integers(1, 12_000))
def test_no_single_exchange_would_be_fairer(found: list[Candidate], over_w: int) -> None:
    chosen = choose(found, over_w)
    spare_w = total_w(chosen) - over_w
    for one in chosen:
        for other in set(found) - set(chosen):
            if one.relief_w - other.relief_w <= spare_w:
                assert (other.given_wh, other.relief_w) >= (one.given_wh, one.relief_w)


def test_nothing_to_cover_takes_nothing() -> None:
    assert choose([Candidate(0, 100.0, 0.0)], 0.0) == []
