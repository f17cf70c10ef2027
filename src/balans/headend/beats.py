"""Numbers of beats: hubs take a beat only if its number is larger than any they have heard.

The database gives them out, so they grow over restarts and among any number of head-ends, also when
a clock was set back: a hub that took the beats of such a head-end for replayed ones would hold its
fallback limit until the clock has caught up. Numbers are milliseconds of the clock where that is
ahead; a clock that jumps forward makes them jump, which does no harm. While the database is away
each head-end counts on by a clock that never steps, at the pace of milliseconds, so that of several
none falls behind what another has told.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from balans.core.errors import UnavailableError
from balans.headend.database import Database, RejectedError
from balans.storage import response_beats

PATIENCE_S: Final = 5.0
"""So long the database may take; then the beat goes out without it."""
log = logging.getLogger(__name__)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


class BeatNumbers:
    """Gives out the numbers of beats.

    Parameters
    ----------
    clock_ms
        The own clock, which may be wrong and may step [ms].
    steady_s
        One that only goes on [s].
    """

    def __init__(
        self,
        database: Database,
        clock_ms: Callable[[], int] = _clock_ms,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._steady_s = steady_s
        self._told: dict[int, tuple[int, float]] = {}
        self._asking: asyncio.Task[dict[int, int]] | None = None

    async def next(self, tenants: Iterable[int]) -> dict[int, int]:
        """Return the number of the next beat of each of `tenants`."""
        least = {tenant: self._least(tenant) for tenant in tenants}
        found = await self._taken(least) if least else {}
        numbers = {tenant: max(found.get(tenant, 0), number) for tenant, number in least.items()}
        told_s = self._steady_s()
        self._told |= {tenant: (number, told_s) for tenant, number in numbers.items()}
        return numbers

    def _least(self, tenant: int) -> int:
        if tenant not in self._told:
            return self._clock_ms()
        number, told_s = self._told[tenant]
        return max(self._clock_ms(), number + max(1, int((self._steady_s() - told_s) * 1000)))

    async def _taken(self, least: Mapping[int, int]) -> dict[int, int]:
        """Return what the database gives; nothing while it hangs on what it was asked before."""
        if self._asking is not None and not self._asking.done():
            return {}
        self._asking = asyncio.create_task(self._ask(least))
        try:
            done, _ = await asyncio.wait({self._asking}, timeout=PATIENCE_S)
        except asyncio.CancelledError:
            self._asking.cancel()
            raise
        return self._asking.result() if done else {}

    async def _ask(self, least: Mapping[int, int]) -> dict[int, int]:
        try:
            return await self._database.call(response_beats.take_numbers, least)
        except UnavailableError:
            return {}
        except RejectedError as error:
            log.error("beats: %s", error)  # noqa: TRY400  (its message says all)
            return {}
