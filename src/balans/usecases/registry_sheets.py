"""The sheets of a registry file and their columns: one table for reading, writing and documents.

To add a column, add a line here; a test sees to it that no field of a plan is left out.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from fractions import Fraction
from typing import Any

from balans.core.words import LimitSource, LoadClass, NodeKind, Phase, PointRole, Resource
from balans.domain.supply import ReconnectMode, SupplyKind
from balans.protocols.hub import LimitPeriod
from balans.usecases import cells
from balans.usecases.cells import Kind, word_kind
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
    SupplyDevicePlan,
    TenantPlan,
    ZonePlan,
)

PER_UNIT = 1000
"""Wh, varh or l in a kWh, kvarh or m³."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the file, which is also the field of the plan unless `field` differs.

    `get` takes the value that is written; None leaves the cell empty.
    """

    name: str
    kind: Kind
    about: str
    field: str = ""
    get: Callable[[Any], Any] | None = None

    @property
    def target(self) -> str:
        """Field of the plan."""
        return self.field or self.name


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: what its rows become, the fields that tell rows apart, and the columns."""

    name: str
    plan: type[Any]
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    about: str

    @property
    def required(self) -> tuple[str, ...]:
        """Fields that a new row must have a value for."""
        return tuple(
            f.name for f in fields(self.plan) if f.default is MISSING and f.name != "password"
        )

    def default(self, name: str) -> Any:
        """Return the value of a field whose cell is empty."""
        if name == "password":
            return ""
        return next(f.default for f in fields(self.plan) if f.name == name)

    def names_of(self, target: str) -> str:
        """Return the columns that fill a field, as a message names them."""
        return " or ".join(column.name for column in self.columns if column.target == target)


def _pulses_of(text: str) -> Fraction:
    pulses = cells.fraction_of(text)
    if pulses <= 0:
        raise ValueError("not above 0")
    return PER_UNIT / pulses


PULSES = Kind("a number above 0 such as 600", _pulses_of)

VALID_FROM = Column("valid_from", cells.MOMENT, "first instant; empty: since ever")
VALID_TO = Column("valid_to", cells.MOMENT, "end, not included; empty: until further notice")
REMOVED_AT = Column("removed_at", cells.MOMENT, "when it was taken away; empty: it is in use")
FROM_TIME = Column("from_time", cells.CLOCK, "hour of the day it begins, local to the node")
TO_TIME = Column("to_time", cells.CLOCK, "hour of the day it ends")
NODE = Column("node", cells.TEXT, "code of the node it belongs to")
RESOURCE = Column("resource", word_kind(Resource), "what is measured")

