"""Registers, hourly profiles and what is missing in them."""
