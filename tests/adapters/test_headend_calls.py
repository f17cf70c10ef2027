"""Calls from the database over a real broker to gateways, and their reports back."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from tests.adapters import response_events as steps
from tests.adapters.test_headend import (  # noqa: F401  (database is a fixture)
    NOW,
    Bench,
    database,
    forget_settings,
    rows,
    until,
    until_stored,
)

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.mqtt import Link
from balans.adapters.signing import verify
from balans.core.words import CallState
from balans.protocols.hub import (
    Ack,
    Batch,
    Beat,
    Call,
    CallReport,
    Command,
    Consents,
    Entry,
    EntryKind,
    Groups,
    Hello,
    Keys,
    Limits,
    Message,
    Poll,
    Signed,
    Topics,
    TrustedKey,
    calls_filter,
    decode,
    encode,
    encode_call_report,
)
from balans.usecases.registry_plan import RegistryPlan
from balans.usecases.run_load_control import CalledMemory, Gate, Moment, RefusedError, ServerClock

T = TypeVar("T")
MINUTE = timedelta(minutes=1)


@dataclass
class FakeGateway:
    """A gateway that opens what comes down as a real one does, and keeps it."""

    url: str
    key: bytes
    code: str = "alice-hub"
    taken: list[Message] = field(default_factory=list)
    refused: list[RefusedError] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    raw: list[tuple[str, bytes]] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        self.topics = Topics(self.code)
        pinned = (TrustedKey(self.key),)
        memory = CalledMemory().of(pinned)
        self.clock = ServerClock()
        self.gate = Gate(self.topics, pinned, verify, memory, self.clock)
        self.link = Link(self.url, f"gateway-{uuid4().hex}", [*self.filters], self.on_message, None)

    @property
    def filters(self) -> list[tuple[str, int]]:
        groups = self.gate.memory.groups
        calls = [calls_filter(one) for one in groups.groups] if groups else []
        always = [
            f"{self.topics.root}/down/+",
            self.topics.keys("+"),
            "balans/1/beat/+",
            Topics.POLL,
        ]
        return [(one, 1) for one in (*always, *calls)]

    async def on_message(self, topic: str, data: bytes) -> None:
        if not data:
            self.cleared.append(topic)
            return
        if not isinstance(decode(data), Signed):
            self.plain.append(type(decode(data)).__name__)
        self.raw.append((topic, data))
        try:
            message = self.gate.open(topic, data, Moment.at(NOW.timestamp()))
        except RefusedError as error:
            self.refused.append(error)
            return
        self.taken.append(message)
        if isinstance(message, Groups):
            await self.link.listen(self.filters)
        if isinstance(message, Poll):
            await self.hello()

    def of(self, kind: type[T]) -> list[T]:
        return [one for one in self.taken if isinstance(one, kind)]

    async def hello(self) -> None:
        assert await self.link.publish(self.topics.hello, encode(Hello(77, 0, 0)), qos=1)

    async def report(self, *reports: CallReport) -> None:
        entries = tuple(Entry(EntryKind.CALL, encode_call_report(one)) for one in reports)
        batch = Batch.of(77, self.offset, entries)
        self.offset += len(entries)
        assert await self.link.publish(self.topics.batch, encode(batch), qos=1)
        await until(lambda: self.of(Ack)[-1:] and self.of(Ack)[-1].end >= self.offset, "ack")


class Town:
    """A head-end, the gateway of Alice's house, and a key of hers."""

    def __init__(self, bench: Bench, gateway: FakeGateway) -> None:
        self.bench = bench
        self.gateway = gateway
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, gateway: FakeGateway) -> FakeGateway:
        self.tasks.append(asyncio.create_task(gateway.link.run()))
        await asyncio.wait_for(gateway.link.wait_connected(), 10)
        await gateway.hello()
        return gateway

    async def call(self, **more: Any) -> Any:
        event = await asyncio.to_thread(in_tenant, lambda: announce(**more))
        await until(lambda: self.gateway.of(Call), "call")
        return event


