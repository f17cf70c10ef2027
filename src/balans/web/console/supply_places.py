"""Supplies of a place: what its contacts say, and for what a second person is needed."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from balans.domain.supply import SupplyReason
from balans.storage import access, lookups, supply
from balans.storage.access import Right
from balans.web.clock import site_clock
from balans.web.console.supply_view import device_view
from balans.web.shown import supply_words, words
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

CHOICES = [
    (str(reason), text)
    for reason, text in supply_words.REASONS.items()
    if reason != SupplyReason.DANGER
]
"""Danger has a rule of its own."""


class RuleForm(forms.Form):
    """For which reasons a second person is needed."""

    reasons = forms.MultipleChoiceField(choices=CHOICES, required=False)


@require_http_methods(["GET", "HEAD", "POST"])
def node_supply(request: HttpRequest, code: str) -> HttpResponse:
    """Show the supplies at the node `code` and below, and let who gives rights set the rule."""
    user = person(request)
    node = access.node_for(user, code, Right.AUDIT)
    sets = Right.ACCESS in access.rights_on(user, node)
    chosen = supply.second_person_for(node)
    if request.method == "POST":
        if not sets:
            raise PermissionDenied("no right to set this here")
        form = RuleForm(request.POST)
        if form.is_valid():
            reasons = [SupplyReason(word) for word in form.cleaned_data["reasons"]]
            supply.set_second_person(user, code, reasons, site_clock().now())
            messages.success(request, _("The rule is set."))
            return redirect(reverse("node-supply", args=[code]))
    rows = []
    for point, device in supply.devices_below(node):
        place = lookups.node(point.node_id)
        about = device_view(device, place.timezone) or {}
        url = reverse("point-supply", args=[point.code])
        rows.append(about | {"point": named(point.name), "place": named(place.name), "url": url})
    context = {
        "name": named(node.name),
        "crumbs": crumbs(user, node, _("Supply")),
        "rows": rows,
        "sets": sets,
        "rule": [words.word(supply_words.REASONS, reason) for reason in sorted(chosen)],
        "choices": [(value, text, value in chosen) for value, text in CHOICES],
    }
    return render(request, "console/supply_places.html", context)
