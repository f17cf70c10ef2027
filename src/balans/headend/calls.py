"""Calls for reduction on their way to gateways, and the beat that tells them the server is there.

The calls of an event are retained at the broker from its announcement to its end, so who comes
late learns them; they are sent again every minute, and cleared afterwards. Before a call goes out
its topic is noted in the database: whatever dies, somebody knows what to clear. Any number of
head-ends may do this beside each other, since the same call is the same to the byte.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from balans.core.clock import Clock
from balans.core.errors import UnavailableError
from balans.headend.beats import BeatNumbers
from balans.headend.database import Database, RejectedError
from balans.headend.greeted import Greeted
from balans.headend.metrics import Metrics
from balans.headend.seals import Publish, Seals
from balans.protocols.hub import Beat, Topics, beat_topic, call_topic, encode
from balans.storage import response_calls, response_life, response_members
from balans.storage.response_calls import LiveCall
from balans.storage.response_members import HubGroups

ROUND_S: Final = 1.0
REPEAT_S: Final = 60.0
BEAT_S: Final = 30.0
SETTINGS_S: Final = 30.0
"""Groups are looked at as often as this when nobody tells of a change."""
HUBS_AT_ONCE: Final = 500
AT_ONCE: Final = 50
"""So many messages wait for the broker at a time."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Message:
    """One message of a call: what is sent where, and when that was done last."""

    topic: str
    shard: int
    data: bytes
    sent_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a hub's topic holds, before it is signed, and the key that signs it; b"": nothing."""

    topic: str
    key: str
    data: bytes


@dataclass(slots=True)
class _Event:
    """The messages of an event's call at an epoch."""

    epoch: int
    tenant_id: int
    messages: list[_Message] = field(default_factory=list)

    @property
    def topics(self) -> list[str]:
        """Where they are retained."""
        return [one.topic for one in self.messages]


