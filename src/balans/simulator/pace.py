"""How fast simulated time passes, and who is told."""

import asyncio
from collections.abc import Callable

from balans.simulator.recording import MINUTE_S

SetClock = Callable[[float, float], None]
"""Takes the Unix second that it is now in the town, and simulated seconds per second from now."""

RUNNING_CLOCK_MAX_SPEED = 120.0
"""Up to this speed the clock runs between boundaries; above it, it steps from one to the next."""


class Pace:
    """Sets the town's clock, and says when the next boundary between two minutes is due.

    Parameters
    ----------
    speed
        Simulated seconds per second; None is as fast as the answers come.
    set_clock
        Told at every boundary, or once when the clock runs by itself.
    """

    def __init__(self, speed: float | None, set_clock: SetClock) -> None:
        self._speed = speed
        self._set_clock = set_clock
        self._running = speed is not None and speed <= RUNNING_CLOCK_MAX_SPEED
        self._anchor_s = 0.0
        self._anchor_wall_s = 0.0

    def begin(self, now_s: float) -> None:
        """Let the present boundary be at this moment."""
        self._anchor_s, self._anchor_wall_s = now_s, _wall_s()
        self._set_clock(now_s, self._speed or 0.0 if self._running else 0.0)

    def boundary(self, now_s: float) -> None:
        """Note that the boundary at `now_s` is reached."""
        if not self._running:
            self._set_clock(now_s, 0.0)
        if self._speed and _wall_s() - self._due_wall_s(now_s) > MINUTE_S / self._speed:
            self.begin(now_s)  # too slow, or the computer slept

    def change(self, speed: float | None, now_s: float) -> None:
        """Go on at another speed from the boundary at `now_s` on."""
        if speed == self._speed:
            return
        self._speed = speed
        self._running = speed is not None and speed <= RUNNING_CLOCK_MAX_SPEED
        self.begin(now_s)

    async def rest(self, now_s: float, stop: asyncio.Event) -> None:
        """Wait until the boundary after `now_s` is due, or `stop` is set."""
        if self._speed is None:
            return
        try:
            async with asyncio.timeout_at(self._due_wall_s(now_s + MINUTE_S)):
                await stop.wait()
        except TimeoutError:
            return

    def end(self, now_s: float) -> None:
        """Let the clock stand still."""
        self._set_clock(now_s, 0.0)

    def clock_s(self, now_s: float) -> float:
        """Return the time on the clock now, while the last boundary was at `now_s`."""
        if not self._running or not self._speed:
            return now_s
        return max(now_s, self._anchor_s + (_wall_s() - self._anchor_wall_s) * self._speed)

    def _due_wall_s(self, boundary_s: float) -> float:
        return self._anchor_wall_s + (boundary_s - self._anchor_s) / (self._speed or 1.0)


def _wall_s() -> float:
    return asyncio.get_running_loop().time()
