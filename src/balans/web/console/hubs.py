"""Hubs: accepted by the secret of their label, replaced, moved, removed, with their history."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.core.errors import InputError
from balans.core.text import printable
from balans.core.words import DeviceKind
from balans.protocols.claim import plain_secret
from balans.protocols.fields import NAME
from balans.storage import access, device_history, hub_state, hubs, mounting_places
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.hubs import HubOrder
from balans.storage.mounting import MountRefusedError
from balans.usecases.qr_text import parse_label
from balans.web.clock import site_clock
from balans.web.console.asking import ask, is_confirmed
from balans.web.console.deeds import deed_rows
from balans.web.console.mount_words import refusal_text
from balans.web.shown.days import moment
from balans.web.shown.hub_words import hub_words
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import Crumb, crumbs


@require_http_methods(["GET", "HEAD", "POST"])
def claim(request: HttpRequest) -> HttpResponse:
    """Accept a hub: first show that it is the right one, then make it the tenant's."""
    user = person(request)
    sites = mounting_places.sites_of(user)
    errors: dict[str, str] = {}
    if request.method == "POST":
        order = _order(request, errors)
        if order is not None and not order.site:
            errors["site"] = _("Choose the site.")
        if order is not None and not errors:
            answer = _claimed(request, user, order, errors)
            if answer is not None:
                return answer
    context = {
        "crumbs": [Crumb(_("Found devices"), reverse("found")), Crumb(_("Accept a hub"))],
        "sites": [{"code": site.code, "name": named(site.name)} for site in sites],
        "given": request.POST,
        "errors": errors,
    }
    return render(request, "console/claim.html", context, status=422 if errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def hub(request: HttpRequest, code: str) -> HttpResponse:
    """Show the hub `code` with its history; replace, move or remove it."""
    user = person(request)
    hub_id, site = hubs.hub_for(user, code)
    errors: dict[str, str] = {}
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None:
            raise BadRequest("no such action")
        answer = action(request, user, code, errors)
        if answer is not None:
            return answer
    sites = mounting_places.sites_of(user)
    context = {
        "code": code,
        "site": {"code": site.code, "name": named(site.name)},
        "crumbs": crumbs(user, site, code),
        "sites": [{"code": one.code, "name": named(one.name)} for one in sites],
        "state": hub_words(hub_state.state_of(hub_id, site_clock().now()), site.timezone),
        "deeds": deed_rows(device_history.hub_history(hub_id), site.timezone),
        "given": request.POST,
        "errors": errors,
    }
    return render(request, "console/hub.html", context, status=422 if errors else 200)


def _order(request: HttpRequest, errors: dict[str, str]) -> HubOrder | None:
    """Return what the form asks for; the label tells code and secret, or they are typed."""
    text, secret = (request.POST.get(name, "").strip() for name in ("label", "secret"))
    try:
        label = parse_label(text) if ":" in text else None
    except InputError:
        label = None
        errors["label"] = _("This is no label of a hub: expected BALANS:H:code:secret.")
    if label is not None and label.kind != DeviceKind.HUB:
        errors["label"] = _("This is the label of a module, not of a hub.")
    code = label.code if label is not None else text
    if not errors and not NAME.fullmatch(code):
        errors["label"] = _("Scan the label of the hub, or type its code.")
    given = label.secret if label is not None and label.secret else secret
    try:
        given = plain_secret(given)
    except InputError:
        errors.setdefault(
            "secret", _("Give the secret of the label: 16 or more letters and digits.")
        )
    if errors:
        return None
    return HubOrder(
        code=code,
        secret=given,
        site=request.POST.get("site", ""),
        name=printable(request.POST.get("name", "").strip())[: hubs.NAME_MAX],
        controls=bool(request.POST.get("controls")),
    )


def _claimed(
    request: HttpRequest, user: Author, order: HubOrder, errors: dict[str, str]
) -> HttpResponse | None:
    now = site_clock().now()
    try:
        if is_confirmed(request):
            hubs.claim_hub(user, order, now)
            messages.success(request, _("Hub %(hub)s is accepted.") % {"hub": order.code})
            return redirect(reverse("hub", args=[order.code]))
        site = access.node_for(user, order.site, Right.REGISTRY)
        waiting = hubs.waiting_hub(order.code, order.secret, now)
    except MountRefusedError as error:
        errors["label"] = refusal_text(error)
        return None
    except (NotVisibleError, ForbiddenError):
        errors["site"] = _("You may not register a hub there.")
        return None
    made = " ".join(text for text in (waiting.model, waiting.software) if text)
    effects = [
        _("It is the right one: %(hub)s, last heard %(time)s.")
        % {"hub": f"{order.code} {made}".strip(), "time": moment(waiting.last_seen, site.timezone)},
        _("It serves %(site)s from now on; what it sends is stored here.")
        % {"site": named(site.name)},
    ]
    if order.controls:
        effects.append(_("It runs load control of %(site)s.") % {"site": named(site.name)})
    title = _("Accept hub %(hub)s?") % {"hub": order.code}
    path = [Crumb(_("Found devices"), reverse("found")), Crumb(title)]
    return ask(request, title, effects, reverse("claim"), path)


def _replace(
    request: HttpRequest, user: Author, code: str, errors: dict[str, str]
) -> HttpResponse | None:
    order = _order(request, errors)
    if order is None:
        return None
    now = site_clock().now()
    try:
        if is_confirmed(request):
            hubs.replace_hub(user, code, order, now)
            text = _("Hub %(new)s has taken the place of %(old)s.")
            messages.success(request, text % {"new": order.code, "old": code})
            return redirect(reverse("hub", args=[order.code]))
        hubs.waiting_hub(order.code, order.secret, now)
    except MountRefusedError as error:
        errors["label"] = refusal_text(error)
        return None
    effects = [
        _("Hub %(new)s takes over site, modules and load control of %(old)s.")
        % {"new": order.code, "old": code},
        _("What %(old)s still holds and has not sent is lost: let it send first.") % {"old": code},
    ]
    return _asked(request, user, code, _("Replace this hub?"), effects)


def _move(
    request: HttpRequest, user: Author, code: str, errors: dict[str, str]
) -> HttpResponse | None:
    place = request.POST.get("site", "")
    site = next((one for one in mounting_places.sites_of(user) if one.code == place), None)
    if site is None:
        errors["site"] = _("Choose the site.")
        return None
    if not is_confirmed(request):
        effects = [
            _("Hub %(hub)s serves %(site)s from now on.") % {"hub": code, "site": named(site.name)},
            _("Modules stay where they are registered."),
        ]
        return _asked(request, user, code, _("Move this hub?"), effects)
    try:
        hubs.move_hub(user, code, place, site_clock().now())
    except MountRefusedError as error:
        errors["site"] = refusal_text(error)
        return None
    messages.success(request, _("The hub is moved."))
    return redirect(reverse("hub", args=[code]))


def _remove(
    request: HttpRequest, user: Author, code: str, errors: dict[str, str]
) -> HttpResponse | None:
    del errors  # nothing can be wrong with a button
    if not is_confirmed(request):
        effects = [
            _("Nothing that hub %(hub)s sends is stored any more.") % {"hub": code},
            _("Its modules wait until another hub hears them; no hour is lost meanwhile."),
            _("Whoever holds its label can accept it again."),
        ]
        return _asked(request, user, code, _("Remove this hub?"), effects)
    hubs.remove_hub(user, code, site_clock().now())
    messages.success(request, _("The hub is removed."))
    return redirect("found")


def _asked(
    request: HttpRequest, user: Author, code: str, title: str, effects: list[str]
) -> HttpResponse:
    _hub_id, site = hubs.hub_for(user, code)
    return ask(request, title, effects, reverse("hub", args=[code]), crumbs(user, site, code))


Action = Callable[[HttpRequest, Author, str, dict[str, Any]], HttpResponse | None]
ACTIONS: Final[dict[str, Action]] = {"replace": _replace, "move": _move, "remove": _remove}
