"""Who may do what where: the one place that decides, for pages, streams and commands alike.

A grant is a role on a node and all below it. What no grant allows is denied; what a person may
not even view does not exist for that person. Call inside a scope of the person's tenant.
"""

from typing import Protocol

from balans.core.errors import BalansError
from balans.storage import lookups
from balans.storage.models import Grant, Load, MeteringPoint, Node
from balans.storage.records import LoadInfo, NodeInfo, NodeTree, PointInfo
from balans.usecases.rights import RIGHTS, Right, Role

__all__ = [
    "ForbiddenError",
    "NotVisibleError",
    "Person",
    "Right",
    "Role",
    "load_for",
    "node_for",
    "node_tree",
    "point_for",
    "rights_on",
    "roles_of",
    "sites_of",
    "visible_nodes",
]


class NotVisibleError(BalansError):
    """There is no such thing for this person, whether or not it exists."""

    code = "not_visible"


class ForbiddenError(BalansError):
    """The person sees the thing but may not do this with it."""

    code = "forbidden"


class Person(Protocol):
    """What must be known of a user."""

    @property
    def pk(self) -> int:
        """Key of the user."""
        ...

    @property
    def tenant_id(self) -> int:
        """Tenant of the user."""
        ...

    @property
    def is_active(self) -> bool:
        """Whether the account is in use."""
        ...


def roles_of(user: Person) -> frozenset[Role]:
    """Return the roles that `user` has anywhere."""
    if not user.is_active:
        return frozenset()
    grants = Grant.objects.filter(user_id=user.pk, tenant_id=user.tenant_id)
    return frozenset(Role(role) for role in grants.values_list("role", flat=True).distinct())


def visible_nodes(user: Person, right: Right = Right.VIEW) -> list[NodeInfo]:
    """Return the nodes on which `user` has `right`, each after its parent."""
    paths = _granted_paths(user, right)
    return lookups.nodes(Node.objects.filter(path__under=paths)) if paths else []


def node_tree(user: Person) -> tuple[NodeTree, ...]:
    """Return what `user` may view as trees, one for each topmost node granted."""
    return lookups.nested(visible_nodes(user))


def sites_of(user: Person, right: Right = Right.LIVE) -> list[NodeInfo]:
    """Return the nodes under load control on which `user` has `right`."""
    paths = _granted_paths(user, right)
    return (
        lookups.nodes(lookups.controlled(Node.objects.filter(path__under=paths))) if paths else []
    )


def rights_on(user: Person, node: NodeInfo) -> frozenset[Right]:
    """Return everything that `user` may do at `node`."""
    if not user.is_active or node.tenant_id != user.tenant_id:
        return frozenset()
    grants = Grant.objects.filter(user_id=user.pk, path__above=node.path)
    found: set[Right] = set()
    for role in grants.values_list("role", flat=True):
        found |= RIGHTS[Role(role)]
    return frozenset(found)


def node_for(user: Person, code: str, right: Right = Right.VIEW) -> NodeInfo:
    """Return the node with `code`, if `user` has `right` on it.

    Raises
    ------
    NotVisibleError
        If there is none, or the person may not view it.
    ForbiddenError
        If the person may view it but lacks `right`.
    """
    found = lookups.nodes(Node.objects.filter(tenant_id=user.tenant_id, code=code))
    if not found:
        raise NotVisibleError(f"node {code}: not found")
    _demand(user, found[0], right, f"node {code}")
    return found[0]


def point_for(user: Person, code: str, right: Right = Right.READINGS) -> PointInfo:
    """Return the metering point with `code`, if `user` has `right` on its node; errors as above."""
    found = lookups.points(MeteringPoint.objects.filter(tenant_id=user.tenant_id, code=code))
    if not found:
        raise NotVisibleError(f"metering point {code}: not found")
    _demand(user, lookups.node(found[0].node_id), right, f"metering point {code}")
    return found[0]


def load_for(user: Person, site_id: int, name: str, right: Right = Right.LIVE) -> LoadInfo:
    """Return the load `name` of a site, if `user` has `right` on the load's own node."""
    found = lookups.loads(Load.objects.filter(tenant_id=user.tenant_id, site_id=site_id, name=name))
    if not found:
        raise NotVisibleError(f"load {name}: not found")
    _demand(user, lookups.node(found[0].node_id), right, f"load {name}")
    return found[0]


def _demand(user: Person, node: NodeInfo, right: Right, what: str) -> None:
    rights = rights_on(user, node)
    if Right.VIEW not in rights:
        raise NotVisibleError(f"{what}: not found")
    if right not in rights:
        raise ForbiddenError(f"{what}: the right to {right.replace('_', ' ')} is missing")


def _granted_paths(user: Person, right: Right) -> list[str]:
    if not user.is_active:
        return []
    roles = [role.value for role, rights in RIGHTS.items() if right in rights]
    grants = Grant.objects.filter(user_id=user.pk, tenant_id=user.tenant_id, role__in=roles)
    return list(grants.values_list("path", flat=True))
