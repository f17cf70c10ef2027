"""Devices that announced themselves: accepted in two steps, refused, taken back."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from balans.core.words import FoundState, Phase, Resource
from balans.storage import access, found_devices, mounting, mounting_places, prepared, sent_forms
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.found_devices import FoundDevice, NotFoundError
from balans.storage.mounting import Mounted, MountRefusedError
from balans.web.clock import site_clock
from balans.web.console.asking import ask, is_confirmed
from balans.web.console.mount import place_choices
from balans.web.console.mount_form import MountForm
from balans.web.console.mount_words import answer_of, answer_shown
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import Crumb

STATES: Final = {
    "found": FoundState.FOUND,
    "accepted": FoundState.ACCEPTED,
    "refused": FoundState.REFUSED,
}


@require_http_methods(["GET", "HEAD", "POST"])
def found(request: HttpRequest) -> HttpResponse:
    """Show what was found in reach of the person, and refuse or take back a module."""
    user = person(request)
    if request.method == "POST":
        return _decide(request, user)
    state = STATES.get(request.GET.get("state", "found"), FoundState.FOUND)
    devices = found_devices.listed(user, state)
    zones = {site.code: site.timezone for site in mounting_places.sites_of(user)}
    context = {
        "state": state.value,
        "tabs": [
            ("found", _("Waiting")),
            ("accepted", _("Accepted")),
            ("refused", _("Refused")),
        ],
        "rows": [_row(one, zones.get(one.site, ZoneInfo("UTC"))) for one in devices],
        "prepared": sum(one.done_at is None for one in prepared.listed(user)),
        "may": bool(zones) or bool(access.granted_paths(user, Right.REGISTRY)),
    }
    return render(request, "console/found.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, code: str) -> HttpResponse:
    """Accept the found module `code`: first say where it hangs and what it counts, then confirm."""
    user = person(request)
    device = _device(user, code)
    site = access.node_for(user, device.site, Right.REGISTRY)
    places = mounting_places.places_under(site)
    if request.method == "POST":
        form = MountForm.of(request.POST.dict())
        form.values["module"] = code
        answer = _accepted(request, user, form)
        if answer is not None:
            return answer
    else:
        form = MountForm.blank({}, module=code, adapter="on" if device.has_adapter else "")
        known = prepared.prepared_module(user, int(code))
        if known is not None:
            form.values["place"] = known.place
            for one in known.inputs:
                form.fill_input(one)
    context = {
        "device": _row(device, site.timezone),
        "crumbs": _crumbs(_("Module %(serial)s") % {"serial": code}),
        "form": form,
        "inputs": form.inputs[: 2 if device.has_adapter else device.inputs or 3],
        "places": list(place_choices(places)),
        "resources": [(one.value, words.word(words.RESOURCES, one)) for one in Resource],
        "phases": [(phase.value, words.word(words.PHASES, phase)) for phase in Phase],
    }
    status = 422 if form.errors else 200
    return render(request, "console/accept.html", context, status=status)


def _accepted(request: HttpRequest, user: Author, form: MountForm) -> HttpResponse | None:
    """Ask or do what the form says; None where it is wrong, then its errors say why."""
    order = form.order()
    if order is None:
        return None
    now = site_clock().now().replace(microsecond=0)
    try:
        if is_confirmed(request):
            answer = sent_forms.once(
                user, form.token, now, lambda: answer_of("", mounting.mount(user, order, now))
            )
            place = answer_shown(answer)["title"]
            messages.success(request, _("The module is accepted: %(place)s.") % {"place": place})
            return redirect(reverse("module", args=[order.serial]))
        would = mounting.tried(lambda: mounting.mount(user, order, now))
    except MountRefusedError as error:
        form.refuse(error)
        return None
    except (NotVisibleError, ForbiddenError):
        form.errors["place"] = _("You may not mount there.")
        return None
    title = _("Accept module %(serial)s?") % {"serial": order.serial}
    path = _crumbs(title)
    return ask(request, title, list(_effects(would)), reverse("found"), path)


def _effects(would: Mounted) -> Iterator[str]:
    yield _("The module hangs at %(place)s from now on, and its readings count there.") % {
        "place": named(would.place_name)
    }
    for one in would.inputs:
        values = {
            "input": one.number,
            "resource": words.word(words.RESOURCES, one.resource),
            "meter": one.meter,
            "point": one.point,
        }
        if one.new_point:
            yield (
                _("Input %(input)s: %(resource)s, meter %(meter)s at the new point %(point)s.")
                % values
            )
        else:
            yield _("Input %(input)s: %(resource)s, meter %(meter)s at point %(point)s.") % values
    if not would.inputs:
        yield _("No input counts a meter yet.")


def _decide(request: HttpRequest, user: Author) -> HttpResponse:
    code, action = request.POST.get("module", ""), request.POST.get("action", "")
    device = _device(user, code)
    now = site_clock().now()
    try:
        if action == "refuse":
            found_devices.refuse(user, int(device.code), request.POST.get("reason", ""), now)
            messages.success(request, _("Module %(serial)s is refused.") % {"serial": code})
        elif action == "take_back":
            found_devices.take_back(user, int(device.code), now)
            messages.success(request, _("Module %(serial)s waits again.") % {"serial": code})
        else:
            raise BadRequest("no such action")
    except NotFoundError:
        messages.error(request, _("Module %(serial)s is registered by now.") % {"serial": code})
    return redirect("found")


def _device(user: Author, code: str) -> FoundDevice:
    device = None
    if code.isascii() and code.isdigit() and len(code) <= 10:
        device = found_devices.found_module(user, int(code))
    if device is None:
        raise NotVisibleError(f"module {code[:20]}: not found")
    return device


def _crumbs(page: str) -> list[Crumb]:
    return [Crumb(_("Found devices"), reverse("found")), Crumb(page)]


def _row(device: FoundDevice, zone: ZoneInfo) -> dict[str, Any]:
    inputs = (
        ngettext("%(count)s input", "%(count)s inputs", device.inputs)
        % {"count": decimal(device.inputs, 0)}
        if device.inputs
        else ""
    )
    adapter = _("switching adapter") if device.has_adapter else ""
    made = " ".join(text for text in (device.model, device.software) if text)
    return {
        "code": device.code,
        "url": reverse("found-accept", args=[device.code]),
        "module": reverse("module", args=[device.code]),
        "what": ", ".join(text for text in (inputs, adapter, made) if text),
        "hub": device.hub,
        "site": named(device.site_name),
        "first": moment(device.first_seen, zone),
        "last": moment(device.last_seen, zone),
        "heard": ngettext("heard %(count)s time", "heard %(count)s times", device.n)
        % {"count": decimal(device.n, 0)},
        "decided": _decided(device.decided_at, device.decided_by, zone),
        "reason": device.reason,
    }


def _decided(at: datetime | None, author: str, zone: ZoneInfo) -> str:
    if at is None:
        return ""
    return _("%(author)s, %(time)s") % {"author": author, "time": moment(at, zone)}
