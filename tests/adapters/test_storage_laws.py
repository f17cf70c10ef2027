"""Laws of the flush: in whatever order, however often, through recent hours and sealed months."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Grade, Reading, pack
from balans.storage import copying, matrix, partitions, recent
from balans.storage.findings import latest
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batches
from balans.storage.matrix import at_hours
from balans.storage.readings import export_rows, registers, stored_readings
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope
from balans.storage.sealing import seal_due
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
START = hour_of(datetime(2026, 1, 30, 12, tzinfo=UTC))
HOURS = 72
LAW = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TABLES = (
    "reading_day",
    "reading_recent",
    "reading_month",
    "inbox_batch",
    "hub_journal",
    "finding",
    "inbox_quarantine",
)


@pytest.fixture
def channels(plan: RegistryPlan) -> list[int]:
    apply_plan(plan)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "select c.id from channel c join module m on m.id = c.module_id"
            " where m.serial = 1000 order by c.input"
        )
        return [row[0] for row in cursor.fetchall()]


def wipe() -> None:
    with system_scope(), connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"delete from {table}")


def truth(seed: int) -> dict[tuple[int, int], Reading]:
    """Readings of three inputs over three days across the end of a month, with holes."""
    rng = random.Random(seed)
    found = {}
    for number in (1, 2, 3):
        register = rng.choice([0, 5, 70_000, 2**30])
        for hour in range(HOURS):
            register += rng.choice([0, 1, 100, 40_000])
            if rng.random() < 0.8:
                flags = Flag.MAGNETIC_FIELD if rng.random() < 0.05 else 0
                grade = Grade.ESTIMATED if rng.random() < 0.05 else 0
                one = Reading(1000, number, START + hour, register, flags, grade)
                found[number, hour] = one
    return found


def play(readings: list[Reading], rng: random.Random, *, big: bool, seals: bool) -> None:
    """Send readings in random batches, again and in any order, while days and months pass."""
    sent = [*readings, *rng.sample(readings, len(readings) // 3)]
    rng.shuffle(sent)
    now = time_of(START) + timedelta(hours=30)  # of hours that far ahead none is impossible
    offset = 0
    partitions.BIG = 1 if big else 1_000
    recent.DENSE = rng.choice([3, 12])
    while sent:
        part, sent = sent[: (n := rng.randint(1, 60))], sent[n:]
        batch = Batch.of(3, offset, (Entry(EntryKind.READINGS, pack(part)),))
        offset += 1
        again = [("alice-hub", batch)] * rng.randint(1, 2)
        assert all(ack and ack.contiguous == offset for ack in store_batches(again, now))
        now += timedelta(hours=rng.choice([0, 1, 12, 30, 24 * 20]))
        if rng.random() < 0.7:
            flush_inbox(now)
        if seals and rng.random() < 0.5:
            seal_due(now, keep_open_months=1)
    flush_inbox(now)
    if seals:
        seal_due(now + timedelta(days=90), keep_open_months=1)


def stored(channels: list[int]) -> dict[tuple[int, int], tuple[int, bool, bool]]:
    with system_scope():
        found = registers(channels, START, START + HOURS)
        assert len(stored_readings(START, START + HOURS)) == (found.values != MISSING).sum()
        exported = [(row.channel, row.register) for row in export_rows()]
        assert len(exported) == (found.values != MISSING).sum()
        ids = np.repeat(np.array(channels, np.int32), HOURS)
        hours = np.tile(np.arange(START, START + HOURS, dtype=np.int32), len(channels))
        assert at_hours(ids, hours).tolist() == found.values.reshape(-1).tolist()
    return {
        (row + 1, hour): (
            int(found.values[row, hour]),
            bool(found.estimated[row, hour]),
            bool(found.suspect[row, hour]),
        )
        for row, hour in np.argwhere(found.values != MISSING).tolist()
    }


@pytest.mark.parametrize("seals", [False, True], ids=["open", "sealed"])
@pytest.mark.parametrize("big", [False, True], ids=["small", "big"])
@LAW
@given(seed=st.integers(0, 2**32))
def test_order_and_repetition_change_nothing(
    channels: list[int], monkeypatch: pytest.MonkeyPatch, *, big: bool, seals: bool, seed: int
) -> None:
    monkeypatch.setattr(partitions, "BIG", 1_000)
    monkeypatch.setattr(recent, "DENSE", 12)
    wipe()
    readings = truth(seed)
    play(list(readings.values()), random.Random(seed + 1), big=big, seals=seals)
    assert stored(channels) == {
        key: (one.register, one.grade == Grade.ESTIMATED, one.flags != 0)
        for key, one in readings.items()
    }
    with system_scope():
        assert not [f for f in latest() if "same hour" in f.what]


def send(journal: int, *readings: Reading, now: datetime) -> None:
    store_batches(
        [("alice-hub", Batch.of(journal, 0, (Entry(EntryKind.READINGS, pack(readings)),)))], now
    )


def test_recent_hours_become_day_rows_when_their_day_is_over(
    channels: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "BIG", 1)
    noon = time_of(START)
    send(1, *(Reading(1000, 1, START + h, 10 + h) for h in range(3)), now=noon)
    result = flush_inbox(noon)
    assert (result.readings, rows("reading_recent"), rows("reading_day")) == (3, 3, 0)
    send(2, Reading(1000, 1, START, 10), Reading(1000, 1, START, 11), now=noon)
    result = flush_inbox(noon)
    assert (result.readings, result.duplicates, result.contradictions) == (0, 1, 1)
    flush_inbox(noon + timedelta(hours=14))
    assert (rows("reading_recent"), rows("reading_day")) == (3, 0)
    flush_inbox(noon + timedelta(hours=15))
    assert (rows("reading_recent"), rows("reading_day")) == (0, 1)
    with system_scope():
        assert registers(channels[:1], START, START + 3).values.tolist() == [[10, 11, 12]]
        (found,) = [f for f in latest() if "same hour" in f.what]
    assert "register 10 is kept, 11 came" in found.detail or "11 came later" in found.detail


@LAW
@given(
    seed=st.integers(0, 2**32),
    span=st.sets(st.integers(0, HOURS), min_size=2, max_size=2).map(sorted),
    at_once=st.integers(1, 8),
)
def test_however_registers_are_asked_for_they_are_the_same(
    channels: list[int], seed: int, span: list[int], at_once: int
) -> None:
    """Many channels are asked for in parts, and of a day at either end the hours wanted only."""
    wipe()
    readings = list(truth(seed).values())
    start, end = START + span[0], START + span[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "BIG", partitions.BIG)  # which `play` changes
        patch.setattr(recent, "DENSE", recent.DENSE)
        play(readings, random.Random(seed), big=seed % 2 == 0, seals=seed % 3 == 0)
    with system_scope(), pytest.MonkeyPatch.context() as patch:
        whole = registers(channels, START, START + HOURS)
        few = registers(channels[::-1], start, end)
        patch.setattr(matrix, "MANY_ROWS", 1)
        patch.setattr(matrix, "ROWS_AT_ONCE", at_once)
        patch.setattr(copying, "_FEW", 0)
        many = registers(channels, start, end)
    for name in ("values", "estimated", "suspect"):
        expected = getattr(whole, name)[:, span[0] : span[1]]
        assert (getattr(few, name)[::-1] == expected).all()
        assert (getattr(many, name) == expected).all()
    sent = {(one.input - 1, one.hour - START): one.register for one in readings}
    assert {
        (row, column): int(whole.values[row, column])
        for row, column in np.argwhere(whole.values != MISSING).tolist()
    } == sent


def test_a_block_belongs_to_one_utility(
    channels: list[int],
    monkeypatch: pytest.MonkeyPatch,
    make_plan: Callable[..., RegistryPlan],
) -> None:
    monkeypatch.setattr(partitions, "BIG", 1)
    apply_plan(make_plan("bob", serial=2000))
    noon = time_of(START)
    bobs = Batch.of(1, 0, (Entry(EntryKind.READINGS, pack([Reading(2000, 1, START, 8)])),))
    store_batches([("bob-hub", bobs)], noon)
    send(1, Reading(1000, 1, START, 5), now=noon)
    flush_inbox(noon)
    assert rows("reading_recent") == 2
    for hours in (0, 40):
        flush_inbox(noon + timedelta(hours=hours))
        with system_scope():
            found = [tuple(row) for row in stored_readings(START, START + 1).tolist()]
        assert found == [(1000, 1, START, 5), (2000, 1, START, 8)]
    assert rows("reading_recent") == 0
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select count(distinct tenant_id) from reading_day")
        assert cursor.fetchone() == (2,)
        assert registers(channels[:1], START, START + 1).values.tolist() == [[5]]


def test_a_day_that_comes_at_once_is_a_day_row_at_once(
    channels: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "BIG", 1)
    evening = time_of(START) + timedelta(hours=11)
    send(1, *(Reading(1000, 1, START - 1 - h, 100 - h) for h in range(12)), now=evening)
    flush_inbox(evening)
    assert (rows("reading_recent"), rows("reading_day")) == (0, 1)
    send(2, Reading(1000, 1, START - 1, 5), Reading(1000, 1, START, 101), now=evening)
    flush_inbox(evening)
    assert (rows("reading_recent"), rows("reading_day")) == (2, 1)
    found = 100, 101
    for hours in (0, 12):
        flush_inbox(evening + timedelta(hours=hours))
        with system_scope():
            assert registers(channels[:1], START - 1, START + 1).values.tolist() == [[*found]]
    assert (rows("reading_recent"), rows("reading_day")) == (0, 1)
    with system_scope():
        assert [f.what for f in latest()] == ["same hour, other register"]


def test_a_late_reading_opens_a_sealed_month_and_it_is_sealed_again(channels: list[int]) -> None:
    later = time_of(START) + timedelta(days=120)
    send(1, *(Reading(1000, i, START + h, 10 + h) for h in (0, 2) for i in (1, 2)), now=later)
    flush_inbox(later)
    assert seal_due(later) == 2
    assert (rows("reading_month"), rows("reading_day")) == (2, 0)
    assert partitions_of_days() == []
    send(2, Reading(1000, 1, START + 1, 11), Reading(1000, 1, START + 2, 99), now=later)
    result = flush_inbox(later)
    assert (result.readings, result.contradictions) == (1, 1)
    assert (rows("reading_month"), rows("reading_day")) == (1, 1)
    assert seal_due(later) == 1
    assert seal_due(later) == 0
    with system_scope():
        assert registers(channels[:1], START, START + 3).values.tolist() == [[10, 11, 12]]
        assert len(stored_readings(START, START + 3)) == 5


def test_months_that_may_still_change_are_left_open(channels: list[int]) -> None:
    assert channels
    now = time_of(START)
    send(1, Reading(1000, 1, START, 5), now=now)
    flush_inbox(now)
    assert seal_due(now + timedelta(days=30)) == 0
    assert seal_due(datetime(2026, 3, 31, 23, tzinfo=UTC)) == 0
    assert seal_due(datetime(2026, 4, 1, tzinfo=UTC)) == 1


def test_sealing_stops_at_its_limit(channels: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert channels
    monkeypatch.setattr("balans.storage.sealing.CHANNELS_AT_ONCE", 1)
    later = time_of(START) + timedelta(days=120)
    send(1, *(Reading(1000, i, START, 5) for i in (1, 2, 3)), now=later)
    flush_inbox(later)
    assert [seal_due(later, limit=2), seal_due(later, limit=2)] == [2, 1]


def rows(table: str) -> int:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {table}")
        return int(cursor.fetchone()[0])


def partitions_of_days() -> list[str]:
    with system_scope():
        return [f"{month:%Y-%m}" for month in partitions.months_there()]
