"""What can interrupt whole supplies, what contacts say, and who must not be cut off.

Call inside a scope of the person's tenant. Devices, protections and rules are kept by who may
change the registry: whoever orders to disconnect cannot lift a protection alone.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from balans.core.text import printable
from balans.domain.supply import (
    Contact,
    Protection,
    ReconnectMode,
    SupplyKind,
    SupplyReason,
)
from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.models import (
    Contract,
    Exemption,
    Module,
    SupplyDevice,
    SupplyOrder,
    SupplyProtection,
    SupplyRule,
)
from balans.storage.records import NodeInfo, PointInfo
from balans.storage.supply_records import DeviceInfo, ProtectionInfo, SupplyRefusedError

DEFAULT_SECOND_PERSON: Final = frozenset({SupplyReason.NON_PAYMENT})
REASON_MAX: Final = 500
VULNERABLE: Final = "vulnerable"


def device_of(point: PointInfo) -> DeviceInfo | None:
    """Return what interrupts the supply of a point, None: nothing does."""
    with connection.cursor() as cursor:
        cursor.execute(_DEVICE, [point.id])
        row = cursor.fetchone()
    if row is None:
        return None
    pk, module, output, kind, reconnect, hub, author, added_at, contact, *rest = row
    return DeviceInfo(
        pk,
        module,
        output,
        SupplyKind(kind),
        ReconnectMode(reconnect),
        hub,
        author,
        added_at,
        Contact(contact or Contact.UNKNOWN),
        *rest,
    )


def devices_below(node: NodeInfo) -> list[tuple[PointInfo, DeviceInfo]]:
    """Return the points at a node and below that can be disconnected, with their devices."""
    rows = SupplyDevice.objects.filter(
        tenant_id=node.tenant_id, removed_at__isnull=True, point__node__path__under=node.path
    )
    points = lookups.points_by_id(rows.values_list("point_id", flat=True))
    found = ((point, device_of(point)) for point in points)
    return [(point, device) for point, device in found if device is not None]


def adapters_near(point: PointInfo) -> list[int]:
    """Return the serials of modules that could switch the point: at its node, free, no loads."""
    with connection.cursor() as cursor:
        cursor.execute(_ADAPTERS, [point.node_id])
        return [serial for (serial,) in cursor.fetchall()]


def add_device(
    user: Author,
    code: str,
    module: int,
    kind: SupplyKind,
    reconnect: ReconnectMode,
    now: datetime,
) -> DeviceInfo:
    """Let output 1 of `module` interrupt the supply of the point `code`.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`, without the right to change the registry there.
    SupplyRefusedError
        ``module`` (there is none with an adapter at the point's node), ``loads`` (it switches
        loads) or ``taken`` (the point or the module has a device already).
    """
    point = access.point_for(user, code, Right.REGISTRY)
    row = Module.objects.filter(
        serial=module, node_id=point.node_id, has_adapter=True, removed_at__isnull=True
    ).first()
    if row is None:
        raise SupplyRefusedError(
            "module", f"module {module}: no module with an adapter at {point.node_code}"
        )
    try:
        with transaction.atomic():
            SupplyDevice.objects.create(
                tenant_id=user.tenant_id,
                point_id=point.id,
                module_id=row.pk,
                kind=kind.value,
                reconnect=reconnect.value,
                author=user.get_username(),
                added_at=now,
            )
    except IntegrityError as error:
        if "switches loads" in str(error):
            raise SupplyRefusedError("loads", f"module {module} switches loads") from error
        raise SupplyRefusedError(
            "taken", f"module {module} or point {code} has a device already"
        ) from error
    found = device_of(point)
    assert found is not None  # noqa: S101  (just made, in this transaction)
    return found


def remove_device(user: Author, code: str, now: datetime) -> None:
    """Take note that the device of the point `code` is gone.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `add_device`.
    SupplyRefusedError
        ``open`` while an order is open, ``no_device``.
    """
    point = access.point_for(user, code, Right.REGISTRY)
    row = (
        SupplyDevice.objects.select_for_update()
        .filter(point_id=point.id, removed_at__isnull=True)
        .first()
    )
    if row is None:
        raise SupplyRefusedError("no_device", f"point {code} has no device")
    if is_open(point):
        raise SupplyRefusedError("open", f"an order for point {code} is open")
    row.removed_at, row.removed_by = now, user.get_username()
    row.save(update_fields=["removed_at", "removed_by"])


def customers_of(point: PointInfo, now: datetime) -> list[str]:
    """Return the names of those whose contracts for the point's resource hold at its node now."""
    rows = Contract.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=now),
        node_id=point.node_id,
        resource=point.resource.value,
        valid_from__lte=now,
    )
    return sorted(set(rows.values_list("customer__name", flat=True)))


def is_open(point: PointInfo) -> bool:
    """Return whether an order for the point is under way."""
    rows = SupplyOrder.objects.filter(point_id=point.id)
    return rows.filter(state__in=["waiting_approval", "approved", "sent"]).exists()


def protection_of(point: PointInfo) -> ProtectionInfo | None:
    """Return why a point is not cut off for non-payment now, None if it may be."""
    return next((one for one in protections_of(point) if one.ended_at is None), None)


def is_vulnerable(node: NodeInfo) -> bool:
    """Return whether a node, or one above it, is called vulnerable for demand response.

    Whoever must not be asked to use less is not cut off for non-payment either.
    """
    ids = (*node.ancestor_ids, node.id)
    rows = Exemption.objects.filter(node_id__in=ids, kind=VULNERABLE, ended_at__isnull=True)
    return rows.exists()


def protections_of(point: PointInfo) -> list[ProtectionInfo]:
    """Return all protections of a point, past ones too, the newest first."""
    rows = SupplyProtection.objects.filter(point_id=point.id).order_by("-id")
    return [
        ProtectionInfo(
            Protection(row.kind),
            row.reason,
            row.author,
            row.at,
            row.ended_at,
            row.ended_by,
            row.end_reason,
        )
        for row in rows
    ]


def protect(user: Author, code: str, kind: Protection, reason: str, now: datetime) -> None:
    """Protect the point `code` from being cut off for non-payment, from now on.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `add_device`.
    SupplyRefusedError
        ``reason``, or ``protection`` while it is protected.
    """
    point = access.point_for(user, code, Right.REGISTRY)
    reason = _reason(reason)
    try:
        with transaction.atomic():
            SupplyProtection.objects.create(
                tenant_id=user.tenant_id,
                point_id=point.id,
                kind=kind.value,
                reason=reason,
                author=user.get_username(),
                at=now,
            )
    except IntegrityError as error:
        raise SupplyRefusedError("protection", f"point {code} is protected already") from error


def unprotect(user: Author, code: str, reason: str, now: datetime) -> None:
    """End the protection of the point `code`; errors as `protect`."""
    point = access.point_for(user, code, Right.REGISTRY)
    reason = _reason(reason)
    rows = SupplyProtection.objects.filter(point_id=point.id, ended_at__isnull=True)
    if not rows.update(ended_at=now, ended_by=user.get_username(), end_reason=reason):
        raise SupplyRefusedError("protection", f"point {code} is not protected")


def second_person_for(node: NodeInfo) -> frozenset[SupplyReason]:
    """Return for which reasons orders at a node need a second person: the nearest rule counts."""
    ids = (*node.ancestor_ids, node.id)
    rules = dict(SupplyRule.objects.filter(node_id__in=ids).values_list("node_id", "second_person"))
    nearest = next((rules[node_id] for node_id in reversed(ids) if node_id in rules), None)
    if nearest is None:
        return DEFAULT_SECOND_PERSON
    return frozenset(SupplyReason(word) for word in nearest)


def set_second_person(
    user: Author, code: str, reasons: Collection[SupplyReason], now: datetime
) -> None:
    """Set for which reasons orders at the node `code` and below need a second person.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, without the right to give rights there.
    """
    node = access.node_for(user, code, Right.ACCESS)
    SupplyRule.objects.update_or_create(
        tenant_id=user.tenant_id,
        node_id=node.id,
        defaults={
            "second_person": sorted(reason.value for reason in reasons),
            "author": user.get_username(),
            "at": now,
        },
    )


def _reason(reason: str) -> str:
    reason = printable(reason.strip())
    if not 0 < len(reason) <= REASON_MAX:
        raise SupplyRefusedError("reason", f"say why, in 1 to {REASON_MAX} letters")
    return reason


_DEVICE = """
select d.id, m.serial, d.output, d.kind, d.reconnect,
  case when m.removed_at is null then h.code end, d.author, d.added_at,
  c.contact, c.since, c.told_at, coalesce(c.order_code, '')
from supply_device d join module m on m.id = d.module_id left join hub h on h.id = m.hub_id
left join supply_contact c on c.device_id = d.id
where d.point_id = %s and d.removed_at is null
"""
_ADAPTERS = """
select m.serial from module m
where m.node_id = %s and m.has_adapter and m.removed_at is null
  and not exists (select from load l where l.actuator_id = m.id)
  and not exists (select from supply_device d where d.module_id = m.id and d.removed_at is null)
order by m.serial
"""
