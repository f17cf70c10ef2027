"""Balance groups: those that follow from the object tree, and reading of all.

Call inside a scope.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.words import Resource
from balans.domain.balances import NOWHERE, SIDES, Child, Forest, Group, Side, node_groups
from balans.storage import lookups
from balans.storage.balance_dirty import READERS, mark_groups
from balans.storage.balance_sums import drop_groups
from balans.storage.copying import fixed_rows, literal, row_type
from balans.storage.models import Node
from balans.storage.records import NodeInfo

RESOURCES: Final = tuple(Resource)


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A balance group.

    Parameters
    ----------
    node_id
        The node it is the group of; a group by hand: the node that says who may see it.
    code, name
        Of a group by hand; empty for that of a node, which has its node's.
    metered
        Whether it has inflow points of its own.
    """

    id: int
    tenant_id: int
    node_id: int
    resource: Resource
    by_hand: bool
    code: str
    name: str
    parent_id: int | None
    metered: bool


def sync_groups(tenant_id: int) -> int:
    """Make the groups of nodes those that follow from the registry; return how many changed.

    What is kept of a group whose points changed is computed anew.
    """
    nodes = fixed_rows(_NODES, [tenant_id], _NODE)
    points = fixed_rows(_POINTS, [list(RESOURCES), list(SIDES), tenant_id], _POINT)
    ids = nodes["id"].astype(np.int64)
    parent = _index(ids, nodes["parent"])
    changed: set[int] = set()
    for number, resource in enumerate(RESOURCES, start=1):
        some = points[points["resource"] == number]
        changed |= _sync(_Wanted.of(tenant_id, resource, ids, parent, some))
    _forget(sorted(changed))
    return len(changed)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The groups of one resource as they shall be, by the id of their node, all (g,).

    `point` (p, 3) holds node of the group, point and side.
    """

    tenant_id: int
    resource: Resource
    node: NDArray[np.int64]
    above: NDArray[np.int64]
    metered: NDArray[np.bool_]
    point: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        tenant_id: int,
        resource: Resource,
        ids: NDArray[np.int64],
        parent: NDArray[np.intp],
        points: NDArray[np.void],
    ) -> "_Wanted":
        """Return what follows from nodes `ids` with the indices of their parents."""
        side = np.array(list(SIDES.values()))[points["role"] - 1]
        found = node_groups(parent, _index(ids, points["node"]), side)
        at = np.flatnonzero(found.is_group)
        above = found.above[at]
        held = found.of_point != NOWHERE
        return cls(
            tenant_id,
            resource,
            ids[at],
            np.where(above == NOWHERE, NOWHERE, ids[above]),
            found.metered[at],
            np.column_stack((ids[found.of_point], points["id"], side))[held].astype(np.int64),
        )


def _index(ids: NDArray[np.int64], wanted: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the places of `wanted` in `ids`, which ascend; `NOWHERE` for `NOWHERE`."""
    return np.where(wanted == NOWHERE, NOWHERE, np.searchsorted(ids, wanted))


def _sync(wanted: _Wanted) -> set[int]:
    """Write what differs; return the groups that sum other points now, or are new."""
    with connection.cursor() as cursor:
        place = [wanted.tenant_id, wanted.resource.value]
        cursor.execute(_DELETE, [*place, wanted.node.tolist()])
        columns = [column.tolist() for column in (wanted.node, wanted.metered)]
        cursor.execute(_UPSERT, [*place, *columns])
        cursor.execute(_PARENTS, [*place, wanted.node.tolist(), wanted.above.tolist()])
    held = fixed_rows(_HELD, place, _MEMBER)
    groups = fixed_rows(_GROUPS_BY_NODE, place, _NODE)
    order = np.argsort(groups["parent"])
    node, group = groups["parent"][order].astype(np.int64), groups["id"][order].astype(np.int64)
    point = wanted.point
    after = _packed(group[np.searchsorted(node, point[:, 0])], point[:, 1], point[:, 2])
    before = _packed(held["group"], held["point"], held["side"])
    gone, new = (
        _unpacked(np.setdiff1d(one, other)) for one, other in ((before, after), (after, before))
    )
    _replace_points(wanted.tenant_id, gone, new)
    return {*gone[0], *new[0]}


_SIDE_BITS, _POINT_BITS = 2, 32


