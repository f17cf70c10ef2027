"""The head-end as a process between a real broker and a real database, with fake hubs."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import pytest

from balans.adapters.clock import SharedClockWriter
from balans.adapters.localmqtt import LocalBroker
from balans.adapters.localpg import LocalPostgres
from balans.adapters.mqtt import Link
from balans.core.hours import hour_of
from balans.core.words import CommandState, LoadClass
from balans.protocols.hub import (
    Ack,
    Batch,
    Command,
    CommandReport,
    Consents,
    Entry,
    EntryKind,
    Hello,
    Limits,
    LoadStatus,
    PlanReport,
    Poll,
    ReadNoted,
    ReadNow,
    ReadResult,
    SiteStatus,
    SupplyAsk,
    SupplyOrder,
    Topics,
    Wanted,
    decode,
    encode,
    encode_command_report,
)
from balans.protocols.readings import Reading, pack
from balans.usecases.registry_plan import LimitPlan, RegistryPlan

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = hour_of(NOW)
LIMIT_S = 30.0
T = TypeVar("T")


async def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"not within {limit_s} s: {what}")


async def until_stored(question: Callable[[], T], wanted: T, limit_s: float = LIMIT_S) -> None:
    """Ask the database until it answers as wanted."""
    found: list[T] = []
    try:
        async with asyncio.timeout(limit_s):
            while not found or found[-1] != wanted:
                found.append(await asyncio.to_thread(question))
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {limit_s} s: {wanted}, but {found[-1:]}")


def entry(i: int) -> Entry:
    return Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR - i, 10_000 - 7 * i)]))


def batch(first: int, end: int, journal: int = 77) -> Batch:
    return Batch.of(journal, first, tuple(entry(i) for i in range(first, end)))


def report(state: CommandState, seconds: float) -> Entry:
    at = NOW.timestamp() + seconds
    found = CommandReport(
        id="dlm1",
        load="heat",
        on=False,
        author="dlm",
        reason="over_limit",
        created=NOW.timestamp(),
        expires=NOW.timestamp() + 120,
        state=state,
        time=at,
        limit="contract",
        expected_w=-2200.0,
    )
    return Entry(EntryKind.COMMAND, encode_command_report(found))


@dataclass
class FakeHub:
    """A hub that sends what a test tells it, and keeps what comes down."""

    url: str
    code: str = "alice-hub"
    acks: list[Ack] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)
    consents: list[Consents] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    asked: list[ReadNow | ReadNoted | Wanted] = field(default_factory=list)
    supplies: list[SupplyOrder | SupplyAsk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.topics = Topics(self.code)
        self.link = Link(
            self.url,
            f"hub-{uuid4().hex}",
            [(f"{self.topics.root}/down/+", 1), (Topics.POLL, 1)],
            self.on_message,
        )

    def on_message(self, _topic: str, data: bytes) -> None:
        message = decode(data)
        match message:
            case Ack():
                self.acks.append(message)
            case Command():
                self.commands.append(message)
            case Limits():
                self.limits.append(message)
            case Consents():
                self.consents.append(message)
            case Poll():
                self.polls.append(message)
            case ReadNow() | ReadNoted() | Wanted():
                self.asked.append(message)
            case SupplyOrder() | SupplyAsk():
                self.supplies.append(message)
            case _:
                pytest.fail(f"not for a hub: {message}")

    async def send(self, message: Hello | Batch | SiteStatus | PlanReport | ReadResult) -> None:
        topics = self.topics
        topic = {
            Hello: topics.hello,
            Batch: topics.batch,
            PlanReport: topics.plan,
            ReadResult: topics.answer,
        }.get(type(message), topics.status)
        assert await self.link.publish(topic, encode(message), qos=1)

    async def ask(self, message: Hello | Batch) -> Ack:
        """Send, and return the acknowledgement."""
        count = len(self.acks)
        await self.send(message)
        await until(lambda: len(self.acks) > count, f"acknowledgement of {message}")
        return self.acks[-1]


class Bench:
    """A head-end process and a hub."""

    def __init__(self, folder: Path, broker_url: str, database_url: str) -> None:
        self.env = {
            **os.environ,
            "BALANS_DATA_DIR": str(folder),
            "BALANS_DATABASE_URL": database_url,
            "BALANS_MQTT_URL": broker_url,
            "BALANS_CLOCK_FILE": str(folder / "clock"),
        }
        self.health = folder / "health"
        self.clock = SharedClockWriter(folder / "clock")
        self.clock.set(NOW.timestamp())
        self.hub = FakeHub(broker_url)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the head-end, and wait until it asks who is there."""
        polls = len(self.hub.polls)
        args = ["-m", "balans", "headend", "--health-file", str(self.health)]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *args, env=self.env, stderr=asyncio.subprocess.PIPE
        )
        await until(lambda: len(self.hub.polls) > polls, "Poll")

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int | None, str]:
        """Send a signal; return the exit code and the log."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        _, log = await process.communicate()
        return process.returncode, log.decode()


@pytest.fixture
def database(store: None, plan: RegistryPlan, django_database_url: str) -> str:  # noqa: ARG001  (a fixture)
    """The database of Alice's utility, with real commits."""
    from balans.storage.registry import apply_plan

    apply_plan(plan)
    return django_database_url


