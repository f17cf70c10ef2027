"""What the worker does again and again. Each duty may be repeated and may run twice at a time."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from balans.core.clock import Clock
from balans.storage import (
    arrivals,
    balances,
    findings,
    found,
    imports,
    inbox,
    jobs,
    partitions,
    read_requests,
    response_life,
    response_trigger_work,
    sealing,
    sent_forms,
    supply_checks,
)
from balans.storage.accounts import forget_sessions
from balans.storage.scope import system_scope

SEALED_AT_ONCE: Final = 50_000
DAYS_AT_ONCE: Final = 500
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
    with system_scope(jobs.ACTOR):
        made = partitions.make_ahead(turn.now())
    return f"made {', '.join(made)}" if made else ""


def seal(turn: Turn) -> str:
    """Seal months that are over, and drop the tables that are empty then."""
    count = turn.total(lambda: sealing.seal_due(turn.now(), limit=SEALED_AT_ONCE))
    return f"sealed {count} months of channels" if count else ""


def balance(turn: Turn) -> str:
    """Compute again what late data, corrections and changes of the registry touched."""
    count = turn.total(lambda: balances.refresh(turn.now(), DAYS_AT_ONCE))
    return f"computed {count} days of balance groups" if count else ""


def respond(turn: Turn) -> str:
    """Begin and end events of demand response in time, and make the account of those over."""
    lived = response_life.advance_events(turn.now())
    counts = {
        "begins of events": lived.begun,
        "ends of events": lived.ended,
        "accounts of events": turn.total(lambda: response_life.settle_events(turn.now())),
    }
    return _told("did", counts)


def watch(turn: Turn) -> str:
    """Let triggers of demand response look at their nodes, and act or propose."""
    did = response_trigger_work.look_at_triggers(turn.now())
    return "; ".join(f"{code}: {what}" for code, what in did.items())


def purge(turn: Turn) -> str:
    """Delete what has served its time: batches, requests, notes of delivery, refused files."""
    batches, requests = inbox.purge(turn.now()), read_requests.purge()
    with system_scope(jobs.ACTOR):
        counts = {
            "batches": batches,
            "requests to read": requests,
            "notes of delivery": arrivals.forget(turn.now()),
            "hubs of nobody": found.forget_silent(turn.now()),
            "files that were refused": imports.forget_refused(turn.now()),
        }
    return _told("deleted", counts)


def take_again(_turn: Turn) -> str:
    """Let batches that the database refused be tried once more."""
    return _told("tries again", {"refused batches": inbox.take_again()})


def tidy(turn: Turn) -> str:
    """Forget sessions that have ended, forms sent long ago, and failed jobs of last week."""
    counts = {
        "ended sessions": forget_sessions(),
        "failed jobs": jobs.forget_failed(FAILED_KEPT_H),
        "forms sent long ago": sent_forms.forget_old(turn.now()),
    }
    return _told("forgot", counts)


def watch_supplies(turn: Turn) -> str:
    """Notice where something is used though the supply is disconnected."""
    with system_scope(jobs.ACTOR):
        noticed = supply_checks.bypasses(turn.now())
        findings.record(noticed, turn.now())
    return f"something is used at {len(noticed)} disconnected points" if noticed else ""


def _told(verb: str, counts: Mapping[str, int]) -> str:
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return f"{verb} {', '.join(told)}" if told else ""


DUTIES: Final = (
    Duty("partitions", timedelta(hours=1), make_partitions),
    Duty("balances", timedelta(seconds=10), balance, by_sites=False),
    Duty("response", timedelta(seconds=10), respond, by_sites=False),
    Duty("supplies", timedelta(hours=1), watch_supplies),
    Duty("triggers", timedelta(seconds=5), watch),
    Duty("seal", timedelta(hours=1), seal),
    Duty("purge", timedelta(hours=1), purge),
    Duty("tidy", timedelta(hours=1), tidy, by_sites=False),
    Duty("refused", timedelta(days=1), take_again, by_sites=False),
)
"""All of them, in the order in which they are done when several are due."""
