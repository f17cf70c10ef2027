"""The registry of a tenant as a `RegistryPlan`: what an export writes and an import builds on.

Call inside a scope.
"""

from collections import defaultdict
from typing import Any

from django.db.models import QuerySet

from balans.storage.import_hub import import_hub_code
from balans.storage.models import (
    Channel,
    Contract,
    Customer,
    Grant,
    Hub,
    Limit,
    Load,
    Meter,
    MeteringPoint,
    MeterMounting,
    Module,
    Node,
    TariffZone,
    Tenant,
    User,
)
from balans.storage.supply_plans import device_plans
from balans.usecases.registry_plan import (
    AccountPlan,
    ContractPlan,
    CustomerPlan,
    HubPlan,
    LimitPlan,
    LoadPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
    ZonePlan,
)


def present_plan(tenant_id: int) -> RegistryPlan:
    """Return all that a tenant has, sorted by code, nodes from the top down.

    Passwords are not told. Hubs and modules that were removed are told as long as others refer
    to them, since readings and mountings of the past do.
    """
    return _Present(tenant_id).plan()


class _Present:
    """Rows of one tenant, and the codes behind their ids."""

    def __init__(self, tenant_id: int) -> None:
        self.tenant_id = tenant_id
        self.nodes = self._codes(Node, "code")
        self.points = self._codes(MeteringPoint, "code")
        self.meters = self._codes(Meter, "serial")
        self.hubs = self._codes(Hub, "code")
        self.modules = self._codes(Module, "serial")
        self.customers = self._codes(Customer, "code")
        self.devices = device_plans(tenant_id)
        channels = self._rows(Channel, "module_id", "input").values_list("id", "module_id", "input")
        self.channels = {pk: (self.modules[module], number) for pk, module, number in channels}

    def _rows(self, model: Any, *order: str) -> QuerySet[Any]:
        rows: QuerySet[Any] = QuerySet(model).filter(tenant_id=self.tenant_id)
        return rows.order_by(*order)

    def _codes(self, model: Any, name: str) -> dict[int | None, Any]:
        return dict(self._rows(model).values_list("pk", name))

    def plan(self) -> RegistryPlan:
        tenant = Tenant.objects.get(pk=self.tenant_id)
        return RegistryPlan(
            tenant=TenantPlan(code=tenant.code, name=tenant.name),
            nodes=tuple(map(self._node, self._rows(Node, "path"))),
            points=tuple(map(self._point, self._rows(MeteringPoint, "code"))),
            meters=tuple(map(_meter, self._rows(Meter, "serial"))),
            mountings=tuple(
                map(
                    self._mounting,
                    self._rows(MeterMounting, "point__code", "valid_from", "meter__serial"),
                )
            ),
            hubs=self._hub_plans(),
            modules=self._module_plans(),
            supply_devices=self.devices,
            customers=tuple(
                CustomerPlan(code=row.code, name=row.name) for row in self._rows(Customer, "code")
            ),
            contracts=tuple(map(self._contract, self._rows(Contract, "number"))),
            loads=tuple(map(self._load, self._rows(Load, "site__code", "name"))),
            zones=tuple(
                map(self._zone, self._rows(TariffZone, "node__code", "name", "valid_from"))
            ),
            limits=tuple(map(self._limit, self._rows(Limit, "node__code", "name", "valid_from"))),
            accounts=self._account_plans(),
        )

    def _node(self, row: Node) -> NodePlan:
        return NodePlan(
            code=row.code,
            name=row.name,
            kind=row.kind,
            parent=self.nodes.get(row.parent_id),
            timezone=row.timezone,
        )

    def _point(self, row: MeteringPoint) -> PointPlan:
        return PointPlan(node=self.nodes[row.node_id], **_same(row, PointPlan))

    def _mounting(self, row: MeterMounting) -> MountingPlan:
        module, number = (None, None) if row.channel_id is None else self.channels[row.channel_id]
        return MountingPlan(
            meter=self.meters[row.meter_id],
            point=self.points[row.point_id],
            module=module,
            input=number,
            **_same(row, MountingPlan),
        )

    def _hub_plans(self) -> tuple[HubPlan, ...]:
        rows = self._rows(Hub, "code").exclude(code=import_hub_code(self.tenant_id))
        used = set(self._rows(Module).values_list("hub_id", flat=True))
        return tuple(
            HubPlan(site=self.nodes[row.site_id], **_same(row, HubPlan))
            for row in rows
            if row.removed_at is None or row.pk in used
        )

    def _module_plans(self) -> tuple[ModulePlan, ...]:
        inputs: dict[int, list[int]] = defaultdict(list)
        switching = {one.module for one in self.devices}
        for serial, number in self.channels.values():
            inputs[serial].append(number)
        return tuple(
            ModulePlan(
                serial=row.serial,
                node=self.nodes[row.node_id],
                hub=self.hubs.get(row.hub_id),
                has_adapter=row.has_adapter,
                inputs=tuple(inputs[row.serial]),
                removed_at=row.removed_at,
            )
            for row in self._rows(Module, "serial")
            if row.removed_at is None or inputs[row.serial] or row.serial in switching
        )

    def _contract(self, row: Contract) -> ContractPlan:
        return ContractPlan(
            customer=self.customers[row.customer_id],
            node=self.nodes[row.node_id],
            **_same(row, ContractPlan),
        )

    def _load(self, row: Load) -> LoadPlan:
        return LoadPlan(
            site=self.nodes[row.site_id],
            node=self.nodes[row.node_id],
            actuator=self.modules.get(row.actuator_id),
            sub_meter=self.points.get(row.sub_meter_id),
            **_same(row, LoadPlan),
        )

    def _zone(self, row: TariffZone) -> ZonePlan:
        return ZonePlan(node=self.nodes[row.node_id], **_same(row, ZonePlan))

    def _limit(self, row: Limit) -> LimitPlan:
        return LimitPlan(node=self.nodes[row.node_id], **_same(row, LimitPlan))

    def _account_plans(self) -> tuple[AccountPlan, ...]:
        grants: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for row in self._rows(Grant, "pk"):
            grants[row.user_id].append((row.role, self.nodes[row.node_id]))
        return tuple(
            AccountPlan(
                **_same(row, AccountPlan) | {"password": "", "grants": tuple(grants[row.pk])}
            )
            for row in self._rows(User, "username")
        )


def _meter(row: Meter) -> MeterPlan:
    return MeterPlan(
        serial=row.serial,
        resource=row.resource,
        pulse_weight=row.pulse_weight,
        transformer_ratio=row.transformer_ratio,
        register_modulus=row.register_modulus,
    )


def _same(row: Any, plan: type[Any]) -> dict[str, Any]:
    """Return the columns of a row that stand in a plan under the same name, as they are."""
    return {name: value for name, value in vars(row).items() if name in plan.__slots__}
