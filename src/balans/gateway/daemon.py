"""The gateway: a hub's journal and load control of a site, joined to two brokers.

::

    modules --report--> Concentrator --> Recorder --> Journal --> Delivery --> head-end
       ^------------ hours wanted --------- Hours <--+     <------ wanted --------|
       ^--ask--- Reader <-------------- read now, answers ----------------------->|
    contactors, valves <--> Supply <------ order to disconnect, journalled before it is obeyed
    sensor, actuators <--> SiteControl --reports--^          Delivery <--ack--
                              ^--- commands, limits --- head-end

The site bus and the way to the server are connections of their own: without the server the
journal grows and control goes on; without the bus there is nothing to control.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from balans import __version__
from balans.adapters.monitor import Monitor
from balans.adapters.mqtt import Link
from balans.core.errors import BalansError, InputError, UnavailableError
from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.gateway.called import CalledDesk
from balans.gateway.concentrator import Concentrator
from balans.gateway.config import GatewayConfig
from balans.gateway.delivery import Delivery
from balans.gateway.devices import Devices, Listening
from balans.gateway.foresight import Foresight
from balans.gateway.hours import Hours
from balans.gateway.journal import Journal
from balans.gateway.keep import Files
from balans.gateway.metrics import Metrics
from balans.gateway.page.app import Clocks, PageApp
from balans.gateway.page.hosts import Hosts
from balans.gateway.page.server import house_key, listen, serve
from balans.gateway.page.session import Sessions
from balans.gateway.planner import PlannerProcess
from balans.gateway.reader import Reader
from balans.gateway.recorder import Recorder
from balans.gateway.scribe import Scribe
from balans.gateway.site_control import (
    PacedClock,
    Reconnected,
    RefusedCall,
    SiteControl,
    zone_names,
)
from balans.gateway.supply import Supply
from balans.protocols import hub, module
from balans.protocols.claim import claim_of
from balans.usecases.run_load_control import (
    ControlledSite,
    LoadControl,
    PlanRequest,
    RefusedError,
)
from balans.wiring.service import Complaints, run_beside

BEAT_S = 2.0
log = logging.getLogger(__name__)


class Gateway:
    """One gateway process.

    Parameters
    ----------
    config
        Of this gateway.
    clock
        Time of the site.

    Raises
    ------
    UnavailableError
        If the journal cannot be opened, or another process owns it.
    """

    def __init__(self, config: GatewayConfig, clock: PacedClock) -> None:
        self._config = config
        self._clock = clock
        self._metrics = Metrics()
        self._complaints = Complaints(log)
        self._site_topics = module.Topics(config.site)
        self._hub_topics = hub.Topics(config.hub)
        journal = Journal(config.data_dir / "journal")
        for finding in journal.findings:
            log.warning("%s", finding)
        self._recorder = Recorder(journal, self._metrics, self._durable)
        self._delivery = Delivery(
            self._hub_topics, self._recorder, self._metrics, _introduction(config), self._hour
        )
        place = (self._site_topics, config.hub, self._recorder, self._metrics, self._now_s)
        self._concentrator = Concentrator(*place)
        self._hours = Hours(*place, self._hour)
        self._reader = Reader(self._site_topics, self._hub_topics, self._metrics)
        self._supply = Supply(
            self._site_topics, self._hub_topics, self._recorder, self._metrics, self._now_s
        )
        self._called = CalledDesk(config, clock, self._metrics)
        self._remember(journal)
        self._control = self._new_control(config.controlled) if config.controlled else None
        self._devices = self._new_devices()
        self._site = self._new_site_link()
        self._server = self._new_server_link()
        self._page = self._new_page()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what has begun."""
        jobs = [
            self._site.run(),
            self._server.run(),
            self._concentrator.run(self._site),
            self._delivery.run(self._server),
            self._hours.run(self._site),
            self._reader.run(self._site, self._server),
            self._supply.run(self._site),
            self._called.run(self._server),
            self._beat(),
        ]
        if self._control:
            jobs += [self._control.run(self._site, self._server), self._scribe.run()]
            jobs += [foresight.run() for foresight in self._foresight()]
        if self._devices:
            for announcement in self._devices.announcements():
                self._concentrator.take_announcement(announcement)
            jobs += [*self._devices.ears.jobs(), self._devices.run()]
        if self._page:
            jobs.append(serve(*self._page))
        with Monitor(
            self._metrics.registry,
            self._troubles,
            self._config.metrics_port,
            self._config.health_file,
        ) as self._monitor:
            try:
                await run_beside(stop, jobs)
            finally:
                if self._control:
                    await self._control.close()
                if self._devices:
                    await self._devices.close()
                await self._called.close()
                await self._recorder.close()

    def _new_control(self, site: ControlledSite) -> SiteControl:
        files = Files.within(self._config.data_dir)
        control = LoadControl(
            site,
            lambda: uuid4().hex,
            self._now_s(),
            files.memory.read(),
            files.past.read(),
            self._called.calls,
        )
        nodes = {node.name for node in site.nodes}
        control.set_server_limits(files.limits.limits(zone_names(site), nodes))
        control.set_consents(files.consents.read().loads)
        self._take_own(control, files)
        self._scribe = Scribe(self._recorder, files, self._metrics)
        topics = (self._site_topics, self._hub_topics)
        return SiteControl(control, self._clock, topics, self._scribe, self._metrics)

    def _new_devices(self) -> Devices | None:
        """Return what listens to meters of others, where there are such."""
        config = self._config
        if config.devices is None:
            return None
        client_id = f"balans-devices-{config.hub}-{uuid4().hex[:8]}"
        return Devices(
            config.devices,
            config.data_dir,
            Listening(client_id, self._now_s),
            self._recorder,
            self._metrics,
        )

    def _remember(self, journal: Journal) -> None:
        """Learn from the journal which hours are here and what of it is urgent."""
        try:
            for first, entries in journal.runs():
                self._durable(first, entries)
        except UnavailableError as error:
            log.warning("%s", error)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _hour(self) -> int:
        return int((self._now_s() - EPOCH_UNIX_S) // HOUR_S)

    def _foresight(self) -> list[Foresight]:
        """Return what plans ahead, nothing where the site has no table ``[planner]``."""
        control = self._control
        if control is None or control.control.site.planner is None:
            return []

        def request() -> PlanRequest | None:
            return control.control.plan_request(self._now_s())

        every_s = control.control.site.planner.every_s
        planner = PlannerProcess()
        return [Foresight(planner, every_s, request, control.take, self._now_s, self._metrics)]

    @staticmethod
    def _take_own(control: LoadControl, files: Files) -> None:
        try:
            control.set_own(files.own.read())
        except InputError as error:
            log.warning("what was set here is not used: %s", error)

    def _new_page(self) -> tuple[PageApp, socket.socket] | None:
        """Return the local page and the socket it is served on, where it is wanted."""
        config, control = self._config.page, self._control
        if config is None or control is None:
            return None
        key = config.key or house_key(self._config.data_dir / "page-key")
        listening = listen(config.host, config.port)
        log.info("local page: http://%s:%d/", *listening.getsockname()[:2])
        clocks = Clocks(control.control.site.timezone, self._now_s, time.monotonic)
        hosts = Hosts((config.host, *config.hosts))
        return PageApp(control.board, Sessions(key), clocks, control.take, hosts), listening

    def _new_site_link(self) -> Link:
        topics = self._site_topics
        own = self._config.hub
        heard = (topics.report(own), topics.answer(own), topics.supplied(own), topics.announce)
        subscriptions = [(topic, 1) for topic in heard]
        if self._control:
            subscriptions += [(topics.power, 0), (topics.all_states, 1), (topics.all_devices, 0)]
        if self._devices:
            subscriptions.append((topics.ask(own), 1))
        return Link(
            self._config.mqtt_url,
            f"balans-site-{own}-{uuid4().hex[:8]}",
            subscriptions,
            lambda topic, data: self._guard("site", topic, lambda: self._from_site(topic, data)),
            self._on_site_connected,
        )

    def _new_server_link(self) -> Link:
        return Link(
            self._config.server_mqtt_url,
            f"balans-hub-{self._config.hub}-{uuid4().hex[:8]}",
            self._called.subscriptions,
            self._on_server_message,
            self._on_server_connected,
        )

    async def _on_site_connected(self) -> None:
        self._supply.reconnected()
        if self._control:
            self._control.take(Reconnected())

    async def _on_server_connected(self) -> None:
        self._introduce()

    def _introduce(self) -> None:
        """Tell the server who is there, and what is planned."""
        self._delivery.introduce()
        if self._control:
            self._control.tell_plan_again()

    async def _on_server_message(self, topic: str, data: bytes) -> None:
        acks: list[hub.Ack] = []
        self._guard("server", topic, lambda: self._from_server(topic, data, acks))
        for ack in acks:
            await self._delivery.take_ack(ack)

    def _guard(self, link: str, topic: str, handle: Callable[[], None]) -> None:
        """Drop what makes no sense, with a complaint that names the place."""
        try:
            handle()
        except BalansError as error:
            self._metrics.dropped.labels(link).inc()
            self._complaints.add(f"{link} broker, {topic}", f"dropped: {error}")

    def _from_site(self, topic: str, data: bytes) -> None:
        message, topics = module.decode(data), self._site_topics
        match message:
            case (
                module.ModuleReport()
                | module.Answer()
                | module.HoursAbsent()
                | module.SupplyState()
            ) if topic in (
                topics.report(self._config.hub),
                topics.answer(self._config.hub),
                topics.supplied(self._config.hub),
            ):
                self._from_module(message)
            case module.Announce() if topic == topics.announce:
                self._concentrator.take_announcement(message)
            case module.Ask() | module.HoursWanted() if (
                topic == topics.ask(self._config.hub) and self._devices
            ):
                answer = self._devices.take_question(message)
                if answer:
                    self._from_module(answer)
            case module.PowerSample() | module.PulseSample() | module.RelaySample() if (
                topic == topics.power and self._control
            ):
                self._control.take(message)
            case module.DeviceState() if topic == topics.device(message.load) and self._control:
                self._control.take(message)
            case module.ActuatorState() if topic == topics.state(message.load) and self._control:
                self._control.take(message)
            case _:
                raise module.ModuleFrameError(f"a {type(message).__name__} does not belong here")

    def _from_module(
        self,
        message: module.ModuleReport | module.Answer | module.HoursAbsent | module.SupplyState,
    ) -> None:
        self._hours.heard(message.serial)
        match message:
            case module.ModuleReport():
                self._concentrator.take(message)
            case module.Answer():
                self._reader.take_answer(message)
            case module.HoursAbsent():
                self._hours.take_absent(message)
            case module.SupplyState():
                self._supply.take_state(message)

    def _from_server(self, topic: str, data: bytes, acks: list[hub.Ack]) -> None:
        message, topics = self._opened(topic, data), self._hub_topics
        match message:
            case None:
                pass
            case hub.Ack() if topic == topics.ack:
                acks.append(message)
            case hub.Poll() if topic == topics.POLL:
                self._introduce()
            case hub.ReadNow() | hub.ReadNoted() | hub.Wanted() if topic in (
                topics.read,
                topics.wanted,
            ):
                self._from_reader(message)
            case hub.SupplyOrder() | hub.SupplyAsk() if topic == topics.supply:
                self._supply.take(message)
            case _:
                if self._control is None or not self._control.take_server(topic, message):
                    raise hub.HubFrameError(f"a {type(message).__name__} does not belong here")

    def _opened(self, topic: str, data: bytes) -> hub.Message | None:
        try:
            return self._called.open(topic, data)
        except RefusedError as error:
            if error.call is not None and self._control:
                self._control.take(RefusedCall(error.call, error.why))
            raise

    def _from_reader(self, message: hub.ReadNow | hub.ReadNoted | hub.Wanted) -> None:
        match message:
            case hub.ReadNow():
                self._reader.take(message)
            case hub.ReadNoted():
                self._reader.take_noted(message)
            case hub.Wanted():
                self._hours.take_wanted(message)

    def _durable(self, first: int, entries: Sequence[hub.Entry]) -> None:
        self._delivery.add(first, entries)
        self._hours.add(entries)

    def _troubles(self) -> list[str]:
        troubles = [] if self._site.connected else [f"no connection to {self._site.address}"]
        if self._devices:
            troubles += self._devices.troubles()
        if self._recorder.refusing:
            troubles.append(self._recorder.refusing)
        return troubles

    def _links(self) -> list[tuple[str, Link]]:
        links = [("site", self._site), ("server", self._server)]
        devices = self._devices.ears.links if self._devices else []
        return [*links, *(("devices", link) for link in devices)]

    async def _beat(self) -> None:
        while True:
            for name, link in self._links():
                self._metrics.connected.labels(name).set(link.connected)
            with contextlib.suppress(OSError):
                self._monitor.beat()
            await asyncio.sleep(BEAT_S)


def _introduction(config: GatewayConfig) -> hub.Introduction:
    claim = claim_of(config.hub, config.label_secret) if config.label_secret else ""
    return hub.Introduction(f"balans {__version__}", claim, config.site)
