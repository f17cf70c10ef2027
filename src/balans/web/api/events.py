"""Events of inputs, as modules reported them."""

from datetime import datetime, timedelta
from typing import Any, Final

from ninja import Field, Query, Schema

from balans.domain.metering import EventKind
from balans.storage import access, events, lookups
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.events import EventInfo, EventQuery
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.paging import Page, PageAsked, decode, page_of
from balans.web.api.values import NodeCode, PointCode, When, period
from balans.web.clock import site_clock

operations = Operations("Events")
LONGEST: Final = timedelta(days=3660)


class EventsAsked(PageAsked):
    """Which events: those that overlap the period."""

    since: When = Field(None, alias="from")
    to: When = None
    kind: EventKind | None = None


class EventOut(Schema):
    """A stretch of time over which an input reported something.

    `end` is the hour after the last register with it; `lasts` while no later one has come.
    """

    kind: EventKind
    start: datetime
    end: datetime
    lasts: bool
    module: int
    input: int
    point: str | None
    node: str


@operations.get("/nodes/{code}/events", Scope.READ_EVENTS, Page[EventOut])
def list_events_below(
    request: ApiRequest, code: NodeCode, asked: Query[EventsAsked]
) -> dict[str, Any]:
    """List the events at a node and below it, the latest start first."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    query = _query(asked, node.timezone)
    return _page(events.events_below(node, query, site_clock().now()), asked)


@operations.get("/points/{code}/events", Scope.READ_EVENTS, Page[EventOut])
def list_events_of_point(
    request: ApiRequest, code: PointCode, asked: Query[EventsAsked]
) -> dict[str, Any]:
    """List the events of the inputs that served a metering point, the latest start first."""
    point = access.point_for(request.auth.person, code, Right.READINGS)
    query = _query(asked, lookups.node(point.node_id).timezone)
    return _page(events.events_of(point, query, site_clock().now()), asked)


def _query(asked: EventsAsked, zone: Any) -> EventQuery:
    start, end = period(asked.since, asked.to, zone, site_clock().now(), LONGEST)
    after = decode(asked.cursor, int, int, str)
    return EventQuery(
        start=start,
        end=end,
        kinds=tuple(EventKind) if asked.kind is None else (asked.kind,),
        limit=asked.limit + 1,
        after=None if after is None else (after[0], after[1], after[2]),
    )


def _page(found: list[EventInfo], asked: EventsAsked) -> dict[str, Any]:
    return page_of(found, asked.limit, _out, lambda one: list(one.cursor))


def _out(one: EventInfo) -> EventOut:
    return EventOut(
        kind=one.kind,
        start=one.start,
        end=one.end,
        lasts=one.lasts,
        module=one.module,
        input=one.input,
        point=one.point_code or None,
        node=one.node_code,
    )
