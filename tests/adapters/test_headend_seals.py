"""Which key signs, and when what was signed has to be signed anew."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from balans.adapters.signing import SigningKey, verify
from balans.headend.seals import Seals
from balans.protocols.hub import Beat, Keys, Poll, Signed, decode, encode, to_sign
from balans.protocols.hub.signed import KEYS_MAX
from balans.storage.signing_keys import KeyInfo, KeyRing
from balans.wiring.keys import KeyFolder

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TOPIC = "balans/1/hub/alice-hub/down/command"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class Rings:
    """A database in which one tenant has keys."""

    def __init__(self, *keys: KeyInfo) -> None:
        self.keys = keys

    async def call(self, function: Any, *_args: Any) -> Any:
        if function.__name__ == "key_rings":
            return {1: KeyRing(1, "alice", len(self.keys), self.keys)} if self.keys else {}
        return 1  # the tenant of a hub


def info(key: SigningKey, start: datetime, end: datetime | None = None) -> KeyInfo:
    return KeyInfo(key.id, key.public, start, "root", start, end)


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path)


async def test_the_oldest_key_that_counts_signs(folder: KeyFolder) -> None:
    old, new = SigningKey.new(), SigningKey.new()
    for key in (old, new):
        folder.keep("alice", key)
    clock, rings = Clock(), Rings(info(old, NOW - DAY, NOW + DAY), info(new, NOW))
    seals = Seals(rings, clock, folder)  # type: ignore[arg-type]  # as much of a database as it needs
    assert await seals.refresh()
    assert not await seals.refresh()
    data = encode(Beat(NOW.timestamp(), 1))
    envelope = decode(await seals.for_hub(TOPIC, data))
    assert isinstance(envelope, Signed)
    assert envelope.key == old.id
    assert verify(old.public, envelope.signature, to_sign(TOPIC, data))
    assert [ident for ident, _ in seals.announcements(1)] == [old.id, new.id]

    clock.time = NOW + 2 * DAY
    assert await seals.refresh()  # what the old one signed counts no more
    envelope = decode(await seals.for_hub(TOPIC, data))
    assert isinstance(envelope, Signed)
    assert envelope.key == new.id


async def test_keys_that_have_ended_are_told_no_more(folder: KeyFolder) -> None:
    """However often a utility rotates its keys, hubs understand the list, and trust no old one."""
    old = [info(SigningKey.new(), NOW - 2 * DAY, NOW) for _ in range(KEYS_MAX)]
    coming, key = SigningKey.new(), SigningKey.new()
    folder.keep("alice", key)
    rings = Rings(*old, info(key, NOW, NOW + DAY), info(coming, NOW + DAY))
    seals = Seals(rings, Clock(), folder)  # type: ignore[arg-type]
    await seals.refresh()
    ((_, data),) = seals.announcements(1)
    told = decode(data)
    assert isinstance(told, Keys)
    assert [one.id for one in told.keys] == [key.id, coming.id]


async def test_what_binds_nobody_goes_unsigned(folder: KeyFolder) -> None:
    key = SigningKey.new()
    folder.keep("alice", key)
    seals = Seals(Rings(info(key, NOW)), Clock(), folder)  # type: ignore[arg-type]
    await seals.refresh()
    poll = encode(Poll(NOW.timestamp()))
    assert await seals.for_hub(TOPIC, poll) == poll


async def test_without_a_key_nothing_is_signed(
    folder: KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    data = encode(Beat(NOW.timestamp(), 1))
    seals = Seals(Rings(), Clock(), folder)  # type: ignore[arg-type]
    await seals.refresh()
    assert await seals.for_hub(TOPIC, data) == data
    elsewhere = Seals(Rings(info(SigningKey.new(), NOW)), Clock(), folder)  # type: ignore[arg-type]
    await elsewhere.refresh()
    assert await elsewhere.for_hub(TOPIC, data) == data
    assert "no private key that counts" in caplog.text