SHEETS: tuple[Sheet, ...] = (
    Sheet(
        "tenant",
        TenantPlan,
        ("code",),
        (
            Column("code", cells.TEXT, "short name of the utility"),
            Column("name", cells.TEXT, "name of the utility"),
        ),
        "the utility; may be left out where it is known",
    ),
    Sheet(
        "nodes",
        NodePlan,
        ("code",),
        (
            Column("code", cells.TEXT, "short name, unique in the utility"),
            Column("name", cells.TEXT, "name that people read"),
            Column("kind", word_kind(NodeKind), "level in the tree"),
            Column("parent", cells.TEXT, "code of the node above; empty: at the top"),
            Column("timezone", cells.TEXT, "such as Europe/Chisinau; empty: as above"),
        ),
        "the object tree",
    ),
    Sheet(
        "points",
        PointPlan,
        ("code",),
        (
            Column("code", cells.TEXT, "short name, unique in the utility"),
            Column("name", cells.TEXT, "name that people read"),
            NODE,
            RESOURCE,
            Column("role", word_kind(PointRole), "part in the balance of its node"),
            Column("phase", word_kind(Phase), "phase that is measured; empty: not told"),
        ),
        "metering points",
    ),
    Sheet(
        "meters",
        MeterPlan,
        ("serial",),
        (
            Column("serial", cells.TEXT, "serial number as on the meter"),
            RESOURCE,
            Column("pulse_weight", cells.FRACTION, "Wh, varh or l a pulse"),
            Column(
                "pulses_per_unit",
                PULSES,
                "instead of pulse_weight: pulses a kWh, kvarh or m³, as meters bear it",
                field="pulse_weight",
                get=lambda _: None,
            ),
            Column("transformer_ratio", cells.FRACTION, "current times voltage ratio; empty: 1"),
            Column("register_modulus", cells.NUMBER, "pulses at which the register is 0 again"),
        ),
        "meters",
    ),
    Sheet(
        "hubs",
        HubPlan,
        ("code",),
        (
            Column("code", cells.TEXT, "name of the hub in topics"),
            Column("site", cells.TEXT, "code of the node it stands in"),
            Column("name", cells.TEXT, "name that people read"),
            Column("controls", cells.FLAG, "whether it runs load control of the site"),
            REMOVED_AT,
        ),
        "concentrators and gateways",
    ),
    Sheet(
        "modules",
        ModulePlan,
        ("serial",),
        (
            Column("serial", cells.NUMBER, "serial number of the radio module"),
            NODE,
            Column("hub", cells.TEXT, "code of its hub"),
            Column("has_adapter", cells.FLAG, "whether it has a switching adapter"),
            Column("inputs", cells.NUMBERS, "inputs in use, 1 to 3"),
            REMOVED_AT,
        ),
        "radio modules; each input in use becomes a channel",
    ),
    Sheet(
        "supply_devices",
        SupplyDevicePlan,
        ("point",),
        (
            Column("point", cells.TEXT, "code of the metering point whose supply it interrupts"),
            Column("module", cells.NUMBER, "module with an adapter at the node of the point"),
            Column("output", cells.NUMBER, "output of the module, 1 to 4; empty: 1"),
            Column("kind", word_kind(SupplyKind), "what interrupts the supply"),
            Column("reconnect", word_kind(ReconnectMode), "how it comes back; empty: remote"),
            REMOVED_AT,
        ),
        "contactors and valves that disconnect a whole metering point",
    ),
    Sheet(
        "mountings",
        MountingPlan,
        ("meter", "point", "valid_from"),
        (
            Column("meter", cells.TEXT, "serial number of the meter"),
            Column("point", cells.TEXT, "code of the metering point"),
            Column("module", cells.NUMBER, "module that counts its pulses; empty: none"),
            Column("input", cells.NUMBER, "input of the module"),
            VALID_FROM,
            VALID_TO,
            Column("register_at_mount", cells.NUMBER, "register of the channel then [pulses]"),
            Column("register_at_removal", cells.NUMBER, "register at the end [pulses]"),
            Column("dial_at_mount", cells.DECIMAL, "what the meter showed then [Wh, varh or l]"),
            Column("dial_at_removal", cells.DECIMAL, "what it showed at the end [Wh, varh or l]"),
        ),
        "which meter is at which point, and what counts its pulses, since when",
    ),
    Sheet(
        "customers",
        CustomerPlan,
        ("code",),
        (
            Column("code", cells.TEXT, "number of the customer"),
            Column("name", cells.TEXT, "name"),
        ),
        "who pays",
    ),
    Sheet(
        "contracts",
        ContractPlan,
        ("number",),
        (
            Column("number", cells.TEXT, "number of the contract"),
            Column("customer", cells.TEXT, "code of the customer"),
            NODE,
            RESOURCE,
            Column("contracted_kw", cells.DECIMAL, "contracted power [kW]"),
            Column("tariff", cells.TEXT, "name of the tariff"),
            Column("benefit", cells.TEXT, "what entitles to terms of its own; empty: nothing"),
            VALID_FROM,
            VALID_TO,
        ),
        "what a customer buys where",
    ),
    Sheet(
        "loads",
        LoadPlan,
        ("site", "name"),
        (
            Column("site", cells.TEXT, "code of the node under load control"),
            Column("name", cells.TEXT, "short name, unique in the site"),
            NODE,
            Column("load_class", word_kind(LoadClass), "how far control may go"),
            Column("rated_w", cells.FLOAT, "largest power [W]"),
            Column("title", cells.TEXT, "name that people read"),
            Column("phase", word_kind(Phase), "phase it is connected to"),
            Column("max_off_s", cells.NUMBER, "yellow only: longest time off, 420 to 900 [s]"),
            Column("min_on_s", cells.NUMBER, "shortest time on [s]"),
            Column("recover", cells.TEXT, "defer or lose"),
            Column("deadline", cells.CLOCK, "green: by when it must have run"),
            Column("actuator", cells.NUMBER, "serial number of the module that switches it"),
            Column("sub_meter", cells.TEXT, "code of the point that measures it"),
            Column("released", cells.FLAG, "whether the owner releases it to control"),
        ),
        "controllable loads",
    ),
    Sheet(
        "zones",
        ZonePlan,
        ("node", "name", "valid_from"),
        (
            NODE,
            Column("name", cells.TEXT, "name of the tariff zone"),
            FROM_TIME,
            TO_TIME,
            Column("price", cells.DECIMAL, "price a kWh"),
            Column("currency", cells.TEXT, "such as EUR"),
            VALID_FROM,
            VALID_TO,
        ),
        "tariff zones",
    ),
    Sheet(
        "limits",
        LimitPlan,
        ("node", "name", "valid_from"),
        (
            NODE,
            Column("name", cells.TEXT, "name of the limit"),
            Column("kw", cells.DECIMAL, "power [kW]"),
            Column("phase_a", cells.DECIMAL, "current of each phase [A]"),
            Column("kwh", cells.DECIMAL, "energy of each period [kWh]"),
            Column("period", word_kind(LimitPeriod), "period of kwh"),
            Column("follows_peak", cells.FLAG, "may rise to the month's highest mean"),
            Column("source", word_kind(LimitSource), "who set it"),
            Column("interval_s", cells.NUMBER, "0, or the interval whose mean counts [s]"),
            Column("zone", cells.TEXT, "only in this tariff zone"),
            FROM_TIME,
            TO_TIME,
            VALID_FROM,
            VALID_TO,
        ),
        "limits of power, current and energy",
    ),
    Sheet(
        "accounts",
        AccountPlan,
        ("username",),
        (
            Column("username", cells.TEXT, "name to log in with"),
            Column(
                "password",
                cells.SECRET,
                "of a new account; it cannot log in without. Never written, and never changed",
                get=lambda _: None,
            ),
            Column("grants", cells.GRANTS, "what the person is where: role@node, by spaces"),
            Column("display_name", cells.TEXT, "name that people read"),
            Column("language", cells.TEXT, "en, ru or ro; empty: that of the browser"),
        ),
        "people who log in",
    ),
)
BY_NAME = {sheet.name: sheet for sheet in SHEETS}
