"""One order to a supply: what will happen and whom it concerns, submitted, approved, cancelled."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.domain.supply import OPEN, OrderState, Refusal, checklist_of, refusals
from balans.storage import access, lookups, supply, supply_checks, supply_lists, supply_orders
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.records import NodeInfo, PointInfo
from balans.storage.supply_records import OrderInfo, SupplyRefusedError, checks_of
from balans.web.clock import site_clock
from balans.web.console.supply_view import effects_of, is_cancellable, order_view
from balans.web.points import about_point
from balans.web.shown import supply_words, words
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import Crumb, crumbs


@dataclass(slots=True)
class Visit:
    """One visit of one person to an order."""

    request: HttpRequest
    user: Author
    order: OrderInfo
    point: PointInfo
    node: NodeInfo
    now: datetime

    @property
    def why(self) -> str:
        """What the person gives as a reason."""
        return self.request.POST.get("why", "")


@require_http_methods(["GET", "HEAD", "POST"])
def supply_order(request: HttpRequest, code: str) -> HttpResponse:
    """Show the order `code`, or do what a form of the page asks for."""
    user = person(request)
    order = supply_lists.order_for(user, code)
    point = access.point_for(user, order.point_code, Right.AUDIT)
    visit = Visit(request, user, order, point, lookups.node(point.node_id), site_clock().now())
    trouble = ""
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            raise BadRequest("no such action")
        try:
            action(visit)
            return redirect(reverse("supply-order", args=[code]))
        except SupplyRefusedError as error:
            trouble = words.word(supply_words.REFUSALS, error.code)
            visit.order = supply_lists.order_for(user, code)
    return _page(visit, trouble)


def _page(visit: Visit, trouble: str) -> HttpResponse:
    order, node = visit.order, visit.node
    situation = supply_checks.situation_of(visit.point, visit.now)
    facts = supply_orders.facts_for(visit.user, order.code, visit.now)
    switches = Right.SUPPLY in access.rights_on(visit.user, node)
    own = order.user_id == visit.user.pk
    ticked = set(visit.request.POST.getlist("check"))
    path = crumbs(visit.user, node, named(visit.point.name))
    back = reverse("point-supply", args=[visit.point.code])
    context: dict[str, Any] = {
        "order": order_view(order, node.timezone),
        "point": about_point(visit.point, node),
        "crumbs": [*path[:-1], Crumb(named(visit.point.name), back), Crumb(_("Order"))],
        "back": back,
        "trouble": trouble,
        "effects": effects_of(order, situation.device, node, visit.now),
        "customers": supply.customers_of(visit.point, visit.now),
        "place": named(node.name),
        "faults": [words.word(words.EVENT_KINDS, kind) for kind in situation.faults],
        "moved": situation.moved,
        "protected": Refusal.PROTECTED in refusals(facts),
        "checklist": [],
        "is_draft": order.state == OrderState.DRAFT,
        "under_way": order.state in OPEN,
        "decides": switches and order.state == OrderState.WAITING and not own,
        "waits_for_other": own and order.state == OrderState.WAITING,
        "cancels": switches
        and is_cancellable(order)
        and (own or order.state != OrderState.WAITING),
    }
    if context["is_draft"]:
        context["checklist"] = [
            (check.value, words.word(supply_words.CHECKS, check), check.value in ticked)
            for check in checklist_of(facts)
        ]
    status = 422 if trouble else 200
    return render(visit.request, "console/supply_order.html", context, status=status)


def _submit(visit: Visit) -> None:
    confirmed = checks_of(visit.request.POST.getlist("check"))
    done = supply_orders.submit(visit.user, visit.order.code, confirmed, visit.now)
    _say(visit, done)


def _approve(visit: Visit) -> None:
    _say(visit, supply_orders.approve(visit.user, visit.order.code, visit.now))


def _decline(visit: Visit) -> None:
    supply_orders.decline(visit.user, visit.order.code, visit.why, visit.now)
    messages.success(visit.request, _("The order is refused."))


def _cancel(visit: Visit) -> None:
    supply_orders.cancel(visit.user, visit.order.code, visit.why, visit.now)
    messages.success(visit.request, _("The order is cancelled."))


def _say(visit: Visit, order: OrderInfo) -> None:
    texts = {
        OrderState.WAITING: _("The order waits for a second person."),
        OrderState.APPROVED: _("The order is on its way."),
        OrderState.REFUSED: _("A rule refused the order."),
    }
    refused = order.state == OrderState.REFUSED
    (messages.error if refused else messages.success)(visit.request, texts[order.state])


ACTIONS: Final[dict[str, Callable[[Visit], None]]] = {
    "submit": _submit,
    "approve": _approve,
    "decline": _decline,
    "cancel": _cancel,
}
