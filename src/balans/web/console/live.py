"""The live page of a building."""

from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from balans.storage import live as stored
from balans.web.clock import site_clock
from balans.web.shown.curves import MINUTE, on_grid, power_chart, power_twin
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.sites import SiteView, commands_of, site_view
from balans.web.shown.switch_form import status_of, switch_form, was_given

WINDOW: Final = timedelta(hours=6)


@require_http_methods(["GET", "HEAD", "POST"])
def live(request: HttpRequest, code: str) -> HttpResponse:
    """Show the site `code` as it is now, and take commands to its loads."""
    view = site_view(person(request), code)
    form = switch_form(request, view)
    if was_given(request, form):
        return redirect(f"{reverse('site-live', args=[code])}#log-title")
    texts = view.picture(stored.latest_status(view.site.id))
    context = {
        "site": view.site,
        "node": view.node,
        "crumbs": crumbs(person(request), view.site),
        "picture": texts,
        "loads": view.load_rows(texts),
        "log": view.log(commands_of(view.site)),
        "form": form,
        "form_url": reverse("site-live", args=[code]),
        **_chart(view),
    }
    return render(request, "console/live.html", context, status=status_of(form))


def _chart(view: SiteView) -> dict[str, Any]:
    last = stored.last_minute(view.site.id)
    end = (last or site_clock().now()) + MINUTE
    start = end - WINDOW
    minutes = stored.minutes(view.site.id, start, end)
    first = minutes[0].start if minutes else end
    chart = power_chart(on_grid(minutes, first, end), view.site.timezone)
    return {
        "twin": power_twin(minutes, view.site.timezone),
        "chart": {**chart, "live": True, "window": WINDOW.total_seconds(), "step": 60},
        "live_from": f"{last.timestamp():.0f}" if last else "",
    }
