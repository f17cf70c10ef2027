"""Meters of others: the definitions that come with the product, and readers of their formats."""

from balans.adapters.devices.library import DECODERS, built_in, definition_at, names
from balans.adapters.devices.port import Port, PortAddress, parse_port

__all__ = ["DECODERS", "Port", "PortAddress", "built_in", "definition_at", "names", "parse_port"]
