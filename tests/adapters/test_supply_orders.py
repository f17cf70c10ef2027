"""Orders to disconnect and reconnect, in the tables: who may, what refuses them, every step."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from tests.adapters.supply_town import (
    HOUR,
    NOW,
    OFF,
    ON,
    SERIAL,
    add_device,
    all_checks,
    for_debt,
    ordered,
    person,
    point_of,
    tell,
    wish,
    with_supply,
)

from balans.core.hours import hour_of
from balans.domain.supply import (
    Check,
    OrderState,
    Protection,
    ReconnectMode,
    Refusal,
    SupplyKind,
    SupplyReason,
)
from balans.protocols.hub import Batch, Entry, EntryKind, SupplyOutcome
from balans.protocols.readings import Flag, Reading, pack
from balans.protocols.supply_words import Contact
from balans.storage import (
    access,
    findings,
    scope,
    supply,
    supply_checks,
    supply_lists,
    supply_orders,
    supply_sending,
)
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.models import Exemption, Load, Module, SupplyOrder
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.supply_records import OrderInfo, SupplyRefusedError
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def tenant_id(plan: RegistryPlan) -> int:
    found = apply_plan(with_supply(plan)).tenant_id
    with tenant_scope(found):
        add_device()
    return found


@pytest.fixture
def alice(tenant_id: int) -> Iterator[int]:
    with tenant_scope(tenant_id):
        yield tenant_id


@pytest.fixture(autouse=True)
def _nested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the functions of the head-end work inside the transaction of a test."""
    real = scope._scope
    monkeypatch.setattr(scope, "_scope", lambda who, actor, **_: real(who, actor, durable=False))


def refused(deed: Callable[[], Any]) -> str:
    with pytest.raises(SupplyRefusedError) as error:
        deed()
    return error.value.code


def state_of(order: OrderInfo) -> OrderState:
    return supply_lists.order_for(person("alice-dora"), order.code).state


def steps_of(order: OrderInfo) -> list[tuple[str, str]]:
    found = supply_lists.order_for(person("alice-dora"), order.code)
    return [(step.state, step.author) for step in found.steps]


def noticed() -> list[str]:
    return [one.what for one in findings.latest()]


@pytest.mark.usefixtures("alice")
def test_an_order_with_its_second_person_and_every_step() -> None:
    order = ordered(for_debt())
    assert (order.state, order.second_person) == (OrderState.WAITING, True)
    assert order.checks == {Check.RIGHT_PLACE, Check.NOTIFIED}
    assert supply_sending.release_due(NOW) == 0
    supply_orders.approve(person("alice-dan"), order.code, NOW)
    assert supply_sending.release_due(NOW) == 1
    (out,) = supply_sending.sent_orders(NOW)
    assert (out.hub_code, out.order.id, out.order.module) == ("alice-hub", order.code, SERIAL)
    assert (out.order.author, out.order.reason) == ("alice-dora", "non_payment: because")
    tell(SupplyOutcome.HEARD, order.code)
    tell(SupplyOutcome.CONFIRMED, order.code, Contact.OFF)
    assert steps_of(order) == [
        ("draft", "alice-dora"),
        ("waiting_approval", "alice-dora"),
        ("approved", "alice-dan"),
        ("sent", "headend"),
        ("heard", "alice-hub"),
        ("confirmed", "alice-hub"),
    ]
    device = supply.device_of(point_of())
    assert device is not None
    assert (device.contact, device.since, device.order) == (Contact.OFF, NOW, order.code)
    assert supply_sending.sent_orders(NOW) == []
    assert noticed() == []


@pytest.mark.usefixtures("alice")
def test_nobody_has_the_right_who_was_not_given_it() -> None:
    for name in ("alice-operator", "alice-consumer"):
        assert Right.SUPPLY not in access.rights_on(
            person(name), access.node_for(person(name), "alice-flat-1")
        )
        with pytest.raises(ForbiddenError):
            supply_orders.draft(person(name), "alice-p1", wish(), NOW)
    order = ordered(for_debt())
    for deed in (supply_orders.approve, lambda *a: supply_orders.cancel(a[0], a[1], "no", a[2])):
        with pytest.raises(ForbiddenError):
            deed(person("alice-operator"), order.code, NOW)
    with pytest.raises(ForbiddenError):
        supply.protect(person("alice-dora"), "alice-p1", Protection.VULNERABLE, "old", NOW)


