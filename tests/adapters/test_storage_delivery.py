"""The way of a channel's hours: when they came, what is missing and why, and what is asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection

from balans.core.hours import hour_of, time_of
from balans.protocols.claim import claim_of
from balans.protocols.hub import (
    KIND_OF,
    Batch,
    Entry,
    EntryKind,
    Found,
    Hello,
    HoursGone,
    ModuleNews,
    News,
    Rank,
    WantedHours,
    encode_news,
)
from balans.protocols.readings import Reading, pack
from balans.storage import arrivals, findings, hub_state
from balans.storage.delivery import Cause, Gap, Proof, proof
from balans.storage.flush import flush_inbox
from balans.storage.holes import ASK_AGAIN, next_wanted
from balans.storage.import_sources import Reach
from balans.storage.inbox import HubUnknownError, store_batch, take_hello
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.reading_layout import Layout
from balans.usecases.registry_plan import RegistryPlan
from balans.wiring.import_readings import import_readings
from balans.wiring.imports import Wish

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, 20, tzinfo=UTC)
HOUR = hour_of(NOW)
START = time_of(HOUR - 24)


class Hub:
    """Sends entries under the next offsets of one journal, and flushes them."""

    def __init__(self, journal: int = 5, code: str = "alice-hub") -> None:
        self.code, self.journal, self.next = code, journal, 0

    def hello(self, at: datetime = NOW, **said: Any) -> None:
        take_hello(self.code, Hello(self.journal, 0, self.next, **said), at)

    def send(self, *entries: Entry, at: datetime = NOW, rank: Rank = Rank.CURRENT) -> None:
        batch = Batch.of(self.journal, self.next, entries, rank)
        store_batch(self.code, batch, at)
        self.next += len(entries)
        flush_inbox(at)

    def hours(self, *hours: int, at: datetime = NOW, module: int = 1000, number: int = 1) -> None:
        rows = [Reading(module, number, hour, hour - HOUR + 10_000) for hour in hours]
        self.send(Entry(EntryKind.READINGS, pack(rows)), at=at)

    def tell(self, news: News, at: datetime = NOW) -> None:
        self.send(Entry(KIND_OF[type(news)], encode_news(news)), at=at)


@pytest.fixture
def tenant_id(plan: RegistryPlan) -> int:
    return apply_plan(plan).tenant_id


@pytest.fixture
def hub(tenant_id: int) -> Hub:
    assert tenant_id
    hub = Hub()
    hub.hello()
    return hub


def channel(serial: int = 1000, number: int = 1) -> int:
    return int(
        scalar(
            "select c.id from channel c join module m on m.id = c.module_id"
            f" where serial = {serial} and input = {number}"
        )
    )


def scalar(sql: str) -> Any:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def execute(sql: str) -> None:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(sql)


def shown(
    number: int = 1, start: datetime = START, end: datetime = NOW, now: datetime = NOW
) -> Proof:
    with system_scope():
        return proof(channel(number=number), start, end, now)


def gaps(found: Proof) -> list[tuple[int, int, Cause]]:
    return [(hour_of(gap.start) - HOUR, hour_of(gap.end) - HOUR, gap.cause) for gap in found.gaps]


def test_what_came_says_when_and_nothing_is_missing(hub: Hub) -> None:
    hub.hours(*range(HOUR - 24, HOUR))
    found = shown(end=time_of(HOUR))
    assert (found.due, found.missing, found.completeness) == (24, 0, 1.0)
    assert (found.came & found.expected & ~found.late).all()
    assert set(found.received_s.tolist()) == {NOW.timestamp()}
    assert found.gaps == ()


def test_what_was_imported_came_with_its_file_and_not_with_the_hub(
    hub: Hub, tenant_id: int
) -> None:
    early = NOW - timedelta(hours=8)
    hub.hours(HOUR - 10, HOUR - 9, at=early, number=2)
    hub.hours(HOUR - 10, at=early)
    rows = [f"1000-1,{time_of(HOUR - lag).isoformat()},{90 - lag}" for lag in (12, 9)]
    text = "\n".join(["channel,time,register", *rows])
    import_readings(text.encode(), "r.csv", Layout(), Reach(tenant_id), Wish("clerk", NOW))
    flush_inbox(NOW)
    found = shown(start=time_of(HOUR - 12), end=time_of(HOUR - 8))
    assert found.late.tolist() == [False, False, False, True]
    assert found.received_s[2:].tolist() == [early.timestamp(), NOW.timestamp()]
    assert np.isnan(found.received_s[:2]).all()


def test_an_hour_counts_as_late_beside_the_other_modules_of_its_hub(hub: Hub) -> None:
    on_time, later = NOW - timedelta(hours=8), NOW
    hub.hours(HOUR - 10, HOUR - 9, at=on_time, number=2)
    hub.hours(HOUR - 10, at=on_time)
    hub.hours(HOUR - 9, at=later)
    found = shown(start=time_of(HOUR - 10), end=time_of(HOUR - 8))
    assert found.late.tolist() == [False, True]
    assert found.received_s.tolist() == [on_time.timestamp(), later.timestamp()]


def test_hours_that_all_came_late_with_their_hub_need_no_rows_of_their_own(hub: Hub) -> None:
    hub.hours(*range(HOUR - 24, HOUR))
    hub.hours(*range(HOUR - 24, HOUR), number=2)
    assert scalar("select count(*) from channel_late") == 0
    assert scalar("select count(*) from hub_arrival") == 24


def test_what_comes_again_is_counted_and_is_not_late(hub: Hub) -> None:
    early = NOW - timedelta(hours=5)
    hub.hours(HOUR - 9, HOUR - 8, at=early)
    hub.hours(HOUR - 9, HOUR - 8, at=NOW)
    wrong = Reading(1000, 1, HOUR - 9, 77)
    hub.send(Entry(EntryKind.READINGS, pack([wrong])), at=NOW)
    found = shown()
    assert (found.duplicates, found.contradictions) == (3, 1)
    assert not found.late.any()
    assert set(found.received_s[found.came].tolist()) == {early.timestamp()}


def test_what_comes_twice_in_one_flush_is_counted_too(hub: Hub) -> None:
    rows = [Reading(1000, 1, HOUR - 3, 5), Reading(1000, 1, HOUR - 3, 5)]
    other = [Reading(1000, 1, HOUR - 3, 6), Reading(1000, 2, HOUR - 3, 6)]
    hub.send(Entry(EntryKind.READINGS, pack(rows)), Entry(EntryKind.READINGS, pack(other)))
    found = shown()
    assert (found.duplicates, found.contradictions) == (2, 1)
    assert (shown(2).duplicates, shown(2).contradictions) == (0, 0)


def test_repetitions_are_counted_where_recent_hours_wait_as_blocks(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balans.storage.recent.is_big", lambda: True)
    hub.hours(HOUR - 3, HOUR - 2)
    hub.hours(HOUR - 3)
    hub.send(Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR - 2, 5)])))
    assert scalar("select count(*) from reading_recent") > 0
    found = shown()
    assert (found.duplicates, found.contradictions) == (2, 1)


def test_times_are_forgotten_after_their_time(hub: Hub) -> None:
    hub.hours(HOUR - 9, HOUR - 8)
    with system_scope():
        assert arrivals.forget(NOW) == 0
        assert arrivals.forget(NOW + arrivals.KEPT) == 2
    found = shown()
    assert found.came.sum() == 2
    assert (found.received_s != found.received_s).all()  # NaN: it came, nobody knows when


def test_each_gap_has_its_cause(hub: Hub) -> None:
    hub.hours(HOUR - 24, HOUR - 10, number=1)
    hub.hours(HOUR - 5, number=2)
    hub.tell(HoursGone(1000, 1, 0.0, ((HOUR - 23, HOUR - 20),), HOUR - 20))
    hub.hours(HOUR + 24 * 9, number=1)  # impossible: waits in quarantine
    found = shown()
    assert gaps(found) == [
        (-23, -20, Cause.GONE),
        (-20, -10, Cause.UNEXPLAINED),
        (-9, -4, Cause.UNEXPLAINED),  # input 2 has spoken since
        (-4, -1, Cause.MODULE_SILENT),
        (-1, 0, Cause.NOT_DUE),
    ]
    gone, *_, silent, _ = found.gaps
    assert (gone.since, gone.detail) == (NOW, time_of(HOUR - 20).isoformat())
    assert silent.since == time_of(HOUR - 5)
    assert (found.due, found.missing) == (23, 21)
    later = time_of(HOUR + 24 * 9)
    (apart,) = shown(start=later, end=later + timedelta(hours=1), now=later + timedelta(3)).gaps
    assert (apart.cause, apart.since, apart.detail) == (Cause.QUARANTINED, NOW, "impossible hour")


def test_a_silent_hub_is_the_cause_for_what_is_younger_than_its_last_word(hub: Hub) -> None:
    heard = NOW - timedelta(hours=6)
    execute("delete from hub_journal")
    hub = Hub(journal=6)
    hub.hours(HOUR - 24, HOUR - 8, at=heard)
    assert gaps(shown())[-2:] == [(-5, -1, Cause.HUB_SILENT), (-1, 0, Cause.NOT_DUE)]
    assert shown().gaps[-2].since == heard


def test_a_module_that_never_spoke_and_one_without_a_hub(hub: Hub) -> None:
    hub.hours(HOUR - 3, module=1001)
    assert gaps(shown()) == [(-24, -1, Cause.NEVER_HEARD), (-1, 0, Cause.NOT_DUE)]
    execute("update module set hub_id = null where serial = 1000")
    assert gaps(shown())[0] == (-24, -1, Cause.NO_MODULE)


def test_the_hubs_word_on_a_silent_module_counts(hub: Hub) -> None:
    hub.hours(HOUR - 24, module=1000)
    hub.tell(ModuleNews(1000, NOW.timestamp(), silent=True, last_hour=HOUR - 20))
    assert gaps(shown()) == [
        (-23, -19, Cause.UNEXPLAINED),
        (-19, -1, Cause.MODULE_SILENT),
        (-1, 0, Cause.NOT_DUE),
    ]


def test_nothing_is_expected_before_a_meter_was_mounted(hub: Hub) -> None:
    execute(f"update meter_mounting set valid_from = '{time_of(HOUR - 5).isoformat()}'")
    hub.hours(HOUR - 3)
    found = shown()
    assert found.expected.sum() == 5
    assert gaps(found)[0] == (-5, -3, Cause.UNEXPLAINED)


@pytest.mark.usefixtures("hub")
def test_another_tenant_sees_no_proof(make_plan: Any) -> None:
    bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
    own = channel()
    with tenant_scope(bob), pytest.raises(LookupError):
        proof(own, START, NOW, NOW)


def look(now: datetime = NOW) -> tuple[WantedHours, ...]:
    found = next_wanted(now, look_again=timedelta(0))
    assert found is not None
    assert found.hub_code == "alice-hub"
    return found.hours


def of(hours: tuple[WantedHours, ...], number: int = 1) -> list[tuple[int, int]]:
    return [
        (start - HOUR, end - HOUR)
        for one in hours
        if (one.module, one.input) == (1000, number)
        for start, end in one.spans
    ]


@pytest.fixture
def mounted_lately(hub: Hub) -> Hub:
    execute(f"update meter_mounting set valid_from = '{time_of(HOUR - 25).isoformat()}'")
    return hub


def test_what_is_missing_at_two_looks_is_asked_for(mounted_lately: Hub) -> None:
    hub = mounted_lately
    hub.hours(*range(HOUR - 24, HOUR), number=2)
    hub.hours(HOUR - 20, HOUR - 10)
    assert look() == ()
    hub.hours(HOUR - 15)
    assert of(look()) == [(-24, -20), (-19, -15), (-14, -10), (-9, -3)]
    assert look() == ()  # it was asked a moment ago
    assert gaps(shown())[1] == (-19, -15, Cause.ASKED)
    assert shown().gaps[1].detail == "1"


def test_questions_become_rare_and_end_when_the_hours_have_come(mounted_lately: Hub) -> None:
    hub = mounted_lately
    hub.hours(*range(HOUR - 24, HOUR), number=2)
    hub.hours(*(hour for hour in range(HOUR - 24, HOUR) if hour != HOUR - 9))
    look()
    pauses = []
    for _ in range(3):
        assert of(look()) == [(-9, -8)]
        pause = timedelta(0)
        while not of(look()):
            pause += ASK_AGAIN / 2
            execute(f"update channel_delivery set asked_at = asked_at - interval '{30} seconds'")
        pauses.append(pause)
        execute("update channel_delivery set asked_at = asked_at - interval '1 day'")
    assert pauses[0] < pauses[1] < pauses[2]
    hub.hours(HOUR - 9)
    execute("update channel_delivery set asked_at = asked_at - interval '1 day'")
    assert look() == look() == ()
    assert scalar("select isempty(wanted) and asks = 0 from channel_delivery") is True


def test_what_is_gone_is_asked_for_no_more(mounted_lately: Hub) -> None:
    hub = mounted_lately
    hub.hours(*range(HOUR - 24, HOUR), number=2)
    hub.hours(HOUR - 24, HOUR - 20)
    look()
    assert of(look()) == [(-23, -20), (-19, -3)]
    hub.tell(HoursGone(1000, 1, 0.0, ((HOUR - 23, HOUR - 3),), HOUR - 3))
    execute("update channel_delivery set asked_at = asked_at - interval '9 days'")
    assert (look(), look()) == ((), ())


def test_hours_of_the_future_are_not_believed_to_be_gone(hub: Hub) -> None:
    hub.tell(HoursGone(1000, 1, 0.0, ((HOUR - 2, HOUR + 1_000),)))
    hub.tell(HoursGone(1000, 1, 0.0, ((HOUR + 50, HOUR + 60),)))
    assert scalar("select upper(gone) from channel_delivery") == HOUR


def test_a_hub_is_left_alone_while_its_data_is_on_the_way(hub: Hub) -> None:
    hub.hours(*range(HOUR - 24, HOUR), number=2)
    assert next_wanted(NOW, busy=["alice-hub"], look_again=timedelta(0)) is None
    store_batch(
        "alice-hub",
        Batch.of(5, hub.next, (Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR, 1)])),)),
        NOW,
    )
    assert next_wanted(NOW, look_again=timedelta(0)) is None
    flush_inbox(NOW)
    assert next_wanted(NOW) is not None
    assert next_wanted(NOW) is None  # it was looked at a moment ago


def test_urgent_batches_are_flushed_before_the_archive(hub: Hub) -> None:
    def put(rank: Rank, hour: int) -> None:
        entry = Entry(EntryKind.READINGS, pack([Reading(1000, 1, hour, 5)]))
        store_batch("alice-hub", Batch.of(5, hub.next, (entry,), rank), NOW)
        hub.next += 1

    for hour in range(HOUR - 130, HOUR):
        put(Rank.ARCHIVE, hour)
    put(Rank.CURRENT, HOUR)
    assert flush_inbox(NOW).readings == 1
    assert shown(start=time_of(HOUR), end=time_of(HOUR + 1)).came.all()
    assert [flush_inbox(NOW).batches for _ in range(3)] == [100, 30, 0]


def noticed(what: str) -> list[tuple[str, str]]:
    with system_scope():
        return [(f.place, f.detail) for f in findings.latest() if f.what == what]


def test_two_hubs_of_one_code_are_found_and_nothing_of_theirs_is_mixed(hub: Hub) -> None:
    twin = Hub(journal=6)
    for turn in range(4):
        for one, number in ((hub, 1), (twin, 2)):
            one.hours(HOUR - 20 + turn, number=number)
    assert shown().came.sum() == shown(2).came.sum() == 4
    assert (shown().duplicates, shown(2).duplicates) == (0, 0)
    hub_state.note_doubled("alice-hub", (5, 6), NOW)
    hub_state.note_doubled("nobody", (5, 6), NOW)
    ((place, detail),) = noticed(hub_state.TWO_HUBS)
    assert (place, detail.split(":")[0]) == ("hub alice-hub", "journals 5 and 6 speak by turns")
    hub_id = scalar("select id from hub where code = 'alice-hub'")
    with system_scope():
        assert hub_state.state_of(hub_id, NOW).doubled
        assert not hub_state.state_of(hub_id, NOW + hub_state.DOUBLED_FOR).doubled


def test_the_journal_before_is_the_one_before_whatever_the_clock_says(hub: Hub) -> None:
    """A clock set back between two starts must not make entries look lost that were settled."""
    hub.hours(HOUR - 9, HOUR - 8, at=NOW)
    second = Hub(journal=6)
    second.next = hub.next
    take_hello("alice-hub", Hello(6, hub.next, hub.next), NOW - timedelta(hours=1))
    store_batch(
        "alice-hub",
        Batch.of(6, hub.next, (Entry(EntryKind.READINGS, pack([Reading(1000, 1, 1, 1)])),)),
        NOW - timedelta(hours=1),
    )
    take_hello("alice-hub", Hello(7, hub.next + 1, hub.next + 1), NOW - timedelta(minutes=50))
    with system_scope():
        assert [f.what for f in findings.latest() if "journal" in f.what] == []


def test_a_doubled_hub_makes_no_entries_look_lost(hub: Hub) -> None:
    hub.hours(*range(HOUR - 9, HOUR))
    hub.hours(HOUR - 10)
    twin = Hub(journal=6)
    twin.hello()
    started = Hub(journal=7)
    started.next = hub.next
    take_hello("alice-hub", Hello(7, hub.next, hub.next), NOW)
    assert noticed("entries of the journal never came and are no longer held by the hub") == []
    take_hello("alice-hub", Hello(8, hub.next + 2, hub.next + 2), NOW)
    ((_, detail),) = noticed("entries of the journal never came and are no longer held by the hub")
    assert detail == f"journal 8: [{hub.next}, {hub.next + 2})"


def test_a_hub_says_what_troubles_it_and_when_that_is_over(hub: Hub) -> None:
    hub.hello(trouble="journal: No space left on device")
    hub.hello(at=NOW + timedelta(minutes=1), trouble="journal: No space left on device")
    assert noticed(hub_state.TROUBLE) == [("hub alice-hub", "journal: No space left on device")]
    assert scalar("select trouble_since from hub_state") == NOW
    hub.hello(at=NOW + timedelta(minutes=2))
    assert scalar("select trouble || coalesce(trouble_since::text, '-') from hub_state") == "-"


def test_modules_that_nobody_registered_are_found(hub: Hub, tenant_id: int) -> None:
    claim = claim_of("77", "secret")
    hub.tell(Found(77, NOW.timestamp(), 2, has_adapter=True, kind="D100", claim=claim))
    hub.tell(Found(1000, NOW.timestamp()))
    assert scalar("select count(*) from found_device") == 1
    row = "select concat_ws(' ', tenant_id, kind, code, inputs, has_adapter, model, claim)"
    assert scalar(f"{row} from found_device") == f"{tenant_id} module 77 2 t D100 {claim}"


def test_a_hub_that_nobody_registered_is_found_but_not_answered(tenant_id: int) -> None:
    assert tenant_id
    claim = claim_of("new-hub", "secret")
    for _ in range(2):
        with pytest.raises(HubUnknownError):
            take_hello("new-hub", Hello(9, 0, 3, software="x", claim=claim), NOW)
    row = "select concat_ws(' ', tenant_id is null, kind, code, software, claim)"
    assert scalar(f"{row} from found_device") == f"t hub new-hub x {claim}"


def test_news_that_make_no_sense_are_noted_and_stop_nothing(hub: Hub) -> None:
    wrong = encode_news(Found(77, 1.0))
    hub.send(
        Entry(EntryKind.GONE, wrong),
        Entry(EntryKind.FOUND, b"\xc1"),
        Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR, 5)])),
    )
    (note,) = [detail for _, detail in noticed("entries that make no sense")]
    assert "an entry of kind 5 holds a Found" in note
    assert shown(start=time_of(HOUR), end=time_of(HOUR + 1)).came.all()


def test_a_gap_counts_its_hours() -> None:
    gap = Gap(time_of(5), time_of(9), Cause.ASKED)
    assert gap.hours == 4
