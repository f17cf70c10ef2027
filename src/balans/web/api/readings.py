"""Readings: registers, profiles, and how far the points have delivered."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from ninja import Field, Query, Schema

from balans.domain.metering import Quality, calendar
from balans.storage import access, listing, lookups
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.completeness import PointState, point_states
from balans.storage.point_readings import PointReading, point_readings, readings_below
from balans.storage.profile import IntervalValue, point_intervals
from balans.storage.readings import ExportRow
from balans.storage.records import NodeInfo, PointInfo
from balans.storage.tree_state import BranchState, branch_states
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.paging import Cursor, Page, decode, encode, page_of
from balans.web.api.problems import FieldsError
from balans.web.api.registry import BelowAsked, part, within
from balans.web.api.values import NodeCode, PointCode, When, amount, period
from balans.web.clock import site_clock

operations = Operations("Readings")


class Step(StrEnum):
    """Length of an interval, by the clock and calendar of the node."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


BOUNDS: Final = {
    Step.HOUR: calendar.hours,
    Step.DAY: calendar.days,
    Step.MONTH: calendar.months,
    Step.YEAR: calendar.years,
}
LONGEST: Final = {
    Step.HOUR: timedelta(days=366),
    Step.DAY: timedelta(days=3660),
    Step.MONTH: timedelta(days=36600),
    Step.YEAR: timedelta(days=36600),
}
"""The longest period that one question may be about."""

CHILDREN_MAX: Final = 500
LONGEST_BELOW: Final = timedelta(days=92)
Many = Annotated[int, Field(ge=1, le=2000, description="At most so many items.")]


class ReadingsAsked(Schema):
    """Which period, and which part of it."""

    since: When = Field(None, alias="from")
    to: When = None
    cursor: Cursor = None
    limit: Many = 800


class ProfileAsked(ReadingsAsked):
    """Which period, in which steps, and which part of it."""

    step: Step = Step.HOUR


class ReadingOut(Schema):
    """A register of the input `channel` (module-input) at a full hour."""

    time: datetime
    channel: str
    register_pulses: int
    quality: Quality


class BulkReadingOut(ReadingOut):
    """A register, and the metering point that it counts for."""

    point: str


class BranchOut(Schema):
    """What the metering points of a node and of all below it have delivered.

    Of the last 24 hours `expected` are due and `known` are there; `silent` points have delivered
    none of them. All three are null where there are too many points to count.
    """

    node: str
    points: int
    known: int | None
    expected: int | None
    silent: int | None
    last: datetime | None


class IntervalOut(Schema):
    """What was used in [start, end).

    `amount` is null where it cannot be told. `known_share` is the part over which the course is
    known, `suspect_share` the part over which the device doubted what it counted, both 0 to 1.
    """

    start: datetime
    end: datetime
    amount: float | None
    quality: Quality
    known_share: float
    suspect_share: float


class ProfileOut(Page[IntervalOut]):
    """Intervals of a metering point, missing ones too."""

    point: str
    unit: str
    timezone: str


class StateOut(Schema):
    """What a metering point has delivered.

    `register_pulses` is the newest register, of the time `last`. Of the last 24 hours `expected`
    are due and `known` are there.
    """

    point: str
    last: datetime | None
    register_pulses: int | None
    known: int
    expected: int


@operations.get("/points/{code}/readings", Scope.READ_READINGS, Page[ReadingOut])
def list_readings(
    request: ApiRequest, code: PointCode, asked: Query[ReadingsAsked]
) -> dict[str, Any]:
    """List the registers of a metering point as they are stored, by time.

    What is missing is left out.
    """
    point, zone = _point(request, code)
    since, until = period(asked.since, asked.to, zone, site_clock().now(), LONGEST[Step.HOUR])
    found = point_readings(point, since, until)
    after = decode(asked.cursor, int, int, int)
    if after is not None:
        found = [one for one in found if _key(one) > after]
    here = found[: asked.limit + 1]
    return page_of(here, asked.limit, lambda one: _reading_out(one, zone), _key)


