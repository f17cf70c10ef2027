"""Dials read by eye: handed in, accepted or refused, and what they make of a meter by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from balans.core.hours import hour_of
from balans.domain.metering import ManualSource, ManualState, Quality
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import access, manual
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.dials import dial_at, dial_of, register_of
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.manual import JPEG, Dial, ManualRefusedError
from balans.storage.profile import point_intervals
from balans.storage.records import PointInfo
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import MountingPlan, RegistryPlan

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class People:
    """Alice's operator and consumer, and the point of flat 1."""

    def __init__(self, plan: RegistryPlan) -> None:
        self.tenant_id = apply_plan(plan).tenant_id
        with system_scope():
            users = {user.get_username(): user for user in get_user_model().objects.all()}
        self.operator = users["alice-operator"]
        self.consumer = users["alice-consumer"]

    def point(self, code: str = "alice-p1") -> PointInfo:
        return access.point_for(self.operator, code)


@pytest.fixture
def by_hand(plan: RegistryPlan) -> People:
    """A meter without a channel; it showed 1,000 Wh on 1 January."""
    mounting = MountingPlan(
        meter="alice-m1", point="alice-p1", valid_from=START, dial_at_mount=Decimal(1000)
    )
    return People(replace(plan, mountings=(mounting,)))


@pytest.fixture
def counted(plan: RegistryPlan) -> People:
    """A meter of 0.5 Wh a pulse whose dial and register at mounting are known."""
    first = replace(plan.mountings[0], register_at_mount=100, dial_at_mount=Decimal(5000))
    return People(replace(plan, mountings=(first, *plan.mountings[1:])))


def days(people: People, *bounds: float) -> list[tuple[Fraction | int | None, str]]:
    point = people.point()
    values = point_intervals([point], [START + bound * DAY for bound in bounds])[point.id]
    return [(value.energy, value.quality.value) for value in values]


def test_a_point_without_a_channel_lives_from_accepted_dials(by_hand: People) -> None:
    with tenant_scope(by_hand.tenant_id):
        point = by_hand.point()
        first = manual.hand_in(
            by_hand.consumer, point, Dial(at=START + 10 * DAY, value=Decimal(2000)), NOW
        )
        assert (first.source, first.state) == (ManualSource.CONSUMER, ManualState.PROPOSED)
        assert days(by_hand, 0, 10) == [(None, "missing")]
        accepted = manual.accept(by_hand.operator, first.id, NOW)
        assert (accepted.state, accepted.reviewer) == (ManualState.ACCEPTED, "alice-operator")
        assert days(by_hand, 0, 10) == [(1000, "measured")]
        assert days(by_hand, 0, 1, 3) == [(100, "estimated"), (200, "estimated")]
        assert days(by_hand, 5, 15) == [(None, "missing")]
        second = manual.hand_in(
            by_hand.operator, point, Dial(at=START + 20 * DAY, value=Decimal(2500)), NOW
        )
        assert second.source == ManualSource.OPERATOR
        manual.accept(by_hand.operator, second.id, NOW)
        assert days(by_hand, 5, 15) == [(500 + 250, "estimated")]
        assert dial_at(point, START + 15 * DAY) == 2250
        refused = manual.refuse(by_hand.operator, first.id, NOW, "another flat")
        assert (refused.state, refused.reason) == (ManualState.REFUSED, "another flat")
        assert days(by_hand, 0, 10) == [(750, "estimated")]


def test_what_waits_is_listed_for_the_node_above(by_hand: People) -> None:
    with tenant_scope(by_hand.tenant_id):
        point = by_hand.point()
        one = manual.hand_in(by_hand.consumer, point, Dial(at=NOW, value=Decimal(5)), NOW)
        city = access.node_for(by_hand.operator, "alice-city")
        other = access.node_for(by_hand.operator, "alice-flat-2")
        assert [found.id for found in manual.dials_below(city)] == [one.id]
        assert manual.dials_below(other) == []
        manual.refuse(by_hand.operator, one.id, NOW, "blurred")
        assert manual.dials_below(city) == []
        assert [found.state for found in manual.dials_below(city, None)] == [ManualState.REFUSED]
        assert [found.id for found in manual.dials_of(point)] == [one.id]


def test_a_photo_is_seen_by_who_sees_the_readings(
    by_hand: People, make_plan: Callable[..., RegistryPlan]
) -> None:
    apply_plan(make_plan("bob", serial=2000))
    picture = JPEG + b"\xe0" + bytes(100)
    with system_scope():
        bob = get_user_model().objects.get(username="bob-operator")
    with tenant_scope(by_hand.tenant_id):
        dial = Dial(at=NOW, value=Decimal(5), photo=picture)
        one = manual.hand_in(by_hand.consumer, by_hand.point(), dial, NOW)
        assert one.has_photo
        assert manual.photo_of(by_hand.consumer, one.id) == picture
        assert manual.photo_of(by_hand.operator, one.id) == picture
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from registry_history where table_name like 'manual%'")
            assert cursor.fetchone() == (1,)
    with tenant_scope(bob.tenant_id), pytest.raises(NotVisibleError):
        manual.photo_of(bob, one.id)


