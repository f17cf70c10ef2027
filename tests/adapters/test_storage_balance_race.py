"""Flushes, the worker and readers at the same time: nothing that is kept stays behind."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.db import connection
from tests.adapters.balance_town import (
    LATER,
    NOON,
    RATES,
    deliver,
    exchanged,
    report,
    steady,
    street_plan,
)

from balans.storage import balance_cells, balance_upkeep, matrix, recent
from balans.storage.balance_upkeep import Marks, compute_marks
from balans.storage.balances import Step, refresh
from balans.storage.flush import flush_inbox
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.storage.sealing import seal_due

START, END = NOON - timedelta(hours=30), NOON + timedelta(hours=60)


def in_thread(work: Callable[[], object]) -> None:
    """Run `work` on a connection of its own."""
    try:
        work()
    finally:
        connection.close()


def balances(tenant: int) -> dict[tuple[str, Step], object]:
    return {
        (code, step): report(tenant, code, START, END, step).lines
        for code in ("b1", "b2", "street")
        for step in (Step.HOUR, Step.DAY, Step.MONTH)
    }


class Rush:
    """Readings in pieces, in any order, while the worker works and people look."""

    def __init__(self) -> None:
        self.tenant = apply_plan(street_plan()).tenant_id
        self.over = Event()
        refresh(LATER)  # the groups

    def flush(self) -> None:
        """Deliver everything, and exchange a meter."""
        try:
            readings = steady(RATES, range(-30, 61))
            pieces = [(code, hour) for code, hours in readings.items() for hour in hours]
            random.Random(1).shuffle(pieces)
            for first in range(0, len(pieces), 20):
                part: dict[str, dict[int, int]] = {}
                for code, hour in pieces[first : first + 20]:
                    part.setdefault(code, {})[hour] = readings[code][hour]
                deliver(part)
            apply_plan(exchanged(street_plan(), "f12", NOON + timedelta(minutes=90), (5030, 0)))
            deliver({"f12": {hour: 5 + 10 * (hour - 2) for hour in range(2, 61)}}, number=2)
        finally:
            self.over.set()

    def work(self) -> None:
        """Do as the worker does."""
        while not self.over.is_set():
            refresh(LATER, 7)

    def look(self) -> None:
        """Do as pages do."""
        chance = random.Random(2)
        while not self.over.is_set():
            with tenant_scope(self.tenant):
                report(self.tenant, chance.choice(["b1", "street"]), START, END, Step.DAY)
                report(self.tenant, chance.choice(["b2", "street"]), START, END, Step.HOUR)


@pytest.mark.usefixtures("store")
def test_what_is_kept_is_true_after_all_at_once() -> None:
    rush = Rush()
    with ThreadPoolExecutor(4) as pool:
        jobs = (rush.flush, rush.work, rush.look, rush.look)
        done = [pool.submit(in_thread, job) for job in jobs]
    for one in done:
        one.result()
    with tenant_scope(rush.tenant):
        kept = balances(rush.tenant)
        with connection.cursor() as cursor:
            for table in ("balance_hour", "balance_period", "balance_dirty"):
                cursor.execute(f"delete from {table}")
        assert balances(rush.tenant) == kept
        lines = report(rush.tenant, "b1", NOON - timedelta(hours=10), END).lines
        assert {line.balance.imbalance for line in lines} == {5000}


@pytest.mark.django_db
def test_a_street_reads_no_register_that_its_buildings_have_summed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = apply_plan(street_plan()).tenant_id
    deliver(steady(RATES, range(-30, 61)))
    with tenant_scope(tenant):
        for code in ("b1", "b2"):
            for step in Step:
                report(tenant, code, START, END, step)
        monkeypatch.delattr(balance_cells, "registers")
        for step in (Step.HOUR, Step.DAY):
            first = NOON - timedelta(hours=13)  # midnight of a local day
            lines = report(tenant, "city", first, first + timedelta(days=2), step).lines
            assert all(line.balance.imbalance for line in lines)


def elsewhere(work: Callable[[], object]) -> None:
    """Do `work` wholly, in a transaction of another connection."""
    pool = ThreadPoolExecutor(1)
    pool.submit(in_thread, work).result(20)
    pool.shutdown()


def once_before(
    monkeypatch: pytest.MonkeyPatch, when: str, work: Callable[[], object]
) -> list[str]:
    """Let `work` be done elsewhere before the first call of a step of reading; it is told then."""
    moved: list[str] = []
    original = getattr(matrix, when)

    def moving(*args: Any) -> Any:
        if not moved:
            moved.append(when)
            elsewhere(work)
        return original(*args)

    monkeypatch.setattr(matrix, when, moving)
    return moved


def kept_and_afresh(tenant: int, start: datetime, end: datetime) -> tuple[object, object]:
    """Return the hourly balances from what is kept, and computed again from the registers."""
    with tenant_scope(tenant):
        kept = report(tenant, "b1", start, end, Step.HOUR).lines
        with connection.cursor() as cursor:
            cursor.execute("delete from balance_hour")
            cursor.execute("delete from balance_period")
        return kept, report(tenant, "b1", start, end, Step.HOUR).lines


@pytest.mark.usefixtures("store")
def test_a_mark_set_while_marks_are_taken_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = apply_plan(street_plan()).tenant_id
    refresh(LATER)
    readings = steady(RATES, range(-40, 100))
    late = {"f12": {hour: readings["f12"].pop(hour) for hour in range(14, 20)}}
    first = {"f11": {-6: readings["f11"].pop(-6)}}
    deliver(readings)
    start, end = NOON - timedelta(hours=12), NOON + timedelta(hours=36)
    with tenant_scope(tenant):
        report(tenant, "b1", start, end, Step.HOUR)
    deliver(first)  # marks a day of the span
    done: list[Marks] = []

    def between(marks: Marks) -> None:
        if not done:
            done.append(marks)
            elsewhere(lambda: deliver(late))
        compute_marks(marks)

    monkeypatch.setattr(balance_upkeep, "compute_marks", between)
    with tenant_scope(tenant):
        report(tenant, "b1", start, end, Step.HOUR)
    assert done
    refresh(LATER)
    kept, afresh = kept_and_afresh(tenant, start, end)
    assert kept == afresh


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("when", ["_add_days", "_add_months", "_add_recent"])
def test_a_day_that_ends_while_it_is_read_is_not_missing(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(recent, "is_big", lambda: True)
    tenant = apply_plan(street_plan()).tenant_id
    refresh(LATER)
    now = NOON + timedelta(hours=11)
    deliver(steady(RATES, range(11)), now=now)
    moved = once_before(monkeypatch, when, lambda: flush_inbox(LATER))
    refresh(LATER)
    assert moved
    kept, afresh = kept_and_afresh(tenant, NOON, NOON + timedelta(hours=10))
    assert kept == afresh


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("when", ["_add_days", "_add_months", "_add_recent"])
def test_a_month_that_opens_while_it_is_read_is_not_missing(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    tenant = apply_plan(street_plan()).tenant_id
    refresh(LATER)
    readings = steady(RATES, range(24))
    late = {"f12": {hour: readings["f12"].pop(hour) for hour in range(14, 20)}}
    deliver(readings)
    assert seal_due(NOON + timedelta(days=120))
    while refresh(LATER):
        pass
    start, end = NOON, NOON + timedelta(hours=10)
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute("delete from balance_hour")
    moved = once_before(monkeypatch, when, lambda: deliver(late))
    with tenant_scope(tenant):
        report(tenant, "b1", start, end, Step.HOUR)
    assert moved
    kept, afresh = kept_and_afresh(tenant, start, end)
    assert kept == afresh
