"""Demand response: programmes, events with their places, and what a program may do with them.

Approving is left to people: no key is a second person.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from ninja import Field, Path, Query, Schema
from pydantic import StrictBool

from balans.core.words import LoadClass, StepKind
from balans.domain.response.life import EventState, TargetState
from balans.storage import lookups, response_acts, response_events, response_preview
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.response_events import STEPS_MAX, VALUE_MAX, EventOrder
from balans.storage.response_marks import waiting_marks
from balans.storage.response_programmes import programme_for, programmes_of
from balans.storage.response_progress import progress_of, targets_of
from balans.storage.response_records import (
    EventInfo,
    ProgrammeInfo,
    ProgrammeState,
    ResponseRefusedError,
    StepInfo,
    TargetInfo,
)
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.problems import FieldsError
from balans.web.api.values import CODE, Body, NodeCode, Note, Reason, Time, moment
from balans.web.clock import site_clock

operations = Operations("Demand response")
EventCode = Annotated[str, Path(..., pattern=CODE, description="Code of the event.")]
EVENTS_MAX: Final = 500
KW_MOST: Final = 1e6
PLACES: Final = 1_000
FIELDS: Final = {
    "outside": "node",
    "steps": "steps",
    "length": "steps",
    "past": "steps",
    "priority": "priority",
    "wanted_kw": "wanted_kw",
}
"""Which field a refusal is about, where it is about one."""


class ProgrammeOut(Schema):
    """A programme; its times are seconds."""

    code: str
    title: str
    node: str
    state: ProgrammeState
    load_classes: list[LoadClass]
    tariffs: list[str]
    benefits: list[str]
    incentive: str
    consent_needed: bool
    priority: int
    notice_s: int
    max_event_s: int
    max_per_day: int
    max_per_month: int
    pause_s: int
    opt_out_s: int
    opt_out_within: bool
    second_person_kw: float | None
    looser_mark_waits: bool


class CallStepOut(Schema):
    """What is asked in [start, end): W for `limit` and `reduce`, a level for `eco`."""

    start: datetime
    end: datetime
    value: float


class CallOut(Schema):
    """An event. `expected_kw` with `expected_sd_kw` is the mean that it is expected to hold back.

    `needs_approval` says that more is expected than one person may call.
    """

    code: str
    programme: str
    node: str
    kind: StepKind
    state: EventState
    emergency: bool
    priority: int
    steps: list[CallStepOut]
    reason: str
    author: str
    trigger: str
    approver: str
    needs_approval: bool
    created: datetime
    announced_at: datetime | None
    ended_at: datetime | None
    wanted_kw: float | None
    expected_kw: float | None
    expected_sd_kw: float | None


class CallPlaceOut(Schema):
    """A place that an event asks. What it achieved is `measured`, or what its gateway says."""

    node: str
    site: str
    hub: str
    state: TargetState
    steps: list[CallStepOut]
    expected_kw: float
    achieved_kw: float | None
    measured: bool
    detail: str
    held_loads: list[str]
    failed_loads: list[str]


class CallProgressOut(Schema):
    """An event and how it goes.

    `coverage` is the share of the places that have answered. `achieved_kw` is the sum of the
    `achieved_known` places of which it is known, null where it is of none; so is `now_kw`, of the
    `now_known` of those `holding` at present. The latencies are how long half and
    95 of 100 of those that obeyed took [s]; `rebound_kw` is known after the account.
    """

    event: CallOut
    coverage: float | None
    heard: int
    asked: int
    now_kw: float | None
    now_known: int
    holding: int
    achieved_kw: float | None
    achieved_known: int
    latency_p50_s: float | None
    latency_p95_s: float | None
    rebound_kw: float | None
    places: list[CallPlaceOut]


class CallsAsked(Schema):
    """Which events; without a state all of them."""

    state: EventState | None = None
    programme: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,32}$")] = ""
    limit: Annotated[int, Field(ge=1, le=EVENTS_MAX)] = 100


class CallStepIn(Body):
    """A step; times without an offset are local to the programme's node."""

    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to")]
    value: Annotated[float, Field(ge=0, le=VALUE_MAX, allow_inf_nan=False)]


