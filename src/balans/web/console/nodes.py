"""A node of the object tree: what lies below it, its metering points, and how complete they are."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.storage import access, lookups, manual
from balans.storage.access import Right
from balans.storage.records import NodeInfo
from balans.storage.tree_state import BranchState, branch_states
from balans.web.clock import site_clock
from balans.web.console.tree import level_below, more_note, opened
from balans.web.shown import words
from balans.web.shown.meters import Completeness, meter_rows, states_of
from balans.web.shown.names import named
from balans.web.shown.numbers import MISSING, decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

LISTED_MAX: Final = 200
"""More metering points than this are not listed on one page; they are reached by the tree."""


@require_safe
def node(request: HttpRequest, code: str) -> HttpResponse:
    """Show the node `code`."""
    found = access.node_for(person(request), code)
    rights = access.rights_on(person(request), found)
    below, more = level_below(found)
    context = {
        "node": {"code": found.code, "name": named(found.name), "kind_word": _kind(found)},
        "crumbs": crumbs(person(request), found),
        "children": opened(person(request), below),
        "more": more_note(more),
        "site": found if _is_site(found, rights) else None,
        "reads": Right.READINGS in rights,
        "judges": Right.JUDGE in rights,
        "waiting": manual.count_waiting(found) if Right.JUDGE in rights else 0,
        "mounts": Right.REGISTRY in rights,
        **(_meters(found) if Right.READINGS in rights else {}),
    }
    return render(request, "console/node.html", context)


def _kind(node: NodeInfo) -> str:
    return words.word(words.NODE_KINDS, node.kind).capitalize()


def _is_site(node: NodeInfo, rights: frozenset[Right]) -> bool:
    return Right.LIVE in rights and lookups.gateway_of(node.id) is not None


def _meters(node: NodeInfo) -> dict[str, Any]:
    now = site_clock().now()
    branch = branch_states([node], now)[node.id]
    here = lookups.points_of(node, below=branch.points <= LISTED_MAX)
    states = states_of(here, now)
    places = {point.node_id: "" for point in here}
    for place in places:
        places[place] = "" if place == node.id else named(lookups.node(place).name)
    return {
        "figures": _figures(branch) if branch.points else [],
        "points": meter_rows(here, states, node.timezone, places),
    }


def _figures(branch: BranchState) -> list[dict[str, str]]:
    """Return what is told of all metering points together."""
    share = Completeness(branch.known or 0, branch.expected or 0)
    note = ngettext(
        "%(known)s of %(total)s hour", "%(known)s of %(total)s hours", share.expected
    ) % {"known": decimal(share.known, 0), "total": decimal(share.expected, 0)}
    silent = MISSING if branch.silent is None else decimal(branch.silent, 0)
    return [
        {"title": _("Readings of the last 24 h"), "value": share.percent, "note": note},
        {"title": _("Metering points"), "value": decimal(branch.points, 0), "note": ""},
        {"title": _("Without a reading in the last 24 h"), "value": silent, "note": ""},
    ]
