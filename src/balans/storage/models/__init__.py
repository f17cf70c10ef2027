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
from balans.storage.models.tree import Node, Tenant

__all__ = [
    "Channel",
    "Command",
    "CommandEvent",
    "Consent",
    "Contract",
    "Customer",
    "Grant",
    "Hub",
    "Limit",
    "Load",
    "Meter",
    "MeterMounting",
    "MeteringPoint",
    "Module",
    "Node",
    "TariffZone",
    "Tenant",
    "User",
]