class CallIn(Body):
    """An event to draft. Without a node it asks the whole programme."""

    programme: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")]
    node: Annotated[str | None, Field(pattern=CODE)] = None
    kind: StepKind
    steps: Annotated[list[CallStepIn], Field(min_length=1, max_length=STEPS_MAX)]
    reason: Reason
    wanted_kw: Annotated[float | None, Field(gt=0, le=KW_MOST, allow_inf_nan=False)] = None
    priority: Annotated[int | None, Field(ge=0, le=9)] = None
    emergency: StrictBool = False


class WhyIn(Body):
    """Why an event is cancelled."""

    reason: Reason


class OptOutIn(Body):
    """Which event the place leaves."""

    event: Annotated[str, Field(pattern=CODE)]
    reason: Note = ""


class LeftOut(Schema):
    """How many asked places ended by leaving: one that covers more ends as a whole."""

    ended: int


@operations.get("/programmes", Scope.READ_EVENTS, list[ProgrammeOut])
def list_programmes(request: ApiRequest) -> list[ProgrammeOut]:
    """List the programmes of demand response, by code."""
    found = programmes_of(request.auth.person, Right.AUDIT)
    waits = waiting_marks([one.id for one in found])
    return [_programme(one, waits=one.id in waits) for one in found]


@operations.get("/calls", Scope.READ_EVENTS, list[CallOut])
def list_calls(request: ApiRequest, asked: Query[CallsAsked]) -> list[CallOut]:
    """List the last events of demand response, the latest start first."""
    states = tuple(EventState) if asked.state is None else (asked.state,)
    found = response_events.events_of(
        request.auth.person, states=states, programme=asked.programme, n=asked.limit
    )
    return [_call(one) for one in found]


@operations.get("/calls/{code}", Scope.READ_EVENTS, CallProgressOut)
def get_call(request: ApiRequest, code: EventCode) -> CallProgressOut:
    """Tell how an event of demand response goes, with the places that it asks."""
    event = response_events.event_for(request.auth.person, code)
    progress = progress_of(event)
    return CallProgressOut(
        event=_call(event),
        coverage=progress.coverage,
        heard=progress.heard,
        asked=progress.targets,
        now_kw=progress.now_kw,
        now_known=progress.now_known,
        holding=progress.holding,
        achieved_kw=progress.achieved_kw,
        achieved_known=progress.known,
        latency_p50_s=progress.latency_s.p50,
        latency_p95_s=progress.latency_s.p95,
        rebound_kw=(event.result or {}).get("rebound_kw"),
        places=[_place(one) for one in targets_of(event, n=PLACES)],
    )


@operations.post("/calls", Scope.WRITE_RESPONSE, CallOut)
def draft_call(request: ApiRequest, body: CallIn) -> CallOut:
    """Draft an event and compute what it would give; it asks nobody before it is announced."""
    person, now = request.auth.person, site_clock().now()
    programme = programme_for(person, body.programme, Right.RESPONSE)
    zone = lookups.node(programme.node_id).timezone
    with _blamed():
        event = response_events.draft_event(person, _order(body, zone), now)
    return _call(response_preview.preview(person, event.code, now))


@operations.post("/calls/{code}/announce", Scope.WRITE_RESPONSE, CallOut, status=200)
def announce_call(request: ApiRequest, code: EventCode) -> CallOut:
    """Announce a drafted event, as far as its programme and its second person allow."""
    return _call(response_acts.announce(request.auth.person, code, site_clock().now()))


