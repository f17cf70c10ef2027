"""Groups of the object tree, against a naive restatement with dictionaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.balances import NOWHERE, NodeGroups, Side, node_groups


def found(parent: list[int], points: list[tuple[int, Side]]) -> NodeGroups:
    return node_groups(
        np.array(parent, np.intp),
        np.array([node for node, _ in points], np.intp),
        np.array([side for _, side in points], np.int8),
    )


def test_a_street_of_two_buildings() -> None:
    """City 0 > street 1 > metered building 2 > riser 3 > flats 4, 5; building 6 has a shop only."""
    points = [(2, Side.INFLOW), (4, Side.OUTFLOW), (5, Side.OUTFLOW), (6, Side.OUTFLOW)]
    groups = found([NOWHERE, 0, 1, 2, 3, 3, 1], points)
    assert np.flatnonzero(groups.is_group).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(groups.metered).tolist() == [2]
    assert groups.above[:4].tolist() == [NOWHERE, 0, 1, 2]
    assert groups.of_point.tolist() == [2, 3, 3, 1]


def test_a_lone_consumer_belongs_nowhere() -> None:
    groups = found([NOWHERE], [(0, Side.OUTFLOW)])
    assert not groups.is_group.any()
    assert groups.of_point.tolist() == [NOWHERE]


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, Side]]]:
    size = draw(st.integers(1, 12))
    parent = [draw(st.integers(NOWHERE, node - 1)) for node in range(size)]
    point = st.tuples(st.integers(0, size - 1), st.sampled_from(Side))
    return parent, draw(st.lists(point, max_size=15))


@given(trees())
def test_groups_are_those_of_the_rule(tree: tuple[list[int], list[tuple[int, Side]]]) -> None:
    parent, points = tree

    def above(node: int) -> list[int]:
        return [] if parent[node] == NOWHERE else [parent[node], *above(parent[node])]

    metered = {node for node, side in points if side is Side.INFLOW}
    expected = metered | {up for node, _ in points for up in above(node)}
    groups = found(parent, points)
    assert set(np.flatnonzero(groups.is_group).tolist()) == expected
    assert set(np.flatnonzero(groups.metered).tolist()) == metered
    for node in range(len(parent)):
        nearest = next((up for up in above(node) if up in expected), NOWHERE)
        assert groups.above[node] == nearest
    for (node, _), at in zip(points, groups.of_point.tolist(), strict=True):
        assert at == next((up for up in (node, *above(node)) if up in expected), NOWHERE)
