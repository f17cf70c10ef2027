"""What an event could bring, and what it brought: readings, account, ledger, races, tenants."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from tests.adapters.response_events import (
    HOUR,
    MINUTE,
    NOW,
    PUBLIC,
    announced,
    drafted,
    open_programme,
    order,
    person,
    told,
)

from balans.core.words import CallState
from balans.domain.response.life import TargetState
from balans.domain.response.spread import start_delay_s
from balans.storage.access import NotVisibleError
from balans.storage.lookups import nodes_by_code, tenant_ids
from balans.storage.models import Event
from balans.storage.registry import apply_plan
from balans.storage.response_acts import announce, cancel, change_call
from balans.storage.response_calls import (
    build_calls,
    calls_to_clear,
    live_calls,
    mark_sent,
    note_topics,
)
from balans.storage.response_candidates import find_places
from balans.storage.response_events import draft_event, event_for, events_of
from balans.storage.response_life import advance_events, settle_events
from balans.storage.response_powers import LEAST_DAYS, Window, available
from balans.storage.response_preview import given_lately
from balans.storage.response_programmes import edit_programme, programme_for, programmes_of
from balans.storage.response_progress import own_events, progress_of, targets_of
from balans.storage.response_records import EventInfo, ResponseRefusedError
from balans.storage.response_reports import NOT_HEARD, HeardReport, take_call_reports
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.signing_keys import add_key, end_keys, has_key, keys_of
from balans.usecases.registry_plan import RegistryPlan

BEGINS = NOW + HOUR
ENDS = BEGINS + HOUR


@pytest.fixture
def alice(store: None, plan: RegistryPlan) -> int:  # noqa: ARG001  (a fixture)
    """Alice's utility with a programme; real commits."""
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id):
        open_programme()
    return tenant_id


def called(tenant_id: int, **more: Any) -> EventInfo:
    with tenant_scope(tenant_id):
        return announced(**more)


def take(tenant_id: int, *reports: Any, received: datetime = NOW) -> None:
    with tenant_scope(tenant_id):
        site = nodes_by_code("alice-house")[0]
    with system_scope("flush"):
        take_call_reports([HeardReport(tenant_id, site.id, one, received) for one in reports])


def minutes(tenant_id: int, start: datetime, powers_w: list[float]) -> None:
    """Write what the gateway of the house told of its power."""
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "insert into site_minute (site_id, minute, tenant_id, n, power_w)"
            " select n.id, %s::timestamptz + (t.place - 1) * interval '1 minute', %s, 1, t.power_w"
            " from node n, unnest(%s::float8[]) with ordinality as t (power_w, place)"
            " where n.code = 'alice-house'",
            [start, tenant_id, powers_w],
        )


def event_now(tenant_id: int, code: str) -> EventInfo:
    with tenant_scope(tenant_id):
        return event_for(person("alice-operator"), code)


def test_a_life_by_the_clock(alice: int) -> None:
    event = called(alice)
    assert (advance_events(NOW).begun, advance_events(BEGINS).begun) == (0, 1)
    assert event_now(alice, event.code).active_at == BEGINS
    assert (advance_events(ENDS).ended, advance_events(ENDS).ended) == (1, 0)
    assert event_now(alice, event.code).ended_at == ENDS