@operations.post("/calls/{code}/cancel", Scope.WRITE_RESPONSE, CallOut, status=200)
def cancel_call(request: ApiRequest, code: EventCode, body: WhyIn) -> CallOut:
    """Cancel an event; what holds is let go of, spread as at its end."""
    now = site_clock().now()
    return _call(response_acts.cancel(request.auth.person, code, body.reason, now))


@operations.post("/nodes/{code}/opt-out", Scope.WRITE_RESPONSE, LeftOut, status=200)
def opt_out(request: ApiRequest, code: NodeCode, body: OptOutIn) -> LeftOut:
    """Take a place out of an event, within the rules of its programme; only its consumer may."""
    now = site_clock().now()
    ended = response_acts.opt_out(request.auth.person, body.event, code, now, body.reason)
    return LeftOut(ended=ended)


@contextmanager
def _blamed() -> Iterator[None]:
    try:
        yield
    except ResponseRefusedError as error:
        if error.code in FIELDS:
            raise FieldsError([(FIELDS[error.code], str(error))]) from error
        raise


def _order(body: CallIn, zone: ZoneInfo) -> EventOrder:
    steps = [
        StepInfo(
            moment(f"steps.{n}.from", one.start, zone),
            moment(f"steps.{n}.to", one.end, zone),
            one.value,
        )
        for n, one in enumerate(body.steps)
    ]
    wanted = body.wanted_kw
    return EventOrder(
        programme=body.programme,
        kind=body.kind,
        steps=steps,
        reason=body.reason,
        node=body.node or "",
        wanted_kw=None if wanted is None else Decimal(str(round(wanted, 3))),
        priority=body.priority,
        emergency=body.emergency,
    )


def _programme(one: ProgrammeInfo, *, waits: bool) -> ProgrammeOut:
    terms = one.terms
    most = terms.second_person_kw
    return ProgrammeOut(
        code=one.code,
        title=terms.title,
        node=one.node_code,
        state=one.state,
        load_classes=list(terms.load_classes),
        tariffs=list(terms.tariffs),
        benefits=list(terms.benefits),
        incentive=terms.incentive,
        consent_needed=terms.consent_needed,
        priority=terms.priority,
        notice_s=terms.notice_s,
        max_event_s=terms.max_event_s,
        max_per_day=terms.max_per_day,
        max_per_month=terms.max_per_month,
        pause_s=terms.pause_s,
        opt_out_s=terms.opt_out_s,
        opt_out_within=terms.opt_out_within,
        second_person_kw=None if most is None else float(most),
        looser_mark_waits=waits,
    )


def _call(one: EventInfo) -> CallOut:
    return CallOut(
        code=one.code,
        programme=one.programme_code,
        node=one.node_code,
        kind=one.kind,
        state=one.state,
        emergency=one.emergency,
        priority=one.priority,
        steps=_steps(one.steps),
        reason=one.reason,
        author=one.author,
        trigger=one.trigger_code,
        approver=one.approver,
        needs_approval=one.needs_approval,
        created=one.created,
        announced_at=one.announced_at,
        ended_at=one.ended_at,
        wanted_kw=None if one.wanted_kw is None else float(one.wanted_kw),
        expected_kw=one.expected_kw,
        expected_sd_kw=one.expected_sd_kw,
    )


def _place(one: TargetInfo) -> CallPlaceOut:
    return CallPlaceOut(
        node=one.node_code,
        site=one.site_code,
        hub=one.hub_code,
        state=one.state,
        steps=_steps(one.steps),
        expected_kw=one.expected_w / 1000,
        achieved_kw=None if one.achieved_w is None else one.achieved_w / 1000,
        measured=one.measured,
        detail=one.detail,
        held_loads=list(one.held_loads),
        failed_loads=list(one.failed_loads),
    )


def _steps(steps: tuple[StepInfo, ...]) -> list[CallStepOut]:
    return [CallStepOut(start=one.start, end=one.end, value=one.value) for one in steps]
