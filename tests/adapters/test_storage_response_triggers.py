"""Triggers at work: they call, propose, lengthen, tighten and end events, and a restart goes on."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from tests.adapters.response_events import MINUTE, NOW, PUBLIC, open_programme, person

from balans.core.words import LoadClass, StepKind
from balans.domain.response.life import EventState
from balans.domain.response.triggers import Mode
from balans.protocols.hub import LoadStatus, NodeStatus, SiteStatus
from balans.storage import response_places
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.live import save_statuses
from balans.storage.lookups import site_by_code
from balans.storage.models import Event
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.response_acts import announce, approve, cancel
from balans.storage.response_calls import build_calls
from balans.storage.response_events import changes_of, event_for, events_of
from balans.storage.response_life import advance_events
from balans.storage.response_progress import targets_of
from balans.storage.response_records import EventInfo, ExemptionKind, ResponseRefusedError
from balans.storage.response_trigger_shown import changes_of_trigger, last_sight, sights_of
from balans.storage.response_trigger_sight import LOG_MAX, Did
from balans.storage.response_trigger_work import look_at_triggers
from balans.storage.response_triggers import (
    TriggerInfo,
    TriggerOrder,
    create_trigger,
    edit_trigger,
    end_trigger,
    set_trigger_enabled,
    trigger_for,
    triggers_of,
)
from balans.storage.signing_keys import add_key
from balans.usecases.registry_plan import AccountPlan, RegistryPlan

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
SETTINGS: dict[str, Any] = {"overload": {"limit_kw": 6, "held_for_s": 120}, "least_s": 600}


@pytest.fixture(autouse=True)
def site(plan: RegistryPlan) -> NodeInfo:
    """Alice's house; the whole test reads as her utility, between the steps of the system."""
    mary = AccountPlan(username="mary", password="x", grants=(("operator", "alice-city"),))
    tenant_id = apply_plan(replace(plan, accounts=(*plan.accounts, mary))).tenant_id
    with connection.cursor() as cursor:
        cursor.execute("select set_config('balans.tenant', %s, true)", [str(tenant_id)])
    add_key(tenant_id, PUBLIC, "root", NOW)
    found = site_by_code(tenant_id, "alice-house")
    assert found is not None
    return found


def operator() -> Any:
    return person("alice-operator")


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def tell(minutes: float, site_w: float | None, *, on: bool = True, flat_w: float = 0.0) -> None:
    """Let Alice's gateway tell what the house draws."""
    loads = (LoadStatus("heat", LoadClass.YELLOW, on, 2200.0 if on else 0.0),)
    nodes = (NodeStatus("", "", site_w), NodeStatus("alice-flat-1", "", flat_w))
    status = SiteStatus(1, at(minutes).timestamp(), 60.0, site_w, None, "", loads, nodes=nodes)
    assert save_statuses([("alice-hub", status)], at(minutes)) == 1


def look(minutes: float, site_w: float | None, **more: Any) -> dict[str, str]:
    tell(minutes, site_w, **more)
    return look_at_triggers(at(minutes))


def a_trigger(**more: Any) -> TriggerInfo:
    """A trigger that may act alone up to 5 kW, on the transformer of Alice's house."""
    order: dict[str, Any] = {"programme": "evening", "node": "alice-house", "settings": SETTINGS,
             "mode": Mode.ACT, "cap_kw": Decimal(5)}  # fmt: skip
    return create_trigger(operator(), "trafo", TriggerOrder(**(order | more)), NOW)


def state() -> TriggerInfo:
    return trigger_for(operator(), "trafo")


def the_event() -> EventInfo:
    return event_for(operator(), state().event_code)


def in_overload(**more: Any) -> EventInfo:
    """The event that the trigger calls after two minutes of 8 kW, begun."""
    open_programme(**more)
    a_trigger()
    assert look(0, 8000) == look(1, 8000) == {}
    assert "called event" in look(2, 8000)["trafo"]
    assert advance_events(at(2)).begun == 1
    return the_event()


