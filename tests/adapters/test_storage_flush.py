"""From the inbox into day rows: what is stored stays, nothing is counted twice, nothing is lost."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from django.db import DataError, connection
from hypothesis import given
from hypothesis import strategies as st

from balans.adapters.clock import SystemClock
from balans.core.hours import hour_of, time_of
from balans.core.words import CommandState
from balans.domain.metering import MISSING, Quality
from balans.protocols.hub import (
    Batch,
    CommandReport,
    Entry,
    EntryKind,
    encode_command_report,
)
from balans.protocols.readings import Flag, Grade, Reading, pack
from balans.storage import findings, flush, hub_state, lookups
from balans.storage.commands import get_command, recent
from balans.storage.completeness import last_reading
from balans.storage.dayrows import ESTIMATED, READING, STAGE_COLUMNS, copy_data, pivot
from balans.storage.flush import FlushResult, flush_inbox
from balans.storage.inbox import store_batch, take_again, waiting
from balans.storage.partitions import ensure_partitions
from balans.storage.readings import (
    export_rows,
    registers,
    stored_readings,
)
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.writer import LOCK
from balans.usecases.registry_plan import ModulePlan, RegistryPlan
from balans.worker.duties import DUTIES, Turn

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = hour_of(NOW)


class Hub:
    """Sends entries under the next offsets of one journal."""

    def __init__(self, code: str = "alice-hub", journal: int = 5) -> None:
        self.code = code
        self.journal = journal
        self.next = 0

    def send(self, *entries: Entry) -> None:
        ack = store_batch(self.code, Batch.of(self.journal, self.next, entries), NOW)
        self.next += len(entries)
        assert ack.contiguous == self.next

    def readings(self, *readings: Reading) -> None:
        self.send(Entry(EntryKind.READINGS, pack(readings)))

    def report(self, report: CommandReport) -> None:
        self.send(Entry(EntryKind.COMMAND, encode_command_report(report)))


@pytest.fixture
def tenant_id(plan: RegistryPlan) -> int:
    return apply_plan(plan).tenant_id


@pytest.fixture
def hub(tenant_id: int) -> Hub:
    assert tenant_id
    return Hub()


def stored() -> list[tuple[int, int, int, int]]:
    with system_scope():
        return [tuple(row) for row in stored_readings(HOUR - 24 * 400, HOUR + 49).tolist()]


def noticed() -> list[tuple[str, str, int]]:
    with system_scope():
        return sorted((f.place, f.what, f.n) for f in findings.latest())


def scalar(sql: str) -> Any:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_a_flush_counts_what_it_does(hub: Hub) -> None:
    hub.readings(*(Reading(1000, 1, HOUR - i, 100 - i) for i in range(30)))
    hub.readings(*(Reading(1000, 2, HOUR - i, 50 - i) for i in range(3)))
    assert flush_inbox(NOW) == FlushResult(batches=2, readings=33, rows=3)
    assert waiting() == 0
    assert flush_inbox(NOW) == FlushResult()
    hub.readings(*(Reading(1000, 1, HOUR - i, 100 - i) for i in range(-1, 30)))
    assert flush_inbox(NOW) == FlushResult(batches=1, readings=1, rows=1, duplicates=30)
    assert len(stored()) == 34


def test_flushing_again_rewrites_no_row(hub: Hub) -> None:
    hub.readings(Reading(1000, 1, HOUR, 100))
    flush_inbox(NOW)
    before = scalar("select array_agg(ctid::text || xmin::text) from reading_day")
    hub.readings(Reading(1000, 1, HOUR, 100))
    flush_inbox(NOW)
    assert scalar("select array_agg(ctid::text || xmin::text) from reading_day") == before


def test_the_stage_shows_no_row_afterwards(hub: Hub) -> None:
    hub.readings(Reading(1000, 1, HOUR, 100))
    flush_inbox(NOW)
    assert scalar("select count(*) from reading_stage") == 0


def test_missing_is_null_and_never_zero(hub: Hub) -> None:
    hub.readings(Reading(1000, 1, HOUR - 3, 0), Reading(1000, 1, HOUR, 7))
    flush_inbox(NOW)
    assert scalar("select num_nonnulls(h09, h10, h11, h12) from reading_day") == 2
    assert scalar("select h09 from reading_day") == 0
    channel = scalar("select channel_id from reading_day")
    with system_scope():
        found = registers([channel], HOUR - 3, HOUR + 1)
    assert found.values.tolist() == [[0, MISSING, MISSING, 7]]
    assert found.quality(0, 1) == Quality.MISSING


def test_late_hours_fill_gaps(hub: Hub) -> None:
    hub.readings(Reading(1000, 1, HOUR - 3, 4), Reading(1000, 1, HOUR, 7))
    flush_inbox(NOW)
    hub.readings(Reading(1000, 1, HOUR - 1, 6), Reading(1000, 1, HOUR - 2, 5))
    assert flush_inbox(NOW).readings == 2
    assert [register for *_, register in stored()] == [4, 5, 6, 7]


def test_another_register_for_a_stored_hour_is_a_finding(hub: Hub) -> None:
    hub.readings(Reading(1000, 1, HOUR, 100))
    flush_inbox(NOW)
    hub.readings(Reading(1000, 1, HOUR, 101), Reading(1000, 1, HOUR - 1, 99))
    result = flush_inbox(NOW)
    assert (result.readings, result.contradictions, result.duplicates) == (1, 1, 0)
    assert [register for *_, register in stored()] == [99, 100]
    assert noticed() == [("module 1000 input 1", "same hour, other register", 1)]
    with system_scope():
        (found,) = findings.latest()
    assert "2026-01-12T12:00:00+00:00: register 100 is kept, 101 came later" in found.detail


def test_the_first_register_counts_inside_one_flush_too(hub: Hub) -> None:
    hub.readings(Reading(1000, 1, HOUR, 100))
    hub.readings(Reading(1000, 1, HOUR, 102), Reading(1000, 1, HOUR, 100))
    result = flush_inbox(NOW)
    assert (result.readings, result.contradictions, result.duplicates) == (1, 1, 1)
    assert [register for *_, register in stored()] == [100]
    assert noticed() == [("module 1000 input 1", "same hour, other register", 1)]


def test_a_doubted_register_is_stored_and_marked(hub: Hub) -> None:
    magnet, battery = int(Flag.MAGNETIC_FIELD), int(Flag.LOW_BATTERY)
    hub.readings(Reading(1000, 1, HOUR, 9, magnet), Reading(1000, 1, HOUR - 1, 8, battery))
    flush_inbox(NOW)
    hub.readings(Reading(1000, 1, HOUR - 1, 8, magnet), Reading(1000, 1, HOUR - 2, 7, magnet))
    flush_inbox(NOW)
    with system_scope():
        rows = list(export_rows())
    assert [(row.register, row.quality) for row in rows] == [
        (7, Quality.SUSPECT),
        (8, Quality.MEASURED),
        (9, Quality.SUSPECT),
    ]
    assert noticed() == [("module 1000 input 1", "magnetic field", 3)]


def test_unregistered_inputs_wait_and_block_nothing(hub: Hub, plan: RegistryPlan) -> None:
    hub.readings(Reading(1000, 1, HOUR, 5), Reading(4000, 1, HOUR, 6, 4), Reading(4000, 2, HOUR, 7))
    assert flush_inbox(NOW) == FlushResult(batches=1, readings=1, rows=1, quarantined=2)
    hub.readings(Reading(4000, 1, HOUR, 6, 4))
    assert flush_inbox(NOW).quarantined == 0  # it waits already
    assert [what for _, what, _ in noticed()] == ["unknown channel"] * 2
    module = ModulePlan(serial=4000, node="alice-flat-2", hub="alice-hub", inputs=(1,))
    apply_plan(replace(plan, modules=(*plan.modules, module)))
    assert flush_inbox(NOW) == FlushResult(readings=1, rows=1)
    assert stored()[-1] == (4000, 1, HOUR, 6)
    assert scalar("select count(*) from inbox_quarantine") == 1
    assert scalar("select array_agg(input) from unknown_channel") == [2]
    with system_scope():
        assert list(export_rows())[-1].quality == Quality.SUSPECT


def test_a_hub_brings_no_readings_for_another_tenant(
    hub: Hub, make_plan: Callable[..., RegistryPlan]
) -> None:
    apply_plan(make_plan("bob", serial=2000))
    hub.readings(Reading(2000, 1, HOUR, 5))
    Hub("bob-hub").readings(Reading(2000, 1, HOUR, 8))
    result = flush_inbox(NOW)
    assert (result.readings, result.quarantined) == (1, 1)
    assert stored() == [(2000, 1, HOUR, 8)]


@pytest.mark.parametrize("hours", [-24 * 3654, 49, 876_600 - HOUR])
def test_an_impossible_hour_opens_no_partition(hub: Hub, hours: int) -> None:
    hub.readings(Reading(1000, 1, HOUR + hours, 5), Reading(1000, 1, HOUR + 1, 6))
    result = flush_inbox(NOW)
    assert (result.readings, result.quarantined) == (1, 1)
    assert noticed() == [("module 1000 input 1", "impossible hour", 1)]
    assert scalar("select count(*) from pg_inherits where inhparent='reading_day'::regclass") == 1


def test_what_a_wrong_clock_took_for_impossible_is_stored_when_it_is_set(hub: Hub) -> None:
    hub.readings(*(Reading(1000, 1, HOUR - i, 10 - i) for i in range(3)))
    assert flush_inbox(NOW - timedelta(days=400)).quarantined == 3
    assert flush_inbox(NOW).readings == 0
    assert flush_inbox(NOW, clock_set=True).readings == 3
    assert scalar("select count(*) from inbox_quarantine") == 0


def test_an_hour_that_was_impossible_comes_in_behind_the_true_register(hub: Hub) -> None:
    """A module whose clock is ahead: when its hour comes, the register is that of long ago."""
    hub.readings(Reading(1000, 1, HOUR + 96, 5), Reading(1000, 1, HOUR + 97, 6))
    assert flush_inbox(NOW).quarantined == 2
    later = NOW + timedelta(hours=97)
    assert flush_inbox(later).readings == 0
    hub.readings(Reading(1000, 1, HOUR + 96, 50))
    assert flush_inbox(later).readings == 1
    result = flush_inbox(later + flush.AHEAD)
    assert (result.readings, result.contradictions) == (1, 1)
    with system_scope():
        found = stored_readings(HOUR, HOUR + 99)
    assert found["register"].tolist() == [50, 6]


def test_quarantine_that_the_database_refuses_blames_no_batch(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.readings(Reading(1000, 1, HOUR + 96, 5))
    flush_inbox(NOW)
    hub.readings(Reading(1000, 1, HOUR, 4))
    whole = flush._store_readings

    def refuses(readings: Any, now: datetime, *rest: Any) -> FlushResult:
        if (readings["register"] == 5).any():
            raise DataError("out of range")
        return whole(readings, now, *rest)

    monkeypatch.setattr(flush, "_store_readings", refuses)
    result = flush_inbox(NOW + timedelta(days=9))
    assert (result.batches, result.readings) == (1, 1)
    assert scalar("select count(*) from inbox_batch where note is not null") == 0
    assert scalar("select count(*) from inbox_quarantine") == 1
    assert ("quarantine", "readings in quarantine that the database refuses", 1) in noticed()


def test_control_characters_from_outside_are_kept_as_something_printable(hub: Hub) -> None:
    hub.send(
        Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR, 5)])),
        Entry(EntryKind.COMMAND, msgspec.msgpack.encode({"id": "x", "state": "q\x00\x1bx"})),
        Entry(EntryKind.COMMAND, msgspec.msgpack.encode({"i\x00d": 1, "state": "q\x00"})),
    )
    with system_scope():
        findings.record([findings.Noticed(None, "a\x00b", "c\x00d", "e\x00f")], NOW)
    assert flush_inbox(NOW).readings == 1
    assert ("a\ufffdb", "c\ufffdd", 1) in noticed()
    with system_scope():
        assert all("\x00" not in f.detail for f in findings.latest())


def test_years_of_late_hours_open_their_partitions(hub: Hub) -> None:
    hub.readings(*(Reading(1000, 1, HOUR - 24 * 31 * i, 1000 - i) for i in range(118)))
    assert flush_inbox(NOW).readings == 118
    with system_scope():
        assert ensure_partitions(NOW.date(), NOW.date()) == []
        assert ensure_partitions(NOW.date(), datetime(2026, 3, 1, tzinfo=UTC).date()) == [
            "reading_day_2026_02",
            "reading_day_2026_03",
        ]


def test_what_makes_no_sense_is_noted_and_the_rest_is_stored(hub: Hub) -> None:
    hub.send(
        Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR, 5)])),
        Entry(EntryKind.READINGS, b"8 bytes."),
        Entry(EntryKind.READINGS, b"8 bytes."),
        Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR + 1, 6)])),
        Entry(EntryKind.COMMAND, b"\x00"),
        Entry(200, b"what a later hub may send"),
    )
    assert flush_inbox(NOW) == FlushResult(batches=1, readings=2, rows=1)
    note = scalar("select note from inbox_batch")
    assert "8 bytes are no whole number of 16-byte records" in note
    assert "report of a command" in note
    assert "entries of unknown kind 200" in note
    assert waiting() == 0


def test_a_batch_that_the_database_refuses_blocks_no_other(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        hub.readings(Reading(1000, 1, HOUR + i, 5 + i))
    whole = flush._store_readings

    def refuses(readings: Any, now: datetime, *rest: Any) -> FlushResult:
        if (readings["register"] == 6).any():
            raise DataError("out of range")
        return whole(readings, now, *rest)

    monkeypatch.setattr(flush, "_store_readings", refuses)
    result = flush_inbox(NOW)
    assert (result.batches, result.readings, result.refused) == (3, 2, 1)
    assert waiting() == 0
    assert "out of range" in scalar("select note from inbox_batch where flushed_at is null")
    assert shown_as_refused() == 1

    assert flush_inbox(NOW) == FlushResult()  # not before it is asked for
    assert take_again() == 1
    assert flush_inbox(NOW) == FlushResult(batches=1, refused=1)
    assert noticed() == [("hub alice-hub", "a batch that the database refuses", 2)]
    (duty,) = (one for one in DUTIES if one.name == "refused")
    assert duty.work(Turn(SystemClock(), threading.Event())) == "tries again 1 refused batches"
    monkeypatch.setattr(flush, "_store_readings", whole)
    assert flush_inbox(NOW).readings == 1
    assert (shown_as_refused(), take_again()) == (0, 0)


def shown_as_refused() -> int:
    with system_scope():
        return hub_state.state_of(
            scalar("select id from hub where code = 'alice-hub'"), NOW
        ).refused


def test_the_batch_that_was_refused_is_put_aside_and_no_other(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something more urgent may come between the refusal and what is done about it."""
    hub.readings(Reading(1000, 1, HOUR, 5))
    whole, aside = flush._store_readings, flush._put_aside

    def refuses(readings: Any, now: datetime, *rest: Any) -> FlushResult:
        if (readings["register"] == 5).any():
            raise DataError("out of range")
        return whole(readings, now, *rest)

    def later(*args: Any) -> None:
        entry = Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR, 6)]))
        store_batch("alice-hub", Batch.of(77, 0, (entry,), rank=0), NOW)
        aside(*args)

    monkeypatch.setattr(flush, "_store_readings", refuses)
    monkeypatch.setattr(flush, "_put_aside", later)
    flush_inbox(NOW, 1)
    assert scalar("select journal_id from inbox_batch where note is not null") == 5
    assert (flush_inbox(NOW).readings, waiting()) == (1, 0)


