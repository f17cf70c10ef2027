"""Light gateways: many in one process, each with a connection, a key and a load control of its own.

Real are the connection, the gate (Ed25519, groups, epochs, expiry), the call as a limit, and the
decision which loads to switch. Light are the actuators, which obey at once, the power sensor, which
is asked when a round begins and when it ends, and the journal, which is a counter in memory.
"""

import asyncio
import logging
import time
from multiprocessing.connection import Connection
from uuid import uuid4
from zoneinfo import ZoneInfo

from balans.adapters.clock import SystemClock
from balans.adapters.mqtt import Link
from balans.adapters.signing import verify
from balans.core.words import LoadClass
from balans.domain.demand.model import Load
from balans.protocols import hub
from balans.protocols.module import ActuatorState, PowerSample, Query, Switch
from balans.usecases.run_load_control import (
    CalledMemory,
    Calls,
    ControlledSite,
    Gate,
    LoadControl,
    Memory,
    Moment,
    Output,
    RefusedError,
    ServerClock,
)

LOAD_W = 2000.0
LOADS = 40
CONNECT_AT_ONCE = 20
SETTLED_S, AGAIN_S = 1.0, 3.0
CLOCK = SystemClock()


def hub_code(number: int) -> str:
    """Return the code of a hub."""
    return f"hub-{number:04d}"


def site_code(number: int) -> str:
    """Return the code of the site of a hub."""
    return f"house-{number:04d}"


def load_names() -> tuple[str, ...]:
    """Return the names of the loads of every site."""
    return tuple(f"load-{number:02d}" for number in range(1, LOADS + 1))


