"""Starts, watches and stops an embedded MQTT broker."""
