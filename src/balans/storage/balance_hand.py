"""Balance groups that people put together. Call inside a scope of one tenant.

All members lie at the node of the group or below it, so whoever may see the node may see them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.db import connection, transaction
from typing_extensions import override

from balans.core.errors import InputError
from balans.core.words import Resource
from balans.domain.balances import Reach, Side
from balans.storage import lookups
from balans.storage.balance_groups import (
    GroupInfo,
    by_id,
    forest_of,
    group_of,
    hand_groups,
    put_members,
)
from balans.storage.models import MeteringPoint, Node
from balans.storage.records import NodeInfo


@dataclass(frozen=True, slots=True)
class Member:
    """A point of a group by hand, or with `is_group` what flows into another group.

    `code` is that of a metering point; of a group by hand, or of a node that has a group.
    """

    side: Side
    code: str
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class HandPlan:
    """What a group by hand shall be."""

    code: str
    name: str
    resource: Resource
    members: tuple[Member, ...] = ()


class Problem(StrEnum):
    """Why a member cannot be."""

    NO_POINT = "no_point"
    OTHER_RESOURCE = "other_resource"
    TWICE = "twice"
    NO_GROUP = "no_group"
    ITSELF = "itself"
    CIRCLE = "circle"
    PRODUCTION = "production"


_EXPLAINED: Final = {
    Problem.NO_POINT: "there is no such metering point at the node or below it",
    Problem.OTHER_RESOURCE: "it measures another resource than the group balances",
    Problem.TWICE: "it is there twice",
    Problem.NO_GROUP: "there is no balance group with this code at the node or below it",
    Problem.ITSELF: "a group cannot contain itself",
    Problem.CIRCLE: "a group cannot contain itself, not even through others",
    Problem.PRODUCTION: "a group is inflow or outflow; production is that of a metering point",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A member that cannot be, by its place in the list from 1; 0: the list as a whole."""

    number: int
    code: str
    problem: Problem

    @override
    def __str__(self) -> str:
        place = f"member {self.number}: {self.code}" if self.number else self.code
        return f"{place}: {_EXPLAINED[self.problem]}"


