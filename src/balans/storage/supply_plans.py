"""Contactors and valves out of a `RegistryPlan` into the tables, and back. Call inside a scope.

A device that is taken away, or gives way to another one, keeps its row and its orders. One with an
order under way stays as it is; its row is locked while that is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from balans.domain.supply import OPEN
from balans.storage.models import Load, MeteringPoint, Module, SupplyDevice, SupplyOrder
from balans.storage.upsert import Table
from balans.usecases.check_supplies import SupplyPlaces
from balans.usecases.registry_plan import SupplyDevicePlan

WAYS = {state.value for state in OPEN}


def device_plans(tenant_id: int) -> tuple[SupplyDevicePlan, ...]:
    """Return the devices of a tenant that are there, by point."""
    rows = SupplyDevice.objects.filter(tenant_id=tenant_id, removed_at__isnull=True)
    values = rows.order_by("point__code").values_list(
        "point__code", "module__serial", "kind", "reconnect", "output"
    )
    return tuple(
        SupplyDevicePlan(point=point, module=module, kind=kind, reconnect=reconnect, output=output)
        for point, module, kind, reconnect, output in values
    )


def switched_by(module_id: int) -> str:
    """Return the code of the point whose supply a module interrupts, empty: none."""
    rows = SupplyDevice.objects.filter(module_id=module_id, removed_at__isnull=True)
    return rows.order_by("output").values_list("point__code", flat=True).first() or ""


def places_of(tenant_id: int) -> SupplyPlaces:
    """Return what a tenant has of supplies, and what they stand on."""
    orders = SupplyOrder.objects.filter(tenant_id=tenant_id, state__in=WAYS)
    points = MeteringPoint.objects.filter(tenant_id=tenant_id)
    modules = Module.objects.filter(tenant_id=tenant_id)
    loads = Load.objects.filter(tenant_id=tenant_id)
    facts = modules.values_list("serial", "node__code", "has_adapter", "removed_at")
    switched = loads.values_list("site__code", "name", "actuator__serial")
    return SupplyPlaces(
        {one.point: one for one in device_plans(tenant_id)},
        frozenset(orders.values_list("point__code", flat=True)),
        dict(points.values_list("code", "node__code")),
        {serial: (node, adapter, gone is None) for serial, node, adapter, gone in facts},
        {(site, name): actuator for site, name, actuator in switched},
    )


def lock_devices(tenant_id: int, plans: Sequence[SupplyDevicePlan]) -> None:
    """Keep orders from being submitted for the points of `plans` until the transaction ends."""
    if plans:
        rows = SupplyDevice.objects.filter(
            tenant_id=tenant_id,
            removed_at__isnull=True,
            point__code__in=[one.point for one in plans],
        )
        list(rows.select_for_update(of=("self",)).order_by("id").values_list("id", flat=True))


@dataclass(slots=True)
class SupplyDevices:
    """The devices of a plan on their way into the table.

    Parameters
    ----------
    plans
        What shall be.
    table
        The devices that are there, by ``point_id``.
    points, modules
        Ids by code and by serial number.
    author, now
        Who does it, and when.
    """

    plans: Sequence[SupplyDevicePlan]
    table: Table[SupplyDevice]
    points: Mapping[str | None, int]
    modules: Mapping[int | None, int]
    author: str
    now: datetime

    def take_away(self) -> None:
        """Take note of what is gone; afterwards its module may switch loads, or another point."""
        for one in self.plans:
            row = self.table.rows.get((self.points[one.point],))
            if one.removed_at is not None and row is None:
                self.table.unchanged += 1
            elif row is not None and (one.removed_at is not None or self._is_other(one, row)):
                self._end(row, one.removed_at or self.now)

    def put_in(self, blame: Callable[[Sequence[Any]], Any]) -> None:
        """Save what is there; `blame` tells of which plan a row is that the database refuses."""
        there = [one for one in self.plans if one.removed_at is None]
        with blame(there):
            self.table.save(self._values(one) for one in there)

    def _is_other(self, one: SupplyDevicePlan, row: SupplyDevice) -> bool:
        return (self.modules[one.module], one.output) != (row.module_id, row.output)

    def _end(self, row: SupplyDevice, at: datetime) -> None:
        row.removed_at, row.removed_by = at, self.author
        row.save(update_fields=["removed_at", "removed_by"])
        del self.table.rows[(row.point_id,)]
        self.table.updated += 1

    def _values(self, one: SupplyDevicePlan) -> dict[str, Any]:
        point_id = self.points[one.point]
        is_new = (point_id,) not in self.table.rows
        return {
            "point_id": point_id,
            "module_id": self.modules[one.module],
            "output": one.output,
            "kind": one.kind,
            "reconnect": one.reconnect,
            **({"author": self.author, "added_at": self.now} if is_new else {}),
        }
