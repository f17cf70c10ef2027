"""A node of the object tree: what lies below it, its metering points, and how complete they are."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.records import NodeInfo
from balans.web.clock import site_clock
from balans.web.console.tree import branches
from balans.web.shown import words
from balans.web.shown.meters import meter_rows, states_of, total
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

LISTED_MAX: Final = 200
"""More metering points than this are not listed on one page; they are reached by the tree."""


@require_safe
def node(request: HttpRequest, code: str) -> HttpResponse:
    """Show the node `code`."""
    found = access.node_for(person(request), code)
    rights = access.rights_on(person(request), found)
    tree = [tree for tree in access.node_tree(person(request)) for tree in tree.walk()]
    below = next(branch.children for branch in tree if branch.node.id == found.id)
    context = {
        "node": {"code": found.code, "name": named(found.name), "kind_word": _kind(found)},
        "crumbs": crumbs(person(request), found),
        "children": branches(below),
        "site": found if _is_site(found, rights) else None,
        **(_meters(found) if Right.READINGS in rights else {}),
    }
    return render(request, "console/node.html", context)


def _kind(node: NodeInfo) -> str:
    return words.word(words.NODE_KINDS, node.kind).capitalize()


def _is_site(node: NodeInfo, rights: frozenset[Right]) -> bool:
    return Right.LIVE in rights and lookups.gateway_of(node.id) is not None


def _meters(node: NodeInfo) -> dict[str, Any]:
    everything = lookups.points_of(node, below=True)
    here = everything if len(everything) <= LISTED_MAX else lookups.points_of(node)
    states = states_of(everything, site_clock().now())
    share = total(states)
    places = {point.node_id: "" for point in here}
    for place in places:
        places[place] = "" if place == node.id else named(lookups.node(place).name)
    waiting = sum(state.last is None for state in states.values())
    note = ngettext(
        "%(known)s of %(total)s hour", "%(known)s of %(total)s hours", share.expected
    ) % {"known": decimal(share.known, 0), "total": decimal(share.expected, 0)}
    figures = [
        {"title": _("Readings of the last 24 h"), "value": share.percent, "note": note},
        {"title": _("Metering points"), "value": decimal(len(everything), 0), "note": ""},
        {"title": _("Still without a reading"), "value": decimal(waiting, 0), "note": ""},
    ]
    return {
        "figures": figures if everything else [],
        "points": meter_rows(here, states, node.timezone, places),
    }
