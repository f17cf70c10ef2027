"""The hub's side of orders to a supply: journal first, feedback last, once by id."""

import pytest

from balans.gateway.supply_orders import (
    AGAIN_S,
    AHEAD_S,
    ASK_S,
    BUSY,
    EXPIRED,
    FROM_FUTURE,
    NO_FEEDBACK,
    OPEN_MAX,
    OTHER_STATE,
    REMEMBERED,
    STUCK,
    SupplyOrders,
)
from balans.protocols.hub import SupplyOrder, SupplyOutcome, SupplyReport
from balans.protocols.module import SupplyState
from balans.protocols.supply_words import Contact, SupplyAction

T0 = 1_768_172_400.0
DISCONNECT, RECONNECT = SupplyAction


def order(
    name: str = "o1", *, on: bool = False, issued: float = T0, life_s: float = 60.0
) -> SupplyOrder:
    action = SupplyAction.RECONNECT if on else SupplyAction.DISCONNECT
    return SupplyOrder(name, 7, 1, action, issued, issued + life_s, "dora", "non_payment: x")


def state(contact: Contact, answers: str = "", refused: str = "", since: float = T0) -> SupplyState:
    return SupplyState(7, 1, contact, since, since, answers, answers, refused)


def asked(orders: SupplyOrders, name: str = "o1") -> None:
    """Take an order and let the journal hold it."""
    heard = orders.take(order(name), T0, 0.0)
    assert heard is not None
    assert heard.outcome == SupplyOutcome.HEARD
    orders.durable(name, 0.0)


def test_nothing_is_said_to_the_module_before_the_journal_holds_the_order() -> None:
    orders = SupplyOrders()
    heard = orders.take(order(), T0, 0.0)
    assert heard is not None
    assert (heard.id, heard.author, heard.reason) == ("o1", "dora", "non_payment: x")
    assert orders.due(T0, 0.0) == ([], [])
    assert not orders.waits
    orders.durable("o1", 0.0)
    (switch,), reports = orders.due(T0, 0.0)
    assert (switch.id, switch.serial, switch.author, reports) == ("o1", 7, "dora", [])
    assert orders.due(T0, ASK_S / 2)[0] == []
    assert [one.id for one in orders.due(T0, ASK_S)[0]] == ["o1"]


def test_what_the_journal_cannot_take_is_not_done_and_may_come_again() -> None:
    orders = SupplyOrders()
    orders.take(order(), T0, 0.0)
    orders.dropped("o1")
    assert orders.due(T0, 0.0) == ([], [])
    asked(orders)


@pytest.mark.parametrize(
    ("action", "said", "refused", "outcome", "detail"),
    [
        (DISCONNECT, Contact.OFF, "", SupplyOutcome.CONFIRMED, ""),
        (RECONNECT, Contact.ON, "", SupplyOutcome.CONFIRMED, ""),
        (RECONNECT, Contact.ARMED, "", SupplyOutcome.CONFIRMED, ""),
        (DISCONNECT, Contact.ON, "", SupplyOutcome.FAILED, OTHER_STATE),
        (RECONNECT, Contact.OFF, "", SupplyOutcome.FAILED, OTHER_STATE),
        (DISCONNECT, Contact.ON, STUCK, SupplyOutcome.FAILED, STUCK),
        (DISCONNECT, Contact.ON, "replayed", SupplyOutcome.REFUSED, "replayed"),
    ],
)
def test_only_feedback_tells_what_came_of_it(
    action: SupplyAction, said: Contact, refused: str, outcome: SupplyOutcome, detail: str
) -> None:
    orders = SupplyOrders()
    orders.take(order(on=action == RECONNECT), T0, 0.0)
    orders.durable("o1", 0.0)
    (report,) = orders.told(state(said, "o1", refused), T0 + 1, 1.0)
    assert (report.outcome, report.detail, report.contact) == (outcome, detail, said)
    assert (report.author, report.reason) == ("dora", "non_payment: x")
    assert orders.due(T0 + 9, 9.0) == ([], [])


def test_the_feedback_of_another_contact_or_order_settles_nothing() -> None:
    orders = SupplyOrders()
    asked(orders)
    other = SupplyState(7, 2, Contact.OFF, T0, T0, "o1", "o1")
    foreign = SupplyState(8, 1, Contact.OFF, T0, T0, "o1", "o1")
    for told in (other, foreign, state(Contact.OFF, "o9"), state(Contact.OFF, since=T0 + 1)):
        reports = orders.told(told, T0, 0.0)
        assert [one.outcome for one in reports] == [SupplyOutcome.TOLD]
    assert orders.waits


def test_an_order_is_done_once_and_its_outcome_told_again() -> None:
    orders = SupplyOrders()
    asked(orders)
    (done,) = orders.told(state(Contact.OFF, "o1"), T0, 0.0)
    assert orders.take(order(), T0, 1.0) is None
    assert orders.take(order(), T0, AGAIN_S) == done
    assert orders.take(order(), T0, AGAIN_S + 1) is None
    assert orders.due(T0, 99.0) == ([], [])
    assert orders.told(state(Contact.OFF, "o1"), T0, 99.0) == []


def test_time_ends_an_order() -> None:
    orders = SupplyOrders()
    asked(orders)
    assert orders.due(T0 + 59.9, 0.0)[1] == []
    _, (failed,) = orders.due(T0 + 60, 99.0)
    assert (failed.outcome, failed.detail) == (SupplyOutcome.FAILED, NO_FEEDBACK)
    assert orders.due(T0 + 61, 199.0) == ([], [])
    (late,) = orders.told(state(Contact.OFF, "o1"), T0 + 62, 200.0)
    assert late.outcome == SupplyOutcome.TOLD


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (order(issued=T0 - 60), EXPIRED),
        (order(issued=T0 + AHEAD_S + 1), FROM_FUTURE),
    ],
)
def test_what_a_clock_forbids_is_refused(one: SupplyOrder, why: str) -> None:
    orders = SupplyOrders()
    report = orders.take(one, T0, 0.0)
    assert report is not None
    assert (report.outcome, report.detail) == (SupplyOutcome.REFUSED, why)
    orders.durable("o1", 0.0)
    assert orders.due(T0, 0.0) == ([], [])


def test_a_flood_of_orders_fills_no_memory() -> None:
    orders = SupplyOrders()
    for n in range(OPEN_MAX):
        asked(orders, f"a{n}")
    report = orders.take(order("one-more"), T0, 0.0)
    assert report is not None
    assert (report.outcome, report.detail) == (SupplyOutcome.REFUSED, BUSY)
    for n in range(3 * REMEMBERED):
        orders.take(order(f"b{n}", issued=T0 - 100), T0, 0.0)
    assert len(orders._orders) <= OPEN_MAX + REMEMBERED + 1


def test_a_contact_is_told_of_when_it_changes_or_is_asked_for() -> None:
    orders = SupplyOrders()
    assert len(orders.told(state(Contact.ON), T0, 0.0)) == 1
    assert orders.told(state(Contact.ON), T0, 1.0) == []
    assert len(orders.told(state(Contact.OFF, since=T0 + 5), T0, 2.0)) == 1
    orders.unknown(frozenset({8}))
    assert orders.told(state(Contact.OFF, since=T0 + 5), T0, 3.0) == []
    orders.unknown(frozenset({7}))
    (told,) = orders.told(state(Contact.OFF, since=T0 + 5), T0, 4.0)
    assert told == SupplyReport(7, 1, SupplyOutcome.TOLD, T0, contact=Contact.OFF, since=T0 + 5)
