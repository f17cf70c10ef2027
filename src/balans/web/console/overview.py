"""All that a person looks after: sites with their live state, and the object tree."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from balans.storage import access, live
from balans.storage.records import NodeInfo
from balans.web.clock import site_clock
from balans.web.console.tree import branches, opened
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.picture import Reader, picture
from balans.web.shown.sites import heard

FOUND_MAX: Final = 50
SITES_MAX: Final = 12
"""More sites than this are not shown as cards: they are reached by the tree."""


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show the sites and the tops of the tree, or what a search has found in it."""
    user = person(request)
    asked = request.GET.get("q", "").replace("\0", "").strip()[:100]
    sites = access.sites_of(user)
    shown = {site.id: _site(site) for site in sites} if len(sites) <= SITES_MAX else {}
    nodes = access.search_nodes(user, asked, FOUND_MAX) if asked else access.top_nodes(user)
    tree = branches(user, nodes, shown) if asked else opened(user, nodes, shown)
    context = {
        "sites": [] if asked else list(shown.values()),
        "tree": tree,
        "asked": asked,
        "is_cut": len(nodes) == FOUND_MAX and bool(asked),
        "is_empty": not nodes and not asked,
    }
    return render(request, "console/overview.html", context)


def _site(site: NodeInfo) -> dict[str, Any]:
    reader = Reader(loads=(), whole=True, zone=site.timezone)
    texts = picture(heard(live.latest_status(site.id)), reader, site_clock().speed)
    shown = {key.removeprefix("site."): text for key, text in texts.items()}
    return {**shown, "name": named(site.name), "url": reverse("site-live", args=[site.code])}
