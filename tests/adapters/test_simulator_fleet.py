"""A generated town over a real broker, met by a scripted head-end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from balans.adapters.localmqtt import LocalBroker
from balans.protocols import hub as wire
from balans.protocols.address import parse_broker_address
from balans.protocols.hub import Ranges
from balans.protocols.readings import readings_of
from balans.simulator.fleet import Fleet, FleetOptions
from balans.simulator.ledger import read
from balans.simulator.link import NO_DELAY
from balans.simulator.town import synthetic_town

SPEC = synthetic_town(3, 4, seed=11)
QUICK = FleetOptions(answer_s=10.0, drain_s=15.0)


class FakeHeadEnd:
    """Stores what arrives by hub and journal, and acknowledges; every `deaf`-th batch is lost."""

    def __init__(self, url: str, deaf: int = 0) -> None:
        self.entries: dict[tuple[str, int, int], bytes] = {}
        self.batches = 0
        self.connected = asyncio.Event()
        self._deaf = deaf
        self._address = parse_broker_address(url)

    @property
    def readings(self) -> dict[tuple[str, int], int]:
        return {
            (f"{row.module}-{row.input}", row.hour): row.register
            for data in self.entries.values()
            for row in readings_of(data)
        }

    async def run(self) -> None:
        while True:
            client = aiomqtt.Client(
                self._address.host,
                self._address.port,
                username=self._address.username,
                password=self._address.password,
                timeout=3,
                socket_options=[NO_DELAY],
            )
            with contextlib.suppress(aiomqtt.MqttError):
                async with client:
                    await self._serve(client)
            if client._disconnected.done():
                client._disconnected.exception()  # or asyncio complains that nobody looked
            await asyncio.sleep(0.05)

    async def _serve(self, client: aiomqtt.Client) -> None:
        await client.subscribe(wire.Topics.ALL_UP, 1)
        await client.publish(wire.Topics.POLL, wire.encode(wire.Poll(0.0)), 1)
        self.connected.set()
        async for message in client.messages:
            await self._on_message(client, message.topic.value, bytes(message.payload))

    async def _on_message(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        topics, message = wire.Topics.parse_up(topic), wire.decode(payload)
        if isinstance(message, wire.Batch):
            self.batches += 1
            if self._deaf and self.batches % self._deaf == 0:
                return
            for offset, entry in enumerate(message.entries, start=message.first):
                key = (topics.hub, message.journal, offset)
                assert self.entries.setdefault(key, entry.data) == entry.data
        assert isinstance(message, wire.Batch | wire.Hello)
        ack = self._ack(topics.hub, message.journal)
        await client.publish(topics.ack, wire.encode(ack), 1)

    def _ack(self, hub: str, journal: int) -> wire.Ack:
        held = Ranges.of(
            (offset, offset + 1)
            for code, id_, offset in self.entries
            if (code, id_) == (hub, journal)
        )
        contiguous = held.contiguous_from(0)
        end = max((end for _, end in held.spans), default=0)
        return wire.Ack(journal, contiguous, end, held.missing(contiguous, end).spans)


@contextlib.asynccontextmanager
async def serving(head_end: FakeHeadEnd) -> AsyncIterator[FakeHeadEnd]:
    task = asyncio.create_task(head_end.run())
    try:
        await asyncio.wait_for(head_end.connected.wait(), 10)
        yield head_end
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_every_reading_of_the_ledger_arrives(broker: LocalBroker, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    options = replace(
        QUICK, ledger=tmp_path / "l.csv", progress=lambda hours, left: told.append((hours, left))
    )
    async with serving(FakeHeadEnd(broker.url)) as head_end:
        result = await Fleet(SPEC, broker.url, options).run(hours=30)
    assert result.unacknowledged == result.refused == 0
    assert (result.hubs, result.modules, result.channels, result.hours) == (3, 12, 36, 30)
    assert result.readings == 31 * 36
    assert head_end.readings == read(tmp_path / "l.csv")
    assert [hours for hours, _ in told] == list(range(1, 31))


async def test_lost_batches_are_sent_again(
    broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balans.simulator.fleet.RESEND_S", 0.2)
    options = replace(QUICK, ledger=tmp_path / "l.csv")
    async with serving(FakeHeadEnd(broker.url, deaf=3)) as head_end:
        result = await Fleet(SPEC, broker.url, options).run(hours=10)
    assert result.unacknowledged == 0
    assert head_end.batches > 3
    assert head_end.readings == read(tmp_path / "l.csv")


async def test_a_killed_broker_loses_nothing(server_dir: Path, tmp_path: Path) -> None:
    with LocalBroker(server_dir / "fleet") as broker:
        broker.watch()

        def kill_at_twenty(hours: int, _: int) -> None:
            if hours == 20:
                os.kill(broker.status().pid or 0, signal.SIGKILL)

        options = replace(
            QUICK, ledger=tmp_path / "l.csv", progress=kill_at_twenty, speed=3600 * 40.0
        )
        async with serving(FakeHeadEnd(broker.url)) as head_end:
            result = await Fleet(SPEC, broker.url, options).run(hours=40)
    assert result.unacknowledged == 0
    assert head_end.readings == read(tmp_path / "l.csv")


async def test_without_a_head_end_nothing_is_counted(broker: LocalBroker) -> None:
    result = await Fleet(SPEC, broker.url, replace(QUICK, answer_s=0.3)).run(hours=5)
    assert not result.answered
    assert result.hours == result.readings == 0


async def test_a_stopped_fleet_delivers_what_it_has(broker: LocalBroker, tmp_path: Path) -> None:
    options = replace(QUICK, ledger=tmp_path / "l.csv", speed=3600 * 10.0)
    async with serving(FakeHeadEnd(broker.url)) as head_end:
        fleet = Fleet(SPEC, broker.url, options)
        asyncio.get_running_loop().call_later(0.5, fleet.stop)
        result = await asyncio.wait_for(fleet.run(hours=1_000), 30)
    assert 0 < result.hours < 1_000
    assert result.unacknowledged == 0
    assert head_end.readings == read(tmp_path / "l.csv")
