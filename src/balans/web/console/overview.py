"""All that a person looks after: sites with their live state, and the object tree."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from balans.storage import access, live
from balans.storage.records import NodeInfo
from balans.web.clock import site_clock
from balans.web.console.tree import branches
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.picture import Reader, picture
from balans.web.shown.sites import heard


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show the sites and the tree."""
    trees = access.node_tree(person(request))
    sites = {site.id: _site(site) for site in access.sites_of(person(request))}
    context = {"sites": list(sites.values()), "tree": branches(trees, sites)}
    return render(request, "console/overview.html", context)


def _site(site: NodeInfo) -> dict[str, Any]:
    reader = Reader(loads=(), whole=True, zone=site.timezone)
    texts = picture(heard(live.latest_status(site.id)), reader, site_clock().speed)
    shown = {key.removeprefix("site."): text for key, text in texts.items()}
    return {**shown, "name": named(site.name), "url": reverse("site-live", args=[site.code])}
