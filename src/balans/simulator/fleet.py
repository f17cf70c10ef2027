"""Many virtual hubs over one connection: they journal in memory and deliver like real ones.

Modules and hub are one process here, so the site bus between them is left out; from the hub to
the head-end everything goes over the wire.
"""

import asyncio
import logging
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from balans import __version__
from balans.core.errors import BalansError
from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.protocols import hub as wire
from balans.protocols.readings import RECORD
from balans.simulator.arrays import Registers
from balans.simulator.generated import INPUTS, GeneratedHub
from balans.simulator.ledger import Ledger
from balans.simulator.link import Link
from balans.simulator.spec import ModuleSpec, TownSpec

log = logging.getLogger(__name__)
PUMP_S = 0.05
RESEND_S = 5.0
UNSETTLED_MAX = 5_000
"""Entries that a hub may have on their way before its modules wait with the next hour."""


@dataclass(slots=True)
class MemoryJournal:
    """A journal that lives as long as the process."""

    id: int = field(default_factory=lambda: secrets.randbits(61) + 1)
    first: int = 0
    lost: tuple[tuple[int, int], ...] = ()
    _entries: deque[wire.Entry] = field(default_factory=deque)

    @property
    def next(self) -> int:
        """Offset that the next entry will get."""
        return self.first + len(self._entries)

    def append(self, data: bytes) -> None:
        """Add packed readings."""
        self._entries.append(wire.Entry(wire.EntryKind.READINGS, data))

    def read(self, start: int, end: int, max_bytes: int) -> tuple[wire.Entry, ...]:
        """Return consecutive entries from `start`, at least one, at most `max_bytes` of data."""
        return tuple(self._within(start, end, max_bytes))

    def trim(self, offset: int) -> None:
        """Forget the entries below `offset`."""
        while self.first < offset and self._entries:
            self._entries.popleft()
            self.first += 1

    def _within(self, start: int, end: int, max_bytes: int) -> Iterator[wire.Entry]:
        size = 0
        for offset in range(start, end):
            entry = self._entries[offset - self.first]
            size += len(entry.data)
            if offset > start and size > max_bytes:
                return
            yield entry


