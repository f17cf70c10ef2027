"""Modules that are replaced, moved and removed. Call inside a scope of the tenant.

Nothing is forgotten: mountings end and begin at the time given, channels keep their readings, and
the history of the registry says who did it. What the meters showed then (`dials`, by the serial
number of the meter, in kWh, kvarh or m³) carries the account on from one module to the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from balans.core.words import DeviceKind, Phase, Resource
from balans.storage import access, found_devices, lookups
from balans.storage.access import NotVisibleError, Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.models import Channel, MeterMounting, Module
from balans.storage.mounting import (
    HOUR,
    MountRefusedError,
    end_mounting,
    kept_whole,
    lock_module,
    open_mountings,
)
from balans.storage.records import NodeInfo
from balans.storage.supply_mounting import hand_on, take_off
from balans.storage.supply_plans import switched_by
from balans.usecases.mount_order import PER_UNIT, SERIAL_MAX

Dials = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class HangingMeter:
    """A meter on an input now."""

    input: int
    meter: str
    point: str
    point_name: str
    resource: Resource
    phase: Phase | None
    since: datetime
    channel_id: int


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """A module as its page shows it; `supply` is the code of the point that it interrupts."""

    id: int
    serial: int
    place: NodeInfo
    hub: str
    has_adapter: bool
    removed_at: datetime | None
    meters: tuple[HangingMeter, ...]
    supply: str = ""


def module_for(author: Author, serial: int) -> ModuleInfo:
    """Return the module `serial`, if `author` may change the registry at its place.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    """
    row = _module(author, serial)
    meters = tuple(
        HangingMeter(
            input=one.channel.input,
            meter=one.meter.serial,
            point=one.point.code,
            point_name=one.point.name,
            resource=Resource(one.point.resource),
            phase=Phase(one.point.phase) if one.point.phase else None,
            since=one.valid_from,
            channel_id=one.channel.pk,
        )
        for one in _hanging(row)
        if one.channel is not None
    )
    return ModuleInfo(
        row.pk,
        row.serial,
        lookups.node(row.node_id),
        row.hub.code if row.hub else "",
        row.has_adapter,
        row.removed_at,
        meters,
        switched_by(row.pk),
    )


def replace_module(
    author: Author, serial: int, successor: int, now: datetime, dials: Dials
) -> ModuleInfo:
    """Let module `successor` count what module `serial` counted, input by input, from `now` on.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `module_for`.
    MountRefusedError
        ``same``, ``elsewhere``, ``mounted_there``, ``no_input``, ``ordered`` or ``no_adapter``.
    """
    old = _module(author, serial)
    if serial == successor or not 0 <= successor <= SERIAL_MAX:
        raise MountRefusedError("same", f"{successor} is no other module", "successor")
    with kept_whole(f"module {successor}"):
        for one in sorted((serial, successor)):
            lock_module(one)
        new = _successor(author, old, successor)
        for row in _hanging(old):
            _pass_on(row, new, now, dials)
        hand_on(author, old, new, now)
        _retire(old, now)
        found_devices.accept(old.tenant_id, DeviceKind.MODULE, str(successor), now)
    return module_for(author, successor)


def move_module(author: Author, serial: int, place: str, now: datetime, dials: Dials) -> ModuleInfo:
    """Take a module from its place to another; its meters stay behind, counted by nothing.

    `author` needs the right at both places. What hangs at the new place is mounted afterwards.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `module_for`.
    MountRefusedError
        ``ordered``: it interrupts a supply, and an order is under way.
    """
    row = _module(author, serial)
    node = access.node_for(author, place, Right.REGISTRY)
    if row.node_id != node.id:
        with kept_whole(f"module {serial}"):
            lock_module(serial)
            take_off(author, row, now, "place")
            _leave_meters(row, now, dials)
            row.node_id = node.id
            row.save(update_fields=["node"])
    return module_for(author, serial)


def remove_module(author: Author, serial: int, now: datetime, dials: Dials) -> ModuleInfo:
    """Take a module out of service; its meters stay, counted by nothing.

    When it announces itself again it is among the found ones. Errors as `move_module`.
    """
    row = _module(author, serial)
    if row.removed_at is None:
        with kept_whole(f"module {serial}"):
            lock_module(serial)
            take_off(author, row, now, "remove")
            _leave_meters(row, now, dials)
            _retire(row, now)
    return module_for(author, serial)


def _module(author: Author, serial: int) -> Module:
    rows = Module.objects.filter(serial=serial, tenant_id=author.tenant_id)
    row = rows.select_related("node", "hub").first()
    if row is None:
        raise NotVisibleError(f"module {serial}: not found")
    access.node_for(author, row.node.code, Right.REGISTRY)
    return row


def _hanging(module: Module) -> list[MeterMounting]:
    return list(open_mountings(channel__module=module).order_by("channel__input", "point__code"))


def _successor(author: Author, old: Module, serial: int) -> Module:
    row = Module.objects.filter(serial=serial).select_related("node").first()
    if row is None:
        hub_id, has_adapter = found_devices.heard_by(serial)
        with kept_whole(f"module {serial}"):
            return Module.objects.create(
                tenant_id=old.tenant_id,
                serial=serial,
                node_id=old.node_id,
                hub_id=hub_id or old.hub_id,
                has_adapter=has_adapter or old.has_adapter,
            )
    access.node_for(author, row.node.code, Right.REGISTRY)
    if open_mountings(channel__module=row).exists():
        message = f"module {serial} hangs at {row.node.name}: move it, or replace it there"
        raise MountRefusedError(
            "mounted_there", message, "successor", module=serial, place=row.node.name, seen=True
        )
    row.node_id, row.removed_at = old.node_id, None
    row.save(update_fields=["node", "removed_at"])
    return row


def _pass_on(row: MeterMounting, new: Module, now: datetime, dials: Dials) -> None:
    number = row.channel.input if row.channel is not None else 0
    if new.has_adapter and number > 2:
        message = f"module {new.serial} has an adapter, so no input {number}"
        raise MountRefusedError("no_input", message, "successor", input=number)
    channel, _ = Channel.objects.get_or_create(
        tenant_id=row.tenant_id, module_id=new.pk, input=number
    )
    dial = _dial(row, dials)
    meter, point = row.meter, row.point
    end_mounting(row, now, dial)
    MeterMounting.objects.create(
        tenant_id=row.tenant_id,
        meter=meter,
        point=point,
        channel=channel,
        valid_from=now,
        dial_at_mount=dial,
    )
    mark_points([point.pk], now - HOUR)


def _leave_meters(module: Module, now: datetime, dials: Dials) -> None:
    """Let each meter hang on where it is, without a channel."""
    for row in _hanging(module):
        dial = _dial(row, dials)
        meter, point, tenant_id = row.meter, row.point, row.tenant_id
        end_mounting(row, now, dial)
        MeterMounting.objects.create(
            tenant_id=tenant_id, meter=meter, point=point, valid_from=now, dial_at_mount=dial
        )
        mark_points([point.pk], now - HOUR)


def _dial(row: MeterMounting, dials: Dials) -> Decimal | None:
    shown = dials.get(row.meter.serial)
    return None if shown is None else shown * PER_UNIT


def _retire(module: Module, now: datetime) -> None:
    module.removed_at = now
    module.hub = None
    module.save(update_fields=["removed_at", "hub"])
