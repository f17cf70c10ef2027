"""Delivery: the proof of completeness of a point's channels, and reading now."""

from datetime import datetime, timedelta
from typing import Any, Final

from ninja import Field, Query, Schema

from balans.protocols.hub import ReadState
from balans.storage import access, delivery, lookups, read_requests
from balans.storage.access import NotVisibleError, Right
from balans.storage.api_keys import Scope
from balans.storage.delivery import Cause, Gap, Proof
from balans.storage.point_readings import Served, served
from balans.storage.read_requests import ReadRequest
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.values import Body, Note, PointCode, When, period
from balans.web.clock import site_clock

operations = Operations("Delivery")
LONGEST: Final = timedelta(days=366)


class ProofAsked(Schema):
    """Which period."""

    since: When = Field(None, alias="from")
    to: When = None


class GapOut(Schema):
    """Missing hours [start, end) with one cause, that began at `since`."""

    start: datetime
    end: datetime
    hours: int
    cause: Cause
    since: datetime | None
    detail: str


class ProofOut(Schema):
    """What is known of the hours of an input while it served the point.

    `completeness` is the share of what is due that is there; null when nothing is due.
    """

    channel: str
    start: datetime
    end: datetime
    due: int
    came: int
    missing: int
    late: int
    completeness: float | None
    duplicates: int
    contradictions: int
    gaps: list[GapOut]


class Ask(Body):
    """Why the meter shall be read now."""

    reason: Note = Field("", max_length=200)


class ReadOut(Schema):
    """A request to read now, and what became of it: it has a final state by `deadline`."""

    id: str
    state: ReadState
    author: str
    reason: str
    created: datetime
    deadline: datetime
    sent_at: datetime | None
    done_at: datetime | None
    register_pulses: int | None
    read_at: datetime | None
    detail: str


@operations.get("/points/{code}/proof", Scope.READ_READINGS, list[ProofOut])
def get_proof(request: ApiRequest, code: PointCode, asked: Query[ProofAsked]) -> list[ProofOut]:
    """Tell for each input that served a metering point what was due, what came, what is missing."""
    point = access.point_for(request.auth.person, code, Right.READINGS)
    zone = lookups.node(point.node_id).timezone
    now = site_clock().now()
    start, end = period(asked.since, asked.to, zone, now, LONGEST)
    inputs = [one for one in served(point, start, end) if one.end is None or one.end > start]
    return [_proof(one, start, end, now) for one in inputs]


@operations.post("/points/{code}/read-now", Scope.ASK_READINGS, ReadOut, status=202)
def ask_reading(request: ApiRequest, code: PointCode, body: Ask) -> ReadOut:
    """Have the module read its input now. An open request of somebody else is shared."""
    return _read(read_requests.create(request.auth.person, code, body.reason))


@operations.get("/points/{code}/read-now", Scope.READ_READINGS, ReadOut)
def get_asked_reading(request: ApiRequest, code: PointCode) -> ReadOut:
    """Tell what became of the latest request to read now."""
    found = read_requests.latest(access.point_for(request.auth.person, code, Right.READINGS))
    if found is None:
        raise NotVisibleError(f"metering point {code}: was never asked for")
    return _read(found)


def _proof(one: Served, start: datetime, end: datetime, now: datetime) -> ProofOut:
    first = max(start, one.start)
    last = end if one.end is None else min(end, one.end)
    found = delivery.proof(one.channel_id, first, last, now)
    return ProofOut(
        channel=f"{one.module}-{one.input}",
        start=found.start,
        end=found.end,
        **_figures(found),
        gaps=[_gap(gap) for gap in found.gaps],
    )


def _figures(found: Proof) -> dict[str, Any]:
    return {
        "due": found.due,
        "came": int(found.came.sum()),
        "missing": found.missing,
        "late": int(found.late.sum()),
        "completeness": found.completeness,
        "duplicates": found.duplicates,
        "contradictions": found.contradictions,
    }


def _gap(gap: Gap) -> GapOut:
    return GapOut(
        start=gap.start,
        end=gap.end,
        hours=gap.hours,
        cause=gap.cause,
        since=gap.since,
        detail=gap.detail,
    )


def _read(one: ReadRequest) -> ReadOut:
    return ReadOut(
        id=one.code,
        state=one.state,
        author=one.author,
        reason=one.reason,
        created=one.created,
        deadline=one.deadline,
        sent_at=one.sent_at,
        done_at=one.done_at,
        register_pulses=one.register,
        read_at=one.read_at,
        detail=one.detail,
    )
