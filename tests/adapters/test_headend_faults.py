"""Parts of the head-end when the database, or what it is given, gets in their way."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from balans.core.errors import UnavailableError
from balans.headend.database import RejectedError
from balans.headend.intake import Identities, Intake, Message, Queue
from balans.headend.metrics import Metrics
from balans.headend.outbox import Outbox
from balans.headend.rounds import Findings, Flusher, LivePictures
from balans.protocols.hub import Ack, Batch, Command, Entry, EntryKind, Hello, SiteStatus, Topics
from balans.storage.commands import QueuedCommand
from balans.storage.flush import FlushResult

LIMIT_S = 10.0
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HELLO = Hello(77, 0, 3)


class StoppedClock:
    def now(self) -> datetime:
        return NOW


class FakeDatabase:
    """Answers calls by the name of the function; an exception as the answer is raised."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls.append(function.__name__)
        await asyncio.sleep(0)
        answer = self.answers[function.__name__](*args, **kwargs)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    insist = call


@contextlib.asynccontextmanager
async def running(job: Any) -> Any:
    task = asyncio.ensure_future(job)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def command_for(hub: str) -> QueuedCommand:
    command = Command("c1", "heat", False, 0.0, 4e9, "anna", "away")  # noqa: FBT003
    return QueuedCommand(1, hub, command)


