"""Versions of what gateways are told only ever grow, also over a backup that was restored.

A version is the number of the newest row that matters. A gateway refuses one that is smaller than
what it knows as a replay, so after a restore of yesterday's backup it would refuse every limit,
consent, key, group and call, until the rows have caught up. Therefore each restore begins a new
generation: a number, the milliseconds of its time, that is added to or is the least of them all.
"""

from typing import Final

from django.db import connection

from balans.storage.scope import system_scope

NOW_SQL: Final = "(select last_value from settings_generation)"
"""The present generation, to be added to the number of a row; 0 unless a backup was restored."""


def begin_generation(unix_ms: int) -> None:
    """Let every version from now on be larger than all before `unix_ms`; commits.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    with system_scope("restore", durable=True), connection.cursor() as cursor:
        for name in ("settings_generation", "dr_groups_version", "dr_epoch"):
            cursor.execute(
                f"select setval(%s, greatest(last_value, %s)) from {name}",
                [name, unix_ms],
            )
        cursor.execute("update dr_told_groups set version = nextval('dr_groups_version')")
        cursor.execute(_CALL_AGAIN)


# The same call under a new epoch: gateways may know later ones of these events.
_CALL_AGAIN = """
update dr_event set epoch = nextval('dr_epoch')
where state in ('announced', 'active') or topics <> '[]'::jsonb
"""
