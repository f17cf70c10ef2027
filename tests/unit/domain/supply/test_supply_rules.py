"""The life of an order as a table, and what may be ordered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.supply import (
    DEEDS,
    FINAL,
    OPEN,
    Check,
    Contact,
    Deed,
    Facts,
    OrderState,
    Protection,
    Refusal,
    SupplyAction,
    SupplyReason,
    after,
    checklist_of,
    needs_second_person,
    refusals,
)

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OFF = Facts(
    action=SupplyAction.DISCONNECT,
    reason=SupplyReason.NON_PAYMENT,
    text="three bills",
    now=NOW,
    not_before=NOW - HOUR,
    expires=NOW + HOUR,
    contact=Contact.ON,
)
ON = replace(OFF, action=SupplyAction.RECONNECT, contact=Contact.OFF)


def test_every_state_has_its_row_and_ends() -> None:
    assert set(DEEDS) == set(OrderState)
    for state in OrderState:
        seen, todo = set(), [state]
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo += DEEDS[here].values()
        assert seen & FINAL


def test_nothing_is_sent_that_was_not_approved_and_nothing_sent_is_cancelled() -> None:
    ways_to = {
        state: {a for a, deeds in DEEDS.items() if state in deeds.values()} for state in DEEDS
    }
    assert ways_to[OrderState.SENT] == {OrderState.APPROVED}
    assert ways_to[OrderState.APPROVED] == {OrderState.DRAFT, OrderState.WAITING}
    assert after(OrderState.SENT, Deed.CANCEL) is None
    assert after(OrderState.WAITING, Deed.SEND) is None
    assert all(state not in OPEN for state in FINAL)


@given(st.lists(st.sampled_from(Deed), max_size=12))
def test_no_order_of_deeds_leads_back(deeds: list[Deed]) -> None:
    rank = {state: n for n, state in enumerate(OrderState)}
    state = OrderState.DRAFT
    for deed in deeds:
        new = after(state, deed)
        if new is not None:
            late = state == OrderState.EXPIRED
            assert late or rank[new] > rank[state]
            state = new


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        (replace(OFF, has_device=False), Refusal.NO_DEVICE),
        (replace(OFF, has_hub=False), Refusal.NO_HUB),
        (replace(OFF, text="  "), Refusal.TEXT),
        (replace(OFF, text="x" * 501), Refusal.TEXT),
        (replace(OFF, expires=NOW), Refusal.TTL),
        (replace(OFF, expires=NOW + timedelta(days=8)), Refusal.TTL),
        (replace(OFF, not_before=None), Refusal.NOTICE),
        (replace(OFF, not_before=NOW + timedelta(days=181)), Refusal.NOTICE),
        (replace(OFF, is_open=True), Refusal.OPEN),
        (replace(OFF, contact=Contact.OFF), Refusal.ALREADY),
        (replace(OFF, protection=Protection.LIFE_SUPPORT), Refusal.PROTECTED),
        (replace(ON, contact=Contact.ON), Refusal.ALREADY),
        (replace(ON, faults=True), Refusal.FAULT),
    ],
)
def test_what_speaks_against_an_order(facts: Facts, refusal: Refusal) -> None:
    assert refusal in refusals(facts)


def test_what_does_not() -> None:
    assert refusals(OFF) == refusals(ON) == []
    other = replace(OFF, reason=SupplyReason.DANGER, not_before=None)
    assert refusals(replace(other, protection=Protection.MEDICAL_DEVICE, faults=True)) == []
    assert refusals(replace(OFF, contact=Contact.UNKNOWN)) == []
    assert refusals(replace(OFF, contact=Contact.ARMED)) == []
    later = NOW + timedelta(days=10)
    assert refusals(replace(OFF, not_before=later, expires=later + HOUR)) == []
    assert Refusal.TTL in refusals(replace(OFF, not_before=later))


@pytest.mark.parametrize(
    ("facts", "least"),
    [
        (OFF, {Check.RIGHT_PLACE, Check.NOTIFIED}),
        (replace(OFF, reason=SupplyReason.REPAIR), {Check.RIGHT_PLACE}),
        (ON, {Check.RIGHT_PLACE, Check.NOBODY_WORKS, Check.CLOSED, Check.INFORMED}),
        (replace(ON, moved=3), {Check.NOBODY_WORKS, Check.USED_WHILE_OFF}),
    ],
)
def test_every_item_of_the_checklist_is_asked_for(facts: Facts, least: set[Check]) -> None:
    items = checklist_of(facts)
    assert least <= set(items)
    assert refusals(facts, items) == []
    for item in items:
        assert refusals(facts, set(items) - {item}) == [Refusal.CHECKLIST]


def test_a_register_that_stood_still_asks_for_nothing_more() -> None:
    assert checklist_of(replace(ON, moved=0)) == checklist_of(replace(ON, moved=None))


def test_danger_is_disconnected_at_once_and_reconnected_by_two() -> None:
    for reason, chosen in product(SupplyReason, ((), tuple(SupplyReason))):
        off = needs_second_person(SupplyAction.DISCONNECT, reason, chosen, was_dangerous=True)
        assert off == (bool(chosen) and reason != SupplyReason.DANGER)
        assert needs_second_person(SupplyAction.RECONNECT, reason, chosen, was_dangerous=True)
        on = needs_second_person(SupplyAction.RECONNECT, reason, chosen, was_dangerous=False)
        assert on == bool(chosen)