@operations.get("/points/{code}/profile", Scope.READ_READINGS, ProfileOut)
def get_profile(request: ApiRequest, code: PointCode, asked: Query[ProfileAsked]) -> dict[str, Any]:
    """Tell what was used in each hour, day, month or year that the period touches."""
    point, zone = _point(request, code)
    since, until = period(asked.since, asked.to, zone, site_clock().now(), LONGEST[asked.step])
    bounds = BOUNDS[asked.step](since, until, zone)
    after = decode(asked.cursor, int)
    if after is not None:
        bounds = [bound for bound in bounds if bound.timestamp() >= after[0]]
    here = bounds[: asked.limit + 1]
    values = point_intervals([point], here)[point.id]
    more = len(bounds) > len(here)
    return {
        "point": point.code,
        "unit": point.unit,
        "timezone": zone.key,
        "items": [interval_out(value, zone) for value in values],
        "next": encode([int(here[-1].timestamp())]) if more else None,
    }


@operations.get("/nodes/{code}/readings", Scope.READ_READINGS, Page[BulkReadingOut])
def list_readings_below(
    request: ApiRequest, code: NodeCode, asked: Query[ReadingsAsked]
) -> dict[str, Any]:
    """List all registers of a node and all below it as they are stored, by channel and time."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    zone = node.timezone
    since, until = period(asked.since, asked.to, zone, site_clock().now(), LONGEST_BELOW)
    key = decode(asked.cursor, int, int, int)
    after = None if key is None else (key[0], key[1], _time(key[2]))
    found = readings_below(node, since, until, after, asked.limit + 1)
    return page_of(found, asked.limit, lambda one: _bulk_out(one, zone), _bulk_key)


@operations.get("/nodes/{code}/completeness", Scope.READ_READINGS, list[BranchOut])
def list_completeness(request: ApiRequest, code: NodeCode) -> list[BranchOut]:
    """Tell how complete a node and each of the first 500 just below it are, with all below."""
    person = request.auth.person
    node = access.node_for(person, code, Right.READINGS)
    nodes = [node, *lookups.children_of([node.id], CHILDREN_MAX)]
    states = branch_states(nodes, site_clock().now())
    return [_branch_out(one, states[one.id]) for one in nodes]


@operations.get("/states", Scope.READ_READINGS, Page[StateOut])
def list_states(request: ApiRequest, asked: Query[BelowAsked]) -> dict[str, Any]:
    """List what each metering point has delivered, by code."""
    person = request.auth.person
    points = listing.points(person, part(asked), within(request, asked.node), right=Right.READINGS)
    states = point_states(points, site_clock().now())
    return page_of(
        points, asked.limit, lambda one: state_out(one, states[one.id]), lambda one: [one.code]
    )


def _time(unix_s: int) -> datetime:
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise FieldsError([("cursor", "is not one that this list gave")]) from error


def _bulk_key(one: ExportRow) -> list[str | int]:
    module, _, number = one.channel.partition("-")
    return [int(module), int(number), int(one.time.timestamp())]


def _bulk_out(one: ExportRow, zone: ZoneInfo) -> BulkReadingOut:
    return BulkReadingOut(
        time=one.time.astimezone(zone),
        channel=one.channel,
        point=one.point,
        register_pulses=one.register,
        quality=one.quality,
    )


def _branch_out(node: NodeInfo, state: BranchState) -> BranchOut:
    return BranchOut(
        node=node.code,
        points=state.points,
        known=state.known,
        expected=state.expected,
        silent=state.silent,
        last=state.last,
    )


def _point(request: ApiRequest, code: str) -> tuple[PointInfo, ZoneInfo]:
    point = access.point_for(request.auth.person, code, Right.READINGS)
    return point, lookups.node(point.node_id).timezone


def _key(one: PointReading) -> list[str | int]:
    return [int(one.time.timestamp()), one.module, one.input]


def _reading_out(one: PointReading, zone: ZoneInfo) -> ReadingOut:
    return ReadingOut(
        time=one.time.astimezone(zone),
        channel=f"{one.module}-{one.input}",
        register_pulses=one.register,
        quality=one.quality,
    )


def interval_out(value: IntervalValue, zone: ZoneInfo) -> IntervalOut:
    """Return an interval as it is told."""
    return IntervalOut(
        start=value.start.astimezone(zone),
        end=value.end.astimezone(zone),
        amount=amount(value.energy),
        quality=value.quality,
        known_share=round(value.known_share, 6),
        suspect_share=round(value.suspect_share, 6),
    )


def state_out(point: PointInfo, state: PointState) -> StateOut:
    """Return the state of a point as it is told."""
    return StateOut(
        point=point.code,
        last=state.last,
        register_pulses=state.register,
        known=state.known,
        expected=state.expected,
    )