@pytest.mark.parametrize(
    ("dial", "code"),
    [
        (Dial(at=NOW + DAY, value=Decimal(5)), "time"),
        (Dial(at=NOW - 401 * DAY, value=Decimal(5)), "time"),
        (Dial(at=NOW, value=Decimal(-1)), "dial"),
        (Dial(at=NOW, value=Decimal(10) ** 15), "dial"),
        (Dial(at=NOW, value=Decimal(5), note="x" * 501), "note"),
        (Dial(at=NOW, value=Decimal(5), photo=b"GIF89a"), "photo"),
        (Dial(at=NOW, value=Decimal(5), photo=JPEG + bytes(5_000_000)), "photo"),
        (Dial(at=START - DAY, value=Decimal(5)), "no_meter"),
    ],
)
def test_dials_that_cannot_be_are_refused(by_hand: People, dial: Dial, code: str) -> None:
    with tenant_scope(by_hand.tenant_id):
        with pytest.raises(ManualRefusedError) as refused:
            manual.hand_in(by_hand.consumer, by_hand.point(), dial, NOW)
        assert refused.value.code == code
        assert manual.dials_of(by_hand.point()) == []


def test_nobody_floods_the_operator(by_hand: People) -> None:
    with tenant_scope(by_hand.tenant_id):
        for n in range(manual.OPEN_MAX):
            dial = Dial(at=NOW - n * DAY, value=Decimal(5))
            manual.hand_in(by_hand.consumer, by_hand.point(), dial, NOW)
        with pytest.raises(ManualRefusedError, match="wait already"):
            manual.hand_in(by_hand.consumer, by_hand.point(), Dial(at=NOW, value=Decimal(5)), NOW)


def test_a_consumer_judges_nothing_and_two_dials_of_one_time_do_not_count(
    by_hand: People,
) -> None:
    with tenant_scope(by_hand.tenant_id):
        dial = Dial(at=NOW, value=Decimal(5000))
        one, two = (manual.hand_in(by_hand.consumer, by_hand.point(), dial, NOW) for _ in range(2))
        with pytest.raises(ForbiddenError):
            manual.accept(by_hand.consumer, one.id, NOW)
        with pytest.raises(ForbiddenError):
            manual.refuse(by_hand.consumer, one.id, NOW, "x")
        with pytest.raises(NotVisibleError):
            manual.accept(by_hand.operator, 10**9, NOW)
        manual.accept(by_hand.operator, one.id, NOW)
        with pytest.raises(ManualRefusedError, match="accepted already"):
            manual.accept(by_hand.operator, one.id, NOW)
        with pytest.raises(ManualRefusedError, match="another dial"):
            manual.accept(by_hand.operator, two.id, NOW)
        with pytest.raises(ManualRefusedError, match="say why"):
            manual.refuse(by_hand.operator, two.id, NOW, " ")


def test_a_dial_gives_the_register_of_a_channel(counted: People) -> None:
    """0.5 Wh a pulse from register 100 at 5,000 Wh: 5,600.2 Wh are 1,200.4 pulses more."""
    with tenant_scope(counted.tenant_id):
        point = counted.point()
        at = NOW + timedelta(minutes=-20)
        assert register_of(point, at, Fraction("5600.2"), NOW) == (NOW, 1300)
        assert dial_at(point, NOW) is None
        dial = Dial(at=at, value=Decimal("5600.2"))
        one = manual.hand_in(counted.consumer, point, dial, NOW)
        manual.accept(counted.operator, one.id, NOW, set_register=True)
        assert dial_at(point, NOW) == 5600
        since = (START - START) / DAY, (NOW - START) / DAY
        assert days(counted, *since) == [(600, Quality.ESTIMATED.value)]


def test_a_register_cannot_be_told_without_the_dial_at_mounting(counted: People) -> None:
    with tenant_scope(counted.tenant_id):
        point = counted.point("alice-w1")
        assert register_of(point, NOW, Fraction(5), NOW) is None
        one = manual.hand_in(counted.operator, point, Dial(at=NOW, value=Decimal(5)), NOW)
        with pytest.raises(ManualRefusedError, match="does not follow"):
            manual.accept(counted.operator, one.id, NOW, set_register=True)
        assert manual.dials_of(point)[0].state == ManualState.PROPOSED


def test_the_dial_between_two_full_hours(counted: People) -> None:
    hour = hour_of(NOW)
    data = pack([Reading(1000, 1, hour - 1, 300), Reading(1000, 1, hour, 400)])
    store_batch("alice-hub", Batch.of(7, 0, (Entry(EntryKind.READINGS, data),)), NOW)
    flush_inbox(NOW + DAY)
    with tenant_scope(counted.tenant_id):
        point = counted.point()
        assert dial_at(point, NOW - timedelta(minutes=30)) == 5000 + 125
        assert dial_at(point, NOW + timedelta(minutes=30)) is None
        assert dial_at(point, START - DAY) is None


