"""Plans of events: what places offer becomes steps that can be called."""

import pytest

from balans.core.words import StepKind
from balans.usecases.event_plan import Asked, EventPlan, Offer, Offered, plan_event
from balans.usecases.event_whole import plan_whole

HOUR_S = 3600.0
GREEN = Offered(2000.0, 300.0)
YELLOW = Offered(1000.0, 300.0)


def plan(kind: StepKind, value: float, wanted_w: float | None = None) -> EventPlan:
    return EventPlan(kind, (Asked(0.0, HOUR_S, value),), wanted_w)


def offers(number: int, green: Offered = GREEN, yellow: Offered = Offered()) -> list[Offer]:  # noqa: B008
    return [Offer(f"p{n}", green, yellow) for n in range(number)]


def test_as_much_as_there_is() -> None:
    found = plan_event(plan(StepKind.LIMIT, 0.0), offers(5))
    assert [part.name for part in found.parts] == [f"p{n}" for n in range(5)]
    assert found.mean_w == pytest.approx(10_000)
    assert found.met
    assert found.parts[0].steps == (Asked(0.0, HOUR_S, 0.0),)


def test_no_more_are_asked_than_are_needed() -> None:
    found = plan_event(plan(StepKind.LIMIT, 0.0, wanted_w=4_000), offers(20))
    assert 2 <= len(found.parts) <= 4
    assert found.met


def test_what_cannot_be_met_is_told() -> None:
    found = plan_event(plan(StepKind.LIMIT, 0.0, wanted_w=50_000), offers(3))
    assert len(found.parts) == 3
    assert not found.met
    assert min(found.missing_w) > 40_000


def test_who_has_given_much_is_asked_last() -> None:
    places = [*offers(3), Offer("giver", GREEN, Offered(), given_kwmin=5_000.0)]
    found = plan_event(plan(StepKind.LIMIT, 0.0, wanted_w=3_000), places)
    assert "giver" not in {part.name for part in found.parts}


def test_a_reduction_is_what_a_place_can_give() -> None:
    found = plan_event(plan(StepKind.REDUCE, 50_000.0), offers(1))
    assert found.parts[0].steps == (Asked(0.0, HOUR_S, 2_000.0),)
    found = plan_event(plan(StepKind.REDUCE, 500.0), offers(1))
    assert found.parts[0].steps == (Asked(0.0, HOUR_S, 500.0),)
    assert found.mean_w == pytest.approx(500)


def test_a_limit_above_what_a_place_draws_brings_nothing() -> None:
    place = Offer("p", GREEN, Offered(), base_w=2_500.0)
    assert plan_event(plan(StepKind.LIMIT, 3_000.0), [place]).parts == ()
    found = plan_event(plan(StepKind.LIMIT, 1_500.0), [place])
    assert found.parts[0].expected_w == pytest.approx(1_000)


def test_eco_levels() -> None:
    for level, share in ((1, 0.25), (2, 0.5), (3, 1.0)):
        found = plan_event(plan(StepKind.ECO, float(level)), offers(1))
        assert found.mean_w == pytest.approx(2_000 * share)


def test_yellow_takes_turns_and_rests() -> None:
    found = plan_event(plan(StepKind.LIMIT, 0.0), offers(1, Offered(), YELLOW))
    (part,) = found.parts
    assert len(part.steps) >= 2
    for one in part.steps:
        assert 420 <= one.end_s - one.start_s <= 900
    for one, other in zip(part.steps, part.steps[1:], strict=False):
        assert other.start_s - one.end_s >= one.end_s - one.start_s - 1e-6


def test_a_place_with_both_is_asked_once() -> None:
    found = plan_event(plan(StepKind.LIMIT, 0.0), offers(2, GREEN, YELLOW))
    assert [part.name for part in found.parts] == ["p0", "p1"]
    assert all(part.steps == (Asked(0.0, HOUR_S, 0.0),) for part in found.parts)


def test_who_rests_still_is_not_asked() -> None:
    place = Offer("p", GREEN, Offered(), rests_until_s=2 * HOUR_S)
    assert plan_event(plan(StepKind.LIMIT, 0.0), [place]).parts == ()


def test_gaps_between_steps_ask_nothing() -> None:
    steps = (Asked(0.0, 900.0, 0.0), Asked(1800.0, 2700.0, 500.0))
    (part,) = plan_event(EventPlan(StepKind.LIMIT, steps), offers(1)).parts
    assert part.steps == steps


def test_a_whole_place_begins_somewhere_in_the_spread() -> None:
    steps = (Asked(0.0, 1800.0, 500.0), Asked(1800.0, HOUR_S, 400.0))
    spread = EventPlan(StepKind.LIMIT, steps, 1_000.0, start_spread_s=600.0)
    found = plan_whole(spread, Offer("p", GREEN, Offered(), base_w=2_500.0))
    assert found.expected_w[:3] == pytest.approx((250.0, 750.0, 1_000.0))
    assert found.expected_w[6] == pytest.approx(1_000.0)  # its steps touch: it has begun long ago
    assert found.met
    assert found.bound_w == pytest.approx(2_000.0)
