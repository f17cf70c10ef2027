"""Consents down, plans up: what the head-end carries between pages and gateways."""

import asyncio
from datetime import UTC, datetime

from tests.adapters.test_headend import (  # noqa: F401  (bench and database are fixtures)
    NOW,
    Bench,
    FakeHub,
    bench,
    database,
    in_system,
    rows,
    until,
    until_stored,
)

from balans.adapters.localmqtt import LocalBroker
from balans.protocols.hub import ConsentSetting, Hello, PlannedLoad, PlanReport, PlanState


def set_released(*, released: bool) -> None:
    """Let Alice's consumer give or take back consent for the heater."""
    from balans.storage import consents, lookups
    from balans.storage.models import Tenant, User
    from balans.storage.scope import tenant_scope

    tenant = in_system(Tenant.objects.get).pk
    with tenant_scope(tenant):
        site = lookups.site_by_code(tenant, "alice-house")
        assert site is not None
        user = User.objects.get(username="alice-consumer")
        consents.set_released(user, site, ["heat"], released=released, now=NOW)
    from django.db import connection

    connection.close()


async def test_consents_are_retained_and_sent_at_once_when_they_change(
    bench: Bench,  # noqa: F811
    broker: LocalBroker,
) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    await until(lambda: bench.hub.consents, "consents")
    assert "heat" not in {one.load for one in bench.hub.consents[-1].loads}
    await asyncio.to_thread(set_released, released=False)
    wanted = ConsentSetting("heat", released=False)
    await until(
        lambda: wanted in bench.hub.consents[-1].loads, "consent that was withdrawn", limit_s=3.0
    )
    assert bench.hub.consents[-1].version > bench.hub.consents[0].version
    late = FakeHub(broker.url)
    task = asyncio.create_task(late.link.run())
    await until(lambda: late.consents, "consents retained at the broker")
    assert late.consents == bench.hub.consents[-1:]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_newest_plan_is_kept(bench: Bench) -> None:  # noqa: F811
    at = NOW.timestamp()
    load = PlannedLoad("heat", (0.0, 2000.0), (2000.0, 0.0), deferred_to=at + 900.0)
    for made in (at, at + 300.0):
        await bench.hub.send(
            PlanReport(made, 900.0, at, PlanState.OPTIMAL, price=(0.3, 0.1), loads=(load,))
        )
    wanted = [(datetime.fromtimestamp(at + 300.0, UTC),)]
    await until_stored(lambda: rows("select made from site_plan"), wanted)
    await bench.hub.send(PlanReport(at + 60.0))
    await bench.hub.send(PlanReport(at + 600.0, state=PlanState.NONE, reason="planner_lost"))
    wanted = [(datetime.fromtimestamp(at + 600.0, UTC),)]
    await until_stored(lambda: rows("select made from site_plan"), wanted)


async def test_the_plan_of_a_hub_that_is_not_registered_is_dropped(bench: Bench) -> None:  # noqa: F811
    stranger = FakeHub(bench.hub.url, "stranger")
    task = asyncio.create_task(stranger.link.run())
    await asyncio.wait_for(stranger.link.wait_connected(), 10)
    await stranger.send(PlanReport(NOW.timestamp()))
    await bench.hub.send(PlanReport(NOW.timestamp()))
    await until_stored(lambda: rows("select count(*) from site_plan"), [(1,)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
