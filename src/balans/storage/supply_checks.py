"""What is checked by itself before a supply is switched. Call inside a scope."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING, EventKind
from balans.domain.supply import Contact, Protection
from balans.storage import lookups, supply
from balans.storage.events import EventQuery, events_of
from balans.storage.findings import Noticed, Severity
from balans.storage.models import MeterMounting, SupplyOrder
from balans.storage.readings import registers
from balans.storage.records import PointInfo
from balans.storage.supply_records import DeviceInfo

FAULTS: Final = (EventKind.LINE_BREAK, EventKind.SHORT_CIRCUIT)
LOOK_BACK: Final = timedelta(days=2)
MOVED_BACK: Final = timedelta(days=60)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of the supply of a point now.

    `faults` are those that its input reports still; `moved` how many pulses came since it was
    switched off, None: it is on, or not known; `was_dangerous` whether it was disconnected for
    danger and not reconnected since.
    """

    device: DeviceInfo | None
    protection: Protection | None
    is_open: bool
    faults: tuple[EventKind, ...]
    moved: int | None
    was_dangerous: bool


def situation_of(point: PointInfo, now: datetime) -> Situation:
    """Return what is known of the supply of a point at `now`."""
    device = supply.device_of(point)
    return Situation(
        device,
        _protection(point),
        supply.is_open(point),
        faults_of(point, now),
        moved_since_off(point, device, now),
        was_dangerous(point),
    )


def _protection(point: PointInfo) -> Protection | None:
    own = supply.protection_of(point)
    if own is not None:
        return own.kind
    return Protection.VULNERABLE if supply.is_vulnerable(lookups.node(point.node_id)) else None


def faults_of(point: PointInfo, now: datetime) -> tuple[EventKind, ...]:
    """Return broken and short-circuited lines that the point's input reports still."""
    query = EventQuery(start=now - LOOK_BACK, end=now + HOUR, kinds=FAULTS)
    return tuple(sorted({one.kind for one in events_of(point, query, now) if one.lasts}))


def moved_since_off(point: PointInfo, device: DeviceInfo | None, now: datetime) -> int | None:
    """Return how many pulses came since the contact went off; None: it is not off, or unknown.

    The first full hour after that is the beginning, so that what was drawn before counts not.
    """
    if device is None or device.since is None or device.contact not in {Contact.OFF, Contact.ARMED}:
        return None
    mounted = MeterMounting.objects.filter(
        point_id=point.id, valid_to__isnull=True, channel_id__isnull=False
    ).first()
    if mounted is None or mounted.channel_id is None:
        return None
    start = max(device.since, mounted.valid_from, now - MOVED_BACK)
    first = hour_of(start) + (time_of(hour_of(start)) < start)
    found = registers([mounted.channel_id], first, hour_of(now) + 1).values[0]
    known = found[found != MISSING]
    if len(known) < 2:
        return None
    return int((int(known[-1]) - int(known[0])) % mounted.meter.register_modulus)


def was_dangerous(point: PointInfo) -> bool:
    """Return whether a disconnection for danger was sent and no reconnection confirmed since."""
    rows = SupplyOrder.objects.filter(point_id=point.id, sent_at__isnull=False)
    last_on = rows.filter(action="reconnect", state="confirmed").order_by("-sent_at").first()
    danger = rows.filter(action="disconnect", reason="danger")
    if last_on is not None:
        danger = danger.filter(sent_at__gt=last_on.sent_at)
    return danger.exists()


def bypasses(now: datetime) -> list[Noticed]:
    """Return a finding for each point of the scope that uses something while it is off."""
    with connection.cursor() as cursor:
        cursor.execute(_OFF)
        places = cursor.fetchall()
    found = []
    for tenant_id, point_id in places:
        (point,) = lookups.points_by_id([point_id])
        moved = moved_since_off(point, supply.device_of(point), now)
        if moved:
            found.append(used_while_off(tenant_id, point, moved))
    return found


def used_while_off(tenant_id: int, point: PointInfo, moved: int) -> Noticed:
    """Return what is noticed when a register moves though the supply is off."""
    return Noticed(
        tenant_id,
        f"point {point.code}",
        "something is used though the supply is disconnected",
        f"{moved} pulses since: a bypass, a contact that does not open, or a wrong meter",
        Severity.WARNING,
    )


_OFF = """
select d.tenant_id, d.point_id from supply_device d join supply_contact c on c.device_id = d.id
where d.removed_at is null and c.contact in ('off', 'armed_for_manual') order by d.id
"""
