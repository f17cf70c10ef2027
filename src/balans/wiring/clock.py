"""The clock of the site: the system's, or that of a replay."""

from pathlib import Path

from balans.adapters.clock import SharedClock, SystemClock


def clock_of(clock_file: Path | None) -> SystemClock | SharedClock:
    """Return the clock that the configuration names.

    Raises
    ------
    UnavailableError
        If the file of a replay's clock is missing or broken.
    """
    return SharedClock(clock_file) if clock_file else SystemClock()
