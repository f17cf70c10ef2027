"""Time is passed in: whoever needs it takes a `Clock`."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of the site: the present, or the simulated present of a replay."""

    def now(self) -> datetime:
        """Return the time as an aware datetime in UTC."""
        ...