def test_who_was_never_heard_has_failed_until_he_is_heard(alice: int) -> None:
    event = called(alice)
    advance_events(BEGINS)
    advance_events(ENDS)
    after = ENDS + HOUR
    assert settle_events(ENDS + MINUTE) == 0  # hubs may still have something to tell
    assert settle_events(after) == 1
    with tenant_scope(alice):
        (target,) = targets_of(event)
        assert (target.state, target.detail) == (TargetState.FAILED, NOT_HEARD)
        assert target.failed_at == after
    result = event_now(alice, event.code).result
    assert result is not None
    assert (result["coverage"], result["given_kwmin"]) == (0.0, None)
    assert (result["achieved_kw"], result["known"], result["targets"]) == (None, 0, 1)

    late = after + HOUR
    take(
        alice,
        told(event, CallState.ACTIVE, BEGINS),
        told(event, CallState.DONE, BEGINS + MINUTE),
        told(event, CallState.RELEASED, ENDS),
        received=late,
    )
    assert settle_events(late + MINUTE) == 1
    assert settle_events(late + MINUTE) == 0
    with tenant_scope(alice):
        (target,) = targets_of(event)
        assert target.state == TargetState.RELEASED
        node = nodes_by_code("alice-flat-1")[0]
        asked_s = sum((one.end - one.start).total_seconds() for one in target.steps)
        given = given_lately([node.id], late)
        assert given[node.id] == pytest.approx(2.0 * asked_s / 60, rel=0.05)
        (own,) = own_events(person("alice-consumer"), "alice-flat-1")
        assert own.given_kwmin == given[node.id]


def test_what_was_not_measured_is_not_zero(alice: int) -> None:
    """Of two that obeyed one has no meter: it is in no sum, and not in the ledger."""
    event = called(alice)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "insert into dr_target (tenant_id, event_id, site_id, node_id, hub_id, shard, steps,"
            " expected_w, sd_w, state) select t.tenant_id, t.event_id, t.site_id, n.id, t.hub_id,"
            " t.shard, t.steps, t.expected_w, t.sd_w, 'sent' from dr_target t, node n"
            " where n.code = 'alice-flat-2' and n.tenant_id = t.tenant_id"
        )
    blind = {"node": "alice-flat-2", "before_w": None, "now_w": None}
    advance_events(BEGINS)
    for more in ({}, blind):
        take(alice, told(event, CallState.ACTIVE, BEGINS, **more))
        take(alice, told(event, CallState.DONE, BEGINS + MINUTE, **more))
    with tenant_scope(alice):
        found = progress_of(event)
    assert (found.now_kw, found.now_known, found.holding) == (2.0, 1, 2)
    assert (found.achieved_kw, found.known, found.targets) == (2.0, 1, 2)
    for more in ({}, blind):
        take(alice, told(event, CallState.RELEASED, ENDS, **more))
    advance_events(ENDS)
    assert settle_events(ENDS + HOUR) == 1
    with tenant_scope(alice), connection.cursor() as cursor:
        cursor.execute("select n.code from dr_ledger l join node n on n.id = l.node_id")
        assert cursor.fetchall() == [("alice-flat-1",)]
    result = event_now(alice, event.code).result
    assert result is not None
    assert (result["achieved_kw"], result["known"]) == (2.0, 1)
    assert result["given_kwmin"] > 0


def test_latency_runs_from_the_call_or_the_turn(alice: int) -> None:
    event = called(alice)
    with tenant_scope(alice):
        first = targets_of(event)[0].steps[0].start
    take(alice, told(event, CallState.DONE, first + timedelta(seconds=12)))
    with tenant_scope(alice):
        found = progress_of(event)
    assert found.latency_s.p50 == pytest.approx(12)
    assert found.latency_s.p95 == pytest.approx(12)


def test_latency_leaves_out_the_delay_that_the_device_was_given(alice: int) -> None:
    with tenant_scope(alice):
        operator = person("alice-operator")
        terms = programme_for(operator, "evening").terms
        edit_programme(operator, "evening", replace(terms, start_spread_s=300), NOW)
    event = called(alice)
    (call,) = build_calls(event.id)
    (target,) = call.targets
    delay_s = start_delay_s(call.seed, target.name, call.start_spread_s)
    done = target.steps[0].start + delay_s + 7
    take(alice, told(event, CallState.DONE, datetime.fromtimestamp(done, UTC)))
    with tenant_scope(alice):
        assert progress_of(event).latency_s.p50 == pytest.approx(7, abs=0.01)