@pytest.mark.usefixtures("alice")
def test_the_author_is_not_the_second_person() -> None:
    order = ordered(for_debt())
    dora = person("alice-dora")
    assert refused(lambda: supply_orders.approve(dora, order.code, NOW)) == "own"
    assert refused(lambda: supply_orders.decline(dora, order.code, "no", NOW)) == "own"
    row = SupplyOrder.objects.get(code=order.code)
    with pytest.raises(IntegrityError, match="supply_order_two_people"), transaction.atomic():
        SupplyOrder.objects.filter(pk=row.pk).update(approver_user=dora, state="approved")
    with pytest.raises(IntegrityError, match="supply_order_approved"), transaction.atomic():
        SupplyOrder.objects.filter(pk=row.pk).update(state="sent")


@pytest.mark.usefixtures("alice")
def test_a_draft_is_its_authors_alone() -> None:
    draft = supply_orders.draft(person("alice-dora"), "alice-p1", wish(), NOW)
    dan = person("alice-dan")
    with pytest.raises(NotVisibleError):
        supply_orders.submit(dan, draft.code, list(Check), NOW)
    with pytest.raises(NotVisibleError):
        supply_lists.order_for(dan, draft.code)
    assert supply_lists.orders_of(point_of()) == []
    late = NOW + HOUR
    assert (
        refused(lambda: supply_orders.submit(person("alice-dora"), draft.code, list(Check), late))
        == "state"
    )


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("one", "code"),
    [
        (wish(text=" "), Refusal.TEXT),
        (wish(text="x" * 501), Refusal.TEXT),
        (for_debt(not_before=None), Refusal.NOTICE),
        (wish(ttl=timedelta(0)), Refusal.TTL),
        (wish(ttl=timedelta(days=8)), Refusal.TTL),
    ],
)
def test_what_is_wrong_with_a_wish_is_said(one: supply_orders.Wish, code: str) -> None:
    dora = person("alice-dora")
    assert refused(lambda: supply_orders.draft(dora, "alice-p1", one, NOW)) == code
    assert refused(lambda: supply_orders.draft(dora, "alice-w1", wish(), NOW)) == Refusal.NO_DEVICE


@pytest.mark.usefixtures("alice")
def test_a_module_without_a_hub_is_out_of_reach() -> None:
    Module.objects.filter(serial=SERIAL).update(hub=None)
    dora = person("alice-dora")
    assert refused(lambda: supply_orders.draft(dora, "alice-p1", wish(), NOW)) == Refusal.NO_HUB


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("kind", Protection)
def test_who_is_protected_is_not_cut_off_for_debt_and_it_is_noticed(kind: Protection) -> None:
    supply.protect(person("alice-operator"), "alice-p1", kind, "a doctor's letter", NOW)
    order = ordered(for_debt())
    assert (order.state, order.detail) == (OrderState.REFUSED, "protected")
    assert noticed() == ["a disconnection for non-payment was refused: the point is protected"]
    assert ordered(wish(reason=SupplyReason.DANGER)).state == OrderState.APPROVED


@pytest.mark.usefixtures("alice")
def test_who_is_vulnerable_for_demand_response_is_not_cut_off_for_debt(tenant_id: int) -> None:
    node = access.node_for(person("alice-operator"), "alice-house")
    exemption = Exemption.objects.create(
        tenant_id=tenant_id,
        node_id=node.id,
        kind="vulnerable",
        reason="a home for the aged",
        author="alice-operator",
        at=NOW,
    )
    order = ordered(for_debt())
    assert (order.state, order.detail) == (OrderState.REFUSED, "protected")
    exemption.ended_at = NOW
    exemption.save()
    assert ordered(for_debt()).state == OrderState.WAITING


@pytest.mark.usefixtures("alice")
def test_a_protection_that_comes_later_still_protects() -> None:
    operator, dan = person("alice-operator"), person("alice-dan")
    order = ordered(for_debt())
    supply.protect(operator, "alice-p1", Protection.LIFE_SUPPORT, "ventilator", NOW)
    assert supply_orders.approve(dan, order.code, NOW).state == OrderState.REFUSED
    supply.unprotect(operator, "alice-p1", "moved out", NOW)
    order = ordered(for_debt())
    supply_orders.approve(dan, order.code, NOW)
    supply.protect(operator, "alice-p1", Protection.LIFE_SUPPORT, "ventilator", NOW)
    assert supply_sending.release_due(NOW) == 0
    assert state_of(order) == OrderState.REFUSED
    assert [one.ended_by for one in supply.protections_of(point_of())] == ["", "alice-operator"]


