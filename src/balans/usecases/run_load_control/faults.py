"""Actuators that do not obey: how long their loads are left alone.

A contact that is welded, or that nobody hears from, would be chosen again at every step, and other
loads that could have helped would never be. So after a failed order the load is no candidate for a
while, each time longer.
"""

from dataclasses import dataclass

from balans.domain.demand.model import DAY_S

HOLD_PAUSE_S, HOLD_PAUSE_MAX_S = 300.0, 21_600.0
"""After an order to hold back failed: 5 min, 10 min, … up to 6 hours."""
BACK_PAUSE_S, BACK_PAUSE_MAX_S = 60.0, 900.0
"""After an order to come back failed: 1 min, 2 min, … up to the longest off time of yellow."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a load did not obey, how often in a row, and until when it is left alone."""

    holds_back: bool
    count: int
    until_s: float


def next_fault(
    earlier: Fault | None,
    *,
    holds_back: bool,
    now_s: float,
    is_silence: bool = False,
) -> Fault:
    """Return the fault after an order failed at `now_s`.

    A first silence costs no pause: the bus may have been away, and a load that is silent is not
    decided on anyway until it has told its state.

    >>> first = next_fault(None, holds_back=True, now_s=0.0)
    >>> next_fault(first, holds_back=True, now_s=300.0)
    Fault(holds_back=True, count=2, until_s=900.0)
    >>> next_fault(None, holds_back=True, now_s=0.0, is_silence=True)
    Fault(holds_back=True, count=1, until_s=0.0)
    """
    count = 1
    if earlier and earlier.holds_back == holds_back and now_s - earlier.until_s < DAY_S:
        count = earlier.count + 1
    first_s, longest_s = (
        (HOLD_PAUSE_S, HOLD_PAUSE_MAX_S) if holds_back else (BACK_PAUSE_S, BACK_PAUSE_MAX_S)
    )
    doublings = count - 2 if is_silence else count - 1
    pause_s = min(longest_s, first_s * 2 ** min(doublings, 30)) if doublings >= 0 else 0.0
    return Fault(holds_back, count, now_s + pause_s)
