"""Steps on the way of an event, for tests that need one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model

from balans.core.words import CallState, StepKind
from balans.protocols.hub import CallReport, bitmap
from balans.storage import response_acts, response_events, response_places, response_preview
from balans.storage.response_events import EventOrder
from balans.storage.response_programmes import create_programme, set_programme_state
from balans.storage.response_records import (
    EventInfo,
    ProgrammeInfo,
    ProgrammeState,
    ProgrammeTerms,
    StepInfo,
)
from balans.storage.signing_keys import add_key

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PUBLIC = bytes(range(32))


def person(username: str) -> Any:
    return get_user_model().objects.get(username=username)


def order(start: timedelta = HOUR, length: timedelta = HOUR, **more: Any) -> EventOrder:
    """An event of the programme ``evening`` that limits each place to 500 W."""
    step = StepInfo(NOW + start, NOW + start + length, 500.0)
    values: dict[str, Any] = {
        "programme": "evening",
        "kind": StepKind.LIMIT,
        "steps": (step,),
        "reason": "cold evening",
    }
    return EventOrder(**(values | more))


def open_programme(tenant: str = "alice", **terms: Any) -> ProgrammeInfo:
    """An open programme of the whole city that flat 1 has joined; call inside the tenant."""
    operator = person(f"{tenant}-operator")
    values: dict[str, Any] = {"title": "Evening peak", "max_per_day": 4}
    said = ProgrammeTerms(**(values | terms))
    create_programme(operator, f"{tenant}-city", "evening", said, NOW)
    programme = set_programme_state(operator, "evening", ProgrammeState.OPEN, NOW)
    response_places.join(person(f"{tenant}-consumer"), "evening", f"{tenant}-flat-1", NOW)
    return programme


def drafted(tenant: str = "alice", **more: Any) -> EventInfo:
    """An event with a preview."""
    operator = person(f"{tenant}-operator")
    event = response_events.draft_event(operator, order(**more), NOW)
    return response_preview.preview(operator, event.code, NOW)


def announced(tenant: str = "alice", **more: Any) -> EventInfo:
    """An event that is called; its tenant gets a key."""
    operator = person(f"{tenant}-operator")
    add_key(operator.tenant_id, PUBLIC, "root", NOW)
    return response_acts.announce(operator, drafted(tenant, **more).code, NOW)


def told(event: EventInfo, state: CallState, at: datetime, **more: Any) -> CallReport:
    """What the gateway of Alice's house tells of flat 1."""
    names = ("heat", "wash")
    values: dict[str, Any] = {
        "event": event.code,
        "epoch": event.epoch,
        "site": "alice-house",
        "node": "alice-flat-1",
        "state": state,
        "time": at.timestamp(),
        "before_w": 2400.0,
        "now_w": 400.0,
        "loads": names,
        "held": bitmap(names, {"heat"}),
        "failed": bitmap(names, set()),
    }
    return CallReport(**(values | more))


def kw(value: str) -> Decimal:
    return Decimal(value)
