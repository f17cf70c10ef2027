"""What people say of readings: marks, edits of registers, and dials read by eye."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from ninja import Field, Query, Schema
from pydantic import StrictBool, StrictInt

from balans.domain.metering import EditKind, ManualSource, ManualState
from balans.storage import access, editing, lookups, manual, marks
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.editing import Change, EditInfo
from balans.storage.manual import Dial, ManualInfo
from balans.storage.marks import MarkInfo
from balans.storage.records import PointInfo
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.readings import LONGEST, Step
from balans.web.api.values import (
    PER_UNIT,
    Body,
    NodeCode,
    Note,
    Number,
    PointCode,
    Reason,
    Time,
    When,
    amount,
    moment,
    period,
)
from balans.web.clock import site_clock

operations = Operations("Validity")
UTC: Final = ZoneInfo("UTC")
LISTED_MAX: Final = 200
HOURS_MAX: Final = 1000
REGISTER_MAX: Final = 2**31 - 1


class Period(Schema):
    """A period of time."""

    since: When = Field(None, alias="from")
    to: When = None


class MarkIn(Body):
    """A period over which a point shall count as incorrect; without `to` until further notice."""

    since: Time = Field(..., alias="from")
    to: When = None
    reason: Reason


class MarkEnd(Body):
    """When a mark shall end; absent: now."""

    at: When = None


class MarkOut(Schema):
    """A period over which a point is called incorrect: what it used is unknown there."""

    id: int
    point: str
    start: datetime
    end: datetime | None
    reason: str
    author: str
    made_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    void: bool


class ChangeIn(Body):
    """A register [pulses] as it shall count at a full hour; none for strike and withdraw."""

    time: Time
    kind: EditKind
    register_pulses: Annotated[StrictInt, Field(ge=0, le=REGISTER_MAX)] | None = None


class EditIn(Body):
    """Changes of registers, all of them or none."""

    reason: Reason
    changes: Annotated[list[ChangeIn], Field(min_length=1, max_length=HOURS_MAX)]


class Count(Schema):
    """How many were changed."""

    count: int


class EditOut(Schema):
    """An edit as it was made; `before_pulses` counted until then."""

    time: datetime
    kind: EditKind
    register_pulses: int | None
    before_pulses: int | None
    author: str
    reason: str
    at: datetime


class DialIn(Body):
    """What the face of the meter showed, in the unit of the point; without `at` now."""

    dial: Annotated[Decimal, Field(ge=0, lt=10**12, max_digits=18, decimal_places=6)]
    at: When = None
    note: Note = ""


class Judgement(Body):
    """Why; with `set_register` the register of the nearest hour follows from an accepted dial."""

    reason: Note = ""
    set_register: StrictBool = False


class Refusal(Body):
    """Why a dial shall not count; its author reads it."""

    reason: Reason


class DialOut(Schema):
    """What somebody read, in the unit of the point, and what became of it."""

    id: int
    point: str
    at: datetime
    dial: float
    unit: str
    source: ManualSource
    state: ManualState
    note: str
    author: str
    made_at: datetime
    reviewer: str | None
    reviewed_at: datetime | None
    reason: str
    has_photo: bool


class DialsAsked(Schema):
    """Which dials; without a state all of them."""

    state: ManualState | None = ManualState.PROPOSED


@operations.get("/points/{code}/marks", Scope.READ_READINGS, list[MarkOut])
def list_marks(request: ApiRequest, code: PointCode, asked: Query[Period]) -> list[MarkOut]:
    """List the marks of a metering point that overlap the period, the latest first."""
    point = access.point_for(request.auth.person, code, Right.READINGS)
    start, end = _asked_period(point, asked)
    return [_mark(one) for one in marks.marks_of([point.id], start, end, void=True)]


@operations.post("/points/{code}/marks", Scope.WRITE_MARKS, MarkOut)
def mark_point(request: ApiRequest, code: PointCode, body: MarkIn) -> MarkOut:
    """Call a metering point incorrect over a period, also back-dated."""
    person = request.auth.person
    point = access.point_for(person, code, Right.JUDGE)
    zone = lookups.node(point.node_id).timezone
    start = moment("from", body.since, zone)
    end = None if body.to is None else moment("to", body.to, zone)
    now = site_clock().now()
    return _mark(marks.mark_incorrect(person, point, (start, end), body.reason, now))


@operations.post("/marks/{number}/end", Scope.WRITE_MARKS, MarkOut, status=200)
def end_mark(request: ApiRequest, number: Number, body: MarkEnd) -> MarkOut:
    """Let a mark end, earlier or later than it would; a time without an offset is UTC."""
    now = site_clock().now()
    at = now if body.at is None else moment("at", body.at, UTC)
    return _mark(marks.end_mark(request.auth.person, number, at, now))


@operations.post("/marks/{number}/void", Scope.WRITE_MARKS, MarkOut, status=200)
def void_mark(request: ApiRequest, number: Number) -> MarkOut:
    """Take a mark back that was a mistake."""
    return _mark(marks.void_mark(request.auth.person, number, site_clock().now()))


@operations.get("/points/{code}/edits", Scope.READ_READINGS, list[EditOut])
def list_edits(request: ApiRequest, code: PointCode, asked: Query[Period]) -> list[EditOut]:
    """List the edits of registers of the hours of the period, the latest hour first."""
    point = access.point_for(request.auth.person, code, Right.READINGS)
    start, end = _asked_period(point, asked)
    return [_edit(one) for one in editing.edits_of(point, start, end)]


@operations.post("/points/{code}/edits", Scope.WRITE_MARKS, Count)
def edit_registers(request: ApiRequest, code: PointCode, body: EditIn) -> Count:
    """Change registers of the channels that served a metering point."""
    person = request.auth.person
    point = access.point_for(person, code, Right.JUDGE)
    zone = lookups.node(point.node_id).timezone
    changes = [
        Change(moment(f"changes.{n}.time", one.time, zone), one.kind, one.register_pulses)
        for n, one in enumerate(body.changes)
    ]
    count = editing.edit(person, point, changes, body.reason, site_clock().now())
    return Count(count=count)


@operations.get("/points/{code}/dials", Scope.READ_READINGS, list[DialOut])
def list_dials(request: ApiRequest, code: PointCode) -> list[DialOut]:
    """List what people read at the meter of a metering point, the latest first."""
    point = access.point_for(request.auth.person, code, Right.READINGS)
    return [dial_out(one) for one in manual.dials_of(point, LISTED_MAX)]


@operations.get("/nodes/{code}/dials", Scope.READ_READINGS, list[DialOut])
def list_dials_below(
    request: ApiRequest, code: NodeCode, asked: Query[DialsAsked]
) -> list[DialOut]:
    """List the dials of a node and all below it, the oldest first: those that wait, or others."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    return [dial_out(one) for one in manual.dials_below(node, asked.state, LISTED_MAX)]