class Calls:
    """Brings calls, groups, keys and beats to gateways.

    Parameters
    ----------
    clock
        Time of the sites: events live by it, and beats tell it.
    publish
        Takes topic, payload and whether it is retained; tells whether the broker has taken it.
    on_keys
        Called when keys have changed: what was sent before has to be signed anew.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        seals: Seals,
        publish: Publish,
        on_keys: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._seals = seals
        self._publish = publish
        self._on_keys = on_keys
        self._news = asyncio.Event()
        self._beat_now = asyncio.Event()
        self._hubs = Greeted()
        self._events: dict[int, _Event] = {}
        self._settings: dict[str, dict[str, _Setting]] = {}
        """What the topics of each hub hold."""
        self._settings_due = True
        self._again: dict[str, None] = {}
        """Hubs of which it is to be looked whether they have to know something new, in order."""
        self._numbers = BeatNumbers(database)

    def wake(self) -> None:
        """Look at events: one has changed."""
        self._news.set()

    def look_again(self) -> None:
        """Look at keys and groups too: they have changed."""
        self._settings_due = True
        self._news.set()

    def greet(self, hub: str) -> None:
        """Note that `hub` has introduced itself: it wants to know its groups, and the time."""
        self._hubs.greet(hub)
        if hub in self._settings:  # but what was cleared there stays so
            kept = self._settings[hub].items()
            self._settings[hub] = {topic: one for topic, one in kept if not one.data}
        self._news.set()

    def forget(self) -> None:
        """Note that the broker is there again: it may have forgotten what it retained."""
        self._settings.clear()
        self._events.clear()
        self.look_again()

    async def run(self) -> None:
        """Send until cancelled."""
        settings_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            if loop.time() >= settings_s:
                self._settings_due = True
                settings_s = loop.time() + SETTINGS_S
            try:
                await self._round()
            except UnavailableError:
                pass
            except RejectedError as error:
                log.error("calls: %s", error)  # noqa: TRY400  (its message says all)
            try:
                async with asyncio.timeout(ROUND_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _round(self) -> None:
        """Send what is due, calls before what can wait."""
        if self._settings_due:
            await self._refresh_keys()
        await self._database.call(response_life.advance_events, self._clock.now())
        await self._clear(await self._send_calls())
        if self._settings_due or self._again or self._hubs.waiting:
            await self._send_groups()

    async def _refresh_keys(self) -> None:
        if await self._seals.refresh():
            self._settings.clear()
            self._events.clear()
            self._on_keys()

    async def beat(self) -> None:
        """Tell the gateways of tenants with keys that the server is there, until cancelled."""
        while True:
            for tenant_id, number in (await self._numbers.next(self._seals.rings)).items():
                now_s = self._clock.now().timestamp()
                topic = beat_topic(tenant_id)
                data = self._seals.seal(tenant_id, topic, encode(Beat(now_s, number)))
                if data is not None and await self._publish(topic, data, False):  # noqa: FBT003
                    self._metrics.beats.inc()
            self._beat_now.clear()
            await asyncio.sleep(ROUND_S)  # however many introduce themselves
            try:
                async with asyncio.timeout(BEAT_S - ROUND_S):
                    await self._beat_now.wait()
            except TimeoutError:
                pass

    async def _send_calls(self) -> list[LiveCall]:
        live = await self._database.call(response_calls.live_calls, self._clock.now())
        known = {one.event_id for one in live}
        self._events = {pk: one for pk, one in self._events.items() if pk in known}
        for one in live:
            try:
                await self._send_call(one)
            except (UnavailableError, RejectedError):
                raise
            except Exception:  # the next event is another's, and must not wait for this
                log.exception("event %d: not sent", one.event_id)
        return live

    async def _send_call(self, live: LiveCall) -> None:
        event = self._events.get(live.event_id)
        if event is None or event.epoch != live.epoch:
            event = await self._built(live)
            self._events[live.event_id] = event
        await self._send(live, event)

    async def _built(self, live: LiveCall) -> _Event:
        """Return the messages of an event's call, signed."""
        calls = await self._database.call(response_calls.build_calls, live.event_id)
        epoch = calls[0].epoch if calls else live.epoch
        event = _Event(epoch, live.tenant_id)
        for call in calls:
            topic = call_topic(call)
            data = self._seals.seal(live.tenant_id, topic, encode(call))
            if data is not None:
                event.messages.append(_Message(topic, response_members.shard_of(call.group), data))
        return event

    async def _send(self, live: LiveCall, event: _Event) -> None:
        now_s = asyncio.get_running_loop().time()
        due = [
            one for one in event.messages if one.sent_s is None or now_s - one.sent_s >= REPEAT_S
        ]
        if not due:
            return
        if not set(event.topics) <= set(live.topics):
            await self._database.call(response_calls.note_topics, live.event_id, event.topics)
        fresh = [one for one in due if one.sent_s is None]
        taken = await self._publish_all((one.topic, one.data) for one in due)
        for one, done in zip(due, taken, strict=True):
            if done:
                one.sent_s = now_s
        sent = {one.shard for one in fresh if one.sent_s is not None}
        unsent = {one.shard for one in event.messages if one.sent_s is None}
        if sent - unsent:
            count = await self._database.call(
                response_calls.mark_sent,
                live.event_id,
                event.epoch,
                sent - unsent,
                self._clock.now(),
            )
            self._metrics.targets.inc(count)
        self._metrics.calls.inc(sum(taken))

    async def _clear(self, live: Sequence[LiveCall]) -> None:
        """Let the broker forget calls of events that are over, and parts that are no more."""
        over = await self._database.call(response_calls.calls_to_clear, self._clock.now())
        for one in over:
            await self._clear_topics(one.event_id, one.topics)
        for one in live:
            event = self._events.get(one.event_id)
            if event is not None and event.epoch == one.epoch and event.messages:
                gone = [topic for topic in one.topics if topic not in event.topics]
                await self._clear_topics(one.event_id, gone)

    async def _clear_topics(self, event_id: int, topics: Sequence[str]) -> None:
        if not topics:
            return
        taken = await self._publish_all((topic, b"") for topic in topics)
        cleared = [topic for topic, done in zip(topics, taken, strict=True) if done]
        if cleared:
            await self._database.call(response_calls.mark_cleared, event_id, cleared)

    async def _publish_all(self, messages: Iterable[tuple[str, bytes]]) -> list[bool]:
        """Publish retained messages; return for each whether the broker has taken it."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(topic: str, data: bytes) -> bool:
            async with gate:
                return await self._publish(topic, data, True)  # noqa: FBT003

        return list(await asyncio.gather(*(one(*message) for message in messages)))

    async def _send_groups(self) -> None:
        """Let the broker retain what some hubs must know of their groups, and of the keys.

        No call waits for the groups of a whole town: what is left comes after the next round.
        """
        if self._settings_due:
            self._settings_due = False  # what changes from here on is looked at in the next round
            self._again |= dict.fromkeys(sorted(self._hubs.all))
        greeted = self._hubs.waiting
        wanted = dict.fromkeys([*sorted(greeted), *self._again])
        hubs = list(wanted)[:HUBS_AT_ONCE]
        registered = await self._database.call(response_members.registered, hubs)
        missed: set[str] = set()
        if registered and self._seals.rings:
            missed = await self._retain_groups(sorted(registered))
        done = set(hubs) - missed
        self._hubs.answered(done, registered)
        self._again = {hub: None for hub in self._again if hub not in done}
        if greeted & done:
            self._beat_now.set()  # who knows its groups takes the time too
        if done and len(wanted) > len(hubs):
            self._news.set()

    async def _retain_groups(self, hubs: list[str]) -> set[str]:
        """Send each of `hubs` its keys and groups; return those the broker did not take it for."""
        found = await self._database.call(response_members.hub_groups, hubs)
        news = [
            (one, setting)
            for one in found
            for setting in self._settings_of(one)
            if self._settings.get(one.hub_code, {}).get(setting.topic) != setting
        ]
        taken = await self._publish_all((it.topic, self._sealed(one, it)) for one, it in news)
        for (one, setting), done in zip(news, taken, strict=True):
            if done:
                self._settings.setdefault(one.hub_code, {})[setting.topic] = setting
        return {one.hub_code for (one, _), done in zip(news, taken, strict=True) if not done}

    def _settings_of(self, one: HubGroups) -> list[_Setting]:
        """Return what a hub must know of keys and of its groups, and what it is to find no more."""
        topics, tenant_id = Topics(one.hub_code), one.tenant_id
        keys = self._seals.announcements(tenant_id)
        found = [_Setting(topics.keys(ident), ident, data) for ident, data in keys]
        signer = self._seals.signer(tenant_id)
        if signer is not None:
            found.append(_Setting(topics.groups, signer.id, encode(one.groups)))
        told = {setting.topic for setting in found}
        gone = {topics.keys(ident) for ident in self._seals.ended(tenant_id)}
        gone |= self._settings.get(one.hub_code, {}).keys()
        return [*found, *(_Setting(topic, "", b"") for topic in sorted(gone - told))]

    def _sealed(self, one: HubGroups, setting: _Setting) -> bytes:
        """Return what is published; nothing clears the topic."""
        if not setting.data:
            return b""
        return self._seals.sign_with(one.tenant_id, setting.key, setting.topic, setting.data)
