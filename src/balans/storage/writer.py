"""One process at a time writes readings: flush, sealing and archive share a lock.

What they do is done again if it is lost: a batch is in the inbox, and on disk, before it is
acknowledged, and is marked as flushed by the very transaction that stores its readings. So these
transactions need not wait for the disk: PostgreSQL writes its log in order, and a crash takes
back the last of them wholly.
"""

from django.db import connection

LOCK = 0x62616C616E73  # "balans"


def try_to_write() -> bool:
    """Take the lock until the transaction ends; return False if another process has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_try_advisory_xact_lock(%s), set_config('synchronous_commit', 'off', true)",
            [LOCK],
        )
        return bool(cursor.fetchone()[0])


def wait_to_write() -> None:
    """Take the lock until the transaction ends, however long another process has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(%s), set_config('synchronous_commit', 'off', true)",
            [LOCK],
        )
