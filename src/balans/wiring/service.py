"""What every daemon has in common: its log, and its end at SIGTERM or Ctrl-C."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

LAST_S = 20.0
"""Longer than any daemon grants what it has begun."""
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
log = logging.getLogger(__name__)


def log_to_stderr(level: str) -> None:
    """Write log lines of `level` and above to standard error."""
    logging.basicConfig(level=level, format=FORMAT, stream=sys.stderr)


def run_until_stopped(
    main: Callable[[asyncio.Event], Awaitable[None]], last_s: float = LAST_S
) -> None:
    """Run `main` with an event that SIGTERM and SIGINT set; it ends cleanly then.

    Whatever does not heed its end is left behind `last_s` seconds later: nothing of a daemon is
    lost when it is killed, and one that lingers on is in the way of the next.
    """

    async def guarded() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def heed() -> None:
            stop.set()
            loop.call_later(last_s, _give_up, last_s)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, heed)
        await main(stop)

    asyncio.run(guarded())


def _give_up(last_s: float) -> None:
    places = sorted(_place(task.get_coro()) for task in asyncio.all_tasks())
    log.error("not ended %.0f s after it was told to; still at: %s", last_s, "; ".join(places))
    logging.shutdown()
    os._exit(1)


def _place(waiting: Any) -> str:
    """Return where a coroutine waits: the functions down to the innermost, and its line."""
    names = [waiting.cr_code.co_qualname]
    while getattr(waiting.cr_await, "cr_frame", None) is not None:
        waiting = waiting.cr_await
        names.append(waiting.cr_code.co_qualname)
    return f"{' > '.join(names)}, line {waiting.cr_frame.f_lineno}"


async def run_beside(stop: asyncio.Event, jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run `jobs`, which never end by themselves, until `stop` is set; then cancel them.

    When a job fails the others are cancelled and its error is raised: whoever started the
    process starts it again. A process whose jobs are not all at work must not go on.

    Raises
    ------
    RuntimeError
        If a job ended though `stop` is not set. Besides, whatever a job raises.
    """
    tasks = [asyncio.ensure_future(job) for job in jobs]
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        asked = stop.is_set()
        log.info("stopping")
    finally:
        for task in (*tasks, waiting):
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    if not asked:
        raise RuntimeError("a job of this process ended by itself")


class Complaints:
    """Logs what is wrong with messages from outside, but not a line for each of a flood.

    Parameters
    ----------
    log
        Where to.
    every_s
        The same place is complained about at most this often; what was left out is counted.
    """

    def __init__(self, log: logging.Logger, every_s: float = 60.0) -> None:
        self._log = log
        self._every_s = every_s
        self._last_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def add(self, place: str, what: object) -> None:
        """Complain about `what` at `place`."""
        now_s = time.monotonic()
        if now_s - self._last_s.get(place, -self._every_s) < self._every_s:
            self._left_out[place] = self._left_out.get(place, 0) + 1
            return
        if len(self._last_s) > 1000:
            self._last_s.clear()
        self._last_s[place] = now_s
        more = self._left_out.pop(place, 0)
        self._log.warning("%s: %s%s", place, what, f" ({more} more before)" if more else "")
