"""What events and triggers must not get past: other utilities, caps, who has left, the wire."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from tests.adapters.response_events import (
    HOUR,
    MINUTE,
    NOW,
    PUBLIC,
    drafted,
    open_programme,
    order,
    person,
)
from tests.adapters.test_storage_response_triggers import SETTINGS, at, look

from balans.core.words import StepKind
from balans.domain.response.life import TargetState
from balans.domain.response.triggers import Mode
from balans.protocols.hub import decode, encode
from balans.protocols.hub.calls import LIFE_S
from balans.storage import response_places
from balans.storage.models import Event
from balans.storage.registry import apply_plan
from balans.storage.response_acts import announce
from balans.storage.response_calls import build_calls
from balans.storage.response_events import draft_event
from balans.storage.response_life import advance_events
from balans.storage.response_progress import targets_of
from balans.storage.response_records import ExemptionKind, ResponseRefusedError, StepInfo
from balans.storage.response_triggers import TriggerOrder, create_trigger, edit_trigger
from balans.storage.scope import tenant_scope
from balans.storage.signing_keys import add_key
from balans.usecases.registry_plan import AccountPlan, RegistryPlan

pytestmark = pytest.mark.django_db
PEAK = {"peak": {"windows": [["13:05", "15:00"]], "limit_kw": 4, "weekdays": [0]}}


@pytest.fixture(autouse=True)
def tenant_id(plan: RegistryPlan) -> int:
    """Alice's utility; the whole test reads as it."""
    otto = AccountPlan(username="otto", password="x", grants=(("operator", "alice-city"),))
    found = apply_plan(replace(plan, accounts=(*plan.accounts, otto))).tenant_id
    with connection.cursor() as cursor:
        cursor.execute("select set_config('balans.tenant', %s, true)", [str(found)])
    add_key(found, PUBLIC, "root", NOW)
    return found


def operator() -> Any:
    return person("alice-operator")


def trigger_order(node: str, **more: Any) -> TriggerOrder:
    values: dict[str, Any] = {"programme": "evening", "node": node, "settings": SETTINGS,
                              "mode": Mode.ACT, "cap_kw": Decimal(5)}  # fmt: skip
    return TriggerOrder(**(values | more))


def refusal(function: Any, *args: Any) -> str:
    with pytest.raises(ResponseRefusedError) as caught:
        function(*args)
    return caught.value.code


class TestTriggers:
    def test_a_trigger_calls_in_its_own_utility_whatever_others_call_theirs(
        self, tenant_id: int, make_plan: Callable[..., RegistryPlan]
    ) -> None:
        bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
        with tenant_scope(bob):
            add_key(bob, bytes(32), "root", NOW)
            open_programme("bob")
            create_trigger(person("bob-operator"), "trafo", trigger_order("bob-house"), NOW)
        open_programme()
        create_trigger(operator(), "trafo", trigger_order("alice-house"), NOW)
        for minute in range(3):
            look(minute, 8000)
        assert [(one.tenant_id, one.node.code) for one in Event.objects.all()] == [
            (tenant_id, "alice-house")
        ]
        with tenant_scope(bob):
            assert not Event.objects.exists()

    @pytest.mark.parametrize(
        ("terms", "caps"), [({}, {"cap_kw": Decimal(3)}), ({"second_person_kw": Decimal(3)}, {})]
    )
    def test_a_tighter_wish_stays_within_what_it_may_ask_alone(
        self, terms: dict[str, Any], caps: dict[str, Any]
    ) -> None:
        open_programme(**terms)
        settings = SETTINGS | PEAK
        create_trigger(
            operator(), "trafo", trigger_order("alice-house", settings=settings, **caps), NOW
        )
        for minute in range(3):
            look(minute, 8000)
        advance_events(at(2))
        look(6, 6000, on=False)  # 8.2 kW are expected, 4 kW are wanted
        event = Event.objects.get()
        assert [step[2] for step in event.steps] == [6000, 5200]

    def test_one_that_only_proposes_asks_no_more_than_a_person_called_for(self) -> None:
        open_programme()
        settings = SETTINGS | PEAK
        create_trigger(operator(), "trafo", trigger_order("alice-house", settings=settings), NOW)
        for minute in range(3):
            look(minute, 8000)
        advance_events(at(2))
        only = trigger_order("alice-house", settings=settings, mode=Mode.PROPOSE)
        edit_trigger(operator(), "trafo", only)
        before = Event.objects.get()
        look(6, 6000, on=False)
        look(10, 6000, on=False)
        event = Event.objects.get()
        assert (event.steps, event.ends) == (before.steps, before.ends)


def test_a_little_wish_does_not_hide_how_much_a_limit_cuts() -> None:
    """A limit of 0 W "for 0.1 kW" at a whole house turns the house off: a second person looks."""
    open_programme(second_person_kw=Decimal("0.2"))
    step = StepInfo(NOW + HOUR, NOW + HOUR + 10 * MINUTE, 0.0)
    event = drafted(node="alice-house", steps=(step,), wanted_kw=Decimal("0.1"))
    assert [one.node_code for one in targets_of(event)] == ["alice-house"]
    assert event.needs_approval
    assert refusal(announce, operator(), event.code, NOW) == "approval"


class TestWhoHasLeft:
    """A draft was previewed; who leaves before it is announced is not asked."""

    def test_the_programme(self) -> None:
        open_programme()
        event = drafted()
        assert [one.node_code for one in targets_of(event)] == ["alice-flat-1"]
        response_places.leave(person("alice-consumer"), "evening", "alice-flat-1", NOW)
        assert [one.state for one in targets_of(event)] == [TargetState.OPTED_OUT]
        assert refusal(announce, operator(), event.code, NOW) == "nobody"

    def test_for_being_vulnerable(self) -> None:
        open_programme()
        event = drafted()
        response_places.exempt(operator(), "alice-flat-1", ExemptionKind.VULNERABLE, "ill", NOW)
        assert refusal(announce, operator(), event.code, NOW) == "nobody"


class TestWire:
    def test_the_longest_spread_of_a_programme_is_understood_by_hubs(self) -> None:
        open_programme(release_spread_s=7200)
        event = announce(operator(), drafted().code, NOW)
        (call,) = build_calls(event.id)
        assert decode(encode(call)) == call

    def test_no_event_ends_after_its_call_could_hold(self) -> None:
        open_programme(max_event_s=86_400)
        late, day = timedelta(days=13) - MINUTE, timedelta(days=1)
        assert refusal(draft_event, operator(), order(late, day), NOW) == "past"
        event = draft_event(operator(), order(late, day - HOUR), NOW)
        assert event.expires is not None
        assert event.expires <= NOW + timedelta(seconds=LIFE_S)

    def test_a_reduction_by_nothing_is_refused(self) -> None:
        open_programme()
        steps = (
            StepInfo(NOW + HOUR, NOW + HOUR + MINUTE, 500.0),
            StepInfo(NOW + HOUR + MINUTE, NOW + HOUR + 2 * MINUTE, 0.0),
        )
        asked = order(kind=StepKind.REDUCE, steps=steps)
        assert refusal(draft_event, operator(), asked, NOW) == "steps"
