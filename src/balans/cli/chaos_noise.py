"""Noise on the wire: random bytes on every topic, and hubs that nobody has registered."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

import aiomqtt

from balans.protocols.address import parse_broker_address
from balans.protocols.hub import Batch, Entry, EntryKind, Hello, encode
from balans.protocols.readings import Reading, pack

MESSAGES = 60
MOST_BYTES = 300
LIMIT_S = 5.0
UP = ("hello", "batch", "status", "plan", "answer", "nonsense")
DOWN = ("ack", "command", "limits", "consents", "read", "wanted", "nonsense")
SITE = ("power", "query", "announce", "known", "nonsense")
SITE_OF = ("report", "received", "ask", "answer", "switch", "state", "device")


@dataclass(frozen=True, slots=True)
class Noise:
    """Publishes noise at a broker about the hubs and the site of a town."""

    mqtt_url: str
    hubs: tuple[str, ...]
    site: str

    def make(self, chance: random.Random) -> int:
        """Publish some messages; return how many the broker took."""
        messages = [*self._bytes(chance), *_ghosts(chance)]
        chance.shuffle(messages)
        return asyncio.run(self._publish(messages))

    def _bytes(self, chance: random.Random) -> Iterator[tuple[str, bytes]]:
        """Yield random bytes on topics of the town and on such that nobody knows."""
        for _ in range(MESSAGES):
            hub = chance.choice((*self.hubs, "ghost"))
            topic = chance.choice(
                (
                    f"balans/1/hub/{hub}/up/{chance.choice(UP)}",
                    f"balans/1/hub/{hub}/down/{chance.choice(DOWN)}",
                    f"balans/1/site/{self.site}/{chance.choice(SITE)}",
                    f"balans/1/site/{self.site}/{chance.choice(SITE_OF)}/{hub}",
                    "balans/1/poll",
                )
            )
            yield topic, chance.randbytes(chance.randrange(MOST_BYTES))

    async def _publish(self, messages: list[tuple[str, bytes]]) -> int:
        address, taken = parse_broker_address(self.mqtt_url), 0
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with (
                asyncio.timeout(LIMIT_S),
                aiomqtt.Client(
                    address.host, address.port, username=address.username, password=address.password
                ) as client,
            ):
                for topic, payload in messages:
                    await client.publish(topic, payload)
                    taken += 1
        return taken


def _ghosts(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield what hubs say that are not registered, in good form."""
    for _ in range(5):
        topic = f"balans/1/hub/ghost-{chance.randrange(3)}/up"
        journal, hour = chance.randrange(1, 2**40), 227_000 + chance.randrange(500)
        readings = pack([Reading(chance.randrange(2**32), 1, hour, chance.randrange(10**6))])
        yield f"{topic}/hello", encode(Hello(journal, 0, 1))
        yield f"{topic}/batch", encode(Batch.of(journal, 0, (Entry(EntryKind.READINGS, readings),)))