def _packed(
    group: NDArray[np.integer], point: NDArray[np.integer], side: NDArray[np.integer]
) -> NDArray[np.int64]:
    key = (group.astype(np.int64) << _POINT_BITS) | point.astype(np.int64)
    return (key << _SIDE_BITS) | side.astype(np.int64)


def _unpacked(keys: NDArray[np.int64]) -> list[list[int]]:
    """Return groups, points and sides."""
    group_and_point, side = keys >> _SIDE_BITS, keys & ((1 << _SIDE_BITS) - 1)
    group, point = group_and_point >> _POINT_BITS, group_and_point & ((1 << _POINT_BITS) - 1)
    return [column.tolist() for column in (group, point, side)]


def _replace_points(tenant_id: int, gone: list[list[int]], new: list[list[int]]) -> None:
    with connection.cursor() as cursor:
        if gone[0]:
            cursor.execute(_TAKE, gone)
        if new[0]:
            cursor.execute(_PUT, [tenant_id, *new])


def _forget(group_ids: list[int]) -> None:
    """Forget what is kept of groups, and note that it was there."""
    mark_groups(group_ids)
    drop_groups(group_ids)


def put_members(tenant_id: int, group_id: int, points: dict[int, Side]) -> None:
    """Make a group by hand sum `points`.

    A flush that is under way marks what these were before, so it is waited for; the next one
    learns of it by the news.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [READERS])
        cursor.execute("insert into balance_news (tenant_id) values (%s)", [tenant_id])
        cursor.execute("delete from balance_point where group_id = %s", [group_id])
    new = [[group_id] * len(points), list(points), [int(side) for side in points.values()]]
    _replace_points(tenant_id, [[]], new)
    _forget([group_id])


def group_of(node: NodeInfo, resource: Resource) -> GroupInfo | None:
    """Return the group of a node, None where nothing flows in and nothing below is metered."""
    found = _groups("not by_hand and node_id = %s and resource = %s", [node.id, resource.value])
    return next(found, None)


def groups_of(node: NodeInfo) -> list[GroupInfo]:
    """Return the groups of a node, one a resource, in the order of `Resource`."""
    found = list(_groups("not by_hand and node_id = %s", [node.id]))
    return sorted(found, key=lambda group: RESOURCES.index(group.resource))


def groups_below(node: NodeInfo, resource: Resource) -> list[GroupInfo]:
    """Return the groups of a node and of all nodes below it."""
    below = (
        "not by_hand and resource = %s and node_id in (select id from node where path <@ %s::ltree)"
    )
    return list(_groups(below, [resource.value, node.path]))


def by_id(group_ids: Iterable[int]) -> dict[int, GroupInfo]:
    """Return groups by their ids."""
    return {group.id: group for group in _groups("id = any(%s)", [list(group_ids)])}


def hand_groups(tenant_id: int, code: str | None = None) -> list[GroupInfo]:
    """Return the groups by hand, or the one with `code`, by code."""
    if code is None:
        return list(_groups("by_hand and tenant_id = %s", [tenant_id]))
    return list(_groups("by_hand and tenant_id = %s and code = %s", [tenant_id, code]))


def hand_groups_below(node: NodeInfo) -> list[GroupInfo]:
    """Return the groups by hand that belong to a node or to one below it, by code."""
    below = "by_hand and node_id in (select id from node where path <@ %s::ltree)"
    return list(_groups(below, [node.path]))


def hand_groups_by_code(code: str) -> list[GroupInfo]:
    """Return the groups by hand with `code`: one, unless the scope sees several tenants."""
    return list(_groups("by_hand and code = %s", [code]))


def forest_of(group: GroupInfo, node: NodeInfo) -> Forest:
    """Return the groups that the balance of `group` can consist of; `node` is its node."""
    if group.by_hand:
        where, params = "tenant_id = %s and resource = %s", [group.tenant_id, group.resource.value]
        return forest(list(_groups(where, params)))
    return forest_of_nodes(node, group.resource)


def forest_of_nodes(node: NodeInfo, resource: Resource) -> Forest:
    """Return the groups of a node and of all nodes below it."""
    return forest(groups_below(node, resource))


def forest(groups: Iterable[GroupInfo]) -> Forest:
    """Return `groups` as what arithmetic needs of them."""
    groups = list(groups)
    children = _children([group.id for group in groups if group.by_hand])
    return Forest(
        {
            group.id: Group(
                group.id,
                group.parent_id,
                group.metered,
                group.by_hand,
                tuple(children.get(group.id, ())),
            )
            for group in groups
        }
    )


def _children(group_ids: list[int]) -> dict[int, list[Child]]:
    found: dict[int, list[Child]] = {}
    if not group_ids:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            "select group_id, child_id, side from balance_member"
            " where group_id = any(%s) and child_id is not null order by id",
            [group_ids],
        )
        for group_id, child_id, side in cursor.fetchall():
            found.setdefault(group_id, []).append(Child(child_id, Side[side.upper()]))
    return found


def zones_of(groups: Iterable[GroupInfo]) -> dict[int, ZoneInfo]:
    """Return the time zones of the nodes of groups, by node."""
    rows = Node.objects.filter(id__in={group.node_id for group in groups})
    return {node.id: node.timezone for node in lookups.nodes(rows)}


def slots_of(group_ids: Iterable[int]) -> list[tuple[int, Side]]:
    """Return the sides of groups that have points of their own, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct group_id, side from balance_point where group_id = any(%s::int[])"
            " order by 1, 2",
            [literal(group_ids)],
        )
        return [(group_id, Side(side)) for group_id, side in cursor.fetchall()]


