"""Applies a `RegistryPlan`: all of it or nothing, and applying it again changes nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.hashers import make_password
from django.db.models import Model, QuerySet

from balans.core.errors import Finding, InputError
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
    SupplyDevice,
    TariffZone,
    Tenant,
    User,
)
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.supply_plans import SupplyDevices, lock_devices, places_of
from balans.storage.upsert import RowRefusedError, Table, Values
from balans.usecases.check_registry import Known, check_plan, nodes_in_order
from balans.usecases.registry_plan import BEGINNING, MeterPlan, RegistryPlan

SHOWN_FINDINGS = 20
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a plan did: rows created, updated, and found as they should be."""

    tenant_id: int
    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Author:
    """Who applies a plan, and when."""

    name: str
    now: datetime


class PlanRefusedError(InputError):
    """A plan that cannot be applied, with all that is wrong."""

    code = "plan_refused"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        shown = [str(finding) for finding in findings[:SHOWN_FINDINGS]]
        if len(findings) > SHOWN_FINDINGS:
            shown.append(f"and {len(findings) - SHOWN_FINDINGS} more")
        super().__init__("\n".join(shown))


def apply_plan(
    plan: RegistryPlan,
    actor: str = "registry",
    progress: Callable[[str], None] | None = None,
    now: datetime = BEGINNING,
) -> Applied:
    """Make the registry hold what `plan` says, in one transaction.

    Parameters
    ----------
    plan
        What shall be. What it does not name stays.
    actor
        Whom the history names as author.
    progress
        Is told which kind of items comes next.
    now
        When supply devices are put in and taken away.

    Raises
    ------
    PlanRefusedError
        With each item and field that is wrong. Then nothing was changed.
    """
    with system_scope(actor):
        tenants = Table(Tenant, "tenant", {}, ("code",))
        tenant = tenants.save([asdict(plan.tenant)])[0]
        with tenant_scope(tenant.pk, actor):
            progress = progress or (lambda _: None)
            application = _Application(plan, tenant.pk, progress, Author(actor, now))
            application.run()
    tables = [tenants, *application.tables]
    return Applied(
        tenant.pk,
        sum(table.created for table in tables),
        sum(table.updated for table in tables),
        sum(table.unchanged for table in tables),
    )


def known_of(tenant_id: int) -> Known:
    """Return what a tenant has, by code or serial number. Call inside a scope."""

    def codes(model: type[Model], name: str) -> frozenset[Any]:
        rows: QuerySet[Any] = QuerySet(model).filter(tenant_id=tenant_id)
        return frozenset(rows.values_list(name, flat=True))

    channels = Channel.objects.filter(tenant_id=tenant_id)
    return Known(
        nodes=codes(Node, "code"),
        points=codes(MeteringPoint, "code"),
        meters=codes(Meter, "serial"),
        hubs=codes(Hub, "code"),
        modules=codes(Module, "serial"),
        channels=frozenset(channels.values_list("module__serial", "input")),
        customers=codes(Customer, "code"),
        accounts=codes(User, "username"),
        supplies=places_of(tenant_id),
    )


@contextmanager
def _blame(items: Sequence[Any]) -> Iterator[None]:
    """Tell of which of `items` a row is that the database refuses."""
    try:
        yield
    except RowRefusedError as error:
        where, _, what = str(error).partition(": ")
        raise PlanRefusedError([Finding(where, what, item=items[error.index])]) from error


