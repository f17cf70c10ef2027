"""Balance groups that people put together, and where a balance comes from."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from ninja import Field, Query, Schema
from pydantic import StrictBool

from balans.core.words import UNIT, Resource
from balans.domain.balances import Reach, Side, State
from balans.storage import access, balance_groups, balance_hand, balances, lookups
from balans.storage.access import NotVisibleError, Right
from balans.storage.api_keys import Scope
from balans.storage.balance_explain import GroupShare, MeterPart, PointShare, explain
from balans.storage.balance_groups import GroupInfo
from balans.storage.balance_hand import HandPlan, Member
from balans.storage.balance_upkeep import take_news
from balans.storage.records import NodeInfo
from balans.web.api.askers import ApiRequest
from balans.web.api.balances import (
    MILLI_PER_UNIT,
    BalanceAsked,
    BalanceOut,
    LineOut,
    balance_of,
    line_out,
)
from balans.web.api.operations import Operations
from balans.web.api.readings import LONGEST, Step
from balans.web.api.values import CODE, TEXT, Body, GroupCode, NodeCode, When, amount, period
from balans.web.clock import site_clock

operations = Operations("Balances")
MEMBERS_MAX = 500


class SideWord(StrEnum):
    """On which side of a group a member counts; production adds to what flows in."""

    INFLOW = "inflow"
    PRODUCTION = "production"
    OUTFLOW = "outflow"


class MemberModel(Body):
    """A metering point by its code, or with `is_group` what flows into another group."""

    side: SideWord
    code: Annotated[str, Field(pattern=CODE)]
    is_group: StrictBool = False


class GroupIn(Body):
    """What a group by hand shall be; its members lie at its node or below."""

    code: Annotated[str, Field(pattern=CODE)]
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]
    resource: Resource
    members: Annotated[list[MemberModel], Field(max_length=MEMBERS_MAX)] = []


class HandGroupOut(Schema):
    """A group by hand."""

    code: str
    name: str
    node: str
    resource: Resource
    members: list[MemberModel]


class ExplainAsked(Schema):
    """Which balance: of one interval [from, to)."""

    resource: Resource = Resource.ELECTRICITY
    since: When = Field(None, alias="from")
    to: When = None
    reach: Reach = Reach.METERS


class PartOut(Schema):
    """What one meter counted: registers [pulses], worth of a pulse [Wh, varh or l]."""

    meter: str
    channel: str | None
    start: datetime
    end: datetime
    before_pulses: int | None
    after_pulses: int | None
    worth: str
    amount: float | None


class ShareOut(Schema):
    """What a point, or all points of a side of another group, adds; takes off with `sign` -1."""

    kind: str
    code: str
    side: str
    sign: int
    amount: float | None
    state: str | None
    parts: list[PartOut]


class ExplanationOut(Schema):
    """All that the balance of an interval was put together from."""

    node: str
    unit: str
    balance: LineOut
    inflow: list[ShareOut]
    outflow: list[ShareOut]


@operations.get("/nodes/{code}/groups", Scope.READ_BALANCES, list[HandGroupOut])
def list_groups(request: ApiRequest, code: NodeCode) -> list[HandGroupOut]:
    """List the groups by hand of a node and of those below it."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    return [_hand(one) for one in balance_groups.hand_groups_below(node)]


@operations.post("/nodes/{code}/groups", Scope.WRITE_REGISTRY, HandGroupOut, status=200)
def save_group(request: ApiRequest, code: NodeCode, body: GroupIn) -> HandGroupOut:
    """Make the group by hand with this code hold what is said here, or create it at the node."""
    node = access.node_for(request.auth.person, code, Right.REGISTRY)
    members = tuple(
        Member(Side[one.side.name], one.code, is_group=one.is_group) for one in body.members
    )
    plan = HandPlan(body.code, body.name, body.resource, members)
    return _hand(balance_hand.save_group(node, plan))


@operations.post("/groups/{group}/remove", Scope.WRITE_REGISTRY, list[HandGroupOut], status=200)
def remove_group(request: ApiRequest, group: GroupCode) -> list[HandGroupOut]:
    """Remove a group by hand; return those that are left at its node and below."""
    found, node = _group(request, group, Right.REGISTRY)
    balance_hand.delete_group(found)
    return [_hand(one) for one in balance_groups.hand_groups_below(node)]


@operations.get("/groups/{group}/balance", Scope.READ_BALANCES, BalanceOut)
def get_group_balance(
    request: ApiRequest, group: GroupCode, asked: Query[BalanceAsked]
) -> dict[str, Any]:
    """Tell the balance of a group by hand; its resource is its own, whatever is asked for."""
    found, node = _group(request, group, Right.READINGS)
    return balance_of(found, node, asked)


@operations.get("/nodes/{code}/balance/explained", Scope.READ_BALANCES, ExplanationOut)
def explain_balance(
    request: ApiRequest, code: NodeCode, asked: Query[ExplainAsked]
) -> ExplanationOut:
    """Tell where the balance of one interval comes from, down to the registers."""
    node = access.node_for(request.auth.person, code, Right.READINGS)
    take_news(wait=False)
    group = balance_groups.group_of(node, asked.resource)
    if group is None:
        raise NotVisibleError(f"node {code}: has no balance of {asked.resource}")
    now = site_clock().now()
    bounds = list(period(asked.since, asked.to, node.timezone, now, LONGEST[Step.DAY]))
    report = balances.balance(group, bounds, balances.Step.DAY, now, asked.reach)
    told = explain(report, 0, now)
    return ExplanationOut(
        node=node.code,
        unit=UNIT[group.resource],
        balance=line_out(told.line, (), node),
        inflow=[_share(one) for one in told.inflow],
        outflow=[_share(one) for one in told.outflow],
    )


def _group(request: ApiRequest, code: str, right: Right) -> tuple[GroupInfo, NodeInfo]:
    """Return a group by hand whose node the asker may see."""
    person = request.auth.person
    found = balance_groups.hand_groups(person.tenant_id, code)
    if not found:
        raise NotVisibleError(f"group {code}: not found")
    try:
        node = access.node_for(person, lookups.node(found[0].node_id).code, right)
    except NotVisibleError as error:
        raise NotVisibleError(f"group {code}: not found") from error
    return found[0], node


def _hand(one: GroupInfo) -> HandGroupOut:
    return HandGroupOut(
        code=one.code,
        name=one.name,
        node=lookups.node(one.node_id).code,
        resource=one.resource,
        members=[
            MemberModel(side=SideWord[member.side.name], code=member.code, is_group=member.is_group)
            for member in balance_hand.members_of(one)
        ],
    )


def _share(one: PointShare | GroupShare) -> ShareOut:
    if isinstance(one, GroupShare):
        return ShareOut(
            kind="group",
            code=one.group.code,
            side=Side(one.side).name.lower(),
            sign=one.sign,
            amount=float(one.sums.energy.sum()) / MILLI_PER_UNIT,
            state=None,
            parts=[],
        )
    return ShareOut(
        kind="point",
        code=one.code,
        side=Side(one.side).name.lower(),
        sign=one.sign,
        amount=amount(one.energy),
        state=State(one.state).name.lower(),
        parts=[_part(part) for part in one.parts],
    )


def _part(one: MeterPart) -> PartOut:
    return PartOut(
        meter=one.meter,
        channel=one.channel or None,
        start=one.start,
        end=one.end,
        before_pulses=one.before,
        after_pulses=one.after,
        worth=str(one.worth),
        amount=amount(one.energy),
    )
