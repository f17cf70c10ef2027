"""Meters of others: the definitions that come with the product, and readers of their formats."""

from balans.adapters.devices.library import DECODERS, built_in, definition_at, names

__all__ = ["DECODERS", "built_in", "definition_at", "names"]
