"""The worker as a process: duties by the clock of the sites, through kills and outages."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from balans.adapters.clock import SharedClockWriter
from balans.adapters.localpg import LocalPostgres

NOW = datetime(2026, 1, 12, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMIT_S = 40.0

SLOW = """
import sys, time
from datetime import timedelta
from pathlib import Path
from balans.config import load
from balans.wiring.clock import clock_of
from balans.wiring.server import setup_django
from balans.wiring.service import log_to_stderr, run_until_stopped

settings, mark = load(), Path(sys.argv[1])
url = settings.database_url.get_secret_value()
setup_django(settings, url)
from balans.worker.daemon import Worker, WorkerOptions
from balans.worker.duties import DUTIES, Duty

def tell(word):
    with mark.open("a") as file:
        file.write(word + "\\n")

def slow(turn):
    tell("begun")
    for _ in range(int(sys.argv[2]) * 20):
        if turn.stop.is_set():
            tell("stopped")
            return ""
        time.sleep(0.05)
    tell("done")
    return "was slow"

log_to_stderr("INFO")
options = WorkerOptions(url, health_file=Path(sys.argv[3]), silent_s=8.0)
duties = (*DUTIES, Duty("slow", timedelta(days=1), slow))
run_until_stopped(Worker(options, clock_of(settings.clock_file), duties).run)
"""


class Bench:
    """Worker processes on one database and one clock."""

    def __init__(self, folder: Path, database_url: str | None) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "BALANS_DATA_DIR": str(folder),
            "BALANS_CLOCK_FILE": str(folder / "clock"),
        }
        if database_url:
            self.env["BALANS_DATABASE_URL"] = database_url
        self.health = folder / "health"
        self.mark = folder / "mark"
        self.clock = SharedClockWriter(folder / "clock")
        self.clock.set(NOW.timestamp())
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        """Start a worker, or Python with `args` instead."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(args or ("-m", "balans", "worker", "--health-file", str(self.health))),
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    async def start_slow(self, seconds: int) -> asyncio.subprocess.Process:
        """Start a worker that has a duty that takes so long."""
        return await self.start("-c", SLOW, str(self.mark), str(seconds), str(self.health))

    async def stop(
        self, process: asyncio.subprocess.Process, number: int = signal.SIGTERM
    ) -> tuple[int | None, str]:
        """Send a signal; return the exit code and the log."""
        self.processes.remove(process)
        if process.returncode is None:
            process.send_signal(number)
        _, log = await process.communicate()
        return process.returncode, log.decode()

    async def until_healthy(self) -> None:
        await self.until(lambda: self.health_says("ok"), "health")

    def health_says(self, beginning: str) -> bool:
        return self.health.exists() and self.health.read_text().startswith(beginning)

    def marks(self) -> list[str]:
        return self.mark.read_text().split() if self.mark.exists() else []

    async def until(self, condition: Any, what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"not within {LIMIT_S} s: {what}")

    async def until_runs(self, name: str, count: int) -> None:
        """Wait until the worker has done a duty so often, and no oftener."""
        async with asyncio.timeout(LIMIT_S):
            while await asyncio.to_thread(runs_of, name) != count:
                await asyncio.sleep(0.1)

    async def until_left(self, jobs: dict[str, int]) -> None:
        """Wait until no other jobs are left."""
        async with asyncio.timeout(LIMIT_S):
            while await asyncio.to_thread(waiting) != jobs:
                await asyncio.sleep(0.1)


def runs_of(name: str) -> int:
    from django.db import connection

    from balans.storage.jobs import duty_runs
    from balans.storage.scope import system_scope

    try:
        with system_scope():
            return {run.name: run.runs - run.failures for run in duty_runs()}.get(name, 0)
    finally:
        connection.close()


def waiting() -> dict[str, int]:
    from django.db import connection

    from balans.storage.jobs import counts
    from balans.storage.scope import system_scope

    try:
        with system_scope():
            return counts()
    finally:
        connection.close()


@pytest.fixture
async def bench(
    store: None,  # noqa: ARG001  (a fixture)
    django_database_url: str,
    tmp_path: Path,
) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, django_database_url)
    yield bench
    for process in list(bench.processes):
        await bench.stop(process, signal.SIGKILL)
    bench.clock.close()


