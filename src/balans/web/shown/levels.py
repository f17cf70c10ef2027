"""How a load stands to its limit, as a code and as the two marks of a gauge."""

from typing import Final

NEAR: Final = 0.9
GAUGE_ROOM: Final = 1.25
"""A gauge goes on beyond the limit by a quarter, so that the mark is seen."""
NO_MARK: Final = "-10%"


def level(now: float | None, limit: float | None) -> str:
    """Return how a load stands to its limit: inside, near (90 %), over, unlimited or unknown.

    >>> level(3950, 4000), level(4001, 4000), level(None, 4000)
    ('near', 'over', 'unknown')
    """
    if now is None:
        return "unknown"
    if limit is None:
        return "unlimited"
    if now > limit:
        return "over"
    return "near" if now > NEAR * limit else "inside"


def gauge(now: float | None, limit: float | None) -> tuple[str, str]:
    """Return the width of the bar and the place of the limit's mark; no bar without a limit.

    >>> gauge(5.0, 8.0), gauge(12.0, 8.0), gauge(5.0, None)
    (('50.0%', '80.0%'), ('80.0%', '53.3%'), ('0.0%', '-10%'))
    """
    if limit is None:
        return "0.0%", NO_MARK
    full = GAUGE_ROOM * max(limit, now or 0, 1e-6)
    return f"{100 * max(now or 0, 0) / full:.1f}%", f"{100 * limit / full:.1f}%"