def with_transformers(people: RegistryPlan, ratio: Fraction) -> RegistryPlan:
    first, *others = people.meters
    return replace(people, meters=(replace(first, transformer_ratio=ratio), *others))


def test_a_dial_behind_transformers_is_worth_their_ratio(plan: RegistryPlan) -> None:
    """The face shows what is behind transformers of 200/5; the network used 40 times as much."""
    mounting = MountingPlan(
        meter="alice-m1", point="alice-p1", valid_from=START, dial_at_mount=Decimal(1000)
    )
    people = People(with_transformers(replace(plan, mountings=(mounting,)), Fraction(40)))
    with tenant_scope(people.tenant_id):
        dial = Dial(at=START + 10 * DAY, value=Decimal(2000))
        one = manual.hand_in(people.consumer, people.point(), dial, NOW)
        manual.accept(people.operator, one.id, NOW)
        assert days(people, 0, 10) == [(40_000, "measured")]
        assert dial_at(people.point(), START + 5 * DAY) == 1500


def test_pulses_behind_transformers_move_the_dial_by_their_weight(plan: RegistryPlan) -> None:
    first = replace(plan.mountings[0], register_at_mount=100, dial_at_mount=Decimal(5000))
    counted = replace(plan, mountings=(first, *plan.mountings[1:]))
    people = People(with_transformers(counted, Fraction(40)))
    store(300, 400)
    with tenant_scope(people.tenant_id):
        point = people.point()
        assert days(people, 0, (NOW - START) / DAY) == [(300 * 20, "measured")]
        assert dial_at(point, NOW) == 5000 + 300 / 2
        assert register_of(point, NOW, Fraction(5150), NOW) == (NOW, 400)


def test_a_dial_lower_than_at_mounting_gives_no_register(counted: People) -> None:
    """Taken around the range of the register it would be two thousand million pulses."""
    with tenant_scope(counted.tenant_id):
        point = counted.point()
        assert register_of(point, NOW, Fraction(4999), NOW) is None
        one = manual.hand_in(counted.consumer, point, Dial(at=NOW, value=Decimal(4999)), NOW)
        with pytest.raises(ManualRefusedError, match="does not follow"):
            manual.accept(counted.operator, one.id, NOW, set_register=True)


def test_a_dial_read_before_the_full_hour_is_accepted_at_once(counted: People) -> None:
    """The nearest full hour has not come: the one before it is given the register."""
    now = NOW + timedelta(minutes=50)
    with tenant_scope(counted.tenant_id):
        point = counted.point()
        dial = Dial(at=now, value=Decimal(5100))
        one = manual.hand_in(counted.consumer, point, dial, now)
        manual.accept(counted.operator, one.id, now, set_register=True)
        assert dial_at(point, NOW) == 5100


def test_a_dial_of_an_hour_before_its_meter_came_gives_no_register(plan: RegistryPlan) -> None:
    """The nearest full hour was that of the meter before, whose register it must not change."""
    at = NOW + timedelta(minutes=10)
    first, *others = plan.mountings
    old = replace(first, valid_to=at, register_at_removal=500)
    new = replace(
        first, meter="alice-m9", valid_from=at, register_at_mount=500, dial_at_mount=Decimal(0)
    )
    meters = (*plan.meters, replace(plan.meters[0], serial="alice-m9"))
    people = People(replace(plan, meters=meters, mountings=(old, new, *others)))
    with tenant_scope(people.tenant_id):
        soon = at + timedelta(minutes=10)
        assert register_of(people.point(), soon, Fraction(1), NOW + DAY) is None
        later = at + timedelta(minutes=25)
        hour = NOW + timedelta(hours=1)
        assert register_of(people.point(), later, Fraction(1), NOW + DAY) == (hour, 502)


def test_a_dial_goes_on_through_roll_overs_of_the_register(plan: RegistryPlan) -> None:
    """A register of 1000 pulses has gone round once before, and goes round again."""
    meter = replace(plan.meters[0], register_modulus=1000)
    first = replace(plan.mountings[0], register_at_mount=700, dial_at_mount=Decimal(5000))
    meters, mountings = (meter, *plan.meters[1:]), (first, *plan.mountings[1:])
    people = People(replace(plan, meters=meters, mountings=mountings))
    store(900, 300, 700, 950)
    with tenant_scope(people.tenant_id):
        assert dial_of(people.point(), 50, NOW + timedelta(minutes=20)) == 5000 + 1350 / 2


def store(*registers: int) -> None:
    """Store registers of the hours up to NOW."""
    first = hour_of(NOW) + 1 - len(registers)
    data = pack([Reading(1000, 1, first + n, one) for n, one in enumerate(registers)])
    store_batch("alice-hub", Batch.of(8, 0, (Entry(EntryKind.READINGS, data),)), NOW)
    flush_inbox(NOW + DAY)
