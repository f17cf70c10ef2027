"""Events, marks and edits: they reach every profile, whoever sends what again in whatever order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.hours import hour_of, time_of
from balans.domain.metering import EditKind, EventKind, Quality
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Reading, pack
from balans.storage import access, editing, events, marks
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.commands import Author
from balans.storage.dayrows import READING
from balans.storage.editing import Change, EditRefusedError
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.marks import MarkRefusedError
from balans.storage.profile import hourly_profile, point_intervals
from balans.storage.records import PointInfo
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=2)
HOUR = hour_of(NOON)


@dataclass(frozen=True)
class Utility:
    """Alice's utility, its operator and its consumer."""

    tenant_id: int
    operator: Author
    consumer: Author


@pytest.fixture
def alice(plan: RegistryPlan) -> Utility:
    tenant_id = apply_plan(plan).tenant_id
    with system_scope():
        users = {user.get_username(): user for user in get_user_model().objects.all()}
    return Utility(tenant_id, users["alice-operator"], users["alice-consumer"])


def hours(n: float) -> datetime:
    return NOON + timedelta(hours=n)


def store(*readings: tuple[int, int, int], serial: int = 1000) -> None:
    """Store registers of input 1: hour after NOON, register, flags."""
    data = pack([Reading(serial, 1, HOUR + h, r, flags) for h, r, flags in readings])
    journal = 1 + abs(hash((serial, *readings))) % 2**40
    store_batch("alice-hub", Batch.of(journal, 0, (Entry(EntryKind.READINGS, data),)), NOON)
    flush_inbox(LATER)


def point_of(alice: Utility) -> PointInfo:
    return access.point_for(alice.operator, "alice-p1")


def energies(alice: Utility, n: int) -> list[tuple[Fraction | None, Quality]]:
    profile = hourly_profile(point_of(alice), NOON, hours(n))
    return [(value.energy, value.quality) for value in profile]


def rows_of_events() -> list[tuple[int, str, int, str]]:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "select channel_id, kind, year, hours::text from channel_event order by 1, 2, 3"
        )
        return list(cursor.fetchall())


