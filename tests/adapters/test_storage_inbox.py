"""Batches are stored once, acknowledged after COMMIT, in whatever order and cut they come."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.errors import UnavailableError
from balans.core.hours import hour_of
from balans.protocols.hub import Ack, Batch, Entry, EntryKind, Hello, Ranges
from balans.protocols.readings import Reading, pack
from balans.storage import findings, inbox
from balans.storage.flush import flush_inbox
from balans.storage.inbox import HubUnknownError, purge, store_batch, take_hello, waiting
from balans.storage.readings import stored_readings
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = hour_of(NOW)
JOURNAL = 77


def entry(i: int) -> Entry:
    """The register of module 1000, input 1, at the i-th hour before NOW."""
    return Entry(EntryKind.READINGS, pack([Reading(1000, 1, HOUR - i, 10_000 - 7 * i)]))


def batch(first: int, end: int, journal: int = JOURNAL) -> Batch:
    return Batch.of(journal, first, tuple(entry(i) for i in range(first, end)))


def rows(table: str) -> int:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {table}")
        return int(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def _registry(plan: RegistryPlan) -> None:
    apply_plan(plan)


def test_holes_are_told_and_filled() -> None:
    assert store_batch("alice-hub", batch(0, 3), NOW) == Ack(JOURNAL, 3, 3)
    assert store_batch("alice-hub", batch(5, 8), NOW) == Ack(JOURNAL, 3, 8, ((3, 5),))
    assert store_batch("alice-hub", batch(3, 5), NOW) == Ack(JOURNAL, 8, 8)
    assert waiting() == 3


def test_a_duplicate_is_acknowledged_and_not_stored() -> None:
    first = store_batch("alice-hub", batch(0, 3), NOW)
    assert store_batch("alice-hub", batch(0, 3), NOW) == first
    assert store_batch("alice-hub", batch(1, 2), NOW) == first
    assert waiting() == 1


def test_journals_do_not_mix() -> None:
    store_batch("alice-hub", batch(0, 3), NOW)
    assert store_batch("alice-hub", batch(2, 3, journal=78), NOW) == Ack(78, 0, 3, ((0, 2),))


def test_an_unknown_hub_gets_no_acknowledgement() -> None:
    for _ in range(2):
        with pytest.raises(HubUnknownError, match="nobody"):
            store_batch("nobody", batch(0, 3), NOW)
    with pytest.raises(HubUnknownError):
        take_hello("nobody", Hello(JOURNAL, 0, 3), NOW)
    assert rows("inbox_batch") == 0
    with system_scope():
        (found,) = findings.latest()
    assert (found.place, found.what, found.n) == ("hub nobody", "hub is not registered", 3)


def test_hello_tells_what_is_held() -> None:
    assert take_hello("alice-hub", Hello(JOURNAL, 0, 10), NOW) == Ack(JOURNAL, 0, 0)
    store_batch("alice-hub", batch(4, 6), NOW)
    assert take_hello("alice-hub", Hello(JOURNAL, 0, 10), NOW) == Ack(JOURNAL, 0, 6, ((0, 4),))


def test_what_a_hub_no_longer_holds_is_lost_with_a_finding() -> None:
    """A server restored from a backup goes on with a hub that trimmed in the meantime."""
    store_batch("alice-hub", batch(0, 3), NOW)
    ack = take_hello("alice-hub", Hello(JOURNAL, 8, 12, ((9, 10),)), NOW)
    assert ack == Ack(JOURNAL, 8, 10, ((8, 9),))
    again = take_hello("alice-hub", Hello(JOURNAL, 8, 12, ((9, 10),)), NOW)
    assert again == ack
    with system_scope():
        (found,) = findings.latest()
    assert found.detail == "journal 77: [3, 8), [9, 10)"
    assert found.n == 1
    assert store_batch("alice-hub", batch(8, 9), NOW) == Ack(JOURNAL, 10, 10)


def told() -> list[tuple[str, str]]:
    with system_scope():
        return [(found.what, found.detail) for found in findings.latest()]


def test_a_new_identity_that_begins_where_the_last_was_settled_is_no_loss() -> None:
    """A journal has a new identity at every start of its hub, and trims what is settled."""
    store_batch("alice-hub", batch(0, 8), NOW)
    assert take_hello("alice-hub", Hello(78, 5, 12), NOW) == Ack(78, 5, 5)
    assert store_batch("alice-hub", batch(5, 12, journal=78), NOW) == Ack(78, 12, 12)
    assert take_hello("alice-hub", Hello(79, 12, 12), NOW) == Ack(79, 12, 12)
    assert told() == []


def test_damage_that_was_told_is_not_told_again_under_a_new_identity() -> None:
    take_hello("alice-hub", Hello(77, 0, 9, ((4, 6),)), NOW)
    assert [detail for _, detail in told()] == ["journal 77: [4, 6)"]
    take_hello("alice-hub", Hello(78, 0, 9, ((4, 7),)), NOW)
    assert [detail for _, detail in told()] == ["journal 78: [6, 7)"]


def test_a_server_from_a_backup_misses_what_a_hub_trimmed_even_under_a_new_identity() -> None:
    store_batch("alice-hub", batch(0, 3), NOW)
    assert take_hello("alice-hub", Hello(78, 8, 12), NOW) == Ack(78, 8, 8)
    (found,) = told()
    assert found == (
        "entries of the journal never came and are no longer held by the hub",
        "journal 78: [3, 8)",
    )


def test_a_hub_that_comes_from_another_server_is_told_as_such_once() -> None:
    for journal in (78, 79):
        assert take_hello("alice-hub", Hello(journal, 8, 12), NOW) == Ack(journal, 8, 8)
    (found,) = told()
    assert found == (
        "the hub comes with a journal whose beginning was settled elsewhere",
        "journal 78: entries 0 to 7 never came here",
    )


def test_only_the_latest_journals_of_a_hub_are_remembered() -> None:
    for i in range(30):
        take_hello("alice-hub", Hello(100 + i, 0, 2), NOW + timedelta(seconds=i))
    assert rows("hub_journal") == inbox.JOURNALS_KEPT + 1


def test_what_was_lost_is_taken_when_it_comes_after_all() -> None:
    take_hello("alice-hub", Hello(JOURNAL, 5, 6), NOW)
    assert store_batch("alice-hub", batch(3, 6), NOW) == Ack(JOURNAL, 6, 6)
    assert waiting() == 1


def test_a_failure_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store_batch("alice-hub", batch(0, 1), NOW)
    before = rows("inbox_batch")
    whole = inbox._insert

    def fails_after_inserting(*args: object) -> None:
        whole(*args)  # type: ignore[arg-type]
        raise UnavailableError("disk full")

    monkeypatch.setattr(inbox, "_insert", fails_after_inserting)
    with pytest.raises(UnavailableError):
        store_batch("alice-hub", batch(1, 4), NOW)
    monkeypatch.undo()
    assert rows("inbox_batch") == before
    assert take_hello("alice-hub", Hello(JOURNAL, 0, 4), NOW) == Ack(JOURNAL, 1, 1)


N = 40


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Ranges that cover [0, N) in any order, cut anew, overlapping and repeated."""
    cuts = sorted(draw(st.sets(st.integers(1, N - 1), max_size=8)))
    spans = list(zip([0, *cuts], [*cuts, N], strict=True))
    extra = draw(
        st.lists(st.tuples(st.integers(0, N - 1), st.integers(1, 12)), max_size=8).map(
            lambda pairs: [(start, min(N, start + n)) for start, n in pairs]
        )
    )
    order = spans + extra
    random.Random(draw(st.integers(0, 9))).shuffle(order)
    return order


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(order=deliveries(), flush_after=st.sets(st.integers(0, 15)))
def test_order_cuts_and_repeats_do_not_matter(
    order: list[tuple[int, int]], flush_after: set[int]
) -> None:
    clean = connection.savepoint()
    held: list[tuple[int, int]] = []
    for i, (start, end) in enumerate(order):
        ack = store_batch("alice-hub", batch(start, end), NOW)
        held.append((start, end))
        there = Ranges.of(held)
        assert ack.contiguous == there.contiguous_from(0)
        assert ack.holes == there.missing(ack.contiguous, ack.end).spans
        if i in flush_after:
            flush_inbox(NOW)
    flush_inbox(NOW)
    with system_scope():
        found = stored_readings(HOUR - N, HOUR + 1)
    assert found["hour"].tolist() == [HOUR - i for i in reversed(range(N))]
    assert found["register"].tolist() == [10_000 - 7 * i for i in reversed(range(N))]
    assert clean
    connection.savepoint_rollback(clean)


def test_old_batches_are_purged_but_not_what_waits() -> None:
    store_batch("alice-hub", batch(0, 2), NOW)
    flush_inbox(NOW)
    store_batch("alice-hub", batch(2, 3), NOW)
    assert purge(NOW + timedelta(days=6)) == 0
    assert purge(NOW + timedelta(days=8)) == 1
    assert rows("inbox_batch") == 1
