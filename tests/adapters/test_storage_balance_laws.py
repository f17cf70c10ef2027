"""Laws: what is kept up is what would be computed afresh; the fast way is the exact one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.balance_town import (
    LATER,
    NOON,
    POINTS,
    deliver,
    exchanged,
    node_of,
    report,
    street_plan,
)

from balans.domain.balances import State, is_known, state_of
from balans.protocols.readings import Flag
from balans.storage import lookups, profile
from balans.storage.balance_cells import point_cells
from balans.storage.balance_upkeep import compute_marks, take_marks, take_news
from balans.storage.balances import Line, Step
from balans.storage.models import MeteringPoint
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope

pytestmark = pytest.mark.django_db
slow = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HOURS = st.integers(-30, 40)
ODD = {"f11": Fraction(1, 3), "b1-in": Fraction(7, 11)}


@dataclass(frozen=True)
class Sent:
    """Readings that come together: a point, hours, how fast it counts, whether it is doubted."""

    code: str
    first: int
    count: int
    rate: int
    doubted: bool

    def deliver(self) -> None:
        """Bring them in."""
        hours = range(self.first, self.first + self.count)
        registers = {hour: 5000 + self.rate * hour for hour in hours}
        flags = int(Flag.LINE_BREAK) if self.doubted else 0
        deliver({self.code: registers}, flags=flags)


sent = st.builds(
    Sent, st.sampled_from(sorted(POINTS)), HOURS, st.integers(1, 30), st.integers(0, 50),
    st.booleans(),
)  # fmt: skip
looks = st.tuples(st.sampled_from(["b1", "b2", "street"]), st.sampled_from(Step))


@contextmanager
def undone() -> Iterator[None]:
    """Take back what the block wrote, so that the next example finds nothing."""
    example: Any = transaction.atomic()
    example._from_testcase = True  # durable blocks may lie inside, as in tests of Django's own
    with example:
        yield
        transaction.set_rollback(True)


def lines(tenant: int) -> dict[tuple[str, Step], tuple[Line, ...]]:
    start, end = NOON - timedelta(hours=30), NOON + timedelta(hours=50)
    return {
        (code, step): report(tenant, code, start, end, step).lines
        for code in ("b1", "b2", "street", "riser")
        for step in Step
    }


def forget() -> None:
    """Empty all that is kept."""
    with connection.cursor() as cursor:
        for table in ("balance_hour", "balance_period", "balance_dirty"):
            cursor.execute(f"delete from {table}")


@slow
@given(st.lists(st.one_of(sent, looks), min_size=1, max_size=6), st.sampled_from([None, 0, 20]))
def test_incremental_is_afresh(
    steps: Sequence[Sent | tuple[str, Step]], exchange: int | None
) -> None:
    """Readings come in any order, someone looks in between, a meter is exchanged in the end."""
    with undone():
        alice = apply_plan(street_plan(ODD)).tenant_id
        for step in steps:
            if isinstance(step, Sent):
                step.deliver()
                continue
            code, length = step
            with tenant_scope(alice):
                report(alice, code, NOON - timedelta(hours=26), NOON, length)
        if exchange is not None:
            at = NOON + timedelta(hours=exchange, minutes=30)
            apply_plan(exchanged(street_plan(ODD), "f12", at, (5000, 0)))
        with tenant_scope(alice):
            take_news(wait=True)
            compute_marks(take_marks(3))  # the worker got so far
            kept = lines(alice)
            forget()
            assert lines(alice) == kept


@slow
@given(st.lists(sent, min_size=1, max_size=5), st.lists(HOURS, min_size=2, max_size=5, unique=True))
def test_the_fast_way_is_the_exact_one(parts: Sequence[Sent], chosen: list[int]) -> None:
    with undone():
        plan = exchanged(street_plan(ODD), "f12", NOON + timedelta(minutes=90), (5030, 0))
        alice = apply_plan(plan).tenant_id
        for part in parts:
            part.deliver()
        with tenant_scope(alice):
            city = node_of(alice, "city")
            points = sorted(lookups.points_of(city, below=True), key=lambda point: point.id)
            mark(points[3].id, NOON - timedelta(hours=3), NOON + timedelta(hours=3))
            ids = np.array([point.id for point in points])
            bounds = [NOON + timedelta(hours=hour) for hour in sorted(chosen)]
            cells = point_cells(ids, bounds)
            exact = profile.point_intervals(points, bounds)
        for row, point in enumerate(points):
            for column, value in enumerate(exact[point.id]):
                known = value.energy is not None
                state = state_of(value.quality, known=known, expected=True)
                assert State(int(cells.state[row, column])) is state
                found = cells.energy(row, column)
                assert found == (value.energy if is_known(state) else None)


def mark(point_id: int, start: datetime, end: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into point_mark (tenant_id, point_id, valid_from, valid_to, reason, author,"
            " made_at, ended_by, void)"
            " select tenant_id, id, %s, %s, 'test', 'test', %s, '', false from metering_point"
            " where id = %s",
            [start, end, LATER, point_id],
        )


def test_an_operator_s_mark_reaches_the_balance() -> None:
    from balans.storage.balance_dirty import mark_points

    alice = apply_plan(street_plan()).tenant_id
    for code, rate in {"b1-in": 100, "f11": 10, "f12": 20, "f13": 30, "shop": 40}.items():
        Sent(code, -24, 60, rate, doubted=False).deliver()
    with tenant_scope(alice):
        before = report(alice, "b1")
        assert {line.balance.imbalance for line in before.lines} == {0}
        (f13,) = MeteringPoint.objects.filter(code="f13")
        start, end = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
        mark(f13.pk, start, end)
        mark_points([f13.pk], start, end)
        after = report(alice, "b1")
        assert [line.balance.imbalance for line in after.lines] == [0, None, 0, 0]
        assert after.lines[1].balance.completeness == 0.8
        day = report(alice, "b1", NOON - timedelta(hours=13), NOON + timedelta(hours=11), Step.DAY)
        assert day.lines[0].balance.imbalance is None


def test_a_full_day_of_utc_has_every_hour() -> None:
    """A group that nobody has told anything of is expected and unknown, hour by hour."""
    alice = apply_plan(street_plan()).tenant_id
    with tenant_scope(alice):
        start = datetime(2026, 3, 1, tzinfo=UTC)
        found = report(alice, "b2", start, start + timedelta(days=2))
    assert [line.balance.expected for line in found.lines] == [4] * 48
    assert {line.balance.known for line in found.lines} == {0}
