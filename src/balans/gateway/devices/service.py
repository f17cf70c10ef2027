"""Listens to the devices of a site and journals what they have counted.

What a counter remembers is written before the readings made with it go into the journal: after a
crash the same readings are made, or those that may be missing are journalled again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from balans.core.errors import InputError, UnavailableError
from balans.domain.devices import Device, Outcome
from balans.domain.devices.counter import REGISTER_MAX
from balans.gateway.devices.config import DevicesConfig
from balans.gateway.devices.ears import Ears
from balans.gateway.devices.keep import files_in, kept_of, restore
from balans.gateway.devices.metrics import DeviceMetrics
from balans.gateway.devices.pace import Pace
from balans.gateway.devices.ring import Ring
from balans.gateway.metrics import Metrics
from balans.gateway.recorder import Recorder
from balans.protocols.hub import Entry, EntryKind
from balans.protocols.module import Announce, Answer, Ask, HoursAbsent, HoursWanted
from balans.protocols.readings import INPUT_MAX, PackedReadingsError, Reading, pack, readings_of
from balans.usecases.device_definition import unit_of
from balans.wiring.service import Complaints

SAVE_S = 60.0
RETRY_S = 5.0
ENTRY_READINGS = 1_000
KIND_MAX = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """The client's name at the broker of the devices, and the time of the site [Unix s]."""

    client_id: str
    now_s: Callable[[], float]


