"""The registry as Django models, one file per subject.

Nothing outside `balans.storage` imports these: others get frozen dataclasses from its functions.
"""

from balans.storage.models.control import Command, CommandEvent, Consent, Limit, Load, TariffZone
from balans.storage.models.metering import (
    Channel,
    Hub,
    Meter,
    MeteringPoint,
    MeterMounting,
    Module,
)
from balans.storage.models.people import Contract, Customer, Grant, User
from balans.storage.models.response import (
    Enrolment,
    Event,
    Exemption,
    OptOut,
    Programme,
    Trigger,
)
from balans.storage.models.response_marks import MarkChange
from balans.storage.models.supply import (
    SupplyDevice,
    SupplyOrder,
    SupplyProtection,
    SupplyRule,
)
from balans.storage.models.tree import Node, Tenant
from balans.storage.models.validity import ManualReading, PointMark

__all__ = [
    "Channel",
    "Command",
    "CommandEvent",
    "Consent",
    "Contract",
    "Customer",
    "Enrolment",
    "Event",
    "Exemption",
    "Grant",
    "Hub",
    "Limit",
    "Load",
    "ManualReading",
    "MarkChange",
    "Meter",
    "MeterMounting",
    "MeteringPoint",
    "Module",
    "Node",
    "OptOut",
    "PointMark",
    "Programme",
    "SupplyDevice",
    "SupplyOrder",
    "SupplyProtection",
    "SupplyRule",
    "TariffZone",
    "Tenant",
    "Trigger",
    "User",
]