def test_a_whole_site_is_measured_by_its_own_power(alice: int) -> None:
    """A target that is a site is accounted by what its gateway measured, minute by minute."""
    event = called(alice)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "update dr_target set node_id = site_id, steps = %s::jsonb",
            [f"[[{BEGINS.timestamp()}, {ENDS.timestamp()}, 500]]"],
        )
    minutes(alice, BEGINS - 15 * MINUTE, [3000.0] * 15 + [1200.0] * 60 + [3500.0] * 15)
    advance_events(BEGINS)
    advance_events(ENDS)
    own = {"node": ""}
    take(alice, told(event, CallState.ACTIVE, BEGINS, **own))
    take(alice, told(event, CallState.DONE, BEGINS + MINUTE, **own))
    take(alice, told(event, CallState.RELEASED, ENDS, **own))
    assert settle_events(ENDS + 30 * MINUTE) == 1
    with tenant_scope(alice):
        (target,) = targets_of(event)
        assert target.measured
        assert target.achieved_w == pytest.approx(1800)
    result = event_now(alice, event.code).result
    assert result is not None
    assert result["achieved_kw"] == pytest.approx(1.8)
    assert result["rebound_kw"] == pytest.approx(0.5)
    assert result["given_kwmin"] == pytest.approx(108)
    take(alice, told(event, CallState.RELEASED, ENDS + MINUTE, **own))  # what is measured stays
    with tenant_scope(alice):
        assert targets_of(event)[0].achieved_w == pytest.approx(1800)


def test_what_a_site_draws_bounds_what_it_can_give(alice: int) -> None:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("update load set node_id = site_id")
        cursor.execute("update dr_enrolment set node_id = (select site_id from load limit 1)")
    for days in range(1, 22):
        minutes(alice, BEGINS - timedelta(days=days), [400.0 + days] * 60)
    with tenant_scope(alice):
        (programme,) = programmes_of(person("alice-operator"))
        house = nodes_by_code("alice-house")[0]
        (place,) = find_places(programme, house, BEGINS).found
        assert place.is_site
        window = Window(BEGINS, ENDS, house.timezone)
        assert len(window.like_it(NOW)) >= LEAST_DAYS
        found = available([place], window, NOW)[house.id]
    for one in found.values():
        assert one.base is not None
        assert one.base.mean_w == pytest.approx(410, abs=5)
        assert one.power.mean_w <= one.base.mean_w


def test_a_call_off_before_the_broker_had_it_leaves_nothing(alice: int) -> None:
    event = called(alice)
    assert [one.event_id for one in live_calls(NOW)] == [event.id]
    with tenant_scope(alice):
        cancel(person("alice-operator"), event.code, "warm", NOW)
    assert live_calls(NOW) == []
    assert calls_to_clear(NOW) == []


def test_a_call_off_while_it_is_sent_is_sent_after_it(alice: int) -> None:
    """The topic is noted before the call goes out, so the call off follows on the same way."""
    event = called(alice)
    note_topics(event.id, ["balans/1/group/x/call/e/0"])
    with tenant_scope(alice):
        off = cancel(person("alice-operator"), event.code, "warm", NOW)
    assert mark_sent(event.id, event.epoch, [0], NOW) == 0
    (live,) = live_calls(NOW)
    assert live.epoch == off.epoch > event.epoch
    assert live_calls(ENDS + HOUR) == []
    assert [one.event_id for one in calls_to_clear(ENDS + HOUR)] == [event.id]


def test_two_people_cannot_both_call_the_last_event_of_the_day(alice: int) -> None:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("update dr_programme set max_per_day = 1")
    with tenant_scope(alice):
        add_key(alice, PUBLIC, "root", NOW)
        events = [drafted(), drafted(start=3 * HOUR)]
    outcomes: list[str] = []
    gate = threading.Barrier(2)

    def call(code: str) -> None:
        try:
            gate.wait(10)
            with tenant_scope(alice):
                announce(person("alice-operator"), code, NOW)
            outcomes.append("announced")
        except ResponseRefusedError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=(one.code,)) for one in events]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sorted(outcomes) == ["announced", "per_day"]