class VirtualHub:
    """A hub with its modules.

    Parameters
    ----------
    code
        Name of the hub on the wire.
    modules
        Its modules, three inputs each.
    generated
        What they count.
    """

    def __init__(self, code: str, modules: list[ModuleSpec], generated: GeneratedHub) -> None:
        self.topics = wire.Topics(code)
        self.generated = generated
        self.journal = MemoryJournal()
        self.sender = wire.BatchSender(
            self.journal,
            resend_s=RESEND_S,
            introduction=wire.Introduction(f"balans simulator {__version__}"),
        )
        self.refused = 0
        self._rows = np.zeros((len(modules), INPUTS), dtype=RECORD)
        self._rows["module"] = [[module.serial] * INPUTS for module in modules]
        self._rows["input"] = range(1, INPUTS + 1)

    @property
    def registers(self) -> Registers:
        """Registers of all channels, in the order of the modules."""
        return self.generated.registers.ravel()

    def journal_hour(self, hour: int) -> None:
        """Journal the registers of every module at the instant at which `hour` begins."""
        self._rows["hour"] = hour
        self._rows["register"] = self.generated.registers
        first = self.journal.next
        for rows in self._rows:
            self.journal.append(rows.tobytes())
        self.sender.ranked(first, [wire.Rank.CURRENT] * len(self._rows))

    def place(self, serial: int, number: int) -> int | None:
        """Return which of the hub's channels an input is, None if it is none of them."""
        module = serial - int(self._rows["module"][0, 0])
        if 0 <= module < len(self._rows) and 1 <= number <= INPUTS:
            return module * INPUTS + number - 1
        return None

    def answer(self, request: wire.ReadNow, now_s: float) -> wire.ReadResult:
        """Return what a module answers at once."""
        place = self.place(request.module, request.input)
        own = (request.id, request.module, request.input)
        if place is None:
            return wire.ReadResult(*own, wire.ReadState.FAILED, detail=wire.NO_ANSWER)
        register = int(self.registers[place])
        return wire.ReadResult(*own, wire.ReadState.DONE, now_s, register)

    def journal_again(self, wanted: wire.Wanted, hours: Mapping[int, Sequence[int]]) -> None:
        """Journal hours that the head-end misses; `hours` are the hub's registers by hour."""
        for one in wanted.hours:
            place = self.place(one.module, one.input)
            spans = () if place is None else one.spans
            held = [hour for span in spans for hour in range(*span) if hour in hours]
            rows = np.zeros(len(held), dtype=RECORD)
            rows["module"], rows["input"], rows["hour"] = one.module, one.input, held
            rows["register"] = [hours[hour][place or 0] for hour in held]
            if held:
                self.journal.append(rows.tobytes())

    def acknowledge(self, ack: wire.Ack) -> None:
        """Take an answer of the head-end."""
        trimmed = self.sender.acknowledged(ack)
        if trimmed is not None:
            self.journal.trim(trimmed)
            self.refused += sum(refused.end - refused.start for refused in ack.refused)


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How to play a generated town.

    Parameters
    ----------
    speed
        Simulated seconds per second; None is as fast as the head-end acknowledges.
    ledger
        File of the ledger.
    progress
        Told the number of hours passed and of entries not yet acknowledged.
    answer_s
        Longest wall time to wait for the first answer of a head-end.
    drain_s
        Longest wall time to wait at the end for acknowledgements, counted anew from each.
    """

    speed: float | None = None
    ledger: Path | None = None
    progress: Callable[[int, int], None] = lambda _hours, _unsettled: None
    answer_s: float = 30.0
    drain_s: float = 60.0


@dataclass(frozen=True, slots=True)
class FleetResult:
    """What a generated town amounted to; `readings` is what stands in the ledger.

    `unacknowledged` and `refused` count journal entries, each the readings of a module at an hour.
    """

    hubs: int
    modules: int
    channels: int
    hours: int
    readings: int
    batches: int
    unacknowledged: int
    refused: int
    answered: bool


class Fleet:
    """One run of a generated town.

    Parameters
    ----------
    spec
        From `synthetic_town`.
    mqtt_url
        Broker of the head-end.

    Raises
    ------
    InputError
        If the address is none.
    """

    def __init__(self, spec: TownSpec, mqtt_url: str, options: FleetOptions) -> None:
        self.options = options
        self.spec = spec
        self.hubs = _hubs_of(spec)
        self.ledger = Ledger(options.ledger, spec.channel_codes)
        self._by_topic = {topic: hub for hub in self.hubs for topic in _topics_of(hub)}
        subscriptions = [(topic, 1) for topic in self._by_topic]
        self._link = Link(
            mqtt_url,
            f"balans-{spec.name}-{os.getpid()}",
            [*subscriptions, (wire.Topics.POLL, 1)],
            self._on_message,
            self._connected,
        )
        self._news = asyncio.Event()
        self._answered = asyncio.Event()
        self._stop = asyncio.Event()
        self._batches = 0

    @property
    def unsettled(self) -> int:
        """How many journal entries the head-end has not acknowledged."""
        return sum(hub.sender.unsettled for hub in self.hubs)

    def stop(self) -> None:
        """End the run at the next hour; what is on its way is still waited for."""
        self._stop.set()

    async def run(self, hours: int) -> FleetResult:
        """Play `hours` hours and wait until the head-end holds them, or no longer answers."""
        played = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._link.run()), tasks.create_task(self._pump())]
                if await self._first_answer():
                    played = await self._play(hours)
                    await self._drain()
                for helper in helpers:
                    helper.cancel()
        finally:
            self.ledger.close()
        return FleetResult(
            hubs=len(self.hubs),
            modules=len(self.spec.modules),
            channels=len(self.spec.channels),
            hours=played,
            readings=self.ledger.readings,
            batches=self._batches,
            unacknowledged=self.unsettled,
            refused=sum(hub.refused for hub in self.hubs),
            answered=self._answered.is_set(),
        )

    async def _first_answer(self) -> bool:
        """Wait for the head-end to answer a hub's introduction; return whether it did."""
        try:
            async with asyncio.timeout(self.options.answer_s):
                await self._answered.wait()
        except TimeoutError:
            log.warning("no head-end answers at the broker")
        return self._answered.is_set()

    async def _play(self, hours: int) -> int:
        begin = (self.spec.start_s - EPOCH_UNIX_S) // HOUR_S
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._record(begin)
        for index in range(hours):
            await self._until_room()
            await self._until_due(began_s, index + 1)
            if self._stop.is_set():
                return index
            for hub in self.hubs:
                hub.generated.pass_hour(index)
            self._record(begin + index + 1)
            self.options.progress(index + 1, self.unsettled)
        return hours

    def _record(self, hour: int) -> None:
        for hub in self.hubs:
            hub.journal_hour(hour)
        self.ledger.record(hour, np.concatenate([hub.registers for hub in self.hubs]))
        self._news.set()

    async def _until_due(self, began_s: float, hour: int) -> None:
        if self.options.speed is None:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout_at(began_s + hour * HOUR_S / self.options.speed):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _until_room(self) -> None:
        while any(hub.sender.unsettled > UNSETTLED_MAX for hub in self.hubs):
            if self._stop.is_set():
                return
            await asyncio.sleep(PUMP_S)

    async def _drain(self) -> None:
        """Wait for the last acknowledgements for as long as some still come."""
        loop = asyncio.get_running_loop()
        left, since_s = self.unsettled, loop.time()
        while left and loop.time() - since_s < self.options.drain_s:
            await asyncio.sleep(PUMP_S)
            if self.unsettled < left:
                left, since_s = self.unsettled, loop.time()

    async def _pump(self) -> None:
        """Publish what the hubs have to send, now and whenever something changed."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            if self._link.connected.is_set():
                for hub in self.hubs:
                    self._send(hub, loop.time())
                await self._link.sent()
            try:
                async with asyncio.timeout(PUMP_S):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _send(self, hub: VirtualHub, now_s: float) -> None:
        for message in hub.sender.due(now_s):
            is_batch = isinstance(message, wire.Batch)
            topic = hub.topics.batch if is_batch else hub.topics.hello
            self._batches += is_batch
            self._link.send(topic, wire.encode(message), 1)

    def _connected(self) -> None:
        for hub in self.hubs:
            hub.sender.connected()
        self._news.set()

    def _on_hub_message(self, hub: VirtualHub, message: wire.frames.Message) -> None:
        match message:
            case wire.Ack():
                hub.acknowledge(message)
                self._answered.set()
            case wire.ReadNow():
                result = hub.answer(message, self._now_s())
                self._link.send(hub.topics.answer, wire.encode(result), 1)
            case wire.Wanted():
                hub.journal_again(message, self._hours_of(hub))
            case _:
                pass  # the head-end has noted an answer

    def _now_s(self) -> float:
        return float(self.ledger.last_hour * HOUR_S + EPOCH_UNIX_S)

    def _hours_of(self, hub: VirtualHub) -> dict[int, tuple[int, ...]]:
        """Return what the modules of a hub have counted, by hour."""
        start = sum(len(one.registers) for one in self.hubs[: self.hubs.index(hub)])
        own = slice(start, start + len(hub.registers))
        return {hour: registers[own] for hour, registers in self.ledger.hours.items()}

    def _on_message(self, topic: str, payload: bytes) -> None:
        try:
            message = wire.decode(payload)
            if isinstance(message, wire.Poll) and topic == wire.Topics.POLL:
                self._connected()
            elif topic in self._by_topic:
                self._on_hub_message(self._by_topic[topic], message)
        except BalansError as error:
            log.warning("%s: %s", topic, error)
        self._news.set()


def _topics_of(hub: VirtualHub) -> tuple[str, ...]:
    return hub.topics.ack, hub.topics.read, hub.topics.wanted


def _hubs_of(spec: TownSpec) -> list[VirtualHub]:
    modules: dict[str, list[ModuleSpec]] = {hub.code: [] for hub in spec.hubs}
    for module in spec.modules:
        modules[module.hub].append(module)
    hubs: list[VirtualHub] = []
    for number, (code, own) in enumerate(modules.items(), start=1):
        start = np.array([[c.start_register for c in module.channels] for module in own])
        hubs.append(VirtualHub(code, own, GeneratedHub(spec.seed, number, start)))
    return hubs
