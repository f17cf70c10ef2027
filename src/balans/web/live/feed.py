"""What the streams of one site share: its newest state, read once for all of them."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from asgiref.sync import sync_to_async

from balans.storage import live, plans
from balans.storage.live import LiveStatus, Minute
from balans.storage.records import NodeInfo
from balans.storage.scope import tenant_scope
from balans.web.live.broadcast import Broadcast
from balans.web.shown.curves import MINUTE
from balans.web.shown.sites import Commands, commands_of

KEPT: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A site as it stood at a version of the broadcast."""

    version: int
    last: LiveStatus | None
    minutes: tuple[Minute, ...]
    commands: Commands
    plan_made: datetime | None


@dataclass(slots=True)
class Feed:
    """Reads a site when it has changed since the last reading."""

    site: NodeInfo
    broadcast: Broadcast
    _snapshot: Snapshot | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def topic(self) -> str:
        """What notifications about the site are called."""
        return str(self.site.id)

    async def snapshot(self) -> Snapshot:
        """Return the newest state.

        Raises
        ------
        UnavailableError
            If the database cannot be used now.
        """
        async with self._lock:
            version = self.broadcast.version(self.topic)
            if self._snapshot is None or self._snapshot.version != version:
                self._snapshot = await sync_to_async(self._read, thread_sensitive=False)(version)
            return self._snapshot

    def _read(self, version: int) -> Snapshot:
        with tenant_scope(self.site.tenant_id, actor="live"):
            newest = live.last_minute(self.site.id)
            end = newest + MINUTE if newest else None
            minutes = live.minutes(self.site.id, end - KEPT, end) if end else []
            commands = commands_of(self.site)
            plan = plans.latest(self.site.id)
            return Snapshot(
                version,
                live.latest_status(self.site.id),
                tuple(minutes),
                commands,
                plan.made if plan else None,
            )


class Feeds:
    """One feed for each site that somebody watches."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._feeds: dict[int, Feed] = {}

    def of(self, site: NodeInfo) -> Feed:
        """Return the feed of `site`."""
        feed = self._feeds.get(site.id)
        if feed is None or feed.site != site:
            feed = self._feeds[site.id] = Feed(site, self._broadcast)
        return feed
