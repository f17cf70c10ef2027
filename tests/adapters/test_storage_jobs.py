"""The queue: duties are handed out once a period, and what the dead had begun is taken up."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from balans.adapters.clock import SystemClock
from balans.core.errors import UnavailableError
from balans.storage import jobs
from balans.storage.scope import system_scope
from balans.worker.duties import DUTIES, Duty, Turn
from balans.worker.metrics import Metrics
from balans.worker.run import runner_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []


def begin(name: str, silent_s: float) -> int:
    """Let a worker that was silent for so long have begun a job."""
    ((worker,),) = rows(
        "insert into procrastinate_workers (last_heartbeat)"
        " values (now() - make_interval(secs => %s)) returning id",
        silent_s,
    )
    ((job,),) = rows(
        "update procrastinate_jobs set status = 'doing', worker_id = %s"
        " where task_name = %s and status = 'todo' returning id",
        worker,
        name,
    )
    return int(job)


def test_a_database_that_goes_away_while_a_job_is_queued_is_told_as_such() -> None:
    """Procrastinate has a word of its own for it; a worker that took it for a fault would end."""
    rows(
        "create function pg_temp.crash() returns trigger language plpgsql as"
        " $$ begin raise exception 'terminating' using errcode = '57P02'; end $$"
    )
    rows(
        "create trigger crash before insert on procrastinate_jobs"
        " for each row execute function pg_temp.crash()"
    )
    with pytest.raises(UnavailableError, match="database: terminating"):
        jobs.hand_out({"seal": 7})


def test_a_duty_is_handed_out_once_a_period() -> None:
    assert jobs.hand_out({"seal": 7, "purge": 7}) == ["seal", "purge"]
    assert jobs.hand_out({"seal": 7, "purge": 7}) == []
    begin("seal", 0)
    assert jobs.hand_out({"seal": 8, "purge": 8}) == ["seal"]  # the other still waits
    begin("purge", 0)
    assert jobs.hand_out({"seal": 3, "purge": 3}) == ["purge"]  # the clock was set back
    with system_scope():
        assert jobs.counts() == {"doing": 2, "todo": 2}


def test_the_same_job_waits_once_and_leaves_the_transaction_whole() -> None:
    with system_scope():
        assert jobs.defer("import", lock="import 5", file=5)
        assert not jobs.defer("import", lock="import 5", file=5)
        assert jobs.defer("import", lock="import 6", file=6)
        assert jobs.counts() == {"todo": 2}


def test_a_job_is_queued_with_what_it_works_on_or_not_at_all() -> None:
    def work() -> None:
        with system_scope():
            jobs.defer("import", file=5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    with system_scope():
        assert jobs.counts() == {}


def test_what_the_dead_had_begun_is_queued_again_and_what_the_living_do_is_not() -> None:
    jobs.hand_out({"seal": 1, "purge": 1, "tidy": 1})
    dead, alive = begin("seal", 100), begin("purge", 1)
    assert jobs.rescue(20) == 1
    states = dict(rows("select id, status::text from procrastinate_jobs"))
    assert (states[dead], states[alive]) == ("todo", "doing")
    assert jobs.rescue(20) == 0


def test_where_the_same_waits_already_the_one_of_the_dead_goes() -> None:
    jobs.hand_out({"seal": 1})
    begin("seal", 100)
    jobs.hand_out({"seal": 2})
    assert jobs.rescue(20) == 1
    with system_scope():
        assert jobs.counts() == {"todo": 1}


def test_failed_jobs_are_forgotten_after_their_time() -> None:
    jobs.hand_out({"seal": 1, "purge": 1})
    old, new = begin("seal", 0), begin("purge", 0)
    rows("select procrastinate_finish_job_v1(%s, 'failed', false)", old)
    rows("select procrastinate_finish_job_v1(%s, 'failed', false)", new)
    rows("update procrastinate_events set at = at - interval '30 days' where job_id = %s", old)
    assert jobs.forget_failed(24) == 1
    assert rows("select id from procrastinate_jobs") == [(new,)]


def test_every_duty_can_be_done_and_tells_what_it_did() -> None:
    with system_scope():
        Session.objects.create(
            session_key="old", session_data="", expire_date=timezone.now() - timedelta(days=1)
        )
    turn, metrics = Turn(SystemClock(), threading.Event()), Metrics()
    told = {duty.name: runner_of(duty, turn, metrics).run({}) for duty in DUTIES}
    assert told["partitions"].startswith("made reading_day_")
    assert told["tidy"] == "forgot 1 ended sessions"
    assert told["purge"] == told["seal"] == ""
    again = {duty.name: runner_of(duty, turn, metrics).run({}) for duty in DUTIES}
    assert set(again.values()) == {""}
    with system_scope():
        runs = {run.name: (run.runs, run.failures, run.outcome) for run in jobs.duty_runs()}
    assert runs == {duty.name: (2, 0, "done") for duty in DUTIES}


def test_a_duty_that_fails_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_turn: Turn) -> str:
        raise RuntimeError("no room")

    metrics = Metrics()
    turn = Turn(SystemClock(), threading.Event())
    runner = runner_of(Duty("seal", timedelta(hours=1), fail), turn, metrics)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            runner.run({})
    assert caplog.text.count("Traceback") == 1  # one that stays fills no disk
    assert caplog.text.count("failed again") == 1
    with system_scope():
        (run,) = jobs.duty_runs()
    assert (run.outcome, run.runs, run.failures) == ("failed", 3, 3)
    assert "no room" in run.detail
    labels = {"job": "seal", "outcome": "failed"}
    assert metrics.registry.get_sample_value("worker_runs_total", labels) == 3


def test_portions_end_when_the_process_shall_end() -> None:
    stop = threading.Event()
    done: list[int] = []

    def portion() -> int:
        done.append(1)
        if len(done) == 3:
            stop.set()
        return 5

    assert Turn(SystemClock(), stop).total(portion) == 15
