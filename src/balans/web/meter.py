"""The meters of a metering point: what hung there when, and the change to another one."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods
from typing_extensions import override

from balans.core.errors import InputError
from balans.core.words import Resource
from balans.storage import access, exchange, lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.exchange import ExchangeRefusedError
from balans.storage.mountings import Mounting
from balans.storage.records import NodeInfo, PointInfo
from balans.usecases.exchange_meter import Exchange, NewMeter, OutputExchange
from balans.usecases.mount_order import parse_weight, weight_text
from balans.web.clock import site_clock
from balans.web.points import about_point, point_by_either
from balans.web.shown.days import full_moment
from balans.web.shown.fields import Figure, LocalTime, Pulses, local_text
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.usage import DIGITS, PER_UNIT, in_unit

FIELDS: Final = {
    "register_at_removal": "register_at_removal",
    "register_at_mount": "register_at_mount",
    "dial_at_removal": "dial_at_removal",
    "dial_at_mount": "dial_at_mount",
    "new meter": "serial",
    "old meter": "at",
    "time": "at",
    "channel": "channel",
}
"""Which field a finding belongs to, by what its place ends with."""


FLAWS: Final = {
    "same_meter": lazy("That is the old meter."),
    "too_early": lazy("The old meter came only later."),
    "range": lazy("This number is too large."),
    "dial_less": lazy("That is less than it showed when it was mounted."),
    "need_dial": lazy("Needed, since no module counts the pulses."),
    "need_register": lazy("Needed within an hour, or give what the old meter showed."),
    "future": lazy("This time is to come."),
    "resource": lazy("That meter measures something else."),
    "registered": lazy("That meter is registered with another pulse weight."),
    "elsewhere": lazy("That meter was mounted elsewhere at that time."),
    "no_channel": lazy("There is no such module or input."),
    "conflict": lazy("Another meter was on that input at that time."),
}


class ExchangeForm(forms.Form):
    """When, which meter comes, what both showed, and where the new one is connected."""

    serial = forms.RegexField(
        r"^\S(.{0,62}\S)?$",
        error_messages={
            "required": lazy("Give the serial number of the new meter."),
            "invalid": lazy("Give a serial number of 1 to 64 letters."),
        },
    )
    weight = forms.CharField(required=False, max_length=40)
    dial_at_removal = Figure(required=False)
    dial_at_mount = Figure(required=False)
    register_at_removal = Pulses(required=False)
    register_at_mount = Pulses(required=False)
    channel = forms.RegexField(
        r"^\d{1,10}-[123]$",
        required=False,
        error_messages={"invalid": lazy("Give module and input, such as 1234-1.")},
    )

    def __init__(self, resource: Resource, zone: ZoneInfo, now: datetime, data: Any = None) -> None:
        super().__init__(data, initial={"at": local_text(now, zone)}, auto_id="id_new_%s")
        self.fields["at"] = LocalTime(zone)
        self._resource = resource
        self._now = now

    def clean_weight(self) -> Fraction | None:
        """Return what a pulse is worth [Wh, varh or l]."""
        text = self.cleaned_data["weight"]
        if not text:
            return None
        try:
            return parse_weight(text, self._resource)
        except InputError as error:
            raise forms.ValidationError(
                _("“%(given)s”: give it as on the meter, such as 1000/kWh or 10 l.")
                % {"given": text}
            ) from error

    @override
    def clean(self) -> dict[str, Any]:
        """Take the present minute for now."""
        given: dict[str, Any] = self.cleaned_data
        at = given.get("at")
        if at is not None and self._now < at < self._now + timedelta(minutes=1):
            given["at"] = self._now
        return given

    def order(self, old: str, point: PointInfo) -> Exchange:
        """Return the exchange that is wanted, once the form is valid."""
        given = self.cleaned_data
        serial, _dash, number = given["channel"].partition("-")
        dials = {
            name: None if given[name] is None else given[name] * PER_UNIT
            for name in ("dial_at_removal", "dial_at_mount")
        }
        output = OutputExchange(
            point=point.code,
            register_at_removal=given["register_at_removal"],
            register_at_mount=given["register_at_mount"],
            channel=(int(serial), int(number)) if serial else None,
            **dials,
        )
        meter = NewMeter(serial=given["serial"], pulse_weight=given["weight"])
        return Exchange(old=old, new=meter, at=given["at"], outputs=(output,))


@require_http_methods(["GET", "HEAD", "POST"])
def meter(request: HttpRequest, code: str) -> HttpResponse:
    """Show which meters the point `code` had, and exchange one."""
    user = person(request)
    point = point_by_either(user, code, Right.REGISTRY)
    node = lookups.node(point.node_id)
    now = site_clock().now()
    rights = access.rights_on(user, node)
    may_change = Right.REGISTRY in rights
    form = None
    if may_change:
        sent = request.POST if request.method == "POST" else None
        form = ExchangeForm(point.resource, node.timezone, now, sent)
    if request.method == "POST":
        access.point_for(user, code, Right.REGISTRY)
        if form is not None and form.is_valid() and _exchanged(user, point, form, now):
            messages.success(request, _("The meter is exchanged. All sums follow it."))
            return redirect(reverse("point-meter", args=[code]))
    mountings = exchange.mountings_at(point)
    context = {
        "point": about_point(point, node),
        "tab": "meter",
        "sees_all": Right.READINGS in rights,
        "crumbs": crumbs(user, node, named(point.name)),
        "meters": _rows(mountings, point, node),
        "form": form if mountings else None,
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "balans/meter.html", context, status=status)


def _exchanged(user: Author, point: PointInfo, form: ExchangeForm, now: datetime) -> bool:
    at = form.cleaned_data["at"]
    old = next(
        (
            one.meter
            for one in exchange.mountings_at(point)
            if one.valid_from <= at and (one.valid_to is None or at < one.valid_to)
        ),
        None,
    )
    if old is None:
        form.add_error("at", _("No meter was mounted here at that time."))
        return False
    try:
        exchange.exchange_meter(user, form.order(old, point), now)
    except ExchangeRefusedError as error:
        for finding in error.findings:
            ends = (field for end, field in FIELDS.items() if finding.where.endswith(end))
            field = next(ends, None)
            form.add_error(field, str(FLAWS.get(finding.code, finding)))
        return False
    return True


def _rows(mountings: list[Mounting], point: PointInfo, node: NodeInfo) -> list[dict[str, Any]]:
    channels = exchange.channel_names([m.channel_id for m in mountings if m.channel_id])
    return [
        {
            "serial": one.meter,
            "start": full_moment(one.valid_from, node.timezone),
            "end": full_moment(one.valid_to, node.timezone) if one.valid_to else "",
            "weight": weight_text(one.pulse_worth, point.resource),
            "channel": channels.get(one.channel_id or 0, ""),
            "registers": [decimal(one.register_at_mount, 0), decimal(one.register_at_removal, 0)],
            "dials": [_dial(one.dial_at_mount), _dial(one.dial_at_removal)],
        }
        for one in mountings
    ]


def _dial(value: Any) -> str:
    return decimal(None if value is None else in_unit(Fraction(value)), DIGITS)
