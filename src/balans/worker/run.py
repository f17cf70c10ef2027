"""One run of a job: timed, counted, told."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from balans.core.errors import UnavailableError
from balans.storage import jobs
from balans.wiring.service import Complaints
from balans.worker.duties import Duty, Turn
from balans.worker.metrics import Metrics

Work = Callable[[Mapping[str, Any]], str]
"""Does a job with its arguments; returns what it did in a few words, empty for nothing."""
log = logging.getLogger(__name__)


class Runner:
    """Runs the job `name`.

    Parameters
    ----------
    name
        Of the job.
    work
        What it does.
    metrics
        Figures of the process.
    """

    def __init__(self, name: str, work: Work, metrics: Metrics) -> None:
        self.name = name
        self._work = work
        self._metrics = metrics
        self._complaints = Complaints(log, every_s=600.0)
        self._fault = ""

    def run(self, arguments: Mapping[str, Any]) -> str:
        """Run it; return what it did.

        Raises
        ------
        UnavailableError
            If the database cannot be used now; the run stands as begun and is taken up again.
            Besides, whatever the work raises.
        """
        begun, begun_s = datetime.now(UTC), time.monotonic()
        try:
            did = self._work(arguments)
        except UnavailableError:
            self._metrics.runs.labels(self.name, "unavailable").inc()
            raise
        except Exception as error:
            self._metrics.runs.labels(self.name, "failed").inc()
            self._complain(error)
            jobs.note_run(self.name, begun, datetime.now(UTC), failed=True, detail=repr(error))
            raise
        self._fault = ""
        lasted_s = time.monotonic() - begun_s
        jobs.note_run(self.name, begun, datetime.now(UTC), failed=False, detail=did)
        self._metrics.runs.labels(self.name, "done").inc()
        self._metrics.run_s.labels(self.name).observe(lasted_s)
        self._metrics.last_done.labels(self.name).set_to_current_time()
        if did:
            log.info("%s: %s (%.2f s)", self.name, did, lasted_s)
        return did

    def _complain(self, error: Exception) -> None:
        """Log a fault with its traces when it is new, and as a line now and then when it stays."""
        fault = repr(error)
        if fault == self._fault:
            self._complaints.add(self.name, f"failed again: {fault}")
        else:
            log.error("%s failed", self.name, exc_info=error)
        self._fault = fault


def runner_of(duty: Duty, turn: Turn, metrics: Metrics) -> Runner:
    """Return what runs `duty`."""
    return Runner(duty.name, lambda _arguments: duty.work(turn), metrics)
