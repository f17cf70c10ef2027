"""The tables of the life of events and targets."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.response.life import (
    EVENT_LIFE,
    FINAL_EVENTS,
    FINAL_TARGETS,
    TARGET_LIFE,
    EventHappening,
    EventState,
    LifeError,
    TargetHappening,
    TargetState,
    next_event_state,
    next_target_state,
)

LIVES: list[tuple[Mapping[Any, Mapping[Any, Any]], Any, frozenset[Any]]] = [
    (EVENT_LIFE, EventState.DRAFT, FINAL_EVENTS),
    (TARGET_LIFE, TargetState.QUEUED, FINAL_TARGETS),
]


@pytest.mark.parametrize(("life", "first", "final"), LIVES, ids=["event", "target"])
def test_every_state_is_reached_and_only_final_ones_have_no_way_out(
    life: Mapping[Any, Mapping[Any, Any]], first: StrEnum, final: frozenset[StrEnum]
) -> None:
    reached, left = {first}, [first]
    while left:
        for state in set(life[left.pop()].values()) - reached:
            reached.add(state)
            left.append(state)
    assert reached == set(type(first)) == set(life)
    assert {state for state, ways in life.items() if not ways} == final


@given(st.lists(st.sampled_from(EventHappening)))
def test_an_event_only_moves_on(happenings: list[EventHappening]) -> None:
    order = [EventState.DRAFT, EventState.ANNOUNCED, EventState.ACTIVE, EventState.ENDED]
    state = EventState.DRAFT
    for happening in happenings:
        try:
            after = next_event_state(state, happening)
        except LifeError:
            continue
        assert state not in FINAL_EVENTS
        assert after is EventState.CANCELLED or order.index(after) == order.index(state) + 1
        state = after


@given(st.lists(st.sampled_from(TargetHappening)))
def test_a_target_takes_every_report_twice_and_stays_where_it_ended(
    happenings: list[TargetHappening],
) -> None:
    state = TargetState.QUEUED
    for happening in happenings:
        try:
            state = next_target_state(state, happening)
        except LifeError:
            continue
        if state in FINAL_TARGETS:
            with pytest.raises(LifeError, match="it is final"):
                next_target_state(state, happening)
            return
        assert next_target_state(state, happening) is state


def test_a_failed_target_may_still_obey_but_does_not_become_released() -> None:
    assert next_target_state(TargetState.FAILED, TargetHappening.DO) is TargetState.DONE
    assert next_target_state(TargetState.FAILED, TargetHappening.RELEASE) is TargetState.FAILED


def test_a_call_that_was_refused_may_be_taken_when_it_is_repeated() -> None:
    """A gateway that has just started refuses a call "from the future" until it hears a beat."""
    assert next_target_state(TargetState.REFUSED, TargetHappening.HEAR) is TargetState.HEARD
    assert next_target_state(TargetState.REFUSED, TargetHappening.DO) is TargetState.DONE


def test_what_is_not_possible_is_told_with_what_is() -> None:
    with pytest.raises(LifeError, match="an event that is active: announce is not possible") as at:
        next_event_state(EventState.ACTIVE, EventHappening.ANNOUNCE)
    assert "expected end, cancel" in str(at.value)
    assert at.value.code == "not_in_this_state"
