"""Names of hubs that anybody may introduce, and keys that no longer count."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.adapters.test_headend_seals import NOW, Clock, info

from balans.adapters.signing import SigningKey, verify
from balans.headend import calls as calls_module
from balans.headend import greeted
from balans.headend.calls import Calls
from balans.headend.greeted import Greeted
from balans.headend.metrics import Metrics
from balans.headend.seals import Seals
from balans.protocols.hub import Groups, Signed, Topics, decode, to_sign
from balans.storage.response_life import Lived
from balans.storage.response_members import HubGroups
from balans.storage.signing_keys import KeyInfo, KeyRing
from balans.wiring.keys import KeyFolder

DAY = timedelta(days=1)


class Town:
    """A database of one tenant with one hub, and a broker that keeps what is retained."""

    def __init__(self, *keys: KeyInfo) -> None:
        self.keys = keys
        self.registered = {"alice-hub"}
        self.asked: list[int] = []
        self.retained: dict[str, bytes] = {}
        self.published: list[tuple[str, bytes]] = []

    async def call(self, function: Any, *args: Any) -> Any:
        found: dict[str, Any] = {
            "key_rings": {1: KeyRing(1, "alice", len(self.keys), self.keys)},
            "advance_events": Lived(),
            "live_calls": [],
            "calls_to_clear": [],
        }
        if function.__name__ == "registered":
            self.asked.append(len(args[0]))
            return self.registered & set(args[0])
        if function.__name__ == "hub_groups":
            return [HubGroups(code, 1, Groups(1, 1, ("t1-evening.0",))) for code in args[0]]
        return found[function.__name__]

    async def publish(self, topic: str, data: bytes, retained: bool) -> bool:  # noqa: FBT001
        assert retained
        self.published.append((topic, data))
        self.retained[topic] = data
        if not data:
            del self.retained[topic]
        return True

    def calls(self, folder: KeyFolder, clock: Clock) -> Calls:
        seals = Seals(self, clock, folder)  # type: ignore[arg-type]
        return Calls(self, clock, Metrics(), seals, self.publish, lambda: None)  # type: ignore[arg-type]

    def key_topics(self) -> set[str]:
        return {topic for topic in self.retained if "/down/keys/" in topic}


def keys_in(folder: KeyFolder, count: int) -> list[SigningKey]:
    keys = [SigningKey.new() for _ in range(count)]
    for key in keys:
        folder.keep("alice", key)
    return keys


async def test_names_that_nobody_has_registered_are_not_kept_for_ever(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Somebody on the broker introduces a new hub again and again."""
    monkeypatch.setattr(greeted, "STRANGERS", 100)
    folder = KeyFolder(tmp_path)
    (key,) = keys_in(folder, 1)
    town = Town(info(key, NOW - DAY))
    calls = town.calls(folder, Clock())
    calls.greet("alice-hub")
    for number in range(1000):
        calls.greet(f"hub-{number}")
        if number % 50 == 0:
            await calls._round()
    await calls._round()
    calls.look_again()
    await calls._round()
    assert town.asked[-1] <= 101
    assert Topics("alice-hub").groups in town.retained
    assert {topic.split("/")[3] for topic in town.retained} == {"alice-hub"}


async def test_a_hub_that_is_registered_later_is_told(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    (key,) = keys_in(folder, 1)
    town = Town(info(key, NOW - DAY))
    calls = town.calls(folder, Clock())
    calls.greet("new-hub")
    await calls._round()
    assert Topics("new-hub").groups not in town.retained
    town.registered.add("new-hub")
    calls.look_again()
    await calls._round()
    assert Topics("new-hub").groups in town.retained


async def test_a_whole_town_is_told_in_parts_between_which_calls_go_out(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(calls_module, "HUBS_AT_ONCE", 40)
    folder = KeyFolder(tmp_path)
    (key,) = keys_in(folder, 1)
    town = Town(info(key, NOW - DAY))
    town.registered = {f"hub-{number:03}" for number in range(100)}
    calls = town.calls(folder, Clock())
    for hub in town.registered:
        calls.greet(hub)
    told = []
    for _ in range(4):
        await calls._round()
        told.append(len({topic.split("/")[3] for topic in town.retained}))
    assert told == [40, 80, 100, 100]
    town.asked.clear()
    calls.look_again()
    for _ in range(4):
        await calls._round()
    assert town.asked == [40, 40, 20], "all of them are looked at once more, and no oftener"


def test_who_waits_is_kept_within_bounds(monkeypatch: Any) -> None:
    monkeypatch.setattr(greeted, "WAITING", 10)
    hubs = Greeted()
    for number in range(1000):
        hubs.greet(f"hub-{number}")
    assert len(hubs) == 10
    hubs.answered(hubs.waiting, {"hub-3"})
    hubs.answered(["hub-3"], set())
    assert hubs.waiting == frozenset()


async def test_topics_of_keys_that_count_no_more_are_cleared(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    old, new = keys_in(folder, 2)
    town, clock = Town(info(old, NOW - DAY, NOW + DAY), info(new, NOW - DAY)), Clock()
    topics = Topics("alice-hub")
    calls = town.calls(folder, clock)
    calls.greet("alice-hub")
    await calls._round()
    assert town.key_topics() == {topics.keys(old.id), topics.keys(new.id)}
    clock.time = NOW + DAY
    calls.look_again()
    await calls._round()
    assert town.key_topics() == {topics.keys(new.id)}
    sent = len(town.published)
    for _ in range(2):
        calls.look_again()
        await calls._round()
    assert len(town.published) == sent
    envelope = decode(town.retained[topics.groups])
    assert isinstance(envelope, Signed)
    assert verify(new.public, envelope.signature, to_sign(topics.groups, envelope.body))


async def test_a_head_end_that_starts_clears_what_another_has_left(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    old, new = keys_in(folder, 2)
    town, clock = Town(info(old, NOW - 2 * DAY, NOW - DAY), info(new, NOW - DAY)), Clock()
    topics = Topics("alice-hub")
    town.retained[topics.keys(old.id)] = b"of an earlier run"
    calls = town.calls(folder, clock)
    calls.greet("alice-hub")
    await calls._round()
    assert town.key_topics() == {topics.keys(new.id)}
    clears = town.published.count((topics.keys(old.id), b""))
    calls.greet("alice-hub")
    await calls._round()
    assert town.published.count((topics.keys(old.id), b"")) == clears == 1
