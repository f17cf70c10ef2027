"""Balances of a group of 10,000 channels: from readings, from what is kept, and upkeep.

Asked for: the hourly balance of 10,000 channels for a day in 60 ms, median on a warm cache.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from django.db import connection
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_django import DjangoDbBlocker
from tests.conftest import django_database_url, django_db_setup, pg_server, server_dir

from balans.core.hours import hour_of
from balans.core.words import Resource
from balans.domain.balances import Reach
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import lookups
from balans.storage.balance_cells import point_cells
from balans.storage.balance_dirty import mark_channels
from balans.storage.balance_groups import GroupInfo, forest_of, group_of, slots_of
from balans.storage.balance_sums import Places
from balans.storage.balance_upkeep import directly, take_news
from balans.storage.balances import Step, balance, bounds_of, refresh
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope
from balans.usecases.registry_plan import (
    HubPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
)

__all__ = ["django_database_url", "django_db_setup", "pg_server", "server_dir"]

CHANNELS = 10_000
START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + 3 * DAY
INFLOW = "in"


def plan() -> RegistryPlan:
    """One building with an inflow meter and 9,999 consumers."""
    codes = [INFLOW, *(f"p{n}" for n in range(1, CHANNELS))]
    return RegistryPlan(
        tenant=TenantPlan(code="bench", name="Bench"),
        nodes=(NodePlan(code="house", name="House", kind="building", timezone="UTC"),),
        points=tuple(
            PointPlan(
                code=code,
                name=code,
                node="house",
                resource="electricity",
                role="inflow" if code == INFLOW else "consumer",
            )
            for code in codes
        ),
        meters=tuple(
            MeterPlan(serial=code, resource="electricity", pulse_weight=Fraction(1, n % 4 + 1))
            for n, code in enumerate(codes)
        ),
        mountings=tuple(
            MountingPlan(meter=code, point=code, module=1 + n // 2, input=1 + n % 2)
            for n, code in enumerate(codes)
        ),
        hubs=(HubPlan(code="hub", site="house"),),
        modules=tuple(
            ModulePlan(serial=1 + n, node="house", hub="hub", inputs=(1, 2))
            for n in range(CHANNELS // 2)
        ),
    )


@dataclass(frozen=True)
class House:
    """The group with three days of readings of all its channels."""

    group: GroupInfo
    places: Places
    bounds: list[datetime]


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[House]:
    request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        tenant = apply_plan(plan()).tenant_id
        first = hour_of(START)
        for hour in range(first, first + 72):
            readings = [
                Reading(1 + n // 2, 1 + n % 2, hour, 1000 * n % 997 + (hour - first) * (n % 50))
                for n in range(CHANNELS)
            ]
            entries = tuple(
                Entry(EntryKind.READINGS, pack(readings[at : at + 1000]))
                for at in range(0, CHANNELS, 1000)
            )
            store_batch("hub", Batch.of(1, (hour - first) * 100, entries), NOW)
        flush_inbox(NOW)
        with system_scope():
            take_news(wait=True)
            node = lookups.site_by_code(tenant, "house")
            assert node is not None
            group = group_of(node, Resource.ELECTRICITY)
            assert group is not None
            terms = forest_of(group, node).terms(group.id, Reach.METERS)
            places = Places(slots_of(terms.group_ids))
            with connection.cursor() as cursor:
                cursor.execute("select count(*) from balance_point")
                assert cursor.fetchone() == (CHANNELS,)
        yield House(group, places, bounds_of(START, START + DAY, Step.HOUR, node.timezone))
        connection.close()


def test_a_day_by_hours_from_readings(benchmark: BenchmarkFixture, house: House) -> None:
    with system_scope():
        sums = benchmark.pedantic(  # type: ignore[no-untyped-call]
            directly, (house.places, house.bounds), rounds=21, warmup_rounds=2
        )
    assert (sums.known.sum(axis=0) == CHANNELS).all()


def test_what_each_point_used(benchmark: BenchmarkFixture, house: House) -> None:
    with system_scope():
        with connection.cursor() as cursor:
            cursor.execute("select point_id from balance_point order by 1")
            points = np.array([point for (point,) in cursor.fetchall()])
        benchmark.pedantic(  # type: ignore[no-untyped-call]
            point_cells, (points, house.bounds), rounds=21, warmup_rounds=2
        )


@pytest.mark.parametrize("step", [Step.HOUR, Step.DAY])
def test_a_day_from_what_is_kept(benchmark: BenchmarkFixture, house: House, step: Step) -> None:
    zone = START.tzinfo
    assert zone is not None
    with system_scope():
        found = benchmark(
            balance, house.group, bounds_of(START, START + DAY, step, lookups.UTC), step, NOW
        )
    assert {line.balance.completeness for line in found.lines} == {1.0}


def test_upkeep_of_a_day(benchmark: BenchmarkFixture, house: House) -> None:
    """All 10,000 channels bring a register: marks, and the sums of two days of hours."""
    day = hour_of(START) // 24
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select id from channel order by id")
        channels = np.array([channel for (channel,) in cursor.fetchall()], np.int32)

    def upkeep() -> int:
        with system_scope():
            mark_channels(channels, np.full(len(channels), day + 1))
        return refresh(NOW)

    assert benchmark.pedantic(upkeep, rounds=7, warmup_rounds=1) == 1  # type: ignore[no-untyped-call]
    assert house.group.metered
