"""Takes jobs from the queue and runs them, in procrastinate's hands.

Procrastinate's worker gives up when the database is away; a new one is made when it is back. What
the old one had begun is queued again.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException

from balans.core.errors import UnavailableError
from balans.storage import jobs
from balans.worker.run import Runner

CONCURRENCY: Final = 2
POLL_S: Final = 1.0
HEARTBEAT_S: Final = 5.0
OPEN_S: Final = 5.0
GRACE_S: Final = 8.0
"""So long jobs may go on when the process shall end; whoever stops it waits 10 s before SIGKILL."""
PAUSE_LEAST_S, PAUSE_MOST_S = 0.2, 2.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tasks:
    """What can be run, by name."""

    runners: Mapping[str, Runner]

    def app(self, database_url: str) -> App:
        """Return procrastinate with these tasks and a pool of connections of its own."""
        connector = PsycopgConnector(
            conninfo=database_url,
            kwargs={"application_name": "balans-worker"},
            min_size=1,
            max_size=CONCURRENCY + 2,
            timeout=OPEN_S,
            reconnect_timeout=OPEN_S,
        )
        app = App(connector=connector)
        for name, runner in self.runners.items():
            app.task(name=name, queue=jobs.QUEUE, pass_context=True)(_task(runner))
        return app


def _task(runner: Runner) -> Any:
    """Return what procrastinate runs: a fault is noted and told by the runner, and ends there."""

    def run(_context: JobContext, **arguments: Any) -> None:
        try:
            runner.run(arguments)
        except UnavailableError:
            raise
        except Exception:  # noqa: BLE001  (whatever it was, it has been told)
            return

    return run


class Queue:
    """Runs jobs until cancelled.

    Parameters
    ----------
    database_url
        Where the queue is.
    tasks
        What can be run.
    """

    def __init__(self, database_url: str, tasks: Tasks) -> None:
        self.trouble = ""
        self.working = False
        self._url = database_url
        self._tasks = tasks

    async def run(self) -> None:
        """Take jobs until cancelled; then let those that run come to an end."""
        pause_s = PAUSE_LEAST_S
        while True:
            try:
                await self._work()
            except (ProcrastinateException, TimeoutError, OSError) as error:
                self._note(f"queue: {str(error) or type(error).__name__}")
            await asyncio.sleep(pause_s)
            pause_s = PAUSE_LEAST_S if not self.trouble else min(2 * pause_s, PAUSE_MOST_S)

    async def _work(self) -> None:
        app = self._tasks.app(self._url)
        try:
            async with asyncio.timeout(OPEN_S):
                await app.connector.open_async()
                await app.job_manager.check_connection_async()
            self._note("")
            self.working = True
            await app.run_worker_async(
                queues=[jobs.QUEUE],
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=POLL_S,
                listen_notify=False,  # it polls; a connection less that may break
                install_signal_handlers=False,
                shutdown_graceful_timeout=GRACE_S,
                update_heartbeat_interval=HEARTBEAT_S,
                delete_jobs="successful",
            )
        finally:
            self.working = False
            await app.connector.close_async()

    def _note(self, trouble: str) -> None:
        if bool(trouble) != bool(self.trouble):
            log.warning("%s", trouble or "queue: there again")
        self.trouble = trouble


async def rescue(silent_s: float) -> int:
    """Queue again what killed workers had begun; return how many, 0 if that cannot be done now."""
    try:
        return await asyncio.to_thread(jobs.rescue, silent_s)
    except UnavailableError:
        return 0
