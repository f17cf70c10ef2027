"""Load control of a building: its tree of limits, its plan, who gives up what, and why."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from balans.storage import live as stored
from balans.storage import lookups, plans
from balans.web.clock import site_clock
from balans.web.shown.fairness import fairness_view
from balans.web.shown.limit_words import registered
from balans.web.shown.parts import parts_version
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.plan import Reading, plan_view
from balans.web.shown.sites import SiteView, commands_of, site_view


@require_safe
def control(request: HttpRequest, code: str) -> HttpResponse:
    """Show load control of the site `code`."""
    view = site_view(person(request), code)
    last = stored.latest_status(view.site.id)
    texts = view.picture(last)
    plan, now = plans.latest(view.site.id), site_clock().now()
    context = {
        "site": view.site,
        "node": view.node,
        "crumbs": crumbs(person(request), view.site, _("Load control")),
        "picture": texts,
        "tree": view.tree(last),
        "loads": view.load_rows(texts),
        "log": view.log(commands_of(view.site)),
        "limits": registered(lookups.limits_of_site(view.site, now), view.site, view.titles),
        "plan": _plan(view, plan, now),
        "parts": parts_version(last, plan.made if plan else None),
        "fairness": fairness_view(last.status if last else None, view.loads, view.places),
    }
    return render(request, "console/control.html", context)


def _plan(view: SiteView, plan: plans.StoredPlan | None, now: datetime) -> dict[str, Any] | None:
    zones = lookups.zones_of(view.site, now)
    titles = {load.name: view.title_of(load) for load in view.loads}
    currency = zones[0].currency if zones else ""
    return plan_view(plan, Reading(view.site.timezone, titles, currency, now))
