"""Spreads the tables of readings over the servers of a Citus cluster. Opens its own scope.

Citus is an extension of an external PostgreSQL that the utility runs itself; the product speaks
SQL to it and neither ships nor needs it. What makes the same schema fit: every key of a table of
readings contains ``channel_id``, nothing refers to or from them by a foreign key, none has a
trigger. Registry, inbox, recent hours and jobs stay with the coordinator.

References
----------
Citus documentation, "Creating and Modifying Distributed Objects": ``create_distributed_table``
spreads a table by a column; tables of one colocation group have equal values in one place. A
partition that is attached later is spread like its parent.
"""

from dataclasses import dataclass

from django.db import connection

from balans.core.errors import InputError
from balans.storage.scope import system_scope

ACTOR = "distribution"
COLUMN = "channel_id"
FIRST = "reading_day"
TABLES = (
    FIRST,
    "reading_month",
    "reading_stage",
    "reading_edit",
    "channel_event",
    "channel_late",
)
"""Tables with a row for a channel and a time; they lie beside `FIRST`."""


@dataclass(frozen=True, slots=True)
class Step:
    """A statement, and whether it was needed when it was looked at."""

    table: str
    statement: str
    done: bool


def plan() -> list[Step]:
    """Return what there is to do, in order; on a server without Citus everything.

    Raises
    ------
    InputError
        If a table cannot be spread, with the key or the reference in its way.
    """
    with system_scope(ACTOR):
        faults = [fault for table in TABLES for fault in _faults(table)]
        if faults:
            raise InputError("; ".join(faults))
        spread = _spread() if has_citus() else set()
    return [Step(table, _statement(table), table in spread) for table in TABLES]


def distribute() -> list[Step]:
    """Do what `plan` tells and return it; what is done already stays. Needs Citus and its nodes.

    Raises
    ------
    InputError
        If the server has no Citus, or no node that takes data.
    """
    with system_scope(ACTOR):
        if not has_citus():
            raise InputError(
                "the server has no extension citus; `create extension citus` on every node makes it"
            )
        if not _nodes():
            raise InputError("no node takes data: select citus_add_node('host', 5432) first")
    steps = plan()
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute("set local citus.multi_shard_modify_mode to 'sequential'")
        for step in steps:
            if not step.done:
                cursor.execute(step.statement)
    return steps


def has_citus() -> bool:
    """Return whether the database has the extension."""
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_extension where extname = 'citus')")
        return bool(cursor.fetchone()[0])


def _statement(table: str) -> str:
    beside = "" if table == FIRST else f", colocate_with => '{FIRST}'"
    return f"select create_distributed_table('{table}', '{COLUMN}'{beside})"


def _spread() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("select logicalrelid::regclass::text from pg_dist_partition")
        return {name for (name,) in cursor.fetchall()}


def _nodes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_dist_node where isactive and shouldhaveshards")
        return int(cursor.fetchone()[0])


def _faults(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_KEYS, [table, COLUMN])
        keys = [f"{table}: key {name} lacks {COLUMN}" for (name,) in cursor.fetchall()]
        cursor.execute(_REFERENCES, [table, table])
        references = [f"{table}: foreign key {name}" for (name,) in cursor.fetchall()]
        cursor.execute(_TRIGGERS, [table])
        triggers = [f"{table}: trigger {name}" for (name,) in cursor.fetchall()]
    return keys + references + triggers


_KEYS = """
select i.indexrelid::regclass::text from pg_index i
where i.indrelid = %s::regclass and i.indisunique and not exists (
  select from pg_attribute a where a.attrelid = i.indrelid and a.attname = %s
    and a.attnum = any(i.indkey))
"""
_REFERENCES = """
select conname from pg_constraint
where contype = 'f' and (conrelid = %s::regclass or confrelid = %s::regclass)
"""
_TRIGGERS = "select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal"
