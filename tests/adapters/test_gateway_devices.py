"""Meters of others at a gateway process: real broker, real disk, a fake head-end."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.test_gateway import LIMIT_S, T0, Bench, bench_on, until

from balans.adapters.devices import definition_at
from balans.adapters.localmqtt import LocalBroker, Mosquitto
from balans.adapters.mqtt import Link
from balans.core.hours import EPOCH_UNIX_S, HOUR_S, hour_of
from balans.protocols import hub, module
from balans.protocols.hub import EntryKind, Found, ReadNow, ReadState, WantedHours, decode_news
from balans.protocols.hub.entries import HoursGone
from balans.protocols.readings import Flag, Grade, Reading, readings_of

HOUR = int((T0 - EPOCH_UNIX_S) // HOUR_S)
DEVICES = """
[[device]]
name = "boiler"
definition = "tasmota"
serial = 4000000001
channels = ["import"]

[[device]]
name = "house"
definition = "own.toml"
serial = 4000000011
with = { device = "cellar" }
"""
METER = """
[[device]]
name = "meter"
definition = "dsmr-p1"
serial = 4000000021
channels = ["import-t1", "import-t2", "export", "gas"]
"""
OWN = """
title = "A total in pulses, each an hour of its own"
source = "this test"
max_gap_s = 900
after_reset = "zero"

[[message]]
topic = "own/{device}/total"
format = "number"

