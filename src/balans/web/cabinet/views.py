"""The consumer's own flat: loads with their true state, and meters."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from balans.storage import access, live, lookups
from balans.storage.access import Right
from balans.storage.records import NodeInfo
from balans.web.clock import site_clock
from balans.web.shown import words
from balans.web.shown.meters import meter_rows, states_of
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.sites import SiteView, commands_of, part_view
from balans.web.shown.switch_form import status_of, switch_form, was_given


@require_http_methods(["GET", "HEAD", "POST"])
def flat(request: HttpRequest, code: str) -> HttpResponse:
    """Show the flat `code`, and take commands to its loads."""
    node = access.node_for(person(request), code)
    rights = access.rights_on(person(request), node)
    view = part_view(person(request), node) if Right.LIVE in rights else None
    form = switch_form(request, view)
    if was_given(request, form):
        return redirect(f"{reverse('flat', args=[code])}#log-title")
    path = crumbs(person(request), node)
    context = {
        "node": {"code": node.code, "name": named(node.name)},
        "kind": words.word(words.NODE_KINDS, node.kind).capitalize(),
        "crumbs": path if len(path) > 1 else None,
        "points": _points(node) if Right.READINGS in rights else [],
        "form": form,
        "form_url": reverse("flat", args=[code]),
        **(_live(view) if view else {}),
    }
    return render(request, "cabinet/flat.html", context, status=status_of(form))


def _live(view: SiteView) -> dict[str, Any]:
    texts = view.picture(live.latest_status(view.site.id))
    return {
        "picture": texts,
        "loads": view.load_rows(texts),
        "log": view.log(commands_of(view.site)),
    }


def _points(node: NodeInfo) -> list[Any]:
    points = lookups.points_of(node, below=True)
    return meter_rows(points, states_of(points, site_clock().now()), node.timezone, {})
