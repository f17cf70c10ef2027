"""A gateway that knows keys switches a supply by a signed order only; each attack written out."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.adapters import test_headend as server
from tests.adapters.supply_town import SERIAL, wish
from tests.adapters.test_gateway import T0, Bench, until
from tests.adapters.test_gateway_calls import KEY, keyed
from tests.adapters.test_headend import until_stored
from tests.adapters.test_headend_calls import balans
from tests.adapters.test_supply_chain import Chain, Flat, contact, database, state
from tests.adapters.test_supply_chain import order as give

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.mqtt import Link
from balans.adapters.signing import SigningKey
from balans.domain.supply import OrderState
from balans.protocols import hub
from balans.protocols.supply_words import Contact, SupplyAction

__all__ = ["database"]


class Scene:
    """A gateway with keys, a contactor, and whoever may write to the broker."""

    def __init__(self, bench: Bench, flat: Flat) -> None:
        self.bench, self.flat = bench, flat
        self.topic = bench.head_end.topics.supply

    async def publish(self, data: bytes) -> None:
        assert await self.bench.head_end.link.publish(self.topic, data, qos=1)

    async def settle(self, name: str) -> None:
        """Let a good order follow, so that what came before it has been looked at."""
        await self.publish(envelope(order(name, on=True), self.topic, KEY))
        await until(lambda: any(one.id == name for one in self.flat.switches), name)

    def reports(self) -> list[hub.SupplyReport]:
        kept = sorted(self.bench.head_end.stored.items())
        return [
            hub.decode_supply_report(entry.data)
            for _, entry in kept
            if entry.kind == hub.EntryKind.SUPPLY
        ]


def order(name: str, *, on: bool = False, life_s: float = 600.0) -> hub.SupplyOrder:
    action = SupplyAction.RECONNECT if on else SupplyAction.DISCONNECT
    return hub.SupplyOrder(name, SERIAL, 1, action, T0 + 1, T0 + 1 + life_s, "dora", "repair: x")


def envelope(message: hub.SupplyOrder, topic: str, key: SigningKey) -> bytes:
    return hub.encode(hub.signed(topic, hub.encode(message), key.id, key.sign))


@pytest.fixture
async def scene(broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Scene]:
    async with keyed(tmp_path, broker.url) as bench:
        hub_code = bench.head_end.topics.hub
        flat = Flat(broker.url, bench.site.site, hub_code)
        flat.clock_s = T0 + 2
        task = asyncio.create_task(flat.link.run())
        await asyncio.wait_for(flat.link.wait_connected(), 10)
        yield Scene(bench, flat)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_signed_order_is_obeyed_and_journalled_with_its_author(scene: Scene) -> None:
    await scene.publish(envelope(order("o1"), scene.topic, KEY))
    await until(lambda: scene.flat.adapter.contact == Contact.OFF, "contact off")
    await until(lambda: len(scene.reports()) >= 2, "both reports")
    of_order = [one for one in scene.reports() if one.id == "o1"]
    assert [one.outcome for one in of_order] == ["heard", "confirmed"]
    assert {(one.author, one.reason) for one in of_order} == {("dora", "repair: x")}


async def test_attacks_move_nothing(scene: Scene) -> None:
    topic, mallory = scene.topic, SigningKey.of(b"m" * 32)
    elsewhere = hub.Topics("another-hub").supply
    good = hub.signed(topic, hub.encode(order("a5")), KEY.id, KEY.sign)
    attacks = [
        hub.encode(order("a1")),  # unsigned
        envelope(order("a2"), topic, mallory),  # a key that nobody trusts
        hub.encode(  # the trusted key's name over somebody else's signature
            hub.signed(topic, hub.encode(order("a3")), KEY.id, mallory.sign)
        ),
        envelope(order("a4"), elsewhere, KEY),  # an order to another hub
        hub.encode(hub.Signed(good.key, hub.encode(order("a6")), good.signature)),  # other words
    ]
    for attack in attacks:
        await scene.publish(attack)
    await scene.settle("good")
    assert [one.id for one in scene.flat.switches] == ["good"]
    assert scene.flat.adapter.contact == Contact.ON
    assert not [one for one in scene.reports() if one.id.startswith("a")]


async def test_a_recorded_order_is_no_order(scene: Scene) -> None:
    recorded = envelope(order("r1"), scene.topic, KEY)
    await scene.publish(recorded)
    await until(lambda: scene.flat.adapter.contact == Contact.OFF, "contact off")
    scene.flat.adapter.open_by_hand(T0)  # nothing to do with it
    scene.flat.adapter.contact = Contact.ON  # as if it had been reconnected since
    await scene.publish(recorded)
    await scene.bench.stop()
    await scene.bench.ready()
    await scene.publish(recorded)
    await until(lambda: [one.id for one in scene.flat.switches].count("r1") >= 2, "sent again")
    await asyncio.sleep(0.5)
    assert scene.flat.adapter.contact == Contact.ON


@pytest.fixture
async def head_end(
    broker: LocalBroker, database: str, tmp_path: Path
) -> AsyncIterator[server.Bench]:
    """A head-end process whose tenant has a key."""
    bench = server.Bench(tmp_path, broker.url, database)
    task = asyncio.create_task(bench.hub.link.run())
    await asyncio.wait_for(bench.hub.link.wait_connected(), 10)
    await bench.start()
    yield bench
    if bench.process is not None:
        await bench.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.clock.close()


async def test_from_the_page_to_the_contact_every_order_is_signed(
    head_end: server.Bench, broker: LocalBroker, tmp_path: Path
) -> None:
    (made,) = json.loads(await asyncio.to_thread(balans, head_end, "key", "new", "alice", "--json"))
    folder = tmp_path / "hub"
    folder.mkdir()
    chain = Chain(folder, broker.url, tmp_path / "clock")
    text = chain.config.read_text(encoding="utf-8")
    keys = f'[server]\nkeys = ["{made["public"]}"]\n'
    chain.config.write_text(f"{text}\n{keys}", encoding="utf-8")
    seen: list[hub.Message] = []
    topic = hub.Topics("alice-hub").supply
    listener = Link(
        broker.url,
        f"listener-{uuid4().hex}",
        [(topic, 1)],
        lambda _topic, data: seen.append(hub.decode(data)),
    )
    tasks = [asyncio.create_task(link.run()) for link in (chain.flat.link, listener)]
    await asyncio.wait_for(chain.flat.link.wait_connected(), 10)
    await chain.start()
    try:
        await until_stored(contact, Contact.ON)
        await asyncio.to_thread(give, wish())
        await until_stored(state, OrderState.CONFIRMED)
        assert chain.flat.adapter.contact == Contact.OFF
        orders = [one for one in seen if not isinstance(one, hub.SupplyAsk)]
        assert orders
        assert all(isinstance(one, hub.Signed) for one in orders)
    finally:
        await chain.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
