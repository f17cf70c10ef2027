"""Calls of storage from the loop: each in a thread, and again when the database comes back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from django.db import Error

from balans.core.errors import BalansError, UnavailableError
from balans.headend.metrics import Metrics

BACKOFF_LEAST_S, BACKOFF_MOST_S = 0.1, 2.0
P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


class RejectedError(BalansError):
    """The database does not take it, and never will."""

    code = "rejected"


class Database:
    """Knows whether the database is there.

    Parameters
    ----------
    on_return
        Awaited when it is there again after it was away.
    """

    def __init__(self, metrics: Metrics, on_return: Callable[[], Awaitable[None]]) -> None:
        self.trouble = ""
        self._metrics = metrics
        self._on_return = on_return
        metrics.database.set(1)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return ``function(*args)``, run in a thread.

        Raises
        ------
        UnavailableError
            If the database cannot be used now.
        RejectedError
            If it does not take what it was given. Besides, whatever else `function` raises.
        """
        try:
            result = await asyncio.to_thread(function, *args, **kwargs)
        except UnavailableError as error:
            self._note(str(error))
            raise
        except Error as error:
            raise RejectedError(f"rejected by the database: {str(error).strip()}") from error
        if self.trouble:
            self._note("")
            await self._on_return()
        return result

    async def insist(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return ``function(*args)``, however long the database is away."""
        pause_s = BACKOFF_LEAST_S
        while True:
            try:
                return await self.call(function, *args, **kwargs)
            except UnavailableError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, BACKOFF_MOST_S)

    def _note(self, trouble: str) -> None:
        if bool(trouble) != bool(self.trouble):
            log.warning("database: %s", trouble or "there again")
        self.trouble = trouble
        self._metrics.database.set(not trouble)
