"""The events of one stream: what changed since the last ones, at most two batches a second."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils import translation

from balans.core.errors import UnavailableError
from balans.storage.live import Minute
from balans.web.live.broadcast import Broadcast
from balans.web.live.feed import Feed, Snapshot
from balans.web.shown.curves import power_twin, quarters, samples
from balans.web.shown.parts import parts_version
from balans.web.shown.picture import Picture, changes
from balans.web.shown.sites import SiteView, heard

GAP_S: Final = 0.5
TICK_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
RECHECK_S: Final = 10.0
RETRY_MS: Final = 2000
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stream:
    """One reader's stream of a site.

    `since` is the newest minute that the reader has; `allowed` asks again whether the reader
    may still read.
    """

    view: SiteView
    language: str
    since: datetime | None
    allowed: Callable[[], Awaitable[bool]]
    _shown: Picture = field(default_factory=dict)
    _log: str | None = None
    _freshness: str = ""
    _version: int | None = None
    _filled: tuple[datetime, datetime] | None = None
    _parts: str = ""

    async def events(self, feed: Feed, broadcast: Broadcast) -> AsyncIterator[str]:
        """Yield events until the reader leaves, may no longer read, or the process ends."""
        yield f"retry: {RETRY_MS}\n\n"
        sent_s = checked_s = time.monotonic()
        with broadcast.subscribed(feed.topic) as changed:
            while not broadcast.stopped:
                changed.clear()
                for event in await self._next(feed):
                    sent_s = time.monotonic()
                    yield event
                if time.monotonic() - sent_s > HEARTBEAT_S:
                    sent_s = time.monotonic()
                    yield ": still here\n\n"
                if time.monotonic() - checked_s > RECHECK_S:
                    checked_s = time.monotonic()
                    if not await self.allowed():
                        return
                await _wait(changed)

    async def _next(self, feed: Feed) -> list[str]:
        """Return what has changed; while the database is away, only that the state grows old."""
        try:
            snapshot = await feed.snapshot()
        except UnavailableError as error:
            log.warning("live stream of %s: %s", self.view.site.code, error)
            return []
        found = heard(snapshot.last)
        freshness = found.freshness if found else "waiting"
        if snapshot.version == self._version and freshness == self._freshness:
            return []
        self._version, self._freshness = snapshot.version, freshness
        with translation.override(self.language):
            return list(self._changes(snapshot))

    def _changes(self, snapshot: Snapshot) -> Iterator[str]:
        texts = self.view.picture(snapshot.last)
        changed = changes(self._shown, texts)
        self._shown = texts
        if changed:
            yield _event("state", changed)
        if self.view.whole:
            fresh = [one for one in snapshot.minutes if self._is_fresh(one)]
            if fresh:
                self.since = fresh[-1].start
                yield _event("samples", samples(fresh, self.view.site.timezone), self.since)
            yield from self._twin(snapshot)
        html = render_to_string("balans/parts/log.html", {"log": self.view.log(snapshot.commands)})
        if html != self._log:
            self._log = html
            yield _event("log", {"html": html})
        version = parts_version(snapshot.last, snapshot.plan_made)
        if version != self._parts:
            self._parts = version
            yield _event("parts", {"version": version})

    def _twin(self, snapshot: Snapshot) -> Iterator[str]:
        """Return the table beside the chart, when a quarter of an hour has come to its end."""
        filled = quarters(snapshot.minutes)
        if filled != self._filled:
            self._filled = filled
            twin = power_twin(snapshot.minutes, self.view.site.timezone)
            html = render_to_string("balans/parts/twin.html", {"twin": twin})
            yield _event("twin", {"html": html})

    def _is_fresh(self, minute: Minute) -> bool:
        """Tell whether a minute is new, or the newest, which may still have grown."""
        return self.since is None or minute.start >= self.since


async def _wait(changed: asyncio.Event) -> None:
    """Wait for a change, but at most a tick; then a moment more, for what comes with it."""
    try:
        async with asyncio.timeout(TICK_S):
            await changed.wait()
    except TimeoutError:
        return
    await asyncio.sleep(GAP_S)


def _event(name: str, data: Any, at: datetime | None = None) -> str:
    event_id = f"id: {at.timestamp():.0f}\n" if at else ""
    return f"{event_id}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
