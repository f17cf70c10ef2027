"""Reads of the registry, as frozen values. Call inside a scope; rights are `access`'s business."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet

from balans.core.errors import UnavailableError
from balans.core.words import LimitSource, LoadClass, NodeKind, Phase, PointRole, Resource
from balans.protocols.hub import LimitPeriod
from balans.storage.models import Consent, Hub, Limit, Load, MeteringPoint, Node, TariffZone, Tenant
from balans.storage.records import (
    HubInfo,
    LimitInfo,
    LoadInfo,
    NodeInfo,
    NodeTree,
    PointInfo,
    TariffZoneInfo,
)

UTC = ZoneInfo("UTC")
_P = TypeVar("_P", Limit, TariffZone)


def nodes(rows: "QuerySet[Node]") -> list[NodeInfo]:
    """Return `rows` as values, each after its parent, siblings by code."""
    zones = dict(Node.objects.exclude(timezone="").values_list("path", "timezone"))
    found = [_node(row, zones) for row in rows.order_by("code")]
    return [tree.node for root in nested(found) for tree in root.walk()]


def node(node_id: int) -> NodeInfo:
    """Return one node by id, which must exist in the scope."""
    return nodes(Node.objects.filter(id=node_id))[0]


def children_of(node_ids: Iterable[int], limit: int | None = None) -> list[NodeInfo]:
    """Return the nodes right below those with `node_ids`, by code, at most `limit` of them."""
    rows = Node.objects.filter(parent_id__in=list(node_ids)).order_by("code")
    wanted = list(rows.values_list("pk", flat=True)[:limit])
    return nodes(Node.objects.filter(pk__in=wanted))


def count_children(node_id: int) -> int:
    """Return how many nodes lie right below a node."""
    return Node.objects.filter(parent_id=node_id).count()


def parents_among(node_ids: Iterable[int]) -> frozenset[int]:
    """Return those of `node_ids` that have nodes below them."""
    rows = Node.objects.filter(parent_id__in=list(node_ids))
    return frozenset(rows.values_list("parent_id", flat=True).distinct())


def site_by_code(tenant_id: int, code: str) -> NodeInfo | None:
    """Return the node with `code`, for processes that act for the system; None if unknown."""
    found = nodes(Node.objects.filter(tenant_id=tenant_id, code=code))
    return found[0] if found else None


def nested(flat: Iterable[NodeInfo]) -> tuple[NodeTree, ...]:
    """Return `flat` as trees; a node whose parent is not among them becomes a root."""
    flat = list(flat)
    there = {node.id for node in flat}
    below: dict[int | None, list[NodeInfo]] = defaultdict(list)
    for node in flat:
        below[node.parent_id if node.parent_id in there else None].append(node)

    def grow(node: NodeInfo, depth: int) -> NodeTree:
        children = tuple(grow(child, depth + 1) for child in below[node.id])
        return NodeTree(node, depth, children)

    return tuple(grow(node, 0) for node in below[None])


def controlled(rows: "QuerySet[Node]") -> "QuerySet[Node]":
    """Return those of `rows` that are sites under load control."""
    return rows.filter(Exists(Hub.objects.filter(site_id=OuterRef("pk"), controls=True)))


def points(rows: "QuerySet[MeteringPoint]") -> list[PointInfo]:
    """Return `rows` as values, by code."""
    return [
        PointInfo(
            id=row.pk,
            code=row.code,
            name=row.name,
            node_id=row.node_id,
            node_code=row.node.code,
            resource=Resource(row.resource),
            role=PointRole(row.role),
            phase=Phase(row.phase) if row.phase else None,
        )
        for row in rows.select_related("node").order_by("code")
    ]


def points_of(node: NodeInfo, *, below: bool = False) -> list[PointInfo]:
    """Return the metering points of `node`, with `below` those of all nodes under it too."""
    rows = MeteringPoint.objects.filter(tenant_id=node.tenant_id)
    where = Q(node__path__under=node.path) if below else Q(node_id=node.id)
    return points(rows.filter(where))


def points_by_id(point_ids: Iterable[int]) -> list[PointInfo]:
    """Return the metering points with these ids, by code."""
    return points(MeteringPoint.objects.filter(id__in=list(point_ids)))


def loads(rows: "QuerySet[Load]") -> list[LoadInfo]:
    """Return `rows` as values, by name."""
    found = list(rows.order_by("name").values_list(*_LOAD))
    newest = Consent.objects.filter(load_id__in=[row[0] for row in found])
    newest = newest.order_by("load_id", "-id").distinct("load_id")
    said = {row[0]: row[1:] for row in newest.values_list("load_id", "released", "paused_until")}
    return [_load(row, said.get(row[0])) for row in found]


_LOAD: Final = (
    "id",
    "site_id",
    "node_id",
    "node__code",
    "name",
    "title",
    "load_class",
    "rated_w",
    "phase",
    "max_off_s",
    "min_on_s",
    "recover",
    "deadline",
    "actuator__serial",
    "sub_meter__code",
    "released",
)
"""Plain columns: rows of thousands of loads as objects take longer than the question."""


def _load(row: Sequence[Any], said: Sequence[Any] | None) -> LoadInfo:
    values = dict(zip(_LOAD, row, strict=True))
    released, paused_until = said or (values["released"], None)
    return LoadInfo(
        id=values["id"],
        site_id=values["site_id"],
        node_id=values["node_id"],
        node_code=values["node__code"],
        name=values["name"],
        title=values["title"] or values["name"],
        load_class=LoadClass(values["load_class"]),
        rated_w=values["rated_w"],
        phase=Phase(values["phase"]) if values["phase"] else None,
        max_off_s=values["max_off_s"],
        min_on_s=values["min_on_s"],
        recover=values["recover"],
        deadline=values["deadline"],
        actuator=values["actuator__serial"],
        sub_meter=values["sub_meter__code"],
        released=released,
        paused_until=paused_until,
    )


def loads_of_site(site: NodeInfo) -> list[LoadInfo]:
    """Return the loads that load control of `site` can switch, or must leave alone."""
    return loads(Load.objects.filter(site_id=site.id))


def loads_of_node(node: NodeInfo) -> list[LoadInfo]:
    """Return the loads that belong to `node` or to a node below it, whatever their site."""
    return loads(Load.objects.filter(tenant_id=node.tenant_id, node__path__under=node.path))


def limits_of(node: NodeInfo, at: datetime) -> list[LimitInfo]:
    """Return the limits of `node` in force at `at`, the smallest first."""
    rows = valid(Limit.objects.filter(node_id=node.id), at).order_by("kw", "name")
    return limits(rows)


def limits_of_site(site: NodeInfo, at: datetime) -> list[LimitInfo]:
    """Return the limits in force in the tree of `site`: its own first, the smallest first.

    What another gateway controls below the site has limits of its own.
    """
    below = controlled(Node.objects.filter(path__under=site.path).exclude(id=site.id))
    others = list(below.values_list("path", flat=True))
    rows = valid(Limit.objects.filter(node__path__under=site.path), at)
    if others:
        rows = rows.exclude(node__path__under=others)
    return limits(rows.order_by("node__path", "kw", "name"))


def limits(rows: "QuerySet[Limit]") -> list[LimitInfo]:
    """Return `rows` as values, in their order."""
    return [
        LimitInfo(
            name=row.name,
            source=LimitSource(row.source),
            kw=row.kw,
            interval_s=row.interval_s,
            zone=row.zone,
            from_time=row.from_time,
            to_time=row.to_time,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            phase_a=row.phase_a,
            kwh=row.kwh,
            period=LimitPeriod(row.period),
            follows_peak=row.follows_peak,
            node_code=row.node.code,
            author=row.author,
            ended_by=row.ended_by,
            id=row.pk,
        )
        for row in rows.select_related("node")
    ]


def site_of(node: NodeInfo) -> NodeInfo | None:
    """Return the site under load control that `node` is or lies in, None without any."""
    ids = (*node.ancestor_ids, node.id)
    sites = nodes(controlled(Node.objects.filter(id__in=ids)))
    return sites[-1] if sites else None


def zones_of(node: NodeInfo, at: datetime) -> list[TariffZoneInfo]:
    """Return the tariff zones at `at`: those of the node, else of the nearest ancestor with any."""
    ids = (*node.ancestor_ids, node.id)
    found: dict[int, list[TariffZoneInfo]] = defaultdict(list)
    for row in valid(TariffZone.objects.filter(node_id__in=ids), at).order_by("from_time"):
        zone = TariffZoneInfo(row.name, row.from_time, row.to_time, row.price, row.currency)
        found[row.node_id].append(zone)
    return next((found[node_id] for node_id in reversed(ids) if found[node_id]), [])


def hub(code: str) -> HubInfo | None:
    """Return the hub with `code`, or None."""
    return next(iter(hubs(Hub.objects.filter(code=code))), None)


def gateway_of(site_id: int) -> HubInfo | None:
    """Return the hub that runs load control of a site, or None."""
    return next(iter(hubs(Hub.objects.filter(site_id=site_id, controls=True))), None)


def hubs(rows: "QuerySet[Hub]") -> list[HubInfo]:
    """Return `rows` as values, by code."""
    return [
        HubInfo(
            id=row.pk,
            tenant_id=row.tenant_id,
            code=row.code,
            name=row.name or row.code,
            site_id=row.site_id,
            site_code=row.site.code,
            controls=row.controls,
        )
        for row in rows.select_related("site").order_by("code")
    ]


def _node(row: Node, zones: dict[str, str]) -> NodeInfo:
    return NodeInfo(
        id=row.pk,
        tenant_id=row.tenant_id,
        code=row.code,
        name=row.name,
        kind=NodeKind(row.kind),
        path=row.path,
        parent_id=row.parent_id,
        timezone=_zone(row.path, zones),
    )


def _zone(path: str, zones: dict[str, str]) -> ZoneInfo:
    while path:
        if path in zones:
            return _zone_info(zones[path])
        path = path.rpartition(".")[0]
    return UTC


def _zone_info(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError) as error:
        raise UnavailableError(f"time zone {name}: no data on this machine") from error


def valid(rows: "QuerySet[_P]", at: datetime) -> "QuerySet[_P]":
    """Return those of `rows` whose time `at` lies in."""
    return rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at), valid_from__lte=at)


def nodes_by_code(code: str) -> list[NodeInfo]:
    """Return the nodes with `code`: one, unless the scope sees several tenants."""
    return nodes(Node.objects.filter(code=code))


def nodes_by_id(node_ids: Iterable[int]) -> list[NodeInfo]:
    """Return the nodes with these ids, each after its parent."""
    return nodes(Node.objects.filter(id__in=list(node_ids)))


def timezones() -> list[str]:
    """Return the different time zones of the nodes in the scope, by name."""
    named = Node.objects.exclude(timezone="").order_by("timezone")
    return list(named.values_list("timezone", flat=True).distinct())


def tenant_ids() -> dict[str, int]:
    """Return the ids of the tenants in the scope, by code."""
    return dict(Tenant.objects.order_by("code").values_list("code", "id"))
