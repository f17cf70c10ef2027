"""The first page: what a person most likely came for."""

from django.http import HttpRequest, HttpResponse

from balans.core.words import NodeKind
from balans.storage import access
from balans.storage.access import Role
from balans.web.cabinet.views import flat
from balans.web.console.overview import overview
from balans.web.shown.people import person


def home(request: HttpRequest) -> HttpResponse:
    """Show a consumer the own flat, and anybody else, or an owner of several, the overview."""
    if access.roles_of(person(request)) <= {Role.CONSUMER}:
        nodes = access.visible_nodes(person(request))
        if len(nodes) == 1 and nodes[0].kind == NodeKind.FLAT:
            return flat(request, nodes[0].code)
    return overview(request)
