"""Who may do what where: the one place that decides, for pages, streams and commands alike.

A grant is a role on a node and all below it. What no grant allows is denied; what a person may
not even view does not exist for that person. A key of a program acts for its owner within a
`Bound`. Call inside a scope of the person's tenant.
"""

from dataclasses import dataclass
from typing import Protocol

from django.db.models import Q

from balans.core.errors import BalansError
from balans.protocols.fields import NAME
from balans.storage import lookups
from balans.storage.models import Grant, Load, MeteringPoint, Node
from balans.storage.records import LoadInfo, NodeInfo, PointInfo
from balans.usecases.rights import RIGHTS, Right, Role

__all__ = [
    "Bound",
    "ForbiddenError",
    "NotVisibleError",
    "Person",
    "Right",
    "Role",
    "ancestors_of",
    "demand_everywhere",
    "granted_paths",
    "has_everywhere",
    "load_for",
    "node_for",
    "point_for",
    "rights_on",
    "roles_of",
    "search_nodes",
    "sites_of",
    "top_nodes",
    "visible_nodes",
]


class NotVisibleError(BalansError):
    """There is no such thing for this person, whether or not it exists."""

    code = "not_visible"


class ForbiddenError(BalansError):
    """The person sees the thing but may not do this with it."""

    code = "forbidden"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a person who acts by a key is held to: a subtree, and some rights."""

    path: str
    rights: frozenset[Right]

    def narrow(self, path: str) -> str | None:
        """Return what `path` and the subtree have in common; None: nothing.

        >>> bound = Bound("n1.n2", frozenset())
        >>> bound.narrow("n1"), bound.narrow("n1.n2.n7"), bound.narrow("n1.n25")
        ('n1.n2', 'n1.n2.n7', None)
        """
        if f"{path}.".startswith(f"{self.path}."):
            return path
        return self.path if f"{self.path}.".startswith(f"{path}.") else None


class Person(Protocol):
    """What must be known of a user. One who acts by a key also has a ``bound``."""

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
    paths = granted_paths(user, right)
    return lookups.nodes(Node.objects.filter(path__under=paths)) if paths else []


def top_nodes(user: Person, right: Right = Right.VIEW) -> list[NodeInfo]:
    """Return the topmost nodes where `user` has `right`: those granted, but none below another."""
    paths = granted_paths(user, right)
    if not paths:
        return []
    found = lookups.nodes(Node.objects.filter(tenant_id=user.tenant_id, path__in=paths))
    steps = [tuple(node.path.split(".")) for node in found]
    tops = {own for own in steps if not any(own[:n] in steps for n in range(1, len(own)))}
    return [node for node, own in zip(found, steps, strict=True) if own in tops]


def ancestors_of(user: Person, node: NodeInfo) -> list[NodeInfo]:
    """Return what `user` may view above `node`, from the top down."""
    paths = granted_paths(user, Right.VIEW)
    if not paths:
        return []
    return lookups.nodes(Node.objects.filter(id__in=node.ancestor_ids, path__under=paths))


def search_nodes(user: Person, text: str, limit: int) -> list[NodeInfo]:
    """Return up to `limit` nodes that `user` may view whose code or name holds `text`."""
    paths = granted_paths(user, Right.VIEW)
    if not paths:
        return []
    matches = Q(code__icontains=text) | Q(name__icontains=text)
    rows = Node.objects.filter(matches, path__under=paths).order_by("code")
    return lookups.nodes(
        Node.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:limit]))
    )


def sites_of(user: Person, right: Right = Right.LIVE) -> list[NodeInfo]:
    """Return the nodes under load control on which `user` has `right`."""
    paths = granted_paths(user, right)
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
    bound = _bound_of(user)
    if bound is None:
        return frozenset(found)
    return bound.rights & found if bound.narrow(node.path) == node.path else frozenset()


def node_for(user: Person, code: str, right: Right = Right.VIEW) -> NodeInfo:
    """Return the node with `code`, if `user` has `right` on it.

    Raises
    ------
    NotVisibleError
        If there is none, or the person may not view it.
    ForbiddenError
        If the person may view it but lacks `right`.
    """
    rows = Node.objects.filter(tenant_id=user.tenant_id, code=code)
    found = lookups.nodes(rows) if NAME.fullmatch(code) else []
    if not found:
        raise NotVisibleError(f"node {code}: not found")
    _demand(user, found[0], right, f"node {code}")
    return found[0]


def point_for(user: Person, code: str, right: Right = Right.READINGS) -> PointInfo:
    """Return the metering point with `code`, if `user` has `right` on its node; errors as above."""
    rows = MeteringPoint.objects.filter(tenant_id=user.tenant_id, code=code)
    found = lookups.points(rows) if NAME.fullmatch(code) else []
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


def demand_everywhere(user: Person, right: Right) -> None:
    """Make sure that `user` has `right` on everything that the tenant has.

    Raises
    ------
    ForbiddenError
        If some top of the tenant's tree is without.
    """
    if not has_everywhere(user, right):
        word = right.replace("_", " ")
        raise ForbiddenError(f"the right to {word} on the whole utility is missing")


def has_everywhere(user: Person, right: Right) -> bool:
    """Return whether `user` has `right` on everything that the tenant has."""
    tops = Node.objects.filter(tenant_id=user.tenant_id, parent_id__isnull=True)
    paths = granted_paths(user, right)
    return bool(paths) and not tops.exclude(path__under=paths).exists()


def _demand(user: Person, node: NodeInfo, right: Right, what: str) -> None:
    rights = rights_on(user, node)
    if Right.VIEW not in rights:
        raise NotVisibleError(f"{what}: not found")
    if right not in rights:
        raise ForbiddenError(f"{what}: the right to {right.replace('_', ' ')} is missing")


def granted_paths(user: Person, right: Right) -> list[str]:
    """Return the paths of the nodes on and below which `user` has `right`; some may overlap."""
    bound = _bound_of(user)
    if not user.is_active or (bound is not None and right not in bound.rights):
        return []
    roles = [role.value for role, rights in RIGHTS.items() if right in rights]
    grants = Grant.objects.filter(user_id=user.pk, tenant_id=user.tenant_id, role__in=roles)
    paths = list(grants.values_list("path", flat=True))
    if bound is None:
        return paths
    return [path for path in map(bound.narrow, paths) if path is not None]


def _bound_of(user: Person) -> Bound | None:
    return getattr(user, "bound", None)
