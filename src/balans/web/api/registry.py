"""The registry: nodes, metering points with their meters, hubs, modules."""

from datetime import datetime
from typing import Any

from ninja import Query, Schema

from balans.core.words import NodeKind, Phase, PointRole, Resource
from balans.storage import access, listing
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.listing import (
    ListedHub,
    ListedModule,
    ListedMounting,
    ListedNode,
    Part,
)
from balans.storage.records import NodeInfo, PointInfo
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.paging import Page, PageAsked, decode, page_of
from balans.web.api.values import NodeCode, PointCode, Under, amount

operations = Operations("Registry")


class BelowAsked(PageAsked):
    """Which part of a list, and of which subtree."""

    node: Under = None


class NodesAsked(BelowAsked):
    """Which nodes."""

    kind: NodeKind | None = None


class PointsAsked(BelowAsked):
    """Which metering points."""

    resource: Resource | None = None
    role: PointRole | None = None


class NodeOut(Schema):
    """An element of the object tree. `parent` is null at the top of what can be seen."""

    code: str
    name: str
    kind: NodeKind
    parent: str | None
    timezone: str


class PointOut(Schema):
    """A metering point. `unit` is that of its energies or volumes."""

    code: str
    name: str
    node: str
    resource: Resource
    role: PointRole
    phase: Phase | None
    unit: str


class MountingOut(Schema):
    """A meter at the point from `valid_from` until before `valid_to`.

    Registers are the channel's [pulses], dials what the meter showed, in the unit of the point. A
    pulse is worth `pulse_weight` times `transformer_ratio` [Wh, varh or l], both as fractions.
    """

    meter: str
    module: int | None
    input: int | None
    valid_from: datetime
    valid_to: datetime | None
    register_at_mount: int | None
    register_at_removal: int | None
    dial_at_mount: float | None
    dial_at_removal: float | None
    pulse_weight: str
    transformer_ratio: str
    register_modulus: int


class PointDetail(PointOut):
    """A metering point with the meters that were there, the first first."""

    mountings: list[MountingOut]


class HubOut(Schema):
    """A concentrator, or with `controls` the gateway that controls the loads of its site."""

    code: str
    name: str
    site: str
    controls: bool
    removed: datetime | None


class ModuleOut(Schema):
    """A radio module and its inputs in use."""

    serial: int
    hub: str | None
    node: str
    has_adapter: bool
    inputs: list[int]
    removed: datetime | None


@operations.get("/nodes", Scope.READ_REGISTRY, Page[NodeOut])
def list_nodes(request: ApiRequest, asked: Query[NodesAsked]) -> dict[str, Any]:
    """List nodes, by code."""
    found = listing.nodes(request.auth.person, part(asked), within(request, asked.node), asked.kind)
    return page_of(found, asked.limit, node_out, lambda one: [one.node.code])


@operations.get("/nodes/{code}", Scope.READ_REGISTRY, NodeOut)
def get_node(request: ApiRequest, code: NodeCode) -> NodeOut:
    """Tell of a node."""
    person = request.auth.person
    return node_out(listing.node(person, access.node_for(person, code)))


@operations.get("/points", Scope.READ_REGISTRY, Page[PointOut])
def list_points(request: ApiRequest, asked: Query[PointsAsked]) -> dict[str, Any]:
    """List metering points, by code."""
    found = listing.points(
        request.auth.person, part(asked), within(request, asked.node), asked.resource, asked.role
    )
    return page_of(found, asked.limit, point_out, lambda one: [one.code])


@operations.get("/points/{code}", Scope.READ_REGISTRY, PointDetail)
def get_point(request: ApiRequest, code: PointCode) -> PointDetail:
    """Tell of a metering point and its meters."""
    point = access.point_for(request.auth.person, code, Right.VIEW)
    meters = [mounting_out(one) for one in listing.mountings(point)]
    return PointDetail(**point_out(point).dict(), mountings=meters)


@operations.get("/hubs", Scope.READ_REGISTRY, Page[HubOut])
def list_hubs(request: ApiRequest, asked: Query[PageAsked]) -> dict[str, Any]:
    """List hubs, in the order of their registration."""
    found = listing.hubs(request.auth.person, part(asked, int))
    return page_of(found, asked.limit, hub_out, lambda one: [one.key])


@operations.get("/modules", Scope.READ_REGISTRY, Page[ModuleOut])
def list_modules(request: ApiRequest, asked: Query[BelowAsked]) -> dict[str, Any]:
    """List modules, by serial number."""
    found = listing.modules(request.auth.person, part(asked, int), within(request, asked.node))
    return page_of(found, asked.limit, module_out, lambda one: [one.serial])


def part(asked: PageAsked, kind: type = str) -> Part:
    """Return the part of a list that a request asks for, and one row more."""
    after = decode(asked.cursor, kind)
    return Part(after[0] if after else None, asked.limit + 1)


def within(request: ApiRequest, code: str | None) -> NodeInfo | None:
    """Return the node to which a list is narrowed."""
    return None if code is None else access.node_for(request.auth.person, code)


def node_out(one: ListedNode) -> NodeOut:
    """Return a node as it is told."""
    node = one.node
    return NodeOut(
        code=node.code,
        name=node.name,
        kind=node.kind,
        parent=one.parent,
        timezone=node.timezone.key,
    )


def point_out(one: PointInfo) -> PointOut:
    """Return a metering point as it is told."""
    return PointOut(
        code=one.code,
        name=one.name,
        node=one.node_code,
        resource=one.resource,
        role=one.role,
        phase=one.phase,
        unit=one.unit,
    )


def mounting_out(one: ListedMounting) -> MountingOut:
    """Return a mounting as it is told."""
    return MountingOut(
        meter=one.meter,
        module=one.module,
        input=one.input,
        valid_from=one.valid_from,
        valid_to=one.valid_to,
        register_at_mount=one.register_at_mount,
        register_at_removal=one.register_at_removal,
        dial_at_mount=amount(one.dial_at_mount),
        dial_at_removal=amount(one.dial_at_removal),
        pulse_weight=str(one.pulse_weight),
        transformer_ratio=str(one.transformer_ratio),
        register_modulus=one.register_modulus,
    )


def hub_out(one: ListedHub) -> HubOut:
    """Return a hub as it is told."""
    return HubOut(
        code=one.code, name=one.name, site=one.site, controls=one.controls, removed=one.removed
    )


def module_out(one: ListedModule) -> ModuleOut:
    """Return a module as it is told."""
    return ModuleOut(
        serial=one.serial,
        hub=one.hub,
        node=one.node,
        has_adapter=one.has_adapter,
        inputs=list(one.inputs),
        removed=one.removed,
    )
