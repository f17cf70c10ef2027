"""Module, sensor and actuator <-> hub, on the bus of one site.

Whatever carries these messages (a local broker today, the radio mesh later) delivers them at
most in parts: reports repeat until the hub has written them to its journal, switch commands
have an id and an expiry, and an actuator restores a load by its own timer.
"""

from balans.protocols.module.frames import (
    ActuatorState,
    DeviceState,
    FromModule,
    ModuleFrameError,
    ModuleReport,
    PowerSample,
    PulseSample,
    Query,
    RelaySample,
    ReportReceived,
    Sample,
    Switch,
    ToModule,
    Topics,
    decode,
    encode,
)
from balans.protocols.module.requests import (
    Announce,
    Answer,
    Ask,
    HoursAbsent,
    HoursWanted,
    Known,
)
from balans.protocols.module.supply import SupplyQuery, SupplyState, SupplySwitch

__all__ = [
    "ActuatorState",
    "Announce",
    "Answer",
    "Ask",
    "DeviceState",
    "FromModule",
    "HoursAbsent",
    "HoursWanted",
    "Known",
    "ModuleFrameError",
    "ModuleReport",
    "PowerSample",
    "PulseSample",
    "Query",
    "RelaySample",
    "ReportReceived",
    "Sample",
    "SupplyQuery",
    "SupplyState",
    "SupplySwitch",
    "Switch",
    "ToModule",
    "Topics",
    "decode",
    "encode",
]
