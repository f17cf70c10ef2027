"""Balans meters electricity, water, gas and heat, and keeps load inside its limits."""

__version__ = "0.1.0"
