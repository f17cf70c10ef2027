"""Attacks on calls and commands, each written out: what the attacker has, does, and gets."""

from dataclasses import dataclass
from itertools import count

import msgspec
import pytest
from tests.unit.usecases.called_house import (
    GROUP,
    HUB,
    START,
    TENANT,
    TOPICS,
    House,
    Server,
    call,
    ready,
    step,
    unreleased,
)

from balans.adapters.signing import SigningKey
from balans.core.words import LimitSource
from balans.protocols import hub
from balans.usecases.run_load_control import Why

OFF = call(step(-60, 3600, value=0.0))
"""What an attacker would like most: everything off, at once."""


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def house(server: Server) -> House:
    return ready(server)


def unharmed(house: House, server: Server | None = None) -> None:
    """Check that nothing is held, now and a minute later."""
    assert not house.off
    house.run(house.true_s - START + 60, server)
    assert (house.off, house.bound) == (set(), "contract")


# --- who has no key ---


def test_a_call_without_a_signature(house: House) -> None:
    """The attacker is on the broker, and sends a well-formed call as it is."""
    assert house.hear((hub.call_topic(OFF), hub.encode(OFF))) == Why.UNSIGNED
    unharmed(house)


def test_a_forged_signature(house: House, server: Server) -> None:
    """He copies the key's name from a true message, and fills in any signature."""
    topic = hub.call_topic(OFF)
    forged = hub.Signed(server.key.id, hub.encode(OFF), b"\x07" * 64)
    assert house.hear((topic, hub.encode(forged))) == Why.BAD_SIGNATURE
    unharmed(house)


def test_a_true_signature_under_another_body(house: House, server: Server) -> None:
    """He puts the signature of a true call under a stricter one."""
    topic, data = server.call(call(step(0, 900, value=8000.0)))
    true = hub.decode(data)
    assert isinstance(true, hub.Signed)
    forged = msgspec.structs.replace(true, body=hub.encode(OFF))
    assert house.hear((topic, hub.encode(forged))) == Why.BAD_SIGNATURE
    unharmed(house)


def test_a_key_of_his_own(house: House, server: Server) -> None:
    """He makes a key, and signs with it properly."""
    assert house.hear(server.call(OFF, SigningKey.new())) == Why.UNKNOWN_KEY
    unharmed(house)


def test_a_key_of_his_own_under_the_name_of_a_true_one(house: House, server: Server) -> None:
    """He signs with his own key, and calls it by the name of the true one."""
    topic, own = hub.call_topic(OFF), SigningKey.new()
    forged = hub.signed(topic, hub.encode(OFF), server.key.id, own.sign)
    assert house.hear((topic, hub.encode(forged))) == Why.BAD_SIGNATURE
    unharmed(house)


@dataclass(frozen=True)
class Bare:
    name: str
    topic: str
    message: hub.Message


LIMIT = hub.LimitSetting("x", LimitSource.OPERATOR, 0.0)
BARE = [
    Bare(
        "a command",
        TOPICS.command,
        hub.Command("c1", "car", on=False, created=START, expires=4e9, author="x", reason="x"),
    ),
    Bare("limits", TOPICS.limits, hub.Limits(1, (LIMIT,))),
    Bare("consents", TOPICS.consents, hub.Consents(1, (hub.ConsentSetting("car"),))),
    Bare("groups", TOPICS.groups, hub.Groups(9, TENANT, (), hub.Fallback(30, 86_400, 0.0))),
    Bare("keys", TOPICS.keys("0" * 16), hub.Keys(9, TENANT, (hub.TrustedKey(b"m" * 32),))),
    Bare("a beat", hub.beat_topic(TENANT), hub.Beat(START + 9e6, 10**9)),
]


@pytest.mark.parametrize("bare", BARE, ids=lambda bare: bare.name)
def test_whatever_binds_is_refused_without_a_signature(house: House, bare: Bare) -> None:
    """He sends what an older head-end sent unsigned, or what only came with signatures."""
    assert house.hear((bare.topic, hub.encode(bare.message))) == Why.UNSIGNED
    assert house.called.keys is None
    unharmed(house)


# --- who has the key of another tenant ---


def test_the_key_of_another_tenant(house: House) -> None:
    """He is a customer of the same host, with a key that counts at his own gateways."""
    other = Server(SigningKey.of(b"o" * 32), tenant=4)
    assert house.hear(other.call(OFF)) == Why.UNKNOWN_KEY
    unharmed(house)


def test_a_call_of_another_tenant_signed_by_mistake(house: House, server: Server) -> None:
    """The host signs a call of tenant 4 with the key of tenant 3: it is not this hub's."""
    foreign = msgspec.structs.replace(OFF, tenant=4, group="t4-peak")
    assert house.hear(server.call(foreign)) == Why.WRONG_TENANT
    unharmed(house)