def test_only_one_process_flushes(hub: Hub, pg_second: Any) -> None:
    hub.readings(Reading(1000, 1, HOUR, 5))
    pg_second.execute("select pg_advisory_lock(%s)", [LOCK])
    assert flush_inbox(NOW) == FlushResult()
    pg_second.execute("select pg_advisory_unlock(%s)", [LOCK])
    assert flush_inbox(NOW).readings == 1


@pytest.fixture
def pg_second(django_database_url: str) -> Any:
    import psycopg

    with psycopg.connect(django_database_url, autocommit=True) as other:
        yield other


def test_an_export_is_sorted_and_names_the_point(hub: Hub, tenant_id: int) -> None:
    hub.readings(
        Reading(1000, 2, HOUR, 3), Reading(1000, 1, HOUR, 2), Reading(1000, 1, HOUR - 1, 1)
    )
    hub.readings(Reading(1001, 1, HOUR, 9))
    flush_inbox(NOW)
    with tenant_scope(tenant_id):
        rows = [(r.channel, r.point, r.time, r.register) for r in export_rows()]
        assert rows == [
            ("1000-1", "alice-p1", NOW - timedelta(hours=1), 1),
            ("1000-1", "alice-p1", NOW, 2),
            ("1000-2", "alice-w1", NOW, 3),
            ("1001-1", "", NOW, 9),
        ]
        assert len(list(export_rows(NOW, NOW + timedelta(hours=1)))) == 3
        flat = lookups.site_by_code(tenant_id, "alice-flat-1")
        assert [r.channel for r in export_rows(start=NOW, node=flat)] == ["1000-1", "1000-2"]
        assert len(stored_readings(HOUR - 1, HOUR + 1)) == 4
        point, water = lookups.points_of(flat) if flat else []
        assert last_reading(point, NOW) == last_reading(water, NOW) == NOW


