"""The clock of the sites that the pages show."""

from functools import cache
from pathlib import Path

from django.conf import settings

from balans.adapters.clock import SharedClock, SystemClock
from balans.wiring.clock import clock_of


def site_clock() -> SystemClock | SharedClock:
    """Return the clock: the system's, or in a replay the replay's."""
    return _clock(settings.CLOCK_FILE)


@cache
def _clock(path: Path | None) -> SystemClock | SharedClock:
    return clock_of(path)
