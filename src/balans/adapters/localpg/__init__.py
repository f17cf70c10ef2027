"""Starts, watches and stops an embedded PostgreSQL."""