[[channel]]
name = "count"
unit = "pulse"
most_per_hour = 100000
"""


@dataclass
class Plug:
    """What a Tasmota plug publishes, and the time that the gateway has then."""

    bench: Bench
    results: list[hub.ReadResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        head_end = self.bench.head_end
        topics = [(head_end.topics.answer, 1)]
        self.link = Link(head_end.url, f"plug-{head_end.hub}", topics, self.on_result)

    def on_result(self, _topic: str, data: bytes) -> None:
        result = hub.decode(data)
        assert isinstance(result, hub.ReadResult)
        self.results.append(result)

    async def tell(self, seconds: float, total: float, *, retain: bool = False) -> None:
        payload = json.dumps({"ENERGY": {"Total": total}}).encode()
        await self.send(seconds, "tele/boiler/SENSOR", payload, retain=retain)

    async def count(self, seconds: float, total: int) -> None:
        await self.send(seconds, "own/cellar/total", str(total).encode())

    async def send(
        self, seconds: float, topic: str, payload: bytes, *, retain: bool = False
    ) -> None:
        """Publish a message at a time, and wait until the gateway has heard it."""
        self.bench.clock.set(T0 + seconds)
        before = messages(self.bench)
        assert await self.link.publish(topic, payload, qos=1, retain=retain)
        await until(lambda: messages(self.bench) > before, f"{payload!r} heard")


def hourly(plug: Plug) -> list[Reading]:
    """Return what has been journalled, repetitions once, by module, input and hour."""
    packed = plug.bench.head_end.readings()
    return sorted({one for data in packed for one in readings_of(data)})


def used(bench: Bench) -> float:
    return figure(bench, 'gateway_device_messages_total{device="boiler",outcome="used"}')


def figure(bench: Bench, name: str) -> float:
    """Return a figure of the gateway, 0 where there is none yet."""
    line = next((line for line in metrics(bench) if line.startswith(f"{name} ")), f"{name} 0")
    return float(line.rsplit(" ", 1)[1])


def messages(bench: Bench) -> float:
    """Return how many messages of devices the gateway has counted."""
    lines = [line for line in metrics(bench) if line.startswith("gateway_device_messages_t")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def metrics(bench: Bench) -> list[str]:
    port = int((bench.folder / "port").read_text())
    connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    connection.request("GET", "/metrics")
    body = connection.getresponse().read().decode()
    connection.close()
    return body.splitlines()


async def ready(bench: Bench) -> None:
    """Start the gateway, and wait until it hears its devices."""
    await bench.ready()
    line = 'gateway_connected{link="devices"} 1.0'
    await until(lambda: line in metrics(bench), "devices")


@pytest.fixture
async def plug(broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Plug]:
    async with plug_on(tmp_path, broker.url) as plug:
        yield plug


@contextlib.asynccontextmanager
async def plug_on(folder: Path, url: str) -> AsyncIterator[Plug]:
    async with bench_on(folder, url) as bench:
        port = free_port()
        (folder / "port").write_text(str(port))
        (folder / "own.toml").write_text(OWN)
        text = bench.config.read_text().replace("metrics_port = 0", f"metrics_port = {port}")
        bench.config.write_text(text + DEVICES)
        plug = Plug(bench)
        task = asyncio.create_task(plug.link.run())
        try:
            await asyncio.wait_for(plug.link.wait_connected(), LIMIT_S)
            await ready(bench)
            yield plug
        finally:
            await plug.link.publish("tele/boiler/SENSOR", b"", qos=1, retain=True)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def journalled(plug: Plug, wanted: list[Reading]) -> None:
    await until(lambda: hourly(plug) == wanted, f"{wanted}")


async def test_values_around_an_hour_become_a_reading_and_the_module_is_announced(
    plug: Plug,
) -> None:
    await plug.tell(3500, 12.0)
    await plug.tell(3700, 12.2)
    await plug.count(7200, 70)
    expected = [
        Reading(4000000001, 1, HOUR + 1, 12_100),
        Reading(4000000011, 1, HOUR + 2, 70),
    ]
    await journalled(plug, expected)
    entries = plug.bench.head_end.stored.values()
    found = [decode_news(e.kind, e.data) for e in entries if e.kind == EntryKind.FOUND]
    told = {(n.serial, n.inputs, n.kind) for n in found if isinstance(n, Found)}
    assert told == {
        (4000000001, 1, "boiler (tasmota): import 1000/kWh"),
        (4000000011, 1, "house (own): count as the device counts"),
    }


async def test_a_gateway_that_is_killed_goes_on_where_it_was(plug: Plug) -> None:
    bench = plug.bench
    await plug.tell(3600, 100.0)
    await journalled(plug, [first := Reading(4000000001, 1, HOUR + 1, 100_000)])
    await until((bench.folder / "data/devices").exists, "counters on disk")
    await bench.stop(signal.SIGKILL)
    await ready(bench)
    await plug.tell(7100, 0.5)  # the plug was reset meanwhile
    await plug.tell(7150, 0.6)
    await plug.tell(7200, 0.7)
    flags = int(Flag.REVERSE_RUN)
    second = Reading(4000000001, 1, HOUR + 2, 100_700, flags, int(Grade.SUSPECT))
    await journalled(plug, [first, second])
    code, _ = await bench.stop()
    assert code == 0
    await ready(bench)
    await plug.tell(10_800, 0.8)
    await journalled(plug, [first, second, Reading(4000000001, 1, HOUR + 3, 100_800)])


@pytest.mark.slow
async def test_random_kills_cost_at_most_the_hour_they_fall_into(plug: Plug) -> None:
    bench, chance, kills, hours = plug.bench, Random(4), 0, 8
    for hour in range(1, hours + 1):
        for at_s in (HOUR_S * hour - 36, HOUR_S * hour + 36):
            await plug.tell(at_s, round(100 + at_s / HOUR_S, 2))
            if chance.random() < 0.3:
                await asyncio.sleep(0.05 * chance.random())
                await bench.stop(signal.SIGKILL)
                await ready(bench)
                kills += 1
    assert kills >= 3
    await plug.tell(HOUR_S * (hours + 1), 101 + hours)
    last = Reading(4000000001, 1, HOUR + hours + 1, 1000 * (101 + hours))
    await until(lambda: last in hourly(plug), "the last hour")
    registers = {one.hour: one for one in hourly(plug)}
    assert len(registers) == len(hourly(plug)), "an hour was told twice, differently"
    for hour, one in registers.items():
        assert one == Reading(4000000001, 1, hour, 1000 * (100 + hour - HOUR))
    assert len(registers) >= hours + 1 - kills


async def test_what_could_not_be_written_is_written_when_it_can(plug: Plug) -> None:
    blocked = plug.bench.folder / "data/devices"
    blocked.mkdir()
    (blocked / "in-the-way").write_text("")
    await plug.tell(3600, 100.0)
    line = "gateway_readings_total"
    await asyncio.sleep(0.5)
    assert figure(plug.bench, line) == 0
    (blocked / "in-the-way").unlink()
    blocked.rmdir()
    await journalled(plug, [Reading(4000000001, 1, HOUR + 1, 100_000)])


async def test_what_the_broker_kept_has_no_time_and_is_left_out(plug: Plug) -> None:
    bench = plug.bench
    await plug.tell(3500, 12.0, retain=True)
    await bench.stop()
    bench.clock.set(T0 + 7100)
    await ready(bench)
    other = 'gateway_device_messages_total{device="boiler",outcome="other"}'
    await until(lambda: figure(bench, other) == 1, "the kept message")
    assert used(bench) == 0


async def test_a_module_of_a_device_is_read_now_and_asked_for_hours(plug: Plug) -> None:
    await plug.tell(3600, 100.0)
    await journalled(plug, [Reading(4000000001, 1, HOUR + 1, 100_000)])
    await plug.tell(4000, 100.25)
    boss = plug.bench.head_end
    for id_, serial, input_ in (("r1", 4000000001, 1), ("r2", 4000000001, 2)):
        request = hub.encode(ReadNow(id_, serial, input_, 30.0))
        assert await boss.link.publish(boss.topics.read, request, qos=1)
    await until(lambda: {one.id for one in plug.results} == {"r1", "r2"}, "results")
    by_id = {one.id: one for one in plug.results}
    assert (by_id["r1"].state, by_id["r1"].register) == (ReadState.DONE, 100_250)
    assert by_id["r1"].time == T0 + 4000
    assert by_id["r2"].state is ReadState.FAILED
    boss.stored.clear()
    wanted = WantedHours(4000000001, 1, ((HOUR - 3, HOUR + 2),))
    assert await boss.link.publish(boss.topics.wanted, hub.encode(hub.Wanted((wanted,))), qos=1)
    await journalled(plug, [Reading(4000000001, 1, HOUR + 1, 100_000)])
    await until(lambda: any(e.kind == EntryKind.GONE for e in boss.stored.values()), "gone")
    gone = [e for e in boss.stored.values() if e.kind == EntryKind.GONE]
    news = decode_news(gone[0].kind, gone[0].data)
    assert isinstance(news, HoursGone)
    assert news.spans == ((HOUR - 3, HOUR + 1),)


NOISE = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"null",
            b"[1]",
            b'{"ENERGY":{"Total":"many"}}',
            b'{"ENERGY":{"Total":-5}}',
            b'{"ENERGY":{"Total":1e999}}',
            b'{"ENERGY":null}',
            b'{"Time":"2026-01-12T10:00:00","Uptime":"0T00:00:14"}',
            b"[" * 5_000,
            module.encode(module.Query(T0)),
        ]
    ),
)


async def test_noise_on_every_topic_changes_nothing_and_is_counted(plug: Plug) -> None:
    bench = plug.bench
    await plug.tell(3500, 12.0)
    sent: list[bytes] = []
    gather_noise(sent)
    topics = ["tele/boiler/SENSOR", "own/cellar/total"]
    for noise in sent:
        for topic in topics:
            if topic.startswith("own") and noise.strip().isdigit():
                continue
            assert await plug.link.publish(topic, noise, qos=1)
    counted = sum(not noise.strip().isdigit() for noise in sent) + len(sent)

    await until(lambda: messages(bench) == counted + 1, "all messages counted")
    assert used(bench) == 1
    await asyncio.sleep(1)  # room for one more message after the flood
    await plug.tell(3700, 12.2)
    await journalled(plug, [Reading(4000000001, 1, HOUR + 1, 12_100)])
    code, log = await bench.stop()
    assert code == 0
    assert "Traceback" not in log


def gather_noise(sent: list[bytes]) -> None:
    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(NOISE)
    def add(noise: bytes) -> None:
        sent.append(noise)

    add()


async def test_a_meter_that_writes_to_a_port(plug: Plug) -> None:
    first, second = definition_at("dsmr-p1", Path()).samples[:2]
    done = asyncio.Event()
    bench = plug.bench
    await bench.stop()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bench.clock.set(first.at_s)
        writer.write(first.payload + b"\r\n")
        await until(lambda: messages(bench) == 1, "the first telegram")
        bench.clock.set(second.at_s)
        writer.write(second.payload + b"\r\n")
        await done.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    start = bench.config.read_text().partition("[[device]]")[0]
    bench.config.write_text(f'{start}{METER}port = "tcp://127.0.0.1:{number}"\n')
    await bench.ready()
    hour = hour_of(datetime(2026, 1, 12, 11, tzinfo=UTC))
    expected = [
        Reading(4000000021, 1, hour, 1_581_123),
        Reading(4000000021, 2, hour, 1_435_707),
        Reading(4000000021, 3, hour, 12_500),
        Reading(4000000022, 1, hour, 981_462),
    ]
    await journalled(plug, expected)
    done.set()
    server.close()
    await asyncio.sleep(0.1)


@pytest.mark.mosquitto
@pytest.mark.parametrize(
    "test",
    [
        test_values_around_an_hour_become_a_reading_and_the_module_is_announced,
        test_what_the_broker_kept_has_no_time_and_is_left_out,
    ],
)
async def test_the_same_on_mosquitto(
    mosquitto_broker: Mosquitto, tmp_path: Path, test: Callable[[Plug], Awaitable[None]]
) -> None:
    async with plug_on(tmp_path, mosquitto_broker.url) as plug:
        await test(plug)
