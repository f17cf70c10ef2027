"""Meters of others that speak for themselves: their messages become registers at full hours.

What differs from device to device is data (`Definition`), not code.
"""

from balans.domain.devices.counter import Counter, Observation
from balans.domain.devices.definition import (
    AfterReset,
    ChannelRule,
    Definition,
    DeviceError,
    Format,
    MessageRule,
    Sample,
)
from balans.domain.devices.device import Device, Outcome, Taken
from balans.domain.devices.payload import Decoder

__all__ = [
    "AfterReset",
    "ChannelRule",
    "Counter",
    "Decoder",
    "Definition",
    "Device",
    "DeviceError",
    "Format",
    "MessageRule",
    "Observation",
    "Outcome",
    "Sample",
    "Taken",
]
