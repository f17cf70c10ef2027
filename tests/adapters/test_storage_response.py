"""Programmes and events of demand response: rights, rules, who is asked, and what is kept."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from tests.adapters.response_events import (
    HOUR,
    MINUTE,
    NOW,
    announced,
    drafted,
    kw,
    open_programme,
    order,
    person,
    told,
)

from balans.core.words import CallState, StepKind
from balans.domain.response.life import EventState, TargetState
from balans.storage import lookups, response_places, response_programmes
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.consents import set_released
from balans.storage.lookups import site_by_code
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.response_acts import announce, approve, cancel, opt_out
from balans.storage.response_calls import build_calls
from balans.storage.response_events import changes_of, draft_event, event_for
from balans.storage.response_preview import preview
from balans.storage.response_progress import own_events, progress_of, reports_of, targets_of
from balans.storage.response_records import (
    ExemptionKind,
    ProgrammeState,
    ProgrammeTerms,
    ResponseRefusedError,
    StepInfo,
)
from balans.storage.response_reports import HeardReport, state_of, take_call_reports
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.signing_keys import add_key
from balans.usecases.registry_plan import AccountPlan, RegistryPlan

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(plan: RegistryPlan) -> Iterator[NodeInfo]:
    """Alice's house; her consumer lives in flat 1 and her neighbour in flat 2."""
    others = (
        AccountPlan(username="nora", password="x", grants=(("consumer", "alice-flat-2"),)),
        AccountPlan(username="otto", password="x", grants=(("operator", "alice-city"),)),
        AccountPlan(username="mary", password="x", grants=(("manager", "alice-city"),)),
    )
    tenant_id = apply_plan(replace(plan, accounts=(*plan.accounts, *others))).tenant_id
    with tenant_scope(tenant_id):
        found = site_by_code(tenant_id, "alice-house")
        assert found is not None
        yield found


