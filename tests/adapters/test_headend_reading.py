"""Reading now and asking for what is missing, by a head-end process on real broker and database."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.adapters.test_headend import (
    HOUR,
    LIMIT_S,
    NOW,
    Bench,
    FakeHub,
    bench,
    database,
    in_system,
    rows,
    until,
    until_stored,
)

from balans.adapters.localpg import LocalPostgres
from balans.protocols.hub import (
    Ack,
    Batch,
    Entry,
    EntryKind,
    Hello,
    Rank,
    ReadNoted,
    ReadNow,
    ReadResult,
    ReadState,
    Wanted,
    WantedHours,
)
from balans.protocols.readings import Reading, pack

__all__ = ["bench", "database"]


def in_tenant(question: Callable[[Any], Any], username: str = "alice-operator") -> Any:
    """Ask for a person in the scope of Alice's tenant."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from balans.storage.scope import system_scope, tenant_scope

    try:
        with system_scope():
            user = get_user_model().objects.get(username=username)
        with tenant_scope(user.tenant_id):
            return question(user)
    finally:
        connection.close()


def create(point: str = "alice-p1") -> Any:
    from balans.storage import read_requests

    return in_tenant(lambda user: read_requests.create(user, point, "to compare the dial"))


def state() -> Any:
    from balans.storage import access, read_requests

    def question(user: Any) -> Any:
        return read_requests.latest(access.point_for(user, "alice-p1"))

    found = in_tenant(question)
    return None if found is None else found.state


def latest() -> Any:
    from balans.storage import access, read_requests

    return in_tenant(lambda user: read_requests.latest(access.point_for(user, "alice-p1")))


async def asked(hub: FakeHub, count: int = 1, limit_s: float = LIMIT_S) -> ReadNow:
    def found() -> list[ReadNow]:
        return [one for one in hub.asked if isinstance(one, ReadNow)]

    await until(lambda: len(found()) >= count, "request to read now", limit_s)
    return found()[-1]


async def test_a_request_reaches_the_hub_at_once_and_its_answer_the_page(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    made = await asyncio.to_thread(create)
    assert made.state == ReadState.QUEUED
    request = await asked(bench.hub, limit_s=5.0)
    assert (request.id, request.module, request.input) == (made.code, 1000, 1)
    assert 30 < request.ttl_s <= 42
    await until_stored(state, ReadState.SENT)
    seen = ReadResult(request.id, 1000, 1, ReadState.DONE, NOW.timestamp(), 4_711, 4)
    await bench.hub.send(seen)
    await until(lambda: ReadNoted(request.id) in bench.hub.asked, "noted")
    found = await asyncio.to_thread(latest)
    assert (found.state, found.register, found.read_at, found.flags) == ("done", 4_711, NOW, 4)
    assert (found.author, found.reason) == ("alice-operator", "to compare the dial")
    await bench.hub.send(seen)
    await until(lambda: bench.hub.asked.count(ReadNoted(request.id)) == 2, "noted again")


async def test_a_hub_that_does_not_answer_is_asked_again_and_time_ends_it(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    await asyncio.to_thread(create)
    first = await asked(bench.hub)
    again = await asked(bench.hub, 2, limit_s=8.0)
    assert again.id == first.id
    assert again.ttl_s < first.ttl_s
    await asyncio.to_thread(
        rows, "update read_request set deadline = now() returning id"
    )  # as if the time had passed
    await until_stored(state, ReadState.EXPIRED, 5.0)
    late = ReadResult(first.id, 1000, 1, ReadState.DONE, NOW.timestamp(), 5)
    await bench.hub.send(late)
    await until(lambda: ReadNoted(first.id) in bench.hub.asked, "noted")
    found = await asyncio.to_thread(latest)
    assert (found.state, found.register) == ("expired", 5)
    assert found.detail == "the answer came too late"


async def test_a_failure_is_final_and_says_why(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    await asyncio.to_thread(create)
    request = await asked(bench.hub)
    await bench.hub.send(ReadResult(request.id, 1000, 1, ReadState.FAILED, detail="no answer"))
    await until_stored(state, ReadState.FAILED)
    assert (await asyncio.to_thread(latest)).detail == "no answer"


async def test_answers_of_others_change_nothing(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    await asyncio.to_thread(create)
    request = await asked(bench.hub)
    for wrong in (
        ReadResult("unknown", 1000, 1, ReadState.DONE, 1.0, 5),
        ReadResult(request.id, 1000, 2, ReadState.DONE, 1.0, 5),
        ReadResult(request.id, 1001, 1, ReadState.DONE, 1.0, 5),
    ):
        await bench.hub.send(wrong)
    await until(
        lambda: sum(isinstance(one, ReadNoted) for one in bench.hub.asked) == 3, "all noted"
    )
    assert await asyncio.to_thread(state) == ReadState.SENT


async def test_a_request_waits_for_a_head_end_that_was_killed(bench: Bench) -> None:
    await bench.stop(signal.SIGKILL)
    await asyncio.to_thread(create)
    await bench.start()
    request = await asked(bench.hub)
    await bench.hub.send(ReadResult(request.id, 1000, 1, ReadState.DONE, 1.0, 5))
    await until_stored(state, ReadState.DONE)


async def test_an_answer_waits_for_a_database_that_is_away(
    bench: Bench, pg_server: LocalPostgres
) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    await asyncio.to_thread(create)
    request = await asked(bench.hub)
    await until_stored(state, ReadState.SENT)
    await asyncio.to_thread(pg_server.stop)
    try:
        await bench.hub.send(ReadResult(request.id, 1000, 1, ReadState.DONE, 1.0, 5))
        await asyncio.sleep(1)
        assert ReadNoted(request.id) not in bench.hub.asked
    finally:
        await asyncio.to_thread(pg_server.start)
        pg_server.watch()
    await until(lambda: ReadNoted(request.id) in bench.hub.asked, "noted after the outage")
    assert await asyncio.to_thread(state) == ReadState.DONE


@contextlib.asynccontextmanager
async def archive(hub: FakeHub, entries: int = 10) -> AsyncIterator[None]:
    """Send archives as fast as the broker takes them, for as long as the block lasts."""

    async def flood() -> None:
        rows_ = [Reading(1000, 2, HOUR - 2_000 + i, i) for i in range(2_000)]
        data = Entry(EntryKind.READINGS, pack(rows_))
        first = 0
        while True:
            await hub.send(Batch.of(77, first, (data,) * entries, Rank.ARCHIVE))
            first += entries

    task = asyncio.create_task(flood())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_reading_now_and_urgent_entries_overtake_an_archive(bench: Bench) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    async with archive(bench.hub):
        await until(lambda: len(bench.hub.acks) > 3, "the archive is being stored")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await asyncio.to_thread(create)
        request = await asked(bench.hub, limit_s=20.0)
        await bench.hub.send(ReadResult(request.id, 1000, 1, ReadState.DONE, 1.0, 5))
        await until_stored(state, ReadState.DONE, 20.0)
        assert loop.time() - began_s < 30
        alarm = Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR, 9, 4)]))
        await bench.hub.send(Batch.of(78, 0, (alarm,), Rank.ALARM))
        await until(lambda: any(a.journal == 78 for a in bench.hub.acks), "alarm stored", 20.0)
        assert Ack(78, 1, 1) in bench.hub.acks


