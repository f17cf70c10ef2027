"""A module at its place, with the meters on its inputs. Call inside a scope of the tenant.

Mounting is safe to repeat: what hangs there already stays as it is, and nothing comes twice. What
contradicts the registry is refused with a code and the field that is wrong; then nothing of the
order is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from balans.core.errors import BalansError
from balans.core.words import DeviceKind, Resource
from balans.storage import access, found_devices, lookups
from balans.storage.access import Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.models import Channel, Meter, MeteringPoint, MeterMounting, Module
from balans.storage.records import NodeInfo
from balans.storage.supply_plans import switched_by
from balans.usecases.mount_order import InputOrder, MountOrder, check_order

LOCK: Final = 0x6D6F756E << 32
"""Added to a serial number it names the lock of a module."""

POINT_CODES: Final[dict[Resource, str]] = {
    Resource.ELECTRICITY: "el",
    Resource.REACTIVE: "re",
    Resource.COLD_WATER: "cw",
    Resource.HOT_WATER: "hw",
    Resource.GAS: "gas",
    Resource.HEAT: "heat",
    Resource.FUEL: "fuel",
}
POINT_NAMES: Final[dict[Resource, str]] = {
    Resource.ELECTRICITY: "Electricity",
    Resource.REACTIVE: "Reactive energy",
    Resource.COLD_WATER: "Cold water",
    Resource.HOT_WATER: "Hot water",
    Resource.GAS: "Gas",
    Resource.HEAT: "Heat",
    Resource.FUEL: "Fuel",
}
CODE_MAX: Final = 64
HOUR: Final = timedelta(hours=1)
OF_ONE_METER: Final = {Resource.ELECTRICITY.value, Resource.REACTIVE.value}


class MountRefusedError(BalansError):
    """It cannot be mounted so; `code` says why, `field` where, `values` with which values."""

    def __init__(self, code: str, message: str, field: str = "", **values: Any) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.values = values


@dataclass(frozen=True, slots=True)
class MountedInput:
    """What hangs on an input now; `changed`: this order did it."""

    number: int
    resource: Resource
    meter: str
    point: str
    point_name: str
    point_id: int
    channel_id: int
    new_point: bool = False
    new_meter: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Mounted:
    """What an order did; without `changed` everything was so already."""

    serial: int
    place: str
    place_name: str
    new_module: bool
    changed: bool
    inputs: tuple[MountedInput, ...]


def mount(author: Author, order: MountOrder, now: datetime) -> Mounted:
    """Register a module at a place, its channels, and the meters on them from `now` on.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for` with the right to change the registry, for the place, and for the
        place where the module was before.
    MountRefusedError
        If the order contradicts the registry or itself.
    """
    place = access.node_for(author, order.place, Right.REGISTRY)

    def may_take_from(node: NodeInfo) -> bool:
        return Right.REGISTRY in access.rights_on(author, node)

    return mount_at(place, order, now, may_take_from)


def mount_at(
    place: NodeInfo,
    order: MountOrder,
    now: datetime,
    may_take_from: Callable[[NodeInfo], bool] = lambda _node: True,
) -> Mounted:
    """Do the same without asking who: for orders whose author was asked before."""
    for finding in check_order(order):
        raise MountRefusedError("order", finding.what, finding.where)
    with kept_whole(f"module {order.serial}"):
        lock_module(order.serial)
        module, new = _module(place, order, may_take_from)
        inputs = tuple(
            _Input(place, module, one, now, may_take_from).mount() for one in order.inputs
        )
        found_devices.accept(place.tenant_id, DeviceKind.MODULE, str(order.serial), now)
        mark_points([one.point_id for one in inputs if one.changed], now - HOUR)
    changed = new or any(one.changed for one in inputs)
    return Mounted(order.serial, place.code, place.name, new, changed, inputs)


def tried(work: Callable[[], Mounted]) -> Mounted:
    """Return what `work` would do, and take it back: for a page that asks before it does."""
    with transaction.atomic():
        result = work()
        transaction.set_rollback(True)
    return result


@contextmanager
def kept_whole(what: str) -> Iterator[None]:
    """Keep all of the block or nothing; what the database refuses is a refusal of ours."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diag = getattr(error.__cause__, "diag", None)
        reason = str(diag.message_primary if diag else error)
        raise MountRefusedError("conflict", f"{what}: {reason}", reason=reason) from error


def lock_module(serial: int) -> None:
    """Let two orders for one module wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK + serial])


def open_mountings(**where: Any) -> "QuerySet[MeterMounting]":
    """Return the mountings that have not ended, with meter, point and channel."""
    rows = MeterMounting.objects.filter(valid_to__isnull=True, **where)
    return rows.select_related("meter", "point__node", "channel__module")


def end_mounting(row: MeterMounting, now: datetime, dial: Decimal | None = None) -> None:
    """End `row` at `now`; `dial` is what the meter showed then [Wh, varh or l].

    One that has not begun yet never was.
    """
    if row.valid_from >= now:
        row.delete()
        return
    row.valid_to = now
    row.dial_at_removal = dial
    row.save(update_fields=["valid_to", "dial_at_removal"])


def _module(
    place: NodeInfo, order: MountOrder, may_take_from: Callable[[NodeInfo], bool]
) -> tuple[Module, bool]:
    """Return the module at its place, and whether it is new there."""
    module = Module.objects.filter(serial=order.serial).first()
    if module is None:
        return _new_module(place, order), True
    if module.removed_at is None and module.node_id != place.id:
        _check_free(module, may_take_from)
    new = module.removed_at is not None or module.node_id != place.id
    wanted = {"node_id": place.id, "removed_at": None, "has_adapter": order.has_adapter}
    if module.has_adapter and not order.has_adapter and not new:
        del wanted["has_adapter"]  # whoever types the serial number alone does not take it off
    changed = [name for name, value in wanted.items() if getattr(module, name) != value]
    for name in changed:
        setattr(module, name, wanted[name])
    if changed:
        module.save(update_fields=changed)
    return module, new


def _new_module(place: NodeInfo, order: MountOrder) -> Module:
    hub_id, has_adapter = found_devices.heard_by(order.serial)
    try:
        with transaction.atomic():
            return Module.objects.create(
                tenant_id=place.tenant_id,
                serial=order.serial,
                node_id=place.id,
                hub_id=hub_id,
                has_adapter=order.has_adapter or has_adapter,
            )
    except IntegrityError as error:
        message = f"module {order.serial} is registered by another utility"
        raise MountRefusedError("elsewhere", message, "module", module=order.serial) from error


def _check_free(module: Module, may_take_from: Callable[[NodeInfo], bool]) -> None:
    """Refuse to take a module from a place where it counts or switches a supply, or may not be."""
    seen = may_take_from(node := lookups.node(module.node_id))
    if seen and not (open_mountings(channel__module=module).exists() or switched_by(module.pk)):
        return
    where = node.name if seen else "?"
    message = f"module {module.serial} hangs at {where}: move it, or replace it there"
    raise MountRefusedError(
        "mounted_there", message, "module", module=module.serial, place=where, seen=seen
    )


@dataclass(slots=True)
class _Input:
    """One input on its way."""

    place: NodeInfo
    module: Module
    order: InputOrder
    now: datetime
    may_see: Callable[[NodeInfo], bool]

    @property
    def where(self) -> str:
        return f"input {self.order.number}"

    def refuse(self, code: str, message: str, **values: Any) -> MountRefusedError:
        return MountRefusedError(
            code, f"{self.where}: {message}", self.where, input=self.order.number, **values
        )

    def mount(self) -> MountedInput:
        """Mount the meter of the order; return what hangs there."""
        if self.module.has_adapter and self.order.number > 2:
            raise self.refuse("no_input", "a module with an adapter has two inputs")
        channel, _ = Channel.objects.get_or_create(
            tenant_id=self.place.tenant_id, module_id=self.module.pk, input=self.order.number
        )
        there = open_mountings(channel=channel).first()
        if there is not None:
            return self._unchanged(channel, there)
        meter, new_meter = self._meter()
        point, new_point, waiting = self._point(meter)
        self._mount(meter, point, channel, waiting)
        return self._result(channel, meter, point, (new_point, new_meter, True))

    def _unchanged(self, channel: Channel, there: MeterMounting) -> MountedInput:
        same = there.meter.serial == self.order.meter and there.point.node_id == self.place.id
        if not same or self.order.point not in {None, there.point.code}:
            message = f"already counts meter {there.meter.serial} at {there.point.code}"
            raise self.refuse(
                "input_taken", message, meter=there.meter.serial, point=there.point.code
            )
        return self._result(channel, there.meter, there.point, (False, False, False))

    def _result(
        self, channel: Channel, meter: Meter, point: MeteringPoint, news: tuple[bool, bool, bool]
    ) -> MountedInput:
        resource = Resource(point.resource)
        place = (point.code, point.name, point.pk, channel.pk)
        return MountedInput(self.order.number, resource, meter.serial, *place, *news)

    def _meter(self) -> tuple[Meter, bool]:
        order = self.order
        row = Meter.objects.filter(serial=order.meter).first()
        if row is None:
            return self._new_meter(), True
        kinds = {row.resource, order.resource.value}
        if len(kinds) > 1 and kinds != OF_ONE_METER:
            message = f"meter {order.meter} measures {row.resource}"
            raise self.refuse("meter_kind", message, meter=order.meter, resource=row.resource)
        weight = row.pulse_weight
        if order.pulse_weight is not None and (weight, row.transformer_ratio) != (
            order.pulse_weight,
            order.transformer_ratio,
        ):
            message = f"meter {order.meter} is registered with {weight} a pulse"
            raise self.refuse(
                "meter_weight", message, meter=order.meter, weight=weight, resource=row.resource
            )
        return row, False

    def _new_meter(self) -> Meter:
        order = self.order
        if order.pulse_weight is None:
            message = f"meter {order.meter} is new: its pulse weight is missing"
            raise self.refuse("weight_missing", message, meter=order.meter)
        return Meter.objects.create(
            tenant_id=self.place.tenant_id,
            serial=order.meter,
            resource=order.resource.value,
            pulse_weight_numerator=order.pulse_weight.numerator,
            pulse_weight_denominator=order.pulse_weight.denominator,
            transformer_ratio_numerator=order.transformer_ratio.numerator,
            transformer_ratio_denominator=order.transformer_ratio.denominator,
        )

    def _point(self, meter: Meter) -> tuple[MeteringPoint, bool, MeterMounting | None]:
        """Return the point, whether it is new, and the mounting there that has no channel yet."""
        waiting = self._waiting(meter)
        if waiting is not None and self.order.point in {None, waiting.point.code}:
            return waiting.point, False, waiting
        if self.order.point is not None:
            return *self._named_point(self.order.point), None
        free = self._free_points()
        return (free[0], False, None) if free else (self._new_point(), True, None)

    def _waiting(self, meter: Meter) -> MeterMounting | None:
        """Return where the meter hangs already without being counted, here and for this resource.

        One with several outputs may hang at several points of the place.
        """
        order = self.order
        for row in open_mountings(meter=meter).order_by("point__code"):
            if row.point.node_id != self.place.id:
                node = lookups.node(row.point.node_id)
                where = node.name if self.may_see(node) else "?"
                message = f"meter {order.meter} hangs at {where}"
                raise self.refuse("meter_elsewhere", message, meter=order.meter, place=where)
            fits = row.point.resource == order.resource and order.phase in {None, row.point.phase}
            if row.channel is None and fits:
                return row
            if row.channel is not None and fits and order.phase is None:
                message = f"meter {order.meter} is counted by module {row.channel.module.serial}"
                raise self.refuse(
                    "meter_counted", message, meter=order.meter, module=row.channel.module.serial
                )
        return None

    def _named_point(self, code: str) -> tuple[MeteringPoint, bool]:
        row = MeteringPoint.objects.filter(code=code).first()
        if row is None:
            return self._new_point(code), True
        if row.node_id != self.place.id:
            raise self.refuse("point_place", f"point {code} is at another place", point=code)
        if row.resource != self.order.resource:
            message = f"point {code} measures {row.resource}"
            raise self.refuse("point_kind", message, point=code, resource=row.resource)
        taken = open_mountings(point=row).first()
        if taken is not None:
            message = f"point {code} has meter {taken.meter.serial}"
            raise self.refuse("point_taken", message, point=code, meter=taken.meter.serial)
        return row, False

    def _free_points(self) -> list[MeteringPoint]:
        rows = MeteringPoint.objects.filter(
            node_id=self.place.id, resource=self.order.resource.value, role=self.order.role.value
        )
        if self.order.phase is not None:
            rows = rows.filter(Q(phase=self.order.phase.value) | Q(phase__isnull=True))
        taken = open_mountings(point__node_id=self.place.id).values("point_id")
        return list(rows.exclude(id__in=taken).order_by("code")[:1])

    def _new_point(self, code: str | None = None) -> MeteringPoint:
        order = self.order
        return MeteringPoint.objects.create(
            tenant_id=self.place.tenant_id,
            node_id=self.place.id,
            code=code or self._free_code(),
            name=order.point_name or POINT_NAMES[order.resource],
            resource=order.resource.value,
            phase=order.phase.value if order.phase else None,
            role=order.role.value,
        )

    def _free_code(self) -> str:
        stem = f"{self.place.code[: CODE_MAX - 8]}-{POINT_CODES[self.order.resource]}"
        codes = MeteringPoint.objects.filter(code__startswith=stem).values_list("code", flat=True)
        taken = set(codes)
        numbered = (f"{stem}-{n}" for n in range(2, len(taken) + 3))
        return next(code for code in (stem, *numbered) if code not in taken)

    def _mount(
        self, meter: Meter, point: MeteringPoint, channel: Channel, waiting: MeterMounting | None
    ) -> None:
        dial = self.order.dial_base
        if waiting is not None:
            end_mounting(waiting, self.now, dial)
        MeterMounting.objects.create(
            tenant_id=self.place.tenant_id,
            meter=meter,
            point=point,
            channel=channel,
            valid_from=self.now,
            dial_at_mount=dial,
        )