async def forget_settings(url: str) -> None:
    """Let the broker forget what other tests left there, unsigned or of other versions."""
    link = Link(url, f"before-{uuid4().hex}", [], lambda _topic, _data: None)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(link.wait_connected(), 10)
    for topic in (Topics("alice-hub").limits, Topics("alice-hub").consents):
        assert await link.publish(topic, b"", qos=1, retain=True)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bench(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, broker.url, database)
    await forget_settings(broker.url)
    task = asyncio.create_task(bench.hub.link.run())
    await asyncio.wait_for(bench.hub.link.wait_connected(), LIMIT_S)
    await bench.start()
    yield bench
    if bench.process is not None:
        await bench.stop(signal.SIGKILL)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.clock.close()


def in_system(question: Callable[[], T]) -> T:
    """Ask in a scope of its own, and leave no connection behind in the thread."""
    from django.db import connection

    from balans.storage.scope import system_scope

    try:
        with system_scope():
            return question()
    finally:
        connection.close()


def rows(sql: str) -> list[tuple[Any, ...]]:
    def question() -> list[tuple[Any, ...]]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    return in_system(question)


def registers() -> int:
    """Return how many registers are in the tables."""
    hours = " + ".join(f"(h{hour:02d} is not null)::int" for hour in range(24))
    (count,) = rows(f"select coalesce(sum({hours}), 0) from reading_day")[0]
    return int(count)


def found() -> list[tuple[Any, ...]]:
    return rows("select place, what from finding order by id")


async def test_a_batch_is_acknowledged_and_reaches_the_tables(bench: Bench) -> None:
    assert await bench.hub.ask(Hello(77, 0, 8)) == Ack(77, 0, 0)
    assert await bench.hub.ask(batch(0, 3)) == Ack(77, 3, 3)
    assert await bench.hub.ask(batch(5, 8)) == Ack(77, 3, 8, ((3, 5),))
    assert await bench.hub.ask(batch(3, 5)) == Ack(77, 8, 8)
    assert await bench.hub.ask(batch(0, 8)) == Ack(77, 8, 8)
    await until_stored(registers, 8)


async def test_what_was_acknowledged_survives_a_kill_and_is_told_again(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 40))
    for first in range(0, 40, 4):
        await bench.hub.send(batch(first, first + 4))
    await until(lambda: bench.hub.acks[-1].end > 0, "first acknowledgement")
    code, _ = await bench.stop(signal.SIGKILL)
    assert code == -signal.SIGKILL
    told = max(ack.contiguous for ack in bench.hub.acks)
    await bench.start()
    held = await bench.hub.ask(Hello(77, 0, 40))
    assert held.contiguous >= told
    for start, end in ((held.contiguous, held.contiguous), *held.holes, (held.end, 40)):
        if start < end:
            await bench.hub.ask(batch(start, end))
    assert bench.hub.acks[-1].contiguous == 40
    await until_stored(registers, 40)


async def test_without_the_database_nothing_is_acknowledged(
    bench: Bench, pg_server: LocalPostgres
) -> None:
    await bench.hub.ask(Hello(77, 0, 9))
    await bench.hub.ask(batch(0, 2))
    polls, acks = len(bench.hub.polls), len(bench.hub.acks)
    await asyncio.to_thread(pg_server.stop)
    try:
        for first in range(2, 8, 2):
            await bench.hub.send(batch(first, first + 2))
        await until(
            lambda: bench.health.exists() and bench.health.read_text().startswith("database"),
            "trouble with the database",
        )
        assert len(bench.hub.acks) == acks
    finally:
        await asyncio.to_thread(pg_server.start)
        pg_server.watch()
    await until(lambda: bench.hub.acks[-1].contiguous == 8, "acknowledgements after the outage")
    await until(lambda: len(bench.hub.polls) > polls, "Poll after the outage")
    await until_stored(registers, 8)
    await until(lambda: bench.health.read_text() == "ok\n", "health after the outage")