def in_tenant(work: Callable[[], T]) -> T:
    """Work as Alice's people, and commit."""
    from django.db import connection

    from balans.storage.models import Tenant
    from balans.storage.scope import system_scope, tenant_scope

    try:
        with system_scope():
            tenant = Tenant.objects.get(code="alice").pk
        with tenant_scope(tenant):
            return work()
    finally:
        connection.close()


def announce(**more: Any) -> Any:
    from balans.storage import response_acts

    operator = steps.person("alice-operator")
    return response_acts.announce(operator, steps.drafted(**more).code, NOW)


def balans(bench: Bench, *args: str) -> str:
    command = [sys.executable, "-m", "balans", *args]
    found = subprocess.run(command, env=bench.env, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def public_key(bench: Bench, *args: str) -> bytes:
    """Run ``balans key``; return the newest public key it prints."""
    import base64
    import json

    rows_of = json.loads(balans(bench, "key", *args, "--json"))
    return base64.b64decode(rows_of[-1]["public"])


@pytest.fixture
async def town(
    broker: LocalBroker,
    database: str,  # noqa: F811
    tmp_path: Path,
) -> AsyncIterator[Town]:
    bench = Bench(tmp_path, broker.url, database)
    key = await asyncio.to_thread(public_key, bench, "new", "alice")
    await asyncio.to_thread(in_tenant, steps.open_programme)
    town = Town(bench, FakeGateway(broker.url, key))
    await forget_settings(broker.url)
    await town.join(town.gateway)
    await start(bench)
    await until(lambda: town.gateway.of(Groups), "groups")
    yield town
    if bench.process is not None:
        await bench.stop(signal.SIGKILL)
    for topic in {topic for topic, _ in town.gateway.raw}:
        await town.gateway.link.publish(topic, b"", qos=1, retain=True)  # the broker stays
    for task in town.tasks:
        task.cancel()
    await asyncio.gather(*town.tasks, return_exceptions=True)
    bench.clock.close()


async def start(bench: Bench) -> None:
    """Start the head-end, and wait until it is at work."""
    args = ["-m", "balans", "headend", "--health-file", str(bench.health)]
    bench.process = await asyncio.create_subprocess_exec(
        sys.executable, *args, env=bench.env, stderr=asyncio.subprocess.PIPE
    )
    await until(bench.health.exists, "head-end")


def targets() -> list[tuple[Any, ...]]:
    return rows("select state, achieved_w from dr_target order by id")


async def test_the_whole_way_of_an_event(town: Town) -> None:
    gateway = town.gateway
    await until(lambda: gateway.of(Beat), "beat")
    (group,) = gateway.of(Groups)[-1].groups
    assert group.endswith("-evening.0")
    event = await town.call()
    call = gateway.of(Call)[-1]
    assert (call.event, call.epoch, call.cancelled) == (event.code, event.epoch, False)
    assert [(one.site, one.node) for one in call.targets] == [("alice-house", "alice-flat-1")]
    await until_stored(targets, [("sent", None)])

    await gateway.report(told(event, CallState.HEARD, NOW, before_w=None, now_w=None))
    await until_stored(targets, [("heard", None)])
    begins = NOW + timedelta(hours=1)
    town.bench.clock.set((begins + MINUTE).timestamp())
    await until_stored(lambda: rows("select state from dr_event"), [("active",)])
    await gateway.report(
        told(event, CallState.ACTIVE, begins), told(event, CallState.DONE, begins + MINUTE)
    )
    await until_stored(targets, [("done", 2000.0)])

    ends = begins + timedelta(hours=1)
    town.bench.clock.set(ends.timestamp())
    await until_stored(lambda: rows("select state, topics from dr_event"), [("ended", "[]")])
    await until(lambda: gateway.cleared, "the broker to forget the call")
    await gateway.report(told(event, CallState.RELEASED, ends + MINUTE))
    await until_stored(targets, [("released", 2000.0)])
    late = FakeGateway(town.bench.hub.url, gateway.key)
    await town.join(late)
    await until(lambda: late.of(Groups), "groups")
    await asyncio.sleep(0.3)
    assert not late.of(Call)

    await asyncio.to_thread(settle, ends + timedelta(hours=1))
    question = (
        "select l.given_kwmin between 10 and 120, e.result->>'coverage', e.result->>'achieved_kw'"
        " from dr_ledger l join dr_event e on e.id = l.event_id"
    )
    await until_stored(lambda: rows(question), [(True, "1.0", "2.0")])
    assert gateway.refused == []


def told(event: Any, state: CallState, at: datetime, **more: Any) -> CallReport:
    return steps.told(event, state, at, **more)


def settle(now: datetime) -> None:
    from django.db import connection

    from balans.storage.response_life import settle_events

    try:
        assert settle_events(now) == 1
        assert settle_events(now) == 0
    finally:
        connection.close()


async def test_who_comes_late_learns_the_call(town: Town) -> None:
    await town.call()
    await town.bench.stop(signal.SIGKILL)
    late = FakeGateway(town.bench.hub.url, town.gateway.key)
    town.tasks.append(asyncio.create_task(late.link.run()))
    await until(lambda: late.of(Call), "call that the broker kept")
    assert late.of(Call)[-1] == town.gateway.of(Call)[-1]


async def test_a_call_off_reaches_the_gateway(town: Town) -> None:
    event = await town.call()

    def cancel() -> None:
        from balans.storage import response_acts

        operator = steps.person("alice-operator")
        response_acts.cancel(operator, event.code, "warm after all", NOW)

    await asyncio.to_thread(in_tenant, cancel)
    await until(lambda: town.gateway.of(Call)[-1].cancelled, "call off", limit_s=5.0)
    assert town.gateway.of(Call)[-1].epoch > event.epoch
    late = FakeGateway(town.bench.hub.url, town.gateway.key)
    await town.join(late)
    await until(lambda: late.of(Call), "call off that the broker kept")
    assert late.of(Call)[-1].cancelled
    town.bench.clock.set((event.expires + MINUTE).timestamp())
    await until_stored(lambda: rows("select topics from dr_event"), [("[]",)])


async def test_a_call_off_before_the_first_sending_is_not_sent(town: Town) -> None:
    await town.bench.stop()

    def announce_and_cancel() -> None:
        from balans.storage import response_acts

        event = announce()
        response_acts.cancel(steps.person("alice-operator"), event.code, "a mistake", NOW)

    await asyncio.to_thread(in_tenant, announce_and_cancel)
    town.bench.health.unlink(missing_ok=True)
    await start(town.bench)
    await town.gateway.hello()
    await asyncio.sleep(2.5)
    assert not town.gateway.of(Call)
    await until_stored(targets, [("queued", None)])


async def test_who_opts_out_is_let_go(town: Town) -> None:
    event = await town.call()

    def opt_out() -> None:
        from balans.storage import response_acts

        consumer = steps.person("alice-consumer")
        response_acts.opt_out(consumer, event.code, "alice-flat-1", NOW)

    await asyncio.to_thread(in_tenant, opt_out)
    await until(lambda: not town.gateway.of(Call)[-1].targets, "call without the place")
    await until_stored(targets, [("opted_out", None)])


async def test_what_binds_the_gateway_is_signed(town: Town) -> None:
    gateway = town.gateway
    await until(lambda: gateway.of(Limits) and gateway.of(Consents), "limits and consents")

    def switch_off() -> None:
        from balans.storage import commands
        from balans.storage.commands import Wish
        from balans.storage.lookups import nodes_by_code

        site = nodes_by_code("alice-house")[0]
        wish = Wish(load_name="heat", on=False, reason="test")
        commands.create_command(steps.person("alice-operator"), site, wish, NOW)

    await asyncio.to_thread(in_tenant, switch_off)
    await until(lambda: gateway.of(Command), "command")
    assert set(gateway.plain) <= {"Ack", "Poll", "Wanted"}
    assert gateway.refused == []


async def test_two_head_ends_send_the_same_call(town: Town) -> None:
    other = Bench.__new__(Bench)
    other.env, other.health = town.bench.env, town.bench.health.with_name("health-2")
    other.hub, other.process = town.bench.hub, None
    await start(other)
    try:
        await town.gateway.hello()
        await town.call()
        await until(lambda: len(calls(town.gateway)) >= 2, "the call of the other head-end")
        assert len({data for _, data in calls(town.gateway)}) == 1
        await until_stored(targets, [("sent", None)])
        assert town.gateway.refused == []
    finally:
        await other.stop(signal.SIGKILL)


def calls(gateway: FakeGateway) -> list[tuple[str, bytes]]:
    return [(topic, data) for topic, data in gateway.raw if "/call/" in topic]


async def test_a_head_end_whose_clock_was_set_back_is_heard(town: Town) -> None:
    """Its last run was eleven days ahead, and so are the numbers that gateways know."""
    gateway = town.gateway
    await until(lambda: gateway.of(Beat), "beat")
    await town.bench.stop()
    ahead = gateway.of(Beat)[-1].count + 10**9
    await asyncio.to_thread(set_number, ahead)
    gateway.gate.memory.beat = ahead
    town.bench.health.unlink(missing_ok=True)
    await start(town.bench)
    await until(lambda: gateway.of(Beat)[-1].count > ahead, "a beat that is taken")
    assert gateway.refused == []


def set_number(count: int) -> None:
    from django.db import connection

    from balans.storage.scope import system_scope

    with system_scope(), connection.cursor() as cursor:
        cursor.execute("update dr_beat set count = %s", [count])
    connection.close()


async def test_another_utility_is_not_called(
    town: Town, make_plan: Callable[..., RegistryPlan]
) -> None:
    def add_bob() -> None:
        from django.db import connection

        from balans.storage.registry import apply_plan

        apply_plan(make_plan("bob", serial=2000))
        connection.close()

    await asyncio.to_thread(add_bob)
    key = await asyncio.to_thread(public_key, town.bench, "new", "bob")
    bob = await town.join(FakeGateway(town.bench.hub.url, key, "bob-hub"))
    await until(lambda: bob.of(Groups), "groups of Bob")
    assert bob.of(Groups)[-1].groups == ()
    await bob.link.listen([*bob.filters, ("balans/1/group/+/call/+/+", 1)])
    event = await town.call()
    await until(lambda: calls(bob), "what Bob overhears")
    assert not bob.of(Call)
    assert {one.why.value for one in bob.refused} <= {"unknown_key"}
    await bob.report(told(event, CallState.DONE, NOW))
    await asyncio.sleep(1.5)
    await until_stored(targets, [("sent", None)])


async def test_keys_rotate_while_gateways_listen(town: Town) -> None:
    await until(lambda: town.gateway.of(Keys), "keys")
    new = await asyncio.to_thread(public_key, town.bench, "rotate", "alice")
    await until(lambda: len(town.gateway.of(Keys)[-1].keys) == 2, "the next key")
    assert town.gateway.of(Keys)[-1].keys[-1].public == new
    await town.call()  # signed with the old one, while it counts
    assert town.gateway.refused == []
    town.bench.clock.set((NOW + timedelta(days=31)).timestamp())
    await town.gateway.hello()
    count = len(town.gateway.of(Beat))
    await until(lambda: len(town.gateway.of(Beat)) > count, "a beat with the next key")


def test_private_keys_are_nobody_elses(tmp_path: Path) -> None:
    from balans.adapters.signing import SigningKey
    from balans.core.errors import InputError
    from balans.wiring.keys import KeyFolder

    folder = KeyFolder(tmp_path / "keys")
    key = SigningKey.new()
    file = folder.keep("alice", key)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert folder.load("alice")[key.id].private == key.private
    assert folder.load("bob") == {}
    with pytest.raises(InputError, match="no name of a folder"):
        folder.load("../alice")
    file.chmod(0o644)
    with pytest.raises(InputError, match="others may read it"):
        folder.load("alice")
    file.chmod(0o600)
    file.rename(file.with_name(f"{'0' * 16}.key"))
    with pytest.raises(InputError, match="holds key"):
        folder.load("alice")
