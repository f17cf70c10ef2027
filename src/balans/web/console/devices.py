"""The hubs and modules of a place and all below it, each leading to its own page."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from balans.core.words import DeviceKind
from balans.storage import access, device_list
from balans.storage.access import Right
from balans.storage.device_list import ListedDevice
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

SEARCH_MAX: Final = 64


@require_safe
def devices(request: HttpRequest, code: str) -> HttpResponse:
    """Show the devices of the node `code`."""
    user = person(request)
    node = access.node_for(user, code, Right.REGISTRY)
    search = request.GET.get("q", "").replace("\0", "").strip()[:SEARCH_MAX]
    number = request.GET.get("page", "")
    asked = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    page = device_list.devices_under(node, asked, search)
    context = {
        "node": node,
        "title": named(node.name),
        "crumbs": crumbs(user, node, _("Devices")),
        "rows": [_row(one) for one in page.devices],
        "search": search,
        "page": page,
        "before": page.number - 1,
        "after": page.number + 1 if page.number < page.last else 0,
        "where": _("Page %(number)s of %(last)s")
        % {"number": decimal(page.number, 0), "last": decimal(page.last, 0)},
    }
    return render(request, "console/devices.html", context)


def _row(one: ListedDevice) -> dict[str, Any]:
    is_hub = one.kind == DeviceKind.HUB
    count = {"count": decimal(one.meters, 0)}
    if is_hub:
        text = ngettext("%(count)s module", "%(count)s modules", one.meters) % count
        notes = [text, _("runs load control") if one.controls else ""]
    else:
        text = ngettext("%(count)s meter", "%(count)s meters", one.meters) % count
        notes = [text, _("switching adapter") if one.has_adapter else ""]
    return {
        "name": f"{_('Hub') if is_hub else _('Module')} {one.code}",
        "url": reverse("hub" if is_hub else "module", args=[one.code]),
        "place": named(one.place_name),
        "notes": ", ".join(note for note in notes if note),
        "hub": one.hub,
        "unheard": not is_hub and not one.hub,
    }
