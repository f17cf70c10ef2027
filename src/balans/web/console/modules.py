"""A module: what it counts, its history; replaced, moved, removed, always asked before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.core.errors import InputError
from balans.core.words import UNIT, DeviceKind
from balans.storage import access, device_history, mounting_places, remounting
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.mounting import MountRefusedError
from balans.storage.records import NodeInfo
from balans.storage.remounting import HangingMeter, ModuleInfo
from balans.usecases.mount_order import parse_dial
from balans.usecases.qr_text import parse_label
from balans.web.clock import site_clock
from balans.web.console.asking import ask, is_confirmed
from balans.web.console.deeds import deed_rows
from balans.web.console.mount import place_choices
from balans.web.console.mount_words import refusal_text
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import crumbs


@dataclass(slots=True)
class Visit:
    """One visit of one person to the page of a module; `errors` stand at fields."""

    request: HttpRequest
    user: Author
    module: ModuleInfo
    errors: dict[str, str]

    @property
    def address(self) -> str:
        """The page of the module."""
        return reverse("module", args=[self.module.serial])

    def dials(self) -> dict[str, Decimal]:
        """Return what the meters show, by serial number, as far as it was given."""
        found = {}
        for one in self.module.meters:
            text = self.request.POST.get(f"dial-{one.input}", "").strip()
            try:
                if text:
                    found[one.meter] = parse_dial(text)
            except InputError:
                self.errors[f"dial-{one.input}"] = _(
                    "“%(given)s” is no reading: give a number such as 123.456."
                ) % {"given": text[:40]}
        return found

    def ask(self, title: str, effects: list[str]) -> HttpResponse:
        """Ask whether the effects are wanted."""
        page = _("Module %(serial)s") % {"serial": self.module.serial}
        path = crumbs(self.user, self.module.place, page)
        return ask(self.request, title, effects, self.address, path)

    def done(self, text: str, serial: int | None = None) -> HttpResponse:
        """Say that it is done, on the page of the module that counts now."""
        messages.success(self.request, text)
        return redirect(reverse("module", args=[serial or self.module.serial]))


Answer = HttpResponse | None
"""None: show the page itself, with what is wrong in its fields."""


@require_http_methods(["GET", "HEAD", "POST"])
def module(request: HttpRequest, code: str) -> HttpResponse:
    """Show the module `code`, or do what a form of the page asks for."""
    user = person(request)
    if not (code.isascii() and code.isdigit() and len(code) <= 10):
        raise NotVisibleError(f"module {code[:20]}: not found")
    visit = Visit(request, user, remounting.module_for(user, int(code)), {})
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None:
            raise BadRequest("no such action")
        answer = action(visit)
        if answer is not None:
            return answer
    status = 422 if visit.errors else 200
    return render(request, "console/module.html", _page(visit), status=status)


def _page(visit: Visit) -> dict[str, Any]:
    module = visit.module
    zone = module.place.timezone
    rights = access.rights_on(visit.user, module.place)
    area = mounting_places.building_of(visit.user, module.place)
    return {
        "serial": str(module.serial),
        "place": {"code": module.place.code, "name": named(module.place.name)},
        "area": area,
        "hub": module.hub,
        "has_adapter": module.has_adapter,
        "removed": moment(module.removed_at, zone) if module.removed_at else "",
        "crumbs": crumbs(
            visit.user, module.place, _("Module %(serial)s") % {"serial": module.serial}
        ),
        "meters": [_meter(visit, one) for one in module.meters],
        "reads": Right.READINGS in rights,
        "audits": Right.AUDIT in rights,
        "supply": module.supply,
        "places": list(place_choices(mounting_places.places_under(area))),
        "deeds": deed_rows(device_history.module_history(module.id), zone),
        "given": visit.request.POST,
        "errors": visit.errors,
    }


def _meter(visit: Visit, one: HangingMeter) -> dict[str, Any]:
    return {
        "input": one.input,
        "meter": one.meter,
        "resource": words.word(words.RESOURCES, one.resource),
        "point": one.point,
        "phase": words.word(words.PHASES, one.phase) if one.phase else "",
        "since": moment(one.since, visit.module.place.timezone),
        "unit": words.word(words.UNITS, UNIT[one.resource]),
        "dial": visit.request.POST.get(f"dial-{one.input}", ""),
        "error": visit.errors.get(f"dial-{one.input}", ""),
    }


def _replace(visit: Visit) -> Answer:
    dials = visit.dials()
    text = visit.request.POST.get("successor", "").strip()
    try:
        label = parse_label(text)
    except InputError:
        label = None
    if label is None or label.kind != DeviceKind.MODULE:
        visit.errors["successor"] = _("Scan the label of the new module, or type its number.")
    if visit.errors or label is None:
        return None
    serial = visit.module.serial
    if not is_confirmed(visit.request):
        effects = [
            _("Module %(new)s counts what module %(old)s counted, from now on.")
            % {"new": label.serial, "old": serial},
            *_carried(visit, dials),
            *_of_supply(visit, _("It interrupts the supply of %(point)s in place of the old one.")),
            _("Module %(old)s is out of service; its readings stay.") % {"old": serial},
        ]
        return visit.ask(_("Replace module %(old)s?") % {"old": serial}, effects)
    try:
        remounting.replace_module(
            visit.user, serial, label.serial, site_clock().now().replace(microsecond=0), dials
        )
    except MountRefusedError as error:
        visit.errors["successor"] = refusal_text(error)
        return None
    return visit.done(_("The module is replaced."), label.serial)


def _move(visit: Visit) -> Answer:
    dials = visit.dials()
    code = visit.request.POST.get("place", "")
    place = _place(visit, code)
    if place is None or visit.errors:
        return None
    if not is_confirmed(visit.request):
        effects = [
            _("Module %(serial)s hangs at %(place)s from now on.")
            % {"serial": visit.module.serial, "place": named(place.name)},
            *_left(visit, dials),
            *_of_supply(visit, _gone()),
            _("What it counts there you say afterwards."),
        ]
        return visit.ask(_("Move this module?"), effects)
    try:
        remounting.move_module(visit.user, visit.module.serial, code, _now(), dials)
    except MountRefusedError as error:
        visit.errors["place"] = refusal_text(error)
        return None
    return visit.done(_("The module is moved."))


def _place(visit: Visit, code: str) -> NodeInfo | None:
    try:
        return access.node_for(visit.user, code, Right.REGISTRY)
    except (NotVisibleError, ForbiddenError):
        visit.errors["place"] = _("Choose the place.")
        return None


def _remove(visit: Visit) -> Answer:
    dials = visit.dials()
    if visit.errors:
        return None
    serial = visit.module.serial
    if not is_confirmed(visit.request):
        effects = [
            _("Module %(serial)s is out of service from now on; its readings stay.")
            % {"serial": serial},
            *_left(visit, dials),
            *_of_supply(visit, _gone()),
            _("When it announces itself again it is among the found devices."),
        ]
        return visit.ask(_("Remove module %(serial)s?") % {"serial": serial}, effects)
    try:
        remounting.remove_module(visit.user, serial, _now(), dials)
    except MountRefusedError as error:
        visit.errors["remove"] = refusal_text(error)
        return None
    return visit.done(_("The module is removed."))


def _now() -> Any:
    return site_clock().now().replace(microsecond=0)


def _of_supply(visit: Visit, text: str) -> Iterator[str]:
    """Yield what becomes of the point whose supply the module interrupts."""
    if visit.module.supply:
        yield text % {"point": visit.module.supply}


def _gone() -> str:
    return _("The supply of %(point)s can no longer be disconnected from afar.")


def _carried(visit: Visit, dials: dict[str, Decimal]) -> Iterator[str]:
    for one in visit.module.meters:
        if one.meter in dials:
            yield _("Meter %(meter)s goes on at %(dial)s %(unit)s.") % _dial(one, dials)
        else:
            yield _(
                "Meter %(meter)s goes on; what passes until the new module counts is known only"
                " if you give its reading."
            ) % {"meter": one.meter}


def _left(visit: Visit, dials: dict[str, Decimal]) -> Iterator[str]:
    for one in visit.module.meters:
        if one.meter in dials:
            text = _("Meter %(meter)s stays at %(point)s, uncounted from %(dial)s %(unit)s on.")
            yield text % _dial(one, dials)
        else:
            yield _("Meter %(meter)s stays at %(point)s, uncounted.") % {
                "meter": one.meter,
                "point": one.point,
            }


def _dial(one: HangingMeter, dials: dict[str, Decimal]) -> dict[str, Any]:
    return {
        "meter": one.meter,
        "point": one.point,
        "dial": f"{dials[one.meter]:f}",
        "unit": words.word(words.UNITS, UNIT[one.resource]),
    }


ACTIONS: Final[dict[str, Callable[[Visit], Answer]]] = {
    "replace": _replace,
    "move": _move,
    "remove": _remove,
}
