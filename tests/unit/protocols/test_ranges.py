"""Laws of `Ranges` against plain sets of integers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from balans.protocols.hub import Ranges

offsets = st.integers(0, 40)
pairs = st.lists(st.tuples(offsets, offsets), max_size=8)


def members(pairs: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> set[int]:
    return {offset for start, end in pairs for offset in range(start, end)}


@given(pairs)
def test_union_holds_exactly_the_offsets_of_its_pairs(given_pairs: list[tuple[int, int]]) -> None:
    assert members(Ranges.of(given_pairs).spans) == members(given_pairs)


@given(pairs)
def test_spans_are_sorted_disjoint_and_do_not_touch(given_pairs: list[tuple[int, int]]) -> None:
    spans = Ranges.of(given_pairs).spans
    assert all(start < end for start, end in spans)
    assert all(left[1] < right[0] for left, right in pairwise(spans))


@given(pairs)
def test_equal_sets_are_equal_ranges(given_pairs: list[tuple[int, int]]) -> None:
    singles = [(offset, offset + 1) for offset in members(given_pairs)]
    assert Ranges.of(given_pairs) == Ranges.of(singles)


@given(pairs, offsets, offsets)
def test_add_within_missing_and_contains_are_set_operations(
    given_pairs: list[tuple[int, int]], start: int, end: int
) -> None:
    ranges, held, window = Ranges.of(given_pairs), members(given_pairs), set(range(start, end))
    assert members(ranges.add(start, end).spans) == held | window
    assert members(ranges.within(start, end).spans) == held & window
    assert members(ranges.missing(start, end).spans) == window - held
    assert all((offset in ranges) == (offset in held) for offset in range(42))


@given(pairs, offsets)
def test_contiguous_mark_is_the_first_offset_not_held(
    given_pairs: list[tuple[int, int]], start: int
) -> None:
    held = members(given_pairs)
    expected = next(offset for offset in range(start, 42) if offset not in held)
    assert Ranges.of(given_pairs).contiguous_from(start) == expected
