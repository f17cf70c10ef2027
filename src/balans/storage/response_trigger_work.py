"""Triggers at work: they look at their nodes, and begin, lengthen, tighten and end events.

What a trigger remembers stands in its row of ``dr_trigger_state``, with what it found in words, so
a restart goes on where the last look ended. `look_at_triggers` acts for all tenants and opens its
own scopes; it may be repeated, and several processes may call it.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from balans.core.errors import InputError
from balans.domain.response.life import FINAL_EVENTS, EventState
from balans.domain.response.triggers import (
    Bounded,
    Caps,
    Memory,
    Mode,
    Seen,
    Wish,
    bounded,
    look,
)
from balans.storage import lookups
from balans.storage.models import Event, Programme, Trigger
from balans.storage.response_records import ProgrammeState, ResponseRefusedError
from balans.storage.response_trigger_events import (
    Watch,
    announce_proposal,
    call_event,
    follow_event,
    keep_proposal,
    withdraw,
)
from balans.storage.response_trigger_seen import Notes, see
from balans.storage.response_trigger_sight import Did, Sight, logged
from balans.storage.scope import system_scope
from balans.usecases.trigger_rules import read_settings

ACTOR: Final = "trigger"
log = logging.getLogger(__name__)


@dataclass(slots=True)
class State:
    """What a trigger remembers between two looks; everything is kept as JSON types.

    event, proposal
        Ids of the event that it has called, and of the draft that it proposes; None: none.
    day, begun
        The local day, and how many events it has begun on it.
    last_end_s
        When its last event ended, or when somebody called off what it proposed.
    last, log
        The last look, and those at which something happened, the newest last.
    """

    memory: Memory = field(default_factory=Memory)
    notes: Notes = field(default_factory=Notes)
    event: int | None = None
    proposal: int | None = None
    day: str = ""
    begun: int = 0
    last_end_s: float | None = None
    last: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    def note(self, sight: Sight) -> None:
        """Keep what a look came to."""
        self.last, self.log = asdict(sight), logged(self.log, sight)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "State":
        """Return what was stored; what an earlier release did not know has its usual value."""
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        memory, notes = values.pop("memory", {}), values.pop("notes", {})
        return cls(memory=Memory(**memory), notes=Notes(**notes), **values)


def look_at_triggers(now: datetime) -> dict[str, str]:
    """Let every trigger look once at `now`; commit; return what those did that did something."""
    with system_scope(ACTOR):
        ready = Trigger.objects.filter(enabled=True, programme__state=ProgrammeState.OPEN.value)
        ids = list(ready.order_by("id").values_list("id", flat=True))
    did = {}
    for trigger_id in ids:
        found = look_at_trigger(trigger_id, now)
        if found:
            did.update(found)
    return did


def look_at_trigger(trigger_id: int, now: datetime) -> dict[str, str]:
    """Let one trigger look; commit; return what it did by its code, nothing if another looks."""
    with system_scope(ACTOR, durable=True):
        rows = Trigger.objects.select_for_update(skip_locked=True, of=("self",))
        row = rows.filter(id=trigger_id, enabled=True).first()
        if row is None:
            return {}
        before = _stored(row)
        if before is not None and before[0] >= now and before[0] - now < timedelta(minutes=10):
            return {}
        state = State.read(before[1] if before else {})
        try:
            watch = _watch(row, now)
            did, outcome = _look(watch, state)
        except (InputError, ResponseRefusedError) as error:
            did, outcome = "", f"failed: {error}"
            state.note(Sight(now.timestamp(), Did.FAILED, (error.code,)))
        _store(row, state, now, outcome)
    return {row.code: did} if did else {}


def _watch(row: Trigger, now: datetime) -> Watch:
    programme = Programme.objects.get(id=row.programme_id)
    return Watch(row, programme, lookups.node(row.node_id), read_settings(row.parameters), now)


def _look(watch: Watch, state: State) -> tuple[str, str]:
    """Return what was done, empty for nothing, and what is found in words."""
    event = _event_of(watch, state)
    is_called = event is not None and event.state == EventState.ACTIVE.value
    seen = see(watch.node, watch.settings, state.notes, watch.now, is_called=is_called)
    state.memory, wish = look(watch.settings.rule, state.memory, seen)
    found, sight = told(seen, wish), Sight.of(seen, wish)
    if event is not None:
        did = follow_event(watch, event, wish)
        state.note(replace(sight, did=Did.CHANGED if did else Did.FOLLOWS, event=event.code))
        return did, f"event {event.code} {did or event.state}: {found}"
    if wish is None:
        return _let_go(watch, state, sight), found
    return _want(watch, state, wish, _Found(found, sight))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look has found: in words, and for the page."""

    words: str
    sight: Sight


