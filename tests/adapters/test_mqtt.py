"""The link: the same contract on the embedded broker and on mosquitto."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from balans.adapters.localmqtt import LocalBroker, Mosquitto
from balans.adapters.mqtt import Link, Will
from balans.core.errors import InputError

ANSWER_S = 10.0


class Seen:
    """Collects messages and lets a test wait for what it expects of them."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._news = asyncio.Condition()

    async def take(self, topic: str, payload: bytes) -> None:
        async with self._news:
            self.messages.append((topic, payload))
            self._news.notify_all()

    async def until(self, enough: Callable[[list[tuple[str, bytes]]], bool]) -> None:
        async with asyncio.timeout(ANSWER_S), self._news:
            await self._news.wait_for(lambda: enough(self.messages))


@asynccontextmanager
async def running(*links: Link) -> Any:
    """Run `links`, all connected, until the block ends; then their ends must be clean."""
    tasks = [asyncio.create_task(link.run()) for link in links]
    try:
        async with asyncio.timeout(ANSWER_S):
            for link in links:
                await link.wait_connected()
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    assert not any(link.connected for link in links)


@pytest.fixture(
    params=["broker", pytest.param("mosquitto_broker", marks=pytest.mark.mosquitto)],
    ids=["embedded", "mosquitto"],
)
def any_broker(request: pytest.FixtureRequest) -> LocalBroker | Mosquitto:
    found: LocalBroker | Mosquitto = request.getfixturevalue(request.param)
    return found


async def test_messages_arrive_in_order(any_broker: LocalBroker | Mosquitto) -> None:
    seen = Seen()
    reader = Link(any_broker.url, "reader", [("order/#", 1)], seen.take)
    writer = Link(any_broker.url, "writer", [], seen.take)
    async with running(reader, writer):
        for number in range(300):
            assert await writer.publish(f"order/{number % 3}", str(number).encode(), qos=1)
        await seen.until(lambda got: len(got) == 300)
    assert [int(payload) for _, payload in seen.messages] == list(range(300))


async def test_many_at_once_and_a_megabyte(any_broker: LocalBroker | Mosquitto) -> None:
    seen = Seen()
    link = Link(any_broker.url, "bulk", [("bulk/+", 1)], seen.take)
    async with running(link):
        sent = await asyncio.gather(*(link.publish("bulk/x", b"%d" % n, 1) for n in range(1000)))
        assert all(sent)
        assert await link.publish("bulk/y", b"m" * 1_000_000, qos=1)
        await seen.until(lambda got: len(got) == 1001)
    assert {payload for topic, payload in seen.messages if topic == "bulk/x"} == {
        b"%d" % n for n in range(1000)
    }
    assert seen.messages[-1] == ("bulk/y", b"m" * 1_000_000)


async def test_retained_messages_wait_for_readers(any_broker: LocalBroker | Mosquitto) -> None:
    seen = Seen()
    writer = Link(any_broker.url, "writer", [], seen.take)
    async with running(writer):
        assert await writer.publish("kept/1", b"state", qos=1, retain=True)
        async with running(Link(any_broker.url, "late", [("kept/#", 1)], seen.take)):
            await seen.until(lambda got: got == [("kept/1", b"state")])
        assert await writer.publish("kept/1", b"", qos=1, retain=True)


async def test_what_the_broker_kept_is_told_apart(any_broker: LocalBroker | Mosquitto) -> None:
    new, kept = Seen(), Seen()
    writer = Link(any_broker.url, "writer", [], new.take)
    reader = Link(any_broker.url, "apart", [("apart/#", 1)], new.take)
    reader.on_kept = kept.take
    async with running(writer):
        assert await writer.publish("apart/1", b"old", qos=1, retain=True)
        async with running(reader):
            await kept.until(lambda got: got == [("apart/1", b"old")])
            assert await writer.publish("apart/1", b"now", qos=1, retain=True)
            await new.until(lambda got: got == [("apart/1", b"now")])
        assert await writer.publish("apart/1", b"", qos=1, retain=True)
    assert len(kept.messages) == 1


async def test_a_link_listens_elsewhere_and_hears_what_was_kept(
    any_broker: LocalBroker | Mosquitto,
) -> None:
    seen = Seen()
    reader = Link(any_broker.url, "reader-else", [("else/old", 1), ("else/both", 1)], seen.take)
    writer = Link(any_broker.url, "writer-else", [], seen.take)
    async with running(reader, writer):
        for name in ("both", "new"):
            assert await writer.publish(f"else/{name}", b"kept", qos=1, retain=True)
        await seen.until(lambda got: got == [("else/both", b"kept")])
        await reader.listen([("else/both", 1), ("else/new", 1)])
        await seen.until(lambda got: ("else/new", b"kept") in got)
        assert await writer.publish("else/old", b"unheard", qos=1)
        assert await writer.publish("else/new", b"heard", qos=1, retain=True)
        await seen.until(lambda got: ("else/new", b"heard") in got)
        assert ("else/old", b"unheard") not in seen.messages
        seen.messages.clear()
        await reader.listen([("else/both", 1), ("else/new", 1)], again=True)
        await seen.until(lambda got: set(got) == {("else/both", b"kept"), ("else/new", b"heard")})
        for name in ("both", "new"):
            assert await writer.publish(f"else/{name}", b"", qos=1, retain=True)


