"""What triggers do with events: call, propose, lengthen, tighten, end. Inside a scope.

At a node of one site an event asks for the limit itself: the gateway there decides which loads
serve it. At a node above sites it asks for a reduction, shared among the places that are chosen.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from balans.core.words import StepKind
from balans.domain.response.life import EventHappening, EventState, next_event_state
from balans.domain.response.triggers import Mode, Wish
from balans.storage import lookups
from balans.storage.models import Event, Programme, Trigger
from balans.storage.records import NodeInfo
from balans.storage.response_acts import announce_drafted, announce_row, change_call
from balans.storage.response_events import (
    EXPIRY_MARGIN,
    STEPS_MAX,
    EventOrder,
    draft_by_trigger,
    note_change,
    steps_from_json,
    steps_to_json,
)
from balans.storage.response_preview import preview_row
from balans.storage.response_records import ResponseRefusedError, StepInfo
from balans.usecases.trigger_rules import Settings

TELL: Final = timedelta(minutes=2)
"""An end is moved no nearer than this: its call has to reach the gateways before it."""
AHEAD: Final = timedelta(minutes=5)
"""An event that is to go on is lengthened when so little of it is left."""
DECIDE: Final = timedelta(minutes=10)
"""A proposal begins so much later than now that a person can decide."""
TIGHTER: Final = 0.98
"""A stricter limit is told to gateways from this share of the present one on."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A trigger with what one look needs."""

    row: Trigger
    programme: Programme
    node: NodeInfo
    settings: Settings
    now: datetime

    @property
    def author(self) -> str:
        """Who is told to have done it."""
        return f"trigger {self.row.code}"

    @property
    def longest_s(self) -> float:
        """How long an event may last."""
        return min(self.settings.rule.most_s, float(self.programme.max_event_s))

    @property
    def most_w(self) -> float:
        """How much may be asked without a person: its cap, and what a second person guards."""
        second_kw = self.programme.second_person_kw
        cap_kw = self.row.cap_kw if second_kw is None else min(self.row.cap_kw, second_kw)
        return float(cap_kw * 1000)


def call_event(watch: Watch, wish: Wish, reason: str) -> Event:
    """Draft and announce the event that is wished for.

    Raises
    ------
    ResponseRefusedError
        As `draft_by_trigger` and `announce_drafted`.
    """
    event = _drafted(watch, wish, reason, timedelta(seconds=watch.programme.notice_s))
    announce_drafted(event.pk, watch.author, watch.now)
    return Event.objects.get(id=event.pk)


def announce_proposal(watch: Watch, proposal: Event) -> Event:
    """Announce a proposal that a second person has approved; errors as `announce_drafted`."""
    announce_row(proposal, watch.author, watch.now)
    return proposal


def keep_proposal(
    watch: Watch, wish: Wish, proposal: Event | None, reason: str
) -> tuple[Event, str]:
    """Return the draft that proposes what is wished for, and what was done for it.

    One that begins too soon to be decided on is made anew, unless somebody has approved it.
    """
    notice = timedelta(seconds=watch.programme.notice_s)
    if proposal is not None:
        if proposal.approver or proposal.starts - watch.now > notice + TELL:
            return proposal, ""
        withdraw(proposal, watch.author, "made anew: nobody has decided", watch.now)
    event = _drafted(watch, wish, reason, notice + DECIDE)
    return event, f"proposed event {event.code}"


def withdraw(row: Event, author: str, why: str, now: datetime) -> None:
    """Take a draft back."""
    if row.state != EventState.DRAFT.value:
        return
    row.state = next_event_state(EventState.DRAFT, EventHappening.CANCEL).value
    row.ended_at = now
    row.save(update_fields=["state", "ended_at"])
    note_change(row, author, "cancelled", now, reason=why)


def follow_event(watch: Watch, event: Event, wish: Wish | None) -> str:
    """Let a called event last as long as it is wished for; return what was changed.

    A trigger that only proposes lets go, but asks for no more than a person has called for.
    """
    if event.state != EventState.ACTIVE.value:
        return ""
    if wish is None:
        return _shorten(watch, event)
    if event.kind != StepKind.LIMIT.value or Mode(watch.row.mode) is not Mode.ACT:
        return ""  # the turns of a reduction were chosen for its time
    return _go_on(watch, event, wish)


