"""The queue of the worker: who has something done later names the job here. Procrastinate's tables.

A job is queued in the transaction of the caller, so it never begins before what it works on is
committed. Jobs are coarse (a duty, an import, never a reading) and harmless to repeat: one whose
worker was killed is run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from balans.core.errors import UnavailableError
from balans.core.text import printable
from balans.storage.scope import system_scope

QUEUE = "balans"
ACTOR = "worker"
DETAIL_MAX = 500


@dataclass(frozen=True, slots=True)
class DutyRun:
    """What became of the last run of a duty, and of all of them so far."""

    name: str
    begun: datetime | None
    ended: datetime | None
    outcome: str
    detail: str
    runs: int
    failures: int


def defer(name: str, *, lock: str | None = None, **arguments: Any) -> bool:
    """Queue the job `name`; return False if the same is waiting already.

    Parameters
    ----------
    name
        Task of the worker.
    lock
        Of jobs with the same lock one waits and one runs at most; None: the name of the job.
    arguments
        Values that JSON can hold. Nobody seals them: ids, no data of a tenant.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    lock = lock or name
    task = app.configure_task(name, allow_unknown=True, queue=QUEUE, lock=lock, queueing_lock=lock)
    try:
        with transaction.atomic():
            task.defer(**arguments)
    except AlreadyEnqueued:
        return False
    except ConnectorException as error:  # procrastinate's word for any fault of the database
        if isinstance(error.__cause__, psycopg.OperationalError | psycopg.InterfaceError):
            raise UnavailableError(f"database: {str(error.__cause__).strip()}") from error
        raise
    return True


def hand_out(ticks: Mapping[str, int]) -> list[str]:
    """Queue the duties whose tick is not the one they were queued for last; return their names.

    Of several workers one queues a duty for a tick. A clock that was set back makes other ticks.
    Opens a scope of its own.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute("select name, tick from worker_duty")
        known = dict(cursor.fetchall())
        due = [(name, tick) for name, tick in ticks.items() if known.get(name) != tick]
        queued = []
        for name, tick in due:
            cursor.execute(_TAKE, [name, tick])
            if cursor.rowcount and defer(name):
                queued.append(name)
    return queued


def note_run(name: str, begun: datetime, ended: datetime, *, failed: bool, detail: str) -> None:
    """Keep what became of a run of a duty. Opens a scope of its own; errors as `hand_out`."""
    outcome = "failed" if failed else "done"
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(
            _NOTE, [name, begun, ended, outcome, printable(detail)[:DETAIL_MAX], int(failed)]
        )


def duty_runs() -> list[DutyRun]:
    """Return what the worker did last, by name. Call inside a scope."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select name, begun, ended, outcome, detail, runs, failures from worker_duty"
            " order by name"
        )
        return [DutyRun(*row) for row in cursor.fetchall()]


def counts() -> dict[str, int]:
    """Return the number of jobs in each state. Call inside a scope."""
    with connection.cursor() as cursor:
        cursor.execute("select status::text, count(*) from procrastinate_jobs group by 1")
        return dict(cursor.fetchall())


def rescue(silent_s: float) -> int:
    """Queue again what workers had begun of whom nothing was heard for so long; return how many.

    Where the same waits already, that one will do. Opens a scope of its own; errors as `hand_out`.
    """
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_SILENT, [silent_s])
        cursor.execute(_ORPHANS)
        orphans = cursor.fetchall()
        for job_id, waits in orphans:
            cursor.execute(_DROP if waits else _RETRY, [job_id])
    return len(orphans)


def forget_failed(hours: int) -> int:
    """Delete jobs that ended badly longer than `hours` ago; return how many. Own scope."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_FORGET, [hours])
        return int(cursor.rowcount)


_TAKE = """
insert into worker_duty as d (name, tick) values (%s, %s)
on conflict (name) do update set tick = excluded.tick where d.tick <> excluded.tick
"""
_NOTE = """
insert into worker_duty as d (name, tick, begun, ended, outcome, detail, runs, failures)
values (%s, 0, %s, %s, %s, %s, 1, %s)
on conflict (name) do update set begun = excluded.begun, ended = excluded.ended,
  outcome = excluded.outcome, runs = d.runs + 1, failures = d.failures + excluded.failures,
  detail = excluded.detail
"""
_SILENT = """
delete from procrastinate_workers where last_heartbeat < now() - make_interval(secs => %s)
"""
_ORPHANS = """
select j.id, exists (select from procrastinate_jobs w where w.status = 'todo'
                     and w.queueing_lock = j.queueing_lock)
from procrastinate_jobs j where j.status = 'doing' and j.worker_id is null
for update skip locked
"""
_DROP = "select procrastinate_finish_job_v1(%s, 'failed', true)"
_RETRY = "select procrastinate_retry_job_v2(%s, now(), null, null, null)"
_FORGET = """
delete from procrastinate_jobs j where j.status in ('failed', 'aborted', 'cancelled')
  and not exists (select from procrastinate_events e
                  where e.job_id = j.id and e.at > now() - make_interval(hours => %s))
"""
