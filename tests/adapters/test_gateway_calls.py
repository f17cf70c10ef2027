"""Signed calls on a real broker: the gateway listens, obeys, refuses, reports and remembers."""

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.adapters.test_gateway import T0, Bench, bench_on, page, until
from tests.adapters.test_gateway_devices import free_port

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.signing import SigningKey
from balans.core.words import CallState, StepKind
from balans.protocols import hub

KEY = SigningKey.of(b"k" * 32)
TENANT = 3


class Server:
    """Signs and publishes, and reads what is told of calls."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.key, self.beats = bench, KEY, 0

    async def send(self, topic: str, message: hub.Message, *, retain: bool = True) -> None:
        data = hub.encode(hub.signed(topic, hub.encode(message), self.key.id, self.key.sign))
        assert await self.bench.head_end.link.publish(topic, data, qos=1, retain=retain)

    async def join(self, *groups: str, version: int = 1) -> None:
        """Tell the gateway its groups; without a name, that of its calls."""
        topic = self.bench.head_end.topics.groups
        names = groups or (group_of(self.bench),)
        await self.send(topic, hub.Groups(version, TENANT, names))

    async def beat(self) -> None:
        self.beats += 1
        beat = hub.Beat(self.bench.site.now_s, self.beats)
        await self.send(hub.beat_topic(TENANT), beat, retain=False)

    async def call(self, call: hub.Call) -> None:
        await self.send(hub.call_topic(call), call)

    def reports(self) -> list[hub.CallReport]:
        kept = sorted(self.bench.head_end.stored.items())
        return [
            hub.decode_call_report(entry.data)
            for _, entry in kept
            if entry.kind == hub.EntryKind.CALL
        ]

    def states(self) -> list[CallState]:
        return [report.state for report in self.reports()]


def group_of(bench: Bench) -> str:
    """Return a group of this gateway's own: the broker keeps calls over the end of a test."""
    return f"t{TENANT}-{bench.site.site}"


def call_of(bench: Bench, limit_w: float, *, start_s: float = 0.0) -> hub.Call:
    begin = T0 + start_s
    steps = (hub.CallStep(begin, begin + 1800, StepKind.LIMIT, limit_w),)
    target = hub.CallTarget(bench.site.site, "", steps)
    return hub.Call(TENANT, group_of(bench), "e1", 10, T0, begin + 2400, targets=(target,))


@contextlib.asynccontextmanager
async def keyed(folder: Path, url: str) -> AsyncIterator[Bench]:
    """Give a gateway that knows a key of its server, and hears both sides."""
    async with bench_on(folder, url) as bench:
        public = base64.b64encode(KEY.public).decode()
        port = free_port()
        (folder / "port").write_text(str(port))
        text = bench.config.read_text(encoding="utf-8")
        text = text.replace("metrics_port = 0", f"metrics_port = {port}")
        bench.config.write_text(f'{text}\n[server]\nkeys = ["{public}"]\n', encoding="utf-8")
        await bench.ready()
        yield bench