async def test_hours_that_are_missing_are_asked_of_the_hub(bench: Bench) -> None:
    def mount_lately() -> None:
        rows(
            "update meter_mounting set valid_from = "
            f"timestamptz '2000-01-01 00:00+00' + interval '{HOUR - 6} hours' returning id"
        )

    await asyncio.to_thread(mount_lately)
    own = [Reading(1000, 1, hour, hour) for hour in (HOUR - 5, HOUR - 4, HOUR)]
    other = [Reading(1000, 2, hour, hour) for hour in range(HOUR - 5, HOUR + 1)]
    await bench.hub.ask(Hello(77, 0, 1))
    entry = Entry(EntryKind.READINGS, pack([*own, *other]))
    await bench.hub.ask(Batch.of(77, 0, (entry,)))
    await until_stored(lambda: rows("select count(*) from hub_arrival"), [(6,)])

    def looked() -> list[tuple[Any, ...]]:
        return rows("update hub_state set looked_at = null returning hub_id")

    async with asyncio.timeout(LIMIT_S):
        while not any(isinstance(one, Wanted) for one in bench.hub.asked):
            await asyncio.to_thread(looked)
            await asyncio.sleep(0.5)
    (wanted,) = [one for one in bench.hub.asked if isinstance(one, Wanted)][:1]
    assert wanted.hours == (WantedHours(1000, 1, ((HOUR - 3, HOUR - 2),)),)


def test_a_request_is_refused_where_nobody_could_answer_it(database: str) -> None:
    from balans.storage import read_requests
    from balans.storage.access import NotVisibleError

    assert database
    with pytest.raises(NotVisibleError):
        create("bobs-point")
    with pytest.raises(read_requests.ReadRefusedError) as refused:
        in_tenant(lambda user: read_requests.create(user, "alice-p1", "x" * 201))
    assert refused.value.code == "reason"
    rows("update module set hub_id = null returning id")
    with pytest.raises(read_requests.ReadRefusedError) as refused:
        create()
    assert refused.value.code == "no_hub"
    rows("update meter_mounting set valid_to = now() returning id")
    with pytest.raises(read_requests.ReadRefusedError) as refused:
        create()
    assert refused.value.code == "no_channel"


def test_two_who_ask_at_once_share_one_request(database: str) -> None:
    assert database
    assert create().code == create().code
    rows("update read_request set state = 'done' returning id")
    first = rows("select code from read_request")[0][0]
    assert create().code != first


def test_a_clock_set_back_ends_a_request_and_lets_the_next_one_in(database: str) -> None:
    assert database
    first = create()
    rows(
        "update read_request set created = now() + interval '1 hour',"
        " deadline = now() + interval '61 minutes' returning id"
    )
    assert state() == ReadState.EXPIRED
    assert create().code != first.code


def test_old_requests_are_deleted(database: str) -> None:
    from balans.storage import read_requests

    assert database
    create()
    assert read_requests.purge() == 0
    rows("update read_request set created = now() - interval '401 days' returning id")
    assert read_requests.purge() == 1
    assert in_system(lambda: read_requests.by_code("x")) is None
