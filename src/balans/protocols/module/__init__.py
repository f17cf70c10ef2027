"""Module, sensor and actuator <-> hub, on the bus of one site.

Whatever carries these messages (a local broker today, the radio mesh later) delivers them at
most in parts: reports repeat until the hub has written them to its journal, switch commands
have an id and an expiry, and an actuator restores a load by its own timer.
"""

from balans.protocols.module.frames import (
    ActuatorState,
    DeviceState,
    ModuleFrameError,
    ModuleReport,
    PowerSample,
    PulseSample,
    Query,
    RelaySample,
    ReportReceived,
    Sample,
    Switch,
    Topics,
    decode,
    encode,
)

__all__ = [
    "ActuatorState",
    "DeviceState",
    "ModuleFrameError",
    "ModuleReport",
    "PowerSample",
    "PulseSample",
    "Query",
    "RelaySample",
    "ReportReceived",
    "Sample",
    "Switch",
    "Topics",
    "decode",
    "encode",
]
