"""Lists of the registry in pages, as far as a person may see them. Call inside a scope.

Every list is in the order of a key of its rows and begins after one of them, so that a page costs
the same wherever it stands, and rows that come or go meanwhile shift no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from balans.core.words import NodeKind, PointRole, Resource
from balans.storage import access, lookups
from balans.storage.access import Person, Right
from balans.storage.models import Channel, Hub, MeteringPoint, MeterMounting, Module, Node
from balans.storage.records import NodeInfo, PointInfo


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a list: what comes after the key `after`, at most `most` rows."""

    after: str | int | None
    most: int


@dataclass(frozen=True, slots=True)
class ListedNode:
    """A node, and the code of its parent where that can be seen too."""

    node: NodeInfo
    parent: str | None


@dataclass(frozen=True, slots=True)
class ListedHub:
    """A hub; `removed` when it was taken away, with the code free again."""

    code: str
    name: str
    site: str
    controls: bool
    removed: datetime | None
    key: int


@dataclass(frozen=True, slots=True)
class ListedModule:
    """A module with the inputs that are channels."""

    serial: int
    hub: str | None
    node: str
    has_adapter: bool
    removed: datetime | None
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ListedMounting:
    """A meter at a metering point for a period, and the input that counts its pulses.

    A pulse is worth `pulse_weight` times `transformer_ratio` [Wh, varh or l].
    """

    meter: str
    module: int | None
    input: int | None
    valid_from: datetime
    valid_to: datetime | None
    register_at_mount: int | None
    register_at_removal: int | None
    dial_at_mount: Decimal | None
    dial_at_removal: Decimal | None
    pulse_weight: Fraction
    transformer_ratio: Fraction
    register_modulus: int


def nodes(
    person: Person, part: Part, under: NodeInfo | None = None, kind: NodeKind | None = None
) -> list[ListedNode]:
    """Return nodes that `person` may view, by code: of a kind, on and below a node."""
    paths = access.granted_paths(person, Right.VIEW)
    rows = Node.objects.filter(path__under=paths).select_related("parent")
    if under is not None:
        rows = rows.filter(path__under=under.path)
    if kind is not None:
        rows = rows.filter(kind=kind)
    if part.after is not None:
        rows = rows.filter(code__gt=part.after)
    found = list(rows.order_by("code")[: part.most])
    infos = {node.id: node for node in lookups.nodes(Node.objects.filter(id__in=_ids(found)))}
    return [ListedNode(infos[row.pk], _visible_parent(row, paths)) for row in found]


def node(person: Person, found: NodeInfo) -> ListedNode:
    """Return a node that `person` may view, with its parent's code where that can be seen too."""
    row = Node.objects.select_related("parent").get(id=found.id)
    return ListedNode(found, _visible_parent(row, access.granted_paths(person, Right.VIEW)))


def points(
    person: Person,
    part: Part,
    under: NodeInfo | None = None,
    resource: Resource | None = None,
    role: PointRole | None = None,
    *,
    right: Right = Right.VIEW,
) -> list[PointInfo]:
    """Return metering points on which `person` has `right`, by code: of a resource, role, node."""
    paths = access.granted_paths(person, right)
    rows = MeteringPoint.objects.filter(node__path__under=paths)
    if under is not None:
        rows = rows.filter(node__path__under=under.path)
    if resource is not None:
        rows = rows.filter(resource=resource)
    if role is not None:
        rows = rows.filter(role=role)
    if part.after is not None:
        rows = rows.filter(code__gt=part.after)
    ids = list(rows.order_by("code").values_list("id", flat=True)[: part.most])
    return lookups.points(MeteringPoint.objects.filter(id__in=ids))


def mountings(point: PointInfo) -> list[ListedMounting]:
    """Return the meters that were at a point, the first first."""
    rows = MeterMounting.objects.filter(point_id=point.id).select_related(
        "meter", "channel__module"
    )
    return [_mounting(row) for row in rows.order_by("valid_from")]


def hubs(person: Person, part: Part) -> list[ListedHub]:
    """Return the hubs at sites that `person` may view, in the order of their registration."""
    rows = Hub.objects.filter(site__path__under=access.granted_paths(person, Right.VIEW))
    if part.after is not None:
        rows = rows.filter(id__gt=part.after)
    return [
        ListedHub(row.code, row.name, row.site.code, row.controls, row.removed_at, row.pk)
        for row in rows.select_related("site").order_by("id")[: part.most]
    ]


def modules(person: Person, part: Part, under: NodeInfo | None = None) -> list[ListedModule]:
    """Return the modules at nodes that `person` may view, by serial number."""
    rows = Module.objects.filter(node__path__under=access.granted_paths(person, Right.VIEW))
    if under is not None:
        rows = rows.filter(node__path__under=under.path)
    if part.after is not None:
        rows = rows.filter(serial__gt=part.after)
    found = list(rows.select_related("hub", "node").order_by("serial")[: part.most])
    inputs: dict[int, list[int]] = {}
    channels = Channel.objects.filter(module_id__in=_ids(found)).order_by("input")
    for module_id, number in channels.values_list("module_id", "input"):
        inputs.setdefault(module_id, []).append(number)
    return [
        ListedModule(
            serial=row.serial,
            hub=row.hub.code if row.hub else None,
            node=row.node.code,
            has_adapter=row.has_adapter,
            removed=row.removed_at,
            inputs=tuple(inputs.get(row.pk, ())),
        )
        for row in found
    ]


def _ids(rows: Sequence[Any]) -> list[int]:
    return [row.pk for row in rows]


def _visible_parent(row: Node, paths: Sequence[str]) -> str | None:
    parent = row.parent
    if parent is None or not any(f"{parent.path}.".startswith(f"{path}.") for path in paths):
        return None
    return str(parent.code)


def _mounting(row: MeterMounting) -> ListedMounting:
    channel, meter = row.channel, row.meter
    return ListedMounting(
        meter=meter.serial,
        module=channel.module.serial if channel else None,
        input=channel.input if channel else None,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        register_at_mount=row.register_at_mount,
        register_at_removal=row.register_at_removal,
        dial_at_mount=row.dial_at_mount,
        dial_at_removal=row.dial_at_removal,
        pulse_weight=meter.pulse_weight,
        transformer_ratio=meter.transformer_ratio,
        register_modulus=meter.register_modulus,
    )


__all__ = [
    "ListedHub",
    "ListedModule",
    "ListedMounting",
    "ListedNode",
    "Part",
    "hubs",
    "modules",
    "mountings",
    "node",
    "nodes",
    "points",
]