def _groups(where: str, params: Sequence[Any]) -> Iterator[GroupInfo]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, tenant_id, node_id, resource, by_hand, code, name, parent_id, metered"
            f" from balance_group where {where} order by code, id",
            params,
        )
        rows = cursor.fetchall()
    for group_id, tenant_id, node_id, resource, *rest in rows:
        yield GroupInfo(group_id, tenant_id, node_id, Resource(resource), *rest)


_NODE: Final = row_type(("id", ">i8"), ("parent", ">i8"))
_POINT: Final = row_type(("id", ">i8"), ("node", ">i8"), ("resource", ">i4"), ("role", ">i4"))
_MEMBER: Final = row_type(("group", ">i4"), ("point", ">i8"), ("side", ">i2"))

_NODES: Final = f"""
select id, coalesce(parent_id, {NOWHERE})::bigint from node where tenant_id = %s order by id
"""
_POINTS: Final = """
select * from (
  select id, node_id, array_position(%s::text[], resource::text) as resource,
    array_position(%s::text[], role::text) as role
  from metering_point where tenant_id = %s) p
where role is not null order by id
"""
_HELD: Final = """
select p.group_id, p.point_id, p.side from balance_point p
join balance_group g on g.id = p.group_id
where not g.by_hand and g.tenant_id = %s and g.resource = %s
"""
_GROUPS_BY_NODE: Final = """
select id::bigint, node_id from balance_group
where not by_hand and tenant_id = %s and resource = %s
"""
_DELETE: Final = """
with gone as (
  delete from balance_group where not by_hand and tenant_id = %s and resource = %s
    and node_id <> all(%s) returning id),
points as (delete from balance_point where group_id in (select id from gone)),
members as (delete from balance_member where child_id in (select id from gone)),
hours as (delete from balance_hour where group_id in (select id from gone)),
periods as (delete from balance_period where group_id in (select id from gone)),
losses as (delete from balance_loss where group_id in (select id from gone))
delete from balance_dirty where group_id in (select id from gone)
"""
_UPSERT: Final = """
insert into balance_group as g (tenant_id, resource, node_id, metered)
select %s, %s, * from unnest(%s::bigint[], %s::boolean[]) as x (node_id, metered)
on conflict (node_id, resource) where not by_hand do update set metered = excluded.metered
where g.metered <> excluded.metered
"""
_PARENTS: Final = f"""
with place as (select %s::int as tenant_id, %s::text as resource),
wanted as (
  select g.id, p.id as parent_id
  from place join balance_group g on g.tenant_id = place.tenant_id
    and g.resource = place.resource and not g.by_hand
  join unnest(%s::bigint[], %s::bigint[]) as x (node_id, above) on x.node_id = g.node_id
  left join balance_group p on p.node_id = x.above and p.resource = place.resource
    and not p.by_hand and x.above <> {NOWHERE})
update balance_group g set parent_id = w.parent_id from wanted w
where w.id = g.id and g.parent_id is distinct from w.parent_id
"""
_TAKE: Final = """
delete from balance_point p using unnest(%s::int[], %s::bigint[], %s::smallint[])
  as x (group_id, point_id, side)
where p.group_id = x.group_id and p.point_id = x.point_id
"""
_PUT: Final = """
insert into balance_point (tenant_id, group_id, point_id, side)
select %s, * from unnest(%s::int[], %s::bigint[], %s::smallint[])
"""
