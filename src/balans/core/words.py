"""Kinds of things, with the spelling used in files, on the wire and in the database.

One sign rule everywhere: consumption is positive, production negative.
"""

from enum import StrEnum


class Resource(StrEnum):
    """What a metering point measures."""

    ELECTRICITY = "electricity"
    REACTIVE = "reactive"
    COLD_WATER = "cold_water"
    HOT_WATER = "hot_water"
    GAS = "gas"
    HEAT = "heat"
    FUEL = "fuel"


class Phase(StrEnum):
    """The phase (or all three) that a point or a load is connected to."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    THREE = "L123"


class PointRole(StrEnum):
    """What a metering point is in the balance of its node."""

    CONSUMER = "consumer"
    INFLOW = "inflow"
    PRODUCTION = "production"
    SUB_METER = "sub_meter"


class NodeKind(StrEnum):
    """The levels of the object tree, from the top down."""

    REGION = "region"
    CITY = "city"
    DISTRICT = "district"
    STREET = "street"
    BUILDING = "building"
    RISER = "riser"
    FLAT = "flat"


class DeviceKind(StrEnum):
    """What can announce itself: a concentrator (or gateway), or a radio module."""

    HUB = "hub"
    MODULE = "module"


class FoundState(StrEnum):
    """What became of a device that announced itself."""

    FOUND = "found"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class PreparedState(StrEnum):
    """What became of a device that somebody prepared a place for."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    FAULTY = "faulty"
    WITHDRAWN = "withdrawn"


class StepKind(StrEnum):
    """What a step of a call for reduction asks of a place.

    ``limit``: not more than so many W. ``reduce``: so many W less than it drew in the 15 minutes
    before. ``eco``: level 1, 2, 3 holds back 25, 50, 100 % of what can be held back.
    """

    LIMIT = "limit"
    REDUCE = "reduce"
    ECO = "eco"


class CallState(StrEnum):
    """What a gateway reports of a place that is called on.

    ``done``: it draws no more than was asked. ``failed``: it does, and nothing more may be held
    back. ``refused``: the call does not hold here; ``released``: it does not hold any more.
    """

    HEARD = "heard"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    RELEASED = "released"
    REFUSED = "refused"


class LoadClass(StrEnum):
    """How far control may go with a load.

    Red is never switched. Yellow may be off for 7 to 15 minutes. Green may wait for long.
    """

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


class CommandState(StrEnum):
    """The life of a command: queued, sent, then confirmed, failed or expired."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"


class LimitSource(StrEnum):
    """Who set a limit. The strictest of all that apply holds, whoever set it."""

    OPERATOR = "operator"
    CUSTOMER = "customer"
    DEVICE = "device"


UNIT: dict[Resource, str] = {
    Resource.ELECTRICITY: "kWh",
    Resource.REACTIVE: "kvarh",
    Resource.COLD_WATER: "m³",
    Resource.HOT_WATER: "m³",
    Resource.GAS: "m³",
    Resource.HEAT: "kWh",
    Resource.FUEL: "m³",
}
"""The unit in which a resource is shown; registers themselves count pulses."""