@pytest.mark.usefixtures("alice")
def test_nothing_is_sent_before_the_day_that_was_told() -> None:
    later = NOW + timedelta(days=10)
    order = ordered(for_debt(not_before=later))
    supply_orders.approve(person("alice-dan"), order.code, NOW)
    assert supply_sending.release_due(later - MINUTE) == 0
    assert supply_sending.release_due(later) == 1
    assert supply_sending.sent_orders(later)[0].order.issued == later.timestamp()


@pytest.mark.usefixtures("alice")
def test_a_point_has_one_open_order() -> None:
    dora = person("alice-dora")
    first = supply_orders.draft(dora, "alice-p1", wish(), NOW)
    second = supply_orders.draft(dora, "alice-p1", wish(), NOW)
    supply_orders.submit(dora, first.code, list(Check), NOW)
    assert refused(lambda: supply_orders.submit(dora, second.code, list(Check), NOW)) == "open"
    assert refused(lambda: supply_orders.draft(dora, "alice-p1", wish(), NOW)) == "open"
    with pytest.raises(IntegrityError, match="supply_order_one_open"), transaction.atomic():
        SupplyOrder.objects.filter(code=second.code).update(state="approved")
    supply_orders.cancel(person("alice-dan"), first.code, "a mistake", NOW)
    assert supply_orders.submit(dora, second.code, list(Check), NOW).state == OrderState.APPROVED


@pytest.mark.usefixtures("alice")
def test_the_checklist_is_asked_for_to_the_last_item() -> None:
    dora = person("alice-dora")
    draft = supply_orders.draft(dora, "alice-p1", wish(ON), NOW)
    items = all_checks(draft.code)
    assert items == {Check.RIGHT_PLACE, Check.NOBODY_WORKS, Check.CLOSED, Check.INFORMED}

    def submit(confirmed: frozenset[Check]) -> OrderInfo:
        return supply_orders.submit(dora, draft.code, confirmed, NOW)

    for item in items:
        assert refused(partial(submit, items - {item})) == "checklist"
    assert supply_orders.submit(dora, draft.code, items, NOW).state == OrderState.APPROVED


def deliver(hours: dict[int, int], flags: int = 0) -> None:
    rows = [Reading(1000, 1, hour_of(NOW) + h, value, flags) for h, value in hours.items()]
    deliver.offset += 1  # type: ignore[attr-defined]
    batch = Batch.of(9, deliver.offset, (Entry(EntryKind.READINGS, pack(rows)),))  # type: ignore[attr-defined]
    store_batch("alice-hub", batch, NOW)
    flush_inbox(NOW)


deliver.offset = 0  # type: ignore[attr-defined]


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("flag", [Flag.LINE_BREAK, Flag.SHORT_CIRCUIT])
def test_a_broken_line_is_not_put_under_voltage(flag: Flag) -> None:
    deliver({-1: 100, 0: 100}, flag)
    order = ordered(wish(ON))
    assert (order.state, order.detail) == (OrderState.REFUSED, "fault")
    assert noticed()[0] == "a reconnection was refused: the line is broken or short-circuited"


@pytest.mark.usefixtures("alice")
def test_a_line_that_is_whole_again_is() -> None:
    deliver({-2: 100}, Flag.LINE_BREAK)
    deliver({-1: 100, 0: 100})
    assert ordered(wish(ON)).state == OrderState.APPROVED


@pytest.mark.usefixtures("alice")
def test_what_is_used_while_off_is_a_warning_and_a_finding() -> None:
    tell(SupplyOutcome.TOLD, contact=Contact.OFF, at=NOW - timedelta(hours=5, minutes=30))
    deliver({-8: 0, -6: 90, -5: 100, -3: 100, 0: 100})
    assert supply_checks.situation_of(point_of(), NOW).moved == 0
    assert supply_checks.bypasses(NOW) == []
    later = NOW + 2 * HOUR
    deliver({1: 140})
    assert supply_checks.situation_of(point_of(), later).moved == 40
    assert [one.place for one in supply_checks.bypasses(later)] == ["point alice-p1"]
    dora = person("alice-dora")
    draft = supply_orders.draft(dora, "alice-p1", wish(ON), later)
    less = all_checks(draft.code, later) - {Check.USED_WHILE_OFF}
    assert refused(lambda: supply_orders.submit(dora, draft.code, less, later)) == "checklist"
    done = supply_orders.submit(dora, draft.code, all_checks(draft.code, later), later)
    assert (done.state, done.moved) == (OrderState.APPROVED, 40)
    assert noticed() == ["something is used though the supply is disconnected"]