async def test_duties_are_done_each_hour_of_the_sites_clock(bench: Bench) -> None:
    process = await bench.start()
    await bench.until_healthy()
    await bench.until_runs("partitions", 1)
    bench.clock.set((NOW + HOUR).timestamp())
    await bench.until_runs("partitions", 2)
    bench.clock.set((NOW - 5 * HOUR).timestamp())  # a clock that is set back stops nothing
    await bench.until_runs("partitions", 3)
    assert await asyncio.to_thread(runs_of, "tidy") == 1  # by the system's clock
    code, log = await bench.stop(process)
    assert code == 0, log
    assert "Traceback" not in log
    assert not bench.health.exists()
    assert await asyncio.to_thread(waiting) == {}


async def test_two_workers_do_a_duty_once(bench: Bench) -> None:
    first = await bench.start()
    second = await bench.start()
    await bench.until_healthy()
    await bench.until_runs("purge", 1)
    for hours in range(1, 4):
        bench.clock.set((NOW + hours * HOUR).timestamp())
        await bench.until_runs("purge", 1 + hours)
    await asyncio.sleep(2)
    assert await asyncio.to_thread(runs_of, "purge") == 4
    for process in (first, second):
        code, log = await bench.stop(process)
        assert code == 0, log


async def test_what_a_killed_worker_had_begun_is_done_again(bench: Bench) -> None:
    process = await bench.start_slow(600)
    await bench.until(lambda: bench.marks() == ["begun"], "begin")
    await bench.until_left({"doing": 1})  # it has two hands: the other one was at work as well
    code, _ = await bench.stop(process, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert await asyncio.to_thread(waiting) == {"doing": 1}
    process = await bench.start_slow(0)
    await bench.until(lambda: bench.marks() == ["begun", "begun", "done"], "done again")
    await bench.until_runs("slow", 1)
    _, log = await bench.stop(process)
    assert "1 jobs of a worker that is no more are queued again" in log


async def test_a_worker_that_is_stopped_ends_what_it_does(bench: Bench) -> None:
    process = await bench.start_slow(600)
    await bench.until(lambda: bench.marks() == ["begun"], "begin")
    async with asyncio.timeout(10):
        code, log = await bench.stop(process)
    assert code == 0, log
    assert bench.marks() == ["begun", "stopped"]
    assert "Traceback" not in log


async def test_an_outage_of_the_database_is_waited_out(
    bench: Bench, pg_server: LocalPostgres
) -> None:
    process = await bench.start_slow(0)
    await bench.until_healthy()
    await bench.until_runs("partitions", 1)
    await asyncio.to_thread(pg_server.stop)
    try:
        await bench.until(lambda: bench.health_says("database"), "trouble")
        bench.clock.set((NOW + HOUR).timestamp())
        await asyncio.sleep(7)  # longer than procrastinate waits for a connection
        assert process.returncode is None
    finally:
        await asyncio.to_thread(pg_server.start)
        pg_server.watch()
    await bench.until_runs("partitions", 2)
    await bench.until_healthy()
    code, log = await bench.stop(process)
    assert code == 0, log
    assert "there again" in log


async def test_the_embedded_database_may_be_killed_under_it(server_dir: Path) -> None:
    folder = server_dir / "worker"
    folder.mkdir()
    bench = Bench(folder, None)
    init = await bench.start("-m", "balans", "db", "init")
    await init.communicate()
    bench.processes.remove(init)
    process = await bench.start()
    pid_file = folder / "postgres" / "cluster" / "postmaster.pid"
    try:
        await bench.until_healthy()
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        bench.clock.set((NOW + timedelta(days=400)).timestamp())
        await asyncio.sleep(8)  # it is back in less; time for the duties of the new hour
        await bench.until_healthy()
        assert int(pid_file.read_text().split()[0]) != pid
    finally:
        code, log = await bench.stop(process)
        bench.clock.close()
    assert code == 0, log
    assert "partitions: made reading_day_2026_01" in log
    assert "partitions: made reading_day_2027_02" in log


async def test_every_duty_is_done_once_and_told(bench: Bench) -> None:
    told = await bench.start("-m", "balans", "worker", "--once", "--json")
    out, _ = await told.communicate()
    bench.processes.remove(told)
    assert told.returncode == 0
    did = json.loads(out)
    assert did["partitions"].startswith("made reading_day_20") or did["partitions"] == ""
    assert {"balances", "seal", "purge", "tidy"} <= set(did)
    assert await asyncio.to_thread(runs_of, "seal") == 1
    wrong = await bench.start("-m", "balans", "worker", "--json")
    _, log = await wrong.communicate()
    bench.processes.remove(wrong)
    assert wrong.returncode == 2
    assert b"--json: only with --once" in log
