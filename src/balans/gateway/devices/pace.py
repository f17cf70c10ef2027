"""A bound to how often one device is listened to: load control shares the processor with it."""

BURST = 50.0
PER_S = 10.0
"""A meter speaks once a second at most; reading a message takes a millisecond."""


class Pace:
    """Lets `BURST` messages through at once, and `PER_S` in each second afterwards."""

    def __init__(self) -> None:
        self._left = BURST
        self._at_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Tell whether a message at `now_s` (any clock that only goes forward) is listened to."""
        passed_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._at_s = now_s
        self._left = min(BURST, self._left + PER_S * passed_s)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