def test_tenants_never_see_each_others_events(
    alice: int, make_plan: Callable[..., RegistryPlan]
) -> None:
    event = called(alice)
    bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
    with tenant_scope(bob):
        operator = person("bob-operator")
        assert programmes_of(operator) == []
        assert events_of(operator) == []
        acts: tuple[Callable[[], object], ...] = (
            lambda: event_for(operator, event.code),
            lambda: draft_event(operator, order(), NOW),
            lambda: cancel(operator, event.code, "no", NOW),
        )
        for act in acts:
            with pytest.raises(NotVisibleError):
                act()
        open_programme("bob")  # a programme of the same name is another one
        assert targets_of(event) == []
    with system_scope():
        assert tenant_ids() == {"alice": alice, "bob": bob}
        with pytest.raises(NotVisibleError):
            event_for(operator, event.code)


def test_keys_end_when_they_are_rotated(alice: int) -> None:
    with tenant_scope(alice):
        first = add_key(alice, PUBLIC, "root", NOW)
        second = add_key(alice, bytes(32), "root", NOW + HOUR)
        assert end_keys(alice, NOW + 2 * HOUR, but=second.ident) == 1
        assert [one.ident for one in keys_of(alice)] == [first.ident, second.ident]
        assert [one.holds(NOW + 3 * HOUR) for one in keys_of(alice)] == [False, True]
        end_keys(alice, NOW + 4 * HOUR, but="")
        assert not has_key(alice, NOW + 5 * HOUR)


def test_who_missed_that_an_event_was_shortened_finds_it_until_its_first_end(alice: int) -> None:
    """A gateway that was away goes by the older call, so the newer one outlasts the event."""
    event = called(alice)
    note_topics(event.id, ["balans/1/group/x/call/e/0"])
    advance_events(BEGINS)
    sooner = BEGINS + 20 * MINUTE
    with tenant_scope(alice), connection.cursor() as cursor:
        row = Event.objects.get(id=event.id)
        row.ends, row.expires = sooner, sooner + 5 * MINUTE
        row.save(update_fields=["ends", "expires"])
        steps = f"[[{BEGINS.timestamp()}, {sooner.timestamp()}, 500]]"
        cursor.execute("update dr_target set steps = %s::jsonb", [steps])
        change_call(row, BEGINS + 10 * MINUTE)
    advance_events(sooner)
    assert event_now(alice, event.code).state == "ended"
    back_at = sooner + 6 * MINUTE
    (live,) = live_calls(back_at)
    assert live.epoch == row.epoch > event.epoch
    assert calls_to_clear(back_at) == []
    (call,) = build_calls(event.id)
    assert event.expires is not None
    assert call.expires == event.expires.timestamp()  # a gateway takes it as long as the older one
    assert call.targets[0].steps[-1].end == sooner.timestamp()
    assert live_calls(event.expires) == []
    assert [one.event_id for one in calls_to_clear(event.expires)] == [event.id]


def test_who_missed_a_call_off_after_a_shortening_finds_it_too(alice: int) -> None:
    event = called(alice)
    note_topics(event.id, ["balans/1/group/x/call/e/0"])
    advance_events(BEGINS)
    with tenant_scope(alice):
        row = Event.objects.get(id=event.id)
        row.ends, row.expires = BEGINS + 20 * MINUTE, BEGINS + 25 * MINUTE
        row.save(update_fields=["ends", "expires"])
        change_call(row, BEGINS + 10 * MINUTE)
        cancel(person("alice-operator"), event.code, "warm", BEGINS + 12 * MINUTE)
    assert [one.event_id for one in live_calls(BEGINS + 30 * MINUTE)] == [event.id]