class TestKeeping:
    def test_only_operators_of_the_place_keep_triggers(self) -> None:
        open_programme()
        order = TriggerOrder(programme="evening", settings=SETTINGS)
        with pytest.raises((ForbiddenError, NotVisibleError)):
            create_trigger(person("alice-consumer"), "own", order, NOW)
        made = a_trigger()
        assert (made.kind, made.mode, made.cap_kw) == ("overload", Mode.ACT, Decimal(5))
        assert [one.code for one in triggers_of(operator())] == ["trafo"]
        with pytest.raises(NotVisibleError):
            set_trigger_enabled(person("alice-consumer"), "trafo", NOW, enabled=False)

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"settings": {}}, "settings"),
            ({"cap_kw": Decimal(-1)}, "cap_kw"),
        ],
    )
    def test_what_is_wrong_is_named(self, more: dict[str, Any], code: str) -> None:
        open_programme()
        with pytest.raises(ResponseRefusedError) as caught:
            a_trigger(**more)
        assert caught.value.code == code

    def test_a_code_is_there_once(self) -> None:
        open_programme()
        a_trigger()
        with pytest.raises(ResponseRefusedError) as caught:
            a_trigger()
        assert caught.value.code == "taken"

    def test_one_that_has_ended_never_looks_again(self) -> None:
        open_programme()
        a_trigger(mode=Mode.PROPOSE)
        for minute in range(3):
            look(minute, 8000)
        proposal = the_event()
        ended = end_trigger(operator(), "trafo", at(3))
        assert (ended.enabled, ended.ended_at) == (False, at(3))
        assert event_for(operator(), proposal.code).state == EventState.CANCELLED
        assert [look(minute, 8000) for minute in range(4, 7)] == [{}] * 3
        only = TriggerOrder(programme="", settings=SETTINGS)
        changes: list[Callable[[], Any]] = [
            lambda: set_trigger_enabled(operator(), "trafo", at(8), enabled=True),
            lambda: end_trigger(operator(), "trafo", at(8)),
            lambda: edit_trigger(operator(), "trafo", only),
        ]
        for change in changes:
            with pytest.raises(ResponseRefusedError) as caught:
                change()
            assert caught.value.code == "ended"
        assert [one.what for one in changes_of_trigger(state())] == ["ended", "made"]

    def test_switched_off_it_takes_its_proposal_back(self) -> None:
        open_programme()
        a_trigger(mode=Mode.PROPOSE)
        for minute in range(3):
            look(minute, 8000)
        proposal = the_event()
        set_trigger_enabled(operator(), "trafo", at(3), enabled=False)
        assert event_for(operator(), proposal.code).state == EventState.CANCELLED

    def test_switched_off_it_lets_its_event_run(self) -> None:
        event = in_overload()
        set_trigger_enabled(operator(), "trafo", at(3), enabled=False)
        assert event_for(operator(), event.code).state == EventState.ACTIVE

    def test_one_that_is_switched_off_does_not_look(self) -> None:
        open_programme()
        a_trigger()
        set_trigger_enabled(operator(), "trafo", NOW, enabled=False)
        assert [look(minute, 8000) for minute in range(4)] == [{}] * 4
        assert state().looked_at is None


class TestActing:
    def test_a_lasting_overload_calls_the_node_to_its_limit(self) -> None:
        event = in_overload()
        assert (event.kind, event.node_code, event.trigger_code) == (
            StepKind.LIMIT,
            "alice-house",
            "trafo",
        )
        assert (event.starts, event.ends) == (at(2), at(12))
        assert event.wanted_kw == 2
        assert event.author == "trigger trafo"
        assert "measured: 8.0 kW, expected up to 8.0 kW, limit 6.0 kW" in event.reason
        targets = targets_of(event)
        assert [one.node_code for one in targets] == ["alice-house"]
        (call,) = build_calls(event.id)
        (target,) = call.targets
        assert (target.site, target.node) == ("alice-house", "")
        assert [(step.kind, step.value) for step in target.steps] == [(StepKind.LIMIT, 6000.0)]

    def test_a_kettle_calls_nothing(self) -> None:
        open_programme()
        a_trigger()
        assert [look(n, w) for n, w in enumerate([8000, 5000, 8000, 8000, 5000])] == [{}] * 5
        assert state().outcome == "5.0 kW: nothing to do"

    def test_it_goes_on_while_the_node_would_draw_too_much(self) -> None:
        event = in_overload()
        assert look(6, 5000, on=False) == {}
        assert "holds until 12:18" in look(8, 5000, on=False)["trafo"]
        longer = the_event()
        assert longer.ends == at(18)
        assert longer.epoch > event.epoch
        assert build_calls(event.id)[0].targets[0].steps[-1].end == at(18).timestamp()
        assert [one.what for one in changes_of(longer)][-1] == "lengthened"

    def test_it_ends_once_what_it_would_draw_is_under_the_mark(self) -> None:
        in_overload()
        look(10, 5000, on=False)
        assert the_event().ends == at(20)
        assert look(11, 3000, on=False) == {}
        assert "ends at 12:15" in look(13, 3000, on=False)["trafo"]
        assert the_event().ends == at(15)
        assert build_calls(the_event().id)[0].targets[0].steps[-1].end == at(15).timestamp()
        assert advance_events(at(15)).ended == 1
        assert look(17, 3000) == {}
        assert state().event_code == ""

    def test_it_lasts_at_least_as_long_as_it_was_told(self) -> None:
        event = in_overload()
        look(3, 1000)
        look(5, 1000)
        assert the_event().ends == event.starts + timedelta(seconds=600)

    def test_a_restart_goes_on_in_the_middle(self) -> None:
        in_overload()
        kept = state().memory
        assert kept["event"] == the_event().id
        assert kept["memory"]["calling_since_s"] == at(2).timestamp()
        assert look_at_triggers(at(2)) == {}  # a look that was made already
        assert Event.objects.count() == 1

    def test_a_silent_gateway_does_not_end_it(self) -> None:
        in_overload()
        assert "holds until 12:19" in look_at_triggers(at(9))["trafo"]
        assert "power unknown" in state().outcome
        assert the_event().state == EventState.ACTIVE

    def test_what_a_person_calls_off_is_not_called_again_at_once(self) -> None:
        event = in_overload()
        cancel(operator(), event.code, "a mistake", at(4))
        for minute in range(5, 33, 2):
            assert "called" not in look(minute, 8000).get("trafo", "")
        assert "less than 30 min before" in state().outcome
        assert "called" in look(35, 8000)["trafo"]

    def test_a_closed_programme_is_left_alone(self) -> None:
        open_programme(max_per_day=1)
        a_trigger()
        for minute in range(3):
            look(minute, 8000)
        cancelled = cancel(operator(), the_event().code, "x", at(3))
        assert cancelled.state == EventState.CANCELLED

    def test_a_refusal_of_the_programme_is_told(self) -> None:
        open_programme(max_event_s=60)
        a_trigger()
        for minute in range(3):
            look(minute, 8000)
        event = the_event()
        assert (event.ends - event.starts) == MINUTE

    def test_with_a_spared_flat_the_house_is_not_asked_as_a_whole(self) -> None:
        open_programme()
        response_places.exempt(operator(), "alice-flat-1", ExemptionKind.VULNERABLE, "ill", NOW)
        a_trigger()
        for minute in range(3):
            look(minute, 8000)
        assert "refused" in state().outcome
        assert "asks nobody" in state().outcome
        assert Event.objects.count() == 0