def refusal(function: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(ResponseRefusedError) as caught:
        function(*args, **more)
    return caught.value.code


def operator() -> Any:
    return person("alice-operator")


def consumer() -> Any:
    return person("alice-consumer")


def take(site: NodeInfo, *reports: Any, received: Any = NOW) -> int:
    """Take reports as the flush does."""
    with system_scope("flush"):
        return take_call_reports(
            [HeardReport(site.tenant_id, site.id, one, received) for one in reports]
        )


class TestProgramme:
    def test_only_operators_keep_programmes(self) -> None:
        terms = ProgrammeTerms(title="Evening")
        with pytest.raises(ForbiddenError):
            response_programmes.create_programme(consumer(), "alice-flat-1", "own", terms, NOW)
        with pytest.raises(ForbiddenError):
            response_programmes.create_programme(person("mary"), "alice-city", "m", terms, NOW)
        with pytest.raises(NotVisibleError):
            response_programmes.create_programme(consumer(), "alice-city", "own", terms, NOW)

    def test_terms_out_of_range_are_named(self) -> None:
        def made(**terms: Any) -> str:
            values: dict[str, Any] = {"title": "Evening"}
            said = ProgrammeTerms(**(values | terms))
            return refusal(
                response_programmes.create_programme, operator(), "alice-city", "e", said, NOW
            )

        assert made(title=" ") == "title"
        assert made(max_event_s=10) == "max_event_s"
        assert made(priority=10) == "priority"
        assert made(load_classes=()) == "load_classes"

    def test_a_programme_opens_once_and_is_edited(self) -> None:
        programme = open_programme()
        terms = replace(programme.terms, title="Winter evenings", notice_s=600)
        edited = response_programmes.edit_programme(operator(), "evening", terms, NOW)
        assert edited.terms == terms
        again = (operator(), "evening", ProgrammeState.DRAFT, NOW)
        assert refusal(response_programmes.set_programme_state, *again) == "state"
        made = (operator(), "alice-city", "evening", terms, NOW)
        assert refusal(response_programmes.create_programme, *made) == "taken"

    def test_a_programme_with_live_events_cannot_be_closed(self) -> None:
        open_programme()
        event = announced()
        closed = (operator(), "evening", ProgrammeState.CLOSED, NOW)
        assert refusal(response_programmes.set_programme_state, *closed) == "live_events"
        cancel(operator(), event.code, "warm after all", NOW)
        found = response_programmes.set_programme_state(*closed)
        assert found.state == ProgrammeState.CLOSED
        assert refusal(draft_event, operator(), order(), NOW) == "not_open"

    def test_only_the_consumer_joins_and_leaves(self) -> None:
        open_programme()
        with pytest.raises(ForbiddenError):
            response_places.join(operator(), "evening", "alice-flat-2", NOW)
        with pytest.raises(NotVisibleError):
            response_places.join(consumer(), "evening", "alice-flat-2", NOW)
        response_places.join(person("nora"), "evening", "alice-flat-2", NOW)
        programme = response_programmes.programme_for(operator(), "evening")
        joined = [one.node_code for one in response_places.enrolments_of(programme)]
        assert joined == ["alice-flat-1", "alice-flat-2"]
        assert response_places.leave(person("nora"), "evening", "alice-flat-2", NOW)
        assert not response_places.leave(person("nora"), "evening", "alice-flat-2", NOW)
        assert len(response_places.enrolments_of(programme, past_too=True)) == 2

    def test_exemptions_are_the_operators(self) -> None:
        vulnerable = ExemptionKind.VULNERABLE
        with pytest.raises(ForbiddenError):
            response_places.exempt(consumer(), "alice-flat-1", vulnerable, "dialysis", NOW)
        assert refusal(response_places.exempt, operator(), "alice-flat-1", vulnerable, " ", NOW)
        response_places.exempt(operator(), "alice-flat-1", vulnerable, "dialysis", NOW)
        assert [one.node_code for one in response_places.exemptions_of(operator())] == [
            "alice-flat-1"
        ]
        assert response_places.end_exemption(operator(), "alice-flat-1", vulnerable, NOW)
        assert response_places.exemptions_of(operator()) == []


class TestWhomToAsk:
    def test_a_place_that_joined_and_released_its_loads_is_asked(self) -> None:
        open_programme()
        event = drafted()
        targets = targets_of(event)
        assert [one.node_code for one in targets] == ["alice-flat-1"]
        assert targets[0].hub_code == "alice-hub"
        assert targets[0].steps[0].start >= NOW + HOUR
        assert event.preview is not None
        assert event.preview["places"] == 1
        assert targets[0].expected_w > 0

    def test_without_consent_nobody_is_asked(self) -> None:
        open_programme()
        set_released(consumer(), house(), ["heat"], released=False, now=NOW)
        event = drafted()
        assert targets_of(event) == []
        assert event.preview is not None
        assert event.preview["refused"]["not_released"] == 1
        add_key(operator().tenant_id, bytes(32), "root", NOW)
        assert refusal(announce, operator(), event.code, NOW) == "nobody"

    @pytest.mark.parametrize("code", ["alice-flat-1", "alice-house", "alice-city"])
    @pytest.mark.parametrize("kind", list(ExemptionKind))
    def test_an_exempt_place_is_never_asked(self, code: str, kind: ExemptionKind) -> None:
        open_programme()
        response_places.exempt(operator(), code, kind, "ill", NOW)
        assert targets_of(drafted()) == []

    def test_who_left_is_not_asked(self) -> None:
        open_programme()
        response_places.leave(consumer(), "evening", "alice-flat-1", NOW)
        event = drafted()
        assert targets_of(event) == []
        assert event.preview is not None
        assert event.preview["refused"] == {"not_joined": 1}

    def test_without_need_of_consent_who_released_a_load_is_asked(self) -> None:
        open_programme(consent_needed=False)
        response_places.leave(consumer(), "evening", "alice-flat-1", NOW)
        assert [one.node_code for one in targets_of(drafted())] == ["alice-flat-1"]

    def test_another_tariff_is_not_asked(self) -> None:
        open_programme(tariffs=("flat rate",))
        assert targets_of(drafted()) == []

    @pytest.mark.parametrize(
        ("benefit", "wanted", "refused"),
        [
            ("social tariff", ("social tariff", "large family"), {}),
            ("social tariff", ("none",), {"benefit": 1}),
            ("", ("none",), {}),
            ("", ("social tariff",), {"benefit": 1}),
            ("social tariff", (), {}),
        ],
    )
    def test_whom_a_programme_asks_goes_by_the_benefit_of_the_contract(
        self, plan: RegistryPlan, benefit: str, wanted: tuple[str, ...], refused: dict[str, int]
    ) -> None:
        (contract,) = plan.contracts
        apply_plan(replace(plan, contracts=(replace(contract, benefit=benefit),)))
        open_programme(benefits=wanted)
        event = drafted()
        assert event.preview is not None
        assert event.preview["refused"] == refused
        assert len(targets_of(event)) == 1 - len(refused)

    def test_a_reduction_asks_for_no_more_than_there_is(self) -> None:
        open_programme()
        step = StepInfo(NOW + HOUR, NOW + 2 * HOUR, 50_000.0)
        event = drafted(kind=StepKind.REDUCE, steps=(step,))
        (target,) = targets_of(event)
        assert all(0 < one.value <= 2200 for one in target.steps)

    def test_yellow_is_asked_in_turns_it_can_bear(self) -> None:
        open_programme()
        (target,) = targets_of(drafted())
        for step in target.steps:
            assert timedelta(minutes=7) <= step.end - step.start <= timedelta(minutes=15)


def house() -> NodeInfo:
    return lookups.nodes_by_code("alice-house")[0]


class TestRules:
    def test_orders_that_make_no_sense_are_refused(self) -> None:
        open_programme()

        def drafting(**more: Any) -> str:
            return refusal(draft_event, operator(), order(**more), NOW)

        assert drafting(length=5 * HOUR) == "length"
        assert drafting(start=-2 * HOUR) == "past"
        assert drafting(start=timedelta(days=14)) == "past"
        assert drafting(reason=" ") == "reason"
        assert drafting(steps=()) == "steps"
        assert drafting(kind=StepKind.ECO) == "steps"
        assert drafting(wanted_kw=kw("0")) == "wanted_kw"
        assert drafting(priority=10) == "priority"

    def test_a_tenant_without_a_key_calls_nothing(self) -> None:
        open_programme()
        with pytest.raises(ResponseRefusedError, match="balans key new alice") as caught:
            announce(operator(), drafted().code, NOW)
        assert caught.value.code == "no_key"

    def test_notice_is_kept_but_for_an_emergency(self) -> None:
        open_programme(notice_s=2 * 3600)
        add_key(operator().tenant_id, bytes(32), "root", NOW)
        assert refusal(announce, operator(), drafted().code, NOW) == "notice"
        assert announce(operator(), drafted(emergency=True).code, NOW).priority == 0

    def test_numbers_a_day_and_a_month_are_kept(self) -> None:
        open_programme(max_per_day=1, max_per_month=2)
        announced()
        late = drafted(start=4 * HOUR)
        assert refusal(announce, operator(), late.code, NOW) == "per_day"
        announce(operator(), drafted(start=25 * HOUR).code, NOW)
        assert refusal(announce, operator(), drafted(start=49 * HOUR).code, NOW) == "per_month"

    def test_a_called_off_event_does_not_count_unless_it_had_begun(self) -> None:
        open_programme(max_per_day=1)
        first = announced()
        cancel(operator(), first.code, "warm", NOW)
        second = announce(operator(), drafted().code, NOW)
        move_to(EventState.ACTIVE, NOW + HOUR)
        cancel(operator(), second.code, "warm", NOW + HOUR)
        third = drafted(start=3 * HOUR)
        assert refusal(announce, operator(), third.code, NOW) == "per_day"

    def test_pause_between_events(self) -> None:
        open_programme(pause_s=3600)
        announced()
        near = drafted(start=2 * HOUR + 30 * MINUTE)
        assert refusal(announce, operator(), near.code, NOW) == "pause"
        announce(operator(), drafted(start=3 * HOUR).code, NOW)

    def test_a_big_event_needs_a_second_person(self) -> None:
        open_programme(second_person_kw=kw("0.1"))
        event = drafted()
        assert event.needs_approval
        add_key(operator().tenant_id, bytes(32), "root", NOW)
        assert refusal(announce, operator(), event.code, NOW) == "approval"
        assert refusal(approve, operator(), event.code, NOW) == "author"
        with pytest.raises(ForbiddenError):
            approve(person("mary"), event.code, NOW)
        approve(person("otto"), event.code, NOW)
        assert preview(operator(), event.code, NOW).approver == ""  # other figures
        approve(person("otto"), event.code, NOW)
        assert announce(operator(), event.code, NOW).approver == "otto"

    def test_consumers_and_managers_call_nothing(self) -> None:
        open_programme()
        event = drafted()
        for name in ("alice-consumer", "mary"):
            with pytest.raises((ForbiddenError, NotVisibleError)):
                draft_event(person(name), order(), NOW)
            with pytest.raises((ForbiddenError, NotVisibleError)):
                announce(person(name), event.code, NOW)
            with pytest.raises((ForbiddenError, NotVisibleError)):
                cancel(person(name), event.code, "no", NOW)

    def test_every_change_is_noted(self) -> None:
        open_programme()
        event = announced()
        cancel(operator(), event.code, "warm after all", NOW)
        noted = changes_of(event_for(operator(), event.code))
        assert [one.what for one in noted] == ["drafted", "previewed", "announced", "cancelled"]
        assert noted[-1].reason == "warm after all"
        assert {one.author for one in noted} == {"alice-operator"}

    def test_a_final_event_is_not_called_off_again(self) -> None:
        open_programme()
        event = announced()
        cancel(operator(), event.code, "warm", NOW)
        assert refusal(cancel, operator(), event.code, "warm", NOW) == "state"
        assert refusal(announce, operator(), event.code, NOW) == "state"


def move_to(state: EventState, now: Any) -> None:
    """Let the clock's work be done inside the test's transaction."""
    with connection.cursor() as cursor:
        column = {"active": "active_at", "ended": "ended_at"}[state.value]
        before = {"active": "announced", "ended": "active"}[state.value]
        cursor.execute(
            f"update dr_event set state = %s, {column} = %s where state = %s",
            [state.value, now, before],
        )


class TestOptOut:
    def test_a_consumer_leaves_an_event(self) -> None:
        open_programme()
        event = announced()
        assert opt_out(consumer(), event.code, "alice-flat-1", NOW, "guests") == 1
        assert opt_out(consumer(), event.code, "alice-flat-1", NOW) == 0
        (target,) = targets_of(event)
        assert target.state == TargetState.OPTED_OUT
        after = event_for(operator(), event.code)
        assert after.epoch > event.epoch
        (call,) = build_calls(event.id)
        assert (call.targets, call.cancelled, call.epoch) == ((), True, after.epoch)
        (own,) = own_events(consumer(), "alice-flat-1")
        assert own.opted_out_at == NOW

    def test_only_for_the_own_place(self) -> None:
        open_programme()
        event = announced()
        with pytest.raises(NotVisibleError):
            opt_out(person("nora"), event.code, "alice-flat-1", NOW)
        with pytest.raises(ForbiddenError):
            opt_out(operator(), event.code, "alice-flat-1", NOW)

    def test_by_the_rules_of_the_programme(self) -> None:
        open_programme(opt_out_s=1800, opt_out_within=False)
        event = announced()
        late = NOW + 40 * MINUTE
        assert refusal(opt_out, consumer(), event.code, "alice-flat-1", late) == "too_late"
        assert opt_out(consumer(), event.code, "alice-flat-1", NOW + 30 * MINUTE) == 1

    def test_not_of_an_emergency(self) -> None:
        open_programme()
        event = announced(emergency=True)
        assert refusal(opt_out, consumer(), event.code, "alice-flat-1", NOW) == "emergency"

    def test_who_leaves_the_programme_leaves_what_is_announced(self) -> None:
        open_programme()
        event = announced()
        response_places.leave(consumer(), "evening", "alice-flat-1", NOW)
        (target,) = targets_of(event)
        assert target.state == TargetState.OPTED_OUT

    def test_who_becomes_exempt_leaves_what_runs(self) -> None:
        open_programme(opt_out_within=False)
        event = announced()
        move_to(EventState.ACTIVE, NOW + HOUR)
        response_places.exempt(operator(), "alice-city", ExemptionKind.VULNERABLE, "ill", NOW)
        assert targets_of(event)[0].state == TargetState.OPTED_OUT


class TestReports:
    def test_the_way_of_a_target(self, site: NodeInfo) -> None:
        open_programme()
        event = announced()
        at = NOW + HOUR
        assert take(site, told(event, CallState.HEARD, NOW, loads=(), held=b"", failed=b"")) == 1
        assert targets_of(event)[0].state == TargetState.HEARD
        take(site, told(event, CallState.ACTIVE, at), told(event, CallState.DONE, at + MINUTE))
        (target,) = targets_of(event)
        assert target.state == TargetState.DONE
        assert target.achieved_w == 2000.0
        assert target.held_loads == ("heat",)
        found = progress_of(event_for(operator(), event.code))
        assert (found.coverage, found.now_kw, found.targets) == (1.0, 2.0, 1)
        take(site, told(event, CallState.RELEASED, at + HOUR, now_w=2400.0))
        (target,) = targets_of(event)
        assert (target.state, target.achieved_w) == (TargetState.RELEASED, 2000.0)
        assert [one.state for one in reports_of(event, "alice-flat-1")] == [
            CallState.HEARD,
            CallState.ACTIVE,
            CallState.DONE,
            CallState.RELEASED,
        ]

    def test_reports_come_twice_and_in_any_order(self, site: NodeInfo) -> None:
        open_programme()
        event = announced()
        states = (CallState.HEARD, CallState.ACTIVE, CallState.DONE, CallState.RELEASED)
        reports = [told(event, one, NOW + n * MINUTE) for n, one in enumerate(states)]
        for shuffled in random.Random(5).sample(list(permutations(reports)), 8):
            with connection.cursor() as cursor:
                cursor.execute("delete from dr_report")
            for report in (*shuffled, *shuffled):
                take(site, report)
            assert targets_of(event)[0].state == TargetState.RELEASED

    def test_a_final_state_does_not_move_back(self, site: NodeInfo) -> None:
        open_programme()
        event = announced()
        take(site, told(event, CallState.RELEASED, NOW + HOUR))
        take(site, told(event, CallState.ACTIVE, NOW + 2 * HOUR))
        take(site, told(event, CallState.HEARD, NOW))
        assert targets_of(event)[0].state == TargetState.RELEASED

    def test_a_report_may_come_before_the_call_counts_as_sent(self, site: NodeInfo) -> None:
        open_programme()
        event = announced()
        take(site, told(event, CallState.HEARD, NOW))
        with connection.cursor() as cursor:
            cursor.execute("update dr_target set sent_at = %s", [NOW])
        take(site, told(event, CallState.HEARD, NOW))
        assert targets_of(event)[0].state == TargetState.HEARD

    def test_a_hub_speaks_for_its_own_site_alone(self, site: NodeInfo) -> None:
        open_programme()
        event = announced()
        flat_2 = lookups.nodes_by_code("alice-flat-2")[0]
        with system_scope("flush"):
            report = told(event, CallState.DONE, NOW)
            assert not take_call_reports([HeardReport(site.tenant_id, flat_2.id, report, NOW)])
            assert not take_call_reports([HeardReport(site.tenant_id + 1, site.id, report, NOW)])
        assert not take(site, told(event, CallState.DONE, NOW, node="alice-flat-2"))
        assert not take(site, told(replace(event, code="another"), CallState.DONE, NOW))
        assert targets_of(event)[0].state == TargetState.QUEUED

    def test_silence_is_failure_only_when_all_is_over(self) -> None:
        assert state_of([], sent=True) == TargetState.SENT
        assert state_of([], sent=True, settled=True) == TargetState.FAILED
        late = [(NOW, CallState.DONE)]
        assert state_of(late, sent=True, settled=True) == TargetState.DONE