class MembersRefusedError(InputError):
    """Members that cannot be, each named in `refusals`."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("\n".join(str(refusal) for refusal in refusals))
        self.refusals = tuple(refusals)


class PlaceTakenError(InputError):
    """A group by hand with this code is there already, at another node or of another resource."""


def save_group(node: NodeInfo, plan: HandPlan) -> GroupInfo:
    """Make the group by hand with the code of `plan` hold what it says, or create it.

    Parameters
    ----------
    node
        Where it belongs: its members lie there or below.

    Raises
    ------
    MembersRefusedError
        Naming each member that is unknown, lies elsewhere, measures something else, comes twice,
        or contains the group itself.
    PlaceTakenError
        If the group belongs to another node or resource.
    """
    with transaction.atomic():  # all or nothing, whoever shows the error goes on
        return _save(node, plan)


def _save(node: NodeInfo, plan: HandPlan) -> GroupInfo:
    group = _made(node, plan)
    found = _Found(node, group)
    for number, member in enumerate(plan.members, start=1):
        found.add(number, member)
    if found.refusals:
        raise MembersRefusedError(found.refusals)
    with connection.cursor() as cursor:
        cursor.execute(
            "update balance_group set name = %s where id = %s and name <> %s",
            [plan.name, group.id, plan.name],
        )
    _replace(group, found)
    try:
        forest_of(group, node).terms(group.id, Reach.CONSUMERS)
    except InputError as error:
        raise MembersRefusedError([Refusal(0, plan.code, Problem.CIRCLE)]) from error
    return by_id([group.id])[group.id]


def _made(node: NodeInfo, plan: HandPlan) -> GroupInfo:
    held = hand_groups(node.tenant_id, plan.code)
    if held:
        if (held[0].node_id, held[0].resource) != (node.id, plan.resource):
            raise PlaceTakenError(
                f"balance group {plan.code}: it is there already, at another node or of another"
                " resource"
            )
        return held[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into balance_group (tenant_id, node_id, resource, by_hand, code, name)"
            " values (%s, %s, %s, true, %s, %s) returning id",
            [node.tenant_id, node.id, plan.resource.value, plan.code, plan.name],
        )
        (group_id,) = cursor.fetchone()
    return by_id([group_id])[group_id]


class _Found:
    """Members on their way to ids, with what is wrong."""

    def __init__(self, node: NodeInfo, group: GroupInfo) -> None:
        self.node, self.group = node, group
        self.points: dict[int, Side] = {}
        self.children: dict[int, Side] = {}
        self.refusals: list[Refusal] = []

    def add(self, number: int, member: Member) -> None:
        """Look up a member."""
        problem = self._group(member) if member.is_group else self._point(member)
        if problem:
            self.refusals.append(Refusal(number, member.code, problem))

    def _point(self, member: Member) -> Problem | None:
        rows = MeteringPoint.objects.filter(tenant_id=self.node.tenant_id, code=member.code)
        point = rows.filter(node__path__under=self.node.path).first()
        if point is None:
            return Problem.NO_POINT
        if point.resource != self.group.resource:
            return Problem.OTHER_RESOURCE
        if point.pk in self.points:
            return Problem.TWICE
        self.points[point.pk] = member.side
        return None

    def _group(self, member: Member) -> Problem | None:
        if member.side is Side.PRODUCTION:
            return Problem.PRODUCTION
        child = self._child(member.code)
        if child is None:
            return Problem.NO_GROUP
        if child.id == self.group.id:
            return Problem.ITSELF
        if child.id in self.children:
            return Problem.TWICE
        self.children[child.id] = member.side
        return None

    def _child(self, code: str) -> GroupInfo | None:
        below = Node.objects.filter(tenant_id=self.node.tenant_id, path__under=self.node.path)
        by_hand = [
            one
            for one in hand_groups(self.node.tenant_id, code)
            if one.resource == self.group.resource and below.filter(id=one.node_id).exists()
        ]
        if by_hand:
            return by_hand[0]
        nodes = lookups.nodes(below.filter(code=code))
        return group_of(nodes[0], self.group.resource) if nodes else None


def _replace(group: GroupInfo, found: _Found) -> None:
    wanted: dict[tuple[int | None, int | None], Side] = {}
    wanted |= {(point, None): side for point, side in found.points.items()}
    wanted |= {(None, child): side for child, side in found.children.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, point_id, child_id, side from balance_member where group_id = %s",
            [group.id],
        )
        held = {(point, child): (pk, side) for pk, point, child, side in cursor.fetchall()}
        gone = [pk for key, (pk, _) in held.items() if key not in wanted]
        cursor.execute("delete from balance_member where id = any(%s)", [gone])
        for (point, child), side in wanted.items():
            word = side.name.lower()
            if (point, child) not in held:
                cursor.execute(_INSERT, [group.tenant_id, group.id, word, point, child])
            elif held[point, child][1] != word:
                cursor.execute(
                    "update balance_member set side = %s where id = %s",
                    [word, held[point, child][0]],
                )
    put_members(group.tenant_id, group.id, found.points)


_INSERT = """
insert into balance_member (tenant_id, group_id, side, point_id, child_id)
values (%s, %s, %s, %s, %s)
"""


def members_of(group: GroupInfo) -> list[Member]:
    """Return the members of a group by hand, points before groups, by side and code."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select m.side, p.code, nullif(c.code, ''), n.code from balance_member m"
            " left join metering_point p on p.id = m.point_id"
            " left join balance_group c on c.id = m.child_id"
            " left join node n on n.id = c.node_id where m.group_id = %s",
            [group.id],
        )
        rows = cursor.fetchall()
    found = [
        Member(Side[side.upper()], point or by_hand or node, is_group=point is None)
        for side, point, by_hand, node in rows
    ]
    return sorted(found, key=lambda one: (one.is_group, one.side, one.code))


def delete_group(group: GroupInfo) -> None:
    """Remove a group by hand with all that is kept of it; its history stays.

    Raises
    ------
    InputError
        If another group contains it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select g.code from balance_member m join balance_group g on g.id = m.group_id"
            " where m.child_id = %s",
            [group.id],
        )
        holders = [code for (code,) in cursor.fetchall()]
        if holders:
            raise InputError(f"balance group {group.code}: {', '.join(holders)} contains it")
        for table in ("member", "point", "hour", "period", "loss", "dirty"):
            cursor.execute(f"delete from balance_{table} where group_id = %s", [group.id])
        cursor.execute("delete from balance_group where id = %s and by_hand", [group.id])