class TestProposing:
    def test_beyond_its_cap_it_proposes_and_a_person_decides(self) -> None:
        open_programme()
        a_trigger(cap_kw=Decimal(1))
        look(0, 8000)
        look(1, 8000)
        assert "proposed event" in look(2, 8000)["trafo"]
        draft = the_event()
        assert draft.state == EventState.DRAFT
        assert "2.0 kW is more than its cap of 1.0 kW" in state().outcome
        assert look(3, 8000) == {}
        assert the_event().code == draft.code
        called = announce(operator(), draft.code, at(4))
        assert called.state == EventState.ANNOUNCED
        look(5, 8000)
        assert state().memory["event"] == called.id
        assert state().memory["begun"] == 1

    def test_what_is_no_longer_wanted_is_withdrawn(self) -> None:
        open_programme()
        a_trigger(mode=Mode.PROPOSE)
        for minute in range(3):
            look(minute, 8000)
        draft = the_event()
        look(3, 4000)
        assert "withdrew" in look(6, 4000)["trafo"]
        assert event_for(operator(), draft.code).state == EventState.CANCELLED

    def test_a_second_person_lets_it_act(self) -> None:
        open_programme(second_person_kw=Decimal("0.5"))
        a_trigger()
        for minute in range(3):
            look(minute, 8000)
        draft = the_event()
        assert draft.state == EventState.DRAFT
        assert "a second person has to approve" in state().outcome
        approve(person("mary"), draft.code, at(3))
        assert "called" in look(4, 8000)["trafo"]
        assert the_event().code == draft.code
        assert the_event().state == EventState.ANNOUNCED

    def test_one_person_does_not_stand_for_two_beside_a_trigger(self) -> None:
        """Whoever wrote it is the first; of the others one approves, and another calls."""
        open_programme(second_person_kw=Decimal("0.5"))
        a_trigger(mode=Mode.PROPOSE)
        for minute in range(3):
            look(minute, 8000)
        draft = the_event()
        with pytest.raises(ResponseRefusedError, match="another than its author"):
            approve(operator(), draft.code, at(3))
        approve(person("mary"), draft.code, at(3))
        with pytest.raises(ResponseRefusedError, match="another than who approved"):
            announce(person("mary"), draft.code, at(3))
        assert announce(operator(), draft.code, at(3)).state == EventState.ANNOUNCED

    def test_nobody_decides_and_it_is_made_anew(self) -> None:
        open_programme()
        a_trigger(mode=Mode.PROPOSE)
        for minute in range(3):
            look(minute, 8000)
        first = the_event()
        assert "proposed" in look(11, 8000)["trafo"]
        assert the_event().code != first.code
        states = {one.code: one.state for one in events_of(operator())}
        assert states[first.code] == EventState.CANCELLED