async def test_a_broker_that_dies_is_found_again(bench: Bench, broker: LocalBroker) -> None:
    await bench.hub.ask(Hello(77, 0, 9))
    pid = broker.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    hub = bench.hub
    async with asyncio.timeout(LIMIT_S):
        while not any(ack.contiguous == 2 for ack in hub.acks):  # as a hub does: send again
            await hub.link.publish(hub.topics.batch, encode(batch(0, 2)), qos=1)
            await asyncio.sleep(0.2)


async def test_malformed_foreign_and_unknown_are_findings_and_not_acknowledged(
    bench: Bench,
) -> None:
    hub, link = bench.hub, bench.hub.link
    wrong_crc = encode(Batch(77, 0, (entry(0),), 1))
    for topic, payload in [
        (hub.topics.batch, b"\xffrubbish"),
        (hub.topics.hello, wrong_crc),
        (hub.topics.hello, encode(batch(0, 1))),
        (hub.topics.status, encode(Hello(77, 0, 1))),
        ("balans/1/hub/b c/up/batch", encode(batch(0, 1))),
        (Topics("nobody").batch, encode(batch(0, 1))),
    ]:
        assert await link.publish(topic, payload, qos=1)
    places = {
        (hub.topics.batch, "message that makes no sense"),
        (hub.topics.hello, "message that makes no sense"),
        (hub.topics.status, "message that makes no sense"),
        ("balans/1/hub/b c/up/batch", "message that makes no sense"),
        ("hub nobody", "hub is not registered"),
    }
    await until_stored(lambda: set(found()), places)
    assert hub.acks == []
    code, log = await bench.stop()
    assert code == 0
    assert f"{hub.topics.batch}: dropped: malformed message of 8 bytes" in log
    assert "Traceback" not in log


async def test_malformed_messages_that_the_broker_repeats_stop_nothing(bench: Bench) -> None:
    """A NUL in what the decoder complains of; retained, it comes with every connection."""
    hub, link = bench.hub, bench.hub.link
    rubbish = msgspec.msgpack.encode({"type": "a\x00b"})
    try:
        assert await link.publish(hub.topics.hello, rubbish, qos=1, retain=True)
        await until_stored(lambda: {hub.topics.hello} <= {place for place, _ in found()}, True)  # noqa: FBT003
        code, log = await bench.stop()
        assert (code, "Traceback" in log) == (0, False)
        await bench.start()
        await bench.hub.ask(Hello(77, 0, 2))
        await bench.hub.ask(batch(0, 2))
        await until_stored(registers, 2)
        assert bench.process is not None
        assert bench.process.returncode is None
    finally:
        await link.publish(hub.topics.hello, b"", qos=1, retain=True)


async def test_an_hour_that_a_wrong_clock_took_for_impossible_is_stored_when_it_is_set(
    bench: Bench,
) -> None:
    bench.clock.set(NOW.timestamp() - 400 * 86_400)
    await bench.hub.ask(Hello(77, 0, 3))
    await bench.hub.ask(batch(0, 3))
    await until_stored(lambda: rows("select count(*) from inbox_quarantine"), [(3,)])
    bench.clock.set(NOW.timestamp())
    await bench.hub.ask(batch(0, 3))
    await until_stored(registers, 3)


async def test_an_entry_that_makes_no_sense_is_kept_aside_and_blocks_nothing(bench: Bench) -> None:
    nonsense = Entry(EntryKind.READINGS, b"123")
    mixed = Batch.of(77, 0, (entry(0), nonsense, entry(1)))
    assert await bench.hub.ask(mixed) == Ack(77, 3, 3)
    await until_stored(registers, 2)
    (only,) = await asyncio.to_thread(found)
    assert only[1] == "entries that make no sense"


async def test_reports_of_the_hub_become_commands_with_their_audit(bench: Bench) -> None:
    states = (CommandState.SENT, CommandState.CONFIRMED)
    entries = tuple(report(state, seconds) for seconds, state in enumerate(states))
    await bench.hub.ask(Batch.of(77, 0, entries))
    await until_stored(
        lambda: rows("select load_name, author, state, limit_name from command"),
        [("heat", "dlm", "confirmed", "contract")],
    )
    await until_stored(
        lambda: rows("select state from command_event order by at"), [("sent",), ("confirmed",)]
    )


