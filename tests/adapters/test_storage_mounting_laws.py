"""Whatever is mounted, moved, replaced and removed in any order, no meter is lost or doubled."""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.words import Resource
from balans.storage import mounting, remounting, sent_forms
from balans.storage.access import NotVisibleError
from balans.storage.models import Channel, Meter, MeterMounting, Module
from balans.storage.mounting import MountRefusedError
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.mount_order import InputOrder, MountOrder
from balans.usecases.registry_plan import RegistryPlan

NOW = datetime(2026, 1, 12, 12, 30, tzinfo=UTC)
SERIALS = (1000, 4711, 4712)
PLACES = ("alice-flat-1", "alice-flat-2")
INPUTS = st.builds(
    InputOrder,
    number=st.integers(1, 3),
    resource=st.sampled_from((Resource.ELECTRICITY, Resource.COLD_WATER)),
    meter=st.sampled_from(("E1", "W1", "E2", "alice-m1", "alice-m2")),
    pulse_weight=st.sampled_from((None, Fraction(1, 2), Fraction(1))),
)
ORDERS = st.builds(
    MountOrder,
    serial=st.sampled_from(SERIALS),
    place=st.sampled_from(PLACES),
    has_adapter=st.booleans(),
    inputs=st.lists(INPUTS, max_size=3).map(tuple),
)
Step = tuple[Any, ...]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("mount"), ORDERS),
    st.tuples(st.just("replace"), st.sampled_from(SERIALS), st.sampled_from(SERIALS)),
    st.tuples(st.just("move"), st.sampled_from(SERIALS), st.sampled_from(PLACES)),
    st.tuples(st.just("remove"), st.sampled_from(SERIALS)),
)


def operator() -> Any:
    with system_scope():
        return get_user_model().objects.get(username="alice-operator")


def do(user: Any, step: Step, at: datetime) -> None:
    match step:
        case ("mount", order):
            mounting.mount(user, order, at)
        case ("replace", old, new):
            remounting.replace_module(user, old, new, at, {"E1": Decimal(5)})
        case ("move", serial, place):
            remounting.move_module(user, serial, place, at, {})
        case ("remove", serial):
            remounting.remove_module(user, serial, at, {})
        case _:
            raise AssertionError(step)


def check_books() -> None:
    """No point, channel or pair of meter and point has two meters at a time, or a gap."""
    rows = list(MeterMounting.objects.select_related("meter", "point", "channel__module"))
    by: dict[tuple[str, int], list[MeterMounting]] = defaultdict(list)
    for row in rows:
        by["point", row.point_id].append(row)
        if row.channel_id is not None:
            by["channel", row.channel_id].append(row)
    for periods in by.values():
        periods.sort(key=lambda row: row.valid_from)
        assert all(one.valid_to is not None for one, _ in pairwise(periods))
        assert all((one.valid_to or NOW) <= other.valid_from for one, other in pairwise(periods))
    for row in rows:
        if row.valid_to is not None:
            continue
        if row.channel is not None:
            assert row.channel.module.removed_at is None
            assert row.channel.module.node_id == row.point.node_id
            assert row.channel.input <= (2 if row.channel.module.has_adapter else 3)
    # what hung once hangs still, counted or not: nothing takes a meter off its point
    for meter in Meter.objects.all():
        mine = [row for row in rows if row.meter_id == meter.pk]
        assert not mine or any(row.valid_to is None for row in mine), meter.serial


@pytest.mark.django_db
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=1, max_size=8), times=st.integers(1, 2))
def test_any_order_of_deeds_keeps_the_books(
    plan: RegistryPlan, steps: list[Step], times: int
) -> None:
    tenant = apply_plan(plan).tenant_id
    with transaction.atomic():
        with tenant_scope(tenant, "test"):
            user = operator()
            for n, step in enumerate(steps):
                at = NOW + n * timedelta(hours=1)
                for _ in range(times):
                    with suppress(MountRefusedError, NotVisibleError):
                        do(user, step, at)
                check_books()
        transaction.set_rollback(True)


def counts() -> tuple[int, ...]:
    models: tuple[Any, ...] = (Module, Channel, Meter, MeterMounting)
    return tuple(model.objects.count() for model in models)


@pytest.mark.usefixtures("store")
def test_forms_that_arrive_together_are_done_once(plan: RegistryPlan) -> None:
    tenant = apply_plan(plan).tenant_id
    user = operator()
    water = InputOrder(
        number=2, resource=Resource.COLD_WATER, meter="W77", pulse_weight=Fraction(10)
    )
    order = MountOrder(serial=4711, place="alice-flat-2", inputs=(water,))
    token = UUID(int=7 << 90)

    def done() -> dict[str, Any]:
        result = mounting.mount(user, order, NOW)
        return {"changed": result.changed, "point": result.inputs[0].point}

    def in_thread(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            with tenant_scope(tenant, "test"):
                return work()
        finally:
            connection.close()

    def with_token() -> dict[str, Any]:
        return sent_forms.once(user, token, NOW, done)

    with tenant_scope(tenant):
        before = counts()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(in_thread, [with_token] * 6 + [done] * 6))
    with tenant_scope(tenant):
        assert tuple(a - b for a, b in zip(counts(), before, strict=True)) == (1, 1, 1, 1)
    assert {one["point"] for one in answers} == {"alice-flat-2-cw"}
    assert len({one["changed"] for one in answers[:6]}) == 1
    assert sum(one["changed"] for one in answers[6:]) + answers[0]["changed"] == 1