class TestSeeing:
    def test_peak_hours_hold_a_node_below_the_site(self) -> None:
        open_programme()
        peak = {"windows": [["12:00", "15:00"]], "limit_kw": 1, "weekdays": [0]}
        a_trigger(node="alice-flat-1", settings={"peak": peak})
        assert "called" in look(0, 8000, flat_w=2500)["trafo"]  # 13:00 in Paris
        event = the_event()
        assert event.node_code == "alice-flat-1"
        assert event.ends == at(120)
        assert event.wanted_kw == Decimal("1.5")
        assert build_calls(event.id)[0].targets[0].node == "alice-flat-1"

    def test_a_price_zone_calls(self) -> None:
        open_programme()
        price = {"begin": 0.5, "limit_kw": 6}
        a_trigger(settings={"price": price, "least_s": 900})
        night = NOW.replace(hour=22, minute=30)  # 23:30 in Paris: 0.60 per kWh
        minutes = (night - NOW) / MINUTE
        assert look(minutes - 60, 8000) == {}
        assert "called" in look(minutes, 8000)["trafo"]

    def test_two_sites_share_a_reduction(self) -> None:
        open_programme()
        a_trigger(node="alice-city")
        for minute in range(3):
            look(minute, 8000)
        event = the_event()
        assert event.kind == StepKind.REDUCE
        assert [one.node_code for one in targets_of(event)] == ["alice-flat-1"]

    def test_the_heat_of_the_transformer_is_followed(self) -> None:
        open_programme()
        settings = SETTINGS | {"transformer": {"kva": 10}}
        a_trigger(settings=settings)
        look(0, 5000)
        cold = state().memory["notes"]["heat"]
        look(30, 9400)
        warm = state().memory["notes"]["heat"]
        assert warm[0] > cold[0] + 2
        assert warm[3] == at(30).timestamp()

    def test_the_node_s_own_history_calls_before_the_peak(self, site: NodeInfo) -> None:
        open_programme()
        a_trigger()
        fill_history(site, days=8)
        assert "called" in look(40, 4000)["trafo"]  # the peak is from 13:00 on
        event = the_event()
        assert "forecast" in event.reason
        assert at(50) < event.starts < at(61)
        assert event.ends == at(70)  # as far as its lead reaches

    def test_a_tighter_wish_is_told(self) -> None:
        peak = {"windows": [["13:05", "15:00"]], "limit_kw": 4, "weekdays": [0]}
        open_programme()
        a_trigger(settings=SETTINGS | {"peak": peak})
        for minute in range(3):
            look(minute, 8000)
        advance_events(at(2))
        look(6, 6000, on=False)
        steps = the_event().steps
        assert [step.value for step in steps] == [6000, 4000]
        assert (steps[0].end, steps[1].start) == (at(6), at(6))
        assert len(build_calls(the_event().id)[0].targets[0].steps) == 2


def fill_history(site: NodeInfo, days: int) -> None:
    """8 kW from 13:00 to 15:00 UTC of the days before, else 3 kW."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into site_minute (site_id, minute, tenant_id, n, power_w)"
            " select %s, m, %s, 1, case when extract(hour from m at time zone 'UTC')"
            " between 13 and 14 then 8000 else 3000 end"
            " from generate_series(%s::timestamptz, %s::timestamptz, interval '5 min') as m",
            [site.id, site.tenant_id, NOW - timedelta(days=days), NOW],
        )


class TestSight:
    def test_what_it_saw_and_did_is_kept(self) -> None:
        event = in_overload()
        sight = last_sight(state())
        assert sight is not None
        assert (sight.did, sight.causes, sight.power_w) == (Did.CALLED, ("measured",), 8000)
        look(2.5, 8000)
        look(3, 5000, on=False)
        last = last_sight(state())
        assert last is not None
        assert (last.did, last.event, last.held_w) == (Did.FOLLOWS, event.code, 2200)
        assert [one.did for one in sights_of(state())] == [Did.CALLED]

    def test_why_no_more_was_done(self) -> None:
        open_programme()
        a_trigger(cap_kw=Decimal(1), mode=Mode.PROPOSE)
        for minute in range(20):
            look(minute, 8000)
        (only,) = sights_of(state())
        assert (only.did, only.why) == (Did.PROPOSES, ("proposes", "cap"))
        look(21, 3000)
        look(24, 3000)
        assert [one.did for one in sights_of(state())] == [
            Did.WITHDREW,
            Did.PROPOSES,
            Did.PROPOSES,
        ]

    def test_the_log_is_bounded(self) -> None:
        open_programme()
        a_trigger(mode=Mode.PROPOSE, settings={"overload": {"limit_kw": 6, "held_for_s": 0}})
        for minute in range(40):
            look(2 * minute, 8000 if minute % 2 else 1000)
        assert len(sights_of(state())) == LOG_MAX