async def test_the_live_picture_is_kept(bench: Bench) -> None:
    load = LoadStatus("heat", LoadClass.YELLOW, on=False, power_w=0.0, reason="over_limit")
    at = NOW.timestamp()
    for seq in range(1, 30):
        await bench.hub.send(
            SiteStatus(seq, at + 60 * seq, 60, 9000.0 + seq, 12_000.0, "contract", (load,))
        )
    await until_stored(
        lambda: rows("select max(at) from live_status"), [(NOW + timedelta(minutes=29),)]
    )
    await until_stored(lambda: rows("select count(*) from site_minute"), [(29,)])


def queue_command(load_name: str = "heat", ttl_s: float = 600.0) -> str:
    """Queue a command of the operator; return its code."""
    from balans.storage import lookups
    from balans.storage.commands import Wish, create_command
    from balans.storage.models import Tenant, User
    from balans.storage.scope import tenant_scope

    tenant = in_system(Tenant.objects.get).pk
    with tenant_scope(tenant):
        site = lookups.site_by_code(tenant, "alice-house")
        assert site is not None
        user = User.objects.get(username="alice-operator")
        wish = Wish(load_name=load_name, on=False, reason="holidays", ttl_s=ttl_s)
        return create_command(user, site, wish, NOW).code


def state_of(code: str) -> list[tuple[Any, ...]]:
    return rows(f"select state, detail from command where code = '{code}'")


async def test_a_command_is_sent_at_once_and_again_to_a_hub_that_was_away(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    code = await asyncio.to_thread(queue_command)
    await until(lambda: bench.hub.commands, "command", limit_s=5)
    (command,) = bench.hub.commands
    assert (command.id, command.load, command.on) == (code, "heat", False)
    assert (command.author, command.reason) == ("alice-operator", "holidays")
    assert command.expires == NOW.timestamp() + 600
    await until_stored(lambda: state_of(code), [("sent", "")])
    await bench.stop(signal.SIGKILL)
    await bench.start()
    await bench.hub.ask(Hello(77, 0, 0))
    await until(lambda: len(bench.hub.commands) >= 2, "command once more")
    assert bench.hub.commands[1] == command


async def test_a_command_without_feedback_expires(bench: Bench) -> None:
    code = await asyncio.to_thread(queue_command)
    await until(lambda: bench.hub.commands, "command")
    bench.clock.set(NOW.timestamp() + 600)
    await until_stored(lambda: state_of(code), [("expired", "no feedback in time")])


async def test_limits_are_retained_and_follow_the_registry(
    bench: Bench, plan: RegistryPlan, broker: LocalBroker
) -> None:
    from dataclasses import replace

    from balans.storage.registry import apply_plan

    await bench.hub.ask(Hello(77, 0, 0))
    await until(lambda: bench.hub.limits, "limits")
    assert {(limit.name, limit.limit_w) for limit in bench.hub.limits[-1].limits} == {
        ("contract", 12_000.0),
        ("evening", 8_000.0),
    }
    stricter = replace(
        plan, limits=(*plan.limits, LimitPlan(node="alice-house", name="own", kw=Decimal(3)))
    )

    def apply() -> None:
        from django.db import connection

        apply_plan(stricter)
        connection.close()

    await asyncio.to_thread(apply)
    await until(lambda: len(bench.hub.limits[-1].limits) == 3, "limits that have changed")
    late = FakeHub(broker.url)
    task = asyncio.create_task(late.link.run())
    await until(lambda: late.limits, "limits retained at the broker")
    assert late.limits == bench.hub.limits[-1:]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_sigterm_brings_the_rest_into_the_tables(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 9))
    await bench.hub.ask(batch(0, 9))
    code, log = await bench.stop()
    assert (code, "Traceback" in log) == (0, False)
    assert await asyncio.to_thread(registers) == 9
    assert not bench.health.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {},
            b"tables of the database are absent or of another release: `balans db init` makes them",
        ),
        ({"BALANS_MQTT_URL": "http://127.0.0.1"}, b"BALANS_MQTT_URL: the scheme is http"),
        ({"BALANS_DATABASE_URL": "mysql://x"}, b"BALANS_DATABASE_URL"),
        ({"BALANS_CLOCK_FILE": "/nowhere/clock"}, b"/nowhere/clock: clock of the replay"),
    ],
)
async def test_what_keeps_it_from_starting_is_named(
    changes: dict[str, str], says: bytes, pg_url: str, tmp_path: Path
) -> None:
    env = {
        **os.environ,
        "BALANS_DATA_DIR": str(tmp_path),
        "BALANS_DATABASE_URL": pg_url,
        "BALANS_MQTT_URL": "mqtt://127.0.0.1:1",
        **changes,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "balans", "headend", env=env, stderr=asyncio.subprocess.PIPE
    )
    _, log = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode in {1, 2}
    assert says in log
    assert b"Traceback" not in log
