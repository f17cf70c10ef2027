"""Hubs that have introduced themselves: who is told of keys and groups, and who is not known yet.

Names come from the broker, where anybody who may write there can introduce as many hubs as he
likes; so only those that the registry knows are kept for good. Of the others the newest are
remembered for a while, since a hub may introduce itself before it is registered.
"""

from collections.abc import Collection, Iterable
from typing import Final

STRANGERS: Final = 10_000
"""So many names of hubs that nobody has registered are remembered, the newest."""
WAITING: Final = 100_000
"""So many may wait for an answer, while the database is away; others have to ask again."""


class Greeted:
    """Names of hubs, as many as are registered and a few more."""

    def __init__(self) -> None:
        self._registered: set[str] = set()
        self._strangers: dict[str, None] = {}
        self._waiting: dict[str, None] = {}

    def __len__(self) -> int:
        """Return how many names are held."""
        return len({*self._registered, *self._strangers, *self._waiting})

    def greet(self, hub: str) -> None:
        """Note that `hub` waits for an answer."""
        if hub in self._waiting or len(self._waiting) < WAITING:
            self._waiting[hub] = None

    @property
    def waiting(self) -> frozenset[str]:
        """Those that have not been answered."""
        return frozenset(self._waiting)

    @property
    def all(self) -> frozenset[str]:
        """Whoever may have to know something."""
        return frozenset({*self._registered, *self._strangers, *self._waiting})

    def answered(self, hubs: Iterable[str], registered: Collection[str]) -> None:
        """Note that `hubs` have been answered, and which of them are registered."""
        for hub in hubs:
            self._waiting.pop(hub, None)
            self._strangers.pop(hub, None)
            if hub in registered:
                self._registered.add(hub)
            else:
                self._registered.discard(hub)
                self._strangers[hub] = None
        while len(self._strangers) > STRANGERS:
            del self._strangers[next(iter(self._strangers))]
