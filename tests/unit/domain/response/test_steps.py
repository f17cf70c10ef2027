"""Steps of an event, the limits they become, and which of several events decides."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.words import StepKind
from balans.domain.response.steps import (
    Asked,
    Step,
    checked_steps,
    effective,
    limit_of,
    step_at,
)

watts = st.floats(0, 1e6)
asked = st.builds(Asked, st.sampled_from("abc"), st.integers(0, 9), watts)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 60, StepKind.ECO, 4), "expected 1, 2 or 3"),
        ((0, 60, StepKind.ECO, 1.5), "expected 1, 2 or 3"),
        ((0, 60, StepKind.REDUCE, 0), "watts, more than 0"),
        ((0, 60, StepKind.LIMIT, -1), "watts, 0 or more"),
        ((0, 60, StepKind.LIMIT, math.inf), "watts, 0 or more"),
        ((0, 60, StepKind.LIMIT, math.nan), "watts, 0 or more"),
        ((60, 60, StepKind.LIMIT, 1), "expected an end after it"),
        ((0, math.inf, StepKind.LIMIT, 1), "expected finite times"),
    ],
)
def test_a_step_that_means_nothing_is_refused(
    values: tuple[float, float, StepKind, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Step(*values)


def test_steps_may_leave_gaps_but_not_overlap() -> None:
    first, rest, last = (
        Step(start, start + 60, StepKind.LIMIT, start) for start in (0.0, 60.0, 300.0)
    )
    steps = checked_steps([first, rest, last])
    assert [step_at(steps, at) for at in (-1, 0, 59.9, 60, 120, 300, 360)] == [
        None, first, first, rest, None, last, None,
    ]  # fmt: skip
    with pytest.raises(InputError, match="step 2: starts at 0, before step 1 ends at 120"):
        checked_steps([rest, first])
    with pytest.raises(InputError, match="none given"):
        checked_steps([])


def test_zero_watts_means_zero_watts() -> None:
    step = Step(0, 60, StepKind.LIMIT, 0.0)
    assert limit_of(step, None, None) == 0.0
    assert limit_of(step, 5000.0, 4000.0) == 0.0
    nothing, much = Asked("stop", 3, 0.0), Asked("mild", 3, 9000.0)
    assert effective([much, nothing]) == nothing


def test_what_was_not_measured_gives_no_limit_rather_than_zero() -> None:
    assert limit_of(Step(0, 60, StepKind.REDUCE, 100.0), None, None) is None
    assert limit_of(Step(0, 60, StepKind.ECO, 1), 800.0, None) is None
    assert limit_of(Step(0, 60, StepKind.REDUCE, 100.0), 800.0, None) == 700.0


@given(watts, watts, st.floats(-1e5, 1e6))
def test_more_eco_is_never_a_higher_limit_and_none_asks_to_feed_in(
    before_w: float, holdable_w: float, reduce_w: float
) -> None:
    levels = [limit_of(Step(0, 60, StepKind.ECO, n), before_w, holdable_w) for n in (1, 2, 3)]
    limits = [limit for limit in levels if limit is not None]
    assert limits == sorted(limits, reverse=True)
    assert len(limits) == 3
    assert min(limits) >= 0
    if reduce_w > 0:
        limit = limit_of(Step(0, 60, StepKind.REDUCE, reduce_w), before_w, None)
        assert limit is not None
        assert 0 <= limit <= before_w


@given(st.lists(asked, min_size=1, max_size=4))
def test_priority_decides_then_the_strictest_in_whatever_order_they_came(
    several: list[Asked],
) -> None:
    found = effective(several)
    assert found is not None
    assert found.priority == min(one.priority for one in several)
    assert found.limit_w == min(x.limit_w for x in several if x.priority == found.priority)
    assert all(effective(order) == found for order in permutations(several))


def test_no_event_asks_nothing() -> None:
    assert effective([]) is None


@pytest.mark.parametrize(("priority", "limit_w"), [(-1, 0.0), (10, 0.0), (5, -1.0), (5, math.nan)])
def test_what_cannot_be_asked_is_refused(priority: int, limit_w: float) -> None:
    with pytest.raises(InputError, match="event x"):
        Asked("x", priority, limit_w)
