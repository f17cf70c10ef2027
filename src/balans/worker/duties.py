"""What the worker does again and again. Each duty may be repeated and may run twice at a time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from balans.core.clock import Clock
from balans.storage import inbox, jobs, partitions
from balans.storage.accounts import forget_sessions
from balans.storage.scope import system_scope

AHEAD_DAYS: Final = 92
FAILED_KEPT_H: Final = 7 * 24


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a duty.

    clock
        Time of the sites.
    stop
        Set when the process shall end: work in small portions and look at it between them.
    """

    clock: Clock
    stop: threading.Event

    def now(self) -> datetime:
        """Return the time of the sites."""
        return self.clock.now()

    def total(self, portion: Callable[[], int]) -> int:
        """Return the sum of `portion`, called until it is 0 or the process shall end."""
        total = 0
        while not self.stop.is_set():
            count = portion()
            total += count
            if not count:
                break
        return total


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done regularly.

    name
        Of the job, and in figures and logs.
    every
        Period. It begins on full multiples since 1970.
    work
        Does it; returns what it did in a few words, empty if there was nothing to do.
    by_sites
        Whether the period goes by the clock of the sites, else by that of the system.
    """

    name: str
    every: timedelta
    work: Callable[[Turn], str]
    by_sites: bool = True


def make_partitions(turn: Turn) -> str:
    """Make the tables that readings of the coming months go into."""
    today = turn.now().date()
    with system_scope(jobs.ACTOR):
        made = partitions.ensure_partitions(today, today + timedelta(days=AHEAD_DAYS))
    return f"made {', '.join(made)}" if made else ""


def purge_inbox(turn: Turn) -> str:
    """Delete batches that were flushed long ago."""
    count = inbox.purge(turn.now())
    return f"deleted {count} batches that were flushed long ago" if count else ""


def tidy(_turn: Turn) -> str:
    """Forget sessions that have ended, and failed jobs of last week."""
    sessions, failed = forget_sessions(), jobs.forget_failed(FAILED_KEPT_H)
    told = [
        f"{count} {what}"
        for count, what in ((sessions, "ended sessions"), (failed, "failed jobs"))
        if count
    ]
    return f"forgot {', '.join(told)}" if told else ""


DUTIES: Final = (
    Duty("partitions", timedelta(hours=1), make_partitions),
    Duty("purge", timedelta(hours=1), purge_inbox),
    Duty("tidy", timedelta(hours=1), tidy, by_sites=False),
)
"""All of them, in the order in which they are done when several are due."""
