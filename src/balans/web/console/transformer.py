"""The transformer of a building under uncoordinated load, and with some or all taking part."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from balans.storage import live as stored
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.sites import site_view

STUDY = "participation"


@require_safe
def transformer(request: HttpRequest, code: str) -> HttpResponse:
    """Show the study of the transformer of the site `code`."""
    view = site_view(person(request), code)
    study = stored.get_study(view.site.id, STUDY)
    context = {
        "site": view.site,
        "crumbs": crumbs(person(request), view.site, _("Transformer")),
        "study": study and None,
    }
    return render(request, "console/transformer.html", context)