@operations.post("/points/{code}/dials", Scope.WRITE_READINGS, DialOut)
def hand_in_dial(request: ApiRequest, code: PointCode, body: DialIn) -> DialOut:
    """Hand in what the face of the meter showed, for the operator to accept."""
    person = request.auth.person
    point = access.point_for(person, code, Right.REPORT)
    now = site_clock().now()
    zone = lookups.node(point.node_id).timezone
    at = now if body.at is None else moment("at", body.at, zone)
    dial = Dial(at=at, value=body.dial * PER_UNIT, note=body.note)
    return dial_out(manual.hand_in(person, point, dial, now))


@operations.post("/dials/{number}/accept", Scope.WRITE_READINGS, DialOut, status=200)
def accept_dial(request: ApiRequest, number: Number, body: Judgement) -> DialOut:
    """Let a dial count."""
    return dial_out(
        manual.accept(
            request.auth.person,
            number,
            site_clock().now(),
            body.reason,
            set_register=body.set_register,
        )
    )


@operations.post("/dials/{number}/refuse", Scope.WRITE_READINGS, DialOut, status=200)
def refuse_dial(request: ApiRequest, number: Number, body: Refusal) -> DialOut:
    """Do not let a dial count, also one that was accepted before."""
    found = manual.refuse(request.auth.person, number, site_clock().now(), body.reason)
    return dial_out(found)


def _asked_period(point: PointInfo, asked: Period) -> tuple[datetime, datetime]:
    zone = lookups.node(point.node_id).timezone
    return period(asked.since, asked.to, zone, site_clock().now(), LONGEST[Step.MONTH])


def _mark(one: MarkInfo) -> MarkOut:
    return MarkOut(
        id=one.id,
        point=one.point_code,
        start=one.start,
        end=one.end,
        reason=one.reason,
        author=one.author,
        made_at=one.made_at,
        ended_by=one.ended_by or None,
        ended_at=one.ended_at,
        void=one.void,
    )


def _edit(one: EditInfo) -> EditOut:
    return EditOut(
        time=one.time,
        kind=one.kind,
        register_pulses=one.register,
        before_pulses=one.before,
        author=one.author,
        reason=one.reason,
        at=one.at,
    )


def dial_out(one: ManualInfo) -> DialOut:
    """Return a dial as it is told."""
    return DialOut(
        id=one.id,
        point=one.point.code,
        at=one.at,
        dial=amount(one.dial) or 0.0,
        unit=one.point.unit,
        source=one.source,
        state=one.state,
        note=one.note,
        author=one.author,
        made_at=one.made_at,
        reviewer=one.reviewer or None,
        reviewed_at=one.reviewed_at,
        reason=one.reason,
        has_photo=one.has_photo,
    )
