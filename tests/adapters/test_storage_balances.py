"""Balances of groups from readings in the database: nested, incremental, never missing as loss."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from tests.adapters.balance_town import (
    LATER,
    NOON,
    RATES,
    deliver,
    exchanged,
    group,
    node_of,
    report,
    seen,
    steady,
    street_plan,
)

from balans.core.words import Resource
from balans.domain.balances import Reach
from balans.protocols.readings import Flag
from balans.storage.archive import archive_year, restore_archive
from balans.storage.balance_groups import groups_of
from balans.storage.balance_loss import put_losses
from balans.storage.balances import Step, balances_of, refresh
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.sealing import seal_due

pytestmark = pytest.mark.django_db
HOURS = range(-24, 100)
TWO = NOON + timedelta(hours=2)


@pytest.fixture
def alice() -> int:
    return apply_plan(street_plan()).tenant_id


def test_groups_follow_the_registry(alice: int) -> None:
    with tenant_scope(alice):
        b1, b2, street = (group(alice, code) for code in ("b1", "b2", "street"))
        assert (b1.metered, b2.metered, street.metered) == (True, True, False)
        assert group(alice, "riser").parent_id == b1.id
        assert (b1.parent_id, street.parent_id) == (street.id, group(alice, "city").id)
        assert groups_of(node_of(alice, "f11")) == []
        assert [g.resource for g in groups_of(node_of(alice, "b1"))] == [Resource.ELECTRICITY]


def test_a_building_against_its_flats(alice: int) -> None:
    deliver(steady(RATES, HOURS))
    with tenant_scope(alice):
        assert seen(report(alice, "b1", end=TWO)) == [(105, 100, 5), (105, 100, 5)]
        assert seen(report(alice, "b2", end=TWO)) == [(54, 53, 1), (54, 53, 1)]


def test_a_street_is_the_sum_of_its_buildings(alice: int) -> None:
    """The lamps lie before any meter: no balance holds them."""
    deliver(steady(RATES, HOURS))
    with tenant_scope(alice):
        for code in ("street", "city"):
            for reach in Reach:
                assert seen(report(alice, code, end=TWO, reach=reach)) == [(159, 153, 6)] * 2
        found = report(alice, "street", end=TWO)
        assert len(found.terms.uncovered) == 2
        assert seen(report(alice, "riser", end=TWO)) == [(None, 60, None)] * 2


def test_a_missing_reading_is_no_loss(alice: int) -> None:
    readings = steady(RATES, HOURS)
    del readings["f12"][1]
    deliver(readings)
    with tenant_scope(alice):
        found = report(alice, "b1")
        assert seen(found) == [(105, None, None), (105, None, None), (105, 100, 5), (105, 100, 5)]
        first = found.lines[0].balance
        assert (first.expected, first.known, first.outflow_known) == (5, 4, 80_000)
        assert first.completeness == 0.8
        assert seen(report(alice, "b2"))[0] == (54, 53, 1)
        assert seen(report(alice, "street"))[0] == (159, None, None)
        whole = report(alice, "b1", NOON - timedelta(hours=13), NOON + timedelta(hours=11),
                       Step.DAY)  # fmt: skip
        assert seen(whole) == [(24 * 105, 24 * 100, 24 * 5)]


def test_late_readings_reach_all_sums(alice: int) -> None:
    readings = steady(RATES, HOURS)
    late = {"f12": {hour: readings["f12"].pop(hour) for hour in range(-14, 12)}}
    deliver(readings)
    day = NOON - timedelta(hours=13), NOON + timedelta(hours=11), Step.DAY
    with tenant_scope(alice):
        assert seen(report(alice, "street"))[0] == (159, None, None)
        assert seen(report(alice, "b1", *day)) == [(24 * 105, None, None)]
    deliver(late)
    with tenant_scope(alice):
        assert seen(report(alice, "street")) == [(159, 153, 6)] * 4
        assert seen(report(alice, "b1", *day)) == [(2520, 2400, 120)]


def test_the_register_at_midnight_ends_the_day_before(alice: int) -> None:
    readings = steady(RATES, HOURS)
    late = {"f12": {12: readings["f12"].pop(12)}}  # 00:00 UTC of the next day
    deliver(readings)
    span = NOON + timedelta(hours=11), NOON + timedelta(hours=12)
    with tenant_scope(alice):
        assert seen(report(alice, "b1", *span)) == [(105, None, None)]
    deliver(late)
    with tenant_scope(alice):
        assert seen(report(alice, "b1", *span)) == [(105, 100, 5)]


def test_the_worker_does_it_too(alice: int) -> None:
    assert refresh(LATER) == 0  # the groups
    deliver(steady(RATES, HOURS))
    while refresh(LATER, 10) == 10:
        pass
    assert refresh(LATER) == 0
    with tenant_scope(alice), connection.cursor() as cursor:
        cursor.execute("select count(*), count(distinct group_id) from balance_hour")
        rows, groups = cursor.fetchone()
        assert groups == 4  # b1, riser, b2, street
        assert rows > groups
        cursor.execute("select step, count(*) from balance_period group by 1 order by 1")
        assert dict(cursor.fetchall()).keys() == {1, 2, 3}
        cursor.execute("update balance_hour set energy[13] = energy[13] + 1000")
        b1 = report(alice, "b1", end=NOON + timedelta(hours=1))
        assert seen(b1) == [(106, 102, 4)]  # what is kept is what is told


def test_a_doubt_is_counted_and_told(alice: int) -> None:
    readings = steady(RATES, HOURS)
    doubted = {"f13": {2: readings["f13"].pop(2)}}
    deliver(readings)
    deliver(doubted, flags=int(Flag.MAGNETIC_FIELD))
    with tenant_scope(alice):
        found = report(alice, "b1")
        assert [line.balance.suspect for line in found.lines] == [0, 1, 1, 0]
        assert seen(found) == [(105, 100, 5)] * 4


def test_an_exchange_of_a_meter_also_back_dated(alice: int) -> None:
    readings = steady(RATES, HOURS)
    deliver(readings)
    with tenant_scope(alice):
        assert seen(report(alice, "b1")) == [(105, 100, 5)] * 4
    at = NOON + timedelta(hours=1, minutes=30)
    plan = exchanged(street_plan(), "f12", at, (5030, 0))
    apply_plan(plan)
    deliver({"f12": {hour: 5 + 10 * (hour - 2) for hour in range(2, 100)}}, number=2)
    with tenant_scope(alice):
        # 20 Wh, then 10 before and 2 × 5 after the exchange, then 2 × 10
        assert seen(report(alice, "b1")) == [(105, 100, 5)] * 4
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from balance_news")
            assert cursor.fetchone() == (0,)


def test_another_weight_of_a_pulse_counts_from_the_beginning(alice: int) -> None:
    deliver(steady(RATES, HOURS))
    with tenant_scope(alice):
        assert seen(report(alice, "b1"))[0] == (105, 100, 5)
    plan = street_plan()
    meters = tuple(replace(m, pulse_weight=m.pulse_weight * 2) if m.serial == "shop" else m
                   for m in plan.meters)  # fmt: skip
    apply_plan(replace(plan, meters=meters))
    with tenant_scope(alice):
        assert seen(report(alice, "b1"))[0] == (105, 140, -35)


def test_a_point_that_moves_takes_its_sums_along(alice: int) -> None:
    deliver(steady(RATES, HOURS))
    with tenant_scope(alice):
        assert seen(report(alice, "b1"))[0] == (105, 100, 5)
    plan = street_plan()
    points = tuple(replace(p, node="b2") if p.code == "shop" else p for p in plan.points)
    apply_plan(replace(plan, points=points))
    with tenant_scope(alice):
        assert seen(report(alice, "b1"))[0] == (105, 60, 45)
        assert seen(report(alice, "b2"))[0] == (54, 93, -39)


def test_a_flat_without_a_meter_yet_is_not_expected() -> None:
    """In the hour in which its meter begins it is known for a part only."""
    plan = street_plan()
    begin = NOON + timedelta(hours=1, minutes=30)
    mountings = tuple(
        replace(m, valid_from=begin, register_at_mount=5045) if m.point == "f13" else m
        for m in plan.mountings
    )
    alice = apply_plan(replace(plan, mountings=mountings)).tenant_id
    deliver(steady(RATES, HOURS))
    with tenant_scope(alice):
        found = report(alice, "b1", end=NOON + timedelta(hours=3))
        assert seen(found) == [(105, 70, 35), (105, None, None), (105, 100, 5)]
        assert [line.balance.expected for line in found.lines] == [4, 5, 5]
        assert [line.balance.known for line in found.lines] == [4, 4, 5]


def test_technical_losses_are_null_until_computed(alice: int) -> None:
    deliver(steady(RATES, HOURS))
    with tenant_scope(alice):
        b1, b2 = group(alice, "b1"), group(alice, "b2")
        put_losses(b1.id, NOON, [3000, 4000], "test", LATER)
        lines = report(alice, "b1").lines
        assert [line.balance.loss for line in lines] == [3000, 4000, None, None]
        assert [line.balance.imbalance for line in lines] == [2000, 1000, 5000, 5000]
        assert report(alice, "street").lines[0].balance.loss is None  # b2 has none
        put_losses(b2.id, NOON, [1000], "test", LATER)
        assert report(alice, "street").lines[0].balance.loss == 4000
        put_losses(b1.id, NOON, [None], "test", LATER)
        assert [line.balance.loss for line in report(alice, "b1").lines][:2] == [None, 4000]


def test_days_of_23_and_months(alice: int) -> None:
    """The clock is put forward in the night to 29 March."""
    deliver(steady(RATES, range(-24, 24 * 20)))
    start = NOON + timedelta(hours=11)  # midnight in Paris
    with tenant_scope(alice):
        days = report(alice, "b1", start, start + timedelta(hours=71), Step.DAY)
        assert seen(days) == [(h * 105, h * 100, h * 5) for h in (24, 23, 24)]
        both = report(alice, "street", NOON, NOON + timedelta(days=10), Step.MONTH)
        hours = [int((line.end - line.start) / timedelta(hours=1)) for line in both.lines]
        assert sum(hours) == 240
        assert seen(both) == [(h * 159, h * 153, h * 6) for h in hours]
        year = report(alice, "street", NOON, NOON + timedelta(days=10), Step.YEAR)
        assert seen(year) == [(240 * 159, 240 * 153, 240 * 6)]


@pytest.mark.parametrize("kept", ["the day is kept", "nothing is kept"])
def test_several_days_are_not_the_first_of_them(alice: int, kept: str) -> None:
    deliver(steady(RATES, range(-40, 100)))
    start = NOON - timedelta(hours=13)  # midnight in Paris

    def of_the_day() -> int | None:
        end = start + timedelta(days=1)
        return report(alice, "b1", start, end, Step.DAY).lines[0].balance.inflow

    with tenant_scope(alice):
        if kept == "the day is kept":
            assert of_the_day() == 24 * 105 * 1000
        b1, span = group(alice, "b1"), (start, start + timedelta(days=2))
        both = balances_of([b1], node_of(alice, "b1"), span, LATER)[b1.id]
        assert both.inflow == 48 * 105 * 1000
        assert of_the_day() == 24 * 105 * 1000


def test_another_tenant_sees_nothing(alice: int) -> None:
    deliver(steady(RATES, HOURS))
    with system_scope():
        refresh_all()
    with tenant_scope(alice + 1), connection.cursor() as cursor:
        for table in ("balance_group", "balance_hour", "balance_period", "balance_point"):
            cursor.execute(f"select count(*) from {table}")
            assert cursor.fetchone() == (0,)


def refresh_all() -> None:
    from balans.storage.balance_upkeep import compute_marks, take_marks, take_news

    take_news(wait=True)
    compute_marks(take_marks(1000))


def growing() -> dict[str, dict[int, int]]:
    return {code: {h: 5000 + rate * h * h for h in HOURS} for code, rate in RATES.items()}


def day_of_b1(tenant: int, begins_utc: datetime) -> object:
    with tenant_scope(tenant):
        return seen(report(tenant, "b1", begins_utc, begins_utc + timedelta(days=1), Step.DAY))


def test_a_street_and_a_building_in_two_time_zones_have_days_of_their_own() -> None:
    plan = street_plan()
    nodes = (replace(n, timezone="Europe/Lisbon") if n.code == "b1" else n for n in plan.nodes)
    alice = apply_plan(replace(plan, nodes=tuple(nodes))).tenant_id
    deliver(growing())
    paris, lisbon = (datetime(2026, 3, 27, hour, tzinfo=UTC) for hour in (23, 0))
    lisbon += timedelta(days=1)
    before = day_of_b1(alice, lisbon)
    with tenant_scope(alice):
        street = report(alice, "street", paris, paris + timedelta(days=1), Step.DAY)
        with connection.cursor() as cursor:
            cursor.execute("delete from balance_period")
        again = report(alice, "street", paris, paris + timedelta(days=1), Step.DAY)
    assert seen(street) == seen(again)
    assert day_of_b1(alice, lisbon) == before


def test_another_time_zone_has_other_days(alice: int) -> None:
    deliver(growing())
    paris, lisbon = datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 28, tzinfo=UTC)
    before = day_of_b1(alice, paris)
    plan = street_plan()
    nodes = (replace(n, timezone="Europe/Lisbon") if n.code == "city" else n for n in plan.nodes)
    apply_plan(replace(plan, nodes=tuple(nodes)))
    after = day_of_b1(alice, lisbon)
    assert after != before
    with tenant_scope(alice), connection.cursor() as cursor:
        cursor.execute("delete from balance_period")
    assert day_of_b1(alice, lisbon) == after


def test_what_was_computed_while_a_year_was_away_is_computed_again(
    alice: int, tmp_path: Path
) -> None:
    now = LATER + timedelta(days=400)
    deliver(steady(RATES, HOURS))
    days = NOON - timedelta(hours=13), NOON + timedelta(hours=35)
    with tenant_scope(alice):
        before = seen(report(alice, "b1", *days, Step.DAY)), seen(report(alice, "b1"))
    seal_due(now)
    archive_year(NOON.year, tmp_path / "year", now)
    deliver(steady({"shop": RATES["shop"]}, range(5)), now=now)
    with tenant_scope(alice):
        assert {one[2] for one in seen(report(alice, "b1", *days, Step.DAY))} == {None}
        assert {one[2] for one in seen(report(alice, "b1"))} == {None}
    restore_archive(tmp_path / "year")
    with tenant_scope(alice):
        assert (seen(report(alice, "b1", *days, Step.DAY)), seen(report(alice, "b1"))) == before