@pytest.mark.usefixtures("alice")
def test_an_order_after_the_clock_went_back_by_more_than_its_life_is_never_sent() -> None:
    """It cannot be issued after the last of its device and before it expires; others go on."""
    off = ordered(wish(OFF, SupplyReason.DANGER), NOW + 6 * HOUR)
    assert supply_sending.release_due(NOW + 6 * HOUR) == 1
    tell(SupplyOutcome.CONFIRMED, off.code, Contact.OFF)
    on = ordered(wish(ON, SupplyReason.CUSTOMER_WISH))
    supply_orders.approve(person("alice-dan"), on.code, NOW)
    assert supply_sending.release_due(NOW) == 0
    assert supply_sending.sent_orders(NOW) == []
    assert supply_sending.expire_due(NOW + 2 * HOUR) == 1
    assert state_of(on) == OrderState.EXPIRED


@pytest.mark.usefixtures("alice")
def test_danger_goes_off_at_once_and_comes_back_by_two() -> None:
    off = ordered(wish(OFF, SupplyReason.DANGER))
    assert off.state == OrderState.APPROVED
    supply_sending.release_due(NOW)
    tell(SupplyOutcome.CONFIRMED, off.code, Contact.OFF)
    on = ordered(wish(ON, SupplyReason.CUSTOMER_WISH))
    assert (on.state, on.second_person) == (OrderState.WAITING, True)
    supply_orders.approve(person("alice-dan"), on.code, NOW)
    supply_sending.release_due(NOW + MINUTE)
    tell(SupplyOutcome.CONFIRMED, on.code, Contact.ON, NOW + MINUTE)
    off = ordered(wish(OFF), NOW + 2 * MINUTE)
    supply_sending.release_due(NOW + 2 * MINUTE)
    tell(SupplyOutcome.CONFIRMED, off.code, Contact.OFF, NOW + 2 * MINUTE)
    assert not ordered(wish(ON), NOW + 3 * MINUTE).second_person


@pytest.mark.usefixtures("alice")
def test_the_nearest_rule_says_for_what_a_second_person_is_needed() -> None:
    operator = person("alice-operator")
    supply.set_second_person(operator, "alice-city", list(SupplyReason), NOW)
    assert ordered(wish()).state == OrderState.WAITING
    supply.set_second_person(operator, "alice-flat-1", [], NOW)
    supply_orders.cancel(person("alice-dora"), supply_lists.orders_of(point_of())[0].code, "x", NOW)
    assert ordered(for_debt()).state == OrderState.APPROVED
    with pytest.raises(ForbiddenError):
        supply.set_second_person(person("alice-dora"), "alice-house", [], NOW)


@pytest.mark.usefixtures("alice")
def test_what_was_sent_is_not_cancelled_and_what_was_cancelled_is_not_sent() -> None:
    dora = person("alice-dora")
    first = ordered(wish())
    supply_orders.cancel(dora, first.code, "paid", NOW)
    assert supply_sending.release_due(NOW) == 0
    second = ordered(wish())
    assert supply_sending.release_due(NOW) == 1
    assert refused(lambda: supply_orders.cancel(dora, second.code, "paid", NOW)) == "state"
    assert refused(lambda: supply_orders.cancel(dora, first.code, "paid", NOW)) == "state"


@pytest.mark.usefixtures("alice")
def test_time_ends_orders_and_a_late_word_counts() -> None:
    never = ordered(for_debt())
    assert supply_sending.expire_due(NOW + HOUR) == 1
    assert (state_of(never), supply_sending.expire_due(NOW + HOUR)) == (OrderState.EXPIRED, 0)
    lost = ordered(wish())
    supply_sending.release_due(NOW)
    assert supply_sending.expire_due(NOW + HOUR + MINUTE) == 0
    assert supply_sending.sent_orders(NOW + HOUR) == []
    assert supply_sending.expire_due(NOW + HOUR + 2 * MINUTE) == 1
    assert state_of(lost) == OrderState.EXPIRED
    tell(SupplyOutcome.CONFIRMED, lost.code, Contact.OFF, NOW + 2 * HOUR)
    assert state_of(lost) == OrderState.CONFIRMED
    tell(SupplyOutcome.CONFIRMED, never.code, at=NOW + 2 * HOUR)
    assert state_of(never) == OrderState.EXPIRED
    assert noticed() == ["an order that nobody gave was heard of"]


