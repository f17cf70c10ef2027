"""The first page: what a person most likely came for."""

from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from balans.core.words import NodeKind
from balans.storage import access
from balans.storage.access import Role
from balans.web.cabinet.views import flat
from balans.web.console.overview import overview
from balans.web.shown.people import person

ICON_AGE_S: Final = 24 * 3600


@login_not_required
@cache_control(max_age=ICON_AGE_S, public=True)
@require_safe
def favicon(_request: HttpRequest) -> HttpResponse:
    """Lead those who ask at the usual address, without reading the page, to the icon."""
    return redirect(static("balans/icon.svg"))


def home(request: HttpRequest) -> HttpResponse:
    """Show a consumer the own flat, an installer where to mount, anybody else the overview."""
    roles = access.roles_of(person(request))
    if roles == {Role.INSTALLER}:
        return redirect("mounting")
    if roles <= {Role.CONSUMER}:
        nodes = access.visible_nodes(person(request))
        if len(nodes) == 1 and nodes[0].kind == NodeKind.FLAT:
            return flat(request, nodes[0].code)
    return overview(request)