class Devices:
    """The devices of a site.

    Parameters
    ----------
    config
        Which there are, and where they are heard.
    folder
        Where their counters are remembered.
    listening
        Under which name, and by which clock.

    Attributes
    ----------
    ears
        What has to run for them to be heard.
    """

    def __init__(
        self,
        config: DevicesConfig,
        folder: Path,
        listening: Listening,
        recorder: Recorder,
        metrics: Metrics,
    ) -> None:
        self._devices = config.devices
        self._now_s = listening.now_s
        self._recorder = recorder
        self._journalled = metrics.readings
        self._metrics = DeviceMetrics(metrics.registry)
        self._complaints = Complaints(log)
        self._counters, self._hours = files_in(folder)
        self._unsaved: list[Reading] = []
        self._restore()
        self._ring = Ring(self._hours.read())
        self._paces = {name: Pace() for name in self._devices}
        self._changed = False
        self._wake = asyncio.Event()
        self._round: asyncio.Future[None] | None = None
        self.refusing = ""
        self.ears = Ears(config, listening.client_id, self)

    def announcements(self) -> list[Announce]:
        """Return what the virtual modules say of themselves."""
        return [
            Announce(
                serial,
                inputs=min(INPUT_MAX, len(device.channels) - index * INPUT_MAX),
                kind=_kind(name, device, index),
                software="gateway",
            )
            for name, device in self._devices.items()
            for index, serial in enumerate(device.serials)
        ]

    def troubles(self) -> list[str]:
        """Return what is wrong, in sentences; nothing if all is well."""
        troubles = self.ears.troubles()
        return [*troubles, self.refusing] if self.refusing else troubles

    def take(self, topic: str, payload: bytes) -> None:
        """Take a message that has just been sent."""
        self._take(topic, payload, kept=False)

    def take_kept(self, topic: str, payload: bytes) -> None:
        """Take a message that the broker had kept."""
        self._take(topic, payload, kept=True)

    def take_telegram(self, name: str, telegram: bytes) -> None:
        """Take a telegram from the port of the device `name`."""
        device = self._devices[name]
        self._from(name, device, device.topics[0], telegram, kept=False)

    def take_question(self, question: Ask | HoursWanted) -> Answer | HoursAbsent | None:
        """Answer a question to a module, if it is one of these; hours found are journalled."""
        device = next((d for d in self._devices.values() if question.serial in d.serials), None)
        if device is None:
            return None
        if isinstance(question, HoursWanted):
            found, absent = self._ring.wanted(question)
            self._journal(found)
            return absent
        return self._answer(device, question)

    def _answer(self, device: Device, ask: Ask) -> Answer | None:
        """Return the newest register and when it was; None where it has not been told yet."""
        if not device.has(ask.serial, ask.input):
            return Answer(ask.id, ask.serial, ask.input, self._now_s(), None)
        point = device.register(ask.serial, ask.input)
        if point is None or point.value > REGISTER_MAX:
            return None
        return Answer(ask.id, ask.serial, ask.input, point.time_s, int(point.value))

    async def run(self) -> None:
        """Write what has changed, until cancelled."""
        if self._unsaved:
            self._journal([])
        while True:
            await self._something_to_do()
            self._round = asyncio.ensure_future(self._write())
            await asyncio.shield(self._round)  # a thread cannot be stopped: `close` waits for it

    async def close(self) -> None:
        """Write the rest, once."""
        if self._round is not None:
            await asyncio.wait([self._round])
        self._changed = True
        await self._write()

    def _restore(self) -> None:
        kept = self._counters.read()
        try:
            restore(self._devices, kept)
            self._unsaved = readings_of(kept.unsaved)
        except (InputError, PackedReadingsError) as error:
            log.warning("what was kept of the devices is not used: %s", error)

    def _take(self, topic: str, payload: bytes, *, kept: bool) -> None:
        for name, device in self._devices.items():
            if device.means(topic):
                self._from(name, device, topic, payload, kept=kept)

    def _from(self, name: str, device: Device, topic: str, payload: bytes, *, kept: bool) -> None:
        if not self._paces[name].allows(asyncio.get_running_loop().time()):
            self._metrics.messages.labels(name, "flood").inc()
            return
        now_s = self._now_s()
        taken = device.take(topic, payload, now_s, kept=kept)
        self._metrics.messages.labels(name, taken.outcome).inc()
        for finding in taken.findings:
            self._complaints.add(f"device {name}, {topic}", finding)
        if taken.outcome is Outcome.USED:
            self._metrics.findings.labels(name).inc(len(taken.findings))
            self._metrics.heard.labels(name).set(now_s)
            self._metrics.readings.labels(name).inc(len(taken.readings))
            self._changed = True
        if taken.readings:
            self._journal(taken.readings)

    def _journal(self, readings: "list[Reading] | tuple[Reading, ...]") -> None:
        self._unsaved += readings
        self._changed = True
        self._wake.set()

    async def _something_to_do(self) -> None:
        waits_s = RETRY_S if self._unsaved else SAVE_S
        try:
            async with asyncio.timeout(waits_s):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _write(self) -> None:
        """Write the counters, then journal the readings that were made with them."""
        if not (self._changed or self._unsaved):
            return
        unsaved = list(self._unsaved)
        data = self._counters.encode(kept_of(self._devices, pack(unsaved)))
        self._changed = False
        try:
            await asyncio.to_thread(self._counters.save, data)
            await self._record(unsaved)
        except (OSError, UnavailableError) as error:
            self._changed = True
            self.refusing = f"readings of devices wait: {error}"
            self._complaints.add("devices", self.refusing)
        else:
            self.refusing = ""

    async def _record(self, readings: list[Reading]) -> None:
        """Journal `readings` and keep them in the ring."""
        if not readings:
            return
        parts = range(0, len(readings), ENTRY_READINGS)
        await self._recorder.record(
            [Entry(EntryKind.READINGS, pack(readings[at : at + ENTRY_READINGS])) for at in parts]
        )
        del self._unsaved[: len(readings)]
        self._changed = True
        self._journalled.inc(len(readings))
        self._ring.add(readings)
        await asyncio.to_thread(self._hours.write, self._ring.packed())


def _kind(name: str, device: Device, index: int) -> str:
    """Return what module number `index` of a device is, for whoever accepts it."""
    rules = device.definition
    channels = device.channels[index * INPUT_MAX : (index + 1) * INPUT_MAX]
    inputs = ", ".join(f"{one} {unit_of(rules.channel(one))}" for one in channels)
    return f"{name} ({rules.name}): {inputs}"[:KIND_MAX]
