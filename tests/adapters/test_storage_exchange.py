"""A change of meter, today or back-dated: sums through it are exact, and it can be read back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.hours import hour_of
from balans.domain.metering import IntervalValue, Quality
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import access
from balans.storage.access import ForbiddenError
from balans.storage.commands import Author
from balans.storage.dials import dial_at
from balans.storage.exchange import ExchangeRefusedError, exchange_meter, mountings_at
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.profile import hourly_profile, point_intervals
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.exchange_meter import Exchange, NewMeter, OutputExchange
from balans.usecases.registry_plan import MountingPlan, PointPlan, RegistryPlan

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=2)
HOUR = hour_of(NOON)
NEW = NewMeter(serial="alice-m9", pulse_weight=Fraction(2))


def hours(n: float) -> datetime:
    return NOON + timedelta(hours=n)


def store(registers: dict[int, int], number: int = 1) -> None:
    data = pack([Reading(1000, number, HOUR + h, r) for h, r in registers.items()])
    journal = 1 + abs(hash((number, *registers.items()))) % 2**40
    store_batch("alice-hub", Batch.of(journal, 0, (Entry(EntryKind.READINGS, data),)), NOON)
    flush_inbox(LATER)


@pytest.fixture
def operator(plan: RegistryPlan) -> Author:
    first = replace(plan.mountings[0], register_at_mount=100, dial_at_mount=Decimal(5_000))
    apply_plan(replace(plan, mountings=(first, *plan.mountings[1:])))
    with system_scope():
        return get_user_model().objects.get(username="alice-operator")


def values(operator: Author, *bounds: float) -> list[IntervalValue]:
    point = access.point_for(operator, "alice-p1")
    return point_intervals([point], [hours(bound) for bound in bounds])[point.id]


def test_a_back_dated_exchange_on_the_same_channel(operator: Author) -> None:
    """12:30: the old meter of 0.5 Wh shows 5,455 Wh, so its register is 1,010; 2 Wh from then."""
    store({h: 1000 + 20 * h for h in range(6)})
    output = OutputExchange(
        point="alice-p1", dial_at_removal=Decimal(5_455), dial_at_mount=Decimal(3)
    )
    order = Exchange(old="alice-m1", new=NEW, at=hours(0.5), outputs=(output,))
    with tenant_scope(operator.tenant_id):
        assert values(operator, 0, 5)[0].energy == 50
        assert exchange_meter(operator, order, LATER) == 1
        assert [one.energy for one in values(operator, 0, 1, 2, 5)] == [5 + 20, 40, 120]
        assert values(operator, 0, 5)[0].energy == 185
        point = access.point_for(operator, "alice-p1")
        new, old = mountings_at(point)
        assert (old.register_at_removal, old.dial_at_removal) == (1010, Decimal(5455))
        assert (new.meter, new.register_at_mount, new.valid_to) == ("alice-m9", 1010, None)
        assert dial_at(point, hours(0)) == 5_450
        assert dial_at(point, hours(2)) == 3 + 2 * 30


def test_an_exchange_before_another_one_keeps_what_came_after(operator: Author) -> None:
    store({h: 1000 + 20 * h for h in range(11)})
    second = replace(NEW, serial="alice-m8", pulse_weight=Fraction(10))
    with tenant_scope(operator.tenant_id):
        exchange_meter(operator, Exchange(old="alice-m1", new=NEW, at=hours(8)), LATER)
        exchange_meter(operator, Exchange(old="alice-m1", new=second, at=hours(4)), LATER)
        assert [one.energy for one in values(operator, 0, 4, 8, 10)] == [40, 800, 80]
        meters = [m.meter for m in mountings_at(access.point_for(operator, "alice-p1"))]
        assert meters == ["alice-m9", "alice-m8", "alice-m1"]


def test_an_exchange_to_another_channel_within_an_hour(operator: Author) -> None:
    store({0: 1001, 1: 1001, 2: 1001})
    store({0: 39, 1: 45, 2: 46}, number=3)
    output = OutputExchange(
        point="alice-p1", register_at_removal=1007, register_at_mount=40, channel=(1000, 3)
    )
    order = Exchange(old="alice-m1", new=NEW, at=hours(1 / 3), outputs=(output,))
    with tenant_scope(operator.tenant_id):
        exchange_meter(operator, order, LATER)
        assert [one.energy for one in values(operator, 0, 1, 2)] == [3 + 10, 2]


def test_a_meter_with_two_outputs_is_exchanged_at_both_points(
    plan: RegistryPlan, operator: Author
) -> None:
    reactive = PointPlan(code="alice-r1", name="R", node="alice-flat-1", resource="reactive")
    both = MountingPlan(
        meter="alice-m1", point="alice-r1", module=1000, input=3, valid_from=hours(-24)
    )
    apply_plan(
        replace(plan, points=(*plan.points, reactive), mountings=(both,), accounts=(), loads=())
    )
    store({0: 10, 1: 20, 2: 30})
    store({0: 5, 1: 6, 2: 7}, number=3)
    with tenant_scope(operator.tenant_id):
        order = Exchange(old="alice-m1", new=NEW, at=hours(1))
        assert exchange_meter(operator, order, LATER) == 2
        assert [one.energy for one in values(operator, 0, 1, 2)] == [5, 20]
        point = access.point_for(operator, "alice-r1")
        assert [v.energy for v in hourly_profile(point, NOON, hours(2))] == [Fraction(1, 2), 2]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(st.integers(0, 400), min_size=10, max_size=10),
    cut=st.integers(1, 599),
    start=st.integers(0, 999),
)
def test_equal_meters_exchanged_at_any_minute_change_no_sum(
    operator: Author, steps: list[int], cut: int, start: int
) -> None:
    """Also where the registers roll over at 1000, and whatever the register at the exchange."""
    from django.db import transaction

    from balans.storage.models import Meter

    registers = [sum(steps[:h], start) % 1000 for h in range(11)]
    hour, minute = divmod(cut, 60)
    at_cut = (sum(steps[:hour], start) + steps[hour] * minute // 60) % 1000
    output = OutputExchange(point="alice-p1", register_at_removal=at_cut)
    order = Exchange(
        old="alice-m1", new=NewMeter(serial="alice-m9"), at=hours(cut / 60), outputs=(output,)
    )
    with tenant_scope(operator.tenant_id), transaction.atomic():
        Meter.objects.filter(serial="alice-m1").update(register_modulus=1000)
        point = access.point_for(operator, "alice-p1")
        (channel,) = (m.channel_id for m in mountings_at(point))
        put(operator.tenant_id, channel, registers)
        before = [one.energy for one in values(operator, *range(11))]
        exchange_meter(operator, order, LATER)
        assert [one.energy for one in values(operator, *range(11))] == before
        assert values(operator, 0, 10)[0].energy == Fraction(sum(steps), 2)
        transaction.set_rollback(True)


def put(tenant_id: int, channel: int | None, registers: list[int]) -> None:
    """Write registers of NOON to 22:00 straight into the day row."""
    from django.db import connection

    columns = ", ".join(f"h{hour:02d}" for hour in range(12, 23))
    with connection.cursor() as cursor:
        cursor.execute("delete from reading_day")
        cursor.execute(
            f"insert into reading_day (channel_id, day, tenant_id, {columns})"
            f" values (%s, %s, %s, {', '.join(['%s'] * 11)})",
            [channel, NOON.date(), tenant_id, *registers],
        )


@pytest.fixture
def _partition() -> None:
    from balans.storage.partitions import make_partitions

    with system_scope():
        make_partitions({NOON.date().replace(day=1)})


@pytest.fixture(autouse=True)
def _month_there(_partition: None) -> None:
    """The month of NOON can be written to."""


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"old": "nothing"}, "old meter"),
        ({"new": NewMeter(serial="alice-m1")}, "new meter"),
        ({"new": NewMeter(serial=" ")}, "new meter"),
        ({"new": NewMeter(serial="alice-m2")}, "alice-m2 measures"),
        ({"at": LATER + timedelta(hours=1)}, "time"),
        ({"at": hours(0.5)}, "register_at_removal"),
        ({"outputs": (OutputExchange(point="alice-w1"),)}, "point alice-w1"),
        ({"outputs": (OutputExchange(point="alice-p1", register_at_mount=-1),)}, "register"),
        ({"outputs": (OutputExchange(point="alice-p1", dial_at_removal=Decimal(1)),)}, "dial"),
        ({"outputs": (OutputExchange(point="alice-p1", channel=(1000, 2)),)}, "conflicting"),
        ({"outputs": (OutputExchange(point="alice-p1", channel=(9, 2)),)}, "module 9"),
    ],
)
def test_exchanges_that_make_no_sense_change_nothing(
    operator: Author, change: dict[str, object], where: str
) -> None:
    order = replace(Exchange(old="alice-m1", new=NEW, at=NOON), **change)  # type: ignore[arg-type]
    with tenant_scope(operator.tenant_id):
        before = mountings_at(access.point_for(operator, "alice-p1"))
        with pytest.raises(ExchangeRefusedError, match=where):
            exchange_meter(operator, order, LATER)
        assert mountings_at(access.point_for(operator, "alice-p1")) == before


def test_only_who_describes_the_registry_exchanges(operator: Author) -> None:
    with system_scope():
        consumer = get_user_model().objects.get(username="alice-consumer")
    with tenant_scope(operator.tenant_id), pytest.raises(ForbiddenError):
        exchange_meter(consumer, Exchange(old="alice-m1", new=NEW, at=NOON), LATER)


def test_a_meter_mounted_within_an_hour_counts_from_the_next_full_one(plan: RegistryPlan) -> None:
    """Without a register at mounting the first day is known all the same, as a part of a day."""
    mounting = replace(plan.mountings[0], valid_from=hours(0.5), valid_to=hours(3.5))
    apply_plan(replace(plan, mountings=(mounting,)))
    store({h: 10 * h for h in range(6)})
    with system_scope():
        user = get_user_model().objects.get(username="alice-operator")
    with tenant_scope(user.tenant_id):
        (whole,) = values(user, 0, 5)
        assert (whole.energy, whole.quality) == (Fraction(10), Quality.PARTIAL)
        assert [v.energy for v in values(user, *range(6))] == [None, 5, 5, None, None]