# --- who has recorded true messages ---


def test_an_old_epoch_is_played_again(house: House, server: Server) -> None:
    """He has recorded the call before it was cancelled."""
    recorded = server.call(call(step(-60, 3600, value=0.0), epoch=10))
    house.hear(recorded)
    house.hear(server.call(call(epoch=11, cancelled=True, targets=())))
    house.run(900, server)
    assert not house.off
    assert house.hear(recorded) == Why.REPLAYED
    unharmed(house, server)


def test_an_old_epoch_is_played_again_after_a_restart(house: House, server: Server) -> None:
    """He waits for a power cut, and hopes that the gateway has forgotten."""
    recorded = server.call(call(step(-60, 3600, value=0.0), epoch=10))
    house.hear(recorded)
    house.hear(server.call(call(epoch=11, cancelled=True, targets=())))
    house.run(900, server)
    house.restart()
    assert house.hear(recorded) == Why.REPLAYED
    unharmed(house, server)


def test_the_same_epoch_with_other_words(house: House, server: Server) -> None:
    """A key that leaked signs another call under an epoch that is known already."""
    house.hear(server.call(call(step(600, 900, value=3100.0))))
    assert house.hear(server.call(OFF)) == Why.REPLAYED
    unharmed(house, server)


def test_a_refused_replay_tells_the_server_nothing_of_a_running_event(
    house: House, server: Server
) -> None:
    """With replays he would like the operator to see "refused" at all sites."""
    recorded = server.call(call(epoch=10))
    house.hear(recorded)
    house.hear(server.call(call(epoch=11)))
    count = len(house.reports)
    for _ in range(5):
        assert house.hear(recorded) == Why.REPLAYED
    assert len(house.reports) == count


def test_an_expired_call(house: House, server: Server) -> None:
    """He has kept a call from a gateway that was offline when it was sent."""
    old = call(step(-900, -600, value=0.0), issued=START - 1200, expires=START - 120)
    assert house.hear(server.call(old)) == Why.EXPIRED
    assert [report.detail for report in house.reports] == ["expired"]
    house.hear(server.call(old))
    assert len(house.reports) == 1, "told once"
    unharmed(house)


def test_a_call_from_the_future(house: House, server: Server) -> None:
    """A call that was signed ahead of its time, for whatever reason."""
    early = call(step(3600, 5400), issued=START + 3600, expires=START + 9000)
    assert house.hear(server.call(early)) == Why.FROM_FUTURE
    assert [report.detail for report in house.reports] == ["from_future"]
    unharmed(house)


def test_an_old_command_after_the_clock_was_set_back(house: House, server: Server) -> None:
    """He has recorded "off", and sets the gateway's clock back over an open time service."""
    command = hub.Command("c1", "car", False, START - 900, START - 600, "anna", "x")  # noqa: FBT003
    recorded = (TOPICS.command, server.signed(TOPICS.command, command))
    house.set_clock(-900.0)
    assert house.hear(recorded) == Why.EXPIRED
    unharmed(house)


def test_an_old_beat_is_played_again(house: House, server: Server) -> None:
    """He plays beats of yesterday, so that the gateway believes in an old time."""
    old = server.beat(START - 86_400)
    house.hear(server.beat(house.true_s))
    assert house.hear(old) == Why.REPLAYED
    assert house.calls.server_s(house.now_s) == pytest.approx(house.true_s, abs=1e-3)


def test_an_old_beat_is_played_again_after_a_restart(house: House, server: Server) -> None:
    """The same after a power cut, with the true server cut off."""
    old = server.beat(START - 86_400)
    house.hear(server.beat(house.true_s))
    house.restart()
    assert house.hear(old) == Why.REPLAYED
    assert house.calls.server_s(house.now_s) == pytest.approx(house.true_s, abs=1e-3)


def test_old_settings_are_played_again(house: House, server: Server) -> None:
    """He has recorded limits from before the contract was lowered, and an old list of groups."""
    pairs: list[tuple[str, hub.Message, hub.Message]] = [
        (TOPICS.limits, hub.Limits(4, ()), hub.Limits(5, (LIMIT,))),
        (TOPICS.consents, hub.Consents(4, ()), hub.Consents(5, ())),
        (TOPICS.groups, hub.Groups(4, TENANT, (GROUP, "x")), hub.Groups(5, TENANT, (GROUP,))),
    ]
    for topic, old, new in pairs:
        recorded = (topic, server.signed(topic, old))
        assert not house.hear(recorded)
        assert not house.hear((topic, server.signed(topic, new)))
        assert house.hear(recorded) == Why.REPLAYED
        house.restart()
        assert house.hear(recorded) == Why.REPLAYED


