"""The supply of a metering point: its state, its orders, and the first step of a new one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from balans.domain.supply import (
    Contact,
    OrderState,
    Protection,
    ReconnectMode,
    Refusal,
    SupplyAction,
    SupplyKind,
    SupplyReason,
)
from balans.storage import access, lookups, supply, supply_checks, supply_lists, supply_orders
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.records import NodeInfo, PointInfo
from balans.storage.supply_checks import Situation
from balans.storage.supply_orders import Wish
from balans.storage.supply_records import OrderInfo, SupplyRefusedError
from balans.web.clock import site_clock
from balans.web.console.asking import ask, is_confirmed
from balans.web.console.supply_view import device_view, order_view, protection_view
from balans.web.points import about_point
from balans.web.shown import supply_words, words
from balans.web.shown.fields import LocalTime
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

TTLS: Final = {
    "15": lazy("15 minutes"),
    "60": lazy("1 hour"),
    "360": lazy("6 hours"),
    "1440": lazy("a day"),
}
"""How long an order holds once it is due [min]."""
FIELD_OF: Final = {Refusal.TEXT: "text", Refusal.NOTICE: "not_before", Refusal.TTL: "ttl"}
"""Where a refusal is shown; what belongs to no field stands above the form."""
OFF: Final = frozenset({Contact.OFF, Contact.ARMED})
WAITING: Final = frozenset({Contact.ARMED, Contact.UNKNOWN})
"""A contact that says something else soon."""
UNDER_WAY_MS, UNKNOWN_MS = "1000", "5000"
REASON: Final = lazy("Say why, in 1 to 500 letters.")


def choices(table: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the words of a table as choices of a field."""
    return [(str(key), text) for key, text in table.items()]


class OrderForm(forms.Form):
    """The first step: what, why, and from when."""

    action = forms.ChoiceField(choices=choices(supply_words.ACTIONS))
    reason = forms.ChoiceField(choices=choices(supply_words.REASONS))
    text = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": REASON},
    )
    ttl = forms.ChoiceField(choices=choices(TTLS), initial="60")

    def __init__(self, point: "Visit", data: Any = None) -> None:
        first = {"action": point.likely, "reason": point.ceased}
        super().__init__(data, initial=first, auto_id="id_order_%s")
        self.fields["not_before"] = LocalTime(point.node.timezone, required=False)

    def wish(self) -> Wish:
        """Return what is wanted, once the form is valid."""
        given = self.cleaned_data
        return Wish(
            action=SupplyAction(given["action"]),
            reason=SupplyReason(given["reason"]),
            text=given["text"],
            ttl=timedelta(minutes=int(given["ttl"])),
            not_before=given["not_before"],
        )


class DeviceForm(forms.Form):
    """Which module interrupts the supply, by what, and how it comes back."""

    module = forms.ChoiceField()
    kind = forms.ChoiceField(choices=choices(supply_words.KINDS))
    reconnect = forms.ChoiceField(choices=choices(supply_words.MODES))

    def __init__(self, serials: list[int], data: Any = None) -> None:
        super().__init__(data, auto_id="id_device_%s")
        field = self.fields["module"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(str(serial), str(serial)) for serial in serials]


class ProtectionForm(forms.Form):
    """Why a point is protected, or no more."""

    kind = forms.ChoiceField(choices=choices(supply_words.PROTECTIONS), required=False)
    reason = forms.CharField(max_length=500, error_messages={"required": REASON})

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="id_protection_%s")


@dataclass(slots=True)
class Visit:
    """One visit of one person to the supply of a point."""

    request: HttpRequest
    user: Author
    point: PointInfo
    node: NodeInfo
    rights: frozenset[Right]
    now: datetime
    likely: str = SupplyAction.DISCONNECT.value
    ceased: str = SupplyReason.NON_PAYMENT.value
    trouble: str = ""

    @property
    def url(self) -> str:
        """The address of this page."""
        return reverse("point-supply", args=[self.point.code])

    def done(self, text: str) -> HttpResponse:
        """Say that it is done, on the page itself."""
        messages.success(self.request, text)
        return redirect(self.url)


@dataclass(slots=True)
class Forms:
    """The forms of the page, filled in from what was sent."""

    order: OrderForm
    device: DeviceForm
    protection: ProtectionForm


Answer = HttpResponse | None
"""None: show the page itself, with what is wrong in its forms."""


@require_http_methods(["GET", "HEAD", "POST"])
def point_supply(request: HttpRequest, code: str) -> HttpResponse:
    """Show the supply of the point `code`, or do what a form of the page asks for."""
    user = person(request)
    point = access.point_for(user, code, Right.AUDIT)
    node = lookups.node(point.node_id)
    visit = Visit(request, user, point, node, access.rights_on(user, node), site_clock().now())
    situation = supply_checks.situation_of(point, visit.now)
    orders = supply_lists.orders_of(point)
    if situation.device is not None and situation.device.contact in OFF:
        visit.likely = SupplyAction.RECONNECT.value
        visit.ceased = next((one.reason.value for one in orders if _is_cut(one)), visit.ceased)
    form = _forms(visit)
    if request.method == "POST":
        answer = _act(visit, form)
        if answer is not None:
            return answer
    wrong = visit.trouble or any(one.errors for one in (form.order, form.device, form.protection))
    context = {
        "point": about_point(point, node),
        "tab": "supply",
        "place": {"code": node.code},
        "crumbs": crumbs(user, node, named(point.name)),
        "here": visit.url,
        "trouble": visit.trouble,
        "device": device_view(situation.device, node.timezone),
        "faults": [words.word(words.EVENT_KINDS, kind) for kind in situation.faults],
        "moved": situation.moved,
        "looks": _looks(situation),
        "customers": supply.customers_of(point, visit.now),
        "protections": [protection_view(p, node.timezone) for p in supply.protections_of(point)],
        "protected": situation.protection is not None,
        "keeps_protection": supply.protection_of(point) is not None,
        "orders": [order_view(order, node.timezone) for order in orders],
        "is_open": situation.is_open,
        "order_form": form.order if Right.SUPPLY in visit.rights and situation.device else None,
        "device_form": form.device,
        "protection_form": form.protection,
        "keeps": Right.REGISTRY in visit.rights,
    }
    return render(request, "console/supply.html", context, status=422 if wrong else 200)


