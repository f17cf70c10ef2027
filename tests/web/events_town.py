"""Alice's utility with a programme, its members, a key, and what a gateway tells of an event."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from tests.web import town

from balans.core.words import CallState, StepKind
from balans.protocols.hub import CallReport, bitmap
from balans.storage import (
    lookups,
    response_acts,
    response_events,
    response_places,
    response_preview,
)
from balans.storage.registry import apply_plan
from balans.storage.response_events import EventOrder
from balans.storage.response_programmes import create_programme, set_programme_state
from balans.storage.response_records import (
    EventInfo,
    ProgrammeState,
    ProgrammeTerms,
    StepInfo,
)
from balans.storage.response_reports import HeardReport, take_call_reports
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.signing_keys import add_key, has_key
from balans.usecases.registry_plan import AccountPlan

HOUR = timedelta(hours=1)
FLATS = ("alice-flat-01", "alice-flat-02", "alice-flat-03")


def person(username: str) -> Any:
    """Return the account of a person."""
    with system_scope():
        return get_user_model().objects.get(username=username)


def add_people() -> None:
    """Give the utility a second operator and a consumer of every flat."""
    plan = town.plan("alice", 1000)
    consumers = tuple((f"alice-of-{flat[-2:]}", "consumer", flat) for flat in FLATS)
    grants = (("alice-second", "operator", "alice-city"), *consumers)
    people = tuple(
        AccountPlan(username=name, password=town.PASSWORD, grants=((role, node),))
        for name, role, node in grants
    )
    apply_plan(replace(plan, accounts=(*plan.accounts, *people)))


def open_programme(code: str = "evening", **terms: Any) -> None:
    """Open a programme of the city, with a key to sign; flats 1 to 3 join."""
    add_people()
    operator = person("alice-operator")
    values: dict[str, Any] = {
        "title": "Evening peak",
        "incentive": "2 euro off the bill for every event in which you take part.",
        "max_per_day": 4,
    }
    with tenant_scope(operator.tenant_id, "alice-operator"):
        if not has_key(operator.tenant_id, town.NOW):
            add_key(operator.tenant_id, bytes(range(32)), "root", town.NOW)
        said = ProgrammeTerms(**(values | terms))
        create_programme(operator, "alice-city", code, said, town.NOW)
        set_programme_state(operator, code, ProgrammeState.OPEN, town.NOW)
        for flat in FLATS:
            response_places.join(person(f"alice-of-{flat[-2:]}"), code, flat, town.NOW)


def drafted(start: timedelta = HOUR, length: timedelta = HOUR, **more: Any) -> EventInfo:
    """Write down an event that limits every place to 500 W, with its preview."""
    operator = person("alice-operator")
    begin = town.NOW + start
    values: dict[str, Any] = {
        "programme": "evening",
        "kind": StepKind.LIMIT,
        "steps": (StepInfo(begin, begin + length, 500.0),),
        "reason": "cold evening",
        "wanted_kw": Decimal(1),
    }
    with tenant_scope(operator.tenant_id, "alice-operator"):
        event = response_events.draft_event(operator, EventOrder(**(values | more)), town.NOW)
        return response_preview.preview(operator, event.code, town.NOW)


def announced(**more: Any) -> EventInfo:
    """Call an event."""
    event, operator = drafted(**more), person("alice-operator")
    with tenant_scope(operator.tenant_id, "alice-operator"):
        return response_acts.announce(operator, event.code, town.NOW)


def tell(event: EventInfo, state: CallState, node: str = FLATS[0], **more: Any) -> None:
    """Let the gateway tell of a flat."""
    names = tuple(f"{node.removeprefix('alice-')}-{key}" for key in ("heat", "wash"))
    values: dict[str, Any] = {
        "event": event.code,
        "epoch": event.epoch,
        "site": "alice-house",
        "node": node,
        "state": state,
        "time": event.starts.timestamp() + 20,
        "before_w": 2400.0,
        "now_w": 400.0,
        "loads": names,
        "held": bitmap(names, {names[0]}),
        "failed": bitmap(names, set()),
    }
    with system_scope():
        report = CallReport(**(values | more))
        site = lookups.site_by_code(event.tenant_id, "alice-house")
        assert site is not None
        received = event.starts + timedelta(seconds=25)
        assert take_call_reports([HeardReport(event.tenant_id, site.id, report, received)])
