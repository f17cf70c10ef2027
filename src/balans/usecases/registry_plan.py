"""What a registry shall hold, as plain values: checked here, applied by the storage.

A plan comes from a file to import or from the demo town. Things are named by their codes; a
reference may go to another item of the plan or to something that the tenant already has.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal
from fractions import Fraction

from balans.core.words import LimitSource, PointRole, Resource
from balans.domain.supply import ReconnectMode
from balans.protocols.hub import LimitPeriod

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPlan:
    """The utility."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """An element of the object tree; without a zone it has that of its parent."""

    code: str
    name: str
    kind: str
    parent: str | None = None
    timezone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlan:
    """A metering point."""

    code: str
    name: str
    node: str
    resource: str
    role: str = PointRole.CONSUMER
    phase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPlan:
    """A meter; `pulse_weight` in Wh, varh or l a pulse, before the transformer ratio."""

    serial: str
    resource: str
    pulse_weight: Fraction
    transformer_ratio: Fraction = Fraction(1)
    register_modulus: int = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class MountingPlan:
    """A meter at a point, counted by input `input` of module `module`, for a period.

    Registers are the channel's [pulses], dials what the meter showed [Wh, varh or l].
    """

    meter: str
    point: str
    module: int | None = None
    input: int | None = None
    valid_from: datetime = BEGINNING
    valid_to: datetime | None = None
    register_at_mount: int | None = None
    register_at_removal: int | None = None
    dial_at_mount: Decimal | None = None
    dial_at_removal: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlan:
    """A concentrator; with `controls` the gateway that runs load control of its site.

    One that was removed stays known as long as others refer to it.
    """

    code: str
    site: str
    name: str = ""
    controls: bool = False
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModulePlan:
    """A module and the inputs that are used, each becoming a channel.

    The channels of one that was removed keep their readings.
    """

    serial: int
    node: str
    hub: str | None = None
    has_adapter: bool = False
    inputs: tuple[int, ...] = (1,)
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyDevicePlan:
    """A contactor or valve behind an output of a module: it interrupts the supply of a point.

    With the `reconnect` ``manual_only`` a person at the place turns it on. Another module at the
    same point is another device in place of the first.
    """

    point: str
    module: int
    kind: str
    reconnect: str = ReconnectMode.REMOTE
    output: int = 1
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPlan:
    """Who pays."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractPlan:
    """What a customer buys at a node."""

    number: str
    customer: str
    node: str
    resource: str = Resource.ELECTRICITY
    contracted_kw: Decimal | None = None
    tariff: str = ""
    benefit: str = ""
    valid_from: datetime = BEGINNING
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """A controllable consumer of a site; `actuator` is the serial number of its module."""

    site: str
    name: str
    node: str
    load_class: str
    rated_w: float
    title: str = ""
    phase: str | None = None
    max_off_s: int | None = None
    min_on_s: int = 0
    recover: str = "defer"
    deadline: time | None = None
    actuator: int | None = None
    sub_meter: str | None = None
    released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePlan:
    """A tariff zone by hours of the day, local to the node; price per kWh."""

    node: str
    name: str
    from_time: time
    to_time: time
    price: Decimal
    currency: str
    valid_from: datetime = BEGINNING
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPlan:
    """A limit of power at a node; see `balans simulate site` for the meaning of the fields.

    `phase_a` limits the current of each phase [A], `kwh` the energy of each `period`; without `kw`
    it is a limit on those alone. With `follows_peak` the mean of an interval may rise to the
    month's highest so far.
    """

    node: str
    name: str
    kw: Decimal | None = None
    phase_a: Decimal | None = None
    kwh: Decimal | None = None
    period: str = LimitPeriod.DAY
    follows_peak: bool = False
    source: str = LimitSource.OPERATOR
    interval_s: int = 0
    zone: str = ""
    from_time: time | None = None
    to_time: time | None = None
    valid_from: datetime = BEGINNING
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """A user with grants ``(role, node)``. An existing user keeps the password.

    Without a `language` the pages speak that of the browser.
    """

    username: str
    password: str = field(repr=False)
    grants: tuple[tuple[str, str], ...] = ()
    display_name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPlan:
    """All that a tenant shall have. What is not named stays as it is."""

    tenant: TenantPlan
    nodes: tuple[NodePlan, ...] = ()
    points: tuple[PointPlan, ...] = ()
    meters: tuple[MeterPlan, ...] = ()
    mountings: tuple[MountingPlan, ...] = ()
    hubs: tuple[HubPlan, ...] = ()
    modules: tuple[ModulePlan, ...] = ()
    supply_devices: tuple[SupplyDevicePlan, ...] = ()
    customers: tuple[CustomerPlan, ...] = ()
    contracts: tuple[ContractPlan, ...] = ()
    loads: tuple[LoadPlan, ...] = ()
    zones: tuple[ZonePlan, ...] = ()
    limits: tuple[LimitPlan, ...] = ()
    accounts: tuple[AccountPlan, ...] = ()
