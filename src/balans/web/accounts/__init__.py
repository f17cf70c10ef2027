"""Logging in and out, and the language a person reads."""
