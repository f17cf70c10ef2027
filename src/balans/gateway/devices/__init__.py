"""Meters of others at the site: their messages become readings in the journal."""

from balans.gateway.devices.config import DevicesConfig, devices_of
from balans.gateway.devices.service import Devices, Listening

__all__ = ["Devices", "DevicesConfig", "Listening", "devices_of"]