def test_groups_of_the_same_number_with_other_words(house: House, server: Server) -> None:
    """He has recorded two lists of groups, and the server has numbered both alike."""
    house.hear(server.groups(GROUP, version=4, limit_w=500.0))
    assert house.hear(server.groups(GROUP, version=4)) == Why.REPLAYED
    assert house.hear(server.groups(version=4)) == Why.REPLAYED
    assert house.calls.memory.fallback.limit_w == 500.0
    assert not house.hear(server.groups(GROUP, version=4, limit_w=500.0)), "told again: no harm"
    assert not house.hear(server.groups(GROUP, version=5))


# --- who moves true messages elsewhere ---


def test_a_command_of_another_hub(house: House, server: Server) -> None:
    """He takes a signed "off" for hub-2 and sends it to hub-1."""
    command = hub.Command("c1", "car", False, START - 90, START + 600, "anna", "x")  # noqa: FBT003
    theirs = hub.Topics("hub-2").command
    stolen = server.signed(theirs, command)
    assert house.hear((TOPICS.command, stolen)) == Why.BAD_SIGNATURE
    assert house.hear((theirs, stolen)) == "", "there it is true, but nobody here listens"
    assert HUB not in theirs


def test_a_call_of_another_group(house: House, server: Server) -> None:
    """He feeds the gateway with a true call of a group that it is not in."""
    other = msgspec.structs.replace(OFF, group="t3-boilers")
    assert house.hear(server.call(other)) == Why.WRONG_GROUP
    unharmed(house)


def test_a_call_moved_to_the_topic_of_another_group(house: House, server: Server) -> None:
    """He sends that call on the topic of this hub's group."""
    other = msgspec.structs.replace(OFF, group="t3-boilers")
    _, data = server.call(other)
    assert house.hear((hub.call_topic(OFF), data)) == Why.BAD_SIGNATURE
    unharmed(house)


def test_a_signed_message_inside_a_signed_message(house: House, server: Server) -> None:
    """He hopes that only the outer of two envelopes is looked at."""
    topic = hub.call_topic(OFF)
    inner = hub.signed(topic, hub.encode(OFF), SigningKey.new().id, SigningKey.new().sign)
    outer = hub.signed(topic, hub.encode(inner), server.key.id, server.key.sign)
    assert house.hear((topic, hub.encode(outer))) == Why.MALFORMED
    unharmed(house)


# --- who may call, and calls for too much ---


def test_a_call_for_another_site(house: House, server: Server) -> None:
    """A true call of the group, for the neighbour: no load here is touched, nothing is told."""
    assert not house.hear(server.call(call(step(-60, 3600, value=0.0), site="house-2")))
    assert not house.reports
    unharmed(house, server)


def test_an_oversized_call(house: House, server: Server) -> None:
    """He (with a key that leaked) wants the gateway's memory: 1,000 targets with long names."""
    targets = tuple(
        hub.CallTarget(f"house-{n}", "x" * 60, OFF.targets[0].steps) for n in range(999)
    )
    assert house.hear(server.call(msgspec.structs.replace(OFF, targets=targets))) == Why.MALFORMED
    unharmed(house)


def test_red_is_named_in_an_emergency_command(house: House, server: Server) -> None:
    """The operator himself addresses a red load: it is refused, whoever signed."""
    command = hub.Command("c1", "clock", False, START - 90, START + 600, "anna", "fire")  # noqa: FBT003
    assert not house.hear((TOPICS.command, server.signed(TOPICS.command, command)))
    assert house.contacts["clock"].switched == 0


def test_red_and_yellow_in_an_emergency_call(house: House, server: Server) -> None:
    """An emergency call of 0 W for an hour: red stays on, yellow comes back in time."""
    house.hear(server.call(call(step(0, 3600, value=0.0), priority=0)))
    house.run(3600, server)
    assert house.contacts["clock"].switched == 0
    assert house.contacts["fridge"].longest_off_s <= 420
    assert house.contacts["boiler"].longest_off_s <= 900


@pytest.mark.parametrize("name", ["fridge", "boiler", "car"])
def test_a_load_without_consent_is_never_switched(server: Server, name: str) -> None:
    """A true call of 0 W: what the owner has not released stays as it is."""
    house = ready(server, loads=unreleased(name))
    house.hear(server.call(call(step(0, 1800, value=0.0))))
    house.run(1900, server)
    assert house.contacts[name].switched == 0
    assert any(house.contacts[other].switched for other in {"fridge", "boiler", "car"} - {name})


