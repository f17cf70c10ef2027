"""The object tree as pages show it: a level at a time, with how complete each branch is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.core.words import NodeKind
from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.records import NodeInfo
from balans.storage.tree_state import BranchState, branch_states
from balans.web.clock import site_clock
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.meters import Completeness
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import node_url

LEVEL_MAX: Final = 500
"""So many nodes of one level are listed; the rest is found by search."""
OPEN_MAX: Final = 40
"""Up to so many nodes the tree is shown opened."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of the tree, in the reader's language.

    `below_url` leads to what lies below as a fragment of a page, empty where nothing does;
    `children` is what is shown of that at once. `live` is the live state where the node is a site.
    """

    name: str
    code: str
    kind: str
    url: str
    below_url: str
    points: str
    completeness: str
    tone: str
    last: str
    last_iso: str
    live: Mapping[str, Any] | None = None
    children: tuple["Branch", ...] = ()


def opened(
    user: access.Person, nodes: Sequence[NodeInfo], live: Mapping[int, Mapping[str, Any]] = {}
) -> list[Branch]:
    """Return `nodes` for the page, level after level opened while they are few."""
    levels = [list(nodes)]
    while levels[-1]:
        below = lookups.children_of((node.id for node in levels[-1]), OPEN_MAX + 1)
        if sum(map(len, levels)) + len(below) > OPEN_MAX:
            break
        levels.append(below)
    everything = [node for level in levels for node in level]
    by_code = {branch.code: branch for branch in branches(user, everything, live)}
    parents = {node.id: node.code for node in everything}
    for level in reversed(levels[1:]):
        groups: dict[str, list[Branch]] = {}
        for node in level:
            groups.setdefault(parents[node.parent_id or 0], []).append(by_code[node.code])
        for code, children in groups.items():
            by_code[code] = replace(by_code[code], children=tuple(children))
    return [by_code[node.code] for node in nodes]


def branches(
    user: access.Person, nodes: Sequence[NodeInfo], live: Mapping[int, Mapping[str, Any]] = {}
) -> list[Branch]:
    """Return `nodes` for the page; `live` holds what is shown of sites, by the id of the node.

    Completeness is told to those who may see readings.
    """
    now = site_clock().now()
    with_readings = [node for node in nodes if Right.READINGS in access.rights_on(user, node)]
    states = branch_states(with_readings, now)
    parents = lookups.parents_among(node.id for node in nodes)
    return [
        _branch(node, states.get(node.id), is_parent=node.id in parents, live=live.get(node.id))
        for node in nodes
    ]


def level_below(node: NodeInfo) -> tuple[list[NodeInfo], int]:
    """Return the nodes right below `node`, up to `LEVEL_MAX`, and how many more there are."""
    found = lookups.children_of([node.id], LEVEL_MAX + 1)
    more = lookups.count_children(node.id) - LEVEL_MAX if len(found) > LEVEL_MAX else 0
    return found[:LEVEL_MAX], more


def more_note(more: int) -> str:
    """Tell how many nodes of a level are not listed; empty for none."""
    if not more:
        return ""
    text = ngettext("%(count)s more: search for it", "%(count)s more: search for them", more)
    return text % {"count": decimal(more, 0)}


@require_safe
def below(request: HttpRequest, code: str) -> HttpResponse:
    """Give what lies below the node `code`, as a list to be put into the page."""
    user = person(request)
    nodes, more = level_below(access.node_for(user, code))
    context = {"tree": branches(user, nodes), "more": more_note(more)}
    return render(request, "console/tree_level.html", context)


def _branch(
    node: NodeInfo, state: BranchState | None, *, is_parent: bool, live: Mapping[str, Any] | None
) -> Branch:
    share = _share(state)
    return Branch(
        name=named(node.name),
        code=node.code,
        kind=words.word(words.NODE_KINDS, node.kind),
        url=node_url(node),
        below_url=reverse("tree-below", args=[node.code]) if is_parent else "",
        points=_points(state) if node.kind != NodeKind.FLAT or not share else "",
        completeness=share.percent if share else "",
        tone=share.tone if share else "",
        last=_last(state, node),
        last_iso=state.last.isoformat() if state and state.last else "",
        live=live,
    )


def _share(state: BranchState | None) -> Completeness | None:
    if state is None or state.known is None or state.expected is None:
        return None
    return Completeness(state.known, state.expected) if state.expected else None


def _points(state: BranchState | None) -> str:
    if state is None:
        return ""
    text = ngettext("%(count)s metering point", "%(count)s metering points", state.points)
    return text % {"count": decimal(state.points, 0)}


def _last(state: BranchState | None, node: NodeInfo) -> str:
    return moment(state.last, node.timezone) if state and state.last else ""
