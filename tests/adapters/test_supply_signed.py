"""A gateway that knows keys switches a supply by a signed order only; each attack written out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.adapters.supply_town import SERIAL
from tests.adapters.test_gateway import T0, Bench, until
from tests.adapters.test_gateway_calls import KEY, keyed
from tests.adapters.test_supply_chain import Flat

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.signing import SigningKey
from balans.protocols import hub
from balans.protocols.supply_words import Contact, SupplyAction


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
