"""The object tree as the page shows it: flats of one parent fold into one line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import ngettext

from balans.core.words import NodeKind
from balans.storage.records import NodeTree
from balans.web.shown import words
from balans.web.shown.names import named
from balans.web.shown.places import node_url


@dataclass(frozen=True, slots=True)
class Branch:
    """A node with what lies below it. `live` is its live state where it is a site."""

    name: str
    kind: str
    url: str
    live: dict[str, Any] | None = None
    children: list["Branch"] = field(default_factory=list)
    flats: list["Branch"] = field(default_factory=list)

    @property
    def flats_title(self) -> str:
        """How many flats are folded."""
        count = len(self.flats)
        return ngettext("%(count)d flat", "%(count)d flats", count) % {"count": count}


def branches(
    trees: Iterable[NodeTree], live: dict[int, dict[str, Any]] | None = None
) -> list[Branch]:
    """Return `trees` for the page; `live` holds what is shown of sites, by the id of the node."""
    return [_branch(tree, live or {}) for tree in trees]


def _branch(tree: NodeTree, live: dict[int, dict[str, Any]]) -> Branch:
    below = [(child.node.kind == NodeKind.FLAT, _branch(child, live)) for child in tree.children]
    return Branch(
        name=named(tree.node.name),
        kind=words.word(words.NODE_KINDS, tree.node.kind),
        url=node_url(tree.node),
        live=live.get(tree.node.id),
        children=[branch for is_flat, branch in below if not is_flat],
        flats=[branch for is_flat, branch in below if is_flat],
    )