@pytest.mark.usefixtures("alice")
def test_reports_count_once_and_in_their_order() -> None:
    order = ordered(wish())
    supply_sending.release_due(NOW)
    for outcome in (SupplyOutcome.HEARD, SupplyOutcome.HEARD, SupplyOutcome.FAILED):
        tell(outcome, order.code)
    tell(SupplyOutcome.CONFIRMED, order.code, Contact.OFF)
    assert state_of(order) == OrderState.FAILED
    assert [state for state, _ in steps_of(order)] == [
        "draft",
        "approved",
        "sent",
        "heard",
        "failed",
    ]
    tell(SupplyOutcome.TOLD, contact=Contact.ON, at=NOW - HOUR)
    device = supply.device_of(point_of())
    assert device is not None
    assert device.contact == Contact.OFF


@pytest.mark.usefixtures("alice")
def test_a_supply_that_comes_on_by_itself_is_noticed() -> None:
    tell(SupplyOutcome.TOLD, contact=Contact.OFF)
    tell(SupplyOutcome.TOLD, contact=Contact.ON, at=NOW + MINUTE)
    assert noticed() == ["the supply is on though it was disconnected"]
    tell(SupplyOutcome.TOLD, contact=Contact.OFF, at=NOW + 2 * MINUTE)
    tell(SupplyOutcome.TOLD, contact=Contact.ARMED, at=NOW + 3 * MINUTE)
    tell(SupplyOutcome.TOLD, contact=Contact.ON, at=NOW + 4 * MINUTE)
    assert findings.latest()[0].n == 1


@pytest.mark.usefixtures("alice")
def test_of_what_was_told_at_the_same_moment_the_later_change_counts() -> None:
    """Batches overtake each other, and what a hub held back is told at once after a restart."""
    tell(SupplyOutcome.TOLD, contact=Contact.OFF, since=NOW.timestamp())
    tell(SupplyOutcome.TOLD, contact=Contact.ON, since=NOW.timestamp() - 60)
    device = supply.device_of(point_of())
    assert device is not None
    assert device.contact == Contact.OFF
    assert noticed() == []


@pytest.mark.usefixtures("alice")
def test_a_module_switches_loads_or_a_supply() -> None:
    operator = person("alice-operator")
    remote = ReconnectMode.REMOTE
    switches_loads = 1001

    def add(point: str, module: int) -> None:
        supply.add_device(operator, point, module, SupplyKind.VALVE, remote, NOW)

    assert refused(lambda: add("alice-w1", switches_loads)) == "loads"
    assert refused(lambda: add("alice-w1", SERIAL)) == "taken"
    assert refused(lambda: add("alice-w1", 1000)) == "module"
    module = Module.objects.get(serial=SERIAL)
    with pytest.raises(IntegrityError, match="cannot switch a supply"), transaction.atomic():
        Load.objects.filter(name="heat").update(actuator=module)
    assert supply.adapters_near(point_of()) == []
    supply.remove_device(operator, "alice-p1", NOW)
    assert supply.device_of(point_of()) is None
    assert supply.adapters_near(point_of()) == [SERIAL]


@pytest.mark.usefixtures("alice")
def test_a_device_is_not_taken_away_under_an_order() -> None:
    ordered(wish())
    operator = person("alice-operator")
    assert refused(lambda: supply.remove_device(operator, "alice-p1", NOW)) == "open"


def test_another_tenant_sees_nothing_and_moves_nothing(
    tenant_id: int, make_plan: Callable[..., RegistryPlan]
) -> None:
    bob = apply_plan(with_supply(make_plan("bob", serial=2000), 2005)).tenant_id
    with tenant_scope(tenant_id):
        order = ordered(wish())
    with tenant_scope(bob):
        add_device("bob", serial=2005)
        for deed in (supply_lists.order_for, lambda u, c: supply_orders.approve(u, c, NOW)):
            with pytest.raises(NotVisibleError):
                deed(person("bob-dora"), order.code)
        with pytest.raises(NotVisibleError):
            supply_orders.draft(person("bob-dora"), "alice-p1", wish(), NOW)
        assert supply_lists.open_orders(person("bob-dora")) == []
    with system_scope():
        supply_sending.release_due(NOW)
    tell(SupplyOutcome.CONFIRMED, order.code, Contact.OFF, hub="bob-hub")
    with tenant_scope(tenant_id):
        assert supply_lists.order_for(person("alice-dora"), order.code).state == OrderState.SENT
        device = supply.device_of(point_of())
        assert device is not None
        assert device.contact == Contact.UNKNOWN
        assert noticed() == []
    with tenant_scope(bob):
        assert noticed() == ["an order that nobody gave was heard of"]
