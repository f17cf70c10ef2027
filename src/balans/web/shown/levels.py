"""How a load stands to its limit, as the two marks of a gauge."""

from typing import Final

GAUGE_ROOM: Final = 1.25
"""A gauge goes on beyond the limit by a quarter, so that the mark is seen."""
NO_MARK: Final = "-10%"


def gauge(now: float | None, limit: float | None) -> tuple[str, str]:
    """Return the width of the bar and the place of the limit's mark; no bar without a limit.

    >>> gauge(5.0, 8.0), gauge(12.0, 8.0), gauge(5.0, None)
    (('50.0%', '80.0%'), ('80.0%', '53.3%'), ('0.0%', '-10%'))
    """
    if limit is None:
        return "0.0%", NO_MARK
    full = GAUGE_ROOM * max(limit, now or 0, 1e-6)
    return f"{100 * max(now or 0, 0) / full:.1f}%", f"{100 * limit / full:.1f}%"
