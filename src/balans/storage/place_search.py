"""Find a place by what people call it: its code, its name, the names of what it lies in.

Bounded for trees of any size: a search reads names once and hands out a few hits. Call inside a
scope of the person's tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import Case, IntegerField, Q, Value, When
from django.db.models.functions import Length

from balans.storage import access, lookups
from balans.storage.access import Person, Right
from balans.storage.models import Node
from balans.storage.records import NodeInfo

if TYPE_CHECKING:
    from django.db.models import QuerySet

WORDS_MAX: Final = 6
AROUND_MAX: Final = 50
"""So many places are tried as what another one lies in."""
Words = Sequence[Sequence[str]]
"""What was typed, word by word; of each word what it may be called in the registry."""


@dataclass(frozen=True, slots=True)
class PlaceHit:
    """A place that was found; `above` is what the person may see above it, from the top down."""

    node: NodeInfo
    above: tuple[NodeInfo, ...]


def search_places(
    user: Person, words: Words, limit: int, right: Right = Right.VIEW, within: str = ""
) -> list[PlaceHit]:
    """Return up to `limit` places on which `user` has `right`, the best first.

    Each word is part of the code or the name of the place, or the first ones are of a place that it
    lies in. Without words the topmost places are given.

    Parameters
    ----------
    within
        Path of the node in or below which they lie; "": anywhere.
    """
    paths = access.granted_paths(user, right)
    if not paths:
        return []
    rows = Node.objects.filter(tenant_id=user.tenant_id, path__under=paths)
    rows = rows.filter(path__under=within) if within else rows
    if not words:
        return _hits(user, _topmost(rows, [*paths, within], limit))
    asked = list(words[:WORDS_MAX])
    ranked = _ranked(rows.filter(_all_of(asked)), asked, limit)
    around = _Around(Node.objects.filter(path__under=access.granted_paths(user, Right.VIEW)), asked)
    for cut in range(1, len(asked)):
        if paths := around.called(cut):
            below = rows.filter(_all_of(asked[cut:]), path__under=paths)
            ranked += _ranked(below, asked[cut:], limit)
    best = dict.fromkeys(pk for _rank, pk in sorted(ranked, key=lambda one: one[0]))
    return _hits(user, list(best)[:limit])


def place_hit(user: Person, code: str, right: Right = Right.VIEW) -> PlaceHit:
    """Return the place with `code`; errors as `access.node_for`."""
    node = access.node_for(user, code, right)
    return PlaceHit(node, tuple(access.ancestors_of(user, node)))


def _topmost(rows: "QuerySet[Node]", tops: Sequence[str], limit: int) -> list[int]:
    """Return the ids of `tops` and of what lies below them, level after level."""
    level = list(rows.filter(path__in=[top for top in tops if top]).order_by("path")[:limit])
    found: list[int] = []
    while level and len(found) < limit:
        found += [node.pk for node in level if node.pk not in found]
        below = rows.filter(parent_id__in=[node.pk for node in level]).exclude(pk__in=found)
        level = list(below.order_by("code")[:limit])
    return found[:limit]


class _Around:
    """Places that other ones lie in, by the first words of a search; each is asked for once."""

    def __init__(self, rows: "QuerySet[Node]", words: Words) -> None:
        self.rows, self.words = rows, words
        self.known: dict[int, list[str]] = {}

    def called(self, count: int) -> list[str]:
        """Return the paths of what the first `count` words name, as a whole or level by level."""
        if count not in self.known:
            self.known[count] = self._called(count)
        return self.known[count]

    def _called(self, count: int) -> list[str]:
        found = _named(self.rows, self.words[:count])
        for cut in range(1, count):
            if found:
                break
            if above := self.called(cut):
                found = _named(self.rows.filter(path__under=above), self.words[cut:count])
        return found


def _named(rows: "QuerySet[Node]", words: Words) -> list[str]:
    """Return paths of `rows` by name; where names have all words whole, only of those."""
    asked = Q()
    for names in words:
        one = Q(code__iexact=names[0])
        for name in names:
            one |= Q(name__icontains=name)
        asked &= one
    ordered = rows.filter(asked).annotate(letters=Length("name")).order_by("letters", "path")
    found = list(ordered.values_list("path", "name")[:AROUND_MAX])
    whole = [path for path, name in found if _has_whole(name, words)]
    return whole or [path for path, _name in found]


def _has_whole(name: str, words: Words) -> bool:
    own = set(name.casefold().split())
    return all(own & {one.casefold() for one in names} for names in words)


def _all_of(words: Words) -> Q:
    found = Q()
    for names in words:
        one = Q()
        for name in names:
            one |= Q(code__icontains=name) | Q(name__icontains=name)
        found &= one
    return found


def _ranked(rows: "QuerySet[Node]", words: Words, limit: int) -> list[tuple[int, int]]:
    """Return rank and id of the best of `rows`: named exactly so, beginning so, the shorter."""
    whole = " ".join(names[-1] for names in words)
    rank = Case(
        When(Q(code__iexact=whole) | Q(name__iexact=whole), then=Value(0)),
        When(Q(code__istartswith=whole) | Q(name__istartswith=whole), then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    ordered = rows.annotate(rank=rank, letters=Length("name")).order_by("rank", "letters", "code")
    return list(ordered.values_list("rank", "pk")[:limit])


def _hits(user: Person, ids: Sequence[int]) -> list[PlaceHit]:
    nodes = {node.id: node for node in lookups.nodes(Node.objects.filter(pk__in=list(ids)))}
    wanted = {above for node in nodes.values() for above in node.ancestor_ids}
    seen = access.granted_paths(user, Right.VIEW)
    rows = Node.objects.filter(pk__in=wanted, path__under=seen)
    above = {node.id: node for node in lookups.nodes(rows)}
    return [
        PlaceHit(nodes[pk], tuple(above[up] for up in nodes[pk].ancestor_ids if up in above))
        for pk in ids
    ]
