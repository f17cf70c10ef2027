"""Checks what a `RegistryPlan` makes of contactors and valves: each stands where it must.

A device is behind a module with an adapter, at the node of its point, that switches no load and
nothing else. So a plan may be wrong in a row of a device, and in a row that pulls the module, the
point or the adapter away from under one that is there. What was wrong before, and stays as it was,
is not told: an export can be imported again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from balans.core.errors import Finding
from balans.domain.supply import ReconnectMode, SupplyKind
from balans.usecases import registry_fields as fields
from balans.usecases.registry_plan import RegistryPlan, SupplyDevicePlan

K = TypeVar("K")
V = TypeVar("V")
OUTPUTS: Final = range(1, 5)
SHARED: Final = "output: "
"""So begins what is said of an output that two points would share: of the one that comes."""


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SupplyPlaces:
    """What there is of supplies, and what they stand on.

    Attributes
    ----------
    devices
        By the code of the point that each interrupts.
    ordered
        Codes of points with an order under way.
    points
        Node by point.
    modules
        By serial number: node, whether it has an adapter, whether it is in use.
    actuators
        Serial number of the module that switches a load, by site and name of the load.
    """

    devices: Mapping[str, SupplyDevicePlan] = field(default_factory=_none)
    ordered: frozenset[str] = frozenset()
    points: Mapping[str, str] = field(default_factory=_none)
    modules: Mapping[int, tuple[str, bool, bool]] = field(default_factory=_none)
    actuators: Mapping[tuple[str, str], int | None] = field(default_factory=_none)

    def with_plan(self, plan: RegistryPlan) -> "SupplyPlaces":
        """Return what there is once `plan` is applied."""
        points = {**self.points, **{point.code: point.node for point in plan.points}}
        named = {one.point: one for one in plan.supply_devices}
        devices = {**self.devices, **named}
        return SupplyPlaces(
            {p: one for p, one in devices.items() if one.removed_at is None and p in points},
            self.ordered,
            points,
            {
                **self.modules,
                **{m.serial: (m.node, m.has_adapter, m.removed_at is None) for m in plan.modules},
            },
            {**self.actuators, **{(load.site, load.name): load.actuator for load in plan.loads}},
        )


def check_supplies(
    plan: RegistryPlan, there: SupplyPlaces, points: Collection[str], modules: Collection[int]
) -> Iterator[Finding]:
    """Yield what is wrong with the devices of `plan`, and with what it does to those there.

    Parameters
    ----------
    there
        What there is before the plan.
    points, modules
        All that there are once it is applied.
    """
    for one in plan.supply_devices:
        for finding in _device(one, points, modules, there):
            yield replace(finding, item=one)
    after = there.with_plan(plan)
    named = {one.point: one for one in plan.supply_devices}
    before, found = _misplaced(there), _misplaced(after)
    for point, faults in found.items():
        device = after.devices[point]
        stays = there.devices.get(point) == device
        old = before[point] if stays else ()
        item = named.get(point) or _culprit(plan, device)
        for what in faults:
            if what not in old and not (stays and what.startswith(SHARED)):
                yield Finding(f"supply device {point}", what, item=item)


def _device(
    one: SupplyDevicePlan, points: Collection[str], modules: Collection[int], there: SupplyPlaces
) -> Iterator[Finding]:
    where = f"supply device {one.point}"
    yield from fields.reference(where, "point", one.point, frozenset(points), "point")
    yield from fields.reference(where, "module", one.module, frozenset(modules), "module")
    yield from fields.word(where, "kind", one.kind, SupplyKind)
    yield from fields.word(where, "reconnect", one.reconnect, ReconnectMode)
    if one.output not in OUTPUTS:
        yield Finding(where, f"output: {one.output} is not 1 to {OUTPUTS[-1]}")
    if one.removed_at is not None and one.removed_at.tzinfo is None:
        yield Finding(where, "removed_at: needs a UTC offset")
    old = there.devices.get(one.point)
    if one.point in there.ordered and old is not None and old != one:
        yield Finding(where, "point: an order is under way: its device stays as it is until then")


def _misplaced(places: SupplyPlaces) -> Mapping[str, list[str]]:
    """Return by point what is wrong with where its device stands."""
    switching = {serial for serial in places.actuators.values() if serial is not None}
    at_output: dict[tuple[int, int], list[str]] = defaultdict(list)
    for point, one in places.devices.items():
        at_output[one.module, one.output].append(point)
    return {
        point: list(_faults(one, places, switching, at_output[one.module, one.output]))
        for point, one in places.devices.items()
    }


def _faults(
    one: SupplyDevicePlan, places: SupplyPlaces, switching: set[int], sharing: list[str]
) -> Iterator[str]:
    node, has_adapter, in_use = places.modules.get(one.module, ("", True, True))
    at = places.points.get(one.point, "")
    if node and at and node != at:
        yield f"module: module {one.module} is at {node!r}, the point at {at!r}"
    if not has_adapter:
        yield f"module: module {one.module} has no adapter"
    if not in_use:
        yield f"module: module {one.module} was taken away"
    if one.module in switching:
        yield f"module: module {one.module} switches loads"
    for other in sharing:
        if other != one.point:
            yield f"{SHARED}{one.output} of module {one.module} interrupts {other!r} already"


def _culprit(plan: RegistryPlan, device: SupplyDevicePlan) -> Any:
    """Return the row that pulls away what a device stands on that the plan does not name."""
    rows = (
        *(one for one in plan.modules if one.serial == device.module),
        *(one for one in plan.points if one.code == device.point),
        *(one for one in plan.loads if one.actuator == device.module),
        *(one for one in plan.supply_devices if one.module == device.module),
    )
    return next(iter(rows), None)
