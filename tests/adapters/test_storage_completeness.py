"""How far metering points have delivered, for many at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balans.core.hours import hour_of
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import lookups
from balans.storage.completeness import PointState, point_states
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.storage.sealing import seal_due
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 17, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def deliver(hours: list[datetime], input_: int = 1) -> None:
    readings = [Reading(1000, input_, hour_of(at), 10 * n) for n, at in enumerate(hours)]
    entry = Entry(EntryKind.READINGS, pack(readings))
    store_batch("alice-hub", Batch.of(input_, 0, (entry,)), NOW)
    flush_inbox(NOW)


@pytest.fixture
def states(plan: RegistryPlan) -> Callable[[], dict[str, PointState]]:
    """A function that gives the states of Alice's points by code."""
    tenant_id = apply_plan(plan).tenant_id

    def by_code() -> dict[str, PointState]:
        with tenant_scope(tenant_id):
            house = lookups.site_by_code(tenant_id, "alice-house")
            assert house is not None
            points = lookups.points_of(house, below=True)
            found = point_states(points, NOW)
        return {point.code: found[point.id] for point in points}

    return by_code


def test_nothing_delivered(states: Callable[[], dict[str, PointState]]) -> None:
    assert states()["alice-p1"] == PointState()


def test_the_window_counts_from_the_first_register_ever(
    states: Callable[[], dict[str, PointState]],
) -> None:
    last = NOW.replace(minute=0)
    deliver([last - n * HOUR for n in (5, 4, 3, 1, 0)])
    found = states()["alice-p1"]
    assert (found.known, found.expected) == (5, 6)
    assert found.last == last
    assert found.register == 40


def test_old_hours_lie_outside_the_window(states: Callable[[], dict[str, PointState]]) -> None:
    last = NOW.replace(minute=0) - 30 * HOUR
    deliver([last - HOUR, last])
    found = states()["alice-p1"]
    assert (found.known, found.expected) == (0, 24)
    assert (found.last, found.register) == (last, 10)


def test_a_channel_that_has_long_been_silent_is_told_from_its_sealed_month(
    states: Callable[[], dict[str, PointState]],
) -> None:
    last = NOW.replace(minute=0) - 60 * 24 * HOUR
    deliver([last - HOUR, last])
    before = states()["alice-p1"]
    assert seal_due(NOW, keep_open_months=1) == 1
    assert states()["alice-p1"] == before
    assert (before.last, before.register, before.known, before.expected) == (last, 10, 0, 24)


def test_many_points_cost_no_more_queries(states: Callable[[], dict[str, PointState]]) -> None:
    deliver([NOW.replace(minute=0)], input_=1)
    with CaptureQueriesContext(connection) as one:
        states()
    deliver([NOW.replace(minute=0)], input_=2)
    with CaptureQueriesContext(connection) as two:
        assert states()["alice-w1"].known == 1
    assert len(two) == len(one)