# --- rotation ---


def keys(server: Server, version: int, *found: SigningKey, **times: float) -> tuple[str, bytes]:
    trusted = tuple(hub.TrustedKey(key.public, **times) for key in found)
    topic = TOPICS.keys(server.key.id)
    return topic, server.signed(topic, hub.Keys(version, TENANT, trusted))


def test_a_key_that_was_taken_out_of_use_counts_no_more(house: House, server: Server) -> None:
    """A former employee still has the old key."""
    new = Server(SigningKey.of(b"n" * 32))
    assert not house.hear(keys(server, 1, new.key))
    assert house.hear(server.call(OFF)) == Why.UNKNOWN_KEY
    house.restart()
    assert house.hear(server.call(OFF)) == Why.UNKNOWN_KEY
    assert not house.hear(new.call(call(step(-60, 900, value=3100.0))))
    house.run(0)
    assert house.off == {"car"}


def test_both_keys_count_while_they_overlap(house: House, server: Server) -> None:
    new = Server(SigningKey.of(b"n" * 32))
    old, fresh = hub.TrustedKey(server.key.public, 0, START), hub.TrustedKey(new.key.public, START)
    topic = TOPICS.keys(server.key.id)
    house.hear((topic, server.signed(topic, hub.Keys(1, TENANT, (old, fresh)))))
    assert house.hear(new.call(call(event="e2"))) == Why.UNKNOWN_KEY
    assert not house.hear(server.call(call()))
    house.run(20, server)
    assert house.hear(server.call(call(epoch=12))) == Why.UNKNOWN_KEY
    assert not house.hear(new.call(call(epoch=13)))


def test_a_key_that_has_ended_turns_no_time_back(house: House, server: Server) -> None:
    """A thief of the old key tells a time at which it counted, and would call by that time."""
    new = Server(SigningKey.of(b"n" * 32), beats=count(500))
    old, fresh = hub.TrustedKey(server.key.public, 0, START), hub.TrustedKey(new.key.public)
    topic = TOPICS.keys(server.key.id)
    house.hear((topic, server.signed(topic, hub.Keys(1, TENANT, (old, fresh)))))
    house.run(20, new)
    server.beats = count(1000)
    assert house.hear(server.beat(START - 60)) == Why.UNKNOWN_KEY
    assert not house.hear(new.beat(house.true_s))
    assert house.hear(server.call(OFF)) == Why.UNKNOWN_KEY


def test_old_keys_are_played_again(house: House, server: Server) -> None:
    """He has recorded the list of keys in which the stolen one still stood."""
    recorded = keys(server, 1, server.key)
    house.hear(recorded)
    house.hear(keys(server, 2, server.key, SigningKey.of(b"n" * 32)))
    assert house.hear(recorded) == Why.REPLAYED


def test_keys_that_are_all_over_are_refused(house: House, server: Server) -> None:
    """A mistake at the server must not leave a gateway that trusts nobody."""
    over = keys(server, 1, server.key, not_before=0.0, not_after=START - 600)
    assert house.hear(over) == Why.EXPIRED
    assert not house.hear(server.call(call(step(600, 900))))


def test_other_pinned_keys_begin_anew(house: House, server: Server) -> None:
    """After a theft the operator writes another key into the configuration."""
    house.hear(keys(server, 1, server.key, SigningKey.of(b"n" * 32)))
    fresh = Server(SigningKey.of(b"f" * 32))
    house.restart((hub.TrustedKey(fresh.key.public),))
    assert house.hear(server.call(OFF)) == Why.UNKNOWN_KEY
    assert not house.hear(fresh.groups(GROUP))
    assert not house.hear(fresh.call(call(step(-60, 900, value=3100.0), epoch=1)))


# --- without keys ---


def test_without_keys_everything_is_as_before_and_calls_are_ignored(server: Server) -> None:
    house = House(pinned=())
    house.run(-60)
    for sent in [server.groups(GROUP), server.call(OFF), server.beat(START)]:
        assert house.hear(sent) == Why.NO_KEYS
    assert house.hear((hub.call_topic(OFF), hub.encode(OFF))) == Why.NO_KEYS
    unharmed(house)


@pytest.mark.parametrize("wrapped", [True, False])
def test_without_keys_a_command_is_obeyed_signed_or_not(server: Server, *, wrapped: bool) -> None:
    house = House(pinned=())
    house.run(-60)
    command = hub.Command("c1", "car", False, START - 90, START + 600, "anna", "x")  # noqa: FBT003
    data = server.signed(TOPICS.command, command) if wrapped else hub.encode(command)
    assert not house.hear((TOPICS.command, data))
    assert house.off == {"car"}
