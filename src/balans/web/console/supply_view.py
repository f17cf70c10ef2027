"""Orders and states of supplies as pages show them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _

from balans.domain.supply import OrderState, SupplyAction, SupplyReason
from balans.storage.records import NodeInfo
from balans.storage.supply_records import DeviceInfo, OrderInfo, ProtectionInfo, StepInfo
from balans.web.shown import supply_words, words
from balans.web.shown.days import full_moment
from balans.web.shown.names import named


def device_view(device: DeviceInfo | None, zone: ZoneInfo) -> dict[str, Any] | None:
    """Return what interrupts the supply, and what its contact says."""
    if device is None:
        return None
    return {
        "contact": words.word(supply_words.CONTACTS, device.contact),
        "tone": supply_words.CONTACT_TONES[device.contact],
        "since": full_moment(device.since, zone) if device.since else "",
        "by_hand": device.since is not None and not device.order,
        "kind": words.word(supply_words.KINDS, device.kind),
        "mode": words.word(supply_words.MODES, device.reconnect),
        "module": str(device.module),
        "hub": device.hub_code or "",
        "added": full_moment(device.added_at, zone),
        "author": device.author,
    }


def protection_view(one: ProtectionInfo, zone: ZoneInfo) -> dict[str, str]:
    """Return why a point is, or was, not cut off."""
    return {
        "kind": words.word(supply_words.PROTECTIONS, one.kind),
        "reason": one.reason,
        "author": one.author,
        "at": full_moment(one.at, zone),
        "ended": full_moment(one.ended_at, zone) if one.ended_at else "",
        "ended_by": one.ended_by,
        "end_reason": one.end_reason,
    }


def order_view(order: OrderInfo, zone: ZoneInfo) -> dict[str, Any]:
    """Return an order with its steps."""
    return {
        "url": reverse("supply-order", args=[order.code]),
        "action": words.word(supply_words.ACTIONS, order.action),
        "reason": words.word(supply_words.REASONS, order.reason),
        "text": order.text,
        "author": order.author,
        "point": named(order.point_name),
        "point_url": reverse("point-supply", args=[order.point_code]),
        "state": words.word(supply_words.STATES, order.state),
        "tone": supply_words.STATE_TONES[order.state],
        "detail": _detail(order.detail),
        "approver": order.approver,
        "created": full_moment(order.created, zone),
        "not_before": full_moment(order.not_before, zone) if order.not_before else "",
        "expires": full_moment(order.expires, zone),
        "moved": order.moved,
        "checks": [words.word(supply_words.CHECKS, check) for check in sorted(order.checks)],
        "steps": [_step(step, zone) for step in order.steps],
    }


def effects_of(
    order: OrderInfo, device: DeviceInfo | None, node: NodeInfo, now: datetime
) -> list[str]:
    """Return what will happen, in the order in which it does."""
    found = []
    if order.second_person:
        found.append(_("A second person must approve it before anything is sent."))
    if order.not_before is not None and order.not_before > now:
        found.append(
            _("It is sent on %(time)s at the earliest.")
            % {"time": full_moment(order.not_before, node.timezone)}
        )
    if order.action == SupplyAction.DISCONNECT:
        found.append(
            _("Everything behind this point is without supply, whatever is at work there.")
        )
        if order.reason == SupplyReason.DANGER:
            found.append(_("To reconnect it later two people are needed."))
    elif device is not None and device.reconnect == "manual_only":
        found.append(
            _("The command only clears the state: a person at the place must press or turn.")
        )
    else:
        found.append(_("Supply is there at once, whatever is switched on or open there."))
    found.append(_("What was sent cannot be cancelled; only an order of the other kind undoes it."))
    found.append(
        _("The order is void after %(time)s.") % {"time": full_moment(order.expires, node.timezone)}
    )
    return found


def _detail(text: str) -> str:
    return words.word(supply_words.DETAILS, text) if text else ""


def _step(step: StepInfo, zone: ZoneInfo) -> dict[str, str]:
    author = {"rule": _("a rule of the product"), "headend": _("head-end")}
    return {
        "state": words.word(supply_words.STATES, step.state),
        "tone": supply_words.STATE_TONES.get(step.state, "quiet"),
        "at": full_moment(step.at, zone),
        "author": author.get(step.author, step.author),
        "detail": _detail(step.detail),
    }


def is_cancellable(order: OrderInfo) -> bool:
    """Return whether the order may still be given up."""
    return order.state in {OrderState.DRAFT, OrderState.WAITING, OrderState.APPROVED}
