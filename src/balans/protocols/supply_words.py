"""Words that both wires use for the supply of a whole metering point."""

from enum import StrEnum


class SupplyAction(StrEnum):
    """What is ordered."""

    DISCONNECT = "disconnect"
    RECONNECT = "reconnect"


class Contact(StrEnum):
    """What the feedback of a contactor or valve says.

    ``armed_for_manual``: it is off, and a person at the place may now press or turn it on.
    ``unknown``: it cannot be told, or nothing was ever heard.
    """

    ON = "on"
    OFF = "off"
    ARMED = "armed_for_manual"
    UNKNOWN = "unknown"
