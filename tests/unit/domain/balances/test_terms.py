"""Of which sums a balance consists; and that balances of parts add up to that of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.domain.balances import Child, Forest, Group, Reach, Side, Term, Terms

IN, MADE, OUT = Side.INFLOW, Side.PRODUCTION, Side.OUTFLOW
# region 1 > metered district 2 > street 3 > metered buildings 4 (riser 5) and 6; district 7
TOWN = {
    group.id: group
    for group in (
        Group(1),
        Group(2, 1, metered=True),
        Group(3, 2),
        Group(4, 3, metered=True),
        Group(5, 4),
        Group(6, 3, metered=True),
        Group(7, 1),
    )
}


def ids(terms: tuple[Term, ...]) -> set[tuple[int, int]]:
    assert all(term.sign == 1 for term in terms)
    assert len(set(terms)) == len(terms)
    return {(term.group_id, term.side) for term in terms}


def test_a_metered_group_reaches_to_the_next_meters() -> None:
    terms = Forest(TOWN).terms(2)
    assert ids(terms.inflow) == {(2, IN), (2, MADE), (3, MADE)}
    assert ids(terms.outflow) == {(2, OUT), (3, OUT), (4, IN), (6, IN)}
    assert terms.segments == (2,)
    assert terms.uncovered == ()


def test_a_metered_group_down_to_the_consumers() -> None:
    terms = Forest(TOWN).terms(2, Reach.CONSUMERS)
    assert ids(terms.inflow) == {(2, IN), *((n, MADE) for n in (2, 3, 4, 5, 6))}
    assert ids(terms.outflow) == {(n, OUT) for n in (2, 3, 4, 5, 6)}
    assert set(terms.segments) == {2, 4, 6}


def test_a_street_is_the_sum_of_its_buildings() -> None:
    terms = Forest(TOWN).terms(3)
    assert ids(terms.inflow) == {(4, IN), (4, MADE), (5, MADE), (6, IN), (6, MADE)}
    assert ids(terms.outflow) == {(4, OUT), (5, OUT), (6, OUT)}
    assert ids(terms.uncovered) == {(3, OUT), (3, MADE)}
    assert terms.segments == (4, 6)


def test_without_any_meter_there_is_consumption_only() -> None:
    terms = Forest(TOWN).terms(7)
    assert terms.inflow == ()
    assert ids(terms.outflow) == {(7, OUT)}
    assert terms.segments == ()


def test_a_group_by_hand_takes_what_flows_into_its_children() -> None:
    hand = Group(9, by_hand=True, children=(Child(2, IN), Child(4, OUT), Child(7, OUT)))
    forest = Forest(TOWN | {9: hand})
    terms = forest.terms(9)
    assert ids(terms.inflow) == {(9, IN), (9, MADE), (2, IN)}
    assert [term for term in terms.outflow if term.sign < 0] == [Term(7, MADE, -1)]
    assert ids(tuple(t for t in terms.outflow if t.sign > 0)) == {(9, OUT), (4, IN), (7, OUT)}
    whole = forest.terms(9, Reach.CONSUMERS)
    assert {(4, OUT), (5, OUT)} <= {(t.group_id, t.side) for t in whole.outflow}
    assert (4, IN) not in {(t.group_id, t.side) for t in (*whole.outflow, *whole.inflow)}
    assert {(4, MADE), (5, MADE)} <= {(t.group_id, t.side) for t in whole.inflow}


def test_groups_by_hand_nest() -> None:
    inner = Group(8, by_hand=True, children=(Child(6, IN),))
    outer = Group(9, by_hand=True, children=(Child(8, OUT),))
    terms = Forest(TOWN | {8: inner, 9: outer}).terms(9)
    assert ids(terms.outflow) == {(9, OUT), (8, IN), (6, IN)}


def test_a_circle_is_refused() -> None:
    one = Group(8, by_hand=True, children=(Child(9, OUT),))
    other = Group(9, by_hand=True, children=(Child(8, IN),))
    with pytest.raises(InputError, match="contains itself"):
        Forest(TOWN | {8: one, 9: other}).terms(9, Reach.CONSUMERS)


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    size = draw(st.integers(1, 14))
    groups = {}
    for number in range(1, size + 1):
        parent = draw(st.integers(1, number - 1)) if number > 1 else None
        groups[number] = Group(number, parent, metered=draw(st.booleans()))
    return Forest(groups)


def net(terms: Terms) -> dict[tuple[int, int], int]:
    """Return inflow less outflow as a combination of sums."""
    total: dict[tuple[int, int], int] = {}
    for sign, part in ((1, terms.inflow), (-1, terms.outflow)):
        for term in part:
            key = (term.group_id, term.side)
            total[key] = total.get(key, 0) + sign * term.sign
    return {key: factor for key, factor in total.items() if factor}


@given(forests())
def test_the_whole_is_the_sum_of_the_segments(forest: Forest) -> None:
    """What is lost down to the consumers is what is lost between each meter and the next ones."""
    for group in forest.groups.values():
        whole = forest.terms(group.id, Reach.CONSUMERS)
        total: dict[tuple[int, int], int] = {}
        for segment in whole.segments:
            for key, factor in net(forest.terms(segment, Reach.METERS)).items():
                total[key] = total.get(key, 0) + factor
        if whole.segments:
            assert {key: factor for key, factor in total.items() if factor} == net(whole)


@given(forests())
def test_every_sum_counts_once(forest: Forest) -> None:
    for group in forest.groups.values():
        for reach in Reach:
            terms = forest.terms(group.id, reach)
            everything = (*terms.inflow, *terms.outflow, *terms.uncovered)
            assert len(set(everything)) == len(everything)
