"""Starts, watches and stops an MQTT broker on this machine.

`LocalBroker` is embedded (iotcore) and needs nothing installed; `Mosquitto` runs the system's
mosquitto as production does. docs/decisions/0003 tells why.
"""

from balans.adapters.localmqtt.embedded import LocalBroker, find_running
from balans.adapters.localmqtt.mosquitto import Mosquitto, mosquitto_program, start_mosquitto
from balans.adapters.localmqtt.owned import Status

__all__ = [
    "LocalBroker",
    "Mosquitto",
    "Status",
    "find_running",
    "mosquitto_program",
    "start_mosquitto",
]