def _shorten(watch: Watch, event: Event) -> str:
    least = event.starts + timedelta(seconds=watch.settings.rule.least_s)
    ends = max(watch.now + TELL, least)
    if event.ends - ends < TELL:
        return ""
    steps = _cut(steps_from_json(event.steps), ends)
    _reshape(event, steps, watch.author, "shortened", watch.now)
    return f"ends at {ends:%H:%M:%S} UTC"


def _go_on(watch: Watch, event: Event, wish: Wish) -> str:
    now = watch.now
    steps = _tightened(event, max(wish.limit_w, wish.expected_w - watch.most_w), now)
    longest = event.starts + timedelta(seconds=watch.longest_s)
    wanted = min(datetime.fromtimestamp(wish.end_s, now.tzinfo), longest)
    longer = event.ends - now < AHEAD and wanted - event.ends >= TELL / 2
    if longer:
        steps = [*steps[:-1], StepInfo(steps[-1].start, wanted, steps[-1].value)]
    if not longer and len(steps) == len(event.steps):
        return ""
    _reshape(event, steps, watch.author, "lengthened" if longer else "tightened", now)
    return f"holds until {steps[-1].end:%H:%M:%S} UTC at {steps[-1].value / 1000:.1f} kW"


def _drafted(watch: Watch, wish: Wish, reason: str, lead: timedelta) -> Event:
    now = watch.now
    start = max(datetime.fromtimestamp(wish.start_s, now.tzinfo), now + lead)
    least = start + timedelta(seconds=watch.settings.rule.least_s)
    end = max(datetime.fromtimestamp(wish.end_s, now.tzinfo), least)
    end = min(end, start + timedelta(seconds=watch.longest_s))
    is_one = lookups.site_of(watch.node) is not None
    if not is_one and wish.reduction_w <= 0:
        raise ResponseRefusedError("wanted_kw", "there is nothing to be held back")
    value = wish.limit_w if is_one else wish.reduction_w
    wanted = Decimal(round(wish.reduction_w)) / 1000
    order = EventOrder(
        programme=watch.programme.code,
        node=watch.node.code,
        kind=StepKind.LIMIT if is_one else StepKind.REDUCE,
        steps=(StepInfo(start, end, float(round(value))),),
        wanted_kw=wanted if wanted > 0 else None,
        reason=reason[:500],
    )
    event = draft_by_trigger(watch.row.pk, order, now)
    row = Event.objects.select_for_update(of=("self",)).get(id=event.id)
    preview_row(row, watch.author, now)
    return row


def _tightened(event: Event, limit_w: float, now: datetime) -> list[StepInfo]:
    """Return the steps of an event, with `limit_w` from now on if that is stricter."""
    steps = list(steps_from_json(event.steps))
    last = steps[-1]
    is_full = len(steps) >= STEPS_MAX
    if is_full or limit_w >= TIGHTER * last.value or not last.start < now < last.end:
        return steps
    return [
        *steps[:-1],
        StepInfo(last.start, now, last.value),
        StepInfo(now, last.end, limit_w),
    ]


def _cut(steps: Any, ends: datetime) -> list[StepInfo]:
    return [StepInfo(one.start, min(one.end, ends), one.value) for one in steps if one.start < ends]


def _reshape(event: Event, steps: list[StepInfo], author: str, what: str, now: datetime) -> None:
    """Give an event that runs other steps, and let its call say so."""
    event.steps, event.ends = steps_to_json(steps), steps[-1].end
    event.expires = event.ends + timedelta(seconds=event.release_spread_s) + EXPIRY_MARGIN
    event.save(update_fields=["steps", "ends", "expires"])
    with connection.cursor() as cursor:
        cursor.execute("select id, steps::text from dr_target where event_id = %s", [event.pk])
        rows = [(pk, steps_from_json(json.loads(text))) for pk, text in cursor.fetchall()]
        is_limit = event.kind == StepKind.LIMIT.value
        changed = [
            (json.dumps(steps_to_json(steps if is_limit else _cut(own, event.ends) or own)), pk)
            for pk, own in rows
        ]
        cursor.executemany("update dr_target set steps = %s::jsonb where id = %s", changed)
    change_call(event, now)
    detail = {"ends": event.ends.isoformat(), "value": steps[-1].value}
    note_change(event, author, what, now, detail=detail)