def _event_of(watch: Watch, state: State) -> Event | None:
    """Return the event that the trigger has called, or that a person called for it, if it lives."""
    today = watch.now.astimezone(watch.node.timezone).date().isoformat()
    if state.day != today:
        state.day, state.begun = today, 0
    proposal = _row(state.proposal)
    if proposal is not None and proposal.state != EventState.DRAFT.value:
        state.proposal = None
        if EventState(proposal.state) in FINAL_EVENTS:
            state.last_end_s = _ended_s(proposal, watch)
        else:
            state.event, state.begun = proposal.pk, state.begun + 1
    event = _row(state.event)
    if event is not None and EventState(event.state) in FINAL_EVENTS:
        state.event, state.last_end_s = None, _ended_s(event, watch)
        return None
    return event


def _row(event_id: int | None) -> Event | None:
    rows = Event.objects.select_for_update(of=("self",))
    return None if event_id is None else rows.filter(id=event_id).first()


def _ended_s(event: Event, watch: Watch) -> float:
    return (event.ended_at or watch.now).timestamp()


def _let_go(watch: Watch, state: State, sight: Sight) -> str:
    proposal = _row(state.proposal)
    state.proposal = None
    if proposal is None:
        state.note(sight)
        return ""
    state.note(replace(sight, did=Did.WITHDREW, event=proposal.code))
    withdraw(proposal, watch.author, "no longer wanted", watch.now)
    return f"withdrew its proposal {proposal.code}"


def _want(watch: Watch, state: State, wish: Wish, found: _Found) -> tuple[str, str]:
    """Begin an event, or propose it; return what was done, and what is found."""
    caps = Caps(
        Mode(watch.row.mode),
        float(watch.row.cap_kw * 1000),
        watch.settings.per_day,
        watch.settings.pause_s,
    )
    result = bounded(wish, caps, state.begun, state.last_end_s)
    proposal = _row(state.proposal)
    if result.acts:
        return _act(watch, state, result, proposal, found)
    return _propose(watch, state, result, proposal, found)


def _act(
    watch: Watch, state: State, result: Bounded, proposal: Event | None, found: _Found
) -> tuple[str, str]:
    try:
        with transaction.atomic():
            if proposal is not None and proposal.approver:
                event = announce_proposal(watch, proposal)
            else:
                event = call_event(watch, result.wish, found.words)
    except ResponseRefusedError as error:
        if error.code != "approval":
            return _refused(state, error, found)
        waits = Bounded(result.wish, acts=False, because=(str(error),), codes=(error.code,))
        return _propose(watch, state, waits, proposal, found)
    if proposal is not None and proposal.pk != event.pk:
        withdraw(proposal, watch.author, f"event {event.code} was called instead", watch.now)
    state.event, state.proposal, state.begun = event.pk, None, state.begun + 1
    state.note(replace(found.sight, did=Did.CALLED, event=event.code))
    return f"called event {event.code}", f"called event {event.code}: {found.words}"


def _propose(
    watch: Watch, state: State, result: Bounded, proposal: Event | None, found: _Found
) -> tuple[str, str]:
    why = "; ".join(result.because)
    try:
        with transaction.atomic():
            kept, did = keep_proposal(watch, result.wish, proposal, f"{found.words}; {why}")
    except ResponseRefusedError as error:
        return _refused(state, error, found)
    state.proposal = kept.pk
    state.note(replace(found.sight, did=Did.PROPOSES, why=result.codes, event=kept.code))
    return did, f"proposes event {kept.code} ({why}): {found.words}"


def _refused(state: State, error: ResponseRefusedError, found: _Found) -> tuple[str, str]:
    state.note(replace(found.sight, did=Did.REFUSED, why=(error.code,)))
    return "", f"refused ({error}): {found.words}"


def told(seen: Seen, wish: Wish | None) -> str:
    """Return what was seen and is wanted in words, the reason of an event."""
    power = "power unknown" if seen.power_w is None else f"{seen.power_w / 1000:.1f} kW"
    if seen.held_w:
        power += f" and up to {seen.held_w / 1000:.1f} kW held back"
    if wish is None:
        return f"{power}: nothing to do"
    causes = ", ".join(cause.value.replace("_", " ") for cause in wish.causes)
    return (
        f"{causes}: {power}, expected up to {wish.expected_w / 1000:.1f} kW,"
        f" limit {wish.limit_w / 1000:.1f} kW"
    )


def _stored(row: Trigger) -> tuple[datetime, dict[str, Any]] | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select at, memory::text from dr_trigger_state where trigger_id = %s", [row.pk]
        )
        found = cursor.fetchone()
    return None if found is None else (found[0].astimezone(UTC), json.loads(found[1]))


def _store(row: Trigger, state: State, now: datetime, outcome: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into dr_trigger_state (trigger_id, tenant_id, at, memory, outcome)"
            " values (%s, %s, %s, %s::jsonb, %s) on conflict (trigger_id) do update"
            " set at = excluded.at, memory = excluded.memory, outcome = excluded.outcome",
            [row.pk, row.tenant_id, now, json.dumps(asdict(state)), outcome[:1000]],
        )
