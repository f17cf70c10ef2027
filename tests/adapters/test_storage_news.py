"""Who listens learns after COMMIT that something must be carried to gateways or pages."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from django.contrib.auth import get_user_model

from balans.protocols.hub import PlanReport
from balans.storage import consents, live, own_limits, plans
from balans.storage.lookups import site_by_code
from balans.storage.own_limits import OwnLimit
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.registry_plan import RegistryPlan

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
Hear = Callable[[], set[tuple[str, str]]]


@pytest.fixture
def tenant_id(request: pytest.FixtureRequest, plan: RegistryPlan) -> int:
    """Alice's utility, committed."""
    request.getfixturevalue("store")
    return apply_plan(plan).tenant_id


@pytest.fixture
def hear(tenant_id: int, django_database_url: str) -> Iterator[Hear]:
    """A function that waits for the first news and gives all that came with it."""
    assert tenant_id
    with psycopg.connect(django_database_url, autocommit=True) as listener:
        for channel in (consents.CHANNEL, live.CHANNEL):
            listener.execute(f"listen {channel}")

        def heard() -> set[tuple[str, str]]:
            first = list(listener.notifies(timeout=5, stop_after=1))
            rest = list(listener.notifies(timeout=0.05))
            return {(one.channel, one.payload) for one in (*first, *rest)}

        yield heard


def test_a_consent_is_news_for_gateways_and_pages(tenant_id: int, hear: Hear) -> None:
    with tenant_scope(tenant_id):
        carol = get_user_model().objects.get(username="alice-consumer")
        site = site_by_code(tenant_id, "alice-house")
        assert site is not None
        consents.set_released(carol, site, ["wash"], released=True, now=NOW)
    assert hear() == {(consents.CHANNEL, ""), (live.CHANNEL, str(site.id))}


def test_an_own_limit_is_news_for_gateways_and_pages(tenant_id: int, hear: Hear) -> None:
    with tenant_scope(tenant_id):
        carol = get_user_model().objects.get(username="alice-consumer")
        site = site_by_code(tenant_id, "alice-house")
        flat = site_by_code(tenant_id, "alice-flat-1")
        assert site is not None
        assert flat is not None
        own_limits.set_own_limit(carol, flat, OwnLimit(kw=Decimal(3)), NOW)
    assert hear() == {(consents.CHANNEL, ""), (live.CHANNEL, str(site.id))}


def test_a_limit_of_the_registry_is_news_too(plan: RegistryPlan, hear: Hear) -> None:
    apply_plan(replace(plan, limits=(replace(plan.limits[0], kw=Decimal(5)),)))
    assert (consents.CHANNEL, "") in hear()


def test_a_plan_is_news_for_pages(tenant_id: int, hear: Hear) -> None:
    assert plans.store("alice-hub", PlanReport(made=NOW.timestamp()), NOW)
    with tenant_scope(tenant_id):
        site = site_by_code(tenant_id, "alice-house")
        assert site is not None
    assert hear() == {(live.CHANNEL, str(site.id))}
