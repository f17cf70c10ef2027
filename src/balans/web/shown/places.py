"""Where a thing stands in the object tree, as far as the reader may see it."""

from dataclasses import dataclass

from django.urls import reverse

from balans.core.words import NodeKind
from balans.storage import access
from balans.storage.records import NodeInfo
from balans.web.shown.names import named


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the path to a page; without address it is the page itself."""

    name: str
    url: str = ""


def crumbs(user: access.Person, node: NodeInfo, page: str = "") -> list[Crumb]:
    """Return the path to `node`, or to the page `page` that belongs to it."""
    path = access.ancestors_of(user, node)
    steps = [Crumb(named(seen.name), node_url(seen)) for seen in path]
    if page:
        return [*steps, Crumb(named(node.name), node_url(node)), Crumb(page)]
    return [*steps, Crumb(named(node.name))]


def node_url(node: NodeInfo) -> str:
    """Return the address of the page about `node`."""
    return reverse("flat" if node.kind == NodeKind.FLAT else "node", args=[node.code])