class Sent:
    """What was published, by topic."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    async def publish(self, topic: str, _data: bytes, _retain: bool) -> bool:  # noqa: FBT001
        self.topics.append(topic)
        return True


async def test_a_hub_that_comes_while_limits_are_read_gets_its_command_again() -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slow_settings(*_: Any) -> list[Any]:
        reading.set()
        await go_on.wait()
        return []

    database = FakeDatabase(
        expire_due=lambda *_: 0,
        queued_commands=lambda *_, sent_too=False: [command_for("hub-b")] if sent_too else [],
        stamp=lambda _: (0, 0, 0, 0),
        settings_of=slow_settings,
    )
    sent = Sent()
    outbox = Outbox(database, StoppedClock(), Metrics(), sent.publish)  # type: ignore[arg-type]
    async with running(outbox.run()):
        outbox.greet("hub-a")
        await asyncio.wait_for(reading.wait(), LIMIT_S)
        outbox.greet("hub-b")
        go_on.set()
        await until(lambda: Topics("hub-b").command in sent.topics)


async def test_a_greeting_outlives_an_outage_of_the_database() -> None:
    outage = [True]
    database = FakeDatabase(
        expire_due=lambda *_: UnavailableError("away") if outage.pop() else 0,
        queued_commands=lambda *_, sent_too=False: [command_for("hub-a")] if sent_too else [],
        stamp=lambda _: (0, 0, 0, 0),
        settings_of=lambda *_: [],
    )
    outage[:] = [False, False, True]
    sent = Sent()
    outbox = Outbox(database, StoppedClock(), Metrics(), sent.publish)  # type: ignore[arg-type]
    async with running(outbox.run()):
        outbox.greet("hub-a")
        await until(lambda: Topics("hub-a").command in sent.topics)


async def test_a_finding_that_the_database_rejects_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept: list[str] = []

    def record(noticed: list[Any]) -> Any:
        if any(one.place == "bad" for one in noticed):
            return RejectedError("rejected by the database")
        kept.extend(one.place for one in noticed)
        return None

    findings = Findings(FakeDatabase(_record=record))  # type: ignore[arg-type]
    for place in ("a", "bad", "b"):
        findings.add(place, "what", "detail")
    await findings.save()
    assert kept == ["a", "b"]
    assert "finding at bad: rejected by the database" in caplog.text
    await findings.save()
    assert kept == ["a", "b"]


async def test_findings_wait_for_a_database_that_is_away() -> None:
    answers: list[Any] = [None, UnavailableError("away")]
    findings = Findings(FakeDatabase(_record=lambda _: answers.pop()))  # type: ignore[arg-type]
    findings.add("a", "what", "detail")
    await findings.save()
    assert len(answers) == 1
    await findings.save()
    assert answers == []


async def test_a_live_picture_that_is_rejected_costs_no_other() -> None:
    kept: list[str] = []

    def save(statuses: list[tuple[str, SiteStatus]], _now: datetime) -> Any:
        if any(hub == "bad" for hub, _ in statuses):
            return RejectedError("rejected")
        kept.extend(hub for hub, _ in statuses)
        return len(statuses)

    live = LivePictures(FakeDatabase(save_statuses=save), Metrics())  # type: ignore[arg-type]
    for hub in ("a", "bad", "b"):
        live.take(hub, SiteStatus(1, 0.0, 60.0, None, None, "", ()))
    await live.save()
    assert kept == ["a", "b"]


async def test_the_flush_goes_on_after_a_rejection(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = [FlushResult(readings=3), RejectedError("no such function")]
    database = FakeDatabase(flush_inbox=lambda *_, **__: answers.pop(), take_again=lambda: 0)
    metrics, stored = Metrics(), asyncio.Event()
    flusher = Flusher(database, StoppedClock(), metrics, stored)  # type: ignore[arg-type]
    await flusher.flush()
    assert "inbox: no such function" in caplog.text
    await flusher.flush()
    assert metrics.registry.get_sample_value("headend_readings_total") == 3


async def test_what_was_refused_is_tried_again_once_when_it_begins() -> None:
    answers: list[Any] = [FlushResult(), FlushResult(batches=2, refused=2), UnavailableError("no")]
    database = FakeDatabase(flush_inbox=lambda *_, **__: answers.pop(), take_again=lambda: 2)
    metrics = Metrics()
    flusher = Flusher(database, StoppedClock(), metrics, asyncio.Event())  # type: ignore[arg-type]
    await flusher.flush()
    await flusher.flush()
    assert database.calls == ["take_again", *["flush_inbox"] * 3]
    assert metrics.registry.get_sample_value("headend_refused_batches_total") == 2


async def test_a_message_that_breaks_its_storing_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def take(hub: str, *_: Any) -> Any:
        return RuntimeError("a mistake of ours") if hub == "bad" else Ack(77, 0, 0)

    acknowledged: list[str] = []
    complaints: list[str] = []

    async def acknowledge(hub: str, _ack: Ack) -> None:
        acknowledged.append(hub)

    intake = Intake(
        FakeDatabase(take_hello=take),  # type: ignore[arg-type]
        StoppedClock(),
        Metrics(),
        acknowledge,
        lambda place, _: complaints.append(place),
        lambda _: None,
    )
    async with running(intake.run()) as task:
        for hub in ("bad", "bad", "bad", "good"):
            intake.take(hub, HELLO)
        await until(lambda: acknowledged)
        assert not task.done()
    assert acknowledged == ["good"]
    assert complaints == ["hub bad"] * 3
    assert "a mistake of ours" in caplog.text


def doubled(*heard: int) -> dict[str, tuple[int, int]]:
    identities = Identities()
    for journal in heard:
        identities.hear("hub", journal)
        identities.hear("other", 99)
    return identities.take_doubled()


def test_a_journal_that_speaks_after_a_later_one_proves_two_hubs() -> None:
    assert doubled(1, 1, 2, 2, 1) == {"hub": (1, 2)}
    assert doubled(1, 2, 3, 1, 3, 3) == {"hub": (3, 1)}


def test_a_hub_that_starts_anew_any_number_of_times_is_one() -> None:
    assert doubled() == {}
    assert doubled(*(journal // 3 for journal in range(1_000))) == {}


def test_a_doubled_hub_is_told_once_for_each_time_it_was_heard() -> None:
    identities = Identities()
    for journal in (1, 2, 1):
        identities.hear("hub", journal)
    assert identities.take_doubled() == {"hub": (1, 2)}
    assert identities.take_doubled() == {}
    identities.hear("hub", 2)
    assert identities.take_doubled() == {"hub": (2, 1)}


async def test_what_waits_is_bounded_by_number_and_by_bytes() -> None:
    def big(hub: str, rank: int = 2) -> Message:
        batch = Batch.of(1, 0, (Entry(EntryKind.CALL, bytes(600)),), rank=rank)
        return Message(hub, batch, NOW)

    queue = Queue(bound=3, bound_bytes=1000)
    assert [queue.put(big(f"hub-{n}")) for n in range(3)] == [True, True, False]
    assert queue.put(big("urgent", rank=0)), "another rank has room of its own"
    assert [one.hub for one in await queue.get()] == ["urgent"]
    assert [one.hub for one in await queue.get()] == ["hub-0", "hub-1"]
    hello = [queue.put(Message(f"hub-{n}", Hello(1, 0, 0), NOW)) for n in range(4)]
    assert hello == [True, True, True, False]
    assert queue.put(big("later"))