def _is_cut(order: OrderInfo) -> bool:
    return order.action == SupplyAction.DISCONNECT and order.state == OrderState.CONFIRMED


def _looks(situation: Situation) -> str:
    """Return how often the page looks whether it is so still [ms]; empty: it waits for nothing."""
    if situation.is_open:
        return UNDER_WAY_MS
    waits = situation.device is not None and situation.device.contact in WAITING
    return UNKNOWN_MS if waits else ""


@require_safe
def open_orders(request: HttpRequest) -> HttpResponse:
    """Show the orders under way where the person may switch supplies."""
    user = person(request)
    if not access.granted_paths(user, Right.SUPPLY):
        raise PermissionDenied("no right to switch supplies anywhere")
    rows = []
    for order in supply_lists.open_orders(user):
        node = lookups.node(order.node_id)
        own = order.user_id == user.pk
        row = order_view(order, node.timezone) | {"place": named(node.name)}
        waits = order.state == OrderState.WAITING
        rows.append(row | {"to_approve": waits and not own, "own": own})
    waiting = [row for row in rows if row["to_approve"]]
    others = [row for row in rows if not row["to_approve"]]
    places = [
        {"name": named(one.name), "url": reverse("node-supply", args=[one.code])}
        for one in access.top_nodes(user, Right.SUPPLY)
    ]
    context = {"waiting": waiting, "others": others, "places": places}
    return render(request, "console/supply_orders.html", context)


def _forms(visit: Visit) -> Forms:
    sent = visit.request.POST
    action = sent.get("do")
    return Forms(
        OrderForm(visit, sent if action == "draft" else None),
        DeviceForm(supply.adapters_near(visit.point), sent if action == "add_device" else None),
        ProtectionForm(sent if action in {"protect", "unprotect"} else None),
    )


def _act(visit: Visit, form: Forms) -> Answer:
    action = ACTIONS.get(visit.request.POST.get("do", ""))
    if action is None:
        raise BadRequest("no such action")
    right, work = action
    if right not in visit.rights:
        raise PermissionDenied("no right to do this here")
    try:
        return work(visit, form)
    except SupplyRefusedError as error:
        text = words.word(supply_words.REFUSALS, error.code)
        field = FIELD_OF.get(Refusal(error.code)) if error.code in set(Refusal) else None
        if field is not None and form.order.is_bound:
            form.order.add_error(field, text)
        else:
            visit.trouble = text
        return None


def _draft(visit: Visit, form: Forms) -> Answer:
    if not form.order.is_valid():
        return None
    made = supply_orders.draft(visit.user, visit.point.code, form.order.wish(), visit.now)
    return redirect(reverse("supply-order", args=[made.code]))


def _add_device(visit: Visit, form: Forms) -> Answer:
    if not form.device.is_valid():
        visit.trouble = words.word(supply_words.REFUSALS, "module")
        return None
    given = form.device.cleaned_data
    supply.add_device(
        visit.user,
        visit.point.code,
        int(given["module"]),
        SupplyKind(given["kind"]),
        ReconnectMode(given["reconnect"]),
        visit.now,
    )
    return visit.done(_("The device is registered. Its contact is asked for now."))


def _remove_device(visit: Visit, _form: Forms) -> Answer:
    if not is_confirmed(visit.request):
        effects = [_("The point can no longer be disconnected or reconnected from afar.")]
        path = crumbs(visit.user, visit.node, named(visit.point.name))
        return ask(visit.request, _("Is the device gone?"), effects, visit.url, path)
    supply.remove_device(visit.user, visit.point.code, visit.now)
    return visit.done(_("The device is taken away."))


def _protect(visit: Visit, form: Forms) -> Answer:
    if not form.protection.is_valid() or not form.protection.cleaned_data["kind"]:
        return None
    given = form.protection.cleaned_data
    kind = Protection(given["kind"])
    supply.protect(visit.user, visit.point.code, kind, given["reason"], visit.now)
    return visit.done(_("The point is protected."))


def _unprotect(visit: Visit, form: Forms) -> Answer:
    if not form.protection.is_valid():
        return None
    reason = form.protection.cleaned_data["reason"]
    supply.unprotect(visit.user, visit.point.code, reason, visit.now)
    return visit.done(_("The protection has ended."))


ACTIONS: Final[dict[str, tuple[Right, Callable[[Visit, Forms], Answer]]]] = {
    "draft": (Right.SUPPLY, _draft),
    "add_device": (Right.REGISTRY, _add_device),
    "remove_device": (Right.REGISTRY, _remove_device),
    "protect": (Right.REGISTRY, _protect),
    "unprotect": (Right.REGISTRY, _unprotect),
}