class Gateway:
    """One of them. Times are of the monotonic clock, which all processes of a machine share."""

    def __init__(self, number: int, url: str, public: bytes) -> None:
        self.heard_s = 0.0
        self.off_s: dict[str, float] = {}
        self.ready, self.obeyed = asyncio.Event(), asyncio.Event()
        self._topics = hub.Topics(hub_code(number))
        loads = tuple(Load(name, LoadClass.YELLOW, LOAD_W, max_off_s=900) for name in load_names())
        self._site = ControlledSite(loads, (), (), ZoneInfo("UTC"))
        self._code = site_code(number)
        pinned = (hub.TrustedKey(public),)
        self._memory, self._server = CalledMemory().of(pinned), ServerClock()
        self._gate = Gate(self._topics, pinned, verify, self._memory, self._server)
        self._journal, self._offset, self._seq = 1000 + number, 0, 0
        self._unheard: dict[int, bytes] = {}
        self._on = dict.fromkeys(load_names(), True)
        self._reports: list[hub.CallReport] = []
        self._listening = self._filters()
        self.link = Link(url, uuid4().hex, self._listening, self._on_message)
        self.prepare()

    async def be_ready(self) -> None:
        """Introduce itself again and again until it knows its groups, as a real one does."""
        while not self.ready.is_set():
            try:
                async with asyncio.timeout(AGAIN_S):
                    await self.ready.wait()
            except TimeoutError:
                await self.hello()

    def prepare(self) -> None:
        """Begin a round: all loads are on, and nothing is called for."""
        self.heard_s, self.off_s, self._reports = 0.0, {}, []
        self.obeyed.clear()
        self._on = dict.fromkeys(load_names(), True)
        calls = Calls(self._code, self._memory, self._server, self._moment)
        now_s = CLOCK.now().timestamp()
        self._control = LoadControl(self._site, lambda: uuid4().hex, now_s, Memory(), calls=calls)
        self._take(self._control.query(now_s))
        self._take(self._control.sample(self._sample(now_s), now_s))

    async def settle(self) -> None:
        """End a round: measure, and tell the server what has become of the call."""
        now_s = CLOCK.now().timestamp()
        self._take(self._control.sample(self._sample(now_s), now_s))
        await self._tell()
        while self._unheard:  # a journal sends again what is not acknowledged
            await asyncio.sleep(AGAIN_S)
            for data in list(self._unheard.values()):
                await self.link.publish(self._topics.batch, data, qos=1)

    def _filters(self) -> list[tuple[str, int]]:
        groups = self._memory.groups
        own = [f"{self._topics.root}/down/+", self._topics.keys("+"), hub.Topics.POLL]
        if groups is not None:
            own += [hub.beat_topic(groups.tenant), *map(hub.calls_filter, groups.groups)]
        return [(topic, 1) for topic in own]

    @staticmethod
    def _moment(now_s: float) -> Moment:
        return Moment(now_s, time.monotonic(), time.monotonic())

    async def hello(self) -> None:
        """Introduce itself to the server."""
        hello = hub.Hello(self._journal, self._offset, self._offset)
        await self.link.publish(self._topics.hello, hub.encode(hello), qos=1)

    async def _on_message(self, topic: str, data: bytes) -> None:
        heard_s = time.monotonic()
        if not data:
            return
        now_s = CLOCK.now().timestamp()
        try:
            message = self._gate.open(topic, data, self._moment(now_s))
        except RefusedError as error:
            logging.getLogger(__name__).warning("%s: %s", self._code, error)
            return
        await self._obey_server(message, heard_s, now_s)

    async def _obey_server(self, message: hub.Message, heard_s: float, now_s: float) -> None:
        match message:
            case hub.Groups():
                if self._filters() != self._listening:  # a broker repeats what it retains
                    self._listening = self._filters()
                    await self.link.listen(self._listening)
                if message.groups:
                    self.ready.set()
            case hub.Beat():
                self._control.beat(now_s)
            case hub.Ack():
                self._unheard = {
                    at: d for at, d in self._unheard.items() if at >= message.contiguous
                }
            case hub.Poll():
                await self.hello()
            case hub.Call() if not message.cancelled and not self.off_s:
                self.heard_s = heard_s
                self._take(self._control.call(message, now_s))
                await self._tell()
            case _:
                pass

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Switch():
                    self._obey(output)
                case Query():
                    now_s = CLOCK.now().timestamp()
                    for name in load_names():
                        told = ActuatorState(name, self._on[name], now_s - 1e6, now_s, "")
                        self._take(self._control.actuator(told, now_s))
                case hub.CallReport():
                    self._reports.append(output)
                case _:
                    pass

    def _obey(self, switch: Switch) -> None:
        now_s = CLOCK.now().timestamp()
        if not switch.on:
            self.off_s.setdefault(switch.load, time.monotonic())
            if len(self.off_s) == LOADS:
                self.obeyed.set()
        self._on[switch.load] = switch.on
        told = ActuatorState(switch.load, switch.on, now_s, now_s, switch.id)
        self._take(self._control.actuator(told, now_s))

    def _sample(self, now_s: float) -> PowerSample:
        self._seq += 1
        drawn = {name: LOAD_W * on for name, on in self._on.items()}
        return PowerSample(self._seq, now_s, 60.0, sum(drawn.values()), drawn)

    async def _tell(self) -> None:
        told, self._reports = self._reports, []
        if not told:
            return
        data = [hub.encode_call_report(report) for report in told]
        entries = tuple(hub.Entry(hub.EntryKind.CALL, one) for one in data)
        batch = hub.Batch.of(self._journal, self._offset, entries, hub.Rank.COMMAND)
        self._unheard[self._offset] = encoded = hub.encode(batch)
        self._offset += len(entries)
        await self.link.publish(self._topics.batch, encoded, qos=1)


def run_gateways(numbers: range, url: str, public: bytes, pipe: Connection) -> None:
    """Run gateways in a process of their own, as the other end of `pipe` says."""
    asyncio.run(_serve(numbers, url, public, pipe))


async def _serve(numbers: range, url: str, public: bytes, pipe: Connection) -> None:
    gateways = [Gateway(number, url, public) for number in numbers]
    tasks = []
    for first in range(0, len(gateways), CONNECT_AT_ONCE):
        portion = gateways[first : first + CONNECT_AT_ONCE]
        tasks += [asyncio.create_task(gateway.link.run()) for gateway in portion]
        await asyncio.gather(*(gateway.link.wait_connected() for gateway in portion))
        await asyncio.gather(*(gateway.hello() for gateway in portion))
    await asyncio.gather(*(gateway.be_ready() for gateway in gateways))
    await asyncio.sleep(SETTLED_S)
    pipe.send("ready")
    while (order := await asyncio.to_thread(pipe.recv)) != "end":
        pipe.send(await _do(order, gateways))
    for task in tasks:
        task.cancel()


async def _do(order: str, gateways: list[Gateway]) -> object:
    """Carry out what the other end of the pipe wants; return what it is told."""
    if order == "measure":
        for gateway in gateways:
            await gateway.obeyed.wait()
        return [(one.heard_s, list(one.off_s.values())) for one in gateways]
    if order == "prepare":
        for gateway in gateways:
            gateway.prepare()
    else:
        await asyncio.gather(*(gateway.settle() for gateway in gateways))
    return order