async def test_the_will_is_published_when_a_client_dies(
    any_broker: LocalBroker | Mosquitto,
) -> None:
    seen = Seen()
    reader = Link(any_broker.url, "reader", [("will/#", 1)], seen.take)
    dying = Link(any_broker.url, "dying", [], seen.take, will=Will("will/x", b"gone", retain=False))
    async with running(reader, dying):
        assert dying._client
        dying._client._client.socket().shutdown(2)  # type: ignore[union-attr]
        await seen.until(lambda got: got == [("will/x", b"gone")])


async def test_a_killed_broker_is_come_back_to(any_broker: LocalBroker | Mosquitto) -> None:
    seen, connections = Seen(), asyncio.Queue[bool]()

    async def greet() -> None:
        await connections.put(await link.publish("back/hello", b"", qos=1))

    link = Link(any_broker.url, "back", [("back/#", 1)], seen.take, on_connect=greet)
    async with running(link):
        assert await asyncio.wait_for(connections.get(), ANSWER_S)
        kill(any_broker)
        assert await asyncio.wait_for(connections.get(), ANSWER_S), "published in on_connect"
        assert await link.publish("back/again", b"1", qos=1)
        await seen.until(lambda got: ("back/again", b"1") in got)
    assert link.handler_errors == 0


async def test_publish_tells_when_nothing_takes_the_message(server_dir: Path) -> None:
    with LocalBroker(server_dir / "gone") as broker:
        link = Link(broker.url, "alone", [], lambda _topic, _payload: None)
        assert not await link.publish("x", b""), "before run"
        async with running(link):
            assert await link.publish("x", b"", qos=1)
            broker.stop()
            async with asyncio.timeout(ANSWER_S):
                while link.connected:
                    await asyncio.sleep(0.01)
            assert not await link.publish("x", b"")
            assert not await link.publish("x", b"", qos=1)


async def test_a_publish_in_a_handler_ends_with_the_connection(server_dir: Path) -> None:
    """Nobody but the handler could notice the loss then."""
    entered, left = asyncio.Event(), asyncio.Event()

    async def handle(_topic: str, _payload: bytes) -> None:
        entered.set()
        pid = broker.status().pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        while process_state(pid) != "T":
            await asyncio.sleep(0.01)
        publishing = asyncio.ensure_future(link.publish("y", b"", qos=1))
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        assert not await publishing
        left.set()

    with LocalBroker(server_dir / "stuck") as broker:
        link = Link(broker.url, "stuck", [("x", 1)], handle)
        async with running(link):
            await link.publish("x", b"", qos=0)
            await asyncio.wait_for(entered.wait(), ANSWER_S)
            await asyncio.wait_for(left.wait(), ANSWER_S)


def process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


async def test_one_bad_message_does_not_stop_the_others(broker: LocalBroker) -> None:
    seen = Seen()

    async def handle(topic: str, payload: bytes) -> None:
        if payload == b"bad":
            raise ValueError("a mistake of ours")
        await seen.take(topic, payload)

    link = Link(broker.url, "careful", [("mixed", 1)], handle)
    async with running(link):
        for payload in (b"bad", b"good"):
            assert await link.publish("mixed", payload, qos=1)
        await seen.until(lambda got: got == [("mixed", b"good")])
    assert link.handler_errors == 1


async def test_a_wrong_password_is_told_and_tried_again(
    broker: LocalBroker, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"mqtt://balans:wrong-one@127.0.0.1:{broker.port}"
    link = Link(url, "stranger", [], lambda _topic, _payload: None)
    task = asyncio.create_task(link.run())
    async with asyncio.timeout(ANSWER_S):
        while not caplog.records:
            await asyncio.sleep(0.02)
    assert "stranger: no connection to mqtt://balans:***@127.0.0.1" in caplog.text
    assert "wrong user or password?" in caplog.text
    assert "wrong-one" not in caplog.text
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_bad_address_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="BALANS_MQTT_URL: the scheme is http"):
        Link("http://user:secret@host", "x", [], lambda _topic, _payload: None)


def kill(broker: LocalBroker | Mosquitto) -> None:
    pid = broker.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