@pytest.fixture
async def bench(broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with keyed(tmp_path, broker.url) as bench:
        yield bench


@pytest.fixture
def server(bench: Bench) -> Server:
    return Server(bench)


def refused(bench: Bench) -> dict[str, float]:
    """Return what the gateway counts as refused, by reason."""
    port = int((bench.folder / "port").read_text())
    _, text = page(f"http://127.0.0.1:{port}/metrics")
    pairs = re.findall(r'gateway_refused_messages_total\{reason="(\w+)"\} (\S+)', text)
    return {reason: float(value) for reason, value in pairs}


async def test_a_call_is_obeyed_before_the_next_sample_and_reported(
    bench: Bench, server: Server
) -> None:
    await bench.step(2500, 2000)
    await server.join()
    await server.call(call_of(bench, 1000.0))
    await until(lambda: not bench.site.on, "the heater is off")
    await until(lambda: server.states() == [CallState.HEARD, CallState.ACTIVE], "reports")
    status = await bench.step(500, 0)
    assert (status.limit, status.limit_w) == ("event e1", 1000.0)
    await until(lambda: server.states()[-1] is CallState.DONE, "done")
    done = server.reports()[-1]
    assert (done.before_w, done.now_w, done.expected_w) == (2500.0, 500.0, 1500.0)
    assert (done.loads, done.held_loads) == (("heater",), ("heater",))


async def test_a_late_joiner_learns_what_the_broker_has_kept(bench: Bench, server: Server) -> None:
    await bench.step(2500, 2000)
    await server.call(call_of(bench, 1000.0))
    assert bench.site.on
    await server.join()
    await until(lambda: not bench.site.on, "the heater is off")


async def test_a_cleared_call_is_no_news(bench: Bench, server: Server) -> None:
    await bench.step(2500, 2000)
    await server.join()
    call = call_of(bench, 1000.0)
    await server.call(call)
    await until(lambda: not bench.site.on, "the heater is off")
    assert await bench.head_end.link.publish(hub.call_topic(call), b"", qos=1, retain=True)
    status = await bench.step(500, 0)
    assert status.limit == "event e1", "whoever clears a topic ends no event"


async def test_a_gateway_that_left_its_group_hears_no_more_of_it(
    bench: Bench, server: Server
) -> None:
    await bench.step(2500, 2000)
    await server.join()
    await server.join("t3-other", version=2)
    for epoch in range(10, 40):
        before = refused(bench)
        await server.call(msgspec.structs.replace(call_of(bench, 1000.0), epoch=epoch))
        await bench.step(2500, 2000)
        if refused(bench) == before:
            break
    else:
        pytest.fail("it listens on")
    assert set(before) <= {"wrong_group"}, "what was on its way"
    assert bench.site.on


async def test_what_is_refused_is_logged_and_counted(bench: Bench, server: Server) -> None:
    await bench.step(2500, 2000)
    await server.join()
    call = call_of(bench, 1000.0)
    topic, command = hub.call_topic(call), bench.head_end.topics.command
    bare = hub.Command("c1", "heater", False, T0, T0 + 900, "x", "x")  # noqa: FBT003
    forged = hub.Signed(KEY.id, hub.encode(bare), bytes(64))
    stranger = SigningKey.new()
    foreign = hub.signed(command, hub.encode(bare), stranger.id, stranger.sign)
    moved = hub.signed(topic, hub.encode(bare), KEY.id, KEY.sign)
    sent: list[hub.Message] = [bare, forged, foreign, moved]
    for data in sent:
        assert await bench.head_end.link.publish(command, hub.encode(data), qos=1)
    early = msgspec.structs.replace(call, issued=T0 + 900)
    await server.call(early)
    await until(lambda: server.states() == [CallState.REFUSED], "refused")
    assert server.reports()[0].detail == "from_future"
    assert refused(bench) == {"unsigned": 1, "bad_signature": 2, "unknown_key": 1, "from_future": 1}
    _, log = await bench.stop()
    assert "unsigned: a Command without a signature" in log
    assert bench.site.on


async def test_an_epoch_is_remembered_over_a_kill(bench: Bench, server: Server) -> None:
    await bench.step(2500, 2000)
    await server.join()
    call = call_of(bench, 1000.0)
    await server.call(msgspec.structs.replace(call, epoch=11))
    await until(lambda: not bench.site.on, "the heater is off")
    file = bench.folder / "data" / "called"
    await until(lambda: file.exists() and b"e1" in file.read_bytes(), "it is on the disk")
    await bench.stop(9)
    await server.call(call)  # it replaces what the broker has kept
    await bench.ready()
    status = await bench.step(500, 0)
    assert status.limit == "fuse"
    assert refused(bench) == {"replayed": 1}


async def test_keys_are_changed_without_a_gap(bench: Bench, server: Server) -> None:
    await bench.step(2500, 2000)
    await server.join()
    fresh = SigningKey.new()
    keys = hub.Keys(1, TENANT, (hub.TrustedKey(KEY.public), hub.TrustedKey(fresh.public)))
    await server.send(bench.head_end.topics.keys(KEY.id), keys)
    await server.beat()
    server.key = fresh
    await server.call(call_of(bench, 1000.0))
    await until(lambda: not bench.site.on, "the heater is off")
    await asyncio.sleep(1.0)
    _, log = await bench.stop()
    assert log.count("listening to") <= 2, "each of groups and keys once"


async def test_a_gateway_without_keys_is_as_before(broker: LocalBroker, tmp_path: Path) -> None:
    async with bench_on(tmp_path, broker.url) as bench:
        await bench.ready()
        server = Server(bench)
        await bench.step(2500, 2000)
        await server.join()
        await server.join(version=2)
        await server.call(call_of(bench, 1000.0))
        now_s = bench.site.now_s
        command = hub.Command("c1", "heater", False, now_s, now_s + 90, "anna", "x")  # noqa: FBT003
        await server.send(bench.head_end.topics.command, command, retain=False)
        await until(lambda: bench.site.obeyed == ["c1"], "the command is obeyed")
        await until(lambda: len(bench.head_end.reports()) == 2, "its reports")
        _, log = await bench.stop()
        assert log.count("calls of the server are not obeyed") == 1
        assert not server.reports()
