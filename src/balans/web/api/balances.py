"""Balances: what flowed into a node against what flowed out, and which points keep it unknown."""

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Final

from ninja import Field, Query, Schema

from balans.core.words import UNIT, Resource
from balans.domain.balances import Reach, Side, State
from balans.storage import access, balance_groups, balances
from balans.storage.access import NotVisibleError, Right
from balans.storage.api_keys import Scope
from balans.storage.balance_doubts import Doubt, doubts
from balans.storage.balance_groups import GroupInfo
from balans.storage.balance_upkeep import take_news
from balans.storage.balances import Line
from balans.storage.records import NodeInfo
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.paging import Cursor, Page, decode, encode
from balans.web.api.readings import LONGEST, Step
from balans.web.api.values import NodeCode, When, period
from balans.web.clock import site_clock

operations = Operations("Balances")
MILLI_PER_UNIT: Final = 1_000_000
"""mWh, mvarh or ml in a kWh, kvarh or m³."""
DIGITS: Final = 6
NAMED_MAX: Final = 100


class BalanceAsked(Schema):
    """Which balance, over which period, in which steps."""

    resource: Resource = Resource.ELECTRICITY
    since: When = Field(None, alias="from")
    to: When = None
    step: Step = Step.DAY
    reach: Reach = Reach.METERS
    doubts: Annotated[bool, Field(description="Name the points that keep it unknown.")] = True
    cursor: Cursor = None
    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many intervals.")] = 400


class GroupOut(Schema):
    """A balance that a node has; `metered`: something flows in through a meter of its own."""

    code: str
    name: str
    resource: Resource
    by_hand: bool
    metered: bool


class DoubtOut(Schema):
    """A point whose energy is unknown in the interval, or known and suspect."""

    point: str
    side: str
    state: str


class LineOut(Schema):
    """The balance of [start, end), amounts in `unit`.

    `imbalance` is inflow less outflow less technical losses, null unless every point is known: a
    missing reading is not a loss. `completeness` is the share of points that are known. Of the
    points that keep it unknown or make it doubtful the first 100 are named.
    """

    start: datetime
    end: datetime
    inflow: float | None
    outflow: float | None
    inflow_known: float
    outflow_known: float
    losses_technical: float | None
    imbalance: float | None
    completeness: float | None
    expected: int
    known: int
    suspect: int
    estimated: int
    doubts: list[DoubtOut]


class BalanceOut(Page[LineOut]):
    """Balances of a node, interval after interval."""

    node: str
    group: str
    resource: Resource
    unit: str
    step: Step
    timezone: str


@operations.get("/nodes/{code}/balances", Scope.READ_BALANCES, list[GroupOut])
def list_balances(request: ApiRequest, code: NodeCode) -> list[GroupOut]:
    """List the balances that a node has: one for each resource that is metered there."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    take_news(wait=False)
    return [_group(one) for one in balance_groups.groups_of(node)]


@operations.get("/nodes/{code}/balance", Scope.READ_BALANCES, BalanceOut)
def get_balance(request: ApiRequest, code: NodeCode, asked: Query[BalanceAsked]) -> dict[str, Any]:
    """Tell the balance of a node, with the points that keep it unknown or make it doubtful."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    take_news(wait=False)
    group = balance_groups.group_of(node, asked.resource)
    if group is None:
        raise NotVisibleError(f"node {code}: has no balance of {asked.resource}")
    return balance_of(group, node, asked)


def balance_of(group: GroupInfo, node: NodeInfo, asked: BalanceAsked) -> dict[str, Any]:
    """Return what is told of the balance of a group; `node` is its node."""
    bounds = _bounds(node, asked)
    here = bounds[: asked.limit + 1]
    report = balances.balance(
        group, here, balances.Step(asked.step.value), site_clock().now(), asked.reach
    )
    named = doubts(report) if asked.doubts else [()] * len(report.lines)
    lines = [
        line_out(line, some[:NAMED_MAX], node)
        for line, some in zip(report.lines, named, strict=True)
    ]
    more = len(bounds) > len(here)
    return {
        "node": node.code,
        "group": group.code,
        "resource": group.resource,
        "unit": UNIT[group.resource],
        "step": asked.step,
        "timezone": node.timezone.key,
        "items": lines,
        "next": encode([int(here[-1].timestamp())]) if more else None,
    }


def _bounds(node: NodeInfo, asked: BalanceAsked) -> list[datetime]:
    """Return the bounds of what is left of the period behind the cursor."""
    now = site_clock().now()
    since, until = period(asked.since, asked.to, node.timezone, now, LONGEST[asked.step])
    bounds = balances.bounds_of(since, until, balances.Step(asked.step.value), node.timezone)
    after = decode(asked.cursor, int)
    if after is None:
        return bounds
    return [start for start, _end in pairwise(bounds) if start.timestamp() >= after[0]] + [until]


def _group(one: GroupInfo) -> GroupOut:
    return GroupOut(
        code=one.code,
        name=one.name,
        resource=one.resource,
        by_hand=one.by_hand,
        metered=one.metered,
    )


def line_out(line: Line, some: tuple[Doubt, ...], node: NodeInfo) -> LineOut:
    """Return a balance as it is told."""
    one = line.balance
    return LineOut(
        start=line.start.astimezone(node.timezone),
        end=line.end.astimezone(node.timezone),
        inflow=_unit(one.inflow),
        outflow=_unit(one.outflow),
        inflow_known=one.inflow_known / MILLI_PER_UNIT,
        outflow_known=one.outflow_known / MILLI_PER_UNIT,
        losses_technical=_unit(one.loss),
        imbalance=_unit(one.imbalance),
        completeness=one.completeness,
        expected=one.expected,
        known=one.known,
        suspect=one.suspect,
        estimated=one.estimated,
        doubts=[_doubt(doubt) for doubt in some],
    )


def _unit(value: int | None) -> float | None:
    return None if value is None else round(value / MILLI_PER_UNIT, DIGITS)


def _doubt(one: Doubt) -> DoubtOut:
    return DoubtOut(
        point=one.code, side=Side(one.side).name.lower(), state=State(one.state).name.lower()
    )