@dataclass(slots=True)
class _Application:
    """One plan on its way into the tables; ids of what is saved serve the references after it."""

    plan: RegistryPlan
    tenant_id: int
    progress: Callable[[str], None]
    author: Author
    tables: list[Table[Any]] = field(default_factory=list)
    nodes: dict[str | None, int] = field(default_factory=dict)
    points: dict[str | None, int] = field(default_factory=dict)
    modules: dict[int | None, int] = field(default_factory=dict)
    channels: dict[tuple[int | None, int | None], int] = field(default_factory=dict)

    def run(self) -> None:
        """Save everything, what is referred to first."""
        self._check()
        self._nodes()
        self._points()
        self._modules()
        self._mountings()
        self._contracts()
        devices = self._devices()
        devices.take_away()  # before loads: what is gone leaves its module to one
        self._loads()
        devices.put_in(_blame)
        self._prices_and_limits()
        self._accounts()

    def _check(self) -> None:
        lock_devices(self.tenant_id, self.plan.supply_devices)
        found = check_plan(self.plan, known_of(self.tenant_id))
        wrong = [finding for finding in found if finding.severity == "error"]
        if wrong:
            raise PlanRefusedError(wrong)

    def _table(
        self, model: type[M], label: str, *key: str, there: Values | None = None
    ) -> Table[M]:
        """Return the rows of the tenant, or those whose fields are as `there`."""
        self.progress(label)
        table = Table(model, label, {"tenant_id": self.tenant_id, **(there or {})}, key)
        self.tables.append(table)
        return table

    def _nodes(self) -> None:
        table = self._table(Node, "node", "code")
        self.nodes = {code: row.pk for (code,), row in table.rows.items()}
        for level in nodes_in_order(self.plan.nodes):
            with _blame(level):
                saved = table.save(
                    {
                        "code": node.code,
                        "name": node.name,
                        "kind": node.kind,
                        "parent_id": self.nodes[node.parent] if node.parent else None,
                        "timezone": node.timezone,
                    }
                    for node in level
                )
            self.nodes.update((row.code, row.pk) for row in saved)

    def _points(self) -> None:
        table = self._table(MeteringPoint, "metering point", "code")
        with _blame(self.plan.points):
            table.save(_values(point, node_id=self.nodes[point.node]) for point in self.plan.points)
        self.points = {code: row.pk for (code,), row in table.rows.items()}

    def _modules(self) -> None:
        hubs = self._table(Hub, "hub", "code")
        with _blame(self.plan.hubs):
            hubs.save(_values(hub, site_id=self.nodes[hub.site]) for hub in self.plan.hubs)
        table = self._table(Module, "module", "serial")
        with _blame(self.plan.modules):
            table.save(
                {
                    "serial": module.serial,
                    "hub_id": hubs.rows[(module.hub,)].pk if module.hub else None,
                    "node_id": self.nodes[module.node],
                    "has_adapter": module.has_adapter,
                    "removed_at": module.removed_at,
                }
                for module in self.plan.modules
            )
        self.modules = {serial: row.pk for (serial,), row in table.rows.items()}
        channels = self._table(Channel, "channel", "module_id", "input")
        channels.save(
            {"module_id": self.modules[module.serial], "input": number}
            for module in self.plan.modules
            for number in module.inputs
        )
        serials = {pk: serial for serial, pk in self.modules.items()}
        self.channels = {
            (serials[module_id], number): row.pk
            for (module_id, number), row in channels.rows.items()
        }

    def _mountings(self) -> None:
        meters = self._table(Meter, "meter", "serial")
        with _blame(self.plan.meters):
            meters.save(_meter_values(meter) for meter in self.plan.meters)
        table = self._table(MeterMounting, "mounting", "meter_id", "point_id", "valid_from")
        with _blame(self.plan.mountings):
            table.save(
                _values(
                    mounting,
                    without=("meter", "point", "module", "input"),
                    meter_id=meters.rows[(mounting.meter,)].pk,
                    point_id=self.points[mounting.point],
                    channel_id=self.channels.get((mounting.module, mounting.input)),
                )
                for mounting in self.plan.mountings
            )

    def _devices(self) -> SupplyDevices:
        table = self._table(SupplyDevice, "supply device", "point_id", there={"removed_at": None})
        at = self.points, self.modules, self.author.name, self.author.now
        return SupplyDevices(self.plan.supply_devices, table, *at)

    def _contracts(self) -> None:
        customers = self._table(Customer, "customer", "code")
        with _blame(self.plan.customers):
            customers.save(_values(customer) for customer in self.plan.customers)
        table = self._table(Contract, "contract", "number")
        with _blame(self.plan.contracts):
            table.save(
                _values(
                    contract,
                    without=("customer", "node"),
                    customer_id=customers.rows[(contract.customer,)].pk,
                    node_id=self.nodes[contract.node],
                )
                for contract in self.plan.contracts
            )

    def _loads(self) -> None:
        table = self._table(Load, "load", "site_id", "name")
        with _blame(self.plan.loads):
            table.save(
                _values(
                    load,
                    without=("site", "node", "actuator", "sub_meter"),
                    site_id=self.nodes[load.site],
                    node_id=self.nodes[load.node],
                    actuator_id=self.modules.get(load.actuator),
                    sub_meter_id=self.points.get(load.sub_meter),
                )
                for load in self.plan.loads
            )

    def _prices_and_limits(self) -> None:
        zones = self._table(TariffZone, "tariff zone", "node_id", "name", "valid_from")
        with _blame(self.plan.zones):
            zones.save(_values(zone, node_id=self.nodes[zone.node]) for zone in self.plan.zones)
        limits = self._table(Limit, "limit", "node_id", "name", "valid_from")
        with _blame(self.plan.limits):
            limits.save(
                _values(limit, node_id=self.nodes[limit.node]) for limit in self.plan.limits
            )

    def _accounts(self) -> None:
        users = self._table(User, "account", "username")
        there = set(users.rows)
        users.save(
            {
                "username": account.username,
                "display_name": account.display_name,
                "language": account.language,
            }
            | (
                {}
                if (account.username,) in there
                else {"password": make_password(account.password or None)}
            )
            for account in self.plan.accounts
        )
        grants = self._table(Grant, "grant", "user_id", "role", "node_id")
        grants.save(
            {
                "user_id": users.rows[(account.username,)].pk,
                "role": role,
                "node_id": self.nodes[node],
            }
            for account in self.plan.accounts
            for role, node in account.grants
        )


def _values(item: Any, without: tuple[str, ...] = ("node", "site"), **ids: int | None) -> Values:
    """Return the fields of `item` but those `without`, which `ids` replace."""
    return {name: value for name, value in asdict(item).items() if name not in without} | ids


def _meter_values(meter: MeterPlan) -> Values:
    return {
        "serial": meter.serial,
        "resource": meter.resource,
        "pulse_weight_numerator": meter.pulse_weight.numerator,
        "pulse_weight_denominator": meter.pulse_weight.denominator,
        "transformer_ratio_numerator": meter.transformer_ratio.numerator,
        "transformer_ratio_denominator": meter.transformer_ratio.denominator,
        "register_modulus": meter.register_modulus,
    }
