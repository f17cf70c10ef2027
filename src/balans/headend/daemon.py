"""The head-end: between the broker, where hubs are, and the database.

::

    hubs --hello, batch--> Intake --COMMIT--> ack --> hubs
         --answer--------> Reading --COMMIT--> noted --> hubs
         --status--------> LivePictures --> live_status
         --plan----------> Plans --> site_plan
                           Flusher: inbox --> day rows, commands
    hubs <--command, limits, consents-- Outbox <--NOTIFY-- pages
    hubs <--call, groups, keys, beat--- Calls <--NOTIFY-- pages
    hubs <--order to disconnect-------- Supplies <--NOTIFY-- pages
    hubs <--read now, hours wanted----- Reading, Holes <--NOTIFY-- pages

What binds a hub is signed on its way (`Seals`), where its tenant has a key. Nothing is acknowledged
before it is committed, so the process may be killed at any time.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from balans.adapters.monitor import Monitor
from balans.adapters.mqtt import Link
from balans.core.clock import Clock
from balans.headend.calls import Calls
from balans.headend.database import Database
from balans.headend.intake import Intake
from balans.headend.metrics import Metrics
from balans.headend.outbox import Outbox
from balans.headend.reading import Holes, Reading
from balans.headend.rounds import Findings, Flusher, LivePictures, Plans
from balans.headend.seals import Seals
from balans.headend.supply import Supplies
from balans.protocols.hub import (
    Ack,
    Batch,
    Hello,
    HubFrameError,
    PlanReport,
    Poll,
    ReadResult,
    SiteStatus,
    Topics,
    decode,
    encode,
)
from balans.storage import read_requests, response_calls, signing_keys, supply_sending
from balans.wiring.keys import KeyFolder
from balans.wiring.service import Complaints, run_beside

BEAT_S = 2.0
FAREWELL_S = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeadEndOptions:
    """Where the head-end works.

    database_url
        For notifications; Django is set up for the same database.
    mqtt_url
        Broker of the hubs.
    key_folder
        Where the private keys are that sign what binds hubs.
    metrics_port, health_file
        Where health and figures are shown; None: not.
    """

    database_url: str
    mqtt_url: str
    key_folder: Path
    metrics_port: int | None = None
    health_file: Path | None = None


class HeadEnd:
    """One head-end process.

    Parameters
    ----------
    clock
        Time of the sites.
    """

    def __init__(self, options: HeadEndOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._metrics = Metrics()
        self._complaints = Complaints(log)
        self._link = Link(
            options.mqtt_url,
            f"balans-headend-{uuid4().hex[:8]}",
            [(Topics.ALL_UP, 1)],
            self._on_message,
            self._on_connected,
        )
        self._database = Database(self._metrics, self._poll)
        self._findings = Findings(self._database)
        self._seals = Seals(self._database, clock, KeyFolder(options.key_folder))
        self._outbox = Outbox(self._database, clock, self._metrics, self._publish_signed)
        self._calls = Calls(
            self._database,
            clock,
            self._metrics,
            self._seals,
            self._publish,
            self._outbox.reconnected,
        )
        self._reading = Reading(self._database, self._metrics, self._publish)
        self._supplies = Supplies(self._database, clock, self._metrics, self._publish_signed)
        self._intake = Intake(
            self._database, clock, self._metrics, self._acknowledge, self._complain_of, self._greet
        )
        self._holes = Holes(self._database, clock, self._metrics, self._publish, self._intake.busy)
        self._live = LivePictures(self._database, self._metrics)
        self._plans = Plans(self._database, self._metrics)
        self._flusher = Flusher(self._database, clock, self._metrics, self._intake.stored)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then bring what was stored into the tables."""
        options = self._options
        with Monitor(
            self._metrics.registry, self._troubles, options.metrics_port, options.health_file
        ) as self._monitor:
            await run_beside(
                stop,
                [
                    self._link.run(),
                    self._intake.run(),
                    self._live.run(),
                    self._plans.run(),
                    self._flusher.run(),
                    self._outbox.run(),
                    self._outbox.listen(options.database_url, self._wakes()),
                    self._reading.ask(),
                    self._reading.store(),
                    self._holes.run(),
                    self._supplies.run(),
                    self._calls.run(),
                    self._calls.beat(),
                    self._beat(),
                ],
            )
            await self._say_farewell()

    def _wakes(self) -> dict[str, Callable[[], None]]:
        """Return whom to wake by the channel on which the database tells of news."""
        return {
            read_requests.CHANNEL: self._reading.wake,
            supply_sending.CHANNEL: self._supplies.wake,
            response_calls.CHANNEL: self._calls.wake,
            signing_keys.CHANNEL: self._calls.look_again,
        }

    async def _say_farewell(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._live.save()
                await self._plans.save()
                await self._flusher.flush()
                await self._findings.save()
        except TimeoutError:
            log.warning("the database did not take the rest in %.0f s", FAREWELL_S)

    def _on_message(self, topic: str, data: bytes) -> None:
        try:
            self._handle(topic, data)
        except HubFrameError as error:
            self._complain(topic, str(error))

    def _handle(self, topic: str, data: bytes) -> None:
        topics = Topics.parse_up(topic)
        message = decode(data)
        match message:
            case Hello() if topic == topics.hello:
                self._intake.take(topics.hub, message)
            case Batch() if topic == topics.batch:
                self._intake.take(topics.hub, message)
            case ReadResult() if topic == topics.answer:
                self._reading.take(topics.hub, message)
            case SiteStatus() if topic == topics.status:
                self._live.take(topics.hub, message)
            case PlanReport() if topic == topics.plan:
                self._plans.take(topics.hub, message)
            case _:
                raise HubFrameError(f"a {type(message).__name__} does not belong here")

    def _complain_of(self, place: str, what: str) -> None:
        self._metrics.dropped.inc()
        self._complaints.add(place, f"dropped: {what}")

    def _complain(self, place: str, what: str) -> None:
        self._complain_of(place, what)
        self._findings.add(place, "message that makes no sense", what)

    async def _on_connected(self) -> None:
        self._outbox.reconnected()
        self._reading.forget()
        self._supplies.forget()
        self._calls.forget()
        await self._poll()

    def _greet(self, hub: str) -> None:
        """Bring a hub that has introduced itself what it may have missed."""
        self._outbox.greet(hub)
        self._calls.greet(hub)
        self._reading.forget()
        self._supplies.forget()

    async def _poll(self) -> None:
        """Ask hubs to introduce themselves: the answer tells them what to send."""
        await self._publish(Topics.POLL, encode(Poll(self._clock.now().timestamp())))

    async def _acknowledge(self, hub: str, ack: Ack) -> None:
        await self._publish(Topics(hub).ack, encode(ack))

    async def _publish(self, topic: str, data: bytes, retain: bool = False) -> bool:  # noqa: FBT001, FBT002  (MQTT's own word)
        return await self._link.publish(topic, data, qos=1, retain=retain)

    async def _publish_signed(self, topic: str, data: bytes, retain: bool = False) -> bool:  # noqa: FBT001, FBT002
        return await self._publish(topic, await self._seals.for_hub(topic, data), retain)

    def _troubles(self) -> list[str]:
        troubles = [] if self._link.connected else [f"no connection to {self._link.address}"]
        if self._database.trouble:
            troubles.append(self._database.trouble)
        return troubles

    async def _beat(self) -> None:
        while True:
            self._metrics.connected.set(self._link.connected)
            self._monitor.beat()
            await self._findings.save()
            await asyncio.sleep(BEAT_S)