def site(tenant_id: int) -> NodeInfo:
    found = lookups.site_by_code(tenant_id, "alice-house")
    assert found is not None
    return found


def report(state: CommandState, minute: int, command: str = "dlm-1") -> CommandReport:
    at = NOW.timestamp() + 60 * minute
    created = NOW.timestamp()
    return CommandReport(
        id=command,
        load="heat",
        on=False,
        author="dlm",
        reason="over_limit",
        created=created,
        expires=created + 120,
        state=state,
        time=at,
        limit="contract",
        expected_w=-2200.0,
        detail=f"{state} at {minute}",
    )


@pytest.mark.parametrize(
    ("order", "state"),
    [
        ([CommandState.SENT, CommandState.CONFIRMED], CommandState.CONFIRMED),
        ([CommandState.CONFIRMED, CommandState.SENT], CommandState.CONFIRMED),
        ([CommandState.SENT, CommandState.SENT, CommandState.FAILED], CommandState.FAILED),
        ([CommandState.FAILED, CommandState.CONFIRMED], CommandState.FAILED),
        ([CommandState.EXPIRED, CommandState.CONFIRMED], CommandState.CONFIRMED),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_reports_bring_a_command_forward(
    hub: Hub, tenant_id: int, order: Sequence[CommandState], state: CommandState
) -> None:
    for minute, one in enumerate(order):
        hub.report(report(one, minute))
        hub.report(report(one, minute))
        if minute % 2:
            flush_inbox(NOW)
    flush_inbox(NOW)
    with tenant_scope(tenant_id):
        (command,) = recent(site(tenant_id))
    assert (command.state, command.author, command.limit) == (state, "dlm", "contract")
    assert (command.load_name, command.on, command.expected_w) == ("heat", False, -2200.0)
    assert sorted(e.state for e in command.events) == sorted(set(order))
    sent = next((i for i, one in enumerate(order) if one == CommandState.SENT), None)
    expected = None if sent is None else NOW + timedelta(minutes=sent)
    assert command.sent_at == expected
    done = NOW + timedelta(minutes=order.index(state))
    assert (command.done_at, command.detail) == (done, f"{state} at {order.index(state)}")


def test_a_report_of_an_unregistered_load_is_kept(hub: Hub, tenant_id: int) -> None:
    hub.report(
        replace_report(report(CommandState.SENT, 0), load="unheard", expires=NOW.timestamp() - 9)
    )
    assert flush_inbox(NOW).commands == 1
    with tenant_scope(tenant_id):
        command = get_command(site(tenant_id), "dlm-1")
    assert command is not None
    assert command.load_name == "unheard"
    assert command.expires == command.created


def replace_report(one: CommandReport, **changes: Any) -> CommandReport:
    import msgspec

    return msgspec.structs.replace(one, **changes)


READINGS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(240_000, 240_060),
        st.integers(0, 2**31 - 1),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=60,
)


@given(rows=READINGS)
def test_pivot_keeps_the_first_register_of_each_hour(rows: list[tuple[int, int, int, int]]) -> None:
    array = np.zeros(len(rows), READING)
    for i, name in enumerate(("channel", "hour", "register", "flags")):
        array[name] = [row[i] for row in rows]
    naive: dict[tuple[int, int], tuple[int, int]] = {}
    for channel, hour, register, flags in rows:
        naive.setdefault((channel, hour), (register, flags))
    result = pivot(array)
    found = {}
    for row in range(len(result.channel)):
        for hour in range(24):
            if result.registers[row, hour] != MISSING:
                key = int(result.channel[row]), int(result.day[row]) * 24 + hour
                found[key] = (
                    int(result.registers[row, hour]),
                    int(result.suspect[row]) >> hour & 1,
                )
    assert found == {key: (register, int(flags != 0)) for key, (register, flags) in naive.items()}
    assert result.count + result.repeated == len(rows)
    keys = list(zip(result.channel.tolist(), result.day.tolist(), strict=True))
    assert keys == sorted(set(keys))


def test_a_grade_goes_with_the_register_that_is_stored(hub: Hub) -> None:
    hub.readings(
        Reading(1000, 1, HOUR - 2, 10),
        Reading(1000, 1, HOUR - 1, 20, grade=Grade.ESTIMATED),
        Reading(1000, 1, HOUR, 30, grade=Grade.SUSPECT),
    )
    flush_inbox(NOW)
    hub.readings(Reading(1000, 1, HOUR - 2, 10, grade=Grade.ESTIMATED))
    flush_inbox(NOW)
    with system_scope():
        found = [row.quality for row in export_rows()]
    assert found == [Quality.MEASURED, Quality.ESTIMATED, Quality.SUSPECT]


def test_binary_copy_reads_back_as_it_was() -> None:
    rng = np.random.default_rng(7)
    array = np.zeros(2000, READING)
    array["channel"] = rng.integers(1, 40, 2000)
    array["hour"] = rng.integers(HOUR - 200, HOUR, 2000)
    array["register"] = rng.integers(0, 2**31 - 1, 2000)
    array["flags"] = rng.choice([0, 1, ESTIMATED, ESTIMATED | 1], 2000)
    rows = pivot(array)
    with system_scope(), connection.cursor() as cursor:
        columns = ", ".join(STAGE_COLUMNS)
        with cursor.copy(f"copy reading_stage ({columns}) from stdin (format binary)") as copy:
            for data in copy_data(rows):
                copy.write(data)
        cursor.execute(f"select {columns} from reading_stage order by 1, 2")
        back = cursor.fetchall()
    for i, (channel, day, _, estimated, suspect, *hours) in enumerate(back):
        assert (channel, day) == (rows.channel[i], time_of(int(rows.day[i]) * 24).date())
        assert (estimated or 0, suspect or 0) == (rows.estimated[i], rows.suspect[i])
        assert [MISSING if h is None else h for h in hours] == rows.registers[i].tolist()
    assert len(back) == len(rows.channel)
