"""The worker as a process: hands out duties when they are due, and runs what is in the queue.

Any number of workers may run: each duty is handed out once for its period, and each job is taken
by one. What a killed worker had begun is done again by another, or by itself when it is back.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from balans.adapters.monitor import Monitor
from balans.core.clock import Clock
from balans.core.errors import UnavailableError
from balans.storage import jobs
from balans.storage.scope import system_scope
from balans.wiring.service import run_beside
from balans.worker.duties import DUTIES, Duty, Turn
from balans.worker.metrics import Metrics
from balans.worker.queue import Queue, Tasks, rescue
from balans.worker.run import Runner, runner_of

LOOK_S: Final = 1.0
RESCUE_S: Final = 5.0
SILENT_S: Final = 20.0
"""A worker that is silent for so long is taken for dead; its heart beats every five seconds."""
BEAT_S: Final = 2.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Where the worker works.

    database_url
        Where the queue is; Django is set up for the same database.
    metrics_port, health_file
        Where health and figures are shown; None: not.
    silent_s
        A worker of which nothing was heard for so long is taken for dead [s].
    """

    database_url: str
    metrics_port: int | None = None
    health_file: Path | None = None
    silent_s: float = SILENT_S


class Worker:
    """One worker process.

    Parameters
    ----------
    clock
        Time of the sites.
    duties
        What is to be done regularly.
    """

    def __init__(
        self, options: WorkerOptions, clock: Clock, duties: Sequence[Duty] = DUTIES
    ) -> None:
        self._options = options
        self._clock = clock
        self._duties = duties
        self._metrics = Metrics()
        self._turn = Turn(clock, threading.Event())
        self._queue = Queue(options.database_url, Tasks(self._runners()))
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what runs then comes to an end first."""
        options = self._options
        with Monitor(
            self._metrics.registry, self._troubles, options.metrics_port, options.health_file
        ) as self._monitor:
            log.info("worker: %s", ", ".join(duty.name for duty in self._duties))
            await run_beside(
                stop,
                [
                    self._queue.run(),
                    self._repeat(LOOK_S, self._hand_out),
                    self._rescue(),
                    self._beat(),
                    self._pass_on(stop),
                ],
            )

    def run_once(self) -> dict[str, str]:
        """Run every duty now, without the queue; return what each did."""
        return {name: runner.run({}) for name, runner in self._runners().items()}

    def _runners(self) -> dict[str, Runner]:
        return {duty.name: runner_of(duty, self._turn, self._metrics) for duty in self._duties}

    async def _pass_on(self, stop: asyncio.Event) -> None:
        """Tell the threads at work that the process shall end."""
        await stop.wait()
        self._turn.stop.set()
        await asyncio.Event().wait()

    async def _repeat(self, every_s: float, step: Callable[[], None]) -> None:
        while True:
            try:
                await asyncio.to_thread(step)
                self._note("")
            except UnavailableError as error:
                self._note(str(error))
            await asyncio.sleep(every_s)

    def _hand_out(self) -> None:
        ticks = ticks_at(self._duties, self._clock.now(), datetime.now(UTC))
        jobs.hand_out(ticks)
        with system_scope(jobs.ACTOR):
            counts = jobs.counts()
        for state in ("todo", "doing", "failed"):
            self._metrics.jobs.labels(state).set(counts.get(state, 0))

    async def _rescue(self) -> None:
        while True:
            count = await rescue(self._options.silent_s)
            if count:
                log.warning("%d jobs of a worker that is no more are queued again", count)
                self._metrics.rescued.inc(count)
            await asyncio.sleep(RESCUE_S)

    async def _beat(self) -> None:
        while True:
            self._metrics.working.set(self._queue.working)
            self._monitor.beat()
            await asyncio.sleep(BEAT_S)

    def _note(self, trouble: str) -> None:
        if bool(trouble) != bool(self._trouble):
            log.warning("database: %s", trouble or "there again")
        self._trouble = trouble
        self._metrics.database.set(not trouble)

    def _troubles(self) -> list[str]:
        found = [trouble for trouble in (self._trouble, self._queue.trouble) if trouble]
        return found if found or self._queue.working else ["no jobs are being taken"]


def ticks_at(duties: Sequence[Duty], sites: datetime, system: datetime) -> dict[str, int]:
    """Return the number of the period in which each duty is, by its clock.

    >>> from datetime import timedelta
    >>> hourly = Duty("tidy", timedelta(hours=1), lambda turn: "")
    >>> ticks_at([hourly], datetime(1970, 1, 1, 2, 59, tzinfo=UTC), datetime.now(UTC))
    {'tidy': 2}
    """
    return {
        duty.name: int(
            (sites if duty.by_sites else system).timestamp() // duty.every.total_seconds()
        )
        for duty in duties
    }