def flagged(*rows: tuple[int, int, int]) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Readings of channels: channel, hour, flags."""
    found = np.zeros(len(rows), READING)
    for place, (channel, hour, flags) in enumerate(rows):
        found[place]["tenant"], found[place]["channel"] = 1, channel
        found[place]["hour"], found[place]["flags"] = hour, flags
    return found


def test_flags_become_stretches_of_hours() -> None:
    year = hour_of(datetime(2027, 1, 1, tzinfo=UTC))
    both = int(Flag.LINE_BREAK | Flag.LOW_BATTERY)
    with system_scope():
        events.note_flags(
            flagged(
                (7, year, 1), (7, year - 1, both), (7, year - 2, 1), (7, year - 9, 1), (0, 5, 1)
            )
        )
        events.note_flags(flagged((8, 10, int(Flag.REVERSE_RUN)), (8, 11, 0)))
        events.note_flags(flagged((8, 11, 0)))
    assert rows_of_events() == [
        (7, "line_break", 2026, f"{{[{year - 9},{year - 8}),[{year - 2},{year})}}"),
        (7, "line_break", 2027, f"{{[{year},{year + 1})}}"),
        (7, "low_battery", 2026, f"{{[{year - 1},{year})}}"),
        (8, "reverse_run", 2000, "{[10,11)}"),
    ]


ROWS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(8780, 8800), st.integers(0, 127)), max_size=40
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, data=st.data())
def test_events_are_the_same_in_whatever_order_and_however_often(
    rows: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Hours 8780 to 8800 lie around the new year of 2001."""
    again = data.draw(st.permutations(rows + rows[: len(rows) // 2]))
    cut = data.draw(st.integers(0, len(again)))
    found = []
    for parts in ([rows], [again[:cut], again[cut:]]):
        with system_scope(), connection.cursor() as cursor:
            cursor.execute("delete from channel_event")
            for part in parts:
                events.note_flags(flagged(*part))
        found.append(rows_of_events())
    assert found[0] == found[1]
    told = {
        (channel, EventKind(str(flag.name).lower()).value, hour)
        for channel, hour, flags in rows
        for flag in Flag
        if flag & flags
    }
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "select channel_id, kind, generate_series(lower(r), upper(r) - 1), year"
            " from channel_event, unnest(hours) r"
        )
        kept = cursor.fetchall()
    assert {row[:3] for row in kept} == told
    assert all(time_of(hour).year == year for _, _, hour, year in kept)


def test_events_are_listed_with_place_start_and_end(alice: Utility) -> None:
    """Over the new year of 2026, across two rows of the table; the last one still lasts."""
    year = hour_of(datetime(2026, 1, 1, tzinfo=UTC))
    lost, low = int(Flag.LINE_BREAK), int(Flag.LOW_BATTERY)
    rows = [(h, 10, lost) for h in range(year - HOUR - 2, year - HOUR + 3)]
    store(*rows, (0, 20, 0), (1, 20, lost | low), (2, 20, low), (3, 20, low))
    now = hours(3)
    query = events.EventQuery(start=datetime(2025, 12, 1, tzinfo=UTC), end=LATER)
    with tenant_scope(alice.tenant_id):
        city = access.node_for(alice.operator, "alice-city")
        other = access.node_for(alice.operator, "alice-flat-2")
        found = events.events_below(city, query, now)
        told = [(e.kind.value, e.start, e.end, e.lasts) for e in found]
        assert told == [
            ("low_battery", hours(1), hours(4), True),
            ("line_break", hours(1), hours(2), False),
            ("line_break", time_of(year - 2), time_of(year + 3), False),
        ]
        assert [e.point_code for e in found] == ["alice-p1", "alice-p1", ""]
        assert {(e.module, e.input, e.node_code) for e in found} == {(1000, 1, "alice-flat-1")}
        assert events.events_below(other, query, now) == []
        assert events.events_of(point_of(alice), query, now) == found[:2]
        battery = replace(query, kinds=[EventKind.LOW_BATTERY])
        assert events.events_below(city, battery, now) == found[:1]
        first = events.events_below(city, replace(query, limit=2), now)
        rest = events.events_below(city, replace(query, after=first[-1].cursor), now)
        assert [*first, *rest] == found
        old = replace(query, end=hours(0))
        assert events.events_below(city, old, now) == found[2:]
    with tenant_scope(alice.tenant_id + 1):
        assert events.events_below(city, query, now) == []


def test_a_mark_makes_energy_unknown_until_it_ends_or_is_taken_back(alice: Utility) -> None:
    store(*((h, 10 * h, 0) for h in range(7)))
    with tenant_scope(alice.tenant_id):
        point = point_of(alice)
        mark = marks.mark_incorrect(alice.operator, point, (hours(2), None), " wet ", LATER)
        assert (mark.reason, mark.author, mark.end) == ("wet", "alice-operator", None)
        assert [q for _, q in energies(alice, 4)] == [
            Quality.MEASURED,
            Quality.MEASURED,
            Quality.INCORRECT,
            Quality.INCORRECT,
        ]
        day = point_intervals([point], [NOON, hours(6)])[point.id][0]
        assert (day.energy, day.quality, day.known_share) == (None, Quality.INCORRECT, 2 / 6)
        marks.end_mark(alice.operator, mark.id, hours(3), LATER)
        assert [e for e, _ in energies(alice, 4)] == [5, 5, None, 5]
        marks.void_mark(alice.operator, mark.id, LATER)
        assert [e for e, _ in energies(alice, 4)] == [5, 5, 5, 5]
        assert marks.marks_of([point.id]) == []
        (kept,) = marks.marks_of([point.id], void=True)
        assert (kept.void, kept.ended_by, kept.end) == (True, "alice-operator", hours(3))
        with pytest.raises(MarkRefusedError, match="taken back"):
            marks.end_mark(alice.operator, mark.id, hours(4), LATER)


@pytest.mark.parametrize(
    ("start", "end", "reason", "code"),
    [
        (0, 1, " ", "reason"),
        (0, 1, "x" * 501, "reason"),
        (1, 1, "x", "period"),
        (49, None, "x", "period"),
        (0, 24 * 400, "x", "period"),
    ],
)
def test_marks_that_make_no_sense_are_refused(
    alice: Utility, start: int, end: int | None, reason: str, code: str
) -> None:
    period = (hours(start), None if end is None else hours(end))
    with tenant_scope(alice.tenant_id):
        with pytest.raises(MarkRefusedError) as refused:
            marks.mark_incorrect(alice.operator, point_of(alice), period, reason, LATER)
        assert refused.value.code == code
        assert marks.marks_of([point_of(alice).id], void=True) == []


def test_only_who_judges_readings_marks_and_edits(
    alice: Utility, make_plan: Callable[..., RegistryPlan]
) -> None:
    apply_plan(make_plan("bob", serial=2000))
    with system_scope():
        bob = get_user_model().objects.get(username="bob-operator")
    strike = [Change(NOON, EditKind.STRIKE)]
    with tenant_scope(alice.tenant_id):
        point = point_of(alice)
        with pytest.raises(ForbiddenError):
            marks.mark_incorrect(alice.consumer, point, (NOON, None), "x", LATER)
        with pytest.raises(ForbiddenError):
            editing.edit(alice.consumer, point, strike, "x", LATER)
        mark = marks.mark_incorrect(alice.operator, point, (NOON, None), "x", LATER)
        with pytest.raises(ForbiddenError):
            marks.void_mark(alice.consumer, mark.id, LATER)
    with tenant_scope(bob.tenant_id):
        with pytest.raises(NotVisibleError):
            marks.mark_incorrect(bob, point, (NOON, None), "x", LATER)
        with pytest.raises(NotVisibleError):
            marks.void_mark(bob, mark.id, LATER)
        assert marks.marks_of([point.id]) == []


def test_an_edit_counts_instead_of_what_was_sent_and_survives_a_replay(alice: Utility) -> None:
    readings = [(0, 10, 0), (1, 99_999, 0), (2, 14, 0), (4, 20, int(Flag.MAGNETIC_FIELD))]
    store(*readings)
    with tenant_scope(alice.tenant_id):
        changes = [
            Change(hours(1), EditKind.CORRECT, 12),
            Change(hours(3), EditKind.ESTIMATE, 16),
            Change(hours(4), EditKind.CORRECT, 18),
        ]
        assert editing.edit(alice.operator, point_of(alice), changes, "spike", LATER) == 3
    store(*readings, (5, 20, 0))
    expected: list[tuple[Fraction | None, Quality]] = [
        (Fraction(1), Quality.MEASURED),
        (Fraction(1), Quality.MEASURED),
        (Fraction(1), Quality.ESTIMATED),
        (Fraction(1), Quality.ESTIMATED),
        (Fraction(1), Quality.MEASURED),
    ]
    with tenant_scope(alice.tenant_id):
        assert energies(alice, 5) == expected
        point = point_of(alice)
        editing.edit(alice.operator, point, [Change(hours(1), EditKind.STRIKE)], "no", LATER)
        assert [e for e, _ in energies(alice, 3)] == [None, None, 1]
        editing.edit(alice.operator, point, [Change(hours(1), EditKind.WITHDRAW)], "raw", LATER)
        assert energies(alice, 2)[0][0] == Fraction(99_989, 2)
        log = [
            (e.time, e.revision, e.kind.value, e.register, e.before)
            for e in editing.edits_of(point, NOON, hours(2))
        ]
    assert log == [
        (hours(1), 3, "withdraw", None, None),
        (hours(1), 2, "strike", None, 12),
        (hours(1), 1, "correct", 12, 99_999),
    ]


@pytest.mark.parametrize(
    ("changes", "reason", "code"),
    [
        ([Change(hours(0), EditKind.STRIKE)], "", "reason"),
        ([], "x", "empty"),
        ([Change(hours(0.5), EditKind.STRIKE)], "x", "time"),
        ([Change(hours(49), EditKind.STRIKE)], "x", "time"),
        ([Change(hours(0), EditKind.STRIKE)] * 2, "x", "time"),
        ([Change(hours(0), EditKind.CORRECT)], "x", "register"),
        ([Change(hours(0), EditKind.STRIKE, 5)], "x", "register"),
        ([Change(hours(0), EditKind.CORRECT, 2**31)], "x", "register"),
        ([Change(datetime(2025, 1, 1, tzinfo=UTC), EditKind.STRIKE)], "x", "no_channel"),
    ],
)
def test_edits_that_make_no_sense_are_refused(
    alice: Utility, changes: list[Change], reason: str, code: str
) -> None:
    with tenant_scope(alice.tenant_id):
        with pytest.raises(EditRefusedError) as refused:
            editing.edit(alice.operator, point_of(alice), changes, reason, LATER)
        assert refused.value.code == code


def moved(plan: RegistryPlan, at: datetime) -> RegistryPlan:
    """Return `plan` with the channel of p1 at a point of flat 2 from `at` on."""
    first, *others = plan.mountings
    return replace(
        plan,
        points=(*plan.points, replace(plan.points[0], code="alice-p2", node="alice-flat-2")),
        mountings=(
            replace(first, valid_to=at),
            replace(first, point="alice-p2", valid_from=at),
            *others,
        ),
    )


def test_an_edit_is_told_of_the_point_whose_meter_it_was(plan: RegistryPlan) -> None:
    """The channel served flat 1 until NOON + 2 h, flat 2 afterwards: each sees its own edits."""
    tenant_id = apply_plan(moved(plan, hours(2))).tenant_id
    store(*((h, 10 * h, 0) for h in range(6)))
    with system_scope():
        operator = get_user_model().objects.get(username="alice-operator")
    with tenant_scope(tenant_id):
        first, second = (access.point_for(operator, f"alice-p{n}") for n in (1, 2))
        for point, hour in ((first, 1), (second, 2), (second, 4)):
            change = Change(hours(hour), EditKind.ESTIMATE, 10 * hour)
            editing.edit(operator, point, [change], "x", LATER)
        told = [
            [one.time for one in editing.edits_of(point, NOON, hours(6))]
            for point in (first, second)
        ]
    assert told == [[hours(2), hours(1)], [hours(4), hours(2)]]


def test_an_edit_where_a_channel_moved_reaches_both_points(plan: RegistryPlan) -> None:
    tenant_id = apply_plan(moved(plan, hours(2))).tenant_id
    store(*((h, 10 * h, 0) for h in range(6)))
    with system_scope():
        operator = get_user_model().objects.get(username="alice-operator")
    with tenant_scope(tenant_id):
        first, second = (access.point_for(operator, f"alice-p{n}") for n in (1, 2))
        with connection.cursor() as cursor:
            cursor.execute("delete from balance_news")
            change = Change(hours(2), EditKind.CORRECT, 25)
            editing.edit(operator, second, [change], "x", LATER)
            assert hourly_profile(first, hours(1), hours(2))[0].energy == Fraction(15, 2)
            assert hourly_profile(second, hours(2), hours(3))[0].energy == Fraction(5, 2)
            cursor.execute("select distinct point_id from balance_news order by 1")
            assert cursor.fetchall() == [(first.id,), (second.id,)]


def test_edits_and_events_cannot_be_changed_unseen(alice: Utility) -> None:
    """The policy lets nobody, not even the product, update or delete an edit."""
    store((0, 10, 0))
    with tenant_scope(alice.tenant_id):
        change = Change(NOON, EditKind.CORRECT, 12)
        editing.edit(alice.operator, point_of(alice), [change], "x", LATER)
        with connection.cursor() as cursor:
            cursor.execute("update reading_edit set register = 1")
            assert cursor.rowcount == 0
            cursor.execute("delete from reading_edit")
            assert cursor.rowcount == 0
