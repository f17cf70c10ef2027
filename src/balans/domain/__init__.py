"""Framework-free knowledge: pure functions on frozen dataclasses and arrays."""
