"""Where an installer mounts: the places below a node, and what hangs there already."""

import re
from dataclasses import dataclass
from typing import Final

from django.db import connection

from balans.core.words import NodeKind
from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.models import Node
from balans.storage.records import NodeInfo, NodeTree

PLACES_MAX: Final = 2_000
AREAS_MAX: Final = 300
_DIGITS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """A place below a node. `leaf`: nothing lies below it; `path`: names from the node down."""

    node: NodeInfo
    path: tuple[str, ...]
    leaf: bool
    modules: int
    points: int


@dataclass(frozen=True, slots=True)
class Area:
    """A building or another node to mount in: how many of its leaves have a module."""

    node: NodeInfo
    leaves: int
    done: int


def places_under(node: NodeInfo) -> list[Place]:
    """Return `node` and all below it, in the order people count them; at most `PLACES_MAX`."""
    below = Node.objects.filter(path__under=node.path).order_by("path").values("id")
    rows = lookups.nodes(Node.objects.filter(id__in=below[:PLACES_MAX]))
    counts = _counts(node)
    trees = lookups.nested(rows)
    return [place for tree in trees for place in _walk(tree, (), counts)]


def areas_of(author: Author) -> list[Area]:
    """Return the buildings where `author` may mount; where a grant is smaller, what it names."""
    paths = access.granted_paths(author, Right.REGISTRY)
    if not paths:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_AREAS, [paths, paths, AREAS_MAX])
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    nodes = lookups.nodes(Node.objects.filter(id__in=list(found)))
    areas = [Area(node, *found[node.id]) for node in nodes]
    return sorted(areas, key=lambda area: _natural(area.node.name))


def sites_of(author: Author) -> list[NodeInfo]:
    """Return the nodes above flats where `author` may register a hub, each after its parent."""
    paths = access.granted_paths(author, Right.REGISTRY)
    rows = Node.objects.filter(path__under=paths).exclude(kind=NodeKind.FLAT.value)
    chosen = rows.order_by("path").values("id")[:PLACES_MAX]
    return lookups.nodes(Node.objects.filter(id__in=chosen)) if paths else []


def building_of(author: Author, node: NodeInfo) -> NodeInfo:
    """Return the building that `node` lies in, as far as `author` may mount there, else `node`."""
    above = lookups.nodes(Node.objects.filter(id__in=node.ancestor_ids))
    buildings = [one for one in above if one.kind == NodeKind.BUILDING]
    mine = [one for one in buildings if Right.REGISTRY in access.rights_on(author, one)]
    return mine[-1] if mine else node


def _walk(
    tree: NodeTree, above: tuple[str, ...], counts: dict[int, tuple[int, int]]
) -> list[Place]:
    path = (*above, tree.node.name)
    modules, points = counts.get(tree.node.id, (0, 0))
    found = [Place(tree.node, path, not tree.children, modules, points)]
    for child in sorted(tree.children, key=lambda child: _natural(child.node.name)):
        found += _walk(child, path, counts)
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts "Flat 9" before "Flat 10"."""
    parts = _DIGITS.split(name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _counts(node: NodeInfo) -> dict[int, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [node.path])
        return {node_id: (modules, points) for node_id, modules, points in cursor.fetchall()}


_COUNTS = """
select n.id,
  (select count(*) from module m where m.node_id = n.id and m.removed_at is null),
  (select count(*) from metering_point p where p.node_id = n.id)
from node n where n.path <@ %s::ltree
"""
_AREAS = """
with granted as (select id, path, kind from node where path <@ any(%s::ltree[])),
area as (
  select id, path from granted g where kind = 'building' or (path = any(%s::ltree[])
    and not exists (select from granted b where b.kind = 'building'
      and (b.path <@ g.path or b.path @> g.path)))
  order by id limit %s)
select a.id, count(*), count(*) filter (where exists (
  select from module m where m.node_id = n.id and m.removed_at is null))
from area a join node n on n.path <@ a.path
where not exists (select from node c where c.parent_id = n.id)
group by a.id
"""
