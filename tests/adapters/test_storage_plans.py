"""The newest plan of a site, and decisions page by page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from balans.core.words import CommandState
from balans.protocols.hub import CommandReport, PlannedLoad, PlanReport, PlanState
from balans.storage import decisions, plans
from balans.storage.commands import Wish, create_command, recent
from balans.storage.decisions import Asked, By
from balans.storage.lookups import site_by_code
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.reports import SiteReport, apply_reports
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def site(plan: RegistryPlan) -> NodeInfo:
    """Alice's house; the whole test reads as her utility, between the steps of the system."""
    tenant_id = apply_plan(plan).tenant_id
    with connection.cursor() as cursor:
        cursor.execute("select set_config('balans.tenant', %s, true)", [str(tenant_id)])
    found = site_by_code(tenant_id, "alice-house")
    assert found is not None
    return found


def made(at: datetime, cost: float = 1.0) -> PlanReport:
    return PlanReport(
        made=at.timestamp(),
        start=at.timestamp(),
        state=PlanState.OPTIMAL,
        price=(0.2, 0.1),
        expected_w=(1000.0, 2000.0),
        limit_w=(4000.0, None),
        loads=(PlannedLoad("wash", (0.0, 2000.0), (2000.0, 0.0), (at + MINUTE).timestamp()),),
        cost=cost,
        cost_unplanned=2.0,
    )


class TestPlans:
    def test_the_newest_is_kept(self, site: NodeInfo) -> None:
        assert plans.latest(site.id) is None
        for n in range(2):
            assert plans.store("alice-hub", made(NOW + n * MINUTE, cost=n), NOW)
        found = plans.latest(site.id)
        assert found is not None
        assert (found.made, found.received) == (NOW + MINUTE, NOW)
        assert found.report == made(NOW + MINUTE, cost=1)

    def test_one_that_comes_late_replaces_none(self, site: NodeInfo) -> None:
        plans.store("alice-hub", made(NOW), NOW)
        assert not plans.store("alice-hub", made(NOW - MINUTE), NOW + MINUTE)
        found = plans.latest(site.id)
        assert found is not None
        assert found.made == NOW

    def test_a_clock_that_was_set_back_does_not_stop_plans_for_ever(self, site: NodeInfo) -> None:
        plans.store("alice-hub", made(NOW + timedelta(days=30)), NOW)
        assert plans.store("alice-hub", made(NOW), NOW + timedelta(hours=2))
        found = plans.latest(site.id)
        assert found is not None
        assert found.made == NOW

    def test_an_unregistered_hub_plans_nothing(self, site: NodeInfo) -> None:
        assert not plans.store("no-hub", made(NOW), NOW)
        assert plans.latest(site.id) is None

    def test_another_tenant_sees_none(
        self, site: NodeInfo, make_plan: Callable[..., RegistryPlan]
    ) -> None:
        plans.store("alice-hub", made(NOW), NOW)
        with tenant_scope(apply_plan(make_plan("bob", serial=2000)).tenant_id):
            assert plans.latest(site.id) is None


def report(site: NodeInfo, n: int, **values: object) -> None:
    """Let load control report that it switched a load, `n` minutes from now."""
    at = (NOW + n * MINUTE).timestamp()
    fields = {
        "id": f"c{n}",
        "load": "heat",
        "on": False,
        "author": "dlm",
        "reason": "over_limit",
        "created": at,
        "expires": at + 60,
        "state": CommandState.CONFIRMED,
        "time": at + 1,
        "limit": "contract",
        "expected_w": -2000.0,
        **values,
    }
    with system_scope():
        apply_reports([SiteReport(site.tenant_id, site.id, CommandReport(**fields))])  # type: ignore[arg-type]


class TestDecisions:
    def test_pages_from_the_newest_on(self, site: NodeInfo) -> None:
        for n in range(7):
            report(site, n)
        first = decisions.page(site, Asked(), 1, size=3)
        assert [one.code for one in first.decisions] == ["c6", "c5", "c4"]
        assert (first.total, first.last) == (7, 3)
        past_the_end = decisions.page(site, Asked(), 99, size=3)
        assert ([one.code for one in past_the_end.decisions], past_the_end.number) == (["c0"], 3)
        none = decisions.page(site, Asked(loads=()), 1)
        assert (none.decisions, none.total, none.number, none.last) == ((), 0, 1, 1)

    def test_narrowed_down(self, site: NodeInfo) -> None:
        report(site, 0)
        report(site, 1, load="wash", reason="night_zone", state=CommandState.FAILED)
        otto = get_user_model().objects.get(username="alice-operator")
        wish = Wish(load_name="heat", on=False, reason="noise")
        given = create_command(otto, site, wish, NOW + 2 * MINUTE)

        def found(**asked: object) -> list[str]:
            page = decisions.page(site, Asked(**asked), 1)  # type: ignore[arg-type]
            return [one.code for one in page.decisions]

        assert found() == [given.code, "c1", "c0"]
        assert found(loads=["heat"]) == [given.code, "c0"]
        assert found(by=By.PEOPLE) == [given.code]
        assert found(by=By.CONTROL) == ["c1", "c0"]
        assert found(state="failed") == ["c1"]
        assert found(reason="over_limit") == ["c0"]
        assert found(since=NOW + MINUTE) == [given.code, "c1"]
        assert found(until=NOW + MINUTE) == ["c0"]
        assert decisions.reasons_of(site) == ["night_zone", "over_limit"]

    def test_the_effect_comes_after_the_confirmation(self, site: NodeInfo) -> None:
        report(site, 0)
        assert recent(site)[0].achieved_w is None
        report(site, 0, achieved_w=-1850.0)
        (one,) = recent(site)
        assert (one.expected_w, one.achieved_w) == (-2000.0, -1850.0)
        assert [event.state for event in one.events] == ["confirmed"]
        report(site, 0)
        assert recent(site)[0].achieved_w == -1850.0

    def test_both_reports_may_come_in_one_batch_and_in_any_order(self, site: NodeInfo) -> None:
        at = NOW.timestamp()
        fields = ("c9", "heat", False, "dlm", "over_limit", at, at + 60, CommandState.CONFIRMED, at)
        both = [CommandReport(*fields, achieved_w=-500.0), CommandReport(*fields)]
        for reports in (both, both[::-1]):
            with system_scope():
                apply_reports(SiteReport(site.tenant_id, site.id, one) for one in reports)
            assert recent(site)[0].achieved_w == -500.0
